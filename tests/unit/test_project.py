"""The project's own files agree with each other, and the marker `needs` keeps its word."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import privet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKED = ("run", "dev")


def entries(kind: str) -> list[str]:
    """Return the pins of a requirements file, one line each, hashes included."""
    return (ROOT / f"requirements/{kind}.txt").read_text().replace("\\\n", " ").splitlines()


def pins(kind: str) -> set[tuple[str, str]]:
    """Return name and version of every pin."""
    wanted = [Requirement(line.partition("--hash")[0]) for line in entries(kind)]
    return {(canonicalize_name(one.name), str(one.specifier)) for one in wanted}


def names(requirements: list[str]) -> set[str]:
    """Return the canonical names of requirements."""
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_version_is_the_installed_one() -> None:
    assert importlib.metadata.version("privet") == privet.__version__


@pytest.mark.parametrize("kind", LOCKED)
def test_every_requirement_is_pinned_with_hashes(kind: str) -> None:
    pinned = re.compile(r"[\w.-]+==[\w.]+ .*--hash=sha256:[0-9a-f]{64}")
    assert [line for line in entries(kind) if not pinned.match(line)] == []


@pytest.mark.parametrize("kind", LOCKED)
def test_requirements_name_no_registry(kind: str) -> None:
    text = (ROOT / f"requirements/{kind}.txt").read_text()
    assert re.findall(r"http|://|index-url|\.(?:org|com|net|io|dev)\b", text) == []


def test_what_runs_is_pinned_for_running_and_alike_for_development() -> None:
    needed = names(PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"])
    assert needed <= {name for name, _ in pins("run")}
    assert pins("run") <= pins("dev")


def test_every_tool_is_pinned() -> None:
    lines = (ROOT / "requirements/dev.in").read_text().splitlines()
    assert names([line for line in lines if line[0] not in "#-"]) <= {name for name, _ in pins("dev")}


ONE_TEST = """
import pytest

@pytest.mark.needs("python3", "{what}")
def test_one():
    pass
"""


@pytest.mark.parametrize(
    ("what", "ci", "outcome"),
    [
        ("no-such-program", False, {"skipped": 1}),
        ("no-such-program", True, {"errors": 1}),
        ("shared", True, {"skipped": 1}),
        ("sh", True, {"passed": 1}),
    ],
)
def test_needs(
    what: str,
    ci: bool,  # noqa: FBT001  a parameter of the test
    outcome: dict[str, int],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (pytester.path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    tests = pytester.mkdir("tests")
    (tests / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tests / "test_one.py").write_text(ONE_TEST.format(what=what))
    if ci:
        monkeypatch.setenv("CI", "true")
    else:
        monkeypatch.delenv("CI", raising=False)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.parseoutcomes() == outcome
