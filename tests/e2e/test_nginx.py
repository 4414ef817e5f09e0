"""Debian's nginx with its logs sent to Privet, as docs/nginx.md sets it up.

After every test each file that it wrote is searched for every address that was used.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from privet.core.formats import APACHE, parse_format
from tests.e2e.lab import (
    BANNED,
    CLIENTS,
    NOISE,
    ROOT,
    SERVER4,
    SERVER6,
    Lab,
    Net,
    Page,
    all_served,
    network,
    targets,
    until,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("root", "netns", "nft", "nginx", "nsenter", "setpriv")

PAGE = Page("nginx.md")
RULES = PAGE.file("/etc/privet/privet.toml")
SOURCE = RULES.partition("# Who asks")[0]
ACCESS = PAGE.file("/etc/nginx/conf.d/privet.conf")
FIFO = PAGE.file("/etc/nginx/conf.d/privet.conf with a FIFO")
ERRORS = PAGE.file("/etc/nginx/nginx.conf")
PATHS = {"/var/log/privet": "log"}

SERVER = """\
user www-data;
worker_processes 2;
daemon off;
pid {root}/tmp/nginx.pid;
{errors}
events {{
}}
http {{
    client_body_temp_path {root}/tmp/body;
    proxy_temp_path {root}/tmp/proxy;
    fastcgi_temp_path {root}/tmp/fastcgi;
    uwsgi_temp_path {root}/tmp/uwsgi;
    scgi_temp_path {root}/tmp/scgi;
    {access}
    server {{
        listen 80;
        listen [::]:80;
        server_name www.example.org;
        root {root}/www;
        location /denied {{
            deny all;
        }}
    }}
}}
"""


class Nginx(Lab):
    """A site whose logs go through Privet."""

    def __init__(self, net: Net) -> None:
        super().__init__(net, PATHS)
        self.configure(RULES)
        self.log_as(ACCESS, ERRORS)
        net.sysctl(*re.findall(r"^(net\S+) = (\d+)$", (ROOT / "packaging/privet.sysctl").read_text(), re.MULTILINE)[0])

    def log_as(self, access: str, errors: str) -> None:
        """Write the configuration with the parts that the page is about."""
        text = SERVER.format(root=self.root, access=self.here(access), errors=self.here(errors))
        (self.root / "etc" / "nginx.conf").write_text(text)

    def start(self) -> None:
        """Start the pipes as systemd does, then nginx, and wait until it serves."""
        self.access, self.errors = self.start_access(), self.start_errors()
        self.start_nginx()

    def start_access(self) -> subprocess.Popen[bytes]:
        """Start the unit for the access log."""
        return self.start_unit("privet-pipe@.service", "web")

    def start_errors(self) -> subprocess.Popen[bytes]:
        """Start the unit for the error log."""
        return self.start_unit("privet-errors@.service", "web")

    def start_nginx(self) -> None:
        """Start nginx alone."""
        config, prefix = str(self.root / "etc" / "nginx.conf"), str(self.root / "tmp")
        self.nginx = self.spawn("nginx", "-p", prefix, "-c", config, log="stderr.log")
        until(lambda: len(self.workers()) == 2, "nginx has started its workers")

    def workers(self) -> set[str]:
        """Return the processes that serve."""
        return set((self.children(self.nginx.pid)).split())

    def reload(self) -> None:
        """Reload nginx and wait for new workers."""
        before = self.workers()
        self.nginx.send_signal(signal.SIGHUP)
        until(lambda: len(self.workers() - before) == 2, "nginx has reloaded")

    def stop_nginx(self) -> None:
        """Stop nginx, then the pipes, which first write what they have."""
        self.look_for_strays()
        for process in (self.nginx, self.access, self.errors):
            process.send_signal(signal.SIGQUIT if process is self.nginx else signal.SIGTERM)
            process.wait(timeout=10)


@pytest.fixture
def site(lab_net: Net) -> Iterator[Nginx]:
    """Give a site; at the end no file may hold an address, nor may anything be open elsewhere."""
    site = Nginx(lab_net)
    try:
        yield site
        site.stop_nginx()
        assert site.strays == set()
        assert site.leaks() == []
    finally:
        site.stop()


def test_the_page_has_the_recommended_format() -> None:
    pieces = re.findall(r"'(.*)'", ACCESS)
    assert parse_format("".join(pieces)).fields == parse_format(APACHE["privet"]).fields


def test_leeches_are_cut_off_and_readers_never_notice(site: Nginx) -> None:
    """Follow the page: eight readers, a leech on IPv4, and one on IPv6."""
    site.start()
    site.start_daemon()
    leech4, leech6, *readers = site.net.visitors
    bursts = [
        reader.burst(targets(f"reader{number}", 20), (SERVER4, SERVER6)[number % 2], pause=0.05)
        for number, reader in enumerate(readers)
    ]
    assert leech4.leech("/", SERVER4) >= 30
    assert leech6.leech("/", SERVER6) >= 30
    assert site.closed() == {leech4.v4, network(leech6.v6)}
    assert leech4.can_come(SERVER6)  # somebody else may live there
    assert leech6.ask("/", SERVER6, patience=0.7).status == BANNED
    assert max(answer.seconds for answer in all_served(bursts)) < 2
    status = site.balanced()
    assert status["warnings"] == []
    (source,) = status["items"]
    assert source["unparsed"] == {}
    assert [(pipe["dropped"], pipe["unwritten"], pipe["mask"]) for pipe in source["pipes"]] == [(0, 0, "pseudonym")]
    for words in PAGE.commands("privet"):
        if words.split()[1] in ("check", "status", "jails", "bans"):
            assert site.privet(*words.split()[1:])[0] == 0, words
    until(lambda: len(site.logged(r"\?reader\d-\d+\.", "web.log")) == 160, "the log is written")
    clients = set(CLIENTS.findall(site.log("web.log")))
    assert len(clients) == 11  # the first leech came by both ways
    assert all(client.startswith("100::") for client in clients)


def probe(site: Nginx) -> None:
    """Put addresses where visitors can, and send what is no request."""
    writer, other = site.net.visitors[2:4]
    escaped = other.v4.replace(".", "%2E"), other.v6.replace(":", "%3a")
    for server in (SERVER4, SERVER6):
        for place in (other.v4, other.v6, f"[{other.v6}]:8080", f"::ffff:{other.v4}", *escaped):
            headers = {"X-Forwarded-For": place, "Referer": f"http://{place}/", "User-Agent": f"Probe ({place})"}
            assert writer.ask(f"/?from={place}", server, headers=headers).status == 200
            assert writer.ask(f"/denied/{place}", server, headers=headers).status == 403
        for noise in NOISE:
            writer.shout(server, noise)


def test_addresses_are_masked_wherever_they_stand(site: Nginx) -> None:
    site.configure(SOURCE)
    site.start()
    probe(site)
    until(lambda: site.log("web-error.log").count("forbidden by rule") == 12, "the error log is written")
    site.stop_nginx()
    assert site.log("web.log").count("from=") == 12
    assert site.log("web.log").count('"-" "-"') == 2 * len(NOISE)
    clients = re.findall(r", client: ([^,]+),", site.log("web-error.log"))
    assert len(clients) >= 12
    assert all(client.startswith("100::") for client in clients)
    assert site.log("stderr.log") == ""
    site.start()


def test_without_the_first_line_nginx_leaks_beside(site: Nginx) -> None:
    """Show the trap that the page warns of, and that the search would find it."""
    first, rest = ERRORS.removeprefix("# /etc/nginx/nginx.conf\n").split("\n", 1)
    assert first == "error_log /dev/null emerg;"
    site.log_as(ACCESS, rest)
    site.start()
    assert site.net.visitors[0].ask("/denied").status == 403
    until(site.leaks, "nginx has written an address")
    aside = site.root / "log" / "stderr.log"
    assert (aside, "plain") in site.leaks()
    os.truncate(aside, 0)


def test_killed_pipes_lose_lines_and_leak_none(site: Nginx) -> None:
    """Kill both pipes under load, and start them again after a while, as systemd does."""
    site.configure(SOURCE)
    site.start()
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 200), (SERVER4, SERVER6)[number % 2], pause=0.005)
        for number, visitor in enumerate(visitors)
    ]
    denied = site.net.visitors[4].burst([f"/denied-{number}." for number in range(50)], pause=0.02)
    until(lambda: site.log("web.log").count("\n") > 100, "lines are written")
    for process in (site.access, site.errors):
        process.kill()
        process.wait(timeout=10)
    gone = time.monotonic()
    time.sleep(0.2)
    site.access, site.errors = site.start_access(), site.start_errors()
    missed = time.monotonic() - gone
    answers = all_served(bursts)
    assert Counter(answer.status for answer in denied.result(timeout=30)) == {403: 50}
    last = site.net.visitors[0].ask("/?last")
    assert last.status == 200
    until(lambda: "?last" in site.log("web.log"), "the new pipe writes")
    logged = site.logged(r"\?v\d-\d+\.", "web.log")
    assert max(logged.values()) == 1
    assert len(set(CLIENTS.findall(site.log("web.log")))) == len(visitors)
    assert missed


def test_reloads_and_rotation_lose_nothing(site: Nginx) -> None:
    """Reload nginx three times, and rename the log as logrotate does, under load; then copytruncate."""
    site.configure(SOURCE)
    site.start()
    site.start_daemon()
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 250), (SERVER4, SERVER6)[number % 2], pause=0.005)
        for number, visitor in enumerate(visitors)
    ]
    log, old, copy = (site.root / "log" / name for name in ("web.log", "web.log.1", "web.log.2"))
    for number in range(3):
        time.sleep(0.2)
        site.reload()
        if number == 1:
            log.rename(old)
            log.touch(0o640)
            shutil.chown(log, site.user, "adm")
    answers = all_served(bursts)
    until(lambda: len(site.logged(r"\?v\d-\d+\.", "web.log.1", "web.log")) == len(answers), "all lines are written")
    until(lambda: os.path.samefile(f"/proc/{site.access.pid}/fd/{site.log_descriptor()}", log), "the pipe has followed")
    answers += all_served([visitors[0].burst(targets("then", 20), SERVER6)])
    until(lambda: site.log("web.log").count("then") == 20, "the new log is written")
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    answers += all_served([visitors[0].burst(targets("last", 20))])
    until(lambda: site.log("web.log").count("\n") == 20, "the log is written on from its beginning")
    assert site.logged(r"\?\w+-\d+\.", *(path.name for path in (old, copy, log))) == {
        answer.target[1:]: 1 for answer in answers
    }
    assert "\0" not in site.log("web.log")
    status = site.balanced()
    assert status["items"][0]["lines"] == len(answers)
    assert status["warnings"] == []


def test_a_fifo_loses_nothing(site: Nginx) -> None:
    """Use a FIFO in place of the socket; nginx is reloaded meanwhile, and the daemon crashes."""
    log_format = ACCESS[: ACCESS.index("access_log")]
    site.configure(SOURCE)
    site.log_as(log_format + FIFO, ERRORS)
    (command,) = (words for words in PAGE.commands("privet") if "--fifo" in words)
    site.errors = site.start_errors()
    site.access = site.spawn(*site.here(command.replace("privet", "/usr/local/bin/privet", 1)).split(), log="pipe.log")
    until((site.runtime / "web.fifo").exists, "the pipe has made its FIFO")
    site.start_nginx()
    site.start_daemon()
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 150), (SERVER4, SERVER6)[number % 2], pause=0.005)
        for number, visitor in enumerate(visitors)
    ]
    site.reload()
    site.kill_daemon(signal.SIGKILL)
    answers = all_served(bursts)
    assert max(answer.seconds for answer in answers) < 2
    until(lambda: len(site.logged(r"\?v\d-\d+\.", "web.log")) == len(answers), "all lines are written")
    assert site.logged(r"\?v\d-\d+\.", "web.log").total() == len(answers)
