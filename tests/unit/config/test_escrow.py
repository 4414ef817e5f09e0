"""The escrow, as it is written."""

from __future__ import annotations

import pytest

from privet.config import escrow
from privet.config.errors import ConfigErrors
from privet.config.escrow import escrowed, idle_escrow
from privet.config.loader import parse
from privet.config.model import EscrowConfig

WEB = "[source.web]\npipe = true\n[jail.leech]\nsource = 'web'\n"
KEY = "age1g8kaeq54h0fsty4lkjkxfwr0mptfqd57sclq6chf2um6ust9d5eqfyfly3"
ANOTHER = "age1hdjw50yg6vyqwegand4mqstdxlrvvx5ckhzkqx0a5nyj78jmpqgqge4sev"
PRIVATE = "AGE-SECRET-KEY-19M8NYLZ2ZL6FKV3CM6MREK6YV4M3K6EZ5Z6KDNMYN8CMJPU8RV8QR535NF"


def mistakes(table: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(f"{WEB}[escrow]\n{table}\n", "p.toml")
    return [line.removeprefix("p.toml:") for line in str(caught.value).splitlines()]


def test_every_setting_arrives() -> None:
    written = f"{WEB}[escrow]\nrecipient = '{KEY}'\nkeep = '30d'"

    assert parse(written, "").escrow == EscrowConfig(recipient=KEY, keep=30 * 86_400.0)
    assert parse(WEB, "").escrow == EscrowConfig()


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ("keep = '1d'", "5: escrow: needs 'recipient'"),
        (f"recipient = '{KEY[:-1]}4'", "6: escrow.recipient: is no public key of age"),
        (f"recipient = '{KEY[:-1]}'", "6: escrow.recipient: is no public key of age"),
        (f"recipient = '{KEY.replace('g8k', 'g8b')}'", "6: escrow.recipient: is no public key of age"),
        ("recipient = 'ssh-ed25519 AAAA'", "6: escrow.recipient: is no public key of age"),
        ("recipient = 7", "6: escrow.recipient: expected a string, got 7"),
        (f"recipient = '{KEY}'\nkeep = '59m'", "7: escrow.keep: must be 3600 seconds or more"),
        (f"recipient = '{KEY}'\nkeep = '2000d'", "7: escrow.keep: must be 366 days or less"),
        (f"recipient = '{KEY}'\nfolder = '/srv'", "7: escrow.folder: unknown setting"),
    ],
)
def test_mistakes_are_told(table: str, mistake: str) -> None:
    (said,) = mistakes(table)
    assert said.startswith(mistake)


@pytest.mark.parametrize("key", [KEY, ANOTHER])
def test_keys_of_age_are_taken(key: str) -> None:
    assert parse(f"{WEB}[escrow]\nrecipient = '{key}'", "").escrow.recipient == key


@pytest.mark.parametrize("secret", [PRIVATE, PRIVATE.lower()])
def test_a_secret_key_is_refused_and_never_shown(secret: str) -> None:
    (said,) = mistakes(f"recipient = '{secret}'")

    assert said.startswith("6: escrow.recipient: this is a secret key, which must never be on this machine")
    assert secret[20:] not in said


def test_without_the_library_that_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(escrow, "find_spec", lambda _name: None)
    (said,) = mistakes(f"recipient = '{KEY}'")

    assert "pip install 'privet[escrow]'" in said


@pytest.mark.parametrize(
    ("source", "sealed"),
    [("pipe = true", True), ("path = '/x.log'", False), ("pipe = true\nmask = 'drop'", False)],
)
def test_only_logs_with_pseudonyms_have_something_to_seal(source: str, *, sealed: bool) -> None:
    table = f"[source.web]\n{source}\n[jail.one]\nsource = 'web'\n"
    config = parse(f"{table}[escrow]\nrecipient = '{KEY}'\n", "")

    assert (sorted(escrowed(config)), bool(idle_escrow(config))) == (["web"] if sealed else [], not sealed)
    assert not escrowed(parse(table, ""))
    assert idle_escrow(parse(table, "")) == []
