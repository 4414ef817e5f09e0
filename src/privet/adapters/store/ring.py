"""The ring: the keys of all that is stored, each of which is destroyed once nothing it sealed is in force.

- A *bucket* is what ends within the same day, week, month or year, by how long it lasts: so a key outlives what it
  sealed by no more than about as long again. It goes as soon as its bucket is empty, or its time is over.
- An *epoch* is the time for which one secret makes the tokens of those who were banned. Two are kept.

All of it is one file, sealed by the host's credential, or under a key in that very file: then the file is what must
be kept out of backups. It is written whole, by rename, and what it replaces is overwritten: on a disk that writes in
place nothing is left of a destroyed key, on flash or copy-on-write something may be, until the block is used again.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from math import floor, inf
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.store.host import KEY_BYTES, sealed_by
from privet.adapters.store.seal import KeySeal
from privet.core.unshown import Unshown
from privet.ports import SealError, StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from privet.adapters.store.host import Level
    from privet.ports import Seal

DAY = 86400.0
SPANS = (DAY, 7 * DAY, 30 * DAY, 365 * DAY)
EPOCH = 30 * DAY
EPOCHS = 2
RING = "ring"
BEFORE = 0
"""The bucket of what was stored when there was one key for all."""

_FILE, _CREDENTIAL = b"privet-ring 1 file\n", b"privet-ring 1 credential\n"
_TOO_LONG = 1_000_000  # bytes: thousands of keys
_REPEATED = b"repeated bans"


class _Bucket(Unshown, msgspec.Struct, array_like=True):
    """A key, whose it is, and what it is for: what lasts no longer than `span` and ends before `ends`."""

    owner: str
    number: int
    span: float
    ends: float
    key: bytes


class _Epoch(Unshown, msgspec.Struct, array_like=True):
    begin: float
    secret: bytes


class _Content(msgspec.Struct):
    next: int = BEFORE + 1
    buckets: list[_Bucket] = []
    epochs: list[_Epoch] = []  # the latest first


_decode = msgspec.msgpack.Decoder(_Content).decode


class Ring:
    """All keys. Without a path they end with the process. May be used from any thread."""

    def __init__(self, path: Path | None = None, host: bytes | None = None) -> None:
        """Take the ring in a file, or begin one there; `host` is the key of the host, if there is one.

        Raises SealError (permanent, with the remedy) for a file that is not the owner's alone or does not open, and
        transient when it cannot be read.
        """
        self._path, self._host, self._lock = path, host, Lock()
        self._content = _Content() if path is None else _read(path, host) or _Content()

    @classmethod
    def after(cls, path: Path, host: bytes | None, old_key: Path, owners: Collection[str], now: float) -> Ring:
        """Take a ring, and the one key of all that was before it, which is destroyed. Raises SealError, StoreError."""
        ring = cls(path, host)
        key = _old_key(old_key)
        if key is not None:
            ring._take_over(key, owners, now)
        if key is not None or not ring._stands():
            ring.save()
        if key is not None:
            _destroy(old_key)
        return ring

    @property
    def level(self) -> Level:
        """Where the key to all of it is, as far as this process can tell."""
        return "memory" if self._path is None else "file" if self._host is None else "credential"

    def _stands(self) -> bool:
        """Tell whether the file is there, and under the best key that there is."""
        try:
            return self._path is None or is_under_credential(self._path) == (self._host is not None)
        except OSError:
            return False

    def save(self) -> None:
        """Write the ring, and make the one before unreadable. Raises StoreError."""
        if self._path is None:
            return
        try:
            _write(self._path, _closed(self._content, self._host))
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror}: the keys cannot be stored", transient=True) from error

    def follow(self, other: Ring) -> None:
        """Go on with the epochs of a ring that could not be stored, unless there are some. Raises StoreError."""
        with self._lock:
            before = self._content
            if not before.epochs and other._content.epochs:
                self._content = _Content(before.next, before.buckets, other._content.epochs)
                self._save_or(before)

    def buckets(self, owner: str) -> list[_Bucket]:
        """Return the buckets of one store."""
        return [bucket for bucket in self._content.buckets if bucket.owner == owner]

    def make(self, owner: str, span: float, ends: float) -> _Bucket:
        """Return a new bucket, the key of which is stored. Raises StoreError."""
        with self._lock:
            bucket = _Bucket(owner, self._content.next, span, ends, secrets.token_bytes(KEY_BYTES))
            before = self._content
            self._content = _Content(before.next + 1, [*before.buckets, bucket], before.epochs)
            self._save_or(before)
        return bucket

    def destroy(self, owner: str, numbers: Collection[int]) -> None:
        """Destroy keys of one store; those that could not be are gone with the next change. Raises StoreError."""
        with self._lock:
            content = self._content
            stay = [one for one in content.buckets if one.owner != owner or one.number not in numbers]
            self._content = _Content(content.next, stay, content.epochs)
            self.save()

    def secrets(self, now: float, length: float = EPOCH) -> tuple[bytes, ...]:
        """Return the secrets of this epoch and the last one, begin a new one if it is time.

        Raises StoreError if there are none yet, and they cannot be stored. An epoch that would begin later only, since
        the clock was set back, begins now.
        """
        with self._lock:
            content = self._content
            epochs = [_Epoch(min(one.begin, now), one.secret) for one in content.epochs]
            if not epochs or now >= epochs[0].begin + length:
                epochs = [_Epoch(now, secrets.token_bytes(KEY_BYTES)), *epochs][:EPOCHS]
            if epochs != content.epochs:
                self._content = _Content(content.next, content.buckets, epochs)
                with suppress(*([StoreError] if content.epochs else [])):  # a disk that cannot be written: later, then
                    self._save_or(content)
            return tuple(one.secret for one in self._content.epochs)

    def _save_or(self, before: _Content) -> None:
        try:
            self.save()
        except StoreError:
            self._content = before
            raise

    def _take_over(self, key: bytes, owners: Collection[str], now: float) -> None:
        """Take the one key that was before: for what it sealed, and for the tokens that it made."""
        known = [one for one in self._content.buckets if one.number != BEFORE]
        self._content.buckets = [*(_Bucket(owner, BEFORE, inf, inf, key) for owner in owners), *known]
        secret = KeySeal(key).token(b"", _REPEATED)
        if secret not in (one.secret for one in self._content.epochs):  # after a start that was cut short
            self._content.epochs = [_Epoch(now, secret), *self._content.epochs][:EPOCHS]


class Buckets:
    """The seals of one store, by number: a `ports.Seals`."""

    def __init__(self, ring: Ring, owner: str) -> None:
        self._ring, self._owner = ring, owner
        self._learn()

    def _learn(self) -> None:
        known = self._ring.buckets(self._owner)
        self.seals: Mapping[int, Seal] = {one.number: KeySeal(one.key) for one in known}
        self._numbers = {(one.span, one.ends): one.number for one in known if one.number != BEFORE}

    def number(self, since: float, until: float) -> int:
        """Return the bucket of what begins and ends so, made now if there is none. Raises StoreError."""
        window = window_of(since, until)
        number = self._numbers.get(window)
        if number is None:
            number = self._ring.make(self._owner, *window).number
            self._learn()
        return number

    def over(self, now: float) -> bool:
        """Tell whether the time of any bucket is over."""
        return any(ends <= now for _, ends in self._numbers)

    def retire(self, used: Collection[int], now: float) -> None:
        """Destroy the keys of buckets whose time is over, and of those that are not used. Raises StoreError."""
        gone = [one.number for one in self._ring.buckets(self._owner) if one.ends <= now or one.number not in used]
        if gone:
            try:
                self._ring.destroy(self._owner, gone)
            finally:
                self._learn()


def keys_of(state: Path) -> Path:
    """Return the directory of the keys to what is stored in another one, which it lies beside: not inside of it."""
    return state.with_name(f"{state.name}-keys")


def window_of(since: float, until: float) -> tuple[float, float]:
    """Return how long things in a bucket last at most, and before when they end, for one of these times."""
    if until == inf:
        return inf, inf
    lasts = until - since
    span = next((span for span in SPANS if lasts <= span), SPANS[-1])
    return span, (floor(until / span) + 1) * span


def level_of(state: Path, root: Path) -> Level:
    """Return where the key to what is stored in a directory is, seen from outside of the daemon. Raises OSError."""
    under = is_under_credential(keys_of(state) / RING)
    return "memory" if under is None else sealed_by(root) if under else "file"


def is_under_credential(path: Path) -> bool | None:
    """Tell whether a ring is sealed by a credential, None if there is none. Raises OSError."""
    try:
        with path.open("rb") as file:
            return file.read(len(_CREDENTIAL)) == _CREDENTIAL
    except FileNotFoundError:
        return None


def _closed(content: _Content, host: bytes | None) -> bytes:
    plain = msgspec.msgpack.encode(content)
    if host is not None:
        return _CREDENTIAL + KeySeal(host).seal(plain, _CREDENTIAL)
    key = secrets.token_bytes(KEY_BYTES)
    return _FILE + key + KeySeal(key).seal(plain, _FILE)


def _read(path: Path, host: bytes | None) -> _Content | None:
    data = _checked(path)
    if data is None:
        return None
    remedy = "or remove it: new keys are made then, and the stored bans are lost"
    if data.startswith(_FILE):
        head, key, sealed = _FILE, data[len(_FILE) :][:KEY_BYTES], data[len(_FILE) + KEY_BYTES :]
    elif data.startswith(_CREDENTIAL) and host is None:
        raise SealError(f"{path}: is sealed by a credential that systemd did not hand over: restore that, {remedy}")
    else:
        head, key, sealed = _CREDENTIAL, host or bytes(KEY_BYTES), data[len(_CREDENTIAL) :]
    try:
        return _decode(KeySeal(key).open(sealed, head))
    except (SealError, ValueError, msgspec.DecodeError):
        raise SealError(f"{path}: holds no keys that open: restore it, {remedy}") from None


def _checked(path: Path) -> bytes | None:
    """Read a key file, None if there is none, and refuse what might be known to others. Raises SealError."""
    try:
        return _private(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SealError(f"{path}: {error.strerror}: the keys of the store are needed", transient=True) from error


def _private(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise SealError(f"{path}: the keys of the store must be a plain file: move it away, a new one is made then")
        if facts.st_mode & 0o077 or facts.st_uid not in (0, os.geteuid()):
            raise SealError(
                f"{path}: others can read the keys of the store, which must be their owner's alone (mode 0600): "
                f"if nobody did, chmod 600 {path}; else remove it: new ones are made, and the stored bans are lost"
            )
        return file.read(_TOO_LONG)


def _write(path: Path, data: bytes) -> None:
    """Replace a file by one that appears whole or not at all, and overwrite the old one. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    old = None
    with suppress(FileNotFoundError):
        old = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
        _sync(path.parent)  # what is stored must not outlast the key that it needs
        if old is not None:
            _overwrite(old)
    finally:
        draft.unlink(missing_ok=True)
        if old is not None:
            os.close(old)


def _old_key(path: Path) -> bytes | None:
    """Return the one key that there was before the ring, None if there is none. Raises SealError."""
    key = _checked(path)
    if key is not None and len(key) != KEY_BYTES:
        raise SealError(
            f"{path}: holds no key of {KEY_BYTES} bytes: restore it, or remove it: the stored bans are lost then"
        )
    return key


def _destroy(path: Path) -> None:
    """Overwrite a key, and remove it; where that fails, the next start tries again."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _overwrite(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()
        _sync(path.parent)


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
