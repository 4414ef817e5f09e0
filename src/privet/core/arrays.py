"""numpy, imported when first used: a daemon whose jails only count requests needs none of its 16 MB."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["np"]

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        """Stands for numpy in whichever modules have it from here, until one of them needs it."""

        def __getattr__(self, name: str) -> object:
            numpy = import_module("numpy")
            for module in [*sys.modules.values()]:  # a look at an attribute of this would cost more each time
                if getattr(module, "__dict__", {}).get("np") is self:
                    module.np = numpy
            return getattr(numpy, name)

    np = _Numpy()
