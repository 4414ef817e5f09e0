"""The generator of benchmark logs: same seed, same bytes, and a truth that the lines bear out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path

import pytest

from bench import generate
from privet.core.addresses.address import client_key

ROOT = Path(generate.__file__).parents[1]
KINDS = ("access", "auth", "offenders")
COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<stamp>[^]]+)\] "(?:GET|POST) (?P<path>\S+) HTTP/1\.1" (?P<status>\d+) (?P<size>\d+) '
    r'"[^"]*" "(?P<agent>[^"]*)"'
)
FAILURE = re.compile(r"sshd\[\d+\]: (?:Failed password for|Invalid user) .* from (\S+) port \d+")


def run(*arguments: str, hash_seed: str = "0") -> str:
    program = [sys.executable, "-m", "bench.generate", *arguments]
    env = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(program, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout


def truth(tmp_path: Path, *arguments: str) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Return the lines, and what the generator says of hits and failures."""
    path = tmp_path / "truth.json"
    lines = run(*arguments, "--truth", str(path)).splitlines()
    told = json.loads(path.read_text())["hits_failures"]
    return lines, {client: (hits, failures) for client, (hits, failures) in told.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes_in_any_process(kind: str) -> None:
    one = run(kind, "-n", "3000", "--seed", "4")
    assert one == run(kind, "-n", "3000", "--seed", "4", hash_seed="7")
    assert one.count("\n") == 3000
    other = run(kind, "-n", "3000", "--seed", "5")
    shared = set(one.splitlines()) & set(other.splitlines())
    assert [line for line in shared if kind != "auth" or " from " in line] == []  # the rest names no client


@pytest.mark.parametrize(
    ("kind", "digest"),
    [
        ("access", "db0367fbf9b8e5e5ee32423725418131673281e8967e44efcb34a2dfa51c1215"),
        ("auth", "df77cb1bbe53e7489c497487c92834ef4001b673c523396104c00000469e00f1"),
        ("offenders", "5461d1dffa729052d59749908225a9b0e32e0f56b3b58999affb53864ae4ffb1"),
    ],
)
def test_bytes_stay_the_same_so_that_measurements_compare(kind: str, digest: str) -> None:
    assert hashlib.sha256(run(kind, "-n", "20000").encode()).hexdigest() == digest


def test_access_lines_bear_out_the_truth(tmp_path: Path) -> None:
    lines, told = truth(tmp_path, "access", "-n", "20000", "--bad", "0.05", "--clients", "2000", "--attackers", "50")
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    bad_pages = tuple(page.partition("%")[0] for page in generate.BAD_PAGES)
    for line in lines:
        found = COMBINED.fullmatch(line)
        assert found, line
        asks_badly = found["path"].startswith(bad_pages)
        assert not asks_badly or found["status"] == "404"
        counts[found["client"]][0] += 1
        counts[found["client"]][1] += asks_badly or found["agent"] in generate.BAD_AGENTS
    assert {client: (hits, failures) for client, (hits, failures) in counts.items()} == told
    guilty = [failures for _, failures in told.values() if failures]
    assert 40 <= len(guilty) <= 50
    assert 0.04 < sum(guilty) / len(lines) < 0.06


def test_auth_lines_bear_out_the_truth(tmp_path: Path) -> None:
    lines, told = truth(tmp_path, "auth", "-n", "20000", "--clients", "2000", "--attackers", "100")
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        if found := FAILURE.search(line):
            counts[found[1]] += 1
    assert counts == {client: failures for client, (_, failures) in told.items() if failures}
    assert 0.09 < sum(counts.values()) / len(lines) < 0.11


def test_each_offender_is_another_client_and_fails_once(tmp_path: Path) -> None:
    lines, told = truth(tmp_path, "offenders", "-n", "10000")
    assert set(told.values()) == {(1, 1)}
    found = [COMBINED.fullmatch(line) for line in lines]
    assert all(match and match["status"] == "404" for match in found)
    assert len({client_key(match["client"].encode()) for match in found if match}) == 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_addresses_are_for_examples_or_private_and_of_both_kinds(kind: str, tmp_path: Path) -> None:
    _, told = truth(tmp_path, kind, "-n", "5000")
    allowed = {4: ip_network("10.0.0.0/8"), 6: ip_network("2001:db8::/32")}
    addresses = [ip_address(text) for text in told]
    assert all(address in allowed[address.version] for address in addresses)
    assert 0.15 < sum(address.version == 6 for address in addresses) / len(addresses) < 0.35


def test_few_clients_make_most_of_the_hits(tmp_path: Path) -> None:
    _, told = truth(tmp_path, "access", "-n", "20000")
    hits = sorted((hits for hits, _ in told.values()), reverse=True)
    assert sum(hits[: len(hits) // 10]) > 10_000


def test_time_runs_at_the_rate_that_was_asked_for() -> None:
    lines = run("access", "-n", "1000", "--rate", "10", "--start", "1561579200").splitlines()
    stamps = [found["stamp"] for line in lines if (found := COMBINED.fullmatch(line))]
    assert stamps[0] == "26/Jun/2019:20:00:00 +0000"
    assert stamps[-1] in {"26/Jun/2019:20:01:39 +0000", "26/Jun/2019:20:01:40 +0000"}
    assert all(one <= two for one, two in pairwise(stamps))
