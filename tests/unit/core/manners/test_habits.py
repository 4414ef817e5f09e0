"""Bad manners in plain words, whoever counted which part of the logs."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch
from privet.core.manners.habits import FIELDS, Habits
from privet.core.manners.known import Known
from tests.unit.core.manners.callers import FORMAT, START, Entry, blocks, entry, fetcher, poller, reader
from tests.unit.core.manners.test_window import ILL, KNOWN, LABELS, WELL

if TYPE_CHECKING:
    from collections.abc import Iterable


def taken(habits: Habits, entries: Iterable[Entry]) -> Habits:
    config = parse(f"[source.web]\npath = '/x'\nformat = '{FORMAT}'\n", "p.toml")
    engine = engine_for(config, want=FIELDS, observers=(lambda _source, rows: habits.take(rows),))
    for block in blocks(list(entries)):
        engine.feed(Batch("web", block), float("inf"))
    return habits


def test_the_fetcher_of_old_is_named_in_plain_words() -> None:
    (row,) = taken(Habits(Known()), fetcher("10.0.0.1")).rows()

    assert (row.subject.reveal(), row.hits) == ("10.0.0.1", 72)
    assert row.agent == "Friendica 'Giant Rhubarb'; https://social.example"
    assert row.says == [
        "asks by HEAD twice or more before it fetches a page (24 pages)",
        "comes back no slower after 429 or 503 (27 requests, after 4 s)",
    ]


def test_the_report_finds_whom_the_jails_find_and_nobody_else() -> None:
    rows = taken(Habits(KNOWN), [*ILL, *WELL]).rows()

    guilty: dict[str, set[str]] = {}
    for row in rows:
        for signal in row.habits:
            guilty.setdefault(signal, set()).add(row.subject.reveal())
    assert guilty == LABELS


def test_what_needs_files_is_not_judged_without_them() -> None:
    rows = taken(Habits(Known()), [*ILL, *WELL]).rows()

    assert {signal for row in rows for signal in row.habits} == set(LABELS) - {"robots", "crawl-delay", "fake-robot"}


def test_parts_that_were_counted_elsewhere_are_put_together() -> None:
    whole = taken(Habits(KNOWN), [*poller("10.0.0.3"), *reader("10.2.0.1"), *poller("10.0.0.9", START + 90_000)])
    one = taken(Habits(KNOWN), [*poller("10.0.0.3"), *reader("10.2.0.1")])
    other = pickle.loads(pickle.dumps(taken(Habits(KNOWN), poller("10.0.0.9", START + 90_000))))  # noqa: S301  ours
    one.merge(other)

    assert {(row.subject, row.hits) for row in one.rows()} == {(row.subject, row.hits) for row in whole.rows()}
    assert one.rows(1) == one.rows()[:1]


def test_few_offences_are_no_habit() -> None:
    assert taken(Habits(Known()), list(fetcher("10.0.0.1"))[:12]).rows() == []


def test_agents_and_paths_are_masked() -> None:
    entries = [
        entry(START + n, "10.0.0.1", "GET /feed/?for=10.9.9.9", agent="for 10.9.9.9 \x1b[31m", size=5)
        for n in range(20)
    ]

    text = repr(taken(Habits(Known()), entries).rows())

    assert "fetches a feed too often" in text
    assert "10.9.9.9" not in text
    assert "\x1b" not in text


def test_memory_is_bounded() -> None:
    habits = Habits(Known(), most=10)
    for number in range(100):
        taken(habits, poller(f"10.0.{number}.1", START + number, count=3))

    assert len(habits) <= 20
    assert habits.evicted > 0
