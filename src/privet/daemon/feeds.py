"""The daemon's sources in its event loop: files through inotify, the journal, and the intake of every `privet pipe`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from privet.adapters.sources.files import FileSource
from privet.adapters.sources.journal import JournalSource
from privet.core.parsing.lines import line_feeds

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from privet.adapters.sources.intake import Intake, Peer
    from privet.config.model import Config, SourceConfig
    from privet.daemon.loans import Loans
    from privet.daemon.loop import Loop

LINGER = 0.015  # seconds that lines may wait for company, while they flow
TURN = 0.05  # seconds of reading one source before everything else gets its turn
MOST_PEERS = 200  # pipes at a time: each takes up to four descriptors, of the 1024 that a process usually may have
RETRY = 1.0  # seconds until one is accepted again after there was no descriptor for it


Source = FileSource | JournalSource


class Files:
    """The sources that are read here, files and journals, by name. `take(source, block)` gets what they read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[str, bytes], None]) -> None:
        self.sources: dict[str, Source] = {}
        self._configured: dict[str, SourceConfig] = {}
        self._loop, self._take = loop, take

    def open(self, config: SourceConfig, since: float | None = None) -> Source:
        """Begin to follow a source; a journal from a time on, else from now."""
        source: Source
        if config.journal is None:
            source = FileSource(config.name, config.paths, optional=config.optional)
        else:
            begin = time.time() if since is None else since
            where = f"--namespace={config.namespace}" if config.namespace else "--system"
            source = JournalSource(config.name, config.journal, since=begin, where=where)
        self.sources[config.name], self._configured[config.name] = source, config
        self._loop.add_reader(source.fileno(), self._woken, source)
        return source

    def close(self, name: str) -> None:
        """Let go of a source."""
        source = self.sources.pop(name)
        self._loop.remove_reader(source.fileno())
        source.close()

    def change(self, config: Config) -> None:
        """Follow what a new configuration says; sources that read the same go on undisturbed."""
        wanted = {name: source for name, source in config.sources.items() if not source.pipe}
        for name, source in list(self.sources.items()):
            if name not in wanted:
                self.close(name)
            elif _read_by(wanted[name]) != _read_by(self._configured[name]):
                source.drain()
                for block in source.read():  # the same files may be followed again, from their end
                    self._take(name, block)
                self.close(name)
        for name in wanted.keys() - self.sources.keys():
            self.open(wanted[name])

    def poll(self) -> None:
        """Look at all files, whatever inotify has told."""
        for source in self.sources.values():
            source.poll()
            self._read(source)

    def _woken(self, source: Source) -> None:
        """Wait a little for more lines: one wake-up per line would cost more than reading it."""
        self._loop.remove_reader(source.fileno())
        self._loop.call_later(LINGER, self._linger_over, source)

    def _linger_over(self, source: Source) -> None:
        if self.sources.get(source.name) is source:
            source.drain()
            self._loop.add_reader(source.fileno(), self._woken, source)
            self._read(source)

    def _read(self, source: Source) -> None:
        if self.sources.get(source.name) is not source:
            return
        began = time.monotonic()
        for block in source.read():
            self._take(source.name, block)
            if time.monotonic() - began > TURN:
                self._loop.call_soon(self._read, source)
                return


def _read_by(config: SourceConfig) -> tuple[object, ...]:
    """Return what decides about which lines a source has."""
    return config.paths, config.journal, config.namespace, config.optional


class Intakes:
    """The pipes that are connected. `take(source, block)` gets what they hand over, `loans` what they lend."""

    def __init__(self, loop: Loop, intake: Intake, take: Callable[[str, bytes], None], loans: Loans) -> None:
        self.peers: dict[int, Peer] = {}
        self.nameless = 0  # lines from pipes that did not say which source they are
        self.surplus = 0  # connections beyond `MOST_PEERS`
        self.starved = 0  # times that there was no descriptor for one
        self.loans = loans
        self._loop, self._intake, self._take = loop, intake, take
        self._again: asyncio.TimerHandle | None = None
        self._listen()

    @property
    def refused(self) -> int:
        """How many connections came from users who may not speak."""
        return self._intake.refused

    def close(self) -> None:
        """Hang up on everybody."""
        self._loop.remove_reader(self._intake.fileno())
        if self._again:
            self._again.cancel()
        self.loans.close()
        for peer in list(self.peers.values()):
            self._hang_up(peer)
        self._intake.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._intake.fileno(), self._accept)

    def _accept(self) -> None:
        try:
            peer = self._intake.accept()
        except OSError:  # whoever waits would be announced again at once, and again
            self.starved += 1
            self._loop.remove_reader(self._intake.fileno())
            self._again = self._loop.call_later(RETRY, self._listen)
            return
        if peer and len(self.peers) >= MOST_PEERS:
            self.surplus += 1
            peer.connection.close()
        elif peer:
            self.peers[peer.connection.fileno()] = peer
            self._loop.add_reader(peer.connection.fileno(), self._receive, peer)

    def _receive(self, peer: Peer) -> None:
        block, open_still = self._intake.receive(peer)
        if block and peer.hello:
            self._take(peer.hello.source, block)
        else:
            self.nameless += line_feeds(block)
        if peer.lent and peer.hello:
            self.loans.borrow(peer, peer.hello.source)
        if peer.wants_back:
            peer.wants_back = False
            self.loans.give_back(peer)
        if not open_still:
            self._hang_up(peer)

    def _hang_up(self, peer: Peer) -> None:
        self.loans.lose(peer)
        self._loop.remove_reader(peer.connection.fileno())
        del self.peers[peer.connection.fileno()]
        peer.connection.close()
