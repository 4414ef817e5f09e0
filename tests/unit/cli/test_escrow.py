"""`privet escrow open`: on another machine, with nothing but the files and the key."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pyrage
import pytest

from privet.adapters.escrow import Batches, batches_in
from privet.cli.main import run
from privet.core.masking.escrow import text_of
from tests.privacy.search import leaks
from tests.unit.processes import JAIL, ask, config, daemon, line, running, until

if TYPE_CHECKING:
    from pathlib import Path

KEY = pyrage.x25519.Identity.generate()
V4, V6 = bytes([203, 0, 113, 7]), bytes.fromhex("20010db8000a000b")
PAIRS = {b"100::abcd": V4, b"100::1:2": V6}


@pytest.fixture
def key(tmp_path: Path) -> str:
    place = tmp_path / "key.txt"
    place.touch(mode=0o600)
    place.write_text(f"# public key: {KEY.to_public()}\n{KEY}\n")
    return str(place)


@pytest.fixture
def batch(tmp_path: Path) -> str:
    Batches(tmp_path / "escrow", str(KEY.to_public())).put(text_of(PAIRS, 1574697600.0, 1574701200.0), 1574697600.0)
    (place,) = batches_in(tmp_path / "escrow")
    return str(place)


def test_all_pairs_are_printed(capsys: pytest.CaptureFixture[str], key: str, batch: str) -> None:
    assert run(["escrow", "open", batch, "--identity", key]) == 0

    times = "2019-11-25T16:00:00Z 2019-11-25T17:00:00Z"
    assert capsys.readouterr() == (f"100::1:2 2001:db8:a:b::/64 {times}\n100::abcd 203.0.113.7 {times}\n", "")


def test_those_asked_for_are_printed_however_they_are_written(
    capsys: pytest.CaptureFixture[str], key: str, batch: str
) -> None:
    assert run(["escrow", "open", "--identity", key, "0100:0::ABCD", batch]) == 0
    assert capsys.readouterr().out.startswith("100::abcd 203.0.113.7 ")

    assert run(["escrow", "open", "--identity", key, batch, "100::abcd", "100::7", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["missing"]) == ("escrow", ["100::7"])
    assert answer["items"] == [
        {
            "pseudonym": "100::abcd",
            "address": "203.0.113.7",
            "from": "2019-11-25T16:00:00Z",
            "to": "2019-11-25T17:00:00Z",
            "file": batch,
        }
    ]


def test_a_pseudonym_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str], key: str, batch: str) -> None:
    assert run(["escrow", "open", "--identity", key, batch, "100::7"]) == 1
    assert capsys.readouterr() == ("", "100::7 is in none of 1 file\n")


def test_the_key_may_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(str(KEY)))

    assert run(["escrow", "open", "--identity", "-", batch]) == 0
    assert "203.0.113.7" in capsys.readouterr().out


def test_what_cannot_be_opened_is_said_and_nothing_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key: str, batch: str
) -> None:
    other = tmp_path / "other.age"
    other.write_bytes(pyrage.encrypt(b"a letter", [KEY.to_public()]))
    damaged = tmp_path / "damaged.age"
    damaged.write_bytes(b"")
    strange = tmp_path / "strange"
    strange.touch(mode=0o600)
    strange.write_text(str(pyrage.x25519.Identity.generate()))

    for words, code, message in (
        ([batch, str(other), "--identity", key], 65, f"{other}: it is no batch of Privet"),
        ([batch, str(damaged), "--identity", key], 65, f"{damaged}: cannot be opened with this key"),
        ([batch, "--identity", str(strange)], 65, f"{batch}: cannot be opened with this key"),
        ([batch, "--identity", batch], 65, f"{batch}: there is no key of age"),
        ([str(tmp_path / "none"), "--identity", key], 2, f"{tmp_path}/none: No such file"),
        (["100::7", "--identity", key], 64, "name the files of the batches"),
        ([batch], 64, "Missing option '--identity'"),
    ):
        assert run(["escrow", "open", *words]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert message in err


def test_a_key_that_others_can_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, key: str, batch: str
) -> None:
    (tmp_path / "key.txt").chmod(0o644)

    assert run(["escrow", "open", batch, "--identity", key]) == 77
    assert "chmod 600" in capsys.readouterr().err


def test_without_the_library_that_is_said(
    capsys: pytest.CaptureFixture[str], key: str, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "privet.adapters.escrow", None)

    assert run(["escrow", "open", batch, "--identity", key]) == 2
    assert "pip install 'privet[escrow]'" in capsys.readouterr().err


def test_every_client_in_a_masked_log_has_its_address_in_the_escrow(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, runtime: Path, key: str
) -> None:
    log, place = tmp_path / "access.log", tmp_path / "privet.toml"
    source = f'pipe = true\nformat = "vhost_combined"\nlog = "{log}"'
    place.write_text(config(runtime, source, f'{JAIL}[escrow]\nrecipient = "{KEY.to_public()}"\n'))
    clients = [f"203.0.113.{last}" for last in range(1, 30)] + ["2001:db8:a:b::7"]

    with daemon(place, runtime), running(tmp_path / "pipe.log", "pipe", "--config", place, "web") as pipe:
        for number, client in enumerate(clients):
            pipe.write(f"{'ab'[number % 2]}.example:80 {line(client, f'/{number}')}\n")
        until(lambda: ask(runtime, "status")["items"][0]["lines"] == len(clients))
        assert pipe.close() == 0
        ask(runtime, "stop")
        until(lambda: list(batches_in(runtime.parent / "state" / "escrow")))

    (batch,) = batches_in(runtime.parent / "state" / "escrow")
    names = {text.split(" ")[0]: int(text.split("GET /")[1].split(" ")[0]) for text in log.read_text().splitlines()}
    assert run(["escrow", "open", "--identity", key, str(batch), *names]) == 0
    found = dict(text.split(" ")[:2] for text in capsys.readouterr().out.splitlines())
    assert found == {name: clients[number].replace("::7", "::/64") for name, number in names.items()}


def test_a_crash_loses_the_hour_and_leaves_nothing_in_clear(tmp_path: Path, runtime: Path) -> None:
    place, state = tmp_path / "privet.toml", runtime.parent / "state"
    place.write_text(config(runtime, "pipe = true", f'{JAIL}[escrow]\nrecipient = "{KEY.to_public()}"\n'))

    with daemon(place, runtime) as first, running(tmp_path / "pipe.log", "pipe", "--config", place, "web") as pipe:
        pipe.write(f"{line('203.0.113.77')}\n")
        until(lambda: (ask(runtime, "status")["escrow"] or {}).get("waiting"))
        first.process.kill()
        first.process.wait()
        assert list(batches_in(state / "escrow")) == []
        assert leaks([tmp_path, runtime.parent], ["203.0.113.77"]) == []
        (runtime / "control.sock").unlink()
        with daemon(place, runtime):
            assert ask(runtime, "status")["escrow"]["problem"] is None
