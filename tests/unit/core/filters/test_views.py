"""Lines as filters see them, and the time of lines without a date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from privet.core.filters.errors import FilterError
from privet.core.filters.model import FilterSpec
from privet.core.filters.views import REACH, History, View
from privet.core.filters.watch import Watch

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()


class Reader:
    """A view with its history; `feed` gives the time of each line of a block, and asks for it where there is none."""

    def __init__(self, **settings: str) -> None:
        self.history = History()
        spec = FilterSpec(name="f", failregex=("<HOST>",), **settings)  # type: ignore[arg-type]
        self.view = View(spec, UTC, Watch(), self.history, journal=False)

    def feed(self, block: bytes, wanted: bytes = b"?") -> list[float | None]:
        self.history.turn(block)
        self.view.begin(NOW)
        times, start = list[float | None](), 0
        for line in block.split(b"\n")[:-1]:
            if wanted in line:
                _, time = self.view.read(line)
                times.append((self.view.time_before(start) if time is None else time) - NOW)
            start += len(line) + 1
        return times


def test_a_line_without_a_date_has_that_of_the_last_one() -> None:
    assert Reader().feed(b"11:59:50 a\n11:59:55 b\nc?\n11:59:58 d\ne?\nf?\n") == [-5, -2, -2]


def test_the_date_may_be_in_an_earlier_block() -> None:
    reader = Reader()
    assert reader.feed(b"11:59:50 a\n") == []
    assert reader.feed(b"b\n") == []
    assert reader.feed(b"c?\n") == [-10]


@pytest.mark.parametrize("gap", [b"x\n", b"x" * 100 + b"\n"])
def test_blocks_do_not_matter(gap: bytes) -> None:
    text = b"11:59:50 a\n" + gap * 30 + b"b?\n"
    whole, single = Reader(), Reader()
    assert whole.feed(text) == [time for line in text.split(b"\n")[:-1] for time in single.feed(line + b"\n")] == [-10]


def test_it_must_be_near() -> None:
    assert Reader().feed(b"11:59:50 a\n" + b"x" * REACH + b"\nb?\n") == [0]


def test_it_must_be_recent() -> None:
    assert Reader().feed(b"11:58:50 a\nb?\n") == [0]


def test_other_zones_and_encodings() -> None:
    reader = Reader(logtimezone="CEST", logencoding="latin-1")
    reader.view.begin(NOW)
    assert reader.view.read("2005-08-14 14:00:00 é".encode("latin-1")) == (" é\n", NOW)


def test_what_is_not_in_the_encoding() -> None:
    reader = Reader()
    reader.view.begin(NOW)
    assert reader.view.read(b"x\xff\0y") == ("x\ufffd\0y\n", None)


@pytest.mark.parametrize("settings", [{"logtimezone": "Nowhere"}, {"logencoding": "no-such"}])
def test_settings_that_cannot_be_used(settings: dict[str, str]) -> None:
    with pytest.raises(FilterError, match="known here"):
        Reader(**settings)
