"""`privet fail2ban-client` before a running daemon."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import main
from tests.unit.processes import line, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Asked

VERB = "fail2ban-client"
HERE, THERE = "192.0.2.7", "2001:db8::1"


class Client:
    """The verb, with addresses shown or not."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def __call__(self, *words: str, reveal: bool = True) -> str:
        """Return what a command prints; it must succeed without a word on standard error."""
        code, out, err = self.asked(VERB, *(["--reveal"] if reveal else []), *words)
        assert (code, err) == (0, "")
        return out.removesuffix("\n")

    def fails(self, *words: str) -> str:
        """Return what a command that fails prints."""
        code, out, _ = self.asked(VERB, "--reveal", *words)
        assert code == 255
        return out.removesuffix("\n")


@pytest.fixture
def client(asked: Asked) -> Iterator[Client]:
    """Return the verb before a daemon with one jail."""
    one = Client(asked)
    yield one
    one("reload")


def test_ping_and_status(client: Client) -> None:
    assert client("ping") == "Server replied: pong"
    assert client("status") == "Status\n|- Number of jail:\t1\n`- Jail list:\tleech"


def test_status_of_a_jail(client: Client) -> None:
    numbers = iter(range(1, 255))

    def has_failed() -> bool:
        """Let one more client fail: whoever was unbanned in this very second is spared."""
        with client.asked.log.open("a") as log:
            log.write(f"{line(f'198.51.100.{next(numbers)}')}\n")
        time.sleep(0.3)
        return re.search(r"Currently failed:\t[1-9]", client("status", "leech")) is not None

    until(has_failed)
    assert client("set", "leech", "banip", HERE) == "1"

    text = client("status", "leech")

    assert f"|  `- File list:\t{client.asked.log}\n" in text
    assert "   |- Currently banned:\t1\n" in text
    assert text.endswith(f"   `- Banned IP list:\t{HERE}")
    assert "Banned IP list" not in client("status", "leech", "short")


def test_addresses_are_pseudonyms_unless_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client("set", "leech", "banip", HERE)

    name = client("get", "leech", "banip", reveal=False)
    assert name.startswith("100::")
    assert HERE not in client("status", "leech", reveal=False) + client("banned", reveal=False)
    monkeypatch.setenv("PRIVET_REVEAL", "1")
    assert client("get", "leech", "banip", reveal=False) == HERE
    assert client("set", "leech", "unbanip", name) == "1"


def test_bans_in_every_form(client: Client) -> None:
    assert client("set", "leech", "banip", HERE, f"{THERE}/128") == "2"
    assert client("set", "leech", "banip", HERE) == "0"

    assert sorted(client("get", "leech", "banip").split()) == [HERE, THERE]
    assert sorted(client("get", "leech", "banip", ",").split(",")) == [HERE, THERE]
    assert HERE in client("banned")
    assert client("banned").startswith("[{'leech': ['")
    assert client("banned", HERE, "192.0.2.99") == "[['leech'], []]"
    times = client("get", "leech", "banip", "--with-time").splitlines()
    assert [text.split(" + ")[1].split(" = ")[0] for text in times] == ["600", "600"]


def test_who_is_banned_by_a_jail(client: Client) -> None:
    client("set", "leech", "banip", HERE)

    assert client("get", "leech", "banned") == f"['{HERE}']"
    assert client("get", "leech", "banned", HERE) == "1"
    assert client("get", "leech", "banned", HERE, "192.0.2.99") == "[1, 0]"


def test_how_a_jail_is_set(client: Client) -> None:
    wanted = {
        "findtime": "60",
        "bantime": "600",
        "maxretry": "3",
        "maxlines": "1",
        "usedns": "no",
        "logpath": f"Current monitored log file(s):\n`- {client.asked.log}",
        "journalmatch": "No journal match filter set",
        "failregex": "No regular expression is defined",
        "actions": "The jail leech has the following actions:\nprivet",
        "datepattern": "Current date pattern set to: Default Detectors",
    }
    assert {name: client("get", "leech", name) for name in wanted} == wanted


def test_status_of_all_jails(client: Client) -> None:
    client("set", "leech", "banip", HERE)

    lines = client("status", "--all").splitlines()

    assert lines[:5] == [
        "Status",
        "|- Number of jail:\t1",
        "|- Jail list:\tleech",
        "`- Status for the jail: leech",
        "   |- Filter",
    ]
    assert lines[-1] == f"      `- Banned IP list:\t{HERE}"


def test_version_and_test(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert client("version") == client("--version") == client("-V") == "1.0.2"
    monkeypatch.setenv("PRIVET_CONFIG", str(client.asked.log.with_name("privet.toml")))
    assert client("-t") == "OK: configuration test is successful"
    monkeypatch.setenv("PRIVET_CONFIG", str(tmp_path / "none"))
    assert client.fails("--test") == "ERROR: test configuration failed"


def test_unbans_in_every_form(client: Client) -> None:
    client("set", "leech", "banip", HERE, "192.0.2.8", "192.0.2.9", "192.0.2.10")

    assert client("set", "leech", "unbanip", HERE, "192.0.2.99") == "1"
    assert client.fails("set", "leech", "unbanip", "--report-absent", HERE) == f"not banned: ['{HERE}']"
    assert client("unban", "192.0.2.8", "192.0.2.99") == "1"
    assert client("unban", "--all") == "2"


def test_whom_a_jail_spares_can_be_changed_until_the_next_reload(client: Client) -> None:
    assert client("get", "leech", "ignoreip") == "No IP address/network is ignored"
    assert client("set", "leech", "addignoreip", HERE) == f"These IP addresses/networks are ignored:\n`- {HERE}"
    two = client("set", "leech", "addignoreip", "198.51.100.0/24")
    assert two.splitlines()[1:] == [f"|- {HERE}", "`- 198.51.100.0/24"]
    assert client("set", "leech", "delignoreip", HERE).splitlines()[1:] == ["`- 198.51.100.0/24"]
    assert client.fails("set", "leech", "delignoreip", HERE) == ""

    assert client("reload") == "OK"

    assert client("get", "leech", "ignoreip") == "No IP address/network is ignored"


def test_those_who_are_spared_are_not_banned(client: Client) -> None:
    client("set", "leech", "addignoreip", HERE)
    with client.asked.log.open("a") as log:
        log.writelines(f"{line(address)}\n" for address in (HERE, "192.0.2.66") for _ in range(4))

    until(lambda: client("get", "leech", "banip") == "192.0.2.66")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "nope"), "Sorry but the jail 'nope' does not exist"),
        (("set", "nope", "banip", HERE), "Sorry but the jail 'nope' does not exist"),
        (("reload", "nope"), "Sorry but the jail 'nope' does not exist"),
        (("get", "leech", "what"), "Invalid command"),
        (("set", "leech", "banip"), "Invalid command"),
        (("set", "leech", "unbanip", "--report-absent"), "Invalid command"),
        (("unban",), "Invalid command"),
        (("stop", "leech"), "Invalid command"),
        (("what",), "Invalid command"),
    ],
)
def test_what_cannot_be_done_fails_as_with_fail2ban(client: Client, words: tuple[str, ...], said: str) -> None:
    assert client.fails(*words) == said


def test_options_of_the_other_are_taken_and_have_no_effect(client: Client) -> None:
    assert client("-q", "-s", "/run/fail2ban/fail2ban.sock", "-c", "/etc/fail2ban", "ping") == "Server replied: pong"


def test_without_a_daemon_it_fails_with_255(tmp_path: Path, asked: Asked) -> None:
    asked.runtime = tmp_path

    code, out, err = asked(VERB, "ping")

    assert (code, out) == (255, "")
    assert "does not run" in err


def test_the_program_can_be_called_by_that_name(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRIVET_RUNTIME", str(client.asked.runtime))
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/fail2ban-client", "ping"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert (ended.value.code, capsys.readouterr().out) == (0, "Server replied: pong\n")


def test_a_broken_configuration_is_told(client: Client) -> None:
    path = client.asked.log.with_name("privet.toml")
    good = path.read_text()
    path.write_text(f"{good}\nwrong =")

    try:
        assert "privet.toml:" in client.fails("reload")
    finally:
        path.write_text(good)
    assert client("ping")
