"""News: few messages, each with all there is."""

from __future__ import annotations

from privet.core.watch.news import MOST, SETTLE, News


def test_what_comes_together_is_one_message() -> None:
    news = News(600)
    news.add("one", 100)
    news.add("two", 105)
    news.add("one", 106)

    assert news.take(100 + SETTLE - 1) == []
    assert news.take(100 + SETTLE) == ["one", "two"]
    assert news.take(10_000) == []


def test_between_two_messages_there_is_time() -> None:
    news = News(600)
    news.add("one", 100)
    news.take(110)
    news.add("two", 120)

    assert news.take(700) == []
    assert news.take(710) == ["two"]


def test_too_much_is_counted() -> None:
    news = News(600)
    for number in range(MOST + 7):
        news.add(f"piece {number}", 0)

    message = news.take(100)
    assert len(message) == MOST + 1
    assert message[-1] == "and 7 pieces of news more: see privet status"


def test_what_could_not_be_told_comes_with_the_next() -> None:
    news = News(600)
    news.add("one", 0)
    lines = news.take(10)
    news.add("two", 11)
    news.back(lines, 12)

    assert news.take(600) == []
    assert news.take(610) == ["one", "two"]


def test_a_piece_is_one_line_without_an_address() -> None:
    news = News(60)
    news.add("source web: now\n192.0.2.1\tand 2001:db8::1 came", 0)

    (line,) = news.take(60)
    assert "192.0.2.1" not in line
    assert "2001:db8" not in line
    assert "\n" not in line


def test_a_clock_that_is_set_delays_nothing() -> None:
    news = News(600)
    news.add("one", 100)
    news.take(110)
    news.add("two", 120)
    news.shift(-100)

    assert news.take(610) == ["two"]
