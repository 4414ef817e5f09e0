"""What systemd is told."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from privet.adapters.notify import sd_notify

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_state_is_one_datagram(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@privet-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0") if kind == "abstract" else address)
        systemd.settimeout(10)

        sd_notify("READY=1")
        sd_notify("STOPPING=1\nSTATUS=done")

        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"STOPPING=1\nSTATUS=done"]


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    sd_notify("READY=1")


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@nobody-listens-here", "relative"])
def test_nobody_who_listens_is_no_failure(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    sd_notify("READY=1")
