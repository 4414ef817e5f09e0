"""Debian's nginx with its logs sent to Privet, as docs/nginx.md sets it up.

After every test each file that it wrote is searched for every address that was used.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.core.parsing.formats import APACHE, parse_format
from tests.e2e.lab import CLIENTS, IN_FLIGHT, NOISE, ROOT, Lab, Page, lost
from tests.e2e.net import BANNED, SERVER4, SERVER6, Net, all_served, targets, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("root", "netns", "nft", "nginx", "nsenter", "setpriv", "prlimit")

PAGE = Page("nginx.md")
RULES = PAGE.file("/etc/privet/privet.toml")
ACCESS = PAGE.file("/etc/nginx/conf.d/privet.conf")
FIFO = PAGE.file("/etc/nginx/conf.d/privet.conf with a FIFO")
ERRORS = PAGE.file("/etc/nginx/nginx.conf")
SOURCE = RULES.partition("# Who asks")[0]

SERVER = """\
user www-data;
worker_processes {workers};
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
        location / {{
            try_files $uri /index.html;
        }}
    }}
}}
"""
WORKERS = 2


class Nginx(Lab):
    """A site whose logs go through Privet."""

    def __init__(self, net: Net) -> None:
        super().__init__(net, {"/var/log/privet": "log"})
        self.configure(RULES)
        self.log_as(ACCESS, ERRORS)
        settings = (ROOT / "packaging" / "privet.sysctl").read_text()
        for name, value in re.findall(r"^(\S+) = (\d+)$", settings, flags=re.MULTILINE):
            net.sysctl(name, value)

    def log_as(self, access: str, errors: str) -> None:
        """Write the configuration with the parts that the page is about."""
        text = SERVER.format(root=self.root, workers=WORKERS, access=self.here(access), errors=self.here(errors))
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
        """Start nginx and wait until it serves."""
        config, prefix = str(self.root / "etc" / "nginx.conf"), str(self.root / "tmp")
        self.nginx = self.spawn("nginx", "-p", prefix, "-c", config, log="stderr.log")
        until(lambda: len(self.workers()) == WORKERS, "nginx has started its workers")

    def workers(self) -> set[str]:
        """Return the processes that serve."""
        return set(Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split())

    def reload(self) -> None:
        """Reload nginx and wait for new workers."""
        before = self.workers()
        self.nginx.send_signal(signal.SIGHUP)
        until(lambda: len(self.workers() - before) == WORKERS, "nginx has reloaded")

    def stop_nginx(self) -> None:
        """Stop nginx, if it runs, then the pipes, which first write what they have."""
        self.look_for_strays()
        self.nginx.terminate()
        self.nginx.wait(timeout=10)
        for process in (self.access, self.errors):
            process.terminate()
        assert [process.wait(timeout=10) for process in (self.nginx, self.access, self.errors)] == [0, 0, 0]


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


def test_the_page_has_the_fields_of_the_recommended_format() -> None:
    pieces = re.findall(r"'(.*)'", ACCESS)
    apache = parse_format(APACHE["privet"]).fields
    assert parse_format("".join(pieces)).fields == apache - {"duration_us"} | {"duration"}  # each in its own unit


def test_leeches_are_cut_off_and_readers_never_notice(site: Nginx) -> None:
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
    assert leech4.can_come(SERVER6)  # somebody else may live there
    assert leech6.ask("/", SERVER6, patience=0.7).status == BANNED
    answers = all_served(bursts)
    assert max(answer.seconds for answer in answers) < 2

    status = site.balanced()
    assert status["warnings"] == []
    assert status["bans"]["in_kernel"] == 2
    (source,) = status["items"]
    assert source["unparsed"] == {}
    assert [(pipe["dropped"], pipe["unwritten"], pipe["mask"]) for pipe in source["pipes"]] == [(0, 0, "pseudonym")]
    for words in PAGE.commands("check", "status", "jails", "bans"):
        assert site.privet(*words[1:])[0] == 0, words

    until(lambda: not lost(answers, site.ids("web.log"), []), "the log has every request")
    clients = set(CLIENTS.findall(site.log("web.log")))
    assert len(clients) == 11  # the first leech came by both ways
    assert all(client.startswith("100::") for client in clients)


def test_addresses_are_masked_wherever_they_stand(site: Nginx) -> None:
    site.configure(SOURCE)
    site.start()
    count = site.probe()
    site.stop_nginx()
    assert site.log("web.log").count("?from=") == count
    assert site.log("web.log").count('"-" "-"') == 2 * len(NOISE)
    assert site.log("web-error.log").count("forbidden by rule") == count
    clients = re.findall(r", client: ([^,]+),", site.log("web-error.log"))
    assert len(clients) >= count
    assert all(client.startswith("100::") for client in clients)
    assert site.log("stderr.log") == ""


def test_without_the_first_line_nginx_writes_addresses_elsewhere(site: Nginx) -> None:
    """Show the trap that the page warns of, and that the search at the end of every test can fail."""
    _, first, second = ERRORS.splitlines()
    assert first == "error_log /dev/null emerg;"
    site.log_as(ACCESS, second)
    site.start()
    assert site.net.visitors[0].ask("/denied").status == 403
    aside = site.root / "log" / "stderr.log"
    until(lambda: (aside, "plain") in site.leaks(), "nginx has written an address")
    os.truncate(aside, 0)


def test_with_a_dead_socket_errors_are_written_nowhere_else(site: Nginx) -> None:
    site.configure(SOURCE)
    site.start()
    site.kill(site.errors)
    for target in targets("dead", 10):
        assert site.net.visitors[0].ask(f"/denied{target}").status == 403
    assert site.leaks() == []
    assert "client" not in site.log("stderr.log")
    site.errors = site.start_errors()
    site.net.visitors[0].ask("/denied?alive-1.")
    until(lambda: "?alive-1." in site.log("web-error.log"), "errors are taken again")


def test_killed_pipes_lose_what_came_meanwhile_and_leak_nothing(site: Nginx) -> None:
    """Kill both pipes under load, and start them again after a moment, as systemd does."""
    site.configure(SOURCE)
    site.start()
    visitors = site.net.visitors[:4]
    bursts = [
        visitor.burst(targets(f"v{number}", 200), (SERVER4, SERVER6)[number % 2], pause=0.005)
        for number, visitor in enumerate(visitors)
    ]
    denied = site.net.visitors[4].burst([f"/denied/{number}" for number in range(50)], pause=0.02)
    until(lambda: len(site.ids("web.log")) > 100, "lines are written")
    begin = time.monotonic() - IN_FLIGHT
    site.kill(site.access)
    site.kill(site.errors)
    time.sleep(0.2)
    site.access, site.errors = site.start_access(), site.start_errors()
    end = time.monotonic()
    answers = [*all_served(bursts), *all_served([visitors[0].burst(["/?last."])])]
    all_served([denied], 403)
    until(lambda: "last." in site.log("web.log"), "the new pipe writes")
    assert lost(answers, site.ids("web.log"), [(begin, end)]) == []
    assert lost(answers, site.ids("web.log"), []) != []


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
    until(lambda: site.has_open(site.access.pid, log), "the pipe has followed")
    answers += all_served([visitors[0].burst(targets("then", 20), SERVER6)])
    until(lambda: not lost(answers, site.ids(old.name, log.name), []), "the log has every request")
    assert site.log("web.log").count("then") == 20
    shutil.copyfile(log, copy)
    os.truncate(log, 0)
    answers += all_served([visitors[0].burst(targets("last", 20))])
    until(lambda: len(site.ids("web.log")) == 20, "the log is written on from its beginning")
    assert lost(answers, site.ids(old.name, copy.name, log.name), []) == []
    assert "\0" not in site.log("web.log")
    status = site.balanced()
    assert status["items"][0]["lines"] == len(answers)
    assert status["warnings"] == []


def test_a_fifo_loses_nothing(site: Nginx) -> None:
    """Use a FIFO in place of the socket; nginx is reloaded meanwhile, and the daemon crashes."""
    site.configure(SOURCE)
    site.log_as(ACCESS.partition("access_log")[0] + FIFO, ERRORS)
    site.errors = site.start_errors()
    ((_, *words),) = [words for words in PAGE.commands("pipe") if "--fifo" in words]
    site.access = site.spawn(*site.here(" ".join(["/usr/local/bin/privet", *words])).split(), log="pipe.log")
    until((site.runtime / "web.fifo").exists, "the pipe has made its FIFO")
    site.start_nginx()
    site.start_daemon()
    bursts = [
        visitor.burst(targets(f"v{number}", 150), (SERVER4, SERVER6)[number % 2], pause=0.005)
        for number, visitor in enumerate(site.net.visitors[:4])
    ]
    site.reload()
    site.kill(site.daemon)
    answers = all_served(bursts)
    assert max(answer.seconds for answer in answers) < 2
    until(lambda: not lost(answers, site.ids("web.log"), []), "the log has every request")
