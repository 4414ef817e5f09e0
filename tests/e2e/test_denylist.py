"""Clients behind a proxy, before Debian's Apache and nginx, as docs/apache.md and docs/nginx.md set them up.

Visitor 9 is the proxy: it passes requests on and says for whom. What its clients are called is made up.
"""

from __future__ import annotations

import itertools
import shutil
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from privet.core.parsing.forwarded import MOST_HOPS
from tests.e2e import test_apache, test_nginx
from tests.e2e.net import PATIENCE, SERVER4, SERVER6, until
from tests.privacy.search import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lab import Page
    from tests.e2e.net import Net

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nginx", "nsenter", "setpriv", "prlimit")

PROXY = "10.0.0.1"
"""The proxy, as the pages call it."""
V4, V4_NEAR, V4_FAR = "198.51.100.7", "198.51.100.8", "203.0.113.7"
V6, V6_NEAR, V6_FAR = "2001:db8:aaaa:1::5", "2001:db8:aaaa:1:ffff::1", "2001:db8:aaaa:2::5"
LEECH = """
[jail.leech]
source   = "web"
findtime = "60s"
maxretry = 20
bantime  = "{bantime}"
"""
BY_HEADER = """
[source.web]
pipe   = true
format = '{text}'
[proxies]
trusted = ["{proxy4}", "{proxy6}"]
"""


class _Behind:
    """A site behind visitor 9."""

    page: ClassVar[Page]
    net: Net
    roots: tuple[Path, Path]

    def rules(self, bantime: str = "1h") -> str:
        """Return the page's configuration for a site behind a proxy, with a jail."""
        return self._named(self.page.file("/etc/privet/privet.toml behind a proxy")) + LEECH.format(bantime=bantime)

    def _named(self, text: str) -> str:
        """Put the visitor who is the proxy in the place of the page's."""
        proxy = self.net.visitors[9]
        return text.replace(f'"{PROXY}"', f'"{proxy.v4}", "{proxy.v6}"')

    def left(self) -> list[tuple[Path, str]]:
        """Return every address of a client that was written outside of the list; the proxy stands in configurations."""
        proxy = self.net.visitors[9]
        clients = [V4, V4_NEAR, V4_FAR, V6, V6_NEAR, V6_FAR, *self.net.addresses]
        found = leaks(self.roots, [client for client in clients if client not in (proxy.v4, proxy.v6)])
        return [one for one in found if one[0].parent.name != "deny"]

    def get(self, client: str, server: str = SERVER4) -> int:
        """Return the status that a client gets through the proxy."""
        headers = {"X-Forwarded-For": f"192.0.2.77, {client}", "Forwarded": "for=192.0.2.77"}
        return self.net.visitors[9].ask("/", server, headers=headers).status

    def leech(self, client: str, server: str = SERVER4) -> int:
        """Ask again and again until it is refused; return the answers got."""
        end = time.monotonic() + PATIENCE
        for count in itertools.count():
            if self.get(client, server) == 403:
                return count
            assert time.monotonic() < end, f"served {count} times, and still welcome"
        raise AssertionError


class ApacheBehind(_Behind, test_apache.Apache):
    """Apache, which sees through the proxy and looks into the list."""

    page = test_apache.PAGE

    def log_as(self, directives: str) -> None:
        modules = "".join(
            f"LoadModule {name}_module {test_apache.MODULES}/mod_{name}.so\n" for name in ("alias", "remoteip")
        )
        through = self.page.file("/etc/apache2/conf-available/privet-remoteip.conf")
        proxy = self.net.visitors[9]
        through = through.replace(PROXY, f"{proxy.v4} {proxy.v6}")
        super().log_as(modules + directives + through + self.page.file("/etc/apache2/conf-available/privet-deny.conf"))

    def start_server(self) -> None:
        """Start Apache."""
        (self.root / "tmp" / "apache2.pid").unlink(missing_ok=True)
        self.start()

    def stop_server(self) -> None:
        """Stop Apache."""
        self.stop_apache()


class NginxBehind(_Behind, test_nginx.Nginx):
    """nginx, which sees through the proxy and looks into the list."""

    page = test_nginx.PAGE

    def log_as(self, access: str, errors: str) -> None:
        through = self.page.file("/etc/nginx/conf.d/privet-deny.conf")
        proxy = self.net.visitors[9]
        through = through.replace(
            f"set_real_ip_from {PROXY};", f"set_real_ip_from {proxy.v4}; set_real_ip_from {proxy.v6};"
        )
        super().log_as(access + through, errors)
        path = self.root / "etc" / "nginx.conf"
        look = self.here(self.page.file("/etc/nginx/snippets/privet-deny.conf"))
        path.write_text(path.read_text().replace("listen 80;", f"listen 80;\n{look}"))

    def start_server(self) -> None:
        """Start nginx and the pipes."""
        self.start()

    def stop_server(self) -> None:
        """Stop nginx and the pipes."""
        self.stop_nginx()


Server = ApacheBehind | NginxBehind


@pytest.fixture(params=[ApacheBehind, NginxBehind])
def site(request: pytest.FixtureRequest, lab_net: Net) -> Iterator[Server]:
    """Give a site behind a proxy; at the end no file but those of the list may tell an address."""
    site: Server = request.param(lab_net)
    site.configure(site.rules())
    try:
        yield site
        site.stop_server()
        assert site.strays == set()
        assert site.left() == []
    finally:
        site.stop()


def test_who_is_behind_the_proxy_is_denied_and_nobody_else(site: Server) -> None:
    site.start_server()
    assert not (site.runtime / "deny").exists()
    assert [site.get(client) for client in (V4, V6)] == [200, 200], "no list is an open one"
    site.start_daemon()
    assert site.leech(V4) >= 10
    assert site.leech(V6, SERVER6) >= 15
    for server in (SERVER4, SERVER6):
        assert [site.get(client, server) for client in (V4, V6, V6_NEAR)] == [403] * 3
        assert [site.get(client, server) for client in (V4_NEAR, V4_FAR, V6_FAR)] == [200] * 3
    assert site.closed() == set(), "the firewall is not used"
    assert site.net.visitors[9].ask("/").status == 200, "nor is the proxy to blame"

    direct = site.net.visitors[0]
    spoof = {"X-Forwarded-For": V4}
    assert direct.ask("/", headers=spoof).status == 200, "it is not for him to say who he is"
    until(lambda: direct.ask("/", headers=spoof).status == 403, "he is denied himself")
    assert site.get(V4_FAR) == 200

    bans = site.ask("bans", "--reveal")["items"]
    assert {ban["subject"] for ban in bans} == {V4, "2001:db8:aaaa:1::/64", direct.v4}
    assert site.balanced()["warnings"] == []
    site.privet("unban", "--all")
    assert [site.get(client) for client in (V4, V6)] == [200, 200]
    assert direct.ask("/").status == 200
    assert site.privet("ban", V4_FAR)[0] == 0, "by hand it is as good"
    assert (site.get(V4_FAR), site.get(V4)) == (403, 200)
    assert site.privet("unban", V4_FAR)[0] == 0
    assert site.get(V4_FAR) == 200


def test_a_deny_ends_at_its_time_and_holds_until_then(site: Server) -> None:
    """Kill the daemon, start the server again, and the machine: only the folder on tmpfs is lost then."""
    site.configure(site.rules("8s"))
    site.start_server()
    site.start_daemon()
    began = time.monotonic()
    site.leech(V4)
    time.sleep(1.5)  # the store comes within a second
    site.kill(site.daemon)
    assert site.get(V4) == 403
    site.stop_server()
    site.start_server()
    assert site.get(V4) == 403, "the list was there when the server started"
    shutil.rmtree(site.runtime / "deny")
    assert site.get(V4) == 200, "as after a reboot, while no daemon runs"
    site.start_daemon()
    assert site.get(V4) == 403, "the daemon is ready when all is back"
    until(lambda: not list((site.runtime / "deny").iterdir()), "it has ended")
    assert 7 < time.monotonic() - began < 13
    assert site.get(V4) == 200
    assert site.ask("bans")["items"] == []


def test_files_that_somebody_removes_are_back_within_a_second(site: Server) -> None:
    site.start_server()
    site.start_daemon()
    site.leech(V4)
    site.leech(V6)
    for path in (site.runtime / "deny").iterdir():
        path.unlink()
    assert site.get(V4) == 200
    until(lambda: site.get(V4) == site.get(V6) == 403, "the daemon has noticed")
    assert site.ask("status")["web"]["losses"] == 1


def test_the_client_is_found_in_the_header_where_the_server_does_not_look(site: Server) -> None:
    """Log the proxy and the header; the long chain of proxies that a visitor makes up changes nothing."""
    proxy = site.net.visitors[9]
    if isinstance(site, ApacheBehind):
        text = '%h %l %u %t "%r" %>s %b "%{X-Forwarded-For}i"'
        log = 'LogFormat "{}" privet\n'.format(text.replace('"', '\\"'))
        directives = test_apache.LOGGING.replace(test_apache.LOGGING.partition("\n")[2].partition("\n")[0] + "\n", log)
        test_apache.Apache.log_as(site, directives)
    else:
        text = '$remote_addr - $remote_user [$time_local] "$request" $status $bytes_sent "$http_x_forwarded_for"'
        access = test_nginx.ACCESS.partition("access_log")[2]
        test_nginx.Nginx.log_as(site, f"log_format privet '{text}';\naccess_log{access}", test_nginx.ERRORS)
    site.configure(BY_HEADER.format(text=text, proxy4=proxy.v4, proxy6=proxy.v6) + LEECH.format(bantime="1h"))
    site.start_server()
    site.start_daemon()
    chain = ", ".join([V4_FAR, *[proxy.v4] * MOST_HOPS, V4])
    for _ in range(20):
        assert proxy.ask("/", headers={"X-Forwarded-For": chain}).status == 200
        assert proxy.ask("/", headers={"X-Forwarded-For": "unknown"}).status == 200
        assert proxy.ask("/").status == 200
    until((site.runtime / "deny" / V4).exists, "the client is denied")
    assert [ban["subject"] for ban in site.ask("bans", "--reveal")["items"]] == [V4]
    until(lambda: site.ask("status")["items"][0]["lines"] == 60, "all lines have come")
    status = site.balanced()
    assert status["items"][0]["unparsed"] == {"no client address from the proxy": 20}
    until(lambda: site.balanced()["bans"]["refused_by"] == {"a trusted proxy": 1}, "requests of the proxy's own count")
    assert site.closed() == set()
