"""What `privet.toml` says about those who must be able to answer later: `[escrow]`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from privet.config.model import EscrowConfig
from privet.config.values import Invalid, Problem, at_least, bad, duration, read, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from privet.config.model import Config
    from privet.config.values import Decoder

_LONGEST = 366 * 86_400.0  # seconds: an escrow that nobody empties must not become an archive
_SHORTEST = 3600.0  # one batch
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"  # of Bech32, in which age writes keys
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_PREFIX, _LENGTH = "age1", 62


def _recipient(value: object) -> str:
    """Decode an age recipient. What is wrong is never shown: it may be the key that must not be here."""
    word = text(value)
    if word.upper().startswith("AGE-SECRET-KEY-"):
        raise bad(
            "this is a secret key, which must never be on this machine",
            "make a new one elsewhere with age-keygen, and give its public key, which begins with age1",
        )
    if not (word.startswith(_PREFIX) and len(word) == _LENGTH and _is_whole(word[len(_PREFIX) :])):
        raise bad("is no public key of age", "age-keygen prints one: age1 and 58 letters and digits")
    if find_spec("pyrage") is None:
        raise bad("nothing can be sealed without the library pyrage", "pip install 'privet[escrow]'")
    return word


def _is_whole(word: str) -> bool:
    """Tell whether the checksum at the end of a Bech32 word is right."""
    if set(word) - set(_LETTERS):
        return False
    name = _PREFIX[:-1].encode()
    return _checksum([*(c >> 5 for c in name), 0, *(c & 31 for c in name), *map(_LETTERS.index, word)]) == 1


def _checksum(values: Iterable[int]) -> int:
    sum_ = 1
    for value in values:
        top = sum_ >> 25
        sum_ = (sum_ & 0x1FFFFFF) << 5 ^ value
        for bit, word in enumerate(_GENERATOR):
            sum_ ^= word if top >> bit & 1 else 0
    return sum_


def _keep(value: Any) -> float:  # noqa: ANN401  anything that TOML can hold
    seconds: float = at_least(_SHORTEST, duration)(value)
    if seconds > _LONGEST:
        raise bad("must be 366 days or less")
    return seconds


SETTINGS: Mapping[str, Decoder] = {"recipient": _recipient, "keep": _keep}


def escrow(value: object) -> EscrowConfig:
    """Decode the table."""
    settings, problems = read(value, SETTINGS)
    if isinstance(value, dict) and "recipient" not in value:
        problems.append(Problem("needs 'recipient'"))
    if problems:
        raise Invalid(*problems)
    return EscrowConfig(**settings)


def escrowed(config: Config) -> frozenset[str]:
    """Return the sources whose pseudonyms are sealed: those of which Privet itself writes the log with pseudonyms."""
    if config.escrow.recipient is None:
        return frozenset()
    return frozenset(one.name for one in config.sources.values() if one.pipe and one.mask == "pseudonym")


def idle_escrow(config: Config) -> list[str]:
    """Say so where an escrow is configured, but no log has pseudonyms."""
    if config.escrow.recipient is None or escrowed(config):
        return []
    return ["[escrow]: no source with 'pipe' and the mask 'pseudonym', so there is nothing to seal"]
