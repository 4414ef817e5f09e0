"""A real Apache whose log goes through `privet pipe`: what its clients notice, and whether a line is lost.

Three servers stand beside each other: one writes its log itself, one through the pipe, and a third writes it
itself again, which shows how far two equal servers differ by chance. A client asks them in turn.
"""

from __future__ import annotations

import random
import shutil
import signal
import socket
import statistics
import subprocess
import time
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from bench.guard import Guard, end
from bench.report import Result
from bench.runs import Failed, Skip, Spread, eventually, needs_namespaces, percentile
from bench.throughput import ONE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from bench.runs import Settings

CONFIG = """\
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/pid"
ErrorLog "{folder}/error.log"
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
StartServers 1
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot "{folder}/htdocs"
<Directory "{folder}/htdocs">
  Require all granted
</Directory>
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog "{log}" combined
"""
MODULES = Path("/usr/lib/apache2/modules")
REQUEST = b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8.5.0\r\n\r\n"
PAGE = b"x" * 2000
ROUNDS, IN_A_ROW = 150, 40
CROWD, AT_ONCE = 30_000, 8
RESAMPLED = 2000
STANDSTILL = 30.0
"""Seconds for which the daemon is stopped."""

SLOWER = 1.5
PATIENCE = 15.0


class Apache:
    """An Apache of its own on the loopback interface; for use in a `with` statement."""

    def __init__(self, settings: Settings, name: str, log: str) -> None:
        needs_namespaces("Apache, with processes of two users")
        program = shutil.which("apache2", path="/usr/sbin:/usr/bin")
        if program is None or not MODULES.is_dir():
            raise Skip("Apache is not installed")
        self.folder = settings.folder / f"apache-{name}"
        self.port = _free_port()
        (self.folder / "htdocs").mkdir(parents=True, exist_ok=True)
        (self.folder / "htdocs" / "page").write_bytes(PAGE)
        config = self.folder / "apache.conf"
        config.write_text(CONFIG.format(folder=self.folder, port=self.port, modules=MODULES, log=log))
        self._command = [program, "-DFOREGROUND", "-f", str(config)]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        eventually(self._answers, "Apache", PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self.process)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0):
                return True
        except OSError:
            return False


class Client:
    """One connection that stays open; times requests."""

    def __init__(self, port: int) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = 0

    def ask(self) -> float:
        """Ask for the page; return how many microseconds the whole answer took."""
        began = time.perf_counter()
        self._line.sendall(REQUEST)
        answer = b""
        while not answer.endswith(PAGE):
            part = self._line.recv(1 << 16)
            answer += part
            if not (part and answer.startswith(b"HTTP/1.1 200 ")):
                raise Failed(f"Apache said: {answer.splitlines()[:1]}")
        self.asked += 1
        return 1e6 * (time.perf_counter() - began)

    def close(self) -> None:
        """Hang up."""
        self._line.close()


class Interval(NamedTuple):
    """A median with the interval that holds it in 95 of 100 cases."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Estimate the median of what the values were drawn from, by drawing from them again and again."""
        rng = random.Random(1)
        medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(RESAMPLED))
        return cls(statistics.median(values), medians[RESAMPLED // 40], medians[-RESAMPLED // 40])

    def __str__(self) -> str:
        return f"{self.median:+.1f} µs ({self.low:+.1f} to {self.high:+.1f})"


def latency(settings: Settings) -> Iterator[Result]:
    """Measure what clients notice of the pipe, then put load on the servers, then count the lines."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard(settings, ONE, "null"))
        through = "||" + " ".join(guard.pipe_command())
        logs = {"plain": "access.log", "pipe": through, "again": "access.log"}
        servers = {name: stack.enter_context(Apache(settings, name, log)) for name, log in logs.items()}
        asked, rows = _ask_in_turn(settings, servers)
        yield _noticed(rows)
        number, speeds = settings.scaled(CROWD), {name: [0.0] for name in servers}
        for name in list(servers) * settings.rounds:
            speeds[name].append(_load(servers[name], number))
        asked += number * settings.rounds
        yield _under_load([speed[1:] for speed in (speeds["plain"], speeds["pipe"])])
        yield _lost(guard, asked)
        yield _without_daemon(guard, servers["pipe"], asked, settings.scaled(int(STANDSTILL)))


def _ask_in_turn(settings: Settings, servers: Mapping[str, Apache]) -> tuple[int, dict[str, list[list[float]]]]:
    """Return how many requests each server got, and for each its rounds of microseconds."""
    rng, order = random.Random(1), list(servers)
    clients = {name: Client(server.port) for name, server in servers.items()}
    rows: dict[str, list[list[float]]] = {name: [] for name in servers}
    for _ in range(settings.scaled(ROUNDS) + 1):
        rng.shuffle(order)
        for name in order:
            rows[name].append([clients[name].ask() for _ in range(IN_A_ROW)])
    for client in clients.values():
        client.close()
    return clients["pipe"].asked, {name: rounds[1:] for name, rounds in rows.items()}


def _noticed(rows: Mapping[str, list[list[float]]]) -> Result:
    """Compare the medians of the rounds: what the pipe adds, and what chance does between two equal servers."""
    medians = {name: [statistics.median(times) for times in rounds] for name, rounds in rows.items()}
    added, chance = (
        Interval.of([one - other for one, other in zip(medians[name], medians["plain"], strict=True)])
        for name in ("pipe", "again")
    )
    p99 = {name: percentile(list(chain(*rounds)), 99) for name, rounds in rows.items()}
    return Result(
        "Apache with its log through privet pipe: added latency of a request, as a client sees it",
        f"median {added} of {statistics.median(medians['plain']):.0f} µs; two equal servers differ by {chance}; "
        f"p99 {p99['plain']:.0f} µs without, {p99['pipe']:.0f} µs with, {p99['again']:.0f} µs without again",
        "none measurable",
        added.low <= max(chance.high, 0.0),
        {"added_us": added.median, "added_low_us": added.low, "added_high_us": added.high, "chance_us": chance.median},
    )


def _load(server: Apache, number: int) -> float:
    """Return how many requests per second a server answers when several clients ask without a pause."""
    program = shutil.which("ab")
    if program is None:
        raise Skip("ab is not installed")
    address = f"http://127.0.0.1:{server.port}/page"
    command = [program, "-q", "-k", "-c", str(AT_ONCE), "-n", str(number), address]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120).stdout
    if f"Complete requests:      {number}\n" not in said or "Failed requests:        0\n" not in said:
        raise Failed(f"ab: {said.strip().splitlines()[-1:]}")
    return float(said.partition("Requests per second:")[2].split()[0])


def _under_load(speeds: Sequence[Sequence[float]]) -> Result:
    plain, pipe = map(Spread.of, speeds)
    change = Spread.of([100 * (one / other - 1) for other, one in zip(*speeds, strict=True)])
    return Result(
        f"the same under full load, {AT_ONCE} clients on the same cores: requests per second",
        f"{plain} without, {pipe} with the pipe: {change.median:+.0f} %",
        values={"plain_per_second": plain.median, "pipe_per_second": pipe.median},
    )


def _lost(guard: Guard, asked: int) -> Result:
    with suppress(Failed):  # then the row says what is missing
        guard.settled(asked, PATIENCE)
    written, seen = _written(guard), guard.source()["lines"]
    lost = 2 * asked - written - seen
    return Result(
        f"lines lost on the way of {asked:,} requests, from Apache to the masked log and to the daemon",
        f"{asked - written} in the log, {asked - seen} at the daemon",
        "0",
        lost == 0 and written == seen,
        {"lost": lost},
    )


def _without_daemon(guard: Guard, server: Apache, asked: int, seconds: int) -> Result:
    """Stop the daemon while a client asks without a pause: what he notices of it, and whether every line is counted."""
    client = Client(server.port)
    normal = _asked_for(client, seconds / 2)
    guard.daemon.send_signal(signal.SIGSTOP)
    try:
        stopped = _asked_for(client, seconds)
    finally:
        guard.daemon.send_signal(signal.SIGCONT)
    with suppress(Failed):  # then the row says so
        eventually(lambda: sum(_told(guard)) >= asked + client.asked, "all lines at the daemon", PATIENCE)
    normal += _asked_for(client, seconds / 2)
    client.close()
    with suppress(Failed):
        eventually(lambda: sum(_told(guard)) >= asked + client.asked, "all lines at the daemon", PATIENCE)
    with suppress(Failed):  # of lines that the daemon has heard the pipe writes half a second later
        eventually(lambda: _written(guard) >= asked + client.asked, "all lines in the log", PATIENCE, every=0.2)
    (seen, dropped), written = _told(guard), _written(guard)
    usual, slow = percentile(normal, 99), percentile(stopped, 99)
    total = asked + client.asked
    return Result(
        f"the daemon stopped for {seconds} s, {len(stopped):,} requests meanwhile: p99, as a client sees it",
        f"{slow:.0f} µs, {usual:.0f} µs while it runs, before and after: {slow / usual:.2f} times; {dropped:,} lines "
        f"kept from the daemon, {total - seen - dropped} of them not counted; {total - written} missing in the log",
        f"≤ {SLOWER:g} times, 0 not counted, 0 missing",
        slow <= SLOWER * usual and total == seen + dropped == written,
        {"ratio": slow / usual, "stopped_p99_us": slow, "running_p99_us": usual, "dropped": dropped},
    )


def _asked_for(client: Client, seconds: float) -> list[float]:
    """Return the microseconds of requests made one after the other."""
    end = time.monotonic() + seconds
    times = []
    while time.monotonic() < end:
        times.append(client.ask())
    return times


def _told(guard: Guard) -> tuple[int, int]:
    """Return how many lines the daemon has seen, and how many its pipe had to keep from it."""
    source = guard.source()
    return source["lines"], sum(pipe["dropped"] for pipe in source["pipes"])


def _written(guard: Guard) -> int:
    """Return how many lines the masked log has."""
    return guard.log.read_bytes().count(b"\n")


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
    return port
