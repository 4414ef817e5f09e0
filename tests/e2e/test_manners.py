"""Clients who are told before they are banned, before Debian's Apache and nginx, as docs/manners.md sets them up."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e import test_apache, test_nginx
from tests.e2e.lab import Page
from tests.e2e.net import BANNED, PATIENCE, SERVER4, SERVER6, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.net import Answer, Net, Visitor

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nginx", "nsenter", "setpriv", "prlimit")

PAGE = Page("manners.md")
RULES = """
[source.web]
pipe   = true
format = "privet"

[jail.fast]
source   = "web"
findtime = "60s"
maxretry = 5
bantime  = "5s"
patience = "9s"
"""


class ApacheThatTells(test_apache.Apache):
    """Apache, which looks whom to answer 429."""

    def log_as(self, directives: str) -> None:
        modules = "".join(
            f"LoadModule {name}_module {test_apache.MODULES}/mod_{name}.so\n" for name in ("alias", "headers")
        )
        super().log_as(modules + directives + PAGE.file("/etc/apache2/conf-available/privet-slow.conf"))

    def stop_server(self) -> None:
        """Stop Apache."""
        self.stop_apache()


class NginxThatTells(test_nginx.Nginx):
    """nginx, which looks whom to answer 429."""

    def log_as(self, access: str, errors: str) -> None:
        maps = test_nginx.PAGE.file("/etc/nginx/conf.d/privet-deny.conf")
        super().log_as(access + re.sub(r"(?m)^(set_)?real_ip_.*\n", "", maps), errors)
        path = self.root / "etc" / "nginx.conf"
        look = self.here(PAGE.file("/etc/nginx/snippets/privet-slow.conf"))
        path.write_text(path.read_text().replace("listen 80;", f"listen 80;\n{look}"))

    def stop_server(self) -> None:
        """Stop nginx and the pipes."""
        self.stop_nginx()


Server = ApacheThatTells | NginxThatTells


@pytest.fixture(params=[ApacheThatTells, NginxThatTells])
def site(request: pytest.FixtureRequest, lab_net: Net) -> Iterator[Server]:
    """Give a site; at the end no file but those of the list may tell an address."""
    site: Server = request.param(lab_net)
    site.configure(RULES)
    try:
        yield site
        site.stop_server()
        assert site.strays == set()
        assert [one for one in site.leaks() if one[0].parent.name != "slow"] == []
    finally:
        site.stop()


def ask_until(who: Visitor, server: str, status: int) -> Answer:
    """Ask again and again for a status."""
    end = time.monotonic() + 3 * PATIENCE
    while (answer := who.ask("/", server, patience=0.7)).status != status:
        assert time.monotonic() < end, f"still {answer.status}"
    return answer


@pytest.mark.parametrize("server", [SERVER4, SERVER6])
def test_who_is_too_fast_is_told_first_and_banned_last(site: Server, server: str) -> None:
    site.start()
    site.start_daemon()
    greedy, reader = site.net.visitors[:2]

    assert ask_until(greedy, server, 429).retry_after == "600"
    assert reader.ask("/", server).status == 200
    assert site.closed() == set(), "the firewall is not used"
    status = site.ask("status")
    assert (status["slow"]["bans"]["in_kernel"], status["bans"]["ordered"], status["warnings"]) == (1, 0, [])
    assert [ban["jail"] for ban in site.ask("bans")["items"]] == ["fast"]

    until(lambda: not list((site.runtime / "slow").iterdir()), "it has been told for long enough")
    assert greedy.ask("/", server).status == 200
    assert ask_until(greedy, server, BANNED).retry_after is None
    assert reader.ask("/", server).status == 200
    assert len(site.closed()) == 1


def test_an_unban_ends_what_was_told(site: Server) -> None:
    site.configure(RULES.replace('"3s"', '"1h"'))
    site.start()
    site.start_daemon()
    greedy = site.net.visitors[0]
    ask_until(greedy, SERVER4, 429)

    assert site.privet("unban", "--all")[0] == 0
    assert greedy.ask("/").status == 200
    assert list((site.runtime / "slow").iterdir()) == []
