"""Nothing that holds bytes shows them: they are lines, keys of clients, or secrets."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec
import pytest

import privet
from privet.core.engine import Batch
from privet.core.filters.plan import Found

if TYPE_CHECKING:
    from privet.core.unshown import Unshown

HARMLESS = {
    *("Literal", "Segment", "Layout", "Shape"),  # are of formats and filters
    *("Offence", "Unseen"),  # have marks in place of addresses
}


def structs() -> list[type[msgspec.Struct]]:
    """Return all structs of Privet."""
    names = [one.name for one in pkgutil.walk_packages(privet.__path__, "privet.") if "__main__" not in one.name]
    found = {one for name in names for one in vars(import_module(name)).values() if isinstance(one, type)}
    return [one for one in found if issubclass(one, msgspec.Struct) and one.__module__.startswith("privet")]


def holds_bytes(struct: type[msgspec.Struct]) -> bool:
    return any("bytes" in str(struct.__annotations__.get(name, "")) for name in struct.__struct_fields__)


def test_every_struct_with_bytes_has_a_text_of_its_own() -> None:
    shown = {one.__name__ for one in structs() if holds_bytes(one) and one.__repr__ is msgspec.Struct.__repr__}
    assert shown == HARMLESS


@pytest.mark.parametrize("one", [Batch("web", b"192.0.2.1 - -\n"), Found([0], [b"\xc0\x00\x02\x01"], [1.0])])
def test_nothing_of_it_is_shown(one: Unshown) -> None:
    for text in (repr(one), str(one), f"{[one]}"):
        assert text.strip("[]") == f"<{type(one).__name__}>"
