"""What holds of filters whatever stands in a log: cuts into blocks, needles and lines put off change no answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.filters import plan as planning
from privet.core.filters.conversations import PutOff
from privet.core.filters.dates import Dates
from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import FilterPlan
from privet.core.filters.shapes import shape_of
from privet.core.filters.swift import Swift
from privet.core.filters.tags import expand
from privet.core.filters.trees import halved, needles_of
from privet.core.filters.views import History, View
from privet.core.filters.watch import Watch

if TYPE_CHECKING:
    from privet.core.filters.matching import Failure

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()
PROCESS = r"^<F-MLFID>\s*(?:\w+\s+)?sshd\[\d+\]: </F-MLFID><F-CONTENT>.+</F-CONTENT>$"
PAIR = "^.*begin$<SKIPLINES>^.*finish <HOST>$"

SPECS = (
    FilterSpec(
        name="talk",
        prefregex=PROCESS,
        failregex=(
            "^Failed password for <F-USER>.*</F-USER> from <HOST>$",
            "^Failed login(?: for <F-USER>.*</F-USER>)?$",
            "^<F-NOFAIL>Connection from</F-NOFAIL> <HOST>",
            "^<F-NOFAIL>User</F-NOFAIL> <F-USER>.*</F-USER>$",
            "^<F-MLFFORGET><F-MLFGAINED>Accepted \\w+</F-MLFGAINED></F-MLFFORGET> for <F-USER>.*</F-USER> from <HOST>",
            "^<F-NOFAIL><F-MLFFORGET>Disconnected</F-MLFFORGET></F-NOFAIL>",
        ),
        ignoreregex=("for eve from",),
    ),
    FilterSpec(name="web", failregex=(r'^<HOST> - \S* \[\] "(?:GET|POST) /(?:admin|wp-login)', "(?i)evil bot <HOST>")),
    FilterSpec(
        name="dated", failregex=("^<HOST> .*shell", "^[^a]<HOST>$"), datepattern=r"^[^\[]*\[({DATE})" + "\n{^LN-BEG}"
    ),
    FilterSpec(name="unsound", failregex=("trap one <HOST>",), datepattern="**%H:%M:%S**"),
    FilterSpec(name="shaped", failregex=(r"\s[+-]\d{4} \d{3}0[1-9] <HOST>(?::\d+)?", r"^from [^[]*\[<HOST>\]")),
    FilterSpec(name="lines", failregex=(PAIR, "^ *bad <HOST>"), maxlines=3),
)

ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1", "host.example", "999.9.9.9")
WORDS = (
    *(
        "11:59:58 ",
        "2005-08-14 11:59:57 ",
        "Aug 14 11:59:59 ",
        "[14/Aug/2005:11:59:56 +0000] ",
        "10:00:00",
        "[",
        "]",
        " ",
    ),
    *("host ", "sshd[1]: ", "sshd[2]: ", "sshd: ", "Failed password for bob from ", "Failed login", " for ann", "eve"),
    *("Connection from ", "User ann", "User bob", "Accepted key for bob from ", "Disconnected", " - - ", '"GET /admin'),
    *(
        '"POST /wp-login',
        "EVIL BOT ",
        "ev\u0131l bot ",
        "shell",
        "trap one ",
        "tr",
        "ap one ",
        "begin",
        "finish ",
        "bad ",
    ),
    *(" +0000 ", "-1234", " 00001", "\u0661", "0", "5", ":", "from ", "@4000000042ff31e400000000"),
    *("\r", "\0", "\udcff", "\u017f", " from ", "x"),
)
LINES = st.lists(st.sampled_from(WORDS + ADDRESSES), max_size=7).map("".join)
TEXTS = st.lists(LINES, max_size=12).map(lambda lines: "".join(line + "\n" for line in lines))


def block_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def told(*blocks: bytes) -> list[tuple[str, int, str, float | None, list[str], Any]]:
    """Return all failures."""
    found = []
    base = 0

    def observe(spec: FilterSpec, place: int, failure: Failure) -> None:
        user = failure.facts.get("user")
        found.append((spec.name, base + place, failure.who, failure.time, failure.lines, user))

    plan = FilterPlan(SPECS, UTC, observe)
    for block in blocks:
        plan.parse(block, NOW)
        base += len(block)
    return sorted(found, key=lambda one: (one[1], one[0]))


@given(TEXTS, st.lists(st.integers(0, 400), max_size=4))
def test_cuts_between_lines_change_nothing(text: str, places: list[int]) -> None:
    block = block_of(text)
    cuts = sorted({0, len(block), *(block.rfind(b"\n", 0, place) + 1 for place in places)})
    pieces = [block[start:end] for start, end in pairwise(cuts)]
    assert told(*pieces) == told(block)


@given(TEXTS)
def test_needles_lose_nothing(text: str) -> None:
    block = block_of(text)
    with_needles = told(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "needles_for", lambda *_: [])
        patch.setattr(planning, "shape_for", lambda *_: None)
        assert told(block) == with_needles


@given(TEXTS)
def test_shapes_lose_nothing(text: str) -> None:
    block = block_of(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "needles_for", lambda *_: [])
        with_shapes = told(block)
        patch.setattr(planning, "shape_for", lambda *_: None)
        assert told(block) == with_shapes


@given(TEXTS)
def test_putting_lines_off_changes_nothing(text: str) -> None:
    block = block_of(text)
    lazily = told(block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PutOff, "keep", lambda *_, **__: False)
        assert told(block) == lazily


@given(st.lists(st.binary(max_size=80).map(lambda line: line.replace(b"\n", b"") + b"\n")))
def test_any_bytes_do_no_harm(lines: list[bytes]) -> None:
    for _, place, _, _, _, _ in told(*lines):
        assert place >= 0


EVERY = FilterSpec(name="every", failregex=(r'^(?:<HOST>|x) .*"(?:GET|POST) ', "<HOST>$"))


@given(st.lists(LINES, max_size=12), st.integers(0, 12))
def test_dense_blocks_are_judged_as_others(lines: list[str], cut: int) -> None:
    dense = '192.0.2.7 [14/Aug/2005:11:59:56 +0000] "GET \n' * 6
    blocks = [block_of("".join(f"{line}\n" for line in part) + dense) for part in ([], lines[:cut], lines[cut:])]
    swift = FilterPlan([EVERY], UTC)
    found = [swift.parse(block, NOW) for block in blocks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Swift, "fits", lambda *_: False)
        plain = FilterPlan([EVERY], UTC)
    assert found == [plain.parse(block, NOW) for block in blocks]
    assert (swift.nobody, swift.undated) == (plain.nobody, plain.undated)


SPEC_TEXTS = sorted({text for spec in SPECS for text in (spec.prefregex, *spec.failregex) if text} - {PAIR})
MORE = (
    r"Login (?:failed|denied) for (?P<u>\w{1,4})(?: via (?P=u))?",
    r"(?:GET|POST) /[a-z]{2,5}\.(?:php|asp)x? HTTP/1\.[01]",
    r"(x)?(?(1)alpha beta|gamma delta)\d",
    r"(?i:Error) code [45]\d\d: \S+",
    r"(?:ab){2,3}c+d?efg",
    r"[Ff]oo(?=bar)bar\b|qux{3}",
)


@pytest.mark.parametrize("pattern", [*SPEC_TEXTS, *MORE])
@given(data=st.data())
def test_what_matches_holds_a_needle(pattern: str, data: st.DataObject) -> None:
    regex = expand(pattern).pattern
    text = data.draw(st.from_regex(regex))
    if not text.isascii():  # what folds to ASCII is the prefilter's business
        return
    for one in needles_of(regex):
        assert any(needle in text.lower() for needle in one.texts)
        if min(map(len, one.texts)) > 1:
            assert all(any(half in needle for half in halved(one).texts) for needle in one.texts)


SHAPED = (
    *MORE,
    r"^\s[+-]\d{4} \S+ \d{3}0[1-9] \S+ <HOST>:\d+ [\d.]+:\d+ \d+ \d+ \d+\s",
    r"from [^[]*\[<HOST>\](?::\d+)?:?",
    r"(?i)\[[^a\W]{2}(?-i:[^b]x)(?>y|z)\.[^.]{17,}\b\w++#",
)


@pytest.mark.parametrize("pattern", [*SPEC_TEXTS, *SHAPED])
@given(data=st.data())
def test_what_matches_has_its_shape(pattern: str, data: st.DataObject) -> None:
    regex = expand(pattern).pattern
    shape, text = shape_of(regex), data.draw(st.from_regex(regex)).partition("\n")[0]
    if shape is None or not re.search(regex, f"{text}\n"):
        return
    cuts = [place for place in range(len(text) + 1) if not re.search(r"\w", text[max(place - 1, 0) : place + 1])]
    for place in [None, *cuts]:
        line = text if place is None else f"{text[:place]}14/Aug/2005:11:59:56 +0000{text[place:]}"
        assert shape.fits(line.encode())
        assert not line.isascii() or not shape.rarest or shape.rarest.search(line.encode())


HEADS = st.lists(
    st.sampled_from(
        ("192.0.2.1", "2001:db8::1", " - - [", "-", " ", "[", "20", "12/", "Aug ", "feb:", "05:0", "x", "_", "1", "@")
    ),
    max_size=5,
).map("".join)
STAMPS = st.sampled_from(
    (
        "14/Aug/2005:11:00:00 +0000",
        "2005-08-14 11:00:00",
        "14/08/2005 11:00:00",
        "050814 11:00:00",
        "Aug 14 11:00:00",
        "",
    )
)
TAILS = st.sampled_from(("] x", " x", "", "]", "x", ".5] x", " +0100] x", "] 12/Aug/2005:10:00:00"))


@given(st.lists(st.tuples(HEADS, STAMPS, TAILS).map("".join), min_size=1, max_size=8))
def test_dates_are_the_same_whatever_was_seen_before(lines: list[str]) -> None:
    """All but the reading of 01/02/2005, for which what was seen before is the only hint."""
    learned = Dates("", UTC)
    learned.begin(NOW)
    for line in lines:
        fresh = Dates("", UTC)
        fresh.begin(NOW)
        assert learned.find(line) == fresh.find(line), line


BEGINNINGS = st.sampled_from(
    ("Aug 14 11:00:00", "2005-08-14 11:00:00", "2005-08-14T11:00:00", "11:00:00", "14/08/2005 11:00:00")
)
MORE_STAMP = st.sampled_from(
    (" host", " 2005 x", " pm x", "] x", ".5 x", " +0100 x", " Z x", " [x", "Z x", "", " hx \xff", " hé")
)


@pytest.mark.parametrize("pattern", ["", "{^LN-BEG}", "{^LN-BEG}\n%H:%M"])
@given(st.lists(st.tuples(BEGINNINGS, MORE_STAMP).map("".join), min_size=2, max_size=8))
def test_lines_are_read_alike_whatever_was_read_before(pattern: str, lines: list[str]) -> None:
    spec = FilterSpec(name="f", failregex=("^<HOST>",), datepattern=pattern)

    def view() -> View:
        one = View(spec, UTC, Watch(), History(), journal=False)
        one.begin(NOW)
        return one

    learned = view()
    for line in lines:
        assert learned.read(line.encode("latin-1")) == view().read(line.encode("latin-1")), line


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_date_is_cut_at_its_ends(before: str, after: str) -> None:
    dates = Dates("", UTC)
    dates.begin(NOW)
    line = f"{before} 2005-08-14 11:00:00 {after}"
    stamp = dates.find(line)
    assert stamp
    _, start, end, _ = stamp
    assert 0 <= start < end <= len(line)
    assert not re.search(r"\n", line[start:end])
