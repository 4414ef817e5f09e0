"""Debian's GoAccess and AWStats count the same visitors in a pseudonymised log as in the clear one."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import AWSTATS
from tests.unit.processes import PRIVET, line

if TYPE_CHECKING:
    from pathlib import Path

VISITORS, HITS = 500, 10_000
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"  # AWStats takes others for robots
AT = 1_795_348_800.0  # midday in UTC, so that the log is one day's
CONFIG = """\
LogFile="{log}"
LogType=W
LogFormat=1
SiteDomain="www.example.org"
HostAliases="www.example.org"
DirData="{data}"
DNSLookup=0
"""


def clients() -> list[str]:
    """Return as many clients, of which a quarter have IPv6 addresses, each in a network of its own."""
    networks = [f"2001:db8:{number:x}:1::{number:x}" for number in range(VISITORS // 4)]
    return networks + [f"10.7.{number // 250}.{number % 250 + 1}" for number in range(VISITORS - len(networks))]


@pytest.fixture(scope="module", params=["clear", "pseudonym", "drop"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the log of one day in the clear, or as `privet scrub` writes it with a mask.

    `drop` makes all visitors one, so it shows that the counts below can differ.
    """
    path = tmp_path_factory.mktemp(request.param) / "access.log"
    everybody = clients()
    lines = (line(everybody[number * 7 % VISITORS], at=AT + number) for number in range(HITS))
    text = "".join(f"{text}\n" for text in lines).replace("Mozilla/5.0", BROWSER)
    if request.param == "clear":
        path.write_text(text)
        return path
    done = subprocess.run(
        [*PRIVET, "scrub", "--mask", request.param, "-"], input=text.encode(), capture_output=True, check=True
    )
    assert not any(f"{client} ".encode() in done.stdout for client in everybody)
    path.write_bytes(done.stdout)
    return path


def are_visitors(count: int, log: Path) -> bool:
    """Tell whether a log of these clients has so many visitors; with `drop` there are 0.0.0.0 and :: at most."""
    return 1 <= count <= 2 if log.parent.name.startswith("drop") else count == VISITORS


@pytest.mark.needs("goaccess")
def test_goaccess(log: Path) -> None:
    report = log.parent / "report.json"
    words = ["goaccess", "--no-global-config", "--log-format=COMBINED", "--output", str(report), str(log)]
    subprocess.run(words, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    found = json.loads(report.read_text())["general"]
    assert found["valid_requests"] == HITS
    assert are_visitors(found["unique_visitors"], log)


@pytest.mark.needs("awstats")
def test_awstats(log: Path) -> None:
    (log.parent / "awstats.test.conf").write_text(CONFIG.format(log=log, data=log.parent))
    words = [str(AWSTATS), f"-configdir={log.parent}", "-config=test", "-update"]
    subprocess.run(words, capture_output=True, check=True)
    (data,) = log.parent.glob("awstats*.test.txt")
    totals = dict(text.split(" ")[:2] for text in data.read_text().splitlines() if text.startswith("Total"))
    assert are_visitors(int(totals["TotalUnique"]), log)
    assert are_visitors(int(totals["TotalVisits"]), log) or log.parent.name.startswith("drop")
