"""What changed is collected for a store, once there is one, and never without bounds."""

from __future__ import annotations

from privet.core.bans.notes import Changed


def test_nothing_is_collected_before_it_begins() -> None:
    changed: Changed[str] = Changed(3)
    changed.add("a")
    assert changed.take(9) == []
    changed.begin()
    changed.add("b")
    changed.begin()
    assert changed.take(9) == ["b"], "beginning again loses nothing"


def test_what_changes_twice_is_told_once_and_in_parts() -> None:
    changed: Changed[str] = Changed(3)
    changed.begin()
    for key in "abab":
        changed.add(key)
    assert (changed.take(1), changed.take(1), changed.take(1)) == (["a"], ["b"], [])


def test_of_too_much_the_oldest_is_forgotten() -> None:
    changed: Changed[int] = Changed(3)
    changed.begin()
    for key in range(9):
        changed.add(key)
    assert changed.take(9) == [6, 7, 8]


def test_one_that_takes_the_place_of_another_goes_on_with_what_that_has() -> None:
    old: Changed[str] = Changed(3)
    old.begin()
    old.add("a")
    new: Changed[str] = Changed(3)
    new.carry(old)
    new.add("b")
    assert new.take(9) == ["a", "b"]
