"""One ban, two bans."""

from __future__ import annotations

import pytest

from privet.core.plurals import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 bans"), (1, "1 ban"), (2, "2 bans"), (1200, "1,200 bans")])
def test_a_plural_has_an_s(number: int, text: str) -> None:
    assert counted(number, "ban") == text


def test_a_plural_of_another_kind_is_given() -> None:
    assert [counted(number, "entry", "entries") for number in (1, 3)] == ["1 entry", "3 entries"]
