"""Many prefixes at once, and what all the rules cost a packet; beside them an interval set, as nft makes it."""

from __future__ import annotations

import itertools
import random
import signal
import statistics
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.bans import TRAP
from bench.generate import client
from bench.guard import Guard, write
from bench.kernel import Watch
from bench.logs import line
from bench.packets import Flood
from bench.report import Result, waiting
from bench.runs import ROOT, Failed, Spread, needs_namespaces
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.runs import Settings

PREFIXES = 100_000
V4_LENGTHS = (17, 18, 19, 20, 20, 21, 21, 22, 22, 22, 23, 23, *(24,) * 12, 25, 26, 27, 28, 29, 30, 31, 32, 32, 32)
"""Lengths about as often as they are in lists of networks that others keep."""
V6_LENGTHS = (29, 32, 32, 36, 40, 44, 48, 48, 48, 56, 64, 64, 64)
MORE = 200
PATIENCE = 30.0
WAIT = 250.0  # milliseconds


def prefixes(count: int, lengths4: Sequence[int] = V4_LENGTHS, lengths6: Sequence[int] = V6_LENGTHS) -> list[Subject]:
    """Return different prefixes in 10.0.0.0/9 and 2001:db8::/32, a fifth of them IPv6, no two with one beginning."""
    rng = random.Random(3)
    found: dict[bytes, Subject] = {}
    while len(found) < count:
        v6 = lengths6 and rng.random() < 0.2
        length = rng.choice(lengths6 if v6 else lengths4)
        address = rng.getrandbits(96).to_bytes(12)
        if v6:
            packed = mask_bits(bytes.fromhex("20010db8") + address, max(length, 33))
        else:
            packed = mask_bits(bytes([10, address[0] >> 1]) + address[1:3], length)
        found[packed] = Subject(packed, max(length, 33) if v6 else length)
    return list(found.values())


def loaded(settings: Settings) -> Iterator[Result]:
    """Read a long list of prefixes as a feed, then ban some more one by one."""
    subjects = prefixes(settings.scaled(PREFIXES) + MORE)
    many, more = subjects[:-MORE], subjects[-MORE:]
    source = settings.folder / "prefixes.txt"
    source.write_text("".join(f"{subject.reveal()}\n" for subject in many), encoding="ascii")
    took = [_feed(settings, str(source), len(many)) for _ in range(settings.rounds)]
    spread = Spread.of(took)
    yield Result(
        f"a feed of {len(many):,} prefixes of {len({(s.version, s.length) for s in many})} lengths: "
        "configuration reloaded → all in the kernel",
        f"{spread} s",
        "≤ 5 s",
        spread.median <= 5,
        {"s": spread.median},
    )
    with _firewall() as firewall:
        _order(firewall, many)
        delays = [1e3 * _order(firewall, [subject]) for subject in more]
    yield waiting(f"one more beside {len(many):,}", delays, 10)
    words = [subject.reveal() for subject in prefixes(len(many) + 3, (32,), ())]
    with _intervals(words[3:]) as whole:
        single = [1e3 * _nft(f"add element inet spans closed {{ {word} }}\n") for word in words[:3]]
    yield Result(
        f"one more by the nft program, in an interval set of {len(many):,}",
        f"{Spread.of(single)} ms; all of them {whole:.1f} s",
        values={"ms": statistics.median(single), "whole_s": whole},
    )


def beside(settings: Settings) -> Iterator[Result]:
    """Ban single offenders while a long list is banned by hand."""
    words = [subject.reveal() for subject in prefixes(settings.scaled(PREFIXES))]
    listed, delays = settings.folder / "listed.txt", list[float]()
    listed.write_text("\n".join(words), encoding="ascii")
    with Guard(settings, TRAP, "nftables") as guard, Watch() as watch:
        pipe = guard.pipe()
        banning = guard.run("ban", "--file", str(listed), "--for", "1h", "--yes", "--json")
        for number in itertools.count():
            began = time.perf_counter()
            write(pipe, line(number, "/trap"))
            watch.wait_for(Subject.parse(client(number, 7)).packed, PATIENCE)
            if banning.poll() is not None:
                break
            delays.append(1e3 * (time.perf_counter() - began))
        held = guard.in_kernel()
        if banning.returncode or held < len(words):
            raise Failed(f"{held:,} bans are in the kernel, and privet ban ended with {banning.returncode}")
    yield waiting(
        f"a line of a single offender written, while {len(words):,} are banned by hand → its address in the kernel",
        delays,
        WAIT,
    )


def _feed(settings: Settings, source: str, count: int) -> float:
    """Return the seconds from the reload that makes the feed known to its last prefix in the kernel."""
    with Guard(settings, TRAP, "nftables") as guard, Watch() as watch:
        with guard.config.open("a", encoding="utf-8") as config:
            config.write(f'[feed.long]\npath = "{source}"\n')
        began = time.perf_counter()
        guard.daemon.send_signal(signal.SIGHUP)
        watch.wait(count, PATIENCE)
        return max(watch.came.values()) - began


def passed(settings: Settings) -> Iterator[Result]:
    """Send packets of clients that are not banned past few bans and past many."""
    needs_namespaces("the kernel's firewall")
    count = settings.scaled(PREFIXES)
    lengths = range(17, 33)
    ways = {
        "addresses": (prefixes(10, (32,), ()), prefixes(count, (32,), ())),
        f"prefixes of {len(lengths)} lengths": (
            [Subject(bytes([10, 127, 0, 0]), length) for length in lengths],
            prefixes(count, lengths, ()),
        ),
    }
    with Flood() as flood:
        free = flood.nanoseconds()
        for name, (few, many) in ways.items():
            costs: list[tuple[float, float]] = []
            for _ in range(settings.rounds):
                with _firewall() as firewall:
                    _order(firewall, few)
                    first = flood.nanoseconds()
                    _order(firewall, many)
                    costs.append((first, flood.nanoseconds()))
            yield _compared(name, len(few), count, costs, free)
        words = [subject.reveal() for subject in ways["addresses"][1]]
        costs = []
        for _ in range(settings.rounds):
            with _intervals(words[:10]):
                first = flood.nanoseconds()
            with _intervals(words):
                costs.append((first, flood.nanoseconds()))
        yield _compared("addresses in an interval set", 10, count, costs, free)


def _compared(name: str, few: int, many: int, costs: Sequence[tuple[float, float]], free: float) -> Result:
    ratio = Spread.of([second / first for first, second in costs])
    first, second = (statistics.median(pair[number] for pair in costs) for number in (0, 1))
    judged = name == "addresses"
    return Result(
        f"a packet past {many:,} banned {name}, to one past {few}",
        f"{ratio} times: {second:,.0f} ns to {first:,.0f} ns; {free:,.0f} ns without rules",
        "≤ 1.2 times" if judged else "",
        ratio.median <= 1.2 if judged else None,
        {"ratio": ratio.median, "few_ns": first, "many_ns": second, "free_ns": free},
    )


@contextmanager
def _firewall() -> Iterator[NftablesFirewall]:
    firewall = NftablesFirewall()
    firewall.open()
    try:
        yield firewall
    finally:
        firewall.remove()
        firewall.close()


def _order(firewall: NftablesFirewall, subjects: Sequence[Subject]) -> float:
    """Return the seconds that the firewall takes to ban these."""
    began = time.perf_counter()
    answers = firewall.apply([Order(subject, 3600.0) for subject in subjects])
    took = time.perf_counter() - began
    if any(answers):
        raise Failed(f"refused: {next(filter(None, answers))}")
    return took


@contextmanager
def _intervals(words: Sequence[str]) -> Iterator[float]:
    """Make an interval set with a rule; give the seconds that filling it took."""
    _nft(
        "add table inet spans\nadd set inet spans closed { type ipv4_addr; flags interval; }\n"
        "add chain inet spans bans { type filter hook prerouting priority raw; }\n"
        "add rule inet spans bans ip saddr @closed counter drop\n"
    )
    try:
        yield _nft(f"add element inet spans closed {{ {', '.join(words)} }}\n")
    finally:
        _nft("delete table inet spans\n")


def _nft(text: str) -> float:
    """Return the seconds that the nft program takes."""
    began = time.perf_counter()
    done = subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True, check=False, cwd=ROOT)
    if done.returncode:
        raise Failed(f"nft ended with {done.returncode}")
    return time.perf_counter() - began
