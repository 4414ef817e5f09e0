"""Keys and their lines."""

from __future__ import annotations

import tomllib

import pytest

from privet.config.lines import KeyLines

DOCUMENT = '''\
# a comment: it isn't closed " ' [ {
top = 1

[source.web]   # [not.this]
path = "[x]"   # = "
'quo.ted' . "ke\\u0079" = { in.line = 1, other = [2,
  3] }

  [ jail . leech ]
text = """ = "" one
[no.header] ""\\"""
key = 1"""" # isn't "[
literal = \'\'\'
key = 2\'\'\'\' # isn't [
numbers = [ # ]
  1, # don't
  "]",
  [2.5, [3]],
]
after.dotted.key = 2020-01-01 00:00:00

[[list]]
name = 1
[[list]]
name = 2
other = 3

[jail]
last = """\\
  x
"""
"" = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("top", 2),
        ("source", 4),
        ("source web", 4),
        ("source web path", 5),
        ("source web quo.ted", 6),
        ("source web quo.ted key", 6),
        ("source web quo.ted key in line", 6),
        ("source web quo.ted key other", 6),
        ("jail leech", 9),
        ("jail leech text", 10),
        ("jail leech literal", 13),
        ("jail leech numbers", 15),
        ("jail leech after dotted key", 20),
        ("list", 22),
        ("list name", 23),
        ("list other", 26),
        ("jail", 28),
        ("jail last", 29),
    ],
)
def test_each_key_has_its_line(path: str, line: int) -> None:
    assert KeyLines(DOCUMENT).of(tuple(path.split())) == line


def test_the_document_of_this_test_is_toml() -> None:
    assert tomllib.loads(DOCUMENT)["jail"]["leech"]["text"] == ' = "" one\n[no.header] """""\nkey = 1"'


def test_the_empty_key_has_its_line() -> None:
    assert KeyLines(DOCUMENT).of(("jail", "")) == 32


def test_windows_line_ends_count_once() -> None:
    assert KeyLines('a = 1\r\n\r\nb = """\r\n"""\r\nc = 1\r\n').of(("c",)) == 5


def test_an_unknown_key_has_the_line_of_what_holds_it() -> None:
    assert KeyLines(DOCUMENT).of(("jail", "leech", "missing", "more")) == 9


def test_an_unknown_table_has_line_0() -> None:
    assert KeyLines(DOCUMENT).of(("nowhere",)) == 0


@pytest.mark.parametrize("text", ["", '"""', "'", "[", "]]]\na=1", "=", "a.=.b", '"\\x" = 1', "[a\nb"])
def test_what_is_no_toml_does_no_harm(text: str) -> None:
    assert KeyLines(text).of(("z",)) == 0
