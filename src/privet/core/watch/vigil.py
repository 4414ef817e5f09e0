"""What goes dead without a word: sources that fall silent or whose lines are read no more, jails that match nothing.

`look` is called about once a minute with the counters of the engine. It learns what is usual and says what is wrong:
- *silence*: nothing came for a time in which, by the rhythm of the source, much was to be expected;
- *format*: of the last hundred lines most could not be read, and that is new;
- *addresses*: most of them have no client's address, and that is new;
- *proxy*: one client has nearly all of them, and the others, of whom there were many, are gone;
- *dead*: a jail matches nothing for a time in which, by its own rhythm, much was to be expected, though its source
  goes on.

Nothing here holds an address: rhythms are counts, lines are masked before they are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.core.masking.mask import sample
from privet.core.parsing.parse import NO_ADDRESS, NOT_TOLD
from privet.core.watch.rhythm import HOUR, Rhythm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from privet.core.jails import Jail
    from privet.core.source import SourceState

LINES = 100
"""Lines that are judged together."""

MOST = 0.5  # of them must be wrong
BEFORE = 0.1  # where about this share was wrong before, or more of them
NEARLY_ALL = 0.9  # of the lines, of one client
GONE = 0.25  # of the lines of the others there are no more than this share
MISSED = 60.0  # lines of theirs that there should have been, at least
LEARNT = 5  # times that so many lines were judged, before one client is too much
SLOWLY = 0.1  # the weight of the newest in a mean
LATER = 600.0  # seconds: shorter silences mean nothing
GAP = 600.0  # seconds between two looks, after which nobody knows what happened meanwhile


class Alarm(msgspec.Struct, frozen=True):
    """What is wrong with a source, or with one of its jails. `text` may name a cause; it holds no address."""

    kind: str
    source: str
    jail: str
    text: str
    since: float


class Remembered(msgspec.Struct):
    """What outlasts a restart: the rhythms of sources and jails by name."""

    sources: dict[str, Rhythm] = {}
    jails: dict[str, Rhythm] = {}


class _Watch:
    """A counter whose rhythm is learnt."""

    def __init__(self, rhythm: Rhythm, count: int, now: float) -> None:
        self.rhythm = rhythm
        self.heard = now
        self._count = count
        self._began, self._total = now, 0

    def look(self, count: int, now: float) -> None:
        """Note how far the counter went. Silence is learnt when it is over, unless it meant something."""
        more, self._count = max(0, count - self._count), count
        if not more:
            return
        if self.is_silent(now):
            self.rhythm.pause()
        else:
            for hour in range(int(self.heard // HOUR) + 1, int(now // HOUR)):
                self.rhythm.note(hour * HOUR, 0)
        self.rhythm.heard(self.heard, now)
        self.rhythm.note(now, more)
        self._total += more
        self.heard = now

    def missed(self, now: float) -> float:
        """Return how much was to be expected since something came last, by the rhythm or else by the mean so far."""
        mean = self._total / max(LATER, self.heard - self._began)
        return max(self.rhythm.expected(self.heard, now), mean * (now - self.heard))

    def skip(self, seconds: float) -> None:
        """Leave out a time of which nothing is known."""
        self._began += seconds
        self.heard += seconds
        self.rhythm.pause()

    def is_silent(self, now: float) -> bool:
        """Tell whether the silence means something."""
        return now - self.heard >= LATER and self.rhythm.is_silence(self.heard, now)


class _Lines:
    """How the lines of a source are, a hundred at a time."""

    def __init__(self, state: SourceState, now: float) -> None:
        self.wrong: dict[str, str] = {}  # what is wrong now, by kind
        self._usual = {"format": 0.0, "addresses": 0.0}  # what share of the lines is so while all is well
        self._others = 0.0  # lines a second of all clients but the first, likewise
        self._alone = self._missed = 0.0  # lines of the others, and how many there should be, since one has nearly all
        self._judged = 0  # how often clients were looked at
        self._good = state.good  # of what was read before the first look
        self._begin(state, now)

    def look(self, state: SourceState, now: float) -> None:
        """Judge the lines since the last time, if there are enough."""
        lines = state.lines - self._lines
        if lines < LINES:
            return
        blind = _blind(state) - self._blind
        unread = sum(state.unparsed.values()) - self._unread - blind
        if self._is_wrong("format", unread / lines):
            self.wrong["format"] = _changed(self._good, state.bad, unread, lines, "cannot be read")
        if self._is_wrong("addresses", blind / lines):
            self.wrong["addresses"] = _changed(self._good, state.bad, blind, lines, "have no client's address any more")
        if state.hits.most[1]:
            self._look_at_clients(state, lines, max(1.0, now - self._since))
        if not self.wrong:
            self._good = state.good or self._good
        self._begin(state, now)

    def _begin(self, state: SourceState, now: float) -> None:
        self._lines, self._blind, self._since = state.lines, _blind(state), now
        self._unread = sum(state.unparsed.values())
        state.hits.clear()

    def _is_wrong(self, kind: str, share: float) -> bool:
        if share >= max(MOST, self._usual[kind] + MOST - BEFORE):
            return True
        self.wrong.pop(kind, None)
        self._usual[kind] += SLOWLY * (share - self._usual[kind])
        return False

    def _look_at_clients(self, state: SourceState, lines: int, seconds: float) -> None:
        """Tell a proxy from a client that asks for very much: beside that one the others go on."""
        most, total = state.hits.most
        if total < lines / 2 or most < NEARLY_ALL * total:
            self.wrong.pop("proxy", None)
            self._alone = self._missed = 0.0
            self._judged += 1
            self._others += max(SLOWLY, 1 / self._judged) * ((total - most) / seconds - self._others)
            return
        self._alone += total - most
        self._missed += self._others * seconds
        if self._judged >= LEARNT and self._missed >= MISSED and self._alone < GONE * self._missed:
            self.wrong["proxy"] = (
                f"one client has {most} of the last {total} requests, and the others are gone: the log may hold the "
                "address of a proxy in place of the visitors' (see docs/proxies.md)"
            )


class Vigil:
    """Watches sources and jails; `alarms` is what is wrong now."""

    def __init__(self, remembered: Remembered | None = None) -> None:
        self.remembered = remembered or Remembered()
        self.alarms: list[Alarm] = []
        self._sources: dict[str, tuple[_Watch, _Lines]] = {}
        self._jails: dict[str, _Watch] = {}
        self._now = float("-inf")

    def look(
        self,
        now: float,
        sources: Mapping[str, SourceState],
        jails: Iterable[Jail],
        matches: Mapping[str, tuple[int, float | None]],
    ) -> None:
        """Compare the counters with those of the last look."""
        passed, self._now = now - self._now, now
        if not 0 <= passed <= GAP:
            for watch in (*self._jails.values(), *(watch for watch, _ in self._sources.values())):
                watch.skip(passed)
        found: list[Alarm] = []
        self._sources = {name: self._source(state, now) for name, state in sources.items()}
        for name, (watch, lines) in self._sources.items():
            watch.look(sources[name].lines, now)
            lines.look(sources[name], now)
            found += self._of_source(name, watch, lines, now)
        watched = [jail for jail in jails if jail.bans_of is None]
        self._jails = {jail.name: self._jail(jail.name, matches[jail.name][0], now) for jail in watched}
        for jail in watched:
            self._jails[jail.name].look(matches[jail.name][0], now)
            found += self._of_jail(jail, now)
        known = {(one.kind, one.source, one.jail): one for one in self.alarms}
        self.alarms = [known.get((one.kind, one.source, one.jail), one) for one in found]

    def missed(self, name: str, now: float) -> float:
        """Return how many lines of a source were to be expected since the last one."""
        return self._sources[name][0].missed(now) if name in self._sources else 0.0

    def heard(self, name: str, default: float) -> float:
        """Return when something came from a source last, or since when it is waited for."""
        return self._sources[name][0].heard if name in self._sources else default

    def _source(self, state: SourceState, now: float) -> tuple[_Watch, _Lines]:
        if state.name in self._sources:
            return self._sources[state.name]
        rhythm = self.remembered.sources.setdefault(state.name, Rhythm())
        return _Watch(rhythm, state.lines, now), _Lines(state, now)

    def _jail(self, name: str, count: int, now: float) -> _Watch:
        if name in self._jails:
            return self._jails[name]
        return _Watch(self.remembered.jails.setdefault(name, Rhythm()), count, now)

    @staticmethod
    def _of_source(name: str, watch: _Watch, lines: _Lines, now: float) -> list[Alarm]:
        found = [Alarm(kind, name, "", text, now) for kind, text in lines.wrong.items()]
        if watch.is_silent(now):
            expected = watch.rhythm.expected(watch.heard, now)
            text = f"silent, though some {expected:.0f} lines or more were to be expected since the last one"
            found.append(Alarm("silence", name, "", text, watch.heard))
        return found

    def _of_jail(self, jail: Jail, now: float) -> list[Alarm]:
        """Name a jail that matches nothing, unless that is its sources' fault."""
        watch = self._jails[jail.name]
        if not watch.is_silent(now):
            return []
        sources = [self._sources[name] for name in jail.sources if name in self._sources]
        if any(source.is_silent(now) or lines.wrong for source, lines in sources):
            return []
        expected = watch.rhythm.expected(watch.heard, now)
        text = (
            f"matches nothing any more, though some {expected:.0f} matches were to be expected since the last one and "
            "its source goes on: did what it looks for change its words? (see privet explain)"
        )
        return [Alarm("dead", ", ".join(jail.sources), jail.name, text, watch.heard)]


def _blind(state: SourceState) -> int:
    return state.unparsed[NO_ADDRESS] + state.unparsed[NOT_TOLD]


def _changed(good: bytes, bad: bytes, wrong: int, lines: int, what: str) -> str:
    """Say how lines looked and how they look, masked."""
    before = f"; before: {sample(good)}" if good else ""
    return f"{wrong} of the last {lines} lines {what}, now: {sample(bad)}{before}"
