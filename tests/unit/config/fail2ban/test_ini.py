"""A file is read line by line; mistakes are told with the line they are on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.config.fail2ban.ini import RefusedError, parse

CONTENT = """\
# comment
[DEFAULT]
a = 1
[one] trailing
b: x ; inline
 y

 z;kept
# between
 last
Empty =
[DEFAULT]
c=2
"""


def test_a_document() -> None:
    document = parse(CONTENT, "x.conf")

    assert {option: text.text for option, text in document.defaults.items()} == {"a": "1", "c": "2"}
    assert {option: text.text for option, text in document.sections["one"].items()} == {
        "b": "x\ny\n\nz;kept\nlast",
        "empty": "",
    }
    assert document.lines == {"one": 4}


def test_each_line_of_a_value_has_its_place() -> None:
    value = parse(CONTENT, "x.conf").sections["one"]["b"]

    assert [(line.text, str(line.place)) for line in value.split() if line.text] == [
        ("x", "x.conf:5"),
        ("y", "x.conf:6"),
        ("z;kept", "x.conf:8"),
        ("last", "x.conf:10"),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a = 1", 1),
        ("\n[a]\nb", 3),
        ("[a]\n= 1", 2),
        ("[a]\nb = 1\nB = 2", 3),
        ("[DEFAULT]\nb = 1\n[DEFAULT]\nb = 2", 4),
        ("[a]\n[b]\n[a]", 3),
        ("[a]\n x", 2),
        ("[]\nx = 1", 1),
    ],
)
def test_a_mistake_has_a_line(content: str, line: int) -> None:
    with pytest.raises(RefusedError) as caught:
        parse(content, "x.conf")

    assert str(caught.value).startswith(f"x.conf:{line}: ")


def test_a_long_line_is_told_in_short() -> None:
    with pytest.raises(RefusedError) as caught:
        parse("[a]\n" + "x" * 5000, "x.conf")

    assert len(str(caught.value)) < 200


@given(st.text(alphabet="[]ab=:;#% \t\n\u00a0\u2028", max_size=80))
def test_any_text_is_read_or_refused(content: str) -> None:
    try:
        document = parse(content, "x.conf")
    except RefusedError:
        return
    for options in (document.defaults, *document.sections.values()):
        assert all(1 <= text.place.line <= content.count("\n") + 1 for text in options.values())
