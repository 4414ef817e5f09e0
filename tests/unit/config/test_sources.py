"""Sources in the configuration: files, the journal, an intake, and which of them have requests."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse

JAIL = '[jail.j]\nsource = "s"\n'
FILTER = "filter = { failregex = '^<HOST>$' }\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "p")
    return [str(error).removeprefix("p:") for error in caught.value.errors]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("'_SYSTEMD_UNIT=ssh.service'", (("_SYSTEMD_UNIT=ssh.service",),)),
        ("'_UID=0 _COMM=su + _COMM=sudo'", (("_UID=0", "_COMM=su", "+", "_COMM=sudo"),)),
        ("""['_COMM=a', '_CMDLINE="a b"']""", (("_COMM=a",), ("_CMDLINE=a b",))),
        ("[]", ()),
    ],
)
def test_matches_of_the_journal_are_words(written: str, words: tuple[tuple[str, ...], ...]) -> None:
    source = parse(f"[source.s]\njournal = {written}\n{JAIL}{FILTER}", "p").sources["s"]

    assert (source.journal, source.paths, source.pipe) == (words, (), False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("journal = 'ssh.service'", "2: source.s.journal: expected a match such as '_SYSTEMD_UNIT=ssh.service'"),
        ("journal = '_COMM=\"a'", "2: source.s.journal: expected a match"),
        ("journal = ' '", "2: source.s.journal: expected a match"),
        ("journal = '_COMM=a'\npath = '/x'", "2: source.s.journal: a source has either 'path' or 'journal', not both"),
        ("journal = []\npipe = true", "2: source.s.journal: a source has either 'pipe' or 'journal', not both"),
        ("journal = []\nformat = 'combined'", "3: source.s.format: what comes from the journal is 'plain'"),
        ("journal = []\nnamespace = 'a b'", "3: source.s.namespace: expected the name of a namespace"),
        ("path = '/x'\nnamespace = 'doors'", "3: source.s.namespace: only a source with 'journal' has this"),
        ("journal = []\ntail = true", "3: source.s.tail: only a source with 'path' has this"),
        ("pipe = true\noptional = true", "3: source.s.optional: only a source with 'path' has this"),
        (
            "pipe = true\nformat = 'plain'",
            "3: source.s.format: an intake masks requests, so their format must be known",
        ),
        ("journal = []\nlog = '/x'", "3: source.s.log: only a source with 'pipe = true' writes a log"),
        ("", "1: source.s: needs 'path', 'journal' or 'pipe = true'"),
    ],
)
def test_what_does_not_go_together(settings: str, said: str) -> None:
    (found,) = mistakes(f"[source.s]\n{settings}\n")

    assert found.startswith(said)


@pytest.mark.parametrize("settings", ["journal = []", "path = '/x'\nformat = 'plain'"])
def test_a_jail_on_requests_needs_requests(settings: str) -> None:
    text = f"[source.s]\n{settings}\n"

    (found,) = mistakes(text + JAIL)

    assert found.endswith("jail.j.source: the lines of the source 's' are no requests, give the jail a 'filter'")
    assert parse(text + JAIL + FILTER, "p").jails["j"].filter


def test_a_log_may_be_missing_or_begin_at_its_end() -> None:
    source = parse("[source.s]\npath = '/x'\noptional = true\ntail = true\n", "p").sources["s"]

    assert (source.optional, source.tail, source.format) == (True, True, "auto")
