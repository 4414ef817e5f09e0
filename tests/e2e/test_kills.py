"""Killed at any moment, between the kernel and the store and during the start: the next daemon and the kernel agree."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.lab import Lab
from tests.e2e.net import PATIENCE, run, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.net import Net

pytestmark = pytest.mark.needs("root", "netns", "nft", "nsenter", "setpriv", "prlimit")

ROUNDS = 8
MANY = 300


class Answers(Lab):
    """A daemon that is asked over its socket, without the time that starting a verb takes."""

    def speak(self, verb: str, **request: object) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        with self.shout(verb, **request) as line, line.makefile() as answer:
            found: dict[str, Any] = json.loads(answer.readline())
        return found

    def shout(self, verb: str, **request: object) -> socket.socket:
        """Ask, and return what the answer comes from."""
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(20)
        line.connect(str(self.runtime / "control.sock"))
        line.sendall(json.dumps({"verb": verb, "agreed": True, "reveal": True, **request}).encode() + b"\n")
        return line

    def subjects(self) -> set[str]:
        """Return who is banned, all of them with the kernel's word for it."""
        items = self.speak("bans", all=True)["items"]
        assert all(item["in_force"] for item in items)
        return {item["subject"] for item in items}


@pytest.fixture
def lab(lab_net: Net) -> Iterator[Answers]:
    lab = Answers(lab_net, {})
    lab.configure(f'[source.web]\npath = "{lab.root}/log/access.log"\n[jail.never]\nsource = "web"\nmaxretry = 999\n')
    yield lab
    lab.stop()


def test_the_next_daemon_and_the_kernel_agree(lab: Answers) -> None:
    chance, banned, opened = random.Random(7), set[str](), set[str]()
    for number in range(ROUNDS):
        lab.start_daemon()
        assert lab.subjects() == lab.closed()
        assert banned <= lab.closed()
        assert not opened & lab.closed()
        lab.balanced()
        fixed, gone = f"198.51.{number}.1", f"198.51.{number}.2"
        lab.speak("ban", subjects=[fixed, gone], seconds=3600)
        lab.speak("unban", subjects=[gone])
        banned.add(fixed)
        opened.add(gone)
        many = [f"10.{number}.{one >> 8}.{one & 255}" for one in range(MANY)]
        with lab.shout("ban", subjects=many, seconds=3600):
            time.sleep(chance.uniform(0, 0.15))
            lab.kill(lab.daemon, signal.SIGKILL)
        starting = lab.spawn(*lab.here("/usr/local/bin/privet run").split(), log="starting.log")
        time.sleep(chance.uniform(0, 0.9))
        lab.kill(starting, signal.SIGKILL)
        for name in ("control.sock", "intake.sock"):
            (lab.runtime / name).unlink(missing_ok=True)
    lab.start_daemon()
    assert lab.subjects() == lab.closed()
    lab.speak("unban", all=True)
    assert lab.closed() == set()
    lab.kill(lab.daemon, signal.SIGKILL)
    (lab.runtime / "control.sock").unlink()
    lab.start_daemon()
    assert lab.subjects() == set()
    assert lab.balanced()["store"]["problem"] is None


def test_a_second_daemon_with_directories_of_its_own_ends_and_says_why(lab: Answers) -> None:
    lab.start_daemon()
    lab.speak("ban", subjects=["198.51.100.1"])
    runtime = lab.runtime / "second"
    state = {"PRIVET_RUNTIME": str(runtime), "PRIVET_STATE": str(lab.root / "second")}
    for _ in range(2):
        second = lab.spawn(*lab.here("/usr/local/bin/privet run").split(), log="second.log", **state)
        assert second.wait(timeout=20) == 2
    assert re.search(r"process \d+ guards the table inet privet of this network already", lab.log("second.log"))
    assert lab.closed() == {"198.51.100.1"}
    lab.kill(lab.daemon, signal.SIGKILL)
    lab.spawn(*lab.here("/usr/local/bin/privet run").split(), log="second.log", **state)
    until((runtime / "control.sock").exists, "whoever is left guards the table")
    assert lab.closed() == {"198.51.100.1"}


def test_a_rule_of_somebody_else_among_ours_is_gone_within_a_second_and_told_of(lab: Answers) -> None:
    lab.start_daemon()
    lab.speak("ban", subjects=["198.51.100.1"])

    def rules() -> list[str]:
        text = lab.net.server(run, "nft", "-s", "list", "chain", "inet", "privet", "bans")
        return [line.strip() for line in text.splitlines()]

    def losses() -> int:
        return int(lab.speak("status")["firewall"]["losses"])

    right = rules()
    for number, act in enumerate(("insert rule inet privet bans accept", "flush chain inet privet bans"), 1):
        lab.net.server(run, "nft", act)
        began = time.monotonic()
        until(lambda: rules() == right, "the rules are back")
        assert time.monotonic() - began < 1
        while losses() < number:
            assert time.monotonic() - began < PATIENCE
        assert losses() == number
    assert lab.log("privet.service.log").count("somebody changed the firewall's rules") == 2
