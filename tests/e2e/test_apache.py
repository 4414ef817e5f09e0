"""Debian's Apache with its logs piped through Privet, as docs/apache.md sets it up.

After every test each file that it wrote is searched for every address that was used.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from privet.core.parsing.formats import APACHE
from tests.e2e.lab import CLIENTS, IN_FLIGHT, NOISE, Lab, Page, lost, pipes_ready
from tests.e2e.net import BANNED, SERVER4, SERVER6, Net, all_served, targets, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nsenter", "setpriv", "prlimit")

PAGE = Page("apache.md")
RULES = PAGE.file("/etc/privet/privet.toml")
LOGGING = PAGE.file("/etc/apache2/conf-available/privet.conf")
SOURCE = RULES.partition("# Who asks")[0]
JAIL = '[jail.{name}]\nsource = "web"\nquery = "^{name}$"\nfindtime = "60s"\nmaxretry = 20\nbantime = "{bantime}"\n'

SERVER = """\
ServerName www.example.org
Listen 80
User www-data
Group www-data
DefaultRuntimeDir {root}/tmp
PidFile {root}/tmp/apache2.pid
Mutex file:{root}/tmp default
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule mime_module {modules}/mod_mime.so
TypesConfig /etc/mime.types
DocumentRoot {root}/www
<LocationMatch ^/denied>
    Require all denied
</LocationMatch>
ErrorLog {root}/log/never-used.log
Include {root}/etc/privet.conf
"""
MODULES = "/usr/lib/apache2/modules"
NOTICED = 0.002  # seconds: less tells more of the machine than of the pipe
LARGE = 30_000_000  # bytes: more than all buffers between server and visitor


class Apache(Lab):
    """A site whose logs go through Privet."""

    def __init__(self, net: Net) -> None:
        super().__init__(net, {"/var/log/apache2": "log"})
        self.configure(RULES)
        self.log_as(LOGGING)

    def log_as(self, directives: str) -> None:
        """Write the configuration with the part that the page is about."""
        (self.root / "etc" / "privet.conf").write_text(self.here(directives))
        (self.root / "etc" / "apache2.conf").write_text(SERVER.format(root=self.root, modules=MODULES))

    def start(self) -> None:
        """Start Apache and wait until it serves."""
        config = str(self.root / "etc" / "apache2.conf")
        self.apache = self.spawn("apache2", "-f", config, "-DFOREGROUND", log="stderr.log")
        until((self.root / "tmp" / "apache2.pid").exists, "Apache has written its pid file")
        until(lambda: pipes_ready(self), "Apache has started its pipes")

    def graceful(self) -> None:
        """Reload Apache and wait until it serves again."""
        before = self.log("error.log").count("resuming normal operations")
        self.apache.send_signal(signal.SIGUSR1)
        until(lambda: self.log("error.log").count("resuming normal operations") > before, "Apache has reloaded")

    def stop_apache(self) -> None:
        """Stop Apache, if it runs, and wait for the last line that its pipes write."""
        self.look_for_strays()
        self.apache.terminate()
        self.apache.wait(timeout=15)
        until(lambda: not self.pipes(), "the pipes have ended with their input")


@pytest.fixture
def site(lab_net: Net) -> Iterator[Apache]:
    """Give a site; at the end no file may hold an address, nor may anything be open elsewhere."""
    site = Apache(lab_net)
    try:
        yield site
        site.stop_apache()
        assert site.strays == set()
        assert site.leaks() == []
    finally:
        site.stop()


def test_the_page_has_the_recommended_format() -> None:
    (quoted,) = re.findall(r'^LogFormat "(.*)" privet$', LOGGING, flags=re.MULTILINE)
    assert quoted.replace('\\"', '"') == APACHE["privet"]


def test_leeches_are_cut_off_and_readers_never_notice(site: Apache) -> None:
    """Follow the page: eight readers, a leech on IPv4, and one on IPv6."""
    site.start()
    site.start_daemon()
    leech4, leech6, *readers = site.net.visitors
    bursts = [
        reader.burst(targets(f"r{number}", 20), (SERVER4, SERVER6)[number % 2], pause=0.05)
        for number, reader in enumerate(readers)
    ]
    assert leech4.leech("/", SERVER4) >= 30
    assert leech6.leech("/", SERVER6) >= 30
    assert site.closed() == {leech4.v4, leech6.network}
    assert leech4.ask("/", patience=0.7).status == BANNED
    assert leech6.ask("/", SERVER6, patience=0.7).status == BANNED
    assert leech4.can_come(SERVER6)  # somebody else may live there
    answers = all_served(bursts)
    assert max(answer.seconds for answer in answers) < 2

    bans = site.ask("bans")["items"]
    assert [(ban["jail"], ban["in_force"]) for ban in bans] == [("leech", True)] * 2
    assert {ban["subject"] for ban in site.ask("bans", "--reveal")["items"]} == {leech4.v4, f"{leech6.network}/64"}
    status = site.balanced()
    assert status["warnings"] == []
    assert status["bans"]["in_kernel"] == 2
    (source,) = status["items"]
    assert source["unparsed"] == {}
    assert [(pipe["dropped"], pipe["unwritten"], pipe["mask"]) for pipe in source["pipes"]] == [(0, 0, "pseudonym")]
    for words in PAGE.commands("check", "status", "jails", "bans"):
        assert site.privet(*words[1:])[0] == 0, words

    assert site.privet("unban", *(ban["subject"] for ban in bans))[0] == 0
    assert leech4.can_come(SERVER4)
    assert leech6.can_come(SERVER6)
    assert site.closed() == set()

    until(lambda: not lost(answers, site.ids("access.log"), []), "the log has every request")
    clients = set(CLIENTS.findall(site.log("access.log")))
    assert len(clients) == 11  # the first leech came by both ways
    assert all(client.startswith("100::") for client in clients)


def test_addresses_are_masked_wherever_they_stand(site: Apache) -> None:
    site.configure(SOURCE)
    site.start()
    count = site.probe()
    site.stop_apache()
    assert site.log("access.log").count("?from=") == count
    assert site.log("access.log").count('"-" "-"') == 2 * len(NOISE)
    assert site.log("error.log").count("AH01630") == count
    clients = re.findall(r"\[client \[?([0-9a-f:.]+?)\]?:\d+\]", site.log("error.log"))
    assert len(clients) >= count
    assert all(client.startswith("100::") for client in clients)


def test_the_search_finds_what_a_plain_log_leaks(site: Apache) -> None:
    """Show that the search at the end of every test can fail."""
    site.log_as(LOGGING + f'CustomLog {site.root}/log/plain.log "%h"\n')
    site.start()
    visitor = site.net.visitors[4]
    assert visitor.ask("/").status == visitor.ask("/", SERVER6).status == 200
    plain = site.root / "log" / "plain.log"
    until(lambda: plain.read_text().count("\n") == 2, "Apache has written its log")
    assert {path for path, _ in site.leaks()} == {plain}
    assert (plain, "plain /64") in site.leaks()
    plain.unlink()


def ends(ban: dict[str, Any]) -> float:
    """Return when a ban ends, in seconds since the epoch."""
    return datetime.fromisoformat(ban["until"]).timestamp()


def test_bans_outlive_the_daemon_and_end_at_their_time(site: Apache) -> None:
    """Crash the daemon while somebody is on his way to a ban; the next one adopts, and lifts nothing early."""
    site.configure(SOURCE + JAIL.format(name="brief", bantime="6s") + JAIL.format(name="lasting", bantime="1h"))
    site.start()
    site.start_daemon()
    brief4, brief6, lasting, hasty, reader = site.net.visitors[:5]
    assert lasting.leech("/?lasting", SERVER6) >= 20
    assert brief4.leech("/?brief", SERVER4) >= 20
    assert brief6.leech("/?brief", SERVER6) >= 20
    known = {ban["subject"]: ends(ban) for ban in site.ask("bans", "--reveal")["items"]}

    reading = reader.burst(targets("reader", 60), pause=0.02)
    rushing = hasty.burst(["/?lasting"] * 15)
    site.kill(site.daemon, signal.SIGSEGV)
    all_served([rushing])
    assert site.closed() == {brief4.v4, brief6.network, lasting.network}
    assert lasting.ask("/", SERVER6, patience=0.5).status == BANNED
    site.start_daemon()
    adopted = {ban["subject"]: ends(ban) for ban in site.ask("bans", "--reveal")["items"]}
    assert adopted.keys() == known.keys()
    assert [subject for subject in known if abs(known[subject] - adopted[subject]) > 0.2] == []
    assert site.balanced()["bans"]["in_kernel"] == 3
    assert hasty.leech("/?lasting", SERVER4) >= 5  # what he asked for meanwhile was kept for the new daemon
    all_served([reading])

    until(lambda: brief4.can_come(SERVER4), "the ban has ended")
    assert time.time() > known[brief4.v4] - 0.1
    until(lambda: brief6.can_come(SERVER6), "the ban has ended")
    assert time.time() > known[f"{brief6.network}/64"] - 0.1
    assert site.closed() == {lasting.network, hasty.v4}
    until(lambda: site.balanced()["bans"]["expired"] == 2, "the ledger has noticed")
    bans = site.balanced()["bans"]
    assert (bans["ordered"], bans["in_kernel"]) == (4, 2)


def test_killed_pipes_lose_what_they_held_and_no_more(site: Apache) -> None:
    """Kill the pipe of the access log twice while requests pour in, and that of the error log."""
    site.configure(SOURCE)
    site.start()
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 280), (SERVER4, SERVER6)[number % 2], pause=0.008)
        for number, visitor in enumerate(visitors)
    ]
    gaps = []
    for start in (50, 300):
        until(lambda: len(site.ids("access.log")) > start, "lines are written")  # noqa: B023  called at once
        (pid,) = set(site.pipes()) - set(site.pipes("--lines"))
        os.kill(pid, signal.SIGKILL)
        gaps.append((time.monotonic() - IN_FLIGHT, time.monotonic()))
        until(lambda: pid not in site.pipes() and pipes_ready(site), "Apache has started another")  # noqa: B023
    (errors,) = site.pipes("--lines")
    os.kill(errors, signal.SIGKILL)
    answers = all_served(bursts)
    assert visitors[0].ask("/denied-lost").status == 403
    site.graceful()

    def error_is_logged() -> bool:
        """Ask until no child from before the restart answers: those have lost their error log."""
        assert visitors[1].ask("/denied-logged", SERVER6).status == 403
        return "/denied-logged" in site.log("error.log")

    until(error_is_logged, "Apache has started its error log again")
    site.stop_apache()
    assert lost(answers, site.ids("access.log"), gaps) == []
    assert len(set(CLIENTS.findall(site.log("access.log")))) == len(visitors)  # the key of the day outlived them


def test_while_the_daemon_stands_still_visitors_do_not_notice_and_what_it_misses_is_counted(site: Apache) -> None:
    """Stop the daemon, without ending it, for so many long lines that not all of them can be kept for it."""
    site.configure(SOURCE)
    site.start()
    site.start_daemon()
    visitor, asked = site.net.visitors[0], 0

    def slowest(word: str, count: int) -> float:
        """Return how long all but one in a hundred requests took at most."""
        nonlocal asked
        asked += count
        answers = all_served([visitor.burst(f"{target}{'x' * 7000}" for target in targets(word, count))])
        return sorted(answer.seconds for answer in answers)[-(count // 100) - 1]

    def pipe() -> dict[str, Any]:
        (found,) = site.ask("status")["items"][0]["pipes"]
        return dict(found)

    slowest("warm", 100)
    before = slowest("before", 500)
    site.daemon.send_signal(signal.SIGSTOP)
    stopped = slowest("stopped", 1200)
    until(lambda: len(site.ids("access.log")) == asked, "the log is written while the daemon stands still")
    site.daemon.send_signal(signal.SIGCONT)
    after = slowest("after", 500)
    until(lambda: pipe()["taken"] == asked, "the daemon has heard of all lines")
    until(lambda: site.balanced()["items"][0]["lines"] + pipe()["dropped"] == asked, "it has those that were kept")
    assert 0 < pipe()["dropped"] < 1200
    assert stopped <= 1.5 * max(before, after) + NOTICED, (before, stopped, after)


def test_graceful_restarts_lose_nothing(site: Apache) -> None:
    """Reload Apache three times under load, with a download that outlives them all."""
    site.configure(SOURCE)
    large = site.root / "www" / "large"
    large.write_bytes(bytes(LARGE))
    site.start()
    early = site.net.visitors[5].burst(targets("early", 50))  # before there is a daemon
    site.start_daemon()
    go_on = threading.Event()
    download = site.net.visitors[4].download(SERVER6, "/large?slow-1.", go_on)
    bursts = [
        visitor.burst(targets(f"v{number}", 250), (SERVER4, SERVER6)[number % 2], pause=0.004)
        for number, visitor in enumerate(site.net.visitors[:4])
    ]
    denied = [
        visitor.burst([f"/denied-{number}" for number in range(start, start + 50)], server, pause=0.02)
        for visitor, server, start in zip(site.net.visitors[6:8], (SERVER4, SERVER6), (0, 50), strict=True)
    ]
    for _ in range(3):
        time.sleep(0.2)
        site.graceful()
    answers, refused = all_served([early, *bursts]), all_served(denied, 403)
    assert max(answer.seconds for answer in answers) < 2
    go_on.set()
    assert download.result(timeout=30) == LARGE
    large.unlink()
    requests = len(answers) + len(refused) + 1
    until(lambda: site.balanced()["items"][0]["lines"] == requests, "the daemon has every line")
    assert site.balanced()["warnings"] == []
    assert "did not reach" not in site.log("error.log")
    site.stop_apache()
    assert lost(answers, site.ids("access.log"), []) == []
    assert site.log("access.log").count("\n") == requests
    errors = re.findall(r"AH01630: .*(/denied-\d+)$", site.log("error.log"), flags=re.MULTILINE)
    assert sorted(errors) == sorted(answer.target for answer in refused)


def test_rotation_loses_nothing(site: Apache) -> None:
    """Rotate as Debian's logrotate does, and with copytruncate."""
    site.configure(SOURCE)
    site.start()
    log, old, copy = (site.root / "log" / name for name in ("access.log", "access.log.1", "access.log.2"))
    visitor = site.net.visitors[7]
    first = visitor.burst(targets("first", 150), pause=0.004)
    until(lambda: site.ids("access.log"), "lines are written")
    log.rename(old)
    log.touch(0o640)
    site.graceful()
    answers = all_served([first, visitor.burst(targets("second", 20), SERVER6)])
    until(lambda: not lost(answers, site.ids(old.name, log.name), []), "the log has every request")
    assert site.log("access.log").count("second") == 20
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    answers += all_served([visitor.burst(targets("third", 20))])
    until(lambda: len(site.ids("access.log")) == 20, "the log is written on from its beginning")
    assert lost(answers, site.ids(old.name, copy.name, log.name), []) == []
    assert "\0" not in site.log("access.log")


@pytest.mark.parametrize("mistake", ["[source.web]\npipe = tru\n", None])
def test_a_broken_configuration_masks_with_drop_and_stops_nothing(site: Apache, mistake: str | None) -> None:
    site.start_daemon()
    if mistake is None:
        site.config.unlink()
    else:
        site.config.write_text(mistake)
    site.start()
    leech, reader = site.net.visitors[8:]
    assert leech.leech("/", SERVER6) >= 30  # with the rules that the daemon has
    assert reader.ask("/?reader", headers={"Referer": f"http://{reader.v4}/"}).status == 200
    assert site.closed() == {leech.network}
    until(lambda: "?reader" in site.log("access.log"), "the log is written")
    assert set(CLIENTS.findall(site.log("access.log"))) == {"::", "0.0.0.0"}  # noqa: S104  the mask, no listener
    assert '"http://0.0.0.0/"' in site.log("access.log")
    assert f"privet pipe web: {site.config}" in site.log("error.log")
    code, said = site.privet("status")
    assert code == 1
    assert f"source web: {site.config}" in said
    assert site.privet("check")[0] == site.privet("run")[0] == 78
