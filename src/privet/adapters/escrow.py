"""Batches sealed with age to a key that is not on this machine, in a folder for their owner only.

Only what is sealed is ever written. A file's name says the hour in which its batch began, and nothing else; there is
one for every hour, whether anybody came or not.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyrage

from privet.ports import SealError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIX = ".age"
LARGEST = 1 << 26  # bytes of a file that is opened: four times what the largest batch has
_HOUR = "%Y-%m-%dT%HZ"
_NAME = re.compile(r"(\d{4}-\d\d-\d\dT\d\dZ)-[0-9a-f]{8}\.age")
_DRAFT = ".draft"


class Batches:
    """The sealed batches of one folder, for one recipient. Raises SealError if that is none."""

    def __init__(self, folder: Path, recipient: str) -> None:
        self._folder = folder
        try:
            self._recipient = pyrage.x25519.Recipient.from_str(recipient)
        except pyrage.RecipientError:
            raise SealError("the recipient of the escrow is no public key of age") from None

    def put(self, text: bytes, begin: float) -> None:
        """Seal a text and write it: whole, or not at all. Raises SealError and StoreError."""
        try:
            sealed = pyrage.encrypt(text, [self._recipient])
        except pyrage.EncryptError:
            raise SealError("a batch of the escrow could not be sealed") from None
        name = f"{datetime.fromtimestamp(begin, UTC).strftime(_HOUR)}-{os.urandom(4).hex()}{SUFFIX}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _written(self._folder / _DRAFT, sealed).rename(self._folder / name)
            _sync(self._folder)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}", transient=True) from None

    def expire(self, before: float) -> int:
        """Remove the batches that began before a time; return how many. Raises StoreError."""
        count = 0
        try:
            for path in batches_in(self._folder):
                if _began(path) < before:
                    path.unlink(missing_ok=True)
                    count += 1
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}", transient=True) from None
        return count


def batches_in(folder: Path) -> Iterator[Path]:
    """Yield the batches in a folder, which need not exist. Raises OSError."""
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def opened(path: Path, identities: Sequence[pyrage.x25519.Identity]) -> bytes:
    """Return what was sealed in a file. Raises SealError, which names the file, and OSError."""
    with path.open("rb") as file:
        sealed = file.read(LARGEST + 1)
    if len(sealed) > LARGEST:
        raise SealError(f"{path}: is too large for a batch")
    try:
        return bytes(pyrage.decrypt(sealed, identities))
    except pyrage.DecryptError as error:
        raise SealError(f"{path}: cannot be opened with this key: {error}") from None


def identities_in(text: str) -> list[pyrage.x25519.Identity]:
    """Return the keys in a text as age-keygen writes it. Raises SealError, which quotes nothing."""
    words = [line.strip() for line in text.splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(word) for word in words if word and not word.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise SealError("there is no key of age: a line that begins with AGE-SECRET-KEY-1")
    return found


def _began(path: Path) -> float:
    return datetime.strptime(path.name[:14], _HOUR).replace(tzinfo=UTC).timestamp()


def _written(draft: Path, data: bytes) -> Path:
    """Write a file for its owner only, and wait until it is on the disk; nothing is left of one that is not."""
    draft.unlink(missing_ok=True)  # what a crash left behind
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return draft


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_private(path: Path) -> bool:
    """Tell whether only its owner can read a file."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
