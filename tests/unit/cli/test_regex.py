"""`privet regex`, beside fail2ban-regex where its files are."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from tests.conftest import FAIL2BAN
from tests.unit.journals import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Try = Callable[..., tuple[int, str, str]]

CONFIG = FAIL2BAN / "etc/fail2ban"
SYSTEM_PYTHON = "/usr/bin/python3"
LINE = "Nov 14 22:13:20 mars app: login of root failed from 192.0.2.7"
REGEX = "login of <F-USER>\\S+</F-USER> failed from <HOST>$"
LOG = f"""\
{LINE}
Nov 14 22:13:21 mars app: login of monitor failed from 192.0.2.8
14/Nov/2023:22:13:20 something else
no date
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of four lines."""
    path = tmp_path / "app.log"
    path.write_text(LOG)
    return path


@pytest.fixture
def attempt(capsys: pytest.CaptureFixture[str]) -> Try:
    """Run the verb."""

    def once(*arguments: str | Path) -> tuple[int, str, str]:
        code = run(["regex", *map(str, arguments)])
        return code, *capsys.readouterr()

    return once


def test_an_expression_on_a_log(attempt: Try, log: Path) -> None:
    code, out, err = attempt(log, REGEX)

    assert (code, err) == (0, "")
    assert f"\nFailregex: 2 total\n|-  #) [# of hits] regular expression\n|   1) [2] {REGEX}\n`-\n" in out
    assert "\nIgnoreregex: 0 total\n" in out
    assert "\nLines: 4 lines, 0 ignored, 2 matched, 2 missed\n" in out
    assert "|- Missed line(s):\n|  14/Nov/2023:22:13:20 something else\n|  no date\n`-\n" in out
    assert "Matched line(s)" not in out


def test_lines_can_be_ignored(attempt: Try, log: Path) -> None:
    _, out, _ = attempt(log, REGEX, "monitor", "--print-no-missed")

    assert "\nLines: 4 lines, 1 ignored, 1 matched, 2 missed\n" in out
    assert "|- Ignored line(s):\n|  Nov 14 22:13:21" in out
    assert "Missed line(s)" not in out
    assert "Ignored line(s)" not in attempt(log, REGEX, "monitor", "--print-no-ignored")[1]


def test_a_single_line(attempt: Try) -> None:
    code, out, _ = attempt(LINE, REGEX, "--print-all-matched", "-v")

    assert code == 0
    assert f"Use      single line : {LINE}" in out
    assert "|      192.0.2.7  " in out
    assert f"|- Matched line(s):\n|  {LINE}\n`-\n" in out


def test_nothing_that_matches_is_an_exit_code_of_its_own(attempt: Try) -> None:
    assert attempt("hello", REGEX)[0] == 1


def test_packed_logs_are_read(attempt: Try, log: Path) -> None:
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))

    assert "Lines: 4 lines" in attempt(packed, REGEX)[1]


@pytest.mark.parametrize(
    ("what", "printed"),
    [
        ("ip", ["192.0.2.7", "192.0.2.8"]),
        ("id", ["192.0.2.7", "192.0.2.8"]),
        ("user", ["root", "monitor"]),
        ("<F-USER> at <ip>", ["root at 192.0.2.7", "monitor at 192.0.2.8"]),
        ("msg", LOG.splitlines()[:2]),
    ],
)
def test_only_what_is_asked_for_can_be_printed(attempt: Try, log: Path, what: str, printed: list[str]) -> None:
    assert attempt(log, REGEX, "-o", what)[1].splitlines() == printed


def test_many_lines_are_printed_on_request_only(attempt: Try, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x\n" * 30)

    assert "Missed line(s): too many to print.  Use --print-all-missed to print all 30 lines" in attempt(log, REGEX)[1]
    assert attempt(log, REGEX, "--print-all-missed")[1].count("|  x\n") == 30


@pytest.mark.needs("journal")
def test_the_journal_is_read_with_the_match_of_the_filter(attempt: Try, tmp_path: Path) -> None:
    filter_ = tmp_path / "filter.d/app.conf"
    filter_.parent.mkdir()
    prefix = "<lt_<logtype>/prefix>login of <F-USER>\\S+</F-USER> failed from <HOST>$\n"
    filter_.write_text(
        f"[Definition]\nfailregex = {prefix}journalmatch = _SYSTEMD_UNIT=app.service\n"
        "[lt_file]\nprefix = nothing of a file\n[lt_journal]\nprefix = ^\\s*\\S+ sshd\\[77\\]:\\s\n"
    )
    journal = Journal(tmp_path)
    journal.write("login of root failed from 192.0.2.7", "nothing", unit="app.service")
    journal.write("login of root failed from 192.0.2.8", unit="other.service")
    where = f"systemd-journal[journalpath={journal.folder}]"

    code, out, err = attempt(where, "app", "-c", tmp_path, "-v")

    assert (code, err) == (0, "")
    assert "Use         systemd journal\nUse    journal match : _SYSTEMD_UNIT=app.service\n" in out
    assert "Lines: 2 lines, 0 ignored, 1 matched, 1 missed" in out
    assert "|- Missed line(s):\n|  mars sshd[77]: nothing\n`-" in out
    assert "|      192.0.2.7  " in out
    other = ("-m", "_SYSTEMD_UNIT=other.service", "-o", "ip")
    assert attempt(where, "app", "-c", tmp_path, *other)[1] == "192.0.2.8\n"
    assert attempt(where, "app", "-c", tmp_path, "-m", "what")[0] == 65


def test_json(attempt: Try, log: Path) -> None:
    envelope = json.loads(attempt(log, REGEX, "monitor", "--json", "--TZ", "UTC")[1])

    assert (envelope["privet"], envelope["kind"]) == (1, "regex")
    assert [envelope[name] for name in ("lines", "matched", "ignored", "missed")] == [4, 1, 1, 2]
    assert [(item["option"], item["number"], item["hits"]) for item in envelope["items"]] == [
        ("failregex", 1, 2),
        ("ignoreregex", 1, 1),
    ]
    (failure,) = envelope["items"][0]["failures"]
    assert failure["id"] == "192.0.2.7"
    assert failure["facts"]["user"] == "root"
    assert envelope["missed_lines"] == ["14/Nov/2023:22:13:20 something else", "no date"]


def test_options_replace_what_the_filter_says(attempt: Try) -> None:
    assert attempt("22.13 login of x failed from 192.0.2.7", REGEX, "-d", "^%H.%M", "-e", "latin-1")[0] == 0
    assert "kb" in attempt(LINE, REGEX, "-e", "kb")[2]


def test_a_filter_of_a_folder_or_its_file(attempt: Try, tmp_path: Path, log: Path) -> None:
    filter_ = tmp_path / "filter.d/app.conf"
    filter_.parent.mkdir()
    filter_.write_text(
        "[Definition]\nfailregex = ^ \\S+ app: login of \\S+ <what> from <HOST>$\n[Init]\nwhat = failed\n"
    )

    for word in ("app", filter_, "app[what=failed]"):
        assert "2 matched" in attempt(log, word, "-c", tmp_path)[1]
    assert "0 matched" in attempt(log, "app[what=won]", "-c", tmp_path)[1]


@pytest.mark.parametrize(
    ("regex", "said"),
    [("(", "not a regular expression"), ("no address", "tells no address"), ("<HOST>(?P<x>", "not a regular")],
)
def test_what_cannot_work_is_told(attempt: Try, regex: str, said: str) -> None:
    code, _, err = attempt(LINE, regex)

    assert code == 78
    assert said in err


def test_a_filter_with_mistakes_is_told_with_its_place(attempt: Try, tmp_path: Path) -> None:
    path = tmp_path / "filter.d/app.conf"
    path.parent.mkdir()
    path.write_text("[Definition]\nfailregex = <HOST>\nfailregex = <HOST>\n")
    elsewhere = tmp_path / "app.conf"
    elsewhere.write_text("")

    assert (attempt(LINE, "app", "-c", tmp_path)[0], attempt(LINE, elsewhere)[0]) == (78, 78)
    assert f"{path}:3" in attempt(LINE, "app", "-c", tmp_path)[2]


def test_a_damaged_log_is_told(attempt: Try, tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(b"\x1f\x8bwhat")

    assert attempt(log, REGEX)[0] == 65


def numbers(text: str) -> tuple[list[str], str]:
    """Return the hits of expressions, and the line that counts lines."""
    hits = re.findall(r"^\|\s+\d+\) \[\d+\] .*$", text, re.MULTILINE)
    return hits, next(iter(re.findall(r"^Lines: .*$", text, re.MULTILINE)), "")


@pytest.mark.needs("fail2ban", SYSTEM_PYTHON)
@pytest.mark.parametrize(
    "name",
    ["sshd", "apache-auth", "nginx-http-auth", "postfix", "dovecot", "named-refused", "vsftpd", "courier-auth", "exim"],
)
def test_it_counts_as_fail2ban_regex_does(name: str, attempt: Try) -> None:
    samples = FAIL2BAN / f"usr/lib/python3/dist-packages/fail2ban/tests/files/logs/{name}"
    library = FAIL2BAN / "usr/lib/python3/dist-packages"
    other = subprocess.run(
        [SYSTEM_PYTHON, FAIL2BAN / "usr/bin/fail2ban-regex", "-c", CONFIG, "-r", samples, name],
        env=os.environ | {"PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )

    _, out, _ = attempt(samples, name, "-c", CONFIG)

    (their_hits, their_lines), (our_hits, our_lines) = numbers(other.stdout), numbers(out)
    assert their_hits
    assert our_hits == their_hits
    if name != "sshd":  # of whose lines some are told by two expressions: there the first one counts, as in operation
        assert our_lines == their_lines
