"""How an expression is punished."""

from __future__ import annotations

from privet.core.filters.expression import Expression
from privet.core.filters.watch import SHORT, Watch


def test_a_long_text_costs_the_right_to_see_such() -> None:
    watch, one = Watch(), Expression("failregex", 0, "<HOST>")
    watch.at, watch.text = one, "x" * 5000
    watch.punish()
    assert (one.longest, one.overruns) == (2500, 1)
    assert watch.at is None


def test_a_short_text_costs_everything() -> None:
    watch, one = Watch(), Expression("failregex", 0, "<HOST>")
    watch.at, watch.text = one, "x" * SHORT
    watch.punish()
    assert one.longest < 0
    watch.punish()
    assert one.overruns == 1
