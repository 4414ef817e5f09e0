"""What the administrator's files say: what `robots.txt` asks for, and where the robots of others live."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.addresses.prefixes import PrefixSet
    from privet.core.manners.robots import Rules

    Robots = Mapping[str, Rules]
    Crawlers = Mapping[str, PrefixSet]


class Known:
    """`robots` are the rules by site, `crawlers` the networks by the word that agents call themselves by."""

    def __init__(self, robots: Robots = MappingProxyType({}), crawlers: Crawlers = MappingProxyType({})) -> None:
        self.robots, self.crawlers = robots, crawlers
