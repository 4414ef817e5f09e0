"""Whom a caller means: an address, a prefix, an AS number, or one of today's pseudonyms."""

from __future__ import annotations

import asyncio
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import msgspec

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_number, as_text
from privet.core.windows.recidive import Who

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from privet.core.bans.model import Ban
    from privet.core.masking.mask import Mask
    from privet.daemon.service import Daemon


T = TypeVar("T")

AT_ONCE = 500  # things, some milliseconds
_SOME = 8  # things between looks at the clock
_TURN = 0.004  # seconds


class Refusal(Exception):  # noqa: N818  it is an answer
    """A request that cannot be answered; the text goes to the caller."""


class Whom(msgspec.Struct, frozen=True):
    """Somebody who is meant: one subject, or an AS number (`group`) with its prefixes."""

    who: Who
    members: tuple[Subject, ...]
    group: str = ""


async def found(daemon: Daemon, texts: Iterable[object]) -> list[Whom]:
    """Return whom texts mean, in their order. Raises Refusal, which quotes no text."""
    subjects = [_parsed(daemon, str(text)) async for text in gently(list(texts))]
    names = {one.reveal() for one in subjects if isinstance(one, Subject) and one.is_pseudonym}
    clear = await unmasked(daemon, names) if names else {}
    if names - clear.keys():
        raise Refusal("nobody who is banned, or who came in the last day, has this pseudonym today")
    known = [clear[s.reveal()] if isinstance(s, Subject) and s.is_pseudonym else s for s in subjects]
    whom = [_whom(daemon, one) async for one in gently(known)]
    daemon.sight.meet(one.members for one in whom)
    return whom


async def gently(things: Iterable[T]) -> AsyncIterator[T]:
    """Yield things, and let everything else have its turn every few milliseconds."""
    due = 0.0
    for number, thing in enumerate(things):
        if number % _SOME == 0 and monotonic() >= due:
            await asyncio.sleep(0)
            due = monotonic() + _TURN
        yield thing


def shown(daemon: Daemon, who: Subject | Ban | Whom, *, reveal: bool) -> str:
    """Return what somebody is called in an answer: a group by its name, others by pseudonym unless revealed."""
    subject = who if isinstance(who, Subject) else who.members[0] if isinstance(who, Whom) else who.subject
    group = "" if isinstance(who, Subject) else who.group
    return group or (subject.reveal() if reveal else daemon.name(subject))


def _parsed(daemon: Daemon, text: str) -> Who:
    number = as_number(text)
    if number is not None:
        return number
    try:
        return Subject.parse(text, daemon.config.engine.ipv6_client)
    except ValueError as error:
        raise Refusal(
            f"{error}: give an address, a prefix such as 192.0.2.0/24, an AS number such as AS64500, "
            "or a pseudonym of today"
        ) from None


def _whom(daemon: Daemon, who: Who) -> Whom:
    if isinstance(who, Subject):
        return Whom(who, (who,))
    group = as_text(who)
    try:
        return Whom(who, tuple(daemon.networks.prefixes(who)), group)
    except KeyError:
        members = tuple(ban.subject for ban in daemon.bans() if ban.group == group)  # of a table that is gone
        if members:
            return Whom(who, members, group)
        raise Refusal(daemon.networks.problem or f"the table of networks does not have {group}") from None


async def unmasked(daemon: Daemon, names: set[str], site: str = "") -> dict[str, Subject]:
    """Return who has these pseudonyms today, by any source or `site`: who is banned or was, or came in the last day."""
    known = chain((ban.subject for ban in daemon.bans()), daemon.lifted)
    clear = {name: subject for subject in known if (name := daemon.name(subject)) in names}
    if names - clear.keys():
        clients = [Subject.of_key(key, daemon.config.engine.ipv6_client) for key in daemon.seen.clients()]
        masks = [daemon.mask_of(site) for site in dict.fromkeys(("", *daemon.config.sources, site))]
        clear |= await asyncio.to_thread(lambda: dict(_matching(masks, clients, names)))
    return clear


def _matching(masks: Iterable[Mask], clients: Iterable[Subject], names: set[str]) -> Iterator[tuple[str, Subject]]:
    """Yield the clients that any of the masks gives one of the names."""
    masks = list(masks)
    for client in clients:
        for mask in masks:
            name = mask.name(client)
            if name in names:
                yield name, client
