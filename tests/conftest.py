"""What every test can rely on: the marker `needs`, and one worker for the tests that share the machine."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parent
SHARED = TESTS.parents[1] / "shared"
"""Real logs too large for the repository; beside the checkout where a developer has them."""

FAIL2BAN = TESTS.parent / ".cache/peers/fail2ban"
"""Debian's package of fail2ban, unpacked and never installed."""

JOURNAL_REMOTE = TESTS.parent / ".cache/peers/systemd-journal-remote/lib/systemd/systemd-journal-remote"
"""Debian's program that writes journals, likewise."""

AWSTATS = Path("/usr/lib/cgi-bin/awstats.pl")
"""The program of Debian's package, which is on nobody's search path."""

KEPT = {
    "awstats": (AWSTATS, "needs the package awstats"),
    "fail2ban": (FAIL2BAN, "needs fail2ban's files: scripts/fetch-peer fail2ban"),
    "journal-remote": (JOURNAL_REMOTE, "needs programs: scripts/fetch-peer systemd-journal-remote libmicrohttpd12"),
    "shared": (SHARED, "needs data that is not in the repository"),
}
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

settings.register_profile("steady", deadline=None)  # how long an example takes depends on the neighbours
if "CI" not in os.environ:  # there Hypothesis has a profile of its own, repeatable and without deadline
    settings.load_profile("steady")


@functools.cache
def lacks(what: str) -> str | None:
    """Say why this machine cannot give what a test needs; None if it can."""
    match what:
        case "root":
            return None if os.geteuid() == 0 else "needs root"
        case "netns":
            return _refused("network namespaces", "unshare", "--net", "true")
        case "nft":
            return _refused("nftables", "unshare", "--net", "nft", "add table inet probe")
        case "journal":
            return lacks("journalctl") or lacks("journal-remote")
        case kept if kept in KEPT:
            path, remedy = KEPT[kept]
            return None if path.exists() else remedy
        case program:
            return None if shutil.which(program, path=SEARCH_PATH) else f"needs the program {program}"


def _refused(feature: str, *command: str) -> str | None:
    """Try a command; None if it works."""
    environment = os.environ | {"PATH": SEARCH_PATH}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"needs {feature}: {error}"
    return None if done.returncode == 0 else f"needs {feature}: {done.stderr.decode(errors='replace').strip()}"


@pytest.hookimpl(tryfirst=True)  # before fixtures try to use what is not there
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose needs the machine does not meet. In CI that is a failure, but for data kept elsewhere."""
    wanted = [str(what) for marker in item.iter_markers("needs") for what in marker.args]
    for what in wanted:
        reason = lacks(what)
        if reason and "CI" in os.environ and what != "shared":
            pytest.fail(f"{reason}; in CI nothing is skipped", pytrace=False)
        if reason:
            pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests that share the machine (ports, namespaces, daemons) in one worker of pytest-xdist."""
    for item in items:
        if item.path.is_relative_to(TESTS / "e2e") or item.path.is_relative_to(TESTS / "privacy"):
            item.add_marker(pytest.mark.xdist_group("machine"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real logs, for tests marked `needs("shared")`."""
    return SHARED
