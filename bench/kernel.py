"""What comes into the sets of nftables, and when: the kernel tells every listener of each element that it takes in.

That costs no program and no look at the sets, so that it does not disturb what is measured.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from bench.runs import Failed
from privet.adapters.firewall.messages import listed, named_set, replies
from privet.adapters.firewall.netlink import connect

if TYPE_CHECKING:
    from types import TracebackType

SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES = 270, 1, 7
NEW_ELEMENT = 0x0A0C
ANONYMOUS = "__"  # sets within a rule, such as its ports
BUFFER = 256 << 20  # bytes: news of ten thousand elements come at once


class Watch:
    """Listens to the kernel; `came` tells when each key came into a set, by time.perf_counter."""

    def __init__(self) -> None:
        self.came: dict[bytes, float] = {}
        self._changed = threading.Condition()
        self._socket = connect(BUFFER)
        self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, GROUP_NFTABLES)
        self._socket.settimeout(0.2)
        self._over = False
        self._problem = ""
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def wait(self, count: int, within: float) -> None:
        """Wait until `count` keys have come; raise Failed when they do not in time."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.came) >= count or self._problem, within)
        if self._problem:
            raise Failed(self._problem)
        if len(self.came) < count:
            raise Failed(f"{len(self.came):,} of {count:,} in the kernel after {within:g} s")

    def wait_for(self, key: bytes, within: float) -> None:
        """Wait until a key has come; raise Failed when it does not in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: key in self.came or self._problem, within):
                raise Failed(f"not in the kernel after {within:g} s")

    def _listen(self) -> None:
        while not self._over:
            with suppress(TimeoutError):
                try:
                    news = self._socket.recv(1 << 20)
                except OSError as error:
                    if isinstance(error, TimeoutError):
                        raise
                    self._problem = f"the kernel's news were lost: {error.strerror}"
                    return
                self._note(news, time.perf_counter())

    def _note(self, news: bytes, now: float) -> None:
        with self._changed:
            for reply in replies(news):
                if reply.kind == NEW_ELEMENT and not named_set(reply.payload)[0].startswith(ANONYMOUS):
                    for key, _ in listed(reply.payload):
                        self.came.setdefault(key, now)
            self._changed.notify_all()
