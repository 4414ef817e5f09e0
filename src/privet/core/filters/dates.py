"""Where the date stands in a line, and what it says; the rest of the line is what filters are written for.

What fail2ban's `datepattern` can say, one pattern per line: strptime's letters and `%Ex..`, `EPOCH`, `LEPOCH`,
`TAI64N`, `{DATE}` for any of the usual forms, `{^LN-BEG}` before a pattern for the beginning of a line (alone: any
usual form there), `{DEFAULT}`, `{NONE}`, and `**` or `{UNB}` against the word boundaries that are required
otherwise. Of several stamps in a line the leftmost counts, of several readings of one the last that was used,
else the first in the list.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.errors import FilterError
from privet.core.filters.stamps import (
    EPOCH,
    LONG_EPOCH,
    TAI64N,
    Today,
    UnknownLetterError,
    fields_of,
    seconds_of,
)
from privet.core.filters.trees import names_inside_first, starts_at_beginning

if TYPE_CHECKING:
    from datetime import tzinfo

_TIME = r"%k:%M:%S(?:\.%f)?"
_DAY = r"(?:%a )?%b %d"


class _Usual(msgspec.Struct, frozen=True):
    """One of the usual forms: its pattern; where it may stand; whether it begins with a digit."""

    pattern: str
    line_only: bool = False
    digit: bool = False


_USUAL = (
    _Usual(rf"{_DAY} {_TIME}(?: %ExY)?"),
    _Usual(r"%ExY(?P<same>[-/.])%m(?P=same)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\s*%z)?", digit=True),
    _Usual(rf"{_DAY} %ExY {_TIME}"),
    _Usual(r"%d(?P<same>[-/])%m(?P=same)(?:%ExY|%Exy) %k:%M:%S", digit=True),
    _Usual(r"%d(?P<same>[-/])%b(?P=same)%ExY[ :]?%H:%M:%S(?:\.%f)?(?: %z)?", digit=True),
    _Usual(r"%m/%d/%ExY:%H:%M:%S", digit=True),
    _Usual(rf"%m-%d-%ExY {_TIME}", digit=True),
    _Usual("EPOCH"),
    _Usual("%H:%M:%S", line_only=True),
    _Usual("<%m/%d/%Exy@%H:%M:%S>", line_only=True),
    _Usual("%Exy%Exm%Exd  ?%H:%M:%S", digit=True),
    _Usual("%b %d, %ExY %I:%M:%S %p"),
    _Usual("%b-%d-%Exy %k:%M:%S", line_only=True),
    _Usual(r"%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS(?:[.,]%f)?(?:\s*%z)?", digit=True),
    _Usual(rf"%Z {_DAY} {_TIME}(?: %ExY)?"),
    _Usual(rf"(?<!\w)%z {_DAY} {_TIME}(?: %ExY)?"),
    _Usual("TAI64N"),
)
"""The usual forms, in the order in which they are preferred."""

_AUDIT = r"(?<=\baudit\()(?=[\d.]+:\d+\))"
_WHERE_EPOCH = rf"(?:^|(?<=^\[)(?=[\d.]+\])|{_AUDIT})"
_SUSPECT = re.compile(r"[g-zG-Z@<]|[A-Z]{2}|dec|feb|\d[-/]|\d{6}|20\d\d\.|^\W{0,2}(?:\d{1,2}:|$)")
"""What must stand before a stamp that begins with a digit, if another usual one is to begin there."""

_LINE_BEGIN, _EPOCHS = "{^LN-BEG}", {"EPOCH": EPOCH, "LEPOCH": LONG_EPOCH, "TAI64N": TAI64N}
_DATE = re.compile(r"(?<!\\)\{DATE\}", re.IGNORECASE)
_EPOCH = re.compile(r"(?<!\\)\{(L?EPOCH)\}", re.IGNORECASE)
_GROUP = re.compile(r"(?<!\\)\((?!\?)")
_BEGINS = re.compile(r"\(*(?:\(\?[a-z]+\))?\(*(?:\?:)?(?:\^|\*\*)")
_ENDS = re.compile(r"(?:\$|\\b|\\s|\*\*)\)*$")
_WORDY_START = re.compile(r"\{DATE\}|%(?!(?:Ex)?[dkl])")
_WORDY_END = re.compile(r"(?:\{DATE\}|%(?:Ex)?[a-zA-Z]\)?\??)$")
_OWN_GROUP = re.compile(r"(?:[^()\\]|\\.|\(\?:[^()]*[ :=,;]\)\?(?=\())*(?:\\\W|[ :=,;]|\)\?)\((.*)\)")
_REMEMBERED = 4096  # stamps: several per second of a busy log
_SECONDS = {f"{second:02}": second for second in range(60)}
_HEADS = 65_536  # what stands before a stamp: with web servers, clients
_LONGEST_HEAD = 64  # characters; what is longer is an attacker's
_CLOSING = frozenset("])>}|\"'")  # after a stamp: it cannot go on with this
_WORDS = re.compile(r" [b-fh-oq-tv-yB-FH-OQ-TV-Y\[(<]")
"""After a usual stamp at the beginning of a line: it cannot go on with this, as with a year, a zone or `pm`."""
_NEAR = 2048  # characters of a line in which usual forms are looked for


Stamp = tuple[int, int, int, "float | None"]
"""A date: where the match begins, from where to where it is cut out, and what it says (None: nothing that exists)."""


class _Form:
    """What reads one form. The fields come from the finder's match, or from `regex` on the text of the stamp."""

    def __init__(self, regex: re.Pattern[str] | None = None, *, fixed: bool = True) -> None:
        self.regex = regex
        self._fixed = fixed  # whether the text says it all
        self.memory: dict[str, float | None] = {}
        self._minute: tuple[str, str, float] | None = None  # what stands around the seconds, and when it began

    def time(self, text: str, found: re.Match[str], today: Today) -> float | None:
        if text in self.memory:
            return self.memory[text]
        seconds, settled = self._in_minute(text), True
        if seconds is None:
            read = found if self.regex is None else self.regex.fullmatch(text)
            seconds, settled = seconds_of(read.groupdict() if read else {}, today)
            if read and settled and seconds and self.regex and seconds < today.now - 60:
                self._learn_minute(text, read, seconds)
        if settled and self._fixed:
            if len(self.memory) >= _REMEMBERED:
                self.memory.clear()
            self.memory[text] = seconds
        return seconds

    def _in_minute(self, text: str) -> float | None:
        """Return the time of a stamp in the minute that was read last."""
        if self._minute is None:
            return None
        before, after, began = self._minute
        place = len(before)
        second = _SECONDS.get(text[place : place + 2])
        if second is None or text[place + 2 :] != after or not text.startswith(before):
            return None
        return began + second

    def _learn_minute(self, text: str, read: re.Match[str], seconds: float) -> None:
        """Remember the minute of a stamp, all of which is past, so that no year or day is open in it."""
        second = _SECONDS.get(read.groupdict().get("S") or "")
        if second is not None and seconds.is_integer():
            start, end = read.span("S")
            self._minute = text[:start], text[end:], seconds - second

    def forget(self) -> None:
        self.memory.clear()
        self._minute = None


class _Single:
    """Finds stamps of one pattern."""

    def __init__(self, regex: re.Pattern[str], *, anchored: bool) -> None:
        self._search = regex.match if anchored else regex.search
        self.forms = [_Form(fixed=names_inside_first(regex.pattern, regex.flags))]

    def find(self, line: str, today: Today) -> Stamp | None:
        found = self._search(line)
        if found is None:
            return None
        start, end = found.span(1)
        time = self.forms[0].time(line[start:end], found, today) if start < end else None
        return found.start(), start, end, time


class _Family:
    """Finds stamps of any usual form with one regular expression. `whole` has a place for the forms.

    If it is a group of its own, that is cut out; else what the first group holds, which the place may be a part of.
    """

    def __init__(self, whole: str, usual: list[_Usual], *, line: bool, anchored: bool) -> None:
        self.forms = [_Form(_reader(form)) for form in usual]
        bodies = "|".join(
            f"(?P<form{number}>{_body(form, line=line).replace('same', f'same{number}')})"
            for number, form in enumerate(usual)
        )
        self._alone = "({DATE})" in whole
        regex = _compiled(whole.replace("({DATE})", "{DATE}").replace("{DATE}", f"(?:{bodies})"))
        self._search = regex.match if anchored else regex.search
        self._numbers = {regex.groupindex[f"form{number}"]: number for number in range(len(usual))}
        self.last = 0

    def find(self, line: str, today: Today) -> Stamp | None:
        found = self._search(line, 0, _NEAR)
        if found is None:
            return None
        place = found.lastindex or 0
        number = self._numbers.get(place)
        if number is None:  # a group of the pattern's own ended after it
            place = next(group for group in self._numbers if found[group] is not None)
            number = self._numbers[place]
        start, stop = begin, end = found.span(place)
        if not self._alone:
            start, stop = found.span(1)
        if number != self.last:
            rival = self.forms[self.last].regex
            again = rival.match(line, begin) if rival else None
            if again and again.end() >= end and stop == end:
                number = self.last
                stop = end = again.end()
            self.last = number
        return found.start(), start, stop, self.forms[number].time(line[begin:end], found, today)


class _Quick:
    """Finds the form that was found last, if nothing before it can be another: most lines of a log are alike."""

    def __init__(self, form: _Form, body: str) -> None:
        self._form = form
        self._regex = re.compile(rf"(?:{body})(?=\b|\W|$)", re.IGNORECASE)
        self.heads: dict[str, bool] = {}  # what stood before a stamp: whether no other begins there
        self._before, self._length, self._after = "", 0, ""  # what the last stamp stood in
        self.again: tuple[str, float] | None = None  # that stamp with what closes it, and what it says, if it is sure

    def find(self, line: str, today: Today) -> Stamp | None:
        start = line.find(self._before) + 1
        end = start + self._length
        text = line[start:end]
        time = self._form.memory.get(text)
        if time is None or line[end : end + 1] != self._after:
            found = self._regex.match(line, start) or self._regex.search(line)
            if found is None:
                return None
            start, end = found.span()
            time = self._form.time(found[0], found, today)
            self._before, self._length, self._after = line[start - 1 : start], end - start, line[end : end + 1]
            if self._after not in _CLOSING:
                self._length = 0
            sure = self._length and self._form.memory.get(found[0])
            self.again = (found[0] + self._after, sure) if sure else None
        return (start, start, end, time) if self.clear(line[:start]) else None

    def clear(self, head: str) -> bool:
        """Tell whether no usual form begins in what stands before one that begins with a digit."""
        known = self.heads.get(head)
        if known is not None:
            return known
        clear = _SUSPECT.search(head) is None and not (head[-1:].isalnum() or head[-1:] == "_")
        if len(self.heads) >= _HEADS:
            self.heads.clear()
        if len(head) <= _LONGEST_HEAD:
            self.heads[head] = clear
        return clear


class Dates:
    """Finds the dates of the lines of one log, as a datepattern says."""

    def __init__(self, pattern: str, zone: tzinfo) -> None:
        self.longest, self.overruns = sys.maxsize, 0
        self._zone = zone
        self._today: Today | None = None
        self._finders: list[_Single | _Family] = []
        self._written: list[list[str]] = []  # for each of these, the forms as a datepattern would write them
        self.between_words = True
        """Whether what a date is cut out of never joins a word: text without two such borders stays whole."""
        lines = [line.strip() for line in pattern.split("\n") if line.strip()] or ["{DEFAULT}"]
        for number, line in enumerate(lines):
            try:
                self._add(line)
            except (UnknownLetterError, re.error, OverflowError, RecursionError) as error:
                raise FilterError("datepattern", number, str(error)) from None
        self._at_beginning = lines[0] in {_LINE_BEGIN, "{DEFAULT}"}  # whether any usual form is sought there first
        free = self._finders[-1]
        self._free = free if lines == ["{DEFAULT}"] and isinstance(free, _Family) else None
        self._quicks: list[_Quick | None] = []
        if self._free:
            both = zip(self._free.forms, _FREE, strict=True)
            self._quicks = [_Quick(form, _body(usual, line=False)) if usual.digit else None for form, usual in both]

    def begin(self, now: float) -> None:
        """Say what time it is: stamps without a year or a day depend on it."""
        today = Today.at(now, self._zone)
        if self._today is None or today.day != self._today.day:
            for finder in self._finders:
                for form in finder.forms:
                    form.forget()
            for quick in filter(None, self._quicks):
                quick.again = None
        self._today = today

    def find(self, line: str) -> Stamp | None:
        """Return the date of a line."""
        today = self._today
        assert today is not None, "begin() comes first"  # noqa: S101  a mistake of ours
        if (quick := self.quick) and (stamp := quick.find(line, today)):
            return stamp
        return self._best(line, today)[0]

    def lasting(self, line: str, stamp: Stamp) -> int:
        """Return how many characters at the beginning of a line settle its date; 0: all may matter.

        Lines that begin with the same ones have the same date, until `begin`.
        """
        start, begin, end, time = stamp
        first = self._finders[0]
        if not (self._at_beginning and isinstance(first, _Family)) or time is None or start or begin:
            return 0
        if first.forms[first.last].memory.get(line[:end]) != time:
            return 0
        if line[end : end + 1] in _CLOSING:
            return end + 1
        return end + 2 if _WORDS.match(line, end) else 0

    @property
    def anywhere(self) -> bool:
        """Whether any usual form is sought anywhere."""
        return self._free is not None

    @property
    def quick(self) -> _Quick | None:
        """What finds the form that was found last, where any usual form is sought anywhere."""
        return self._quicks[self._free.last] if self._free else None

    def form(self, line: str) -> str | None:
        """Return the form of a line's date, as a datepattern would write it."""
        today = self._today
        assert today is not None, "begin() comes first"  # noqa: S101  a mistake of ours
        stamp, place = self._best(line, today)
        if stamp is None:
            return None
        finder = self._finders[place]
        return self._written[place][finder.last if isinstance(finder, _Family) else 0]

    def _best(self, line: str, today: Today) -> tuple[Stamp | None, int]:
        """Return the leftmost date, and which finder found it."""
        best: Stamp | None = None
        place = 0
        for number, finder in enumerate(self._finders):
            found = finder.find(line, today)
            if found and (best is None or found[0] < best[0]):
                best, place = found, number
                if found[0] == 0:
                    break
        return best, place

    def _add(self, pattern: str) -> None:
        key = pattern if "%" in pattern else pattern.upper()
        if key == "{NONE}":
            self._finders.append(_Single(re.compile("^()"), anchored=True))
            self._written.append([pattern])
            return
        if key == "{DEFAULT}":
            self._add(_LINE_BEGIN)
            self._finders.append(_Family(r"(?<!\w)({DATE})(?=\b|\W|$)", _FREE, line=False, anchored=False))
            self._written.append([usual.pattern for usual in _FREE])
            return
        line = pattern.startswith(_LINE_BEGIN) or key in {"^EPOCH", "^LEPOCH", "^TAI64N"}
        rest = pattern.removeprefix(_LINE_BEGIN)
        name = rest.upper().lstrip("^")
        if line and not rest:
            rest = "{DATE}"
        written = f"{_LINE_BEGIN}{rest}" if line else pattern
        self._written.append([usual.pattern.join(_DATE.split(written)) for usual in _USUAL])
        if name in _EPOCHS:
            rest = ("" if line or name == "TAI64N" else _WHERE_EPOCH) + _EPOCHS[name]
        if name == "TAI64N" and not line:
            self.between_words = False  # its @ may stand right behind a word
        self._add_regex(rest, line=line, epoch=name in _EPOCHS)

    def _add_regex(self, pattern: str, *, line: bool, epoch: bool) -> None:
        pattern = pattern.removeprefix("{UNB}") if (free := pattern.startswith("{UNB}")) else pattern
        pattern, epochs = _EPOCH.subn(lambda found: _EPOCHS[found[1].upper()].replace(r"(?:\.\d{3,6})?", ""), pattern)
        begins, ends = free or _BEGINS.match(pattern), free or _ENDS.search(pattern)
        family = _DATE.search(pattern) is not None
        regex, words = fields_of(_DATE.sub("{DATE}", pattern), named=True)
        regex = regex.removeprefix("**").removesuffix("**") if "**" in pattern else regex
        if epochs or not _GROUP.search(pattern):  # with an epoch in it, fail2ban cuts out everything
            regex = f"({regex})"
        regex = ("" if begins else r"^\W{0,2}" if line else r"(?=^|\b|\W)") + regex + ("" if ends else r"(?=\b|\W|$)")
        anchored = line or starts_at_beginning(regex.replace("{DATE}", "x"))
        if not epoch:
            self.between_words &= _between_words(pattern, anchored=anchored, line=line, bounded=not (begins or ends))
        if family:
            self._finders.append(_Family(regex, list(_USUAL), line=line, anchored=anchored))
        else:
            self._finders.append(_Single(re.compile(regex, re.IGNORECASE if words else 0), anchored=anchored))


class JournalDates:
    """The dates of a journal's entries, which a source puts before them: seconds since the epoch, and a blank."""

    between_words = True
    longest, overruns = sys.maxsize, 0

    def begin(self, now: float) -> None:
        """Do nothing: these dates leave nothing open."""

    def lasting(self, _line: str, _stamp: Stamp) -> int:
        """Return how many characters settle a date: here all may matter."""
        return 0

    def find(self, line: str) -> Stamp | None:
        """Return the date of a line."""
        text, blank, _ = line.partition(" ")
        try:
            return 0, 0, len(text + blank), float(text)
        except ValueError:
            return None


_FREE = [form for form in _USUAL if not form.line_only]


def _between_words(pattern: str, *, anchored: bool, line: bool, bounded: bool) -> bool:
    """Tell whether what a pattern cuts out surely has no word on both sides of one of its ends."""
    if "()" in pattern or (anchored and not line and not _GROUP.search(pattern)):
        return True  # nothing is cut out, or all from the beginning of the line on
    if not _GROUP.search(pattern):
        return bounded and bool(_WORDY_END.search(pattern)) and (line or bool(_WORDY_START.match(pattern)))
    own = _OWN_GROUP.fullmatch(pattern)
    return bool(own and not _ENDS.search(pattern) and _WORDY_START.match(own[1]) and _WORDY_END.search(own[1]))


def _body(form: _Usual, *, line: bool) -> str:
    """Return the regular expression that finds a usual form, its fields unnamed."""
    if form.pattern == "EPOCH":
        return ("" if line else _AUDIT) + _unnamed(EPOCH)
    if form.pattern == "TAI64N":
        return rf"(?<!\w){_unnamed(TAI64N)}"
    return fields_of(form.pattern, named=False)[0]


def _reader(form: _Usual) -> re.Pattern[str]:
    """Return the regular expression that takes a usual form apart."""
    return _compiled(_EPOCHS.get(form.pattern) or fields_of(form.pattern, named=True)[0])


def _unnamed(regex: str) -> str:
    return re.sub(r"\?P<\w+>", "?:", regex)


def _compiled(regex: str) -> re.Pattern[str]:
    return re.compile(regex, re.IGNORECASE)
