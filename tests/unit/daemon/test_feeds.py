"""Files and pipes in the daemon's loop."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sources.intake import Intake
from privet.adapters.sources.journal import JournalSource
from privet.adapters.sources.loans import Onward
from privet.config.model import Config, SourceConfig
from privet.core.wire import Hello, Lines, Loan, pack_loan
from privet.daemon import feeds, loans
from privet.daemon.feeds import Files, Intakes
from privet.daemon.loans import Loans
from privet.daemon.loop import Loop
from tests.unit.daemon.serving import until
from tests.unit.journals import BEGIN, Journal
from tests.unit.processes import hand_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence


class Taken:
    """What was read, by source."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, bytes]] = []

    def __call__(self, source: str, block: bytes) -> None:
        self.blocks.append((source, block))

    def of(self, source: str) -> bytes:
        return b"".join(block for name, block in self.blocks if name == source)


def play(scene: Callable[[Files, Taken], Awaitable[None]]) -> None:
    """Run a scene with an empty set of files."""

    async def run() -> None:
        taken = Taken()
        files = Files(asyncio.get_running_loop(), taken)
        try:
            await scene(files, taken)
        finally:
            for name in list(files.sources):
                files.close(name)

    asyncio.run(run())


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def following(name: str, *paths: Path) -> SourceConfig:
    return SourceConfig(name=name, paths=tuple(map(str, paths)))


def of_sources(*sources: SourceConfig) -> Config:
    return Config(sources={source.name: source for source in sources})


def test_what_is_written_is_taken_without_being_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")

    async def scene(files: Files, taken: Taken) -> None:
        files.open(following("web", log))
        append(log, "one\n")
        await until(lambda: taken.of("web") == b"one\n")
        append(log, "two\nthr")
        await until(lambda: taken.of("web") == b"one\ntwo\n")
        append(log, "ee\n")
        await until(lambda: taken.of("web") == b"one\ntwo\nthree\n")

    play(scene)


def test_a_poll_finds_what_nobody_told(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scene(files: Files, taken: Taken) -> None:
        source = files.open(following("web", log))
        log.write_text("one\n")
        source.drain()  # as if inotify had lost it
        files.poll()
        assert taken.of("web") == b"one\n"

    play(scene)


def test_a_source_that_was_closed_takes_nothing_more(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()

    async def scene(files: Files, taken: Taken) -> None:
        source = files.open(following("web", log))
        append(log, "one\n")
        files._woken(source)  # noqa: SLF001  as the loop does, just before the end
        files.close("web")
        await asyncio.sleep(2 * feeds.LINGER)
        assert taken.blocks == []
        assert files.sources == {}

    play(scene)


def test_a_new_configuration_leaves_alone_what_did_not_change(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("1", "2", "3"))
    for path in (one, two, three):
        path.touch()

    async def scene(files: Files, taken: Taken) -> None:
        kept, moved = files.open(following("kept", one)), files.open(following("moved", two))
        files.open(following("gone", three))
        append(one, "begun ")
        await until(lambda: kept.counts.bytes_read)

        files.change(
            of_sources(
                SourceConfig(name="kept", paths=(str(one),), format="combined"),
                following("moved", three),
                following("fresh", two),
                SourceConfig(name="gone", pipe=True),
            )
        )

        assert files.sources.keys() == {"kept", "moved", "fresh"}
        assert files.sources["kept"] is kept
        assert files.sources["moved"] is not moved
        append(one, "and ended\n")
        append(three, "moved\n")
        append(two, "fresh\n")
        await until(lambda: len(taken.blocks) == 3)
        assert taken.of("kept") == b"begun and ended\n"
        assert (taken.of("moved"), taken.of("fresh")) == (b"moved\n", b"fresh\n")

    play(scene)


def test_what_was_written_before_a_change_is_taken(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    one.touch()

    async def scene(files: Files, taken: Taken) -> None:
        files.open(following("web", one))
        append(one, "one\nbegun ")
        files.change(of_sources(following("web", one, two)))
        append(one, "and ended\n")
        two.write_text("two\n")
        await until(lambda: len(taken.of("web")) >= 22)
        assert sorted(taken.of("web").splitlines()) == [b"begun and ended", b"one", b"two"]

    play(scene)


def test_a_long_backlog_leaves_time_for_everything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "TURN", 0.0)
    log = tmp_path / "log"
    line = "x" * 99 + "\n"

    async def scene(files: Files, taken: Taken) -> None:
        files.open(following("web", log))
        log.write_text(line * 20_000)
        files.poll()
        assert 0 < len(taken.of("web")) < 2_000_000
        turns = 0
        while len(taken.of("web")) < 2_000_000:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 5
        assert taken.of("web") == line.encode() * 20_000

    play(scene)


class Ahead:
    """Everything can wait but what matters."""

    hold = 1.0

    def add(self, block: bytes) -> bool:
        return b"matters" not in block

    def fed(self, now: float) -> None:
        pass


@contextmanager
def listening(path: Path, taken: Taken, ahead: Ahead | None = None) -> Iterator[Intakes]:
    loop, intake = Loop.running(), Intake(path, {os.geteuid()})
    intakes = Intakes(loop, intake, taken, Loans(loop, intake, taken, lambda _source: ahead, time.time))
    try:
        yield intakes
    finally:
        intakes.close()


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(str(path))
    connection.settimeout(10)
    return connection


def test_several_pipes_are_heard_at_once(tmp_path: Path) -> None:
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as one, connect(path) as two:
            hand_over(one, Hello("web", 1, "drop"), Lines(b"one\n", 1, 0, 0))
            hand_over(two, Hello("shop", 2, "drop"), Lines(b"two\n", 1, 0, 0), Lines(b"three\n", 2, 0, 0))
            await until(lambda: len(taken.blocks) == 3)
            assert (taken.of("web"), taken.of("shop")) == (b"one\n", b"two\nthree\n")
            assert {peer.taken for peer in intakes.peers.values()} == {1, 2}
            assert intakes.nameless == 0

    asyncio.run(scene())


def test_a_pipe_that_leaves_is_forgotten_and_its_last_lines_are_not(tmp_path: Path) -> None:
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes:
            with connect(path) as pipe:
                hand_over(pipe, Hello("web", 1, "drop"), *[Lines(b"x\n", 1, 0, 0)] * 50)
            await until(lambda: len(taken.blocks) == 50 and not intakes.peers)

    asyncio.run(scene())


def test_one_that_talks_nonsense_is_hung_up_on_and_the_others_are_not(tmp_path: Path) -> None:
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as good, connect(path) as bad:
            hand_over(good, Hello("web", 1, "drop"))
            bad.send(b"nonsense")
            await until(lambda: len(intakes.peers) == 1)
            assert bad.recv(10) == b""
            hand_over(good, Lines(b"one\n", 1, 0, 0))
            await until(lambda: taken.of("web") == b"one\n")

    asyncio.run(scene())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def lend(path: Path, descriptor: int, name: str = "web") -> socket.socket:
    pipe = connect(path)
    hand_over(pipe, Hello(name, 1, "drop"))
    socket.send_fds(pipe, [pack_loan(Loan(b"begun"))], [descriptor])
    return pipe


def test_what_is_no_input_is_not_borrowed_and_nothing_stays_open(tmp_path: Path) -> None:
    path, taken, fifo = tmp_path / "intake.sock", Taken(), tmp_path / "fifo"
    os.mkfifo(fifo)

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as good:
            hand_over(good, Hello("web", 1, "drop"))
            await until(lambda: intakes.peers)
            before = open_files()
            out, into = os.pipe()
            lies = [os.open(one, os.O_RDONLY) for one in ("/dev/zero", tmp_path)]
            for lie in (*lies, os.open(fifo, os.O_PATH), os.dup(good.fileno()), into):
                with lend(path, lie) as pipe:
                    os.close(lie)
                    await until(lambda: len(intakes.peers) == 2)
                    assert (await asyncio.to_thread(socket.recv_fds, pipe, 10, 1))[:2] == (b"P", [])
                await until(lambda: len(intakes.peers) == 1)
            with lend(path, out) as pipe:
                os.close(out)
                _, (onward,), _, _ = await asyncio.to_thread(socket.recv_fds, pipe, 10, 1)
                os.close(onward)
            await until(lambda: len(intakes.peers) == 1)
            hand_over(good, Lines(b"one\n", 1, 0, 0))
            await until(lambda: taken.of("web") == b"one\n")
            assert open_files() == before + 2  # a line that was begun waits a minute for a successor

    asyncio.run(scene())


def test_while_lines_flow_they_are_taken_together_or_with_one_that_cannot_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loans, "EVERY", 0.1)  # in which a line comes, however busy the machine
    path, taken = tmp_path / "intake.sock", Taken()
    out, into = os.pipe()
    enough = threading.Event()

    def flow() -> None:
        while not enough.wait(0.002):
            os.write(into, b"x\n")

    async def scene() -> None:
        with listening(path, taken, Ahead()), lend(path, out):
            os.write(into, b" here\n")
            await until(lambda: taken.of("web").startswith(b"begun here\n"))  # before anybody was asked
            began = time.monotonic()
            thread = threading.Thread(target=flow)
            thread.start()
            try:
                await until(lambda: len(taken.blocks) == 2)
                assert time.monotonic() - began >= Ahead.hold
                began = time.monotonic()
                os.write(into, b"it matters\n")
                await until(lambda: b"it matters" in taken.of("web"))
                assert time.monotonic() - began < Ahead.hold
                assert len(taken.blocks) == 3
            finally:
                enough.set()
                thread.join()

    asyncio.run(scene())
    os.close(out)
    os.close(into)


def test_more_pipes_than_that_are_hung_up_on_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_PEERS", 2)
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as one, connect(path) as two:
            await until(lambda: len(intakes.peers) == 2)
            before = open_files()
            with connect(path) as more:
                await until(lambda: intakes.surplus == 1)
                assert more.recv(10) == b""
            assert open_files() == before
            two.close()
            await until(lambda: len(intakes.peers) == 1)
            with connect(path) as next_one:
                for pipe in (one, next_one):
                    hand_over(pipe, Hello("web", 1, "drop"), Lines(b"x\n", 1, 0, 0))
                await until(lambda: len(taken.blocks) == 2)
            assert intakes.surplus == 1

    asyncio.run(scene())


def test_without_a_descriptor_for_it_a_pipe_waits_and_the_loop_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "RETRY", 0.2)
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as pipe:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest = os.dup(pipe.fileno())
            os.close(lowest)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
            try:
                await asyncio.sleep(0.5)
                assert 1 <= intakes.starved <= 4
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: intakes.peers)
            hand_over(pipe, Hello("web", 1, "drop"), Lines(b"one\n", 1, 0, 0))
            await until(lambda: taken.of("web") == b"one\n")

    asyncio.run(scene())


def test_nothing_that_stands_for_a_pipe_shows_lines(tmp_path: Path) -> None:
    path, secret = tmp_path / "intake.sock", b"203.0.113.77"
    out, into = os.pipe()
    intake = Intake(path, {os.geteuid()})
    with connect(path) as pipe:
        hand_over(pipe, Hello("web", 1, "drop"))
        socket.send_fds(pipe, [pack_loan(Loan(secret))], [out])
        peer = intake.accept()
        assert peer
        for _ in range(2):
            intake.receive(peer)
        assert peer.lent
        assert peer.lent[1] == secret
        borrowed = loans.Loan(peer, "web", out, 1, Onward(secret), [secret])
        for one in (peer, borrowed, Loan(secret), Lines(secret, 1, 0, 0)):
            assert secret.decode() not in repr(one)
        os.close(peer.lent[0])
        peer.connection.close()
    borrowed.onward.close()
    intake.close()
    os.close(out)
    os.close(into)


def test_lines_without_a_name_are_counted(tmp_path: Path) -> None:
    path, taken = tmp_path / "intake.sock", Taken()

    async def scene() -> None:
        with listening(path, taken) as intakes, connect(path) as pipe:
            hand_over(pipe, Lines(b"one\ntwo\n", 2, 0, 0))
            await until(lambda: intakes.nameless == 2)
            assert taken.blocks == []

    asyncio.run(scene())


def test_at_the_end_everybody_is_hung_up_on(tmp_path: Path) -> None:
    path = tmp_path / "intake.sock"

    async def scene() -> socket.socket:
        with listening(path, Taken()) as intakes:
            pipe = connect(path)
            await until(lambda: intakes.peers)
        return pipe

    with asyncio.run(scene()) as pipe:
        assert pipe.recv(10) == b""
    assert not path.exists()


def test_a_log_that_may_be_missing_is_no_problem(tmp_path: Path) -> None:
    async def scene(files: Files, _taken: Taken) -> None:
        needed = files.open(SourceConfig(name="needed", paths=(f"{tmp_path}/needed",)))
        optional = files.open(SourceConfig(name="optional", paths=(f"{tmp_path}/optional",), optional=True))

        assert (list(needed.problems), optional.problems) == ([f"{tmp_path}/needed"], {})

    play(scene)


@pytest.mark.needs("journal")
def test_a_journal_is_followed_from_a_time_on_and_anew_when_what_matches_changes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write("one", "two")

    wanted: list[str] = []

    def here(name: str, matches: Sequence[Sequence[str]], *, since: float, where: str) -> JournalSource:
        wanted.append(where)
        return JournalSource(name, matches, since=since, where=f"--directory={journal.folder}")

    async def scene(files: Files, taken: Taken) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feeds, "JournalSource", here)
            files.open(SourceConfig(name="ssh", journal=(("_COMM=sshd",),)), since=BEGIN + 2)
            await until(lambda: b"two" in taken.of("ssh"))
            assert b"one" not in taken.of("ssh")
            same = files.sources["ssh"]
            files.change(of_sources(SourceConfig(name="ssh", journal=(("_COMM=sshd",),))))
            assert files.sources["ssh"] is same
            files.change(of_sources(SourceConfig(name="ssh", journal=(("_COMM=cron",),))))
            assert files.sources["ssh"] is not same
            files.change(of_sources(SourceConfig(name="ssh", journal=(("_COMM=cron",),), namespace="doors")))
            assert wanted == ["--system", "--system", "--namespace=doors"]

    play(scene)
