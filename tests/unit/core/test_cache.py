"""What is remembered, and what is not."""

from __future__ import annotations

from privet.core.cache import LONGEST, Cache


def test_a_cache_forgets_whole_and_remembers_nothing_long() -> None:
    asked: list[bytes] = []

    def size(text: bytes) -> int:
        asked.append(text)
        return len(text)

    cache = Cache(size, 2)
    for text in (b"a", b"bb", b"a", b"c", b"a"):
        assert cache[text] == len(text)
    assert asked == [b"a", b"bb", b"c", b"a"]
    assert len(cache) <= 2
    long = b"x" * (LONGEST + 1)
    assert cache[long] == cache[long] == len(long)
    assert long not in cache
    short = Cache(size, longest=2)
    assert short[b"xxx"] == 3
    assert b"xxx" not in short
