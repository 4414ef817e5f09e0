"""Columns that are cut out of a block when somebody asks: as lists, one text, or as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from privet.core.parsing.blocks import pieces as module
from privet.core.parsing.blocks.pieces import Pieces
from privet.core.parsing.texts import Texts

QUOTED = {"request": 0, "agent": 2}
LINES = 50


def block(extra: bytes = b"") -> tuple[bytes, list[bytes], list[bytes]]:
    """Return lines with three texts in quotes, and the first and the last of these."""
    requests = [b"GET /%d HTTP/1.1" % (number % 7) for number in range(LINES)]
    agents = [b"agent %d" % (number % 3) for number in range(LINES)]
    lines = [b'10.0.0.1 "%b" 200 "-" "%b"\n' % pair for pair in zip(requests, agents, strict=True)]
    return extra + b"".join(lines), requests, agents


def made(extra: bytes = b"") -> tuple[Pieces, list[bytes], list[bytes]]:
    """Return the columns of such lines; a line before them that is none makes the block irregular."""
    text, requests, agents = block(extra)
    codes = np.frombuffer(text, np.uint8)
    places = np.flatnonzero((codes == ord('"')) | (codes == ord("\n")))
    marks = places[len(places) - 7 * LINES :].reshape(-1, 7).T
    return Pieces(text, marks, QUOTED, regular=not extra), requests, agents


@pytest.mark.parametrize("extra", [b"", b'of another "form\n'])
def test_columns_are_what_stands_inside_of_quotes(extra: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 200)  # some lines at a time
    monkeypatch.setattr(module, "_SOME", 4)
    pieces, requests, agents = made(extra)
    columns = pieces.columns
    assert [columns["request"][row] for row in (0, 7, -1)] == [requests[0], requests[7], requests[-1]]
    with pytest.raises(IndexError):
        columns["agent"][LINES]
    assert (list(columns["request"]), list(columns["agent"])) == (requests, agents)
    assert columns["agent"][3:5] == agents[3:5]
    assert len(columns["agent"]) == LINES
    assert [columns["request"][row] for row in (0, 7, -1)] == [requests[0], requests[7], requests[-1]]


@pytest.mark.parametrize("extra", [b"", b'of another "form\n'])
def test_numbers_are_those_of_the_texts(extra: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", 200)
    monkeypatch.setattr(module, "_SOME", 4)
    pieces, requests, agents = made(extra)
    texts = {"agent": Texts(), "request": Texts(), "referer": Texts()}
    numbers = pieces.columns["request"].numbers(texts)
    assert [texts["request"].texts[number] for number in numbers] == requests
    assert [texts["agent"].texts[number] for number in pieces.columns["agent"].numbers(texts)] == agents
    assert (len(texts["request"].texts), len(texts["agent"].texts), len(texts["referer"].texts)) == (7, 3, 0)


def test_each_who_asks_gets_numbers_of_his_own_texts() -> None:
    pieces, requests, _ = made()
    first, second = {"request": Texts()}, {"request": Texts()}
    second["request"].numbers([b"something else"])
    for texts in (first, second, first):
        numbers = pieces.columns["request"].numbers(texts)
        assert [texts["request"].texts[number] for number in numbers] == requests


def test_rows_found_elsewhere_are_among_them() -> None:
    pieces, requests, agents = made()
    order = np.insert(np.arange(LINES), 5, LINES)
    pieces.add({"request": [b"odd"], "agent": [b"odd one"]}, order)
    assert [pieces.columns["request"][row] for row in (4, 5, 6, -1)] == [requests[4], b"odd", requests[5], requests[-1]]
    texts = {"agent": Texts(), "request": Texts()}
    numbers = pieces.columns["agent"].numbers(texts)
    all_agents = [*agents[:5], b"odd one", *agents[5:]]
    assert [texts["agent"].texts[number] for number in numbers] == all_agents
    assert list(pieces.columns["agent"]) == all_agents
    assert list(pieces.columns["request"]) == [*requests[:5], b"odd", *requests[5:]]


def test_texts_are_tidied_once_before_all_are_numbered() -> None:
    pieces, requests, _ = made()
    texts = {"request": Texts(size=2), "agent": Texts(size=2)}
    for _ in range(3):
        pieces, requests, _ = made()
        numbers = pieces.columns["request"].numbers(texts)
        assert [texts["request"].texts[number] for number in numbers] == requests
    assert texts["request"].cleared == 2
