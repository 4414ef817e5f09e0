"""What holds for every configuration file: each key has its line, and nothing but ConfigErrors comes out."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from privet.config.errors import ConfigErrors
from privet.config.lines import KeyLines
from privet.config.loader import SETTINGS, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privet.config.model import Config

Path = tuple[str, ...]

# Pieces of which a TOML text is made, and those that lead a scanner astray.
PIECES = st.sampled_from(
    [
        *"a1é \t\n\\#,.=[]{}'\"\0",
        "b-c",
        "true",
        "\r\n",
        "[[",
        "]]",
        "\n[a]\n",
        "\na = 1\n",
        "\\u00e9",
        "'''",
        '"""',
        "'x'",
        '"\\""',
        '"""\n"""',
        "'''\n'''",
        '""',
        "''",
    ],
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)

# Texts that hold what looks like keys, headers, comments and ends of strings.
TRICKY = st.lists(
    st.sampled_from(["\n", "[x]", "x = 1", "# ", '"', '""', "'", "''", "\\", "é", "{", "}", "]", "=", " "]),
    max_size=6,
).map("".join)
KEYS = st.one_of(
    st.sampled_from(["a", "b", "c", "a.b", "", "#", '"', "é", "'", "x y", "1", "[a]"]), st.text(max_size=3)
)
SCALARS = st.one_of(st.booleans(), st.integers(-9, 10**6), st.floats(allow_nan=False), TRICKY)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)
TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, max_size=4),
    max_leaves=8,
)


def quoted(text: str) -> str:
    """Write a string on one line; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class Writer:
    """Writes a document in ways chosen by `draw`, and notes the line of every key."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.text = ""
        self.lines: dict[Path, int] = {}

    def choose(self, *options: str) -> str:
        return self.data.draw(st.sampled_from(options))

    def note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def filler(self) -> None:
        self.text += self.choose("", "", "\n", "# it's [a] \"\n", "  ", "\t#= {\n")

    def key(self, key: str) -> str:
        if (
            key.isascii()
            and key.replace("-", "").replace("_", "").isalnum()
            and self.choose("bare", "quoted") == "bare"
        ):
            return key
        if key.isprintable() and "'" not in key and self.choose("literal", "basic") == "literal":
            return f"'{key}'"
        return quoted(key)

    def value(self, value: object) -> str:
        match value:
            case dict():
                return "{" + ", ".join(f"{self.key(key)} = {self.value(item)}" for key, item in value.items()) + "}"
            case list():
                gap = self.choose(" ", "\n", "\n# ] don't\n\t")
                return "[" + gap + "".join(f"{self.value(item)},{gap}" for item in value) + "]"
            case str():
                return self.string(value)
            case _:
                return str(value).lower()

    def string(self, value: str) -> str:
        kind = self.choose("basic", "literal", "lines", "literal lines")
        if kind == "literal" and "'" not in value and "\n" not in value:
            return f"'{value}'"
        if kind == "literal lines" and "'''" not in value:
            return f"'''\n{value}'''"
        if kind == "lines" and '"""' not in value:
            return '"""\n' + value.replace("\\", "\\\\") + '"""'
        return quoted(value)

    def table(self, path: Path, table: dict[str, Any]) -> None:
        """Write the settings of a table, and then the tables in it that get a header."""
        with_header = [key for key, value in table.items() if isinstance(value, dict) and self.choose("h", "i") == "h"]
        for key, value in table.items():
            if key not in with_header:
                self.filler()
                self.setting(path, key, value)
        for key in with_header:
            self.filler()
            self.text += "\n" if self.text and not self.text.endswith("\n") else ""
            self.note((*path, key))
            gap = self.choose("", " ")
            self.text += "[" + gap + f"{gap}.{gap}".join(map(self.key, (*path, key))) + gap + "]" + gap + "\n"
            self.table((*path, key), table[key])

    def setting(self, path: Path, key: str, value: object) -> None:
        """Write one setting: with a dotted key, if there is one table with one setting in it."""
        self.note((*path, key))
        written = self.key(key)
        while isinstance(value, dict) and len(value) == 1 and self.choose("dotted", "inline") == "dotted":
            [(inner, value)] = value.items()
            path, key = (*path, key), inner
            written += self.choose(".", " . ") + self.key(inner)
            self.note((*path, key))
        comment = self.choose("", ' # isn\'t "["[ =')
        self.text += f"{written}{self.choose('=', ' = ')}{self.value(value)}{comment}\n"


def key_paths(table: dict[str, Any], above: Path = ()) -> Iterator[Path]:
    for key, value in table.items():
        yield (*above, key)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from key_paths(item, (*above, key))


@given(TABLES, st.data())
def test_each_key_has_the_line_that_it_was_written_on(table: dict[str, Any], data: st.DataObject) -> None:
    writer = Writer(data)
    writer.table((), table)
    assert tomllib.loads(writer.text) == table, "the writer of this test writes TOML"

    lines = KeyLines(writer.text)

    assert {path: lines.of(path) for path in writer.lines} == writer.lines
    assert all(lines.of(path) for path in key_paths(table))


@given(TEXTS)
def test_any_key_of_any_document_has_a_line(text: str) -> None:
    lines = KeyLines(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        document = {}

    assert all(1 <= lines.of(path) <= text.count("\n") + 1 for path in key_paths(document))


@given(st.text())
def test_scanning_never_fails(text: str) -> None:
    assert KeyLines(text).of(("no such key at all",)) == 0


def checked(text: str) -> Config | list[str]:
    """Parse a text; check that what comes out is a configuration or mistakes with their places."""
    try:
        return parse(text, "p.toml")
    except ConfigErrors as caught:
        errors, printed = caught.errors, str(caught).splitlines()
    assert len(printed) == len(errors) > 0
    assert all(line.startswith("p.toml:") for line in printed)
    assert all(0 <= error.line <= text.count("\n") + 1 for error in errors)
    return printed


@given(TEXTS | st.text())
def test_any_text_is_a_configuration_or_mistakes(text: str) -> None:
    checked(text)


STRINGS = ["web", "10m", "1h30m", "4xx", ">=5", "<0", "192.0.2.0/24", "::1", "pseudonym", "null", "x$", "(", "[[a]"]
NUMBERS = [-1, 0, 5, 70, 404, 10**15, 10**16, 16**400]
SENSIBLE = st.sampled_from([*STRINGS, *NUMBERS, True, False, "\0"])
CONDITIONS = st.recursive(
    SENSIBLE,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["is", "regex", "not", "nto"]), inner, max_size=3)
    ),
    max_leaves=4,
)


def some(table: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(SETTINGS[table])), CONDITIONS | VALUES, max_size=6)


NAMES = st.sampled_from(["web", "shop", "a b", "-", "x.y"])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        **{table: some(table) for table in ("daemon", "firewall", "engine")},
        **{table: st.dictionaries(NAMES, some(table) | SCALARS, max_size=3) for table in ("source", "jail")},
        "jials": VALUES,
    },
)


@given(DOCUMENTS, st.data())
def test_any_document_of_known_settings_is_a_configuration_or_mistakes(
    document: dict[str, Any], data: st.DataObject
) -> None:
    writer = Writer(data)
    writer.table((), document)
    assume(writer.text)

    checked(writer.text)


@given(
    st.lists(st.tuples(st.sampled_from(["findtime", "bantime"]), st.integers(1, 10**5)), unique_by=lambda one: one[0]),
    st.integers(1, 10**6),
)
@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("m", 60), ("h", 3600)])
def test_durations_mean_the_same_however_they_are_written(
    unit: str, seconds: int, times: list[tuple[str, int]], maxretry: int
) -> None:
    head = f"[source.web]\npipe = true\n[jail.a]\nsource = 'web'\nmaxretry = {maxretry}\n"
    with_units = "".join(f"{name} = '{count}{unit}'\n" for name, count in times)
    in_seconds = "".join(f"{name} = {count * seconds}\n" for name, count in times)

    assert checked(head + with_units) == checked(head + in_seconds)
