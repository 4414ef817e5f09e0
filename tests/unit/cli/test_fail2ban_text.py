"""Tests of cli.fail2ban_text: the words of fail2ban 1.0.2, checked against that itself where its files are."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.cli.fail2ban_text import JailText, ban_with_time, banned, ignored, jail_status, no_such_jail, status
from tests.conftest import FAIL2BAN
from tests.unit.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[..., str]

JAIL = JailText("sshd", 1, 9, ("/var/log/auth.log", "/var/log/b"), None, ("192.0.2.7", "2001:db8::1"), 3)
SYSTEM_PYTHON = "/usr/bin/python3"  # what Debian's package is made for


def test_status() -> None:
    assert status(["sshd", "web"]) == "Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, web"
    assert status([]) == "Status\n|- Number of jail:\t0\n`- Jail list:\t"


def test_status_of_a_jail() -> None:
    assert jail_status(JAIL).splitlines() == [
        "Status for the jail: sshd",
        "|- Filter",
        "|  |- Currently failed:\t1",
        "|  |- Total failed:\t9",
        "|  `- File list:\t/var/log/auth.log /var/log/b",
        "`- Actions",
        "   |- Currently banned:\t2",
        "   |- Total banned:\t3",
        "   `- Banned IP list:\t192.0.2.7 2001:db8::1",
    ]


def test_status_of_a_jail_in_short_and_on_the_journal() -> None:
    on_journal = JailText("sshd", 0, 0, (), ("_SYSTEMD_UNIT=ssh.service", "_COMM=sshd"), (), 0)

    assert jail_status(on_journal, short=True).splitlines()[3:] == [
        "|  |- Total failed:\t0",
        "|  `- Journal matches:\t_SYSTEMD_UNIT=ssh.service + _COMM=sshd",
        "`- Actions",
        "   |- Currently banned:\t0",
        "   `- Total banned:\t0",
    ]


def test_bans_with_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    assert ban_with_time("x", 1_700_000_000.4, 1_700_000_600.4) == "x \t2023-11-14 22:13:20 + 600 = 2023-11-14 22:23:20"
    assert ban_with_time("x", 1_700_000_000.0, None) == "x \t2023-11-14 22:13:20 + -1 = 9999-12-31 23:59:59"


def test_lists() -> None:
    assert banned({"a": ["x", "y"], "b": []}) == "[{'a': ['x', 'y']}, {'b': []}]"
    assert ignored([]) == "No IP address/network is ignored"
    assert ignored(["x", "y"]) == "These IP addresses/networks are ignored:\n|- x\n`- y"


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Run fail2ban's own server, which reads and bans nothing, and ask it as users do."""
    place = Path(tempfile.mkdtemp(prefix="privet-test-", dir="/dev/shm"))
    (place / "auth.log").touch()
    (place / "etc").mkdir()
    for name in ("jail.conf", "fail2ban.conf", "paths-debian.conf", "paths-common.conf", "filter.d", "action.d"):
        (place / "etc" / name).symlink_to(FAIL2BAN / "etc/fail2ban" / name)
    settings = f"enabled = true\nfilter = sshd\nbackend = polling\naction =\nlogpath = {place}/auth.log"
    (place / "etc/jail.local").write_text("".join(f"[{name}]\n{settings}\n" for name in ("sshd", "web")))
    (place / "etc/fail2ban.local").write_text(f"[Definition]\ndbfile = None\nlogtarget = {place}/fail2ban.log\n")
    options = ["-c", f"{place}/etc", "-s", f"{place}/socket", "-p", f"{place}/pid"]
    programs, library = FAIL2BAN / "usr/bin", FAIL2BAN / "usr/lib/python3/dist-packages"
    environment = os.environ | {"PYTHONPATH": str(library)}

    def asked(*words: str) -> str:
        command: list[str | Path] = [SYSTEM_PYTHON, programs / "fail2ban-client", *options, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    server = subprocess.Popen(
        [SYSTEM_PYTHON, programs / "fail2ban-server", *options, "-x", "-f"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: "web" in asked("status"))
        yield asked
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(place)


@pytest.mark.needs("fail2ban", SYSTEM_PYTHON)
def test_fail2ban_says_it_in_the_same_words(ask: Ask) -> None:
    assert ask("ping") == "Server replied: pong\n"
    assert ask("status") == status(["sshd", "web"]) + "\n"
    assert ask("status", "nope") == no_such_jail("nope") + "\n"
    (log,) = {word for word in ask("status", "sshd").split() if word.endswith(".log")}
    assert ask("set", "sshd", "banip", "192.0.2.7") == "1\n"
    until(lambda: "192.0.2.7" in ask("status", "sshd"))
    jail = JailText("sshd", 0, 0, (log,), None, ("192.0.2.7",), 1)
    assert ask("status", "sshd") == jail_status(jail) + "\n"
    assert ask("status", "sshd", "short") == jail_status(jail, short=True) + "\n"
    assert ask("banned") == banned({"sshd": ["192.0.2.7"], "web": []}) + "\n"
    assert ask("banned", "192.0.2.7", "192.0.2.8") == "[['sshd'], []]\n"
    assert ask("get", "sshd", "banip", ",") == "192.0.2.7\n"
    line = ask("get", "sshd", "banip", "--with-time")
    since = time.mktime(time.strptime(" ".join(line.split()[1:3]), "%Y-%m-%d %H:%M:%S"))
    assert line == ban_with_time("192.0.2.7", since, since + 600) + "\n"
    assert ask("get", "sshd", "ignoreip") == ignored([]) + "\n"
    assert ask("set", "sshd", "addignoreip", "192.0.2.50") == ignored(["192.0.2.50"]) + "\n"
    assert ask("set", "sshd", "unbanip", "192.0.2.9") == "0\n"
    assert ask("set", "sshd", "unbanip", "--report-absent", "192.0.2.9") == "not banned: ['192.0.2.9']\n"
    assert ask("unban", "192.0.2.7", "192.0.2.9") == "1\n"
    assert ask("reload") == "OK\n"
    assert ask("what") == "Invalid command\n"
    assert ask("stop") == "Shutdown successful\n"
