"""The daemon's log: no address in it, whatever is logged."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privet.core.addresses.address import Subject
from privet.core.engine import Batch
from privet.daemon.log import make_log, scrub
from tests.privacy.search import leaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
PACKED = bytes([203, 0, 113, 77])


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self) -> bool:
        return True


def fails_on(key: bytes) -> None:
    """Raise what quotes a client's key, with a line among the locals."""
    text = f"{V4} - - ".encode()
    raise KeyError(key, text)


def log_failure(log: FilteringBoundLogger) -> None:
    try:
        fails_on(PACKED)
    except KeyError:
        log.exception("failed on %s", V4)


WAYS: list[Callable[[FilteringBoundLogger], Any]] = [
    lambda log: log.info("from %s", V6),
    lambda log: log.info("x", client=V4, other=f"[{V6}]:443"),
    lambda log: log.info("x", **{f"of {V4}": 1}),
    lambda log: log.info("x", deep=[{"a": (V4, {V6})}]),
    lambda log: log.info("x", key=PACKED, line=V4.encode(), more=bytearray(PACKED), view=memoryview(PACKED)),
    lambda log: log.info("x", subject=Subject.parse(V4), batch=Batch("web", V4.encode())),
    lambda log: log.info("x", path=Path("/var/log") / V4),
    lambda log: log.info("x", error=KeyError(PACKED), other=OSError(2, V4)),
    lambda log: log.info("\x1f2001:db8:a:b::7 \f2001:db8:a:b::7 \udcff203.0.113.77"),
    lambda log: log.info("203%2E0%2E113%2E77"),
    log_failure,
    lambda log: log.error("x", exc_info=KeyError(PACKED)),
]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
@pytest.mark.parametrize("way", WAYS, ids=range(len(WAYS)))
def test_no_address_is_written(
    way: Callable[[FilteringBoundLogger], Any],
    stream: type[io.StringIO],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = stream()
    monkeypatch.setattr(sys, "stderr", written)
    way(make_log())
    monkeypatch.undo()
    (tmp_path / "log").write_text(written.getvalue(), errors="surrogateescape")

    assert written.getvalue()
    assert leaks([tmp_path], [V4, V6]) == []
    if not written.isatty():
        json.loads(written.getvalue())


def test_an_exception_is_told_by_kind_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    log_failure(make_log())

    entry = json.loads(capsys.readouterr().err)
    assert entry["event"] == "failed on 0.0.0.0"
    assert entry["error"] == "KeyError"
    assert [place.rpartition(" ")[2] for place in entry["at"]] == ["log_failure", "fails_on"]


def test_what_the_system_refused_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        Path("/nonexistent/file").stat()
    except OSError:
        make_log().exception("x")

    assert json.loads(capsys.readouterr().err)["reason"] == "No such file or directory"


def test_pseudonyms_and_everything_else_stay(capsys: pytest.CaptureFixture[str]) -> None:
    make_log().info("ban", client="100::9b8a:d452:2ab3:3606", failures=5, until=1795346848, no=None, yes=True, part=0.5)

    entry = json.loads(capsys.readouterr().err)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "client": "100::9b8a:d452:2ab3:3606",
        "failures": 5,
        "until": 1795346848,
        "no": None,
        "yes": True,
        "part": 0.5,
        "event": "ban",
        "level": "info",
    }


def test_what_is_told_later_has_its_own_time(capsys: pytest.CaptureFixture[str]) -> None:
    make_log().info("ban", then=1795346848.25)

    entry = json.loads(capsys.readouterr().err)
    assert entry == {"event": "ban", "level": "info", "timestamp": "2026-11-22T11:27:28.250000Z"}


def test_standard_error_may_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1, closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        log = make_log()
        for _ in range(5000):
            log.info("nobody hears this")
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # or closing the stream would fail
    os.close(writing)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), values, max_size=3))
@settings(max_examples=50)
def test_every_value_can_be_written(event: dict[str, object]) -> None:
    json.dumps(scrub(None, "info", event))
