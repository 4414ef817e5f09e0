"""What the filter in the kernel lets through, tried on a line without a privilege; the news themselves: tests/e2e."""

from __future__ import annotations

import socket
import struct

import pytest

from privet.adapters.firewall import watch
from privet.adapters.firewall.messages import INET, named
from privet.adapters.firewall.watch import Watch, pass_over

OWN, OTHER = 70_000, 70_001
NEW_RULE, DELETED_ELEMENT, GENERATION = 0xA06, 0xA0E, 0xA0F


def news(kind: int, port: int, *names: str) -> bytes:
    body = INET + named(*names)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, port) + body


@pytest.mark.parametrize(
    ("data", "comes"),
    [
        (news(GENERATION, OTHER), True),
        (news(GENERATION, OWN), False),
        (news(NEW_RULE, OTHER, "privet", "bans"), True),
        (news(NEW_RULE, OWN, "privet", "bans"), False),
        (news(DELETED_ELEMENT, OTHER, "privet", "v4_32"), True),
        (news(NEW_RULE, OTHER, "filter", "bans"), False),
        (news(NEW_RULE, OTHER, "privet2", "bans"), False),
        (news(NEW_RULE, OTHER, "private", "bans"), False),
        (b"", False),
        (bytes(13), False),
    ],
)
def test_only_what_others_do_to_our_table_comes_through(data: bytes, comes: bool) -> None:  # noqa: FBT001  a parameter
    kernel, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with kernel, line:
        line.settimeout(0)
        pass_over(line, OWN)
        kernel.send(data)
        kernel.send(news(GENERATION, OTHER, "last"))
        assert (line.recv(1000) == data) == comes


def test_a_socket_that_cannot_listen_is_not_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(watch, "connect", lambda _: line)
    with kernel, pytest.raises(OSError, match="not supported"):
        Watch(OWN)
    assert line.fileno() == -1
