"""fail2ban's annotated sample logs as cases for a filter engine; they are read from its package, none is copied here.

Notes in the logs (`# failJSON: {...}` and its kin) say what the next line must give, with which options of the
filter. One feed lives per filter and options and sees its lines in order, as failures gather over several lines.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.conformance.engine import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

LIBRARY = "usr/lib/python3/dist-packages/fail2ban"
ZONE = "CET-01CEST-02,M3.5.0,M10.5.0"
"""The local zone of the samples' times."""

_NOTE = re.compile(r"#+ ?(failJSON|fileOptions|filterOptions|addFILE):(.+)")
_CONDITION = re.compile(r"(name|opts\.get\('(?P<option>[\w.-]+)'\))\s*(?P<sign>[!=]=)\s*'(?P<value>[^']*)'")

Options = dict[str, str]


class Case(NamedTuple):
    """A sample line with what it must give: None for no failure, else fields of the hit."""

    filter: str
    options: Options
    conf_dir: str
    file: str
    number: int
    line: str
    journal: bool
    expect: dict[str, Any] | None

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Which feed it belongs to."""
        return self.filter, tuple(sorted(self.options.items()))


def lay_out(package: Path, folder: Path) -> Path:
    """Link an unpacked package as a source tree: some test filters climb from one part of it into another."""
    tree = folder / "a/b/c"
    shutil.copytree(package / LIBRARY, tree / "fail2ban", copy_function=os.symlink)
    for config in (tree / "config", folder / "config"):
        shutil.copytree(package / "etc/fail2ban", config, copy_function=os.symlink)
    return tree


def cases(tree: Path) -> Iterator[Case]:
    """Read all samples; the local zone must be `ZONE`."""
    for name, conf_dir in _filters(tree):
        yield from _Reader(tree / "fail2ban/tests/files/logs", name, str(conf_dir)).cases()


def _filters(tree: Path) -> Iterator[tuple[str, Path]]:
    """Yield the filters that have samples, with the folder that holds their filter.d."""
    for path in sorted((tree / "config/filter.d").glob("[!.]*.conf")):
        if not path.stem.endswith("common"):
            yield path.stem, tree / "config"
    tests = tree / "fail2ban/tests/config"
    for path in sorted((tests / "filter.d").glob("zzz-*.conf")):
        yield path.stem, tests


class _Reader:
    """Reads the samples of one filter. Options stay in force from one of its files to the next."""

    def __init__(self, logs: Path, name: str, conf_dir: str) -> None:
        self._logs, self._name, self._conf_dir = logs, name, conf_dir
        self._files = [name]
        self._common: Options = {}
        self._variants: list[Options] = []
        self._skip = False

    def cases(self) -> Iterator[Case]:
        for file in self._files:  # grows by addFILE
            self._skip, note = False, None
            lines = (self._logs / file).read_bytes().decode("utf-8", "replace").split("\n")
            for number, line in enumerate(lines, 1):
                text = line.rstrip("\r\n")
                found = None if note is not None else _NOTE.match(text)
                if found and found[1] == "failJSON":
                    note = json.loads(found[2])
                elif found:
                    self._obey(found[1], json.loads(found[2]))
                elif note is not None or (text.strip() and not text.startswith("#")):
                    yield from self._samples(file, number, text, note or {})
                    note = None

    def _obey(self, word: str, value: Any) -> None:  # noqa: ANN401  it is JSON
        if word == "fileOptions":
            self._common = value
        elif word == "addFILE":
            self._files.append(value)
        else:
            self._variants, self._skip = [], False
            for options in value if isinstance(value, list) else [value]:
                together = {**self._common, **options}
                self._skip = "test.condition" in together and not self._holds(together["test.condition"], together)
                if not self._skip:
                    self._variants.append(together)

    def _samples(self, file: str, number: int, line: str, note: dict[str, Any]) -> Iterator[Case]:
        if self._skip:
            return
        for options in self._variants or [{}]:
            if "constraint" in note and not self._holds(note["constraint"], options):
                continue
            journal = options.get("logtype") == "journal"
            text = (options.get("test.prefix-line", "") if journal else "") + line
            own = {key: value for key, value in options.items() if not key.startswith("test.")}
            yield Case(self._name, own, self._conf_dir, file, number, text, journal, _expected(note))

    def _holds(self, condition: str, options: Options) -> bool:
        found = _CONDITION.fullmatch(condition.strip())
        assert found, f"a condition that is not understood: {condition}"
        have = options.get(found["option"]) if found["option"] else self._name
        return (have == found["value"]) == (found["sign"] == "==")


def _expected(note: Mapping[str, Any]) -> dict[str, Any] | None:
    if not note.get("match", False):
        return None
    wanted = {key: value for key, value in note.items() if key not in ("match", "desc", "constraint")}
    if wanted.get("time") is not None:
        form = "%Y-%m-%dT%H:%M:%S.%f" if "." in wanted["time"] else "%Y-%m-%dT%H:%M:%S"
        moment = datetime.strptime(wanted["time"], form)  # noqa: DTZ007  mktime knows the zone
        wanted["time"] = time.mktime(moment.timetuple()) + moment.microsecond / 1e6
    return wanted


def judge(case: Case, hits: list[dict[str, Any]]) -> str | None:
    """Return what is wrong with the hits, None if they are what the sample asks for."""
    if case.expect is None:
        return f"{len(hits)} hits, wanted none" if hits else None
    if len(hits) != 1:
        return f"{len(hits)} hits, wanted one"
    for field, wanted in case.expect.items():
        have = _field(field, hits[0])
        if field == "time" and wanted is None:
            continue
        if comparable(have) != comparable(wanted):
            return f"{field} is {have!r}, wanted {wanted!r}"
    return None


def _field(name: str, hit: Mapping[str, Any]) -> Any:  # noqa: ANN401  whatever a sample asks for
    have = hit.get(name)
    if name == "host" and have is None:
        return hit["fid"]
    return len(hit["matches"]) if name == "attempts" and have is None else have


def comparable(value: Any) -> Any:  # noqa: ANN401  likewise
    """Return a value of which two are equal if they mean the same: addresses in one notation, what is many sorted."""
    if isinstance(value, (set, list, tuple, dict)):
        return sorted(value)
    try:
        return str(ip_address(value)) if isinstance(value, str) else value
    except ValueError:
        return value


def run(
    some: Iterable[Case], make: Callable[[str, str, Mapping[str, str]], Callable[[str, float | None], list[Any]]]
) -> Iterator[tuple[Case, str | None]]:
    """Yield every case with what is wrong."""
    feeds: dict[Any, Callable[[str, float | None], list[Any]]] = {}
    for case in some:
        feed = feeds.get(case.key)
        if feed is None:
            feed = feeds[case.key] = make(case.conf_dir, case.filter, case.options)
        yield case, judge(case, feed(case.line, NOW if case.journal else None))
