"""A jail's filter: what its file says and what the jail says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Filter
    from tests.unit.config.fail2ban.conftest import Write

HERE = Place("jail.conf", 1)
FILE = """\
[Definition]
prefregex = ^<F-CONTENT>.+</F-CONTENT>
failregex = ^<logtype> <mode> <HOST>

    ^two <HOST>
ignoreregex =
datepattern = {^LN-BEG}
maxlines = 2
journalmatch = A=1 + B="x y"
    C=2
[Init]
mode = normal
"""


def read(write: Write, name: str, backend: str = "auto", **jail: str) -> Filter:
    files = Files(write({"filter.d/f.conf": FILE, "filter.d/own.conf": FILE + "[x]\n", "filter.d/own.local": OWN}))
    values = {option: Text.of(text, HERE) for option, text in jail.items()}
    return FilterFile(files, Text.of(name, HERE), backend).read(values)


OWN = "[Definition]\nlogtype = own\n"


def test_a_filter(write: Write) -> None:
    found = read(write, "f[mode=x]")

    assert found.prefregex
    assert (found.name, found.maxlines, found.datepattern) == ("f", 2, "{^LN-BEG}")
    assert (found.prefregex.regex, found.prefregex.place.line) == ("^<F-CONTENT>.+</F-CONTENT>", 2)
    assert [(rule.regex, rule.place.line) for rule in found.failregex] == [
        ("^file x <HOST>", 3),
        ("^two <HOST>", 5),
    ]
    assert found.ignoreregex == ()
    assert found.journalmatch == (("A=1", "+", "B=x y"), ("C=2",))
    assert (found.usedns, found.options["mode"]) == ("warn", "x")


@pytest.mark.parametrize(
    ("name", "backend", "logtype"),
    [
        ("f", "systemd[journalflags=1]", "journal"),
        ("f", "pyinotify", "file"),
        ("f[logtype=short]", "systemd", "short"),
        ("f[logtype=]", "systemd", "journal"),
        ("own", "systemd", "own"),
    ],
)
def test_logtype(write: Write, name: str, backend: str, logtype: str) -> None:
    assert read(write, name, backend).failregex[0].regex == f"^{logtype} normal <HOST>"


def test_what_the_jail_says(write: Write) -> None:
    found = read(write, "f", failregex="^j <HOST>", datepattern="x", maxlines="1", usedns="No", journalmatch="D=3")

    assert [rule.regex for rule in found.failregex] == ["^j <HOST>"]
    assert (found.datepattern, found.maxlines, found.usedns, found.journalmatch) == ("x", 1, "no", (("D=3",),))


def test_no_filter(write: Write) -> None:
    found = read(write, "", failregex="^j <HOST>")

    assert (found.name, [rule.regex for rule in found.failregex]) == ("", ["^j <HOST>"])


def test_an_unknown_filter(write: Write) -> None:
    with pytest.raises(RefusedError, match=r"jail.conf:1: there is no filter 'g' in filter.d"):
        read(write, "g")
