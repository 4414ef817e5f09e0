"""The lookout remembers who has come since it was asked."""

from __future__ import annotations

from privet.core.watch.lookout import MOST, Lookout


def test_only_who_comes_after_the_first_question_is_seen() -> None:
    lookout = Lookout()
    lookout.see([b"aaaa", b"bbbb"])
    assert not lookout.ask(b"aaaa")
    lookout.see([b"bbbb"])
    assert not lookout.ask(b"aaaa")
    lookout.see([b"cccc", b"aaaa", b"aaaa"])
    assert lookout.ask(b"aaaa")
    assert not lookout.ask(b"bbbb")


def test_few_are_remembered() -> None:
    lookout = Lookout()
    lookout.ask(b"aaaa")
    for number in range(MOST):
        lookout.ask(bytes([number] * 4))
    lookout.see([b"aaaa"])
    assert not lookout.ask(b"aaaa")
