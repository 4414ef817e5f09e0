"""AS numbers as people write them."""

from __future__ import annotations

import pytest

from privet.core.addresses.networks import as_number, as_text


@pytest.mark.parametrize("text", ["AS64500", "as64500", " AS64500 "])
def test_an_as_number_is_read(text: str) -> None:
    assert as_number(text) == 64500


@pytest.mark.parametrize("text", ["", "AS", "64500", "AS0", "AS4294967296", "AS99999999999", "AS-1", "ASx", "AS٣"])
def test_what_is_none_is_not(text: str) -> None:
    assert as_number(text) is None


def test_it_is_written_as_it_is_read() -> None:
    assert as_number(as_text(4_294_967_295)) == 4_294_967_295
