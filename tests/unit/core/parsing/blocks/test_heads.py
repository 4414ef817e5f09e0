"""Clients by what stands before the time: known again by their bytes, whatever these are."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest

from privet.core.addresses.address import client_key
from privet.core.parsing.blocks import heads as module
from privet.core.parsing.blocks.codes import Codes
from privet.core.parsing.blocks.heads import Heads
from privet.core.parsing.parse import Rows

HEAD = re.compile(rb'([^" \n]++) [^" \n]*+ [^" \n]*+ ')


def keys(heads: Heads, texts: list[bytes]) -> list[bytes]:
    """Return the keys of texts, as they stand one after the other in a block; nothing for whoever cannot be told."""
    codes, lengths = Codes(), np.array([len(one) for one in texts])
    codes.take(b"\n".join(texts) + b"\n")
    ends = np.cumsum(lengths + 1) - 1
    return list(heads.of(codes, ends - lengths, ends))


def test_whoever_is_known_is_known_again() -> None:
    heads = Heads(HEAD, ["client"])
    texts = [b"192.0.2.1 - - ", b"2001:db8::1 - - ", b"192.0.2.1 - - ", b"192.0.2.1 - somebody ", b"nobody - - "]
    first = [client_key(b"192.0.2.1"), client_key(b"2001:db8::1")]
    expected = [first[0], first[1], first[0], first[0], b""]
    assert keys(heads, texts) == keys(heads, texts) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"\0192.0.2.1 - - ",
        b"\0\0\0192.0.2.1 - - ",
        b"\xff192.0.2.1 - - ",
        b"192.0.2.1 - [ ",
        b"192.0.2.1 - ",
        b"192.0.2.1",
        b"\0" * 20,
        b"2.0.2.1 - - ",
    ],
)
def test_texts_that_end_alike_are_not_the_same(text: bytes) -> None:
    heads = Heads(HEAD, ["client"])
    keys(heads, [b"192.0.2.1 - - "])
    assert keys(heads, [text])[0] in (b"", client_key(b"2.0.2.1"))


def test_long_texts_are_known_as_well() -> None:
    heads = Heads(HEAD, ["client"])
    for length in range(module.SHORT - 20, module.SHORT + 20):
        text = b"192.0.2.7 - %b " % (b"x" * length)
        assert keys(heads, [text, text]) == [client_key(b"192.0.2.7")] * 2


def test_those_whose_keys_are_known_have_places_too() -> None:
    heads = Heads(HEAD, ["client"])
    known = keys(heads, [b"192.0.2.1 - - "])
    rows = Rows(3)
    rows.keys = [b"abcd", known[0], b"abcd"]
    entered = heads.enter(rows)
    assert list(entered) == [b"abcd", known[0], b"abcd"]
    assert entered.places[0] == entered.places[2]


@pytest.mark.parametrize("odd", [b"192.0.2.2", b"192.0.2.2 - ", b"192.0.2.2  "])
def test_a_client_alone_is_told_by_what_follows_it(odd: bytes) -> None:
    heads = Heads(re.compile(rb'([^" \n]++) '), ["client"])
    assert keys(heads, [b"192.0.2.1 ", odd]) == [client_key(b"192.0.2.1"), b""]


def test_texts_that_an_attacker_makes_up_are_not_sought_in_the_same_slots() -> None:
    """Where words differ in their upper bits only, sums of their products have few values."""
    heads, upper = Heads(HEAD, ["client"]), np.arange(1 << 12, dtype=np.uint64)
    words = np.zeros((len(upper), 6), np.uint64)
    for place in range(6):
        words[:, place] = (upper >> np.uint64(2 * place) & np.uint64(3)) << np.uint64(62)
    assert len(np.unique(heads._slots_of(words))) > len(upper) / 2  # noqa: SLF001


def test_what_stands_behind_clients_takes_no_memory_where_it_is_long() -> None:
    heads = Heads(HEAD, ["client"])
    tracemalloc.start()
    for number in range(200):
        keys(heads, [b"192.0.2.1 - %d%b " % (number, b"x" * 20_000)])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def test_many_are_told_apart_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 20_000)
    heads = Heads(HEAD, ["client"])
    names = [b"10.%d.%d.%d" % (n >> 14 & 127, n >> 7 & 127, n & 127) for n in range(50_000)]
    for start in range(0, len(names), 5000):
        block = names[start : start + 5000]
        for _ in range(2):
            assert keys(heads, [name + b" - - " for name in block]) == [client_key(name) for name in block]
    assert len(heads.enter(Rows(0)).table) <= 30_000


def test_sites_are_told_with_the_clients_of_their_visitors() -> None:
    heads = Heads(re.compile(rb"([^ ]*+) ([^ ]++) "), ["host", "client"])
    texts = [b"a.example 192.0.2.1 ", b"b.example 192.0.2.1 ", b"a.example 192.0.2.1 ", b"- 192.0.2.2 "]
    expected = [client_key(b"192.0.2.1")] * 3 + [client_key(b"192.0.2.2")]
    for _ in range(2):
        codes, lengths = Codes(), np.array([len(one) for one in texts])
        codes.take(b"\n".join(texts) + b"\n")
        ends = np.cumsum(lengths + 1) - 1
        found = heads.of(codes, ends - lengths, ends)
        assert list(found) == expected
        sites = heads.others(found.places)["host"]
        assert (list(sites), len(sites.table)) == ([b"a.example", b"b.example", b"a.example", b"-"], 3)


def test_long_names_of_sites_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 100_000)
    heads = Heads(re.compile(rb"([^ ]*+) ([^ ]++) "), ["host", "client"])
    for number in range(100):
        text, codes = b"%d%b 192.0.2.1 " % (number, b"x" * 5000), Codes()
        codes.take(text + b"\n")
        found = heads.of(codes, np.array([0]), np.array([len(text)]))
        sites = heads.others(found.places)["host"]
        assert sites[0] == text.partition(b" ")[0]
        assert len(sites.table) <= 22


def test_new_clients_with_the_usual_behind_them_are_told_together() -> None:
    heads = Heads(HEAD, ["client"])
    assert keys(heads, [b"192.0.2.1 - - "]) == [client_key(b"192.0.2.1")]
    clients = [b"10.%d.%d.%d" % (place >> 16, place >> 8 & 255, place & 255) for place in range(1, 5000)]
    others = [b"0.0.0.0", b"10.0.0.256", b"10.0.0.01", b"10.0.0.", b"10.0.0.1.2", b"nobody", b"2001:db8::7", b"1.2.3"]
    texts = [client + b" - - " for client in [*clients, *others, *clients[:100], b"192.0.2.1"]]
    texts += [b"10.0.0.1 - bob ", b" - - ", b"10.0.0.1 - - - "]
    expected = [client_key(text.split(b" ")[0]) or b"" for text in texts[:-1]]
    expected.append(b"")
    assert keys(heads, texts) == expected
    assert keys(heads, texts[::-1]) == expected[::-1]
