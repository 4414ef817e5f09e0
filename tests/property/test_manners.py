"""However the lines are cut, whoever is forgotten on the way, the same requests are offences."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch, Engine
from privet.core.jails import Signal
from tests.unit.core.manners.callers import FORMAT, START, entry
from tests.unit.core.manners.test_window import BASE, KNOWN, jail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.verdicts import Verdict

CLIENTS = [f"10.0.0.{number}" for number in range(6)]
REQUESTS = [
    *(f"{method} {path}" for method in ("GET", "HEAD", "HEAD") for path in ("/a", "/b", "/feed/", "/private/x")),
    *("GET /robots.txt", "GET /style.css", "GET /x?action=rss", "POST /a", "GET /c", "GET /d", "noise"),
]
AGENTS = ["curl", "Nosybot/1", "Mozilla/5.0 (X11) Gecko Firefox/128.0", "Googlebot/2.1", "-"]
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, 2, 7, 30, 61, 700]),
        st.sampled_from([0, 0, 0, 1, 30, 61]),
        st.sampled_from(CLIENTS),
        st.sampled_from(REQUESTS),
        st.sampled_from([200, 200, 304, 429, 503, 404]),
        st.sampled_from(["-", "-", "https://wiki.example/a"]),
        st.sampled_from(AGENTS),
        st.sampled_from(["-", "text/html", "application/atom+xml", "image/png"]),
    ),
    max_size=60,
)
JAILS = "".join(jail(signal).replace("maxretry = 5", "maxretry = 2") for signal in get_args(Signal))


def fed(lines: Sequence[bytes], cuts: Sequence[int], cap: int) -> tuple[list[Verdict], object]:
    engine: Engine = engine_for(parse(f"{BASE}{JAILS}[engine]\nmax_clients = {cap}\n", "p.toml"))
    engine.know(KNOWN)
    ends = [*sorted({min(cut, len(lines)) for cut in cuts}), len(lines)]
    verdicts: list[Verdict] = []
    start = 0
    for end in ends:
        verdicts += engine.feed(Batch("web", b"".join(lines[start:end])), inf)
        start = end
    return verdicts, (engine.matches(), engine.tracked, engine.evicted, engine.sources["web"].lines)


@settings(max_examples=60)
@given(ENTRIES, st.lists(st.integers(0, 60), max_size=6))
def test_no_cut_matters(drawn: Sequence[tuple[int, int, str, str, int, str, str, str]], cuts: list[int]) -> None:
    assert FORMAT in BASE
    now, lines = START, []
    for pause, late, client, request, status, referer, agent, kind in drawn:
        now += pause
        lines.append(entry(now - late, client, request, status, 512, referer, agent, kind)[1])

    singly = fed(lines, range(len(lines)), 1000)

    assert fed(lines, cuts, 1000) == fed(lines, [], 1000) == singly
