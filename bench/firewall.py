"""Measure what it costs to put bans into the kernel: `python bench/firewall.py`, as root.

Runs in a network namespace of its own, so that the rules of the machine are not touched. Beside
Privet: the nft program with the fastest text (one command for all), and, where it is installed,
the message classes of pyroute2.
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, ParamSpec

from privet.adapters.firewall.netlink import connect
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

P = ParamSpec("P")

INSIDE = "--inside"
IMPORT = """
import sys, time
def kib(): return int(open("/proc/self/statm").read().split()[1]) * 4
before, start = kib(), time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - start) * 1e3, (kib() - before) / 1024)
"""


def orders(count: int, *, seconds: float = 3600.0, known: bool = False) -> list[Order]:
    """Return orders for addresses in 10.0.0.0/8."""
    return [Order(Subject((0x0A000000 + number).to_bytes(4), 32), seconds, known) for number in range(count)]


def nft(text: str) -> None:
    """Run nft as its users do."""
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def nft_add(wanted: Sequence[Order]) -> None:
    """Add elements by text."""
    words = ", ".join(f"{order.subject.reveal()} timeout {order.seconds:.0f}s" for order in wanted)
    nft(f"add element inet privet v4_32 {{ {words} }}\n")


def pyroute2_add(line: socket.socket, wanted: Sequence[Order]) -> None:
    """Add elements by pyroute2's message classes, 1000 in each message; its own calls do not work."""
    classes = import_module("pyroute2.netlink.nfnetlink.nftsocket")
    parts = []
    batch = import_module("pyroute2.netlink.nfnetlink").nfgen_msg
    middle = [wanted[start : start + 1000] for start in range(0, len(wanted), 1000)]
    for number, part in enumerate([None, *middle, None]):
        message = batch() if part is None else classes.nft_set_elem_list_msg()
        message["header"]["sequence_number"] = number
        if part is None:
            message["header"].update(type=0x11 if number else 0x10, flags=1)
            message["res_id"] = 10
        else:
            message["header"].update(type=0xA0C, flags=0x401 | (4 if number == len(middle) else 0))
            message["nfgen_family"] = 1
            message["attrs"] = [
                ("NFTA_SET_ELEM_LIST_TABLE", "privet"),
                ("NFTA_SET_ELEM_LIST_SET", "v4_32"),
                ("NFTA_SET_ELEM_LIST_ELEMENTS", [pyroute2_element(order) for order in part]),
            ]
        message.encode()
        parts.append(bytes(message.data))
    line.send(b"".join(parts))
    answer = line.recv(1 << 16)
    if answer[16:20] != bytes(4):
        raise OSError("the kernel refused")


def pyroute2_element(order: Order) -> dict[str, object]:
    """Return an element as pyroute2 wants it."""
    key = {"attrs": [("NFTA_DATA_VALUE", order.subject.packed)]}
    timeout = int((order.seconds or 0) * 1000)
    return {"attrs": [("NFTA_SET_ELEM_KEY", key), ("NFTA_SET_ELEM_TIMEOUT", timeout)]}


def took(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> float:
    """Return how many milliseconds a call takes."""
    start = time.perf_counter()
    function(*args, **kwargs)
    return (time.perf_counter() - start) * 1e3


def singly(add: Callable[[Sequence[Order]], object], count: int) -> str:
    """Add one after the other; the first, which loads what is loaded once, does not count."""
    add(orders(count + 1)[-1:])
    times = sorted(took(add, [order]) for order in orders(count))
    nft("flush set inet privet v4_32\n")
    return f"p50 {statistics.median(times):7.3f} ms   p99 {times[count * 99 // 100]:7.3f} ms"


def together(add: Callable[[Sequence[Order]], object], count: int) -> str:
    """Add many at once, five times to an empty set."""
    times = []
    for _ in range(5):
        times.append(took(add, orders(count)))
        nft("flush set inet privet v4_32\n")
    return f"best {min(times):8.1f} ms   median {statistics.median(times):8.1f} ms"


def importing(module: str) -> str:
    """Import a module in a new process."""
    runs = [subprocess.check_output([sys.executable, "-c", IMPORT, module], text=True).split() for _ in range(5)]
    return f"{min(float(run[0]) for run in runs):6.0f} ms   +{min(float(run[1]) for run in runs):.1f} MiB"


def measure() -> None:
    """Print one line for each thing."""
    firewall = NftablesFirewall()
    firewall.open()
    ways: dict[str, tuple[Callable[[Sequence[Order]], object], int]] = {
        "privet": (firewall.apply, 1000),
        "nft -f -": (nft_add, 100),
    }
    modules = ["privet.adapters.firewall.nftables"]
    if importlib.util.find_spec("pyroute2"):
        line = connect()
        ways["pyroute2 classes"] = (lambda wanted: pyroute2_add(line, wanted), 100)
        modules.append("pyroute2.netlink.nfnetlink.nftsocket")
    for way, (add, count) in ways.items():
        print(f"one ban          {way:18} {singly(add, count)}")
    for size in (10_000, 100_000):
        for way, (add, _) in ways.items():
            print(f"{size:7} bans     {way:18} {together(add, size)}")
    firewall.apply(orders(10_000))
    extended = [took(firewall.apply, orders(10_000, seconds=7200.0, known=True)) for _ in range(5)]
    print(f"  10000 extended {'privet':18} best {min(extended):8.1f} ms")
    print(f"  10000 listed   {'privet':18} {took(lambda: sum(1 for _ in firewall.held())):13.1f} ms")
    print(f"look whole       {'privet':18} {took(firewall.repair):13.3f} ms")
    firewall.remove()
    firewall.close()
    for module in modules:
        print(f"import {module:38} {importing(module)}")


if __name__ == "__main__":
    if INSIDE in sys.argv:
        measure()
    else:
        command = ["unshare", "--net", sys.executable, __file__, INSIDE]
        sys.exit(subprocess.run(command, check=False).returncode)
