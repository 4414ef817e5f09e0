"""On sight, marks are stored, and no subject; whoever is met gets the row that he had."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from privet.adapters.store import sqlite
from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS, ON_SIGHT, canonical, mark_of, open_row
from privet.adapters.store.sqlite import SqliteStore
from privet.core.bans.sight import NOBODY, Sight, Unseen
from privet.core.verdicts import Action
from tests.unit.adapters.store.examples import HOUR, NOW, ban, bans, by_subject, for_good

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from privet.adapters.store.rows import Form, Row
    from privet.core.bans.model import Ban
    from privet.ports import Seal


def opened(path: Path, buckets: Buckets, form: Form[Ban] = ON_SIGHT) -> SqliteStore[Ban]:
    return SqliteStore(path, buckets, form)


def met(found: list[Ban], buckets: Buckets, among: list[Ban]) -> list[Ban]:
    """Return the bans that those who had them are met with."""
    sight = Sight(1000)
    marks = {number: mark_of(seal) for number, seal in buckets.seals.items()}
    sight.expect([one for one in found if isinstance(one, Unseen)], marks)
    return by_subject(sight.meet(one.subject for one in among))


def plain_texts(path: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what whoever has all keys can open."""
    texts: list[bytes] = []

    def listen(row: Row, seal: Seal, form: Form[Ban]) -> Ban:
        open_row(row, seal, form._replace(outside=lambda _row, _jail, plain: texts.append(plain)))  # type: ignore[arg-type,return-value]
        return open_row(row, seal, form)

    with monkeypatch.context() as inside, closing(opened(path, buckets)) as store:
        inside.setattr(sqlite, "open_row", listen)
        store.load(NOW)
    return texts


def test_who_is_met_is_banned_as_before(path: Path, buckets: Buckets) -> None:
    deny = ban(2, "web")
    deny.action, deny.scope, deny.group = Action.DENY, "tcp:80", "AS64500"
    stored = [*bans(20), for_good(20), deny]
    with closing(opened(path, buckets)) as store:
        store.put(stored)
        store.rest(stored)
    with closing(opened(path, buckets)) as store:
        found = store.load(NOW)
        assert not store.rested
        assert {one.subject for one in found} == {NOBODY}
        assert met(found, buckets, stored) == by_subject(stored)
        assert met(found, buckets, bans(20, first=50)) == []
        store.put([ban(3)])
        assert store.size() == 22, "in its old row"
        store.drop([ban(3), deny])
        assert store.size() == 20


def test_nothing_that_any_key_opens_is_a_subject(path: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(opened(path, buckets)) as store:
        store.put(bans(20))
    texts = plain_texts(path, buckets, monkeypatch)
    assert len(texts) == 20
    assert not any(one.subject.packed in text or canonical(one.subject) in text for text in texts for one in bans(20))
    with closing(opened(path, buckets, BANS)) as store:
        store.put(bans(20))
    texts = plain_texts(path, buckets, monkeypatch)
    assert all(any(canonical(one.subject) in text for text in texts) for one in bans(20)), "so that this can fail"


def test_what_was_sealed_is_made_unseen_when_the_mode_changes(
    path: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(path, buckets, BANS)) as store:
        store.put(bans(20))
        store.rest(bans(20))
    with closing(opened(path, buckets)) as store:
        assert by_subject(store.load(NOW)) == by_subject(bans(20)), "known for the last time"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM whole").fetchone() == (0,)
    texts = plain_texts(path, buckets, monkeypatch)
    assert len(texts) == 20
    assert not any(canonical(one.subject) in text for text in texts for one in bans(20))
    with closing(opened(path, buckets, BANS)) as store:
        assert met(store.load(NOW), buckets, bans(20)) == by_subject(bans(20)), "and the way back"


def test_those_who_never_come_can_be_lifted_moved_and_end(path: Path, buckets: Buckets) -> None:
    with closing(opened(path, buckets)) as store:
        store.put(bans(9))
        found = store.load(NOW)
        store.drop(found[:3])
        assert store.size() == 6
        later = [one for one in found[3:] if isinstance(one, Unseen)]
        for one in later:
            one.until += HOUR
        store.put(later)
        assert (store.size(), store.expire(NOW + HOUR)) == (6, 0)
        assert len(met(store.load(NOW), buckets, bans(9))) == 6
        assert store.expire(NOW + 3 * HOUR) == 6


def test_a_destroyed_bucket_has_no_marks_that_could_be_tried(tmp_path: Path) -> None:
    path, ring = tmp_path / "bans.db", tmp_path / "ring"
    with closing(opened(path, Buckets(Ring(ring), "bans"))) as store:
        store.put(bans(9))
    copy = path.read_bytes()
    with closing(opened(path, Buckets(Ring(ring), "bans"))) as store:
        store.expire(NOW + 2 * HOUR)
    path.write_bytes(copy)
    path.chmod(0o600)
    with closing(opened(path, Buckets(Ring(ring), "bans"))) as store:
        assert (store.load(NOW), store.refused) == ([], 9)
