"""What `privet.toml` says about how jails are tested: `[[jail.NAME.test]]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.config.values import Invalid, Problem, bad, duration, each, read, shown, text
from privet.core.addresses.address import Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

BAN, NOTHING = "ban", "nothing"
MOST = 100_000
"""Lines of one session."""

_WAIT = re.compile(r"wait (\S+)")
_TIMES = re.compile(r"([1-9]\d{0,5}) times (.+)", re.DOTALL)


class Step(msgspec.Struct, frozen=True):
    """A part of a session: a pause, or a line so many times."""

    wait: float = 0.0
    line: str = ""
    times: int = 0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that are failures each (`hit`), lines that are none (`miss`), or a session and who is to be banned by it.

    What stands `before` those of `hit` and of `miss` may be either.
    `expect` is `BAN`, `NOTHING` or those who are banned. What short lines do not say are `client`, `agent` and the
    others; `every` seconds pass between two lines of a session, 0 if they stand in one second.
    """

    name: str = ""
    before: tuple[str, ...] = ()
    hit: tuple[str, ...] = ()
    miss: tuple[str, ...] = ()
    lines: tuple[Step, ...] = ()
    expect: str | tuple[Subject, ...] = ""
    every: float = 1.0
    client: str = "192.0.2.7"
    agent: str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    referer: str = "-"
    host: str = "www.example.org"


def step_of(written: str) -> Step:
    """Read `wait 20m`, `50 times LINE` or `LINE`. Raises Invalid."""
    if found := _WAIT.fullmatch(written):
        return Step(wait=duration(found[1]))
    if found := _TIMES.fullmatch(written):
        return Step(line=found[2], times=int(found[1]))
    return Step(line=written, times=1)


def _lines(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise bad(f"expected a list of lines, got {shown(value)}")
    return tuple(map(text, value))


def _session(value: object) -> tuple[Step, ...]:
    steps = tuple(map(step_of, _lines(value)))
    if sum(step.times for step in steps) > MOST:
        raise bad(f"a session has at most {MOST} lines")
    return steps


def _pause(value: object) -> float:
    return 0.0 if value == 0 and not isinstance(value, bool) else duration(value)


def _expect(value: object) -> str | tuple[Subject, ...]:
    if isinstance(value, list):
        return each(value, _subject)
    if value not in (BAN, NOTHING):
        raise bad(f"expected '{BAN}', '{NOTHING}' or a list of those who are banned, got {shown(value)}")
    return str(value)


def _subject(value: object) -> Subject:
    try:
        return Subject.parse(text(value))
    except ValueError as error:
        raise bad(f"{error}: {shown(value)}") from None


SETTINGS: Mapping[str, Decoder] = {
    "name": text,
    "before": _lines,
    "hit": _lines,
    "miss": _lines,
    "lines": _session,
    "expect": _expect,
    "every": _pause,
    "client": text,
    "agent": text,
    "referer": text,
    "host": text,
}


def cases(value: object) -> tuple[Case, ...]:
    """Decode the cases of a jail."""
    if not isinstance(value, list):
        raise bad("expected [[…]] with two brackets: a jail may have several tests")
    return tuple(map(_case, value))


def _case(value: object) -> Case:
    settings, problems = read(value, SETTINGS)
    if not problems:
        problems = _problems(settings)
    if problems:
        raise Invalid(*problems)
    return Case(**settings)


def _problems(settings: Mapping[str, object]) -> list[Problem]:
    if not settings.keys() & {"hit", "miss", "lines"}:
        return [Problem("a test needs 'hit', 'miss' or 'lines'")]
    if "before" in settings and not settings.keys() & {"hit", "miss"}:
        return [Problem("'before' stands before 'hit' or 'miss': a session has all its lines in 'lines'")]
    if ("lines" in settings) != ("expect" in settings):
        return [Problem("'lines' and 'expect' go together: a session, and what comes of it")]
    return []
