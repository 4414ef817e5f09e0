"""Many prefixes at once: what sets and maps say of them is what one by one would say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, mask_bits
from privet.core.addresses.prefixes import PrefixMap, PrefixSet, bounds, prefixes_of

SMALL = st.builds(lambda last, length: Subject(mask_bits(bytes([192, 0, 2, last]), length), length),
                  st.integers(0, 255), st.integers(24, 32))  # fmt: skip
SMALL_V6 = st.builds(
    lambda last, length: Subject(
        mask_bits(bytes.fromhex("20010db8") + bytes([0, 0, 0, last]) + bytes(8), length), length
    ),
    st.integers(0, 255),
    st.integers(56, 64),
)
SUBJECTS = SMALL | SMALL_V6


def subjects(*texts: str) -> list[Subject]:
    return [Subject.parse(text) for text in texts]


def units(subject: Subject) -> tuple[int, int]:
    """Return the bounds of a subject as a PrefixMap counts them."""
    first, last = bounds(subject)
    return (first, last) if subject.version == 4 else (first >> 64, last >> 64)


def mapped(*entries: tuple[Subject, int]) -> PrefixMap:
    found = PrefixMap()
    for subject, value in entries:
        found.add(subject.version, *units(subject), value)
    found.settle()
    return found


@given(st.lists(SUBJECTS), SUBJECTS)
def test_a_set_says_what_its_members_say(members: list[Subject], asked: Subject) -> None:
    found = PrefixSet(members)
    assert found.overlaps(asked) == any(member.overlaps(asked) for member in members)
    first, last = units(asked)
    everything = {
        number for m in members if m.version == asked.version for number in range(units(m)[0], units(m)[1] + 1)
    }
    assert found.covers(asked) == (set(range(first, last + 1)) <= everything)


def test_an_empty_set_has_nobody() -> None:
    assert not PrefixSet()
    assert not PrefixSet().overlaps(*subjects("192.0.2.1"))
    assert not PrefixSet().covers(*subjects("0.0.0.0/0"))
    assert PrefixSet(subjects("2001:db8::/32"))


def test_neighbours_are_one() -> None:
    joined = PrefixSet(subjects("192.0.2.0/25", "192.0.2.128/25", "192.0.2.7", "2001:db8::/33", "2001:db8:8000::/33"))
    assert [subject.reveal() for subject in joined] == ["192.0.2.0/24", "2001:db8::/32"]


def test_versions_are_kept_apart() -> None:
    assert not PrefixSet(subjects("::/0")).overlaps(*subjects("192.0.2.1"))
    assert not PrefixSet(subjects("0.0.0.0/0")).overlaps(*subjects("2001:db8::"))


def test_everything_is_a_prefix_too() -> None:
    assert PrefixSet(subjects("::/0")).covers(*subjects("ffff::/16"))
    assert PrefixSet(subjects("0.0.0.0/0")).covers(*subjects("255.255.255.255"))


def test_a_range_becomes_the_fewest_prefixes() -> None:
    first, last = bounds(*subjects("192.0.2.1"))[0], bounds(*subjects("192.0.2.6"))[1]
    found = prefixes_of(4, first, last)
    assert [one.reveal() for one in found] == ["192.0.2.1", "192.0.2.2/31", "192.0.2.4/31", "192.0.2.6"]
    assert [one.reveal() for one in prefixes_of(4, 0, (1 << 32) - 1)] == ["0.0.0.0/0"]
    assert [one.reveal() for one in prefixes_of(6, 0x20010DB800000000, 0x20010DB80000FFFF, 64)] == ["2001:db8::/48"]


@given(st.lists(st.tuples(SUBJECTS, st.integers(1, 5)), unique_by=lambda entry: entry[0]), SUBJECTS)
def test_the_longest_prefix_counts(entries: list[tuple[Subject, int]], asked: Subject) -> None:
    client = Subject(asked.packed, 32 if asked.version == 4 else 64)
    around = [(prefix.length, value) for prefix, value in entries if prefix.covers(client)]
    found = mapped(*entries).find(client)
    assert (found and found[0]) == (max(around)[1] if around else None)
    if found:
        inside = [value for prefix, value in entries if found[1].covers(prefix)]
        assert found[1].covers(client)
        assert set(inside) <= {found[0]}


@given(st.lists(st.tuples(SMALL, st.integers(1, 3)), unique_by=lambda entry: entry[0]))
def test_the_prefixes_of_a_number_are_its_clients(entries: list[tuple[Subject, int]]) -> None:
    found = mapped(*entries)
    for value in range(1, 4):
        own = found.prefixes(value)
        for last in range(256):
            client = Subject(bytes([192, 0, 2, last]), 32)
            said = found.find(client)
            assert own.covers(client) == (said is not None and said[0] == value)


def test_ranges_that_only_overlap_do_no_harm() -> None:
    found = PrefixMap()
    found.add(4, 10, 20, 1)
    found.add(4, 15, 30, 2)
    found.settle()
    answers = [found.find(Subject(number.to_bytes(4), 32)) for number in (9, 10, 14, 15, 20, 30, 31)]
    assert [answer and answer[0] for answer in answers] == [None, 1, 1, 2, 2, 2, None]


def test_who_lies_in_several_ranges_has_no_number() -> None:
    halves = mapped(*zip(subjects("192.0.2.0/25", "192.0.2.128/25"), (1, 2), strict=True))
    assert halves.find(*subjects("192.0.2.0/24")) is None
    assert len(halves) == 2
