"""numpy, imported when first used: a daemon whose jails only count requests needs none of its 16 MB."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["np"]

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        def __getattr__(self, name: str) -> object:
            value = getattr(import_module("numpy"), name)
            setattr(self, name, value)  # from now on it costs no more than with the module itself
            return value

    np = _Numpy()
