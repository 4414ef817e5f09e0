"""Which lines of a block are worth a look."""

from __future__ import annotations

from privet.core.filters.needles import Prefilter
from privet.core.filters.shapes import shape_of
from privet.core.filters.trees import Needles


def needles(*texts: str, folded: bool = False) -> Needles:
    return Needles(frozenset(texts), folded)


def lines(prefilter: Prefilter, block: bytes) -> list[tuple[bytes, list[int]]]:
    return [(line, prefilter.fitting(mask)) for _, line, mask in prefilter.lines(block)]


def test_lines_with_a_needle() -> None:
    prefilter = Prefilter([[needles("one")], [needles("two", "three")]])
    block = b"zero\nOne two\n\nthree\nfour\none"
    assert lines(prefilter, block + b"\n") == [(b"One two", [0, 1]), (b"three", [1]), (b"one", [0])]


def test_all_needles_of_a_thing_must_be_there() -> None:
    prefilter = Prefilter([[needles("one"), needles("two")], [needles("one")]])
    assert lines(prefilter, b"one\ntwo one\ntwo\n") == [(b"one", [1]), (b"two one", [0, 1]), (b"two", [])]


def test_what_has_no_needles_may_match_every_line() -> None:
    prefilter = Prefilter([[], [needles("one")]])
    assert lines(prefilter, b"a\none\n\nb\n") == [(b"a", [0]), (b"one", [0, 1]), (b"", [0]), (b"b", [0])]
    assert lines(Prefilter([[]]), b"a\n") == [(b"a", [0])]


def test_lines_without_the_shape_of_anything_that_may_match() -> None:
    bracket, digits = shape_of(r"from [^[]*\["), shape_of(r"\d{4} x[1-9] ")
    assert bracket
    assert digits
    prefilter = Prefilter([[needles("from ")], [], [needles("one")]], {0: bracket, 1: digits})
    assert lines(prefilter, b"[from a\nfrom [a\n1234 x\none from\n\n1234 x5 from [\n\nx1234 x5 one\n") == [
        (b"from [a", [0]),
        (b"one from", [2]),
        (b"1234 x5 from [", [0, 1]),
        (b"x1234 x5 one", [1, 2]),
    ]
    beyond = "\u00f6 x\n@2000 x\n3\n".encode()
    assert lines(prefilter, beyond) == [(beyond[:4], [1]), (b"@2000 x", [0, 1, 2])]


def test_every_line_where_a_shape_has_no_rare_run() -> None:
    weak = shape_of(r"\d\d ")
    assert weak
    assert lines(Prefilter([[]], {0: weak}), b"a\n12 \n") == [(b"a", [0]), (b"12 ", [0])]


def test_needles_inside_needles() -> None:
    prefilter = Prefilter([[needles("login")], [needles("failed login for")], [needles("in f")]])
    assert lines(prefilter, b"failed login for x\n") == [(b"failed login for x", [0, 1, 2])]


def test_letters_that_match_in_either_case_only_beyond_ascii() -> None:
    prefilter = Prefilter([[needles("kiss", folded=True)], [needles("kiss.")]])
    assert lines(prefilter, "\u212aiss\nkis\u017f\nk\u0131ss\nöss\n".encode()) == [
        ("\u212aiss".encode(), [0]),
        ("kis\u017f".encode(), [0]),
        ("k\u0131ss".encode(), [0]),
    ]


def test_nothing_to_look_for() -> None:
    assert lines(Prefilter([]), b"a\nb\n") == []
