"""Every character keeps the place that it came from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.config.fail2ban.text import LONGEST, Place, Text, TooLongError

WORD = st.text("ab<>\n ", max_size=8)
PARTS = st.lists(WORD, min_size=1, max_size=6)


def made(parts: list[str]) -> Text:
    """Join parts of which each is on a line of its own number."""
    return Text.join(Text.of(part, Place("x", number)) for number, part in enumerate(parts, 1))


def places(text: Text) -> list[int]:
    """Return the line of every character."""
    return [text[at : at + 1].place.line for at in range(len(text.text))]


def lines(parts: list[str]) -> list[int]:
    return [number for number, part in enumerate(parts, 1) for _ in part]


@given(PARTS)
def test_joined(parts: list[str]) -> None:
    assert made(parts).text == "".join(parts)
    assert places(made(parts)) == lines(parts)


@given(PARTS, st.integers(-1, 50), st.integers(-1, 50))
def test_cut(parts: list[str], start: int, stop: int) -> None:
    start, stop = sorted((start % 50, stop % 50))

    assert made(parts)[start:stop].text == "".join(parts)[start:stop]
    assert places(made(parts)[start:stop]) == lines(parts)[start:stop]


@given(PARTS, WORD.filter(bool), WORD)
def test_replaced(parts: list[str], old: str, new: str) -> None:
    found = made(parts).replaced(old, Text.of(new, Place("x", 99)))

    assert found.text == "".join(parts).replace(old, new)
    kept = [line for line in places(found) if line != 99]
    assert kept == sorted(kept)
    assert len(places(found)) - len(kept) == "".join(parts).count(old) * len(new)


@given(PARTS)
def test_split_and_joined_again(parts: list[str]) -> None:
    pieces = list(made(parts).split())

    assert [piece.text for piece in pieces] == "".join(parts).split("\n")
    assert Text.join(pieces, "\n").text == "".join(parts)


@given(PARTS)
def test_stripped(parts: list[str]) -> None:
    found = made(parts).stripped()

    assert found.text == "".join(parts).strip()
    assert set(places(found)) <= set(lines(parts))


def test_an_empty_text_has_a_place() -> None:
    assert made(["", ""]).place.line == 1
    assert made(["", "a"]).place.line == 2
    assert made(["a"])[1:].place.line == 1
    assert "x:1" in repr(made(["", ""]))


def test_what_grows_is_stopped() -> None:
    text = Text.of("a" * (LONGEST // 2), Place("x", 1))

    assert len(Text.join([text, text]).text) == LONGEST
    with pytest.raises(TooLongError):
        Text.join([text, text, text])
    with pytest.raises(TooLongError):
        Text.of("<a>" * 1000, Place("x", 1)).replaced("<a>", text)


def test_a_place_is_written_for_editors() -> None:
    assert (str(Place("a.conf", 3)), str(Place("a.conf"))) == ("a.conf:3", "a.conf")
