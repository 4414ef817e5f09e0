"""Failures told in several lines, as dialogues: what each line says, and what comes of it."""

from __future__ import annotations

from typing import Any

from privet.core.filters.conversations import KEPT, LASTS, LINES, MOST, ROOM, Conversations, PutOff

ONE, OTHER = {"ip4": "192.0.2.1"}, {"ip6": "2001:db8::1"}
HARMLESS, GAINED, FORGET = {"nofail": "x"}, {"mlfgained": "x"}, {"mlfforget": "x"}


class Talk:
    """A conversation with `id`; each line is told by what it says, and answered by who failed with how many lines."""

    def __init__(self) -> None:
        self.talks = Conversations()
        self.number = 0

    def says(self, *facts: dict[str, Any], time: float = 0.0, name: str = "id") -> tuple[str, int] | None:
        self.number += 1
        said = {key: value for one in facts for key, value in one.items()}
        found = self.talks.take({"mlfid": name, **said}, f"line {self.number}", time)
        return (found[0].get("ip4") or found[0]["ip6"], len(found[1])) if found else None


def test_the_address_comes_first() -> None:
    talk = Talk()
    assert talk.says(HARMLESS, ONE) is None
    assert talk.says({"user": "bob"}) == ("192.0.2.1", 2)
    assert talk.says({"user": "bob"}) == ("192.0.2.1", 1)


def test_the_address_comes_last() -> None:
    talk = Talk()
    assert talk.says({"user": "bob"}) is None
    assert talk.says({"user": "bob"}) is None
    assert talk.says(HARMLESS, ONE) == ("192.0.2.1", 3)
    assert talk.says(HARMLESS, ONE) is None


def test_a_login_that_works_ends_the_wait() -> None:
    talk = Talk()
    assert talk.says({"user": "bob"}) is None
    assert talk.says(GAINED, {"user": "bob"}) is None
    assert talk.says(HARMLESS, ONE) is None


def test_a_second_user_is_a_failure() -> None:
    talk = Talk()
    assert talk.says(HARMLESS, ONE, {"user": "bob"}) is None
    assert talk.says(GAINED, {"user": "eve"}) == ("192.0.2.1", 2)
    assert talk.says(HARMLESS) == ("192.0.2.1", 1)


def test_the_end_is_the_end() -> None:
    talk = Talk()
    assert talk.says(HARMLESS, ONE) is None
    assert talk.says(HARMLESS, FORGET) is None
    assert talk.says({"user": "bob"}) is None


def test_another_address_is_another_connection() -> None:
    talk = Talk()
    assert talk.says(ONE, {"user": "bob"}) == ("192.0.2.1", 1)
    assert talk.says(OTHER, {"user": "eve"}) == ("2001:db8::1", 1)
    assert talk.says(HARMLESS) is None
    assert talk.says({"user": "eve"}) == ("2001:db8::1", 2)


def test_names_keep_conversations_apart() -> None:
    talk = Talk()
    assert talk.says(HARMLESS, ONE, name="a") is None
    assert talk.says({"user": "bob"}, name="b") is None
    assert talk.says({"user": "bob"}, name="a") == ("192.0.2.1", 2)


def test_it_does_not_last_for_ever() -> None:
    talk = Talk()
    assert talk.says(HARMLESS, ONE) is None
    assert talk.says({"user": "bob"}, time=LASTS) == ("192.0.2.1", 2)
    assert talk.says({"user": "bob"}, time=LASTS + 1) is None


def test_there_are_not_too_many() -> None:
    talk = Talk()
    for number in range(3 * MOST):
        talk.says(HARMLESS, ONE, name=str(number))
    assert len(talk.talks) <= MOST
    assert talk.says({"user": "bob"}, name=str(3 * MOST - 1)) == ("192.0.2.1", 2)


def test_lines_are_put_off_by_process() -> None:
    lines = PutOff()
    assert lines.keep(b"host sshd[1]: a", user=False)
    assert lines.keep(b"host sshd[2]: b", user=False)
    assert lines.keep(b"host sshd[1]: c", user=True)
    assert lines.release(" host sshd[1]: ") == [b"host sshd[1]: a", b"host sshd[1]: c"]
    assert not lines.keep(b"host sshd[1]: d", user=False)
    assert lines.release(" host sshd[1]: ") == []


def test_two_users_are_read_at_once() -> None:
    lines = PutOff()
    assert lines.keep(b"host sshd[1]: a", user=True)
    assert not lines.keep(b"host sshd[1]: b", user=True)


def test_lines_without_a_process_are_read_at_once() -> None:
    lines = PutOff()
    assert not lines.keep(b"host sshd: a", user=False)
    assert not lines.keep(b"host 12[1]: a", user=False)
    assert lines.keep(b"host[x] sshd[1]: a", user=False)


def test_nothing_is_put_off_where_conversations_have_no_process() -> None:
    lines = PutOff()
    assert lines.keep(b"host sshd[1]: a", user=False)
    assert lines.release("no process") == [b"host sshd[1]: a"]
    assert not lines.keep(b"host sshd[2]: a", user=False)


def test_what_is_put_off_is_bounded() -> None:
    lines = PutOff()
    assert not all(lines.keep(b"host sshd[1]: " + bytes([97]) * 100, user=False) for _ in range(KEPT // 100 + 1))
    for number in range(3 * MOST):
        lines.keep(b"host sshd[%d]: x" % number, user=False)
    assert lines.release("sshd[2]") == []
    assert lines.release(f"sshd[{3 * MOST - 1}]")


def test_an_endless_conversation_keeps_its_last_lines_only() -> None:
    talks = Conversations()
    for number in range(3 * LINES):
        assert talks.take({"mlfid": "id", **HARMLESS, **ONE, "user": "bob"}, f"line {number}", 0.0) is None
    found = talks.take({"mlfid": "id", "user": "bob"}, "end", 0.0)
    assert found
    assert found[1] == [*(f"line {number}" for number in range(2 * LINES + 1, 3 * LINES)), "end"]
    for _ in range(10):
        talks.take({"mlfid": "id", **HARMLESS}, "x" * ROOM, 0.0)
    found = talks.take({"mlfid": "id", "user": "bob"}, "end", 0.0)
    assert found
    assert found[1] == ["end"]


def test_a_long_line_is_not_put_off() -> None:
    put_off = PutOff()
    assert not put_off.keep(b"host sshd[7]: " + b"x" * KEPT, user=False)
    assert put_off.keep(b"host sshd[7]: " + b"x" * 100, user=False)
