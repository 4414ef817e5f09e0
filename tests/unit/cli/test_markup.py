"""Markup is safe, whatever is put into it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.cli.markup import Markup, clipped, element, visible


class Seen(HTMLParser):
    """What a parser takes markup for."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
def test_a_text_stays_a_text(inside: str, attribute: str) -> None:
    seen = Seen(element("p", inside, title=attribute))

    assert seen.tags == [("p", {"title": visible(attribute)})]
    assert seen.text == visible(inside)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31m\n", "a\\x1b[31m\\x0a"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028"),
        ("Grüße, \u05e9\u05dc\u05d5\u05dd", "Grüße, \u05e9\u05dc\u05d5\u05dd"),
    ],
)
def test_what_is_invisible_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_markup_is_left_alone_and_attributes_may_be_absent() -> None:
    assert element("p", Markup("<br>"), class_="x", aria_label=None) == '<p class="x"><br></p>'
    assert (clipped("abcdef", 4), clipped("abcd", 4)) == ("abc…", "abcd")
