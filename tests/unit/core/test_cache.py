"""What is remembered, and what is not."""

from __future__ import annotations

from privet.core.cache import LONGEST, Cache


def test_a_cache_keeps_what_came_last_and_remembers_nothing_long() -> None:
    asked: list[bytes] = []

    def size(text: bytes) -> int:
        asked.append(text)
        return len(text)

    cache = Cache(size, 4)
    for text in (b"a", b"bb", b"c", b"a", b"dd", b"a", b"bb"):
        assert cache[text] == len(text)
        assert cache.remembered <= 4
    assert asked == [b"a", b"bb", b"c", b"dd", b"bb"]
    cache.clear()
    assert not cache.remembered
    assert cache[b"bb"] == 2
    assert asked[-2:] == [b"bb", b"bb"]
    long = b"x" * (LONGEST + 1)
    assert cache[long] == cache[long] == len(long)
    assert long not in cache
    short = Cache(size, longest=2)
    assert short[b"xxx"] == 3
    assert b"xxx" not in short
