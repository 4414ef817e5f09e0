"""The example of programs that carry out bans, with real ipsets."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall.command import CommandFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order
from tests.e2e.hosts import ban, many, run, unban

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.hosts import Hosts

pytestmark = pytest.mark.needs("root", "netns", "ipset")

EXAMPLE = Path(__file__).parents[2] / "examples" / "privet-ipset"


@pytest.fixture
def sets(net: Hosts, tmp_path: Path) -> Iterator[CommandFirewall]:
    program = str(shutil.copy(EXAMPLE, tmp_path))
    firewall = CommandFirewall((program, "ban"), (program, "unban"), lambda: 0.0)
    net.host(firewall.open)
    yield firewall
    net.host(run, "ipset", "destroy")


def members(net: Hosts) -> dict[str, str]:
    """Return what the sets hold, with the seconds left."""
    return dict(re.findall(r"^(\S+) timeout ([0-9]+)$", net.host(run, "ipset", "list"), flags=re.MULTILINE))


def test_the_example_does_what_its_documentation_says(net: Hosts, sets: CommandFirewall) -> None:
    orders = [ban("192.0.2.1"), ban("192.0.2.0/24", service="tcp/22"), ban("2001:db8::1"), ban("0.0.0.0/0")]
    answers = net.host(sets.apply, [*orders, ban("2001:db8::1", service="udp/53"), *many(3000)])
    assert [number for number, answer in enumerate(answers) if answer] == [3]  # no ipset takes that
    now = members(net)
    assert len(now) == 3004
    assert {"192.0.2.1", "192.0.2.0/24,tcp:22", "2001:db8::/64", "2001:db8::/64,udp:53"} <= now.keys()
    assert 50 < int(now["192.0.2.1"]) <= 60
    longer = Order(Subject.parse("192.0.2.1"), 600.0, known=True)
    assert net.host(sets.apply, [longer, unban("192.0.2.0/24", "tcp/22"), unban("2001:db8::1")]) == [None] * 3
    now = members(net)
    assert 590 < int(now["192.0.2.1"]) <= 600
    assert not {"192.0.2.0/24,tcp:22", "2001:db8::/64"} & now.keys()
    net.host(sets.remove)
    assert members(net) == {}
