"""Tests of adapters.suit: filters that can never match the logs that they are given."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from privet.adapters.suit import LEAST, unsuitable
from privet.config.loader import parse

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000.0
AUTH = "Nov 14 22:13:{:02} mars sshd[7]: Accepted publickey for x from 192.0.2.{} port 1 ssh2"
ACCESS = '192.0.2.{1} - - [14/Nov/2023:22:13:{0:02} +0000] "GET / HTTP/1.1" 200 5'
PREFIX = r"prefregex = '^ \S+ sshd\[\d+\]: <F-CONTENT>.+</F-CONTENT>$'"


def problems(folder: Path, line: str, *settings: str, count: int = 2 * LEAST) -> list[str]:
    """Return what is wrong with a filter for a log of such lines."""
    log = folder / "log"
    log.write_text("".join(f"{line.format(number % 60, number)}\n" for number in range(count)))
    lines = "\n".join(settings)
    text = (
        f'[source.log]\npath = "{log}"\nformat = "plain"\n[filter.f]\n{lines}\n[jail.j]\nsource = "log"\nfilter = "f"'
    )
    return unsuitable(parse(text, "privet.toml"), UTC, NOW)


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (AUTH, ("failregex = '^Failed .* from <HOST>'", PREFIX)),
        (AUTH, ("failregex = 'Failed .* from <HOST>'",)),
        (AUTH, ("failregex = '^\\s*\\S+ sshd.* <HOST>'",)),
        (ACCESS, ("failregex = '^<HOST> .*\"GET /wp'",)),
        (ACCESS, ("failregex = ['^\\[<HOST>', '^<HOST> .*wp']",)),
        (
            "no date {} {}",
            ("failregex = 'Failed <HOST>'", "datepattern = '{NONE}'"),
        ),
    ],
)
def test_filters_that_may_match_are_left_alone(line: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    assert problems(tmp_path, line, *settings) == []


def test_a_prefregex_for_other_logs(tmp_path: Path) -> None:
    found = problems(tmp_path, ACCESS, "failregex = 'Failed .* from <HOST>'", PREFIX)

    assert found == ["jail j: its prefregex matches none of the last 40 lines of source log: it can never match"]


def test_a_beginning_that_no_line_has(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, AUTH, "failregex = ['^<HOST> -.*\"GET', '^\\[<HOST>\\]']")

    assert found == (
        "jail j: none of its failregexes can match: none of the last 40 lines of source log begins as they want it, "
        '`^<HOST> -.*"`, `^\\[<HOST>\\]`'
    )


def test_a_masked_log_that_begins_with_no_address(tmp_path: Path) -> None:
    masked = ACCESS.replace("192.0.2.{1}", "-")

    assert "none of its failregexes can match" in problems(tmp_path, masked, "failregex = '^<HOST> .*wp'")[0]


def test_dates_that_are_not_found(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "{} {} nothing", "failregex = 'Failed <HOST>'", "datepattern = '^%Y-%m-%d'")

    assert found == (
        "jail j: its filter finds a date in none of the last 40 lines of source log: lines count as they are read "
        "(see datepattern)"
    )


def test_few_lines_are_not_judged_by(tmp_path: Path) -> None:
    assert problems(tmp_path, ACCESS, "failregex = 'Failed .* from <HOST>'", PREFIX, count=LEAST - 1) == []


def test_logs_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    text = f'[source.log]\npath = "{tmp_path}"\nformat = "plain"\n[jail.j]\nsource = "log"\n'
    config = parse(text + "filter = { failregex = '^<HOST>$' }", "privet.toml")

    assert unsuitable(config, UTC, NOW) == []


def test_only_the_end_of_a_large_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x\n" * 1_000_000 + b"".join(b"192.0.2.1 y\n" for _ in range(10_000)))
    text = f'[source.log]\npath = "{log}"\nformat = "plain"\n[jail.j]\nsource = "log"\n'
    config = parse(text + "filter = { failregex = '^<HOST> z', datepattern = '{NONE}' }", "privet.toml")

    assert unsuitable(config, UTC, NOW) == []
