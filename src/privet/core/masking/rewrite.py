"""Mask lines of the usual formats by their pieces, without parsing them.

Most of a combined line stays as it is, but for its client. So a block is cut at its quotes: what stands outside of
them is held against the format, column by column, and what stands inside is looked up among the texts that were masked
before. That takes three quarters of what it takes to parse the lines and to write them anew. As no value outside of
quotes may hold a quote, and none inside has an escaped one, what is found is what parsing would find; a block of which
that is not certain is parsed, whole (`tests/property/test_mask.py` holds both ways equal).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from privet.core.cache import Cache
from privet.core.masking.mask import masked_log, stamped
from privet.core.parsing.durations import DURATIONS
from privet.core.parsing.formats import Field, Literal
from privet.core.parsing.lines import line_feeds
from privet.core.parsing.segments import expression, split_at_quotes
from privet.core.parsing.times import read_clf

if TYPE_CHECKING:
    from privet.core.masking.mask import Masks
    from privet.core.parsing.formats import Format
    from privet.core.parsing.parse import Plan
    from privet.core.parsing.recognise import AutoPlan

FEW = 40
"""Lines: below, to parse them costs less, as that touches less code after a sleep."""

PAUSE = 4
"""Blocks: where one does not fit, those after it will hardly do, as where visitors log in."""

_SITES, _STAMPS = 1024, 4096  # texts remembered: of hosts, and of what follows a client
_BEGINNINGS: tuple[list[Literal | Field], ...] = [], [Field("host"), Literal(b":"), Field("port"), Literal(b" ")]
_TIME = [Field("user"), Literal(b" ["), Field("time", "clf"), Literal(b"] ")]
_ENDINGS = (
    [Field("client"), Literal(b" "), Field(""), Literal(b" "), *_TIME],
    [Field("client"), Literal(b" - "), *_TIME],  # as nginx has it
)
_NUMBERS = [Literal(b" "), Field("status"), Literal(b" "), Field("size"), Literal(b" ")]
_WRITTEN = ["request", "referer", "agent"]  # of what stands in quotes
_OTHERS = {*DURATIONS, "", "content_type", "cookie"}  # that nobody writes
_HOST = re.compile(rb"\n([\w.-]+):(?:\d+|-)")
_STAMP = re.compile(rb"- - \[([^\]]*)\] ")


class _Odd(ValueError):  # noqa: N818  it is an answer
    """A block does not fit, or not beyond doubt."""


class _Shape(NamedTuple):
    """A format of lines that can be rewritten.

    It has `width` quotes and pieces a line. Of some pieces the whole column is `told` by an expression, those in
    quotes that are written stand at three `places`. `hosts` finds the site in what stands before a client, if there is
    one, and `stamps` tells what is written for what stands after him.
    """

    width: int
    told: dict[int, re.Pattern[bytes]]
    places: list[int]
    hosts: Cache[bytes] | None
    stamps: Cache[bytes]


class Rewriter:
    """Makes the masked log of one source, whose lines look as its plan says."""

    def __init__(self, plan: Plan | AutoPlan, site: bytes) -> None:
        self._plan, self._site = plan, site
        self._format: Format | None = None
        self._shape: _Shape | None = None
        self._pause = 0

    def masked(self, block: bytes, masks: Masks) -> bytes:
        """Return the lines of a block as the masked log holds them (see `masked_log`)."""
        if self._plan.format is not self._format:
            self._format = self._plan.format
            self._shape = _shape_of(self._format) if self._format else None
        if self._shape and not self._pause:
            masks.tidy()
            try:
                written = self._rewritten(self._shape, block, masks)
            except ValueError:
                self._pause, written = PAUSE, None
            if written is not None:
                return written
        else:
            self._pause = max(0, self._pause - 1)
        return masked_log(self._plan.parse(block), self._plan, masks, self._site)

    def _rewritten(self, shape: _Shape, block: bytes, masks: Masks) -> bytes | None:
        """Return lines rewritten, None if they are few. Raises ValueError if one of them does not fit."""
        pieces, width = (b"\n" + block).split(b'"'), shape.width
        count = len(pieces) // width
        if count < FEW:
            return None
        if len(pieces) != count * width + 1 or pieces[-1] != b"\n" or b'\\"' in block:
            raise _Odd
        heads = pieces[0:-1:width]  # each with the line feed before it, so that none is left for the other pieces
        if line_feeds(block) != count:
            raise _Odd
        for place, column in shape.told.items():
            if not column.fullmatch(b"\n".join(pieces[place::width])):
                raise _Odd
        columns = [pieces[place::width] for place in shape.places]
        begun, clean = self._masked(shape, masks, heads, columns)
        written = [b" "] * (6 * count + 1)
        written[0:-1:6] = begun
        written[1::6], written[3::6], written[5::6] = clean
        written[2::6] = pieces[2::width]
        written[-1] = b"\n"
        return b'"'.join(written)[1:]

    def _masked(
        self, shape: _Shape, masks: Masks, heads: list[bytes], columns: list[list[bytes]]
    ) -> tuple[list[bytes], list[list[bytes]]]:
        """Return the beginnings of lines, each after the end of the line before it, and columns of texts, masked."""
        begun, sites, hosts, stamps = [], [], shape.hosts, shape.stamps
        if hosts is None:
            only = masks.site(self._site)
            starts = only.starts
            for head in heads:
                start, _, after = head.partition(b" ")
                begun.append(starts[start] + stamps[after])
        else:
            for head in heads:
                host, _, rest = head.partition(b" ")
                client, _, after = rest.partition(b" ")
                site = hosts[host]
                mask = masks.site(self._site if site == b"-" else site)
                begun.append(mask.starts[b"\n" + client] + stamps[after])
                sites.append(mask)
            only = sites[0]
        if sites.count(only) == len(sites):
            return begun, [list(map(only.values.__getitem__, column)) for column in columns]
        return begun, [[mask.values[text] for mask, text in zip(sites, column, strict=True)] for column in columns]


def _shape_of(fmt: Format) -> _Shape | None:
    """Return the shape of a format, None if its lines cannot be rewritten by their pieces."""
    if not fmt.elements:
        return None
    parts = split_at_quotes(fmt)
    head, quoted, outside = parts[0], parts[1::2], parts[2::2]
    names = [one[0].name if len(one) == 1 and isinstance(one[0], Field) else "?" for one in quoted]
    others = {one.name for part in outside[1:] for one in part if isinstance(one, Field)}
    fits = outside[:1] == [_NUMBERS] and outside[-1] == [] and [name for name in names if name in _WRITTEN] == _WRITTEN
    begins = next((begin for begin in _BEGINNINGS if head in [begin + end for end in _ENDINGS]), None)
    if not fits or begins is None or not others <= _OTHERS or not {*names} <= _OTHERS.union(_WRITTEN):
        return None
    columns = {2 * number: expression(part, frozenset())[0] for number, part in enumerate(outside[:-1], start=1)}
    return _Shape(
        2 * len(quoted),
        {place: re.compile(b"(?:%b)(?:\n(?:%b))*+" % (one, one)) for place, one in columns.items()},
        [2 * names.index(name) + 1 for name in _WRITTEN],
        Cache(_host, _SITES) if begins else None,
        Cache(_stamp, _STAMPS),
    )


def _host(text: bytes) -> bytes:
    """Return the host of `%v:%p`. Raises ValueError for what is to be parsed."""
    found = _HOST.fullmatch(text)
    if found is None:
        raise _Odd
    return found[1]


def _stamp(text: bytes) -> bytes:
    """Return what is written for what stands after a client who gave no name. Raises ValueError for everything else."""
    found = _STAMP.fullmatch(text)
    time = read_clf(found[1]) if found else None
    if found is None or time is None:
        raise _Odd
    return b" - - [%b] " % stamped(found[1], time)
