"""Debian's Caddy, HAProxy and lighttpd with their logs sent to Privet, as docs/servers.md sets them up.

After every test each file that they wrote is searched for every address that was used.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.e2e.lab import CLIENTS, Lab, Page
from tests.e2e.net import SERVER4, SERVER6, all_served, run, targets, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.net import Net

pytestmark = pytest.mark.needs("root", "netns", "nft", "nsenter", "setpriv", "prlimit", "systemd-tmpfiles")

PAGE = Page("servers.md")
JAIL = "#" + Page("nginx.md").file("/etc/privet/privet.toml").partition("# Who asks")[2].partition("# Who looks")[0]


class Kind(NamedTuple):
    """A server: its files on the page, what it is told besides, and how it is started with its configuration."""

    title: str
    files: tuple[str, ...]
    around: str
    command: str
    errors: bool = True


CADDY = "{0}"
HAPROXY = """\
global
{0}
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend www
    bind :80
    bind :::80 v6only
{1}
    http-request deny if {{ path_beg /denied }}
    http-request return status 200 content-type text/plain string Hello
"""
LIGHTTPD = """\
server.modules = ( "mod_access" )
server.document-root = "{root}/www"
server.username = "www-data"
server.groupname = "www-data"
server.port = 80
server.errorlog = "/var/log/lighttpd/error.log"
index-file.names = ( "index.html" )
$SERVER["socket"] == "[::]:80" {{ }}
$HTTP["url"] =~ "^/denied" {{ url.access-deny = ( "" ) }}
{0}
"""
KINDS = {
    "caddy": Kind(
        "Caddy",
        ("/etc/caddy/Caddyfile",),
        CADDY,
        "setpriv --reuid=caddy --regid=caddy --clear-groups caddy run --adapter caddyfile --config",
    ),
    "haproxy": Kind(
        "HAProxy",
        ("/etc/haproxy/haproxy.cfg in global", "/etc/haproxy/haproxy.cfg in each frontend"),
        HAPROXY,
        "haproxy -db -f",
        errors=False,
    ),
    "lighttpd": Kind("lighttpd", ("/etc/lighttpd/conf-enabled/50-privet.conf",), LIGHTTPD, "lighttpd -D -f"),
}


class Site(Lab):
    """A site of one kind of server, whose logs go through Privet."""

    def __init__(self, net: Net, name: str) -> None:
        super().__init__(net, {"/var/log/privet": "log", "/var/lib/haproxy": "chroot", "/var/www/html": "www"})
        self._name, self._kind = name, KINDS[name]
        self.configure(PAGE.file(f"/etc/privet/privet.toml for {self._kind.title}") + JAIL)
        (self.root / "chroot" / "dev").mkdir(parents=True)
        parts = [self.here(PAGE.file(file)) for file in self._kind.files]
        text = self.here(self._kind.around).format(*parts, root=self.root)
        (self.root / "etc" / "site").write_text(text.replace("www.example.org {", ":80 {\n\trespond /denied* 403"))
        net.sysctl("net.ipv4.ip_unprivileged_port_start", "80")
        net.sysctl("net.unix.max_dgram_qlen", "4096")

    def start(self) -> None:
        """Make the FIFOs, start the units and the server, and wait until it serves."""
        if self._name != "haproxy":
            fifos = self.root / "etc" / "fifos.conf"
            fifos.write_text(self.here(PAGE.file(f"/etc/tmpfiles.d/privet-{self._name}.conf")))
            run("systemd-tmpfiles", "--create", str(fifos))
        self.access = self.start_access()
        self.intakes = [self.access]
        if self._kind.errors:
            self.intakes.append(self.start_unit("privet-errors@.service", "web", self._override("privet-errors@web")))
        home = self.root / "tmp" / "home"
        home.mkdir(exist_ok=True)
        home.chmod(0o777)
        words = [*self._kind.command.split(), str(self.root / "etc" / "site")]
        self.server = self.spawn(*words, log="stderr.log", HOME=str(home))
        until(lambda: ":80 " in self.net.server(run, "ss", "-ltn"), "it serves")

    def start_access(self) -> subprocess.Popen[bytes]:
        """Start the unit for the access log."""
        return self.start_unit("privet-pipe@.service", "web", self._override("privet-pipe@web"))

    def _override(self, unit: str) -> str:
        """Return what the page adds to a unit; what it says of Caddy holds for lighttpd too."""
        name = "haproxy" if self._name == "haproxy" else "caddy"
        return PAGE.file(f"/etc/systemd/system/{unit}.service.d/{name}.conf")

    def finish(self) -> None:
        """Stop the server, then the intakes, which first write what they have."""
        self.look_for_strays()
        self.server.terminate()
        self.server.wait(timeout=15)
        for process in self.intakes:
            process.terminate()
        assert [process.wait(timeout=10) for process in self.intakes] == [0] * len(self.intakes)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in KINDS])
def site(lab_net: Net, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give a site; at the end no file may hold an address, nor may anything be open elsewhere."""
    site = Site(lab_net, request.param)
    try:
        yield site
        site.finish()
        assert site.strays == set()
        assert site.leaks() == []
    finally:
        site.stop()


def test_leeches_are_cut_off_and_no_address_is_written_even_without_the_intake(site: Site) -> None:
    """Ban a leech, put addresses everywhere, and kill the intake while pages are asked for."""
    site.start()
    site.start_daemon()
    leech, *readers = site.net.visitors
    assert leech.leech("/", SERVER4) >= 30
    assert site.closed() == {leech.v4}
    site.probe()
    all_served([readers[0].burst(targets("before", 5), SERVER6)])
    until(lambda: site.log("web.log").count("?before-") == 5, "lines are written")
    site.kill(site.access)
    all_served([readers[1].burst(targets("meanwhile", 5))])
    time.sleep(0.5)
    site.access = site.intakes[0] = site.start_access()
    all_served([readers[2].burst(targets("after", 5))])
    until(lambda: site.log("web.log").count("?after-") == 5, "the new intake writes")
    assert all(client.startswith("100::") for client in CLIENTS.findall(site.log("web.log")))
    assert site.balanced()["items"][0]["pipes"][0]["mask"] == "pseudonym"


@pytest.mark.needs("caddy")
def test_with_a_socket_caddy_writes_addresses_elsewhere(lab_net: Net) -> None:
    """Show the trap that the page warns of, and that the search at the end of every test can fail."""
    site = Site(lab_net, "caddy")
    try:
        config = site.root / "etc" / "site"
        fifo = f"output file {site.runtime}/web.fifo {{\n\t\t\troll_disabled\n\t\t}}"
        text = config.read_text()
        assert fifo in text
        config.write_text(text.replace(fifo, f"output net unixgram/{site.runtime}/trap.sock"))
        trap = site.spawn(*_socket(site), log="trap.log")
        until((site.runtime / "trap.sock").exists, "somebody listens")
        (site.runtime / "trap.sock").chmod(0o777)
        site.start()
        site.kill(trap)
        assert site.net.visitors[0].ask("/").status == 200
        until(lambda: (site.root / "log" / "stderr.log", "plain") in site.leaks(), "Caddy has written an address")
    finally:
        site.stop()


def _socket(site: Site) -> list[str]:
    command = f"/usr/local/bin/privet pipe --socket {site.runtime}/trap.sock --log {site.root}/log/trap-web.log web"
    return site.here(command).split()
