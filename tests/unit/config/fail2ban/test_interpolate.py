"""`%(name)s` leads to the right option and keeps its place; mistakes are told where the reference stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.ini import RefusedError

if TYPE_CHECKING:
    from privet.config.fail2ban.interpolate import Merged
    from tests.unit.config.fail2ban.conftest import Write


@pytest.fixture
def merged(write: Write) -> Merged:
    folder = write(
        {
            "x.conf": """\
                [DEFAULT]
                word = default
                only = here
                [a]
                word = first
                both = %(word)s and
                    %(only)s
                name = %(__name__)s 100%%
                other = %(b/word)s, %(b/only)s, %(default/word)s
                lost = yes
                    %(nowhere)s
                [b]
                word = of b
            """,
            "x.local": "[a]\nword = second, not %(known/word)s\nmore = %(known/word)s %(known/only)s\n",
        }
    )
    found = Files(folder).merged("x")
    assert found
    return found


def test_references(merged: Merged) -> None:
    assert merged.get("a", "both").text == "second, not first and\nhere"
    assert merged.get("a", "name").text == "a 100%"
    assert merged.get("a", "other").text == "of b, here, default"
    assert merged.get("a", "MORE").text == "first here"
    assert merged.get("b", "word").text == "of b"


def test_lines_keep_the_place_that_they_come_from(merged: Merged) -> None:
    places = [str(line.place).rpartition("/")[2] for line in merged.get("a", "both").split()]

    assert places == ["x.local:2", "x.conf:3"]
    assert str(merged.place("a", "both")).endswith("x.conf:6")
    assert str(merged.place("a", "only")).endswith("x.conf:3")
    assert merged.place("a", "nothing") is None


def test_what_is_given_goes_first(merged: Merged) -> None:
    given = {"word": merged.get("b", "word")}

    assert merged.get("a", "both", given).text == "of b and\nhere"


def test_the_reference_to_nothing_is_where_it_says(merged: Merged) -> None:
    with pytest.raises(RefusedError, match=r"x.conf:11: %\(nowhere\)s refers"):
        merged.get("a", "lost")


def test_nothing_is_no_option(merged: Merged) -> None:
    with pytest.raises(KeyError):
        merged.get("a", "nothing")
    with pytest.raises(KeyError):
        merged.get("c", "word")


def test_tags_look_into_sections_too(merged: Merged) -> None:
    def found(tag: str) -> str | None:
        text = merged.elsewhere("a", tag, {})
        return text.text if text else None

    assert found("b/word") == "of b"
    assert found("known/word") == "first"
    assert found("known/both") == "second, not first and\nhere"
    assert found("default/word") == "default"
    assert found("word") == "second, not first"
    assert (found("b/nothing"), found("c/word"), found("nothing")) == (None, None, None)


def test_what_was_used_is_known(merged: Merged) -> None:
    merged.get("a", "both")

    assert {("a", "both"), ("a", "word"), ("DEFAULT", "only")} <= merged.used
    assert ("a", "name") not in merged.used


def test_values_that_double_are_stopped(write: Write) -> None:
    options = "\n".join(f"a{n} = %(a{n + 1})s%(a{n + 1})s%(a{n + 1})s%(a{n + 1})s" for n in range(9))
    merged = Files(write({"x.conf": f"[a]\n{options}\na9 = {'x' * 1000}\n"})).merged("x")

    assert merged
    with pytest.raises(RefusedError, match="grows beyond"):
        merged.get("a", "a0")
