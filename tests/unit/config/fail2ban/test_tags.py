"""`<tag>` stands for an option, inside tags too; what nothing answers stays."""

from __future__ import annotations

import pytest

from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.tags import resolve
from privet.config.fail2ban.text import Place, Text


def resolved(options: dict[str, str], *leave: str) -> dict[str, str]:
    texts = {name: Text.of(value, Place("x", number)) for number, (name, value) in enumerate(options.items(), 1)}
    elsewhere = {"out/side": Text.of("far", Place("y", 1))}
    return {name: text.text for name, text in resolve(texts, leave=leave, otherwise=elsewhere.get).items()}


def test_tags() -> None:
    found = resolved({"a": "<b> <c-<d>> <HOST> <out/side> <no<d>>", "b": "[<d>]", "d": "x"})

    assert found["a"] == "[x] <c-x> <HOST> far <nox>"
    assert resolved({"a": "<c-<d>>", "c-x": "found", "d": "x"})["a"] == "found"


def test_what_is_left_alone() -> None:
    assert resolved({"a": "<b> <c>", "b": "<c>", "c": "1"}, "b") == {"a": "<b> 1", "b": "<c>", "c": "1"}


@pytest.mark.parametrize("options", [{"a": "<a>"}, {"a": "<b>", "b": "x<a>"}, {"a": "<b>", "b": "<b>"}])
def test_a_circle_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="refers to itself by"):
        resolved(options)


def test_values_that_double_are_stopped() -> None:
    options = {f"a{n}": f"<a{n + 1}><a{n + 1}>" for n in range(40)}

    with pytest.raises(RefusedError, match="grows beyond"):
        resolved({**options, "a40": "x"})


def test_places_are_kept() -> None:
    texts = {"a": Text.of("1 <b> 2", Place("x", 1)), "b": Text.of("value", Place("x", 2))}
    found = resolve(texts, leave=(), otherwise=lambda _: None)["a"]

    assert [found[at : at + 1].place.line for at in range(len(found.text))] == [1, 1, 2, 2, 2, 2, 2, 1, 1]
