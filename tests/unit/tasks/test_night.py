"""The night of the story: who does what in it, and which rules would tell them apart."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from bisect import bisect_left
from calendar import timegm
from collections import defaultdict
from functools import cache
from ipaddress import ip_address, ip_network
from itertools import pairwise
from time import strptime
from typing import TYPE_CHECKING, NamedTuple

import pytest

from privet.core.addresses.address import client_key
from privet.tasks.night import CAST, SITES, START, Night

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = (1, 7)
NIGHTS = {seed: Night(seed) for seed in SEEDS}
each_seed = pytest.mark.parametrize("seed", SEEDS)
LINE = re.compile(
    rb"(?P<site>[a-z.]+):443 (?P<client>\S+) - - \[(?P<time>[^]]+) \+0000\] "
    rb'"(?P<method>[A-Z]+) (?P<path>[^ ?]+)\??(?P<query>\S*) HTTP/1\.1" (?P<status>\d{3}) (?P<size>\d+) '
    rb'"(?P<referer>[^"]+)" "(?P<agent>[^"]+)"\n'
)
ALLOWED = [
    ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32")
]


class Seen(NamedTuple):
    """One line, read by other means than Privet's."""

    written: float
    stamp: float
    actor: str
    key: bytes
    site: str
    client: str
    method: str
    path: str
    query: str
    status: int


class Rule(NamedTuple):
    """A jail in the simplest words, and the actors that it is to catch."""

    test: Callable[[Seen], bool]
    findtime: float
    maxretry: int
    catches: set[str]


RULES = {
    "leech": Rule(lambda _: True, 60, 30, {"leech", "fetcher"}),
    "scanner": Rule(
        lambda seen: seen.status in {400, 403, 404} and bool(re.search(r"\.(env|git|php)\b", seen.path)),
        *(600, 5, {"scanner"}),
    ),
    "spammer": Rule(
        lambda seen: seen.method == "POST" and seen.path.startswith("/wiki/Comments_on_"), 600, 5, {"spammer"}
    ),
    "fetcher by its HEADs": Rule(lambda seen: seen.method == "HEAD", 600, 20, {"fetcher"}),
    "fetcher by its 503s": Rule(lambda seen: seen.status == 503, 60, 10, {"fetcher"}),
    "swarm by its query": Rule(
        lambda seen: seen.path == "/wiki" and "action=rc" in seen.query and "days=90" in seen.query, 600, 1, {"swarm"}
    ),
}


@cache
def seconds(stamp: str) -> int:
    return timegm(strptime(stamp, "%d/%b/%Y:%H:%M:%S"))


@cache
def lines(seed: int) -> list[tuple[float, bytes]]:
    return list(NIGHTS[seed].lines())


@cache
def read(seed: int) -> list[Seen]:
    night = NIGHTS[seed]
    actors = {key: name for name, keys in night.clients.items() for key in keys}
    rows = []
    for written, line in lines(seed):
        found = LINE.fullmatch(line)
        assert found, line
        words = {name: text.decode() for name, text in found.groupdict().items()}
        key = client_key(found["client"]) or b""
        rows.append(
            Seen(
                *(written, seconds(words["time"]), actors.get(key, "-"), key),
                *(words["site"], words["client"], words["method"], words["path"], words["query"]),
                int(words["status"]),
            )
        )
    return rows


def most(times: list[float], findtime: float) -> int:
    """Return the largest number of times that lie within `findtime`, both ends included."""
    times = sorted(times)
    return max(number + 1 - bisect_left(times, last - findtime) for number, last in enumerate(times))


def failures(rows: list[Seen], rule: Rule) -> dict[str, list[int]]:
    """Return for each actor the largest number of failures within findtime of each of its clients."""
    times: dict[tuple[str, bytes], list[float]] = defaultdict(list)
    for row in rows:
        if row.key and rule.test(row):
            times[row.actor, row.key].append(row.stamp)
    worst: dict[str, list[int]] = defaultdict(list)
    for (actor, _), stamps in times.items():
        worst[actor].append(most(stamps, rule.findtime))
    return worst


@each_seed
@pytest.mark.parametrize("name", RULES)
def test_a_rule_catches_every_client_of_its_actors_and_of_nobody_else(seed: int, name: str) -> None:
    rule = RULES[name]
    worst = failures(read(seed), rule)
    caught = {actor for actor, counts in worst.items() if max(counts) >= rule.maxretry}
    assert caught == rule.catches
    for actor in caught:
        clients = [count for count in worst[actor] if count >= rule.maxretry]
        assert len(clients) == len(NIGHTS[seed].clients[actor])


@each_seed
def test_readers_stay_clear_of_thirty_hits_a_minute_even_with_their_assets(seed: int) -> None:
    worst = failures(read(seed), RULES["leech"])
    assert 8 <= max(worst["readers"]) <= 25
    assert max(worst["bot"]) <= 8


@each_seed
def test_readers_do_now_and_then_what_the_rules_look_for(seed: int) -> None:
    assert max(failures(read(seed), RULES["scanner"])["readers"]) >= 1
    assert max(failures(read(seed), RULES["spammer"])["readers"]) >= 1


@each_seed
def test_no_count_per_client_of_the_shared_page_catches_the_swarm(seed: int) -> None:
    recent_changes = Rule(lambda row: "action=rc" in row.query, 8 * 3600, 2, set())
    assert max(failures(read(seed), recent_changes)["swarm"]) == 1


@each_seed
def test_the_swarm_is_six_hundred_clients_within_ten_minutes(seed: int) -> None:
    rows = [row for row in read(seed) if row.actor == "swarm"]
    assert len(rows) == len({row.key for row in rows}) == 600
    assert {(row.path, row.query) for row in rows} == {("/wiki", "action=rc;all=1;showedit=1;days=90")}
    start = NIGHTS[seed].swarm_at
    assert all(start <= row.stamp < start + 600 for row in rows)


@each_seed
def test_the_leech_asks_at_least_thirty_times_in_every_minute_and_is_never_refused(seed: int) -> None:
    rows = [row for row in read(seed) if row.actor == "leech"]
    stamps = sorted(row.stamp for row in rows)
    assert all(stamps[number + 29] - stamps[number] <= 60 for number in range(len(stamps) - 29))
    assert stamps[-1] - stamps[0] > 5 * 3600
    assert {row.status for row in rows} == {200}
    assert most([float(stamp) for stamp in stamps], 18) <= 20


@each_seed
def test_the_fetcher_asks_twice_by_head_and_once_by_get_at_one_pace_with_and_without_503(seed: int) -> None:
    rows = sorted((row for row in read(seed) if row.actor == "fetcher"), key=lambda row: row.stamp)
    items: dict[str, list[Seen]] = defaultdict(list)
    for row in rows:
        if row.path != "/wiki":
            items[row.path].append(row)
    counts = [
        (sum(row.method == "HEAD" for row in asked), sum(row.method == "GET" for row in asked))
        for asked in items.values()
    ]
    assert all(head == 2 * get for head, get in counts)
    assert {row.status for row in rows} == {200, 503}
    refused = [(one, two) for one, two in pairwise(rows) if one.status == 503]
    slower = [two for one, two in refused if two.stamp - one.stamp > 2]
    assert len(slower) < len(refused) / 5  # those are the last of a round


@each_seed
def test_the_spammer_posts_links_from_many_addresses_of_one_network_and_reads_nothing(seed: int) -> None:
    rows = [row for row in read(seed) if row.actor == "spammer"]
    assert {row.method for row in rows} == {"POST"}
    assert all("homepage=http://" in row.query for row in rows)
    assert len({row.key for row in rows}) == 1
    assert len({row.client for row in rows}) == len(rows)


@each_seed
def test_the_scanner_finds_nothing(seed: int) -> None:
    rows = [row for row in read(seed) if row.actor == "scanner"]
    assert len(rows) > 100
    assert {row.status for row in rows} == {404}


@each_seed
def test_the_bot_reads_robots_first_and_rests_after_a_503(seed: int) -> None:
    rows = sorted((row for row in read(seed) if row.actor == "bot"), key=lambda row: row.stamp)
    assert {row.path for row in rows[: len(SITES)]} == {"/robots.txt"}
    assert {row.site for row in rows[: len(SITES)]} == set(SITES)
    assert any(row.status == 304 for row in rows)
    pauses = [two.stamp - one.stamp for one, two in pairwise(rows) if one.status == 503]
    assert pauses
    assert min(pauses) >= 299


@each_seed
def test_from_the_removal_on_no_line_carries_an_address_and_everything_goes_on(seed: int) -> None:
    night = NIGHTS[seed]
    before = [row for row in read(seed) if row.written < night.removed_at]
    after = [row for row in read(seed) if row.written >= night.removed_at]
    assert all(row.client != "-" and row.actor != "-" for row in before)
    assert {row.client for row in after} == {"-"}
    assert sum("revision=" in row.query for row in after) > 3600
    assert {"POST", "HEAD"} <= {row.method for row in after}
    assert sum(row.path == "/.env" for row in after) == len(SITES)


@each_seed
def test_lines_are_written_in_order_of_their_end_and_stamped_a_few_seconds_out_of_order(seed: int) -> None:
    rows = read(seed)
    assert all(one.written <= two.written for one, two in pairwise(rows))
    assert all(0 <= row.written - row.stamp <= 10 for row in rows)
    late = sum(one.stamp > two.stamp for one, two in pairwise(rows))
    assert 0.01 < late / len(rows) < 0.5


@each_seed
def test_evening_has_more_readers_than_the_end_of_the_night(seed: int) -> None:
    def readers(hour: int) -> int:
        return sum(row.actor == "readers" and row.stamp // 3600 == START // 3600 + hour for row in read(seed))

    assert readers(0) > 2 * readers(5) > 0


@each_seed
def test_size_and_span_of_the_night(seed: int) -> None:
    rows, night = read(seed), NIGHTS[seed]
    assert 40_000 <= len(rows) <= 80_000
    assert {row.site for row in rows} == set(SITES)
    assert night.start <= min(row.stamp for row in rows)
    assert max(row.stamp for row in rows) < night.end == night.start + 8 * 3600


@each_seed
def test_every_client_has_a_key_of_its_own_from_the_ranges_for_examples(seed: int) -> None:
    clients = NIGHTS[seed].clients
    assert {name: len(keys) for name, keys in clients.items()} == {actor.name: actor.clients for actor in CAST}
    keys = [key for group in clients.values() for key in group]
    assert len(set(keys)) == len(keys)
    for text in {row.client for row in read(seed)} - {"-"}:
        assert any(ip_address(text) in net for net in ALLOWED)


@each_seed
def test_readers_and_swarm_use_both_kinds_of_addresses(seed: int) -> None:
    for name in ("readers", "swarm"):
        wide = sum(len(key) == 8 for key in NIGHTS[seed].clients[name])
        assert 0.2 < wide / len(NIGHTS[seed].clients[name]) < 0.4


def test_blocks_are_the_same_lines_each_until_its_time() -> None:
    night, seconds = NIGHTS[1], 30.0
    blocks = list(night.blocks(seconds))
    assert b"".join(block for _, block in blocks) == b"".join(line for _, line in lines(1))
    assert all(one < two for (one, _), (two, _) in pairwise(blocks))
    counts = iter(read(1))
    for until, block in blocks:
        for _ in range(block.count(b"\n")):
            assert until - seconds <= next(counts).written < until


def test_start_moves_every_line() -> None:
    moved = [(time - 86_400, line.replace(b"[27/Jun", b"[26/Jun")) for time, line in Night(1, START + 86_400).lines()]
    here = lines(1)
    evening = [pair for pair in here if b"[26/Jun" in pair[1]]
    assert len(evening) > 10_000
    assert moved[:10_000] == here[:10_000]
    assert len(moved) == len(here)


def test_the_same_seed_gives_the_same_bytes_in_any_process() -> None:
    program = (
        "import hashlib; from privet.tasks.night import Night;"
        "print(hashlib.sha256(b''.join(line for _, line in Night(1).lines())).hexdigest())"
    )
    env = {**os.environ, "PYTHONHASHSEED": "1", "TZ": "America/St_Johns"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(b"".join(line for _, line in lines(1))).hexdigest()


def test_another_seed_gives_another_night() -> None:
    one, other = ({line for _, line in lines(seed)} for seed in SEEDS)
    assert len(one & other) < len(one) / 5
