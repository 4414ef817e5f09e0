"""Longer bans and bans for bans: any cut of the input gives the same verdicts; any formula is computed or refused."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from hypothesis import assume, given
from hypothesis import strategies as st

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.bans.escalate import LONGEST, MOST, Escalation, Offences
from privet.core.bans.formula import FormulaError, Given, compiled
from privet.core.engine import Batch
from privet.core.parsing.times import write_clf

if TYPE_CHECKING:
    from privet.core.verdicts import Verdict

START = 1_700_000_000.0
CLIENTS = ("198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.1", "2001:db8:1:1::1", "2001:db8:1:2::1")
SOURCES = '[source.web]\npipe = true\nformat = "common"\n'
ESCALATION = {
    "increment": ["true", "false"],
    "factor": ["0.5", "3"],
    "multipliers": ["[1, 5, 30]"],
    "maxtime": ["3000"],
    "rndtime": ["7"],
    "overalljails": ["true"],
    "formula": ["'ban.Time + 60 * ban.Count'"],
    "forget": ["500", "5000"],
}


@st.composite
def configs(draw: st.DrawFn) -> str:
    """Draw jails that share windows and jails that do not, some growing, and jails on their bans."""
    text = SOURCES + "[escalation]\n" + draw(growth(["increment", "overalljails", "factor", "multipliers", "forget"]))
    for number in range(draw(st.integers(1, 4))):
        text += f"[jail.j{number}]\nsource = 'web'\nfindtime = 100\n"
        text += draw(st.sampled_from(["", "status = 404\n", "status = 200\n"]))
        text += f"maxretry = {draw(st.integers(1, 3))}\nbantime = {draw(st.sampled_from([10, 60, 300]))}\n"
        text += draw(st.sampled_from(["", "", "", "dry_run = true\n", "ignoreip = '198.51.100.2'\n"]))
        text += (
            "increment = true\n" + draw(growth(["rndtime", "maxtime", "overalljails"])) if draw(st.booleans()) else ""
        )
    for number in range(draw(st.integers(0, 2))):
        watched, key = draw(st.sampled_from(["*", "j0"])), draw(st.sampled_from(["address", "prefix"]))
        text += f"[jail.r{number}]\nbans_of = '{watched}'\nkey = '{key}'\nfindtime = 1000\n"
        text += f"maxretry = {draw(st.integers(1, 4))}\nbantime = 600\n"
    return text


def growth(names: list[str]) -> st.SearchStrategy[str]:
    chosen = st.fixed_dictionaries({}, optional={name: st.sampled_from(ESCALATION[name]) for name in names})
    return chosen.map(lambda settings: "".join(f"{name} = {value}\n" for name, value in settings.items()))


VISITS = st.lists(
    st.tuples(
        st.sampled_from(CLIENTS),
        st.sampled_from([0, 1, 5, 30, 90, 400]),
        st.integers(-80, 0),
        st.sampled_from([200, 404]),
    ),
    max_size=60,
)


def lines_of(visits: list[tuple[str, int, int, int]]) -> list[bytes]:
    """Return log lines, somewhat out of order."""
    now, lines = START, []
    for client, pause, late, status in visits:
        now += pause
        stamp = write_clf(now + (late if late < -40 else 0))
        lines.append(b'%b - - [%b] "GET / HTTP/1.1" %d 5\n' % (client.encode(), stamp, status))
    return lines


def verdicts(config: str, blocks: list[bytes]) -> list[Verdict]:
    engine = engine_for(parse(config, "p.toml"))
    return [verdict for block in blocks for verdict in engine.feed(Batch("web", block), math.inf)]


@given(configs(), VISITS, st.data())
def test_any_cut_of_the_input_gives_the_same_verdicts(
    config: str, visits: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    lines = lines_of(visits)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=5)))
    blocks = [b"".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    whole = verdicts(config, [b"".join(lines)])

    assert verdicts(config, [block for block in blocks if block]) == whole
    assert verdicts(config, lines) == whole


@given(configs(), VISITS)
def test_no_client_is_banned_twice_at_once_by_one_jail(config: str, visits: list[tuple[str, int, int, int]]) -> None:
    until: dict[tuple[str, object], float] = {}
    for verdict in verdicts(config, [b"".join(lines_of(visits))]):
        assert verdict.time >= until.get((verdict.jail, verdict.subject), 0)
        assert verdict.until - verdict.time >= parse(config, "").jails[verdict.jail].bantime
        until[verdict.jail, verdict.subject] = verdict.until


# Formulas that Python computes as well, without the operators that are ours alone (<< on floating point).
NUMBERS = st.sampled_from(["ban.Time", "ban.Count", "banFactor", "0.0", "1.0", "2.5", "20.0"])
OPERATORS = ["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "==", "!="]
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, st.sampled_from(["0.0", "1.0", "2.0", "0.5", "(-1.0)"])).map(lambda p: f"({p[0]} ** {p[1]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(st.sampled_from(["int", "float", "math.exp", "-", "+"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
    ),
    max_leaves=8,
).filter(lambda text: len(text) <= 300)


@given(FORMULAS, st.sampled_from([1.0, 60.0, 3600.0]), st.integers(0, 30), st.sampled_from([0.5, 1.0, 2.0]))
def test_formulas_mean_what_they_mean_in_python(text: str, base: float, count: int, factor: float) -> None:
    names = {"ban": SimpleNamespace(Time=base, Count=float(count)), "banFactor": factor, "math": math}
    try:
        expected = eval(text, names)  # noqa: S307  of words that this test put together
    except ZeroDivisionError:
        expected = None
    except OverflowError:
        expected = math.inf
    assume(not isinstance(expected, complex) and (expected is None or math.isfinite(expected)))

    try:
        assert compiled(text)(Given(base, float(count), factor)) == expected
    except FormulaError:
        assert expected is None


WORDS = [
    "ban.Time",
    "ban.Count",
    "banFactor",
    "math.exp",
    "exp",
    "min",
    "int",
    "(",
    ")",
    ",",
    "9",
    "9e9",
    "1e308",
    " ",
    ".",
    "x",
]
SIGNS = [
    "**",
    "<<",
    "*",
    "/",
    "//",
    "%",
    "-",
    "+",
    "<",
    "==",
    " if ",
    " else ",
    "'",
    "[",
    "]",
    ":",
    "\n",
    "\0",
    "é",
    "lambda ",
]


@given(st.lists(st.sampled_from(WORDS + SIGNS), max_size=30).map("".join) | st.text(max_size=40))
def test_any_text_is_a_formula_or_refused_and_costs_little(text: str) -> None:
    began = time.process_time()
    try:
        Escalation(formula=text).check(600.0)
    except FormulaError:
        pass
    else:
        for count in (0, 1, 2, 20, MOST, 10**12):
            assert 600 <= Escalation(increment=True, formula=text).bantime(600.0, count, 0.5) <= LONGEST
    assert time.process_time() - began < 2


NOTES = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from("xyz"), st.integers(0, 40), st.integers(1, 30)
    ),
    max_size=60,
)


LATER = 1e6  # seconds: after all bans


@given(NOTES, st.integers(1, 12), st.integers(1, 100))
def test_offences_are_bounded_and_can_be_stored(
    notes: list[tuple[bytes, str, int, int]], cap: int, forget: int
) -> None:
    offences, now = Offences(cap, float(forget)), 0
    for token, jail, pause, length in notes:
        now += pause
        before = offences.before(token, jail, (), now, forget)
        offences.note(token, jail, now, now + length, forget)
        assert len(offences) <= cap
        after = offences.before(token, jail, (), now + LATER, LATER + forget)
        assert after in (0, before + 1), "counted, or gone to make room"
        assert offences.before(token, jail, (), now + 10**6, forget) == 0

    fresh = Offences(cap, float(forget))
    fresh.restore(offences.export())
    assert sorted(fresh.export()) == sorted(offences.export())
