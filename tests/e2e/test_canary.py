"""A canary through Debian's nginx as docs/nginx.md sets it up, and through the trap that the page warns of."""

from __future__ import annotations

import os

import pytest

from tests.e2e.net import until
from tests.e2e.test_nginx import ACCESS, ERRORS, SOURCE, Nginx, site

pytestmark = pytest.mark.needs("root", "netns", "nft", "nginx", "nsenter", "setpriv", "prlimit")

__all__ = ["site"]


def canary(site: Nginx) -> tuple[int, str]:
    """Send one to a page that makes an access line and an error line."""
    runtime, logs = str(site.runtime), str(site.root / "log")
    return site.privet("canary", "--url", "http://127.0.0.1/denied", "--root", logs, "--root", runtime)


def test_nothing_holds_a_canary_where_the_page_was_followed(site: Nginx) -> None:
    site.configure(SOURCE)
    site.start()
    code, said = canary(site)

    assert "none found in " in said
    assert "LEAK" not in said
    assert (code, said.startswith("BLIND: the daemon could not be asked")) == (1, True)  # none runs here
    until(lambda: "privet-canary" in site.log("web.log") and "/denied" in site.log("web-error.log"), "it was logged")


def test_a_canary_finds_what_the_trap_of_nginx_lets_out(site: Nginx) -> None:
    site.log_as(ACCESS, ERRORS.splitlines()[2])
    site.start()
    aside = site.root / "log" / "stderr.log"
    code, said = canary(site)

    assert code == 1
    assert "LEAK: 1 file holds it" in said
    assert f"{aside}: plain, on a disk" in said
    os.truncate(aside, 0)
