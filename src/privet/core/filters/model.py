"""A filter as data: what fail2ban's configuration says once every inclusion and interpolation is done."""

from __future__ import annotations

from typing import Literal

import msgspec

UseDns = Literal["yes", "warn", "no", "raw"]


class FilterSpec(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A filter with its options.

    Every text is as fail2ban's server would get it: interpolated, with `<HOST>` and the `<F-...>` tags still in
    it. `failregex` and `ignoreregex` hold one regular expression per entry, in order. `datepattern` may hold
    several patterns, one per line; without one the usual forms of dates are tried. Of `usedns` only `yes`
    looks names up; `raw` and `no` do not, and `warn` neither, since a look-up tells a third party.
    """

    name: str
    failregex: tuple[str, ...]
    ignoreregex: tuple[str, ...] = ()
    prefregex: str = ""
    datepattern: str = ""
    maxlines: int = 1
    usedns: UseDns = "warn"
    logtimezone: str = ""
    logencoding: str = "auto"
