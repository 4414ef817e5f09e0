"""Promises 5 to 8: what is stored opens for nobody who changed it, and for nobody once its time is over.

Each checker returns what is wrong. It is asked of Privet as it is, and of Privet with its precautions taken away.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import date
from hashlib import blake2b
from typing import TYPE_CHECKING

import pytest

from privet.adapters import daykeys
from privet.adapters.daykeys import DayKeys
from privet.adapters.store import rows
from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS, ON_SIGHT, Form, canonical
from privet.adapters.store.seal import KeySeal
from privet.adapters.store.sqlite import SqliteStore
from privet.core.addresses.address import PSEUDONYM_NET, unpack
from privet.core.masking import mask
from privet.core.masking.mask import Mask, Masks
from tests.privacy.search import leaks
from tests.unit.adapters.store.examples import HOUR, NOW, bans

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privet.core.bans.model import Ban

EDITS = {
    "bytes were changed": (  # eight: one of them may be zero already
        "UPDATE kept SET sealed = CAST(substr(sealed, 1, 20) || zeroblob(8) || substr(sealed, 29) AS BLOB) "
        "WHERE rowid = 3"
    ),
    "a ban was made longer": "UPDATE kept SET until = until + 3600 WHERE rowid = 3",
    "a ban was put into another jail": "UPDATE kept SET jail = 'web' WHERE rowid = 3",
    "a row was put in the place of another": (
        "UPDATE kept SET sealed = (SELECT sealed FROM kept WHERE rowid = 4) WHERE rowid = 3"
    ),
}
CLIENTS = [bytes([203, 0, 113, 77]), bytes.fromhex("20010db8000a000b")]
SITES = [b"www.example.org", b"www.example.net"]


def store_of(folder: Path) -> SqliteStore[Ban]:
    return SqliteStore(folder / "state" / "bans.db", Buckets(Ring(folder / "keys" / "ring"), "bans"), BANS)


def believed_after_an_edit(folder: Path) -> list[str]:
    """Return which edits of a stored ban are believed, or not reported."""
    wrong = []
    for number, (what, statement) in enumerate(EDITS.items()):
        place = folder / str(number)
        with closing(store_of(place)) as store:
            store.put(bans(9))
        with closing(sqlite3.connect(place / "state" / "bans.db")) as db, db:
            db.execute(statement)
        with closing(store_of(place)) as store:
            if len(store.load(NOW)) != 8 or store.refused != 1 or not store.complaint:
                wrong.append(what)
    return wrong


def open_after_the_end(folder: Path) -> list[str]:
    """Return how a copy from before can be opened after the bans in it have ended."""
    live, wrong = folder / "live", []
    with closing(store_of(live)) as store:
        store.put(bans(9))
    for copy in ("stolen", "backup"):
        shutil.copytree(live / "state", folder / copy / "state")
    with closing(store_of(live)) as store:
        store.expire(NOW + 2 * HOUR)
    shutil.copytree(live / "keys", folder / "stolen" / "keys")
    for copy, how in (("stolen", "with the keys of today"), ("backup", "without the keys, which no backup has")):
        with closing(store_of(folder / copy)) as store:
            if store.load(NOW):
                wrong.append(how)
    return wrong


def told_to_who_has_the_keys(folder: Path, form: Form[Ban]) -> list[str]:
    """Return which addresses stand in what was stored, once it is opened with its own keys."""
    with closing(
        SqliteStore(folder / "state" / "bans.db", Buckets(Ring(folder / "keys" / "ring"), "bans"), form)
    ) as store:
        store.put(bans(9))
    seals = Buckets(Ring(folder / "keys" / "ring"), "bans").seals
    (folder / "plain").mkdir()
    with closing(sqlite3.connect(folder / "state" / "bans.db")) as db:
        for number, row in enumerate(db.execute("SELECT id, jail, until, bucket, sealed FROM kept")):
            identity, jail, until, bucket, sealed = row
            context = rows._context(BANS.label, bucket, identity, jail.encode(), until)  # noqa: SLF001  as the store does it
            (folder / "plain" / str(number)).write_bytes(seals[bucket].open(sealed, context))
    assert len(list((folder / "plain").iterdir())) == 9
    addresses = [ban.subject.reveal() for ban in bans(9)]
    return sorted({how for _, how in leaks([folder / "plain"], [one for one in addresses if "/" not in one])})


def wrong_names(runtime: Path) -> list[str]:
    """Return what is wrong with the pseudonyms of two days."""
    keys = DayKeys(runtime / "keys")

    def names(now: float) -> list[list[bytes]]:
        masks = Masks("pseudonym", keys.today(now)[1])
        return [[masks.site(site).clients[key] for key in CLIENTS] for site in SITES]

    noon = daykeys._midnight(date(2026, 11, 22)) + 12 * HOUR  # noqa: SLF001  it is a local day
    today, again, tomorrow = names(noon), names(noon + HOUR), names(noon + 24 * HOUR)
    keys.today(noon + 48 * HOUR)
    left = [path.name for path in (runtime / "keys").iterdir()]
    keys = DayKeys(runtime / "keys")
    every = [name for site in (*today, *tomorrow) for name in site]
    wrong = {
        "a client has two names within a site and day": today != again,
        "a client has one name on two sites or days": len(set(every)) < len(every),
        "a name is not in 100::/64": not all(name.startswith(b"100::") for name in every),
        "a key is left": left != ["2026-11-24"],
        "a name of the past can be made again": names(noon) == today,
    }
    return [what for what, holds in wrong.items() if holds]


def test_promise_5_what_was_changed_at_rest_is_refused_and_reported(tmp_path: Path) -> None:
    assert believed_after_an_edit(tmp_path) == []


def test_a_seal_that_does_not_bind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal, open_ = KeySeal.seal, KeySeal.open
    monkeypatch.setattr(KeySeal, "seal", lambda self, plain, _context: seal(self, plain, b""))
    monkeypatch.setattr(KeySeal, "open", lambda self, sealed, _context: open_(self, sealed, b""))

    assert set(believed_after_an_edit(tmp_path)) >= set(list(EDITS)[1:3])


def test_promise_6_after_their_end_bans_can_be_read_by_nobody(tmp_path: Path) -> None:
    assert open_after_the_end(tmp_path) == []


def test_a_key_that_is_not_destroyed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ring, "destroy", lambda *_: None)

    assert open_after_the_end(tmp_path) == ["with the keys of today"]


def test_one_key_for_everything_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = KeySeal.__init__
    monkeypatch.setattr(KeySeal, "__init__", lambda self, _key: real(self, bytes(32)))
    monkeypatch.setattr(Buckets, "retire", lambda *_: None)

    assert "with the keys of today" in open_after_the_end(tmp_path)


def test_promise_7_on_sight_not_even_the_keys_tell_who_is_banned(tmp_path: Path) -> None:
    assert told_to_who_has_the_keys(tmp_path, ON_SIGHT) == []


def test_subjects_that_are_sealed_or_marked_in_clear_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "packed" in told_to_who_has_the_keys(tmp_path / "sealed", BANS)

    monkeypatch.setattr(rows, "mark_of", lambda _seal: canonical)
    assert "packed" in told_to_who_has_the_keys(tmp_path / "marked", ON_SIGHT)


def test_promise_8_pseudonyms_are_of_one_site_and_day(runtime: Path) -> None:
    assert wrong_names(runtime) == []


def one_key_for_all_sites(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Masks, "_make", lambda self, _name: Mask("pseudonym", self._day_key or b""))


def a_key_made_of_the_date(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(daykeys, "_shared", lambda path: blake2b(path.name.encode(), digest_size=32).digest())


def one_key_for_all_days(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(daykeys, "_shared", lambda _path: bytes(32))


def keys_that_stay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DayKeys, "_forget_old", lambda *_: None)


def names_that_change(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Mask, "_pseudonym", lambda *_: unpack(PSEUDONYM_NET + os.urandom(8)))


def names_of_somebody_else(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(mask, "PSEUDONYM_NET", bytes.fromhex("20010db800000000"))


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (one_key_for_all_sites, "a client has one name on two sites or days"),
        (one_key_for_all_days, "a client has one name on two sites or days"),
        (a_key_made_of_the_date, "a name of the past can be made again"),
        (keys_that_stay, "a name of the past can be made again"),
        (keys_that_stay, "a key is left"),
        (names_that_change, "a client has two names within a site and day"),
        (names_of_somebody_else, "a name is not in 100::/64"),
    ],
)
def test_names_that_tell_more_are_found(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None], found: str
) -> None:
    plant(monkeypatch)

    assert found in wrong_names(runtime)
