"""Who is spared, as it stands in the configuration."""

from __future__ import annotations

import pytest

from privet.config.ignore import ignored
from privet.config.loader import parse
from privet.config.values import Invalid
from privet.core.addresses.address import Subject
from privet.core.guard import Listed

OFFICE = Listed("name", ("office.example.org",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.0.2.1", (Subject.parse("192.0.2.1"),)),
        (["192.0.2.0/24", "2001:db8::1"], (Subject.parse("192.0.2.0/24"), Subject.parse("2001:db8::/64"))),
        ([], ()),
        ("office.example.org", (OFFICE,)),
        ("Office.Example.org.", (OFFICE,)),
        ("localhost", (Listed("name", ("localhost",)),)),
        ("1-2-3.dyn.example.org", (Listed("name", ("1-2-3.dyn.example.org",)),)),
        ("file:/etc/privet/office", (Listed("file", ("/etc/privet/office",)),)),
        ({"command": ["/bin/echo", "192.0.2.1"]}, (Listed("command", ("/bin/echo", "192.0.2.1")),)),
        ([{"command": "/bin/office"}, "192.0.2.1"], (Listed("command", ("/bin/office",)), Subject.parse("192.0.2.1"))),
    ],
)
def test_what_can_stand_there(value: object, expected: tuple[Subject | Listed, ...]) -> None:
    assert ignored(value) == expected


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("192.0.2.256", "not an address"),
        ("192.0.2.0/33", "whole number from 0 to 32"),
        ("192.0.2.1, 192.0.2.2", "not an address"),
        ("office_.example.org", "not an address"),
        ("-office.example.org", "not an address"),
        ("example.123", "not an address"),
        ("a" * 64 + ".org", "not an address"),
        ("https://example.org/list", "not an address"),
        ("file:office", "absolute path"),
        ("file:", "absolute path"),
        ({"command": ["office"]}, "absolute path"),
        ({"command": []}, "no words"),
        ({"command": [5]}, "expected a string"),
        ({"program": "/bin/x"}, "just one setting"),
        ({}, "just one setting"),
        (5, "expected a string"),
        ("", "must not be empty"),
    ],
)
def test_what_cannot(value: object, complaint: str) -> None:
    with pytest.raises(Invalid) as error:
        ignored(value)
    assert complaint in error.value.problems[0].message


def test_what_must_be_asked_is_kept_apart() -> None:
    config = parse(
        """
        [daemon]
        ignoreip = ["192.0.2.1", "office.example.org"]
        [proxies]
        trusted = ["file:/etc/cdn", "10.0.0.0/8"]
        group = "nginx"
        [source.web]
        pipe = true
        proxied = true
        [jail.one]
        source = "web"
        ignoreip = "office.example.org"
        """,
        "p.toml",
    )
    assert (config.daemon.ignoreip, config.daemon.ignorelists) == ((Subject.parse("192.0.2.1"),), (OFFICE,))
    assert config.proxies.trusted == (Subject.parse("10.0.0.0/8"),)
    assert config.proxies.trustedlists == (Listed("file", ("/etc/cdn",)),)
    assert config.proxies.group == "nginx"
    assert (config.jails["one"].ignoreip, config.jails["one"].ignorelists) == ((), (OFFICE,))
    assert config.sources["web"].proxied
