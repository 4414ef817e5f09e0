"""The key that wraps all others: a credential that systemd hands over, or one that lies beside what it wraps.

A credential is made once, with `systemd-creds encrypt`, and opened by systemd at each start; Privet finds it in
$CREDENTIALS_DIRECTORY, which is never on a disk. What systemd sealed it with can be read from its first bytes.
"""

from __future__ import annotations

import os
from base64 import b64decode
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from privet.ports import SealError

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["tpm", "credential", "unsealed", "file", "memory"]
"""Where the key of the bans at rest is, from the best place to the one that keeps nothing."""

CREDENTIAL = "privet.host"
KEY_BYTES = 32
STORES = ("etc/credstore.encrypted", "run/credstore.encrypted", "usr/lib/credstore.encrypted")

_KINDS: Mapping[str, Level] = {  # the id that systemd writes before what it encrypts
    "5a1c6a86df9d4096b1d5a65e0862f19a": "credential",
    "0c7cc07b117645919c4b0bea08bc20fe": "tpm",
    "faf7eb9341e3412ca1a436f95a29362f": "tpm",  # with a signed policy
    "93a894094874449090caf2fc93cab553": "tpm",  # and the host's secret
    "af4950be49134eb1a73846304df30505": "tpm",  # with both
}
_ID_TEXT = 24  # characters of base64 that hold the 16 bytes of an id


def credential(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the key that systemd handed over, None if there is none. Raises SealError for one that is too short."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    path = Path(folder, CREDENTIAL)
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SealError(f"credential {CREDENTIAL}: {error.strerror}", transient=True) from error
    if len(secret) < KEY_BYTES:
        raise SealError(f"credential {CREDENTIAL}: must have {KEY_BYTES} random bytes or more: make another one")
    return blake2b(secret, digest_size=KEY_BYTES, person=b"privet host").digest()


def sealed_by(root: Path = Path("/")) -> Level:
    """Return what the credential that systemd would hand over is sealed with, as far as that can be read."""
    return _sealed_by(root) or "unsealed"


def first_level(root: Path = Path("/")) -> Level:
    """Return where the first start of the daemon will put the key, as far as that can be told."""
    return _sealed_by(root) or "file"


def _sealed_by(root: Path) -> Level | None:
    """Return what the credential that lies in a store of systemd is sealed with, None if there is none."""
    for folder in STORES:
        with suppress(OSError, ValueError):
            text = (root / folder / CREDENTIAL).read_bytes()[:_ID_TEXT]
            return _KINDS.get(b64decode(text)[:16].hex(), "unsealed")
    return None
