"""The nft program: it makes the structure, and changes elements where netlink does not work.

Addresses reach it by standard input only, since arguments are seen by everyone on the machine; and
what it says never leaves this module, since it quotes the line that it complains of.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Any

import msgspec

from privet.adapters.firewall.layout import CHAIN, FAMILY, HOOK, TABLE, Hook, Structure, milliseconds, set_name
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.bans.model import Order

_WITHIN = 30.0  # seconds; listing a hundred thousand elements takes about two
_COMPLAINT = re.compile(r"^/dev/stdin:(\d+):\d+-\d+: Error: (.*)$", re.MULTILINE)
_CODES = {os.strerror(code): code for code in errno.errorcode}


def found(program: str) -> str | None:
    """Return where a program is, None if it is not installed."""
    # Users other than root often have no sbin in their path.
    return shutil.which(program, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def run(program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run nft. Raises FirewallError when it is missing, not allowed to, or hangs."""
    path = found(program)
    if path is None:
        raise FirewallError(f"the program {program} is missing: install the package nftables")
    try:
        result = subprocess.run(  # fixed arguments, no shell
            [path, *arguments],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN,
            check=False,
            env={"LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise FirewallError(f"{program} did not end within {_WITHIN:.0f} s", transient=True) from None
    except OSError as error:
        raise FirewallError(f"{program} cannot be run: {error.strerror}") from None
    if result.returncode and "Operation not permitted" in result.stderr:
        raise FirewallError("no right to change the firewall: run as root or with CAP_NET_ADMIN")
    return result


def build(program: str, text: str) -> None:
    """Carry out text that holds no address. Raises FirewallError with the first complaint."""
    result = run(program, "-f", "-", text=text)
    if result.returncode:
        complaint = result.stderr.partition("\n")[0]
        raise FirewallError(f"nft refuses the structure: {complaint}", transient=True)


def listing(program: str, *arguments: str) -> str:
    """Return what nft lists, empty for what does not exist. Raises FirewallError."""
    result = run(program, *arguments)
    if not result.returncode:
        return result.stdout
    if os.strerror(errno.ENOENT) in result.stderr:
        return ""
    raise FirewallError("nft cannot list the table", transient=True)


class TextWriter:
    """Changes and lists elements by the nft program."""

    def __init__(self, program: str) -> None:
        """Remember which program to run."""
        self._program = program

    def structure(self) -> Structure:
        """Read what stands of our table."""
        items = self._list("-t", "list", "table", FAMILY, TABLE)
        tables = [item["table"] for item in items if "table" in item]
        sets = {item["set"]["name"]: item["set"]["handle"] for item in items if "set" in item}
        rules = [item["rule"] for item in items if "rule" in item and item["rule"]["chain"] == CHAIN]
        counters = dict(_counted(rule["expr"]) for rule in rules)
        chains = [_hooked(item["chain"]) for item in items if "chain" in item and item["chain"]["name"] == CHAIN]
        return Structure(
            tables[0]["handle"] if tables else 0,
            sets,
            {name: count for name, count in counters.items() if name in sets},
            tuple(rule.get("comment", "") for rule in rules),
            chains[0] if chains else None,
            sleeps=bool(tables) and "dormant" in tables[0].get("flags", ()),
        )

    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        """Carry out orders as one transaction."""
        lines = [(position, line) for position, order in enumerate(orders) for line in _lines(order)]
        result = run(self._program, "-f", "-", text="\n".join(line for _, line in lines) + "\n")
        if not result.returncode:
            return {}
        refused: dict[int, int] = {}
        for number, complaint in _COMPLAINT.findall(result.stderr):
            refused.setdefault(lines[int(number) - 1][0], _code(complaint))
        if not refused:
            raise FirewallError("nft failed without naming a line", transient=True)
        return refused

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        """List the elements of a set."""
        for item in self._list("list", "set", FAMILY, TABLE, name):
            for element in item.get("set", {}).get("elem", []):
                yield _element(element)

    def is_empty(self, name: str) -> bool:
        """Tell whether a set has no elements."""
        return next(self.elements(name), None) is None

    def generation(self) -> None:
        """Return nothing: the program does not tell."""

    def _list(self, *arguments: str) -> list[dict[str, Any]]:
        text = listing(self._program, "-j", "-p", *arguments)
        return msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]])["nftables"] if text else []

    def close(self) -> None:
        """Do nothing: no program is left running."""


def _lines(order: Order) -> Iterator[str]:
    """Yield the lines for one order, with the same steps as over netlink."""
    name = f"{FAMILY} {TABLE} {set_name(order)}"
    address = inet_ntop(AF_INET if order.subject.version == 4 else AF_INET6, order.subject.packed)
    key = f"{address} . {order.service.replace('/', ' . ')}" if order.service else address
    timeout = milliseconds(order.seconds or 0)
    closed = f"element {name} {{ {key}{'' if timeout is None else f' timeout {timeout}ms'} }}"
    if order.seconds is not None and not order.known:
        yield f"create {closed}"
        return
    yield f"add {closed}"
    yield f"delete element {name} {{ {key} }}"
    if order.seconds is not None:
        yield f"add {closed}"


def _code(complaint: str) -> int:
    """Return the error number for a complaint, EINVAL for one of nft's own."""
    return next((code for text, code in _CODES.items() if text in complaint), errno.EINVAL)


def _hooked(chain: dict[str, Any]) -> Hook | None:
    """Return where a chain is hooked in, None if it is not, or not where it should be."""
    found = tuple(chain.get(part) for part in ("type", "hook", "prio", "policy"))
    return HOOK if found == ("filter", "prerouting", HOOK.priority, "accept") else None


def _counted(expressions: list[dict[str, Any]]) -> tuple[str, tuple[int, int]]:
    """Return the set that a rule looks up (none: empty), with the packets and bytes that it has counted."""
    name, counts = "", (0, 0)
    for expression in expressions:
        if isinstance(right := expression.get("match", {}).get("right"), str):
            name = right.removeprefix("@")
        if counter := expression.get("counter"):
            counts = counter["packets"], counter["bytes"]
    return name, counts


def _element(item: str | dict[str, Any]) -> tuple[bytes, float | None]:
    """Return the key as netlink would give it, and the seconds left."""
    inner: dict[str, Any] = item["elem"] if isinstance(item, dict) and "elem" in item else {"val": item}
    key = b""
    match inner["val"]:
        case str(word) | {"prefix": {"addr": word}} | {"range": [word, _]}:
            key = _packed(word)
        case {"concat": [word, protocol, port]}:
            key = _packed(word) + bytes([protocol, 0, 0, 0]) + int(port).to_bytes(2) + bytes(2)
    return key, inner.get("expires")


def _packed(word: str) -> bytes:
    if ":" in word:
        return inet_pton(AF_INET6, word)
    return inet_pton(AF_INET, word) if "." in word else word.encode()  # a family in the set of the pause
