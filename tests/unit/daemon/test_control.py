"""The control socket as its callers see it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.daemon import control
from privet.daemon.whom import AT_ONCE
from privet.ports import FirewallError
from tests.privacy.search import leaks
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from privet.core.bans.model import Order

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
HOUR = 3600


def play(place: Served, scene: Callable[[Served], Awaitable[None]], firewall: NullFirewall | None = None) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place, firewall):
            await scene(place)

    asyncio.run(run())


class Moody(NullFirewall):
    """A firewall that fails as a whole, or refuses single orders."""

    def __init__(self) -> None:
        super().__init__(time.time)
        self.failure: FirewallError | None = None
        self.answer: str | None = None

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        if self.failure:
            raise self.failure
        return super().apply(orders) if self.answer is None else [self.answer] * len(orders)


def test_the_socket_is_for_its_owner_alone_and_goes_with_the_daemon(place: Served) -> None:
    async def scene(place: Served) -> None:
        assert stat.S_IMODE((place.runtime / "control.sock").stat().st_mode) == 0o600

    play(place, scene)
    assert sorted(path.name for path in place.runtime.iterdir()) == ["clock", "intakes", "keys", "lock"]


def test_what_is_banned_is_listed_under_its_pseudonym_until_it_is_lifted(place: Served) -> None:
    async def scene(place: Served) -> None:
        banned = await place.ask(
            "ban", subjects=[V4, V6, "198.51.100.0/24"], seconds=HOUR, why="took everything", agreed=True
        )
        assert [item["result"] for item in banned["items"]] == ["banned"] * 3
        assert banned["items"][0]["until"] == pytest.approx(time.time() + HOUR, abs=60)

        listed = (await place.ask("bans"))["items"]
        names = {item["subject"] for item in listed}
        assert names == {item["subject"] for item in banned["items"]}
        assert all(name.startswith("100::") for name in names)
        assert {(item["jail"], item["origin"], item["why"], item["in_force"]) for item in listed} == {
            ("by hand", "administrator", "took everything", True)
        }
        revealed = {item["subject"] for item in (await place.ask("bans", reveal=True))["items"]}
        assert revealed == {V4, "2001:db8:a:b::/64", "198.51.100.0/24"}

        lifted = await place.ask("unban", subjects=[V4, banned["items"][1]["subject"]])
        assert [item["subject"] for item in lifted["items"]] == [item["subject"] for item in banned["items"][:2]]
        assert [item["subject"] for item in (await place.ask("bans", reveal=True))["items"]] == ["198.51.100.0/24"]
        assert (await place.accounts())["unbanned"] == 2

    play(place, scene)


def test_a_canary_is_looked_out_for(place: Served) -> None:
    async def scene(place: Served) -> None:
        assert await place.ask("canary", subject="127.1.2.3") == {"seen": False}
        place.append(line("127.9.9.9"), line("127.1.2.3"))
        await until(lambda: place.daemon.engine.sources["web"].lines == 2)
        assert await place.ask("canary", subject="127.1.2.3") == {"seen": True}
        assert await place.ask("canary", subject="127.9.9.9") == {"seen": False}
        assert "error" in await place.ask("canary", subject="nobody")

    play(place, scene)


def test_every_ban_of_a_jail_or_all_can_be_lifted(place: Served) -> None:
    async def scene(place: Served) -> None:
        await place.ask("ban", subjects=["192.0.2.1", "192.0.2.2"], seconds=HOUR, jail="leech")
        await place.ask("ban", subjects=["192.0.2.2", "192.0.2.3"], seconds=HOUR)

        lifted = (await place.ask("unban", jail="leech"))["items"]
        assert [item["jail"] for item in lifted] == ["leech", "leech"]
        assert len((await place.ask("bans"))["items"]) == 2
        assert len((await place.ask("unban", all=True))["items"]) == 2
        assert (await place.ask("bans"))["items"] == []
        assert (await place.ask("unban", all=True))["items"] == []
        assert await place.accounts() == await place.accounts() | {"ordered": 4, "unbanned": 4, "in_kernel": 0}

    play(place, scene)


def test_every_subject_has_a_name_of_its_own_by_which_it_can_be_lifted(place: Served) -> None:
    subjects = [
        "32.1.13.184",
        "2001:db8::/32",
        "32.1.0.0/16",
        "2001::/16",
        "32.1.13.0/24",
        "32.1.12.0/22",
        "2001:db8::/64",
    ]

    async def scene(place: Served) -> None:
        await place.ask("ban", subjects=subjects, seconds=HOUR, agreed=True)
        names = {item["subject"] for item in (await place.ask("bans"))["items"]}
        assert len(names) == len(subjects)
        for name in names:
            lifted = (await place.ask("unban", subjects=[name], dry_run=True))["items"]
            assert name in {item["subject"] for item in lifted}

    play(place, scene)


def test_after_an_unban_the_count_starts_anew(place: Served) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 3)
        await until(lambda: list(place.daemon.kernel.ledger))
        await place.ask("unban", subjects=[V4])
        place.append(*[line(V4)] * 2)
        await until(lambda: place.daemon.engine.sources["web"].lines == 5)
        assert (await place.ask("bans"))["items"] == []
        place.append(line(V4))
        await until(lambda: list(place.daemon.kernel.ledger))
        assert await place.accounts() == await place.accounts() | {"ordered": 2, "unbanned": 1}

    play(place, scene)


@pytest.mark.parametrize("subject", ["127.0.0.1", "::1", "127.0.0.0/8", "0.0.0.0/0", "::/0", "::ffff:127.0.0.1"])
def test_this_machine_is_never_banned(place: Served, subject: str) -> None:
    async def scene(place: Served) -> None:
        answer = await place.ask("ban", subjects=[subject, V4], seconds=HOUR, agreed=True)

        own = "this machine's own address"
        said = f"part of it must never be banned: {own}" if subject.endswith(("/0", "/8")) else own
        assert [(item["result"], item["reason"]) for item in answer["items"]] == [("refused", said), ("banned", None)]
        accounts = await place.accounts()
        assert accounts == accounts | {"ordered": 2, "refused": 1, "in_kernel": 1}
        assert (await place.ask("status"))["bans"]["refused_by"] == {"this machine's own address": 1}

    play(place, scene)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"verb": "ban", "subjects": ["nobody"], "seconds": 1}, "not an address or a prefix: give an address"),
        ({"verb": "ban", "subjects": ["192.0.2.1/99"], "seconds": 1}, "a prefix length is a whole number"),
        (
            {"verb": "ban", "subjects": ["100::1"], "seconds": 1},
            "nobody who is banned, or who came in the last day, has",
        ),
        ({"verb": "unban", "subjects": ["100::1"]}, "nobody who is banned, or who came in the last day, has"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": 0}, "a ban lasts for some time"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": -1}, "a ban lasts for some time"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": float("nan")}, "a ban lasts for some time"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": float("inf")}, "a ban lasts for some time"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": 1e300}, "a ban lasts for some time, at most 100 years"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": 10**400}, "does not understand"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "jail": "leach"}, "there is no such jail: did you mean 'leech'?"),
        ({"verb": "ban", "subjects": ["AS64500"]}, "there is no table of networks"),
        ({"verb": "ban", "lists": ["192.0.2.1\nnobody"]}, "the list cannot be used: line 2 has no address"),
        ({"verb": "ban", "lists": 7}, "does not understand"),
        ({"verb": "why"}, "does not understand"),
        ({"verb": "why", "subject": "nobody"}, "not an address or a prefix: give an address"),
        ({"verb": "pause"}, "does not understand"),
        ({"verb": "pause", "seconds": 0}, "a pause lasts for some time"),
        ({"verb": "pause", "seconds": 1e9}, "a pause lasts for some time, at most a day"),
        ({"verb": "ban", "subjects": 7, "seconds": 1}, "does not understand"),
        ({"verb": "ban", "subjects": ["192.0.2.1"], "seconds": "long"}, "does not understand"),
        ({"verb": "unban"}, "say whom"),
        ({"verb": "dance"}, "does not understand"),
        ({"verb": ["status"]}, "does not understand"),
        ({}, "does not understand"),
        ([], "does not understand"),
        (7, "does not understand"),
        (None, "does not understand"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(place: Served, request_: object, message: str) -> None:
    async def scene(place: Served) -> None:
        answer = json.loads(await place.speak(json.dumps(request_).encode() + b"\n"))

        assert list(answer) == ["error"]
        assert message in answer["error"]
        assert "192.0.2" not in answer["error"].replace("192.0.2.0/24", "")
        assert (await place.accounts())["ordered"] == 0

    play(place, scene)


def test_garbage_is_answered_or_hung_up_on_and_nothing_else_happens(
    place: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(place: Served) -> None:
        for data in (
            b"\n",
            b"{",
            b"\xff\xfe\n",
            b"[" * 100_000 + b"\n",
            b'"' + b"x" * (9 << 20),
            os.urandom(5000),
            b"\0",
        ):
            answer = await place.speak(data, hang_up=True)
            assert not answer or list(json.loads(answer)) == ["error"]
        for _ in range(20):
            await place.speak(os.urandom(200) + b"\n")
        assert (await place.ask("status"))["pid"] == os.getpid()

    play(place, scene)
    assert "Traceback" not in capfd.readouterr().err


def test_who_says_nothing_is_hung_up_on(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.1)

    async def scene(place: Served) -> None:
        assert await place.speak(b'{"verb": "sta') == b""
        assert await place.speak(b"") == b""
        assert (await place.ask("status"))["pid"] == os.getpid()

    play(place, scene)


def test_who_waits_long_is_told_that_it_is_being_worked_at(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ALIVE", 0.05)

    async def slow(_request: object) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {"items": []}

    async def scene(place: Served) -> None:
        monkeypatch.setattr(place.daemon.past, "tell", slow)
        reader, writer = await asyncio.open_unix_connection(place.runtime / "control.sock")
        writer.write(b'{"verb": "history"}\n')
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"  "
        rest = await asyncio.wait_for(reader.read(), 5)
        assert json.loads(rest) == {"items": []}
        assert rest.strip().count(b"\n") == 0
        writer.close()

    play(place, scene)


def test_a_caller_who_leaves_at_once_does_no_harm(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(place: Served) -> None:
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(place.runtime / "control.sock")
            writer.write(b'{"verb": "status"}\n')
            writer.close()
        assert (await place.ask("status"))["pid"] == os.getpid()

    play(place, scene)
    assert "Traceback" not in capfd.readouterr().err


def test_many_are_banned_and_lifted_at_once(place: Served) -> None:
    subjects = [f"10.{number >> 8}.{number & 255}.1" for number in range(1, 5001)]

    async def scene(place: Served) -> None:
        answer = await place.ask("ban", subjects=subjects, seconds=HOUR, agreed=True)
        assert {item["result"] for item in answer["items"]} == {"banned"}
        assert (await place.accounts())["in_kernel"] == 5000
        assert len((await place.ask("unban", all=True))["items"]) == 5000
        assert (await place.accounts())["unbanned"] == 5000

    play(place, scene)


def test_while_the_firewall_fails_bans_wait_and_it_says_so(place: Served) -> None:
    firewall = Moody()
    firewall.failure = FirewallError("nft is missing")

    async def scene(place: Served) -> None:
        answer = await place.ask("ban", subjects=[V4], seconds=HOUR)
        assert [(item["result"], item["reason"]) for item in answer["items"]] == [("waiting", "nft is missing")]
        status = await place.ask("status")
        assert (status["firewall"]["name"], status["firewall"]["problem"]) == ("null", "nft is missing")
        assert "firewall: nft is missing" in status["warnings"]
        assert (await place.accounts())["waiting"] == 1
        assert [item["in_force"] for item in (await place.ask("bans"))["items"]] == [False]

        firewall.failure = None
        await until(lambda: all(ban.confirmed for ban in place.daemon.kernel.ledger))
        assert (await place.accounts())["in_kernel"] == 1
        assert (await place.ask("status"))["firewall"]["problem"] is None

    play(place, scene, firewall)


def test_what_the_firewall_refuses_is_counted_by_reason(place: Served) -> None:
    firewall = Moody()
    firewall.answer = "the set is full"

    async def scene(place: Served) -> None:
        answer = await place.ask("ban", subjects=[V4, V6], seconds=HOUR)
        assert {(item["result"], item["reason"]) for item in answer["items"]} == {("waiting", "the set is full")}
        accounts: dict[str, Any] = dict(await place.accounts())
        assert (accounts["failed"], accounts["failed_by"]) == (2, {"the set is full": 2})

    play(place, scene, firewall)


def test_no_address_leaves_unless_it_is_to_be_revealed(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 3, *[line(V6)] * 3, f"garbage from {V4}", f"{V6} garbage")
        await until(lambda: len(list(place.daemon.kernel.ledger)) == 2)
        await until(lambda: place.daemon.engine.sources["web"].lines == 8)
        answers = [await place.ask(verb) for verb in ("status", "jails", "bans")]
        answers.append(await place.ask("ban", subjects=["198.51.100.7", "198.51.100.0/25"], seconds=HOUR, agreed=True))
        answers.append(await place.ask("unban", all=True))
        (place.runtime / "answers").write_text(json.dumps(answers))

    play(place, scene)
    (place.runtime / "log").write_text(capfd.readouterr().err)
    assert leaks([place.runtime], [V4, V6, "198.51.100.7", "198.51.100.0"]) == []


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_an_answer_of_any_length_is_one_object_on_one_line(count: int) -> None:
    answer = {"agreed": True, "items": [{"subject": "100::1", "until": number} for number in range(count)]}
    for whole in (answer, {"items": answer["items"]}, {"error": "no"}):
        text = b"".join(control._encoded(whole))  # noqa: SLF001  as the socket gets it
        assert json.loads(text) == whole
        assert text.count(b"\n") == 1


def test_who_asks_what_fails_is_not_kept_waiting(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_request: object) -> dict[str, Any]:
        raise RuntimeError(V4)

    async def scene(place: Served) -> None:
        monkeypatch.setattr(place.daemon.past, "tell", fails)
        reader, writer = await asyncio.open_unix_connection(place.runtime / "control.sock")
        writer.write(b'{"verb": "history"}\n')
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    play(place, scene)
