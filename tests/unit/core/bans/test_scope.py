"""Scopes: one text for equal ports, however they are named."""

from __future__ import annotations

import pytest

from privet.core.bans.scope import MOST_SERVICES, PROTOCOLS, make_scope, numbers, scope_of, service_of, services


@pytest.mark.parametrize(
    ("protocols", "ports", "expected"),
    [
        ("tcp", [22], "tcp:22"),
        ("tcp", [443, 80, 443], "tcp:80,443"),
        (["udp", "tcp", "udp"], [53], "tcp:53;udp:53"),
        ("sctp", [1, 65535], "sctp:1,65535"),
    ],
)
def test_equal_scopes_are_equal_texts(protocols: str | list[str], ports: list[int], expected: str) -> None:
    assert make_scope(protocols, ports) == expected


@pytest.mark.parametrize(
    ("protocols", "ports"), [("tcp", []), ([], [22]), ("icmp", [1]), ("", [22]), ("tcp", [0]), ("tcp", [22, 65536])]
)
def test_what_is_no_scope(protocols: str | list[str], ports: list[int]) -> None:
    with pytest.raises(ValueError, match=r"a (scope|port) "):
        make_scope(protocols, ports)


def test_a_scope_is_bounded_over_all_protocols() -> None:
    assert len(services(make_scope("tcp", range(1, MOST_SERVICES + 1)))) == MOST_SERVICES
    with pytest.raises(ValueError, match="at most 64"):
        make_scope(["tcp", "udp"], range(1, MOST_SERVICES))


def test_everything_is_one_service() -> None:
    assert services("") == ("",)
    assert scope_of("") == ""


def test_services_lead_back_to_scopes_and_numbers() -> None:
    assert services("tcp:22,80;udp:53") == ("tcp/22", "tcp/80", "udp/53")
    assert [scope_of(service) for service in services("tcp:22,80;udp:53")] == ["tcp:22", "tcp:80", "udp:53"]
    for protocol in PROTOCOLS:
        assert service_of(*numbers(f"{protocol}/22")) == f"{protocol}/22"


@pytest.mark.parametrize("text", ["", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/+1", "tcp/²", "icmp/1"])
def test_what_is_no_service(text: str) -> None:
    with pytest.raises(ValueError, match="not a service"):
        numbers(text)


def test_a_protocol_without_ports() -> None:
    with pytest.raises(ValueError, match="without ports"):
        service_of(1, 8)
