"""A stock /etc/fail2ban moves in: its jails, its attackers, its ports, and the scripts that ask fail2ban-client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.house import BAD_BOT, STRANGER, Closed, House, knock
from tests.e2e.net import SERVER4, SERVER6, until
from tests.privacy.search import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.net import Net

pytestmark = pytest.mark.needs("root", "netns", "nft", "nginx", "nsenter", "setpriv", "prlimit", "fail2ban")

TREE = """\
Status for the jail: sshd
|- Filter
|  |- Currently failed:\t1
|  |- Total failed:\t{failed}
|  `- File list:\t{log}
`- Actions
   |- Currently banned:\t2
   |- Total banned:\t2
   `- Banned IP list:\t{banned}
"""


@pytest.fixture
def house(lab_net: Net) -> Iterator[House]:
    """Give a server under guard; at the end nothing that Privet wrote may hold an address."""
    house = House(lab_net)
    try:
        house.start()
        house.start_daemon()
        yield house
        own = (house.runtime, house.root / "state", house.root / "log" / "privet.service.log")
        assert leaks(own, lab_net.addresses) == []
    finally:
        house.stop()


def test_a_stock_configuration_moves_in(house: House) -> None:
    burglar, neighbour, stranger, bot, guest, reader = house.net.visitors[:6]

    knock(burglar, SERVER4, 22, times=5)
    knock(neighbour, SERVER6, 22, times=5)
    knock(guest, SERVER4, 22)
    for _ in range(3):
        assert stranger.ask("/private/x", headers=STRANGER).status == 401
    assert bot.ask("/", headers=BAD_BOT).status == 200
    knock(guest, SERVER4, 7000, times=2)

    web = {Closed(visitor.v4, "tcp", port) for visitor in (stranger, bot) for port in (80, 443)}
    ssh = {Closed(burglar.v4, "tcp", 22), Closed(neighbour.network, "tcp", 22)}
    wanted = web | ssh | {Closed(guest.v4, "tcp", 7000)}
    until(lambda: house.elements() == wanted, f"the kernel closes {len(wanted)} ports")

    assert knock(burglar, SERVER4, 22, patience=0.5) == [False]
    assert burglar.ask("/").status == 200  # the scope of the jail, and no more
    assert knock(neighbour, SERVER6, 22, patience=0.5) == [False]
    assert knock(guest, SERVER4, 7000, patience=0.5) == [False]
    assert knock(guest, SERVER4, 22) == [True]
    assert not stranger.can_come(SERVER4)
    assert knock(stranger, SERVER4, 22) == [True]
    assert reader.ask("/").status == 200

    jails = {jail["jail"]: jail for jail in house.ask("jails")["items"]}
    assert list(jails) == ["sshd", "apache-badbots", "nginx-http-auth", "door"]
    assert {name: jail["banned"] for name, jail in jails.items()} == {
        "sshd": 2,
        "apache-badbots": 1,
        "nginx-http-auth": 1,
        "door": 1,
    }
    assert jails["door"]["adopted_from"] == f"{house.fail2ban}/jail.local:17"
    house.balanced()


def test_scripts_read_what_they_know(house: House) -> None:
    first, second, guest = house.net.visitors[:3]
    knock(first, SERVER4, 22, times=5)
    until(lambda: len(house.elements()) == 1, "the first one is banned")
    knock(second, SERVER4, 22, times=5)
    knock(guest, SERVER4, 22)
    until(lambda: len(house.elements()) == 2, "both are banned")

    log = house.root / "log" / "auth.log"
    until(lambda: house.ask("jails")["items"][0]["failures"] == 11, "every line is read")
    code, told = house.privet("fail2ban-client", "--reveal", "status", "sshd")
    assert code == 0
    assert told == TREE.format(failed=11, log=log, banned=f"{first.v4} {second.v4}")
    code, told = house.privet("fail2ban-client", "status", "sshd")
    assert re.sub(r"100::[0-9a-f:]+ 100::[0-9a-f:]+$", "BOTH", told, flags=re.MULTILINE) == TREE.format(
        failed=11, log=log, banned="BOTH"
    )
    assert house.privet("fail2ban-client", "status")[1] == (
        "Status\n|- Number of jail:\t4\n`- Jail list:\tsshd, apache-badbots, nginx-http-auth, door\n"
    )
    assert house.privet("fail2ban-client", "ping") == (0, "Server replied: pong\n")

    assert house.privet("fail2ban-client", "set", "sshd", "unbanip", first.v4) == (0, "1\n")
    assert house.elements() == {Closed(second.v4, "tcp", 22)}
    assert knock(first, SERVER4, 22) == [True]
    assert house.privet("fail2ban-client", "set", "door", "banip", guest.v4) == (0, "1\n")
    assert Closed(guest.v4, "tcp", 7000) in house.elements()


def test_one_missing_log_stops_nothing_and_is_said(house: House) -> None:
    (house.root / "log" / "door.log").unlink()
    burglar = house.net.visitors[0]

    knock(burglar, SERVER4, 22, times=5)

    until(lambda: house.elements() == {Closed(burglar.v4, "tcp", 22)}, "he is banned")
    until(lambda: any("door.log: No such file" in one for one in house.ask("status")["warnings"]), "it is said")
