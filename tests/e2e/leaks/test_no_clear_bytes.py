"""Promises 1 and 11: no byte of a client's address in what Privet leaves, and not a word to anybody else.

The checkers are asked of an honest home first. Then leaks are planted, and each must be reported by the very same.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.conftest import lacks
from tests.e2e.leaks.home import Home
from tests.e2e.leaks.plants import FIRST, SECOND, code_of
from tests.e2e.net import Namespace, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOT = all(lacks(what) is None for what in ("root", "netns", "nft", "nsenter"))
GROUPS = {"first": FIRST, "second": SECOND}
NETWORK = "network: "
WATCH = """
table inet watch {
    counter away { }
    chain out {
        type filter hook output priority -400;
        oifname != "lo" meta l4proto { tcp, udp } counter name away
        oifname "lo" th dport { 43, 53, 853 } counter name away
    }
}
"""


@contextmanager
def lonely() -> Iterator[Namespace]:
    """Give a network that leads nowhere, and counts what tries to leave it or asks for names."""
    space = Namespace("lonely")
    try:
        script = [
            "link set lo up",
            "link add up0 type veth peer name up1",
            "address add 198.51.100.1/24 dev up0",
            "link set up0 up",
            "link set up1 up",
            "route add default dev up0",
        ]
        run("ip", "-n", space.name, "-batch", "-", text="\n".join(script))
        space(run, "nft", "-f", "-", text=WATCH)
        yield space
    finally:
        space.remove()


def lived(folder: Path, plant: str) -> list[str]:
    """Return what is found in a home at the end of its day."""
    if not ROOT:
        with Home(folder, plant) as home:
            home.live()
            return home.findings()
    with lonely() as space, Home(folder, plant, ["nsenter", f"--net=/run/netns/{space.name}"]) as home:
        home.live()
        said = space(run, "nft", "list", "counter", "inet", "watch", "away")
        tried = int(said.split("packets ")[1].split()[0])
        return [*home.findings(), *([f"{NETWORK}{tried} packets"] if tried else [])]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("honest")
    return folder, lived(folder, "")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Return what tells what is found where a group of leaks is planted."""
    return cache(lambda group: lived(tmp_path_factory.mktemp(group), code_of(GROUPS[group])))


def test_promise_1_no_clear_bytes(honest: tuple[Path, list[str]]) -> None:
    folder, found = honest
    log, state = folder / "disk/log", folder / "disk/state"

    assert found == []
    assert (log / "web.log").read_bytes().count(b"100::") > 100
    assert (log / "error.log").read_bytes().count(b"100::") > 50
    assert "100::" in (log / "said.err").read_text()
    assert (state / "bans.db").stat().st_size > 0
    assert list((state / "escrow").iterdir())


@pytest.mark.needs("root", "netns", "nft", "nsenter")
def test_promise_11_no_network(honest: tuple[Path, list[str]]) -> None:
    assert [one for one in honest[1] if one.startswith(NETWORK)] == []


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, plants in GROUPS.items() for name in plants])
def test_a_planted_leak_is_found(planted: Callable[[str], list[str]], group: str, name: str) -> None:
    place, found = GROUPS[group][name].found, planted(group)
    if place == NETWORK and not ROOT:
        pytest.skip("needs root, to count packets")

    assert [one for one in found if one.startswith(place)], found
