"""The networks that tests share: one with real web servers, and three hosts in a row with a firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import nftables
from tests.e2e.hosts import Hosts, forbidden, fresh
from tests.e2e.net import Net

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privet.adapters.firewall.nftables import NftablesFirewall


@pytest.fixture(scope="session")
def lab_net() -> Iterator[Net]:
    """Give a server's namespace and ten visitors; the server's firewall is empty before each test."""
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.remove()


@pytest.fixture(scope="module")
def net() -> Iterator[Hosts]:
    """Give three hosts in a row."""
    net = Hosts()
    try:
        net.build()
        yield net
    finally:
        for namespace in net.all:
            namespace.remove()


@pytest.fixture(params=["netlink", "text"])
def firewall(net: Hosts, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NftablesFirewall]:
    """Give an open firewall on the host, once as usual and once where netlink sockets are forbidden."""
    if request.param == "text":
        monkeypatch.setattr(nftables, "connect", forbidden)
    with fresh(net) as opened:
        yield opened


@pytest.fixture
def quick(net: Hosts) -> Iterator[NftablesFirewall]:
    """Give an open firewall on the host, with netlink."""
    with fresh(net) as opened:
        yield opened
