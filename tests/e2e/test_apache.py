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
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from privet.core.formats import APACHE
from tests.e2e.lab import BANNED, SERVER4, SERVER6, Lab, Net, Page, all_served, run, targets, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nsenter")

PAGE = Page("apache.md")
RULES = PAGE.file("/etc/privet/privet.toml")
LOGGING = PAGE.file("/etc/apache2/conf-available/privet.conf")
SOURCE = RULES.partition("# Who asks")[0]
PATHS = {"/var/log/apache2": "log"}

MODULES = Path("/usr/lib/apache2/modules")
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
LARGE = 30_000_000  # bytes: more than all buffers between server and visitor
NOISE = (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", b"QUIT\r\n\r\n", b"GET /" + b"a" * 9000 + b"\r\n\r\n")
ADDRESS_IN_LOG = re.compile(r"^(\S+) - ", re.MULTILINE)
JAIL = '[jail.{name}]\nsource = "web"\nquery = "^{name}$"\nfindtime = "60s"\nmaxretry = 20\nbantime = "{bantime}"\n'
IN_FLIGHT = 100
"""Lines that a pipe may hold: what comes in within 15 ms, and while it writes those."""


class Apache(Lab):
    """A site whose logs go through Privet."""

    def __init__(self, net: Net) -> None:
        super().__init__(net, PATHS)
        self.configure(RULES)
        self.log_as(LOGGING)

    def log_as(self, directives: str) -> None:
        """Write the part of the configuration that the page is about."""
        (self.root / "etc" / "privet.conf").write_text(self.here(directives))
        (self.root / "etc" / "apache2.conf").write_text(SERVER.format(root=self.root, modules=MODULES))

    def start(self) -> None:
        """Start Apache and wait until it serves."""
        config = str(self.root / "etc" / "apache2.conf")
        self.apache = self.spawn("apache2", "-f", config, "-DFOREGROUND", log="stderr.log")
        until(lambda: (self.root / "tmp" / "apache2.pid").exists(), "Apache has written its pid file")
        until(self.pipes_ready, "Apache has started its pipes")

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


def network(v6: str) -> str:
    """Return how nft prints the set element for somebody's /64."""
    return v6.removesuffix("5")


def ends(ban: dict[str, Any]) -> float:
    """Return when a ban ends, in seconds since the epoch."""
    return datetime.fromisoformat(ban["until"]).timestamp()


def test_the_page_has_the_recommended_format() -> None:
    (quoted,) = re.findall(r'^LogFormat "(.*)" privet$', LOGGING, flags=re.MULTILINE)
    assert quoted.replace('\\"', '"') == APACHE["privet"]


def test_leeches_are_cut_off_and_readers_never_notice(site: Apache) -> None:
    """Follow the page: eight readers, a leech on IPv4, one on IPv6, and who puts addresses everywhere."""
    site.start()
    site.start_daemon()
    leech4, leech6, *readers = site.net.visitors
    bursts = [
        reader.burst(targets(f"reader{number}", 20), (SERVER4, SERVER6)[number % 2], pause=0.1)
        for number, reader in enumerate(readers)
    ]
    assert leech4.leech("/", SERVER4) >= 30
    assert leech6.leech("/", SERVER6) >= 30
    assert site.closed() == {leech4.v4, network(leech6.v6)}
    assert leech4.ask("/", patience=0.7).status == BANNED
    assert leech6.ask("/", SERVER6, patience=0.7).status == BANNED
    assert leech4.can_come(SERVER6)  # somebody else may live there
    assert max(answer.seconds for answer in all_served(bursts)) < 2

    bans = site.ask("bans")["items"]
    assert [(ban["jail"], ban["in_kernel"]) for ban in bans] == [("leech", True)] * 2
    assert {ban["subject"] for ban in site.ask("bans", "--reveal")["items"]} == {leech4.v4, network(leech6.v6) + "/64"}
    status = site.balanced()
    assert status["warnings"] == []
    assert status["bans"]["in_kernel"] == 2
    (source,) = status["items"]
    assert source["unparsed"] == {}
    assert [(pipe["dropped"], pipe["unwritten"], pipe["mask"]) for pipe in source["pipes"]] == [(0, 0, "pseudonym")]
    for words in PAGE.commands("privet"):
        if "remove" not in words:
            assert site.privet(*words.split()[1:])[0] == 0, words

    assert "unbanned" in site.privet("unban", *(ban["subject"] for ban in bans))[1]
    assert leech4.can_come(SERVER4)
    assert leech6.can_come(SERVER6)
    assert site.closed() == set()

    until(lambda: len(site.logged(r"\?reader\d-\d+\.")) == 160, "the log is written")
    assert site.logged(r"\?reader\d-\d+\.").total() == 160
    clients = set(ADDRESS_IN_LOG.findall(site.log()))
    assert len(clients) == 11  # the first leech came by both ways
    assert all(client.startswith("100::") for client in clients)


def test_addresses_are_masked_wherever_they_stand(site: Apache) -> None:
    """Put addresses where visitors can, and send what is no request."""
    site.configure(SOURCE)
    site.start()
    site.start_daemon()
    writer, other = site.net.visitors[2:4]
    escaped = other.v4.replace(".", "%2E"), other.v6.replace(":", "%3a")
    for server in (SERVER4, SERVER6):
        for place in (other.v4, other.v6, f"[{other.v6}]:8080", f"::ffff:{other.v4}", *escaped):
            headers = {"X-Forwarded-For": place, "Referer": f"http://{place}/", "User-Agent": f"Probe ({place})"}
            assert writer.ask(f"/?from={place}", server, headers=headers).status == 200
            assert writer.ask(f"/denied/{place}", server, headers=headers).status == 403
        for noise in NOISE:
            writer.shout(server, noise)
    until(lambda: site.log("error.log").count("AH01630") == 12, "the error log is written")
    site.stop_apache()
    assert site.log().count("from=") == 12
    assert site.log().count('"-" "-"') == 2 * len(NOISE)
    clients = re.findall(r"\[client \[?([0-9a-f:.]+?)\]?:\d+\]", site.log("error.log"))
    assert len(clients) >= 12
    assert all(client.startswith("100::") for client in clients)


def test_the_search_finds_what_a_plain_log_leaks(site: Apache) -> None:
    """Show that the search at the end of every test can fail."""
    site.log_as(LOGGING + f'CustomLog {site.root}/log/plain.log "%h"\n')
    site.start()
    visitor = site.net.visitors[4]
    assert visitor.ask("/").status == visitor.ask("/", SERVER6).status == 200
    plain = site.root / "log" / "plain.log"
    until(lambda: plain.read_text().count("\n") == 2, "Apache has written its log")
    assert {(path, name) for path, name in site.leaks() if name == "plain"} == {(plain, "plain")}
    plain.unlink()


def test_bans_outlive_the_daemon_and_end_at_their_time(site: Apache) -> None:
    """Crash the daemon while somebody is on his way to a ban; the next one adopts, and lifts nothing early."""
    site.configure(SOURCE + JAIL.format(name="brief", bantime="5s") + JAIL.format(name="lasting", bantime="1h"))
    site.start()
    site.start_daemon()
    brief4, brief6, lasting, hasty, reader = site.net.visitors[:5]
    assert brief4.leech("/?brief", SERVER4) >= 20
    assert brief6.leech("/?brief", SERVER6) >= 20
    assert lasting.leech("/?lasting", SERVER6) >= 20
    known = {ban["subject"]: ends(ban) for ban in site.ask("bans", "--reveal")["items"]}
    site.balanced()

    reading = reader.burst(targets("reader", 60), pause=0.02)
    rushing = hasty.burst(["/?lasting"] * 15)
    site.kill_daemon(signal.SIGSEGV)
    all_served([rushing])
    assert site.closed() == {brief4.v4, network(brief6.v6), network(lasting.v6)}
    assert lasting.ask("/", SERVER6, patience=0.5).status == BANNED
    site.start_daemon()
    adopted = {ban["subject"]: ends(ban) for ban in site.ask("bans", "--reveal")["items"]}
    assert adopted.keys() == known.keys()
    assert [subject for subject in known if abs(known[subject] - adopted[subject]) > 0.2] == []
    assert site.balanced()["bans"]["in_kernel"] == 3
    assert hasty.leech("/?lasting", SERVER4) >= 5  # what he asked meanwhile was kept for the new daemon
    all_served([reading])

    for visitor, server, name in ((brief4, SERVER4, brief4.v4), (brief6, SERVER6, network(brief6.v6) + "/64")):
        until(lambda: visitor.can_come(server), "the ban has ended")  # noqa: B023  called at once
        assert time.time() > known[name] - 0.1
    assert site.closed() == {network(lasting.v6), hasty.v4}
    bans = until(lambda: (found := site.balanced()["bans"])["expired"] == 2 and found, "the ledger has noticed")
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
    for _ in range(2):
        (pid,) = [pid for pid in site.pipes() if pid not in site.pipes("--lines")]
        size = until(lambda: site.log().count("\n"), "lines are written")
        until(lambda: site.log().count("\n") > size + 20, "lines are written by this pipe")  # noqa: B023  at once
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in (now := site.pipes()) and len(now) == 2, "Apache has started another")  # noqa: B023
    (errors,) = site.pipes("--lines")
    os.kill(errors, signal.SIGKILL)
    answers = all_served(bursts)
    assert visitors[0].ask("/denied").status == 403
    site.graceful()
    assert visitors[1].ask("/denied-again", SERVER6).status == 403
    until(lambda: "/denied-again" in site.log("error.log"), "Apache has started its error log again")
    site.stop_apache()
    logged = site.logged(r"\?v\d-\d+\.")
    assert max(logged.values()) == 1
    assert len(answers) - 2 * IN_FLIGHT <= len(logged)
    assert len(set(ADDRESS_IN_LOG.findall(site.log()))) == len(visitors)  # the key of the day outlived them


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
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 250), (SERVER4, SERVER6)[number % 2], pause=0.004)
        for number, visitor in enumerate(visitors)
    ]
    denied = site.net.visitors[6].burst([f"/denied-{number}." for number in range(100)], pause=0.01)
    for _ in range(3):
        time.sleep(0.2)
        site.graceful()
    answers = all_served([early, *bursts])
    assert max(answer.seconds for answer in answers) < 2
    assert Counter(answer.status for answer in denied.result(timeout=30)) == {403: 100}
    go_on.set()
    assert download.result(timeout=30) == LARGE
    large.unlink()
    wanted = len(answers) + 100 + 1
    status = until(lambda: (now := site.balanced())["items"][0]["lines"] >= wanted and now, "the daemon has all lines")
    assert status["items"][0]["lines"] == wanted
    assert status["warnings"] == []
    assert "did not reach" not in site.log("error.log")
    site.stop_apache()
    assert site.logged(r"\?(?:early|v\d|slow)-\d+\.") == dict.fromkeys(
        [*(answer.target[1:] for answer in answers), "?slow-1."], 1
    )
    assert site.logged(r"AH01630: .*(/denied-\d+\.)", "error.log") == {f"/denied-{n}.": 1 for n in range(100)}


def test_rotation_loses_nothing(site: Apache) -> None:
    """Rotate as Debian's logrotate does, and with copytruncate."""
    site.configure(SOURCE)
    site.start()
    log, old, copy = (site.root / "log" / name for name in ("access.log", "access.log.1", "access.log.2"))
    visitor = site.net.visitors[7]
    first = visitor.burst(targets("first", 150), pause=0.004)
    until(site.log, "lines are written")
    log.rename(old)
    log.touch(0o640)
    site.graceful()
    answers = all_served([first])
    answers += all_served([visitor.burst(targets("second", 20), SERVER6)])
    until(lambda: site.log().count("second") == 20, "the new log is written")
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    answers += all_served([visitor.burst(targets("third", 20))])
    until(lambda: site.log().count("\n") == 20, "the log is written on from its beginning")
    assert site.logged(r"\?\w+-\d+\.", old.name, copy.name, log.name) == {answer.target[1:]: 1 for answer in answers}
    assert site.log(old.name)
    assert "\0" not in site.log()


@pytest.mark.parametrize("mistake", ['[source.web]\npipe = tru\n', None])
def test_a_broken_configuration_masks_with_drop_and_stops_nothing(site: Apache, mistake: str | None) -> None:
    site.start_daemon()
    if mistake is None:
        site.config.unlink()
    else:
        site.config.write_text(mistake)
    site.start()
    leech, reader = site.net.visitors[8:]
    assert leech.leech("/", SERVER6) >= 30
    assert reader.ask("/?reader", headers={"Referer": f"http://{reader.v4}/"}).status == 200
    assert site.closed() == {network(leech.v6)}
    until(lambda: "?reader" in site.log(), "the log is written")
    assert set(ADDRESS_IN_LOG.findall(site.log())) == {"::", "0.0.0.0"}  # noqa: S104  the mask, no listener
    assert '"http://0.0.0.0/"' in site.log()
    assert f"privet pipe web: {site.config}" in site.log("error.log")
    code, said = site.privet("status")
    assert code == 1
    assert f"source web: {site.config}" in said
    assert site.privet("check")[0] == 78
    assert site.privet("run")[0] == 78
