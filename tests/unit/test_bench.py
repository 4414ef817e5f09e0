"""The benchmarks run, on tiny input, and their arithmetic is right; what they find here means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory

import msgspec
import pytest

from bench import __main__ as bench
from bench import detectors, live, logs, plain, report, reports, runs, throughput, yard
from bench.report import Result
from bench.runs import Cost, Failed, Settings, Skip, Spread

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tmp_path.chmod(0o755)
    return Settings(tmp_path, tmp_path / "peers", quick=True)


def write_log(path: Path, hits: list[tuple[str, int]]) -> Path:
    """Write lines in the combined format: clients, and seconds after noon."""
    lines = [
        f'{client} - - [01/Jan/2026:12:{second // 60:02}:{second % 60:02} +0000] "GET / HTTP/1.1" 200 5 "-" "x\\"y"\n'
        for client, second in hits
    ]
    path.write_text("".join(lines) + "no request\n")
    return path


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([("192.0.2.1", second) for second in range(30)], 1),
        ([("192.0.2.1", second) for second in range(29)], 0),
        ([("192.0.2.1", 2 * second) for second in range(30)], 1),
        ([("192.0.2.1", 3 * second) for second in range(30)], 0),
        ([("192.0.2.1", second) for second in range(60)], 2),
        ([(f"192.0.2.{second % 2}", second) for second in range(60)], 2),
    ],
)
def test_the_yardstick_counts_bans(hits: list[tuple[str, int]], expected: int, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", hits)
    assert yard.bans(log) == expected
    assert plain.matching(log) == len(hits)


class TestRuns:
    """Programs and their cost."""

    def test_cost_is_that_of_the_program(self) -> None:
        burn = "import time\nend = time.process_time() + 0.3\nblock = bytearray(60_000_000)\n"
        cost = runs.run([sys.executable, "-c", burn + "while time.process_time() < end: pass"])
        assert 0.3 <= cost.cpu < 1.0
        assert cost.wall >= 0.3
        # What a child holds at the most begins with what its parent held: measured from a small process.
        measure = f"import sys; from bench import runs; print(runs.run([sys.executable, '-c', {burn!r}]).memory)"
        printed = subprocess.run([sys.executable, "-c", measure], capture_output=True, text=True, check=True, cwd=ROOT)
        assert 60e6 < int(printed.stdout) < 120e6
        assert runs.run([sys.executable, "-c", "import time; time.sleep(0.3)"]).cpu < 0.2

    def test_input_and_output_are_files(self, tmp_path: Path) -> None:
        source, target = tmp_path / "in", tmp_path / "out"
        source.write_text("some lines\n")
        runs.run(["cat"], stdin=source, stdout=target)
        assert target.read_text() == "some lines\n"

    def test_failure_is_told_with_what_the_program_said(self) -> None:
        with pytest.raises(Failed, match="ended with 3: so it is"):
            runs.run(["sh", "-c", "echo so it is >&2; exit 3"])
        assert runs.run(["sh", "-c", "exit 3"], allowed=(0, 3)).cpu < 1

    def test_ways_take_turns(self) -> None:
        order: list[str] = []

        def way(name: str, cpu: float) -> Cost:
            order.append(name)
            return Cost(cpu * len(order), 0.0, 0)

        costs = runs.alternating({"a": lambda: way("a", 1.0), "b": lambda: way("b", 2.0)}, 3)
        assert order == ["a", "b"] * 3
        assert runs.ratio(costs["b"], costs["a"]) == Spread.of([4.0, 8 / 3, 2.4])

    def test_percentile_is_by_nearest_rank(self) -> None:
        assert runs.percentile([3, 1, 2], 50) == 2
        assert runs.percentile(list(range(1, 101)), 99) == 99
        assert runs.percentile(list(range(1, 102)), 99) == 100
        assert runs.percentile([7], 99) == 7

    def test_spread_is_readable(self) -> None:
        assert str(Spread.of([1.0, 2.345, 12_345.6])) == "2.35 (1–12,346)"  # noqa: RUF001
        assert str(Spread.of([0.5])) == "0.5"

    def test_pinning_ends(self) -> None:
        before = os.sched_getaffinity(0)
        with runs.pinned(runs.cores()[:1]):
            assert os.sched_getaffinity(0) == {runs.cores()[0]}
        assert os.sched_getaffinity(0) == before

    def test_running_processes_tell_cpu_and_memory(self) -> None:
        before = runs.cpu_of(os.getpid())
        sum(range(1_000_000))
        assert 0 < runs.cpu_of(os.getpid()) - before < 5
        assert runs.cpu_of(os.getpid()) == pytest.approx(time.process_time(), abs=0.1)
        assert 5e6 < runs.memory_of(os.getpid()) < 2e9

    def test_waiting_has_an_end(self) -> None:
        runs.eventually(lambda: True, "truth")
        with pytest.raises(Failed, match=r"a lie: not within 0\.02 s"):
            runs.eventually(lambda: False, "a lie", 0.02)

    def test_a_quick_run_does_a_tenth_once(self, settings: Settings) -> None:
        assert (settings.scaled(1000), settings.scaled(3), settings.scaled(1000, 4), settings.rounds) == (
            100,
            1,
            250,
            1,
        )
        assert settings._replace(quick=False).scaled(1000) == 1000


RESULTS = [
    Result("a | b", "1.5 times", "≤ 2 times", ok=True, values={"times": 1.5}),
    Result("c", "3 MB", "≤ 2 MB", ok=False),
    Result("d", "9 ms"),
]


class TestReport:
    """Rows in every form."""

    def test_table(self) -> None:
        lines = report.as_table(RESULTS, "here").splitlines()
        assert lines[0] == "here"
        assert lines[2:6] == [
            "ok      a | b",
            "          1.5 times   (target: ≤ 2 times)",
            "MISSED  c",
            "          3 MB   (target: ≤ 2 MB)",
        ]

    def test_json(self) -> None:
        found = json.loads(report.as_json(RESULTS, "here"))
        assert found["machine"] == "here"
        assert msgspec.convert(found["results"], list[Result]) == RESULTS

    def test_markdown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["bench", "--quick"])
        text = report.as_markdown(RESULTS, "here")
        assert text.startswith("here. Printed by `python -m bench --quick`.\n")
        assert "| a \\| b | 1.5 times | ≤ 2 times | ok |\n| c | 3 MB | ≤ 2 MB | MISSED |" in text

    def test_machine(self) -> None:
        assert f"{os.cpu_count()} cores" in report.machine()

    def test_the_page_takes_a_new_table_and_keeps_the_rest(self, tmp_path: Path) -> None:
        page = tmp_path / "performance.md"
        page.write_text(bench.PAGE.read_text())
        report.rewrite(page, "| new |")
        once = page.read_text()
        report.rewrite(page, "| new |")
        before, _, after = bench.PAGE.read_text().partition(report.BEGIN)
        assert page.read_text() == once
        assert once == f"{before}{report.BEGIN}\n\n| new |\n\n{report.END}{after.partition(report.END)[2]}"

    def test_a_page_without_marks_is_left_alone(self, tmp_path: Path) -> None:
        page = tmp_path / "other.md"
        page.write_text(f"{report.BEGIN} only\n")
        with pytest.raises(ValueError, match="does not have the lines"):
            report.rewrite(page, "")
        assert page.read_text() == f"{report.BEGIN} only\n"

    def test_delays_are_judged_by_99_in_100(self) -> None:
        delays = [1.0] * 99 + [500.0]
        assert report.waiting("work", delays, 2.0).ok
        assert report.waiting("work", [*delays, 3.0, 3.0], 2.0).ok is False
        assert report.waiting("work", delays).ok is None


class TestCommandLine:
    """What `python -m bench` does with the pieces."""

    @pytest.fixture(autouse=True)
    def inside(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(runs.INSIDE, "1")

    @pytest.mark.parametrize(("ok", "code"), [(True, 0), (None, 0), (False, 1)])
    def test_a_missed_target_is_the_exit_code(
        self, *, ok: bool | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(bench, "PIECES", {"one": lambda _: iter([Result("work", "5 s", ok=ok)])})
        monkeypatch.setattr(sys, "argv", ["bench", "--json"])
        assert bench.main() == code
        assert json.loads(capsys.readouterr().out)["results"][0]["work"] == "work"

    def test_what_is_missing_or_fails_is_a_row(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(_: Settings) -> list[Result]:
            raise Skip("no such thing")

        def failing(_: Settings) -> list[Result]:
            raise Failed("it broke")

        monkeypatch.setattr(bench, "PIECES", {"missing": missing, "failing": failing})
        skipped, failed = bench.measure(settings, ["missing", "failing"])
        assert (skipped.measured, skipped.ok) == ("skipped: no such thing", None)
        assert (failed.measured, failed.ok) == ("failed: it broke", False)

    def test_unknown_names_are_refused(self) -> None:
        with pytest.raises(SystemExit):
            bench.parse(["--only", "everything"])


class TestLogs:
    """The logs that are measured on."""

    def test_lines_of_now_are_distinct_clients(self) -> None:
        one, two = logs.line(1, "/x", 0.0), logs.line(2, "/x", 0.0)
        assert one.split()[0] != two.split()[0]
        assert one.split(b" ", 1)[1] == b'- - [01/Jan/1970:00:00:00 +0000] "GET /x HTTP/1.1" 404 512 "-" "curl/8.5.0"\n'

    def test_a_log_is_made_once_unless_it_is_of_now(self, settings: Settings) -> None:
        path = logs.access(settings, 50)
        path.write_text("kept")
        assert logs.access(settings, 50).read_text() == "kept"
        fresh = logs.access(settings, 50, start=time.time())
        assert fresh != path
        assert yard.LINE.match(fresh.read_bytes())

    def test_repeating(self, settings: Settings) -> None:
        source = settings.folder / "source.log"
        source.write_text("1\n2\n3\n")
        assert logs.repeated(settings, source, 10).read_text() == "1\n2\n3\n" * 3


class TestPieces:
    """Each piece, with little to do."""

    def test_count(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "LINES", 8000)
        beside_yard, beside_re, beside_gawk = throughput.count(settings)
        assert "2,000 lines" in beside_yard.work
        assert all(row.values["times"] > 0 for row in (beside_yard, beside_re, beside_gawk))
        assert beside_yard.ok == (beside_yard.values["times"] <= 0.4)

    def test_masked(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "LINES", 8000)
        monkeypatch.setattr(logs, "BLOG", write_log(settings.folder / "blog.log", [("192.0.2.1", 1)] * 10))
        generated, real = throughput.masked(settings)
        assert all(row.values["times"] > 0 for row in (generated, real))

    def test_without_the_real_log_its_row_says_so(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "LINES", 4000)
        monkeypatch.setattr(logs, "BLOG", settings.folder / "missing.log")
        assert next(throughput.masked(settings)).measured == "skipped: the log is not beside the checkout"

    def test_many_and_fail2ban_that_is_not_there(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "LINES", 4000)
        twenty, apart, fail2ban = bench.measure(settings, ["many"])
        assert twenty.values["times"] > 0
        assert apart.values["times"] > 0
        assert fail2ban.measured == "skipped: fail2ban is not unpacked: scripts/fetch-peer fail2ban"

    @pytest.mark.parametrize(
        ("jails", "count", "expected"),
        [(throughput.ONE, 1, 1), (throughput.TWENTY, 20, 1), (throughput.TWENTY_APART, 20, 0)],
        ids=("one", "twenty", "apart"),
    )
    def test_jails_ban_whom_they_should(self, jails: str, count: int, expected: int, settings: Settings) -> None:
        log = write_log(settings.folder / "log", [("192.0.2.1", second) for second in range(31)])
        with pytest.raises(Failed, match="ended with 1"):  # replay warns: one line is no request
            throughput.replaying(settings, "some", jails, log)()
        assert throughput.banned(settings, "some") == expected
        assert jails.count("[jail.") == count

    def test_all_detectors(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(detectors, "LINES", 8000)
        (row,) = detectors.together(settings)
        assert row.values["lines_per_cpu_second"] > 0
        own = getrusage(RUSAGE_SELF).ru_maxrss * 1024 / 1e6  # Linux tells no less of a program than of who started it
        assert 20 < row.values["mb"] < max(200, own + 1)

    def test_reports(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reports, "LINES", 2000)
        leeches, hits = reports.archive(settings)
        assert "4,000 lines in 20 files" in leeches.work
        assert min(row.values["lines_per_second"] for row in (leeches, hits)) > 0

    def test_slow_attackers(self, settings: Settings) -> None:
        privet, fail2ban = bench.measure(settings, ["slow"])
        assert privet.measured == "finds 5, 20, 59, 61, 83, 120, 300, 590"
        assert fail2ban.measured == "skipped: fail2ban is not unpacked: scripts/fetch-peer fail2ban"

    def test_crowdsec_runs_without_a_network_only(self, settings: Settings) -> None:
        (row,) = bench.measure(settings, ["crowdsec"])
        assert row.measured.startswith("skipped: needs root and namespaces of its own")

    def test_live(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(live, "SECONDS", 4)
        monkeypatch.setattr(live, "CALM", 1)
        share, first, floor, delay = live.flowing(settings)
        assert 0 < floor.values["floor_percent"] < share.values["percent"] < 100
        assert 0 < first.values["first_percent"] < 100
        assert 0 < delay.values["p50_ms"] < 1000

    @pytest.mark.parametrize("piece", ["single", "burst", "apache"])
    def test_outside_of_its_namespaces_nothing_is_touched(self, piece: str, settings: Settings) -> None:
        assert [row.measured[:33] for row in bench.measure(settings, [piece])] == [
            "skipped: needs root and namespaces"[:33]
        ]

    @pytest.mark.needs("root", "netns", "nft", "apache2", "ab")
    @pytest.mark.parametrize(
        ("piece", "numbers"),
        [
            ("single", {"p50_ms", "p99_ms"}),
            ("burst", {"after_first_s", "after_last_s"}),
            ("memory", {"mb", "idle_mb", "after_mb"}),
            ("apache", {"added_us", "plain_per_second", "pipe_per_second", "lost"}),
        ],
    )
    def test_those_that_need_a_network_of_their_own(self, piece: str, numbers: set[str]) -> None:
        code = """
            import sys
            from pathlib import Path
            from bench import __main__ as bench, apache, bans, memory
            from bench.runs import Settings

            bans.OFFENDERS, bans.CROWD, memory.CLIENTS = 30, 2000, 20_000
            apache.ROUNDS, apache.IN_A_ROW, apache.CROWD = 30, 5, 2000
            Path(sys.argv[1]).chmod(0o755)
            settings = Settings(Path(sys.argv[1]), Path("nowhere"), quick=True)
            print(bench.report.as_json(bench.measure(settings, [sys.argv[2]]), "here"))
        """
        with TemporaryDirectory() as folder:  # that of pytest is closed to the users whom Apache and pipe become
            command = [*runs.APART, sys.executable, "-c", textwrap.dedent(code), folder, piece]
            done = subprocess.run(command, cwd=runs.ROOT, capture_output=True, text=True, check=False, timeout=50)
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["results"]
        found = {name: value for row in rows for name, value in row["values"].items()}
        assert [row for row in rows if "failed" in row["measured"]] == []
        assert numbers <= found.keys()
        assert found.get("lost", 0) == 0
