"""What the tests of promises share with those of single modules."""

from __future__ import annotations

from tests.unit.conftest import runtime

__all__ = ["runtime"]
