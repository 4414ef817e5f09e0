"""What the rules cost a packet: a pair of virtual links, and frames sent as fast as one core can.

Every frame comes from another address, and after Privet's chain another one drops them all. So the time from one frame
to the next is sending, the link, and the rules; with none in place it is what the rules are compared with.
"""

from __future__ import annotations

import ctypes
import random
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

FRAMES = 1024
"""Frames in one call of the kernel, each from an address of its own."""

SINK = (
    "add table inet sink\n"
    "add chain inet sink end { type filter hook prerouting priority -200; policy accept; }\n"
    "flush chain inet sink end\nadd rule inet sink end iif to_host counter drop\n"
)
_LINK, _HOST, _HARDWARE = "from_peer", "to_host", "02:00:00:00:00:01"


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """A struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.POINTER(_Vector)),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """A struct mmsghdr."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


class Flood:
    """Frames from many addresses in 10.128.0.0/9, over a link that ends in this namespace."""

    def __enter__(self) -> Self:
        _ip(
            f"link add {_LINK} type veth peer name {_HOST} address {_HARDWARE}",
            f"link set {_LINK} up",
            f"link set {_HOST} up",
        )
        subprocess.run(["nft", "-f", "-"], input=SINK, text=True, check=True)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((_LINK, 0))
        rng = random.Random(1)
        frames = [_frame(rng.randrange(0x0A800000, 0x0B000000)) for _ in range(FRAMES)]
        self._vectors = (_Vector * FRAMES)(*(_Vector(frame, len(frame)) for frame in frames))
        self._messages = (_Message * FRAMES)()
        for number in range(FRAMES):
            self._messages[number].header.vector = ctypes.pointer(self._vectors[number])
            self._messages[number].header.vectors = 1
        self._libc = ctypes.CDLL(None, use_errno=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        _ip(f"link del {_LINK}")
        subprocess.run(["nft", "delete table inet sink"], check=True)

    def nanoseconds(self, calls: int = 50) -> float:
        """Return how long a frame takes: the fastest of several calls, since others can only make one slower."""
        return min(self._call() for _ in range(calls)) / FRAMES

    def _call(self) -> int:
        began = time.perf_counter_ns()
        sent = self._libc.sendmmsg(self._socket.fileno(), self._messages, FRAMES, 0)
        ended = time.perf_counter_ns()
        if sent != FRAMES:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return ended - began

    @staticmethod
    def arrived() -> int:
        """Return how many frames have come past Privet's chain."""
        rules = subprocess.run(
            ["nft", "list", "chain", "inet", "sink", "end"], check=True, capture_output=True, text=True
        )
        return int(rules.stdout.partition("packets ")[2].split()[0])


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _frame(source: int) -> bytes:
    """Return an Ethernet frame with an empty UDP datagram."""
    addresses = source.to_bytes(4) + bytes([10, 0, 0, 1])
    header: bytes = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + addresses
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + (~total & 0xFFFF).to_bytes(2) + header[12:]
    ethernet = bytes.fromhex(_HARDWARE.replace(":", "")) + bytes(6) + b"\x08\x00"
    return ethernet + header + struct.pack("!4H", 4000, 53, 8, 0)
