"""The network that the tests with real web servers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.net import Net

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def lab_net() -> Iterator[Net]:
    """Give a server's namespace and ten visitors; the server's firewall is empty before each test."""
    net = Net()
    try:
        net.build()
        yield net
    finally:
        net.remove()
