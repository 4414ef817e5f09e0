"""The lists of others: read again and again, and their bans replaced as a whole."""

from __future__ import annotations

import asyncio
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_text
from privet.core.bans.lists import Entry, ListError, parse_list
from privet.core.verdicts import Action, Verdict
from privet.daemon.whom import gently
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from privet.adapters.lists import Fetched
    from privet.config.model import FeedConfig
    from privet.daemon.rounds import Work
    from privet.daemon.service import Daemon

ORIGIN = "feed"
AGAIN = 300.0  # seconds until a list that could not be read is tried again


def jail_of(feed: str) -> str:
    """Return the name that bans of a feed have as their jail."""
    return f"feed {feed}"


class Feed:
    """One list, and what is known of it."""

    def __init__(self, config: FeedConfig) -> None:
        self.config = config
        self.problem: str | None = None
        self.read: float | None = None
        self.entries = 0
        self.due = -inf
        self.fetched: Fetched | None = None

    def fetch(self) -> Fetched | None:
        """Return the list, None if it did not change. Raises SourceError. Blocks."""
        from privet.adapters.lists import fetch, read  # noqa: PLC0415  https takes memory that few need

        config = self.config
        if config.url is not None:
            return fetch(config.url, config.max_entries, self.fetched)
        fetched = read(Path(config.path or ""), config.max_entries)
        return None if fetched == self.fetched else fetched


class Lists:
    """All lists of the configuration."""

    def __init__(self, daemon: Daemon) -> None:
        self.feeds: dict[str, Feed] = {}
        self._daemon = daemon
        self._jails: set[str] | None = None  # under which their bans stand

    def look(self) -> Work | None:
        """Return the work of reading lists that are due, and letting go of those that are configured no more."""
        wanted = self._daemon.config.feeds
        self.feeds = {
            name: self.feeds[name] if name in self.feeds and self.feeds[name].config == config else Feed(config)
            for name, config in wanted.items()
        }
        jails, now = {jail_of(name) for name in wanted}, self._daemon.clock.now()
        due = [feed for feed in self.feeds.values() if now >= feed.due]
        return self._follow(jails, due) if due or jails != self._jails else None

    async def _follow(self, jails: set[str], due: Iterable[Feed]) -> None:
        if jails != self._jails:
            self._jails = jails
            gone = [ban for ban in self._daemon.bans() if ban.origin == ORIGIN and ban.jail not in jails]
            async for ban in gently(gone):
                self._daemon.lift(ban)
            await self._daemon.settle()
        for feed in due:
            await self._renew(feed)

    def state(self) -> list[dict[str, Any]]:
        """Return what is known of the lists."""
        return [
            {
                "feed": feed.config.name,
                "entries": feed.entries,
                "read": feed.read,
                "problem": feed.problem,
            }
            for feed in self.feeds.values()
        ]

    async def _renew(self, feed: Feed) -> None:
        daemon, now = self._daemon, self._daemon.clock.now()
        feed.due = now + AGAIN
        try:
            fetched = await asyncio.to_thread(feed.fetch)
            if fetched is not None:
                bits = daemon.config.engine.ipv6_client
                entries = await asyncio.to_thread(parse_list, fetched.text, feed.config.max_entries, bits)
                await self._replace(feed, entries)
                feed.entries, feed.fetched = len(entries), fetched
        except (SourceError, ListError) as error:
            if str(error) != feed.problem:
                daemon.log.error("feed", feed=feed.config.name, problem=str(error))  # noqa: TRY400  that is all of it
            feed.problem = str(error)
            return
        feed.problem, feed.read, feed.due = None, now, now + feed.config.every

    async def _replace(self, feed: Feed, entries: list[Entry]) -> None:
        """Ban who is new on a list, and unban who is gone from it."""
        daemon, jail, now = self._daemon, jail_of(feed.config.name), self._daemon.clock.now()
        wanted = {subject: (group, entry) for entry in entries for group, subject in self._members(entry)}
        present = {ban.subject: ban for ban in daemon.bans() if ban.jail == jail}
        added = gone = 0
        async for subject, (group, entry) in gently(list(wanted.items())):
            if subject not in present:
                until = inf if entry.seconds is None else now + entry.seconds
                verdict = Verdict(Action.BAN, subject, jail, now, until, 0, origin=ORIGIN, group=group)
                daemon.order(verdict, now, daemon.protected, entry.why)
                added += 1
        async for subject, ban in gently(list(present.items())):
            if subject not in wanted:
                daemon.lift(ban)
                gone += 1
        if added or gone:
            daemon.log.info("feed", feed=feed.config.name, entries=len(entries), added=added, gone=gone)
            await daemon.settle()

    def _members(self, entry: Entry) -> Iterator[tuple[str, Subject]]:
        if isinstance(entry.who, Subject):
            yield "", entry.who
            return
        group = as_text(entry.who)
        try:
            for prefix in self._daemon.networks.prefixes(entry.who):
                yield group, prefix
        except KeyError:
            raise ListError(self._daemon.networks.problem or f"the table of networks does not have {group}") from None
