"""The rules of the house that import-linter cannot see."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import privet

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(privet.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
CORE = sorted((PACKAGE / "core").rglob("*.py"))

PURE = {"socket": {"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"}, "urllib": {"parse"}}
"""The only names that the core may import from modules that can also do things."""

CLOCK = {"now", "today", "utcnow"}
LOCAL_TIME = {"astimezone": 1, "fromtimestamp": 2}
"""Methods of datetime, with how many arguments they need lest they use the local time zone."""

BUILTINS = {"eval", "exec", "input", "open", "print"}


def offences(tree: ast.AST) -> Iterator[str]:
    """Yield what the core must not do: reach for the outside, the clock or the local time zone."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in PURE)
            case ast.ImportFrom(module=str(module), names=names):
                root, _, rest = module.partition(".")
                taken = {rest} if rest else {name.name for name in names}
                yield from (f"{root}.{name}" for name in taken - PURE.get(root, taken))
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield name
            case ast.Call(func=ast.Attribute(attr=name), args=args, keywords=keywords):
                if name in CLOCK or len(args) + len(keywords) < LOCAL_TIME.get(name, 0):
                    yield name


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_core_is_pure(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import socket", ["socket"]),
        ("import urllib.request", ["urllib.request"]),
        ("from socket import AF_INET, create_connection", ["socket.create_connection"]),
        ("from urllib.request import urlopen", ["urllib.request"]),
        ("def f():\n    from urllib import request", ["urllib.request"]),
        ("datetime.datetime.now(tz)", ["now"]),
        ("date.today()", ["today"]),
        ("moment.astimezone()", ["astimezone"]),
        ("datetime.fromtimestamp(0)", ["fromtimestamp"]),
        ("open('x')", ["open"]),
        ("print('x')", ["print"]),
    ],
)
def test_impure_code_is_found(code: str, expected: list[str]) -> None:
    assert list(offences(ast.parse(code))) == expected


@pytest.mark.parametrize(
    "code",
    [
        "from socket import AF_INET, inet_pton",
        "from urllib.parse import unquote_to_bytes",
        "from urllib import parse",
        "datetime.fromtimestamp(0, UTC)",
        "datetime.fromtimestamp(0, tz=UTC)",
        "from datetime import datetime",
    ],
)
def test_pure_code_passes(code: str) -> None:
    assert list(offences(ast.parse(code))) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
