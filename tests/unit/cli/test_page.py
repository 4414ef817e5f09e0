"""Pages of reports: what they hold, and what never gets into them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from privet.cli.page import BEGINNING, render
from privet.cli.report import command
from privet.cli.sheet import ROWS, Column, Page, Sheet
from tests.privacy.search import leaks
from tests.unit.cli.test_markup import Seen
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_795_345_200.0
LEECH, READER = "192.0.2.1", "2001:db8:a:b::7"
HOSTILE = "<script>alert(1)</script> ]]> --> \u202egnp \x1b[2J &amp; ' \""


def sheet(rows: list[tuple[object, ...]], *columns: Column) -> Sheet:
    return Sheet("test", "A table", [], columns, rows)


def page(*sheets: Sheet, limit: int | None = None) -> str:
    return render(Page(HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)], [], sheets, [HOSTILE], limit))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    lines = [line(LEECH, f"/of/{LEECH}", at=BEGIN + 600 * n) for n in range(30)]
    lines += [line(READER, status=404, at=BEGIN).replace("Mozilla/5.0", f"x ({READER}) </td><script>y</script>")]
    path.write_text("".join(f"{one}\n" for one in lines))
    return path


def test_what_visitors_said_is_text() -> None:
    columns = Column("path", "said"), Column("hits", "number"), Column("share", "share", "hits")
    seen = Seen(page(sheet([(HOSTILE, 1234, "5%"), ("x" * 5000, 1, "0%")], *columns)))

    tags = [tag for tag, _ in seen.tags]
    assert "script" not in tags
    assert seen.text.count("<script>alert(1)</script> ]]> --> \\u202egnp \\x1b[2J &amp; ' \"") == 7
    assert "1,234" in seen.text
    assert "xxx…" in seen.text
    assert [given["style"] for tag, given in seen.tags if tag == "i"] == ["width: 100.0%", "width: 0.1%"]


def test_nothing_comes_from_elsewhere() -> None:
    seen = Seen(page(sheet([("/", 1)], Column("path", "said"), Column("hits", "number"))))

    policies = [given["content"] or "" for tag, given in seen.tags if given.get("http-equiv")]
    assert [policy.split("; ")[:2] for policy in policies] == [["default-src 'none'", "style-src 'unsafe-inline'"]]
    assert [given for _, given in seen.tags if {"src", "href", "onload"} & set(given)] == []


def test_long_tables_are_cut_and_say_so_and_empty_columns_are_left_out() -> None:
    columns = Column("path", "said"), Column("name", "text"), Column("hits", "number")
    rows: list[tuple[object, ...]] = [("/", "", number) for number in range(70)]

    cut, whole = Seen(page(sheet(rows, *columns))), Seen(page(sheet(rows, *columns), limit=70))

    assert [tag for tag, _ in cut.tags].count("tr") == ROWS + 1
    assert f"And {70 - ROWS} more, of 70." in cut.text
    assert [tag for tag, _ in whole.tags].count("tr") == 71
    assert [given.get("scope") for _, given in cut.tags].count("col") == 2
    assert "There is nothing to show." in Seen(page(sheet([], *columns))).text


@pytest.mark.parametrize(
    "report",
    [
        ("leeches",),
        ("networks",),
        ("trace", LEECH),
        ("trace", READER),
        *(("hits", "--by", by) for by in ("path", "agent", "hour", "file")),
    ],
    ids=" ".join,
)
def test_each_report_writes_a_page_without_addresses(
    report: tuple[str, ...], log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "page.html"

    assert run(["report", *report, "--html", str(path), str(log)]) == 0

    assert capsys.readouterr().err == f"written: {path}\n"
    assert path.read_text().startswith(BEGINNING)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    tags = [tag for tag, _ in Seen(path.read_text()).tags]
    assert (tags.count("figure"), tags.count("table"), tags.count("script")) == (2, 1, 0)
    assert leaks([tmp_path / "out"], [LEECH, READER]) == []


def test_a_page_can_go_to_standard_output_and_names_whom_it_may(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "leeches", "--html", "-", "--reveal", str(log)]) == 0

    captured = capsys.readouterr()
    assert captured.out.startswith(BEGINNING)
    assert LEECH in captured.out
    assert captured.err == ""


def test_offenders_in_logs_get_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fail2ban.log"
    path.write_text(
        "".join(
            f"2019-06-27 {hour:02}:00:00,123 fail2ban.actions [815]: NOTICE  [jail{hour % 8}] Ban 192.0.2.{hour % 5}\n"
            for hour in range(20)
        )
    )

    assert run(["report", "offenders", "--html", "-", str(path)]) == 0

    seen = Seen(capsys.readouterr().out)
    assert "Bans over time" in seen.text
    assert "20 bans" in seen.text
    assert {"k1", "k5", "k6"} <= {given.get("class") for _, given in seen.tags}
    assert "others" in seen.text


def test_a_log_without_requests_has_a_page_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.log").touch()

    assert run(["report", "leeches", "--html", "-", str(tmp_path / "empty.log")]) == 0
    assert "No requests in 1 log" in capsys.readouterr().out


def test_nothing_else_is_overwritten_and_one_form_is_enough(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = log.read_text()

    assert run(["report", "leeches", "--html", str(log), str(log)]) == 65
    assert "is no report of Privet" in capsys.readouterr().err
    assert log.read_text() == before
    assert run(["report", "leeches", "--html", "-", "--json", str(log)]) == 64


@pytest.mark.parametrize("name", command.commands)
def test_each_report_has_the_same_forms_and_examples(name: str) -> None:
    report = command.commands[name]
    options = {option for parameter in report.params for option in parameter.opts}

    assert {"--json", "--html", "--limit"} <= options
    assert ("--csv" in options) is (name != "overview")  # which is many tables
    assert f"privet report {name}" in (report.epilog or "")
