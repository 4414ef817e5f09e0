"""The key file of an export: made when there is none, refused when it is not what it should be."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from privet.adapters.keyfile import key_in
from privet.ports import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "export.key"
    key, made = key_in(path, "ndx")
    assert (len(key), made) == (32, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"ipcrypt-ndx {key.hex()}\n"
    assert key_in(path, "ndx") == (key, False)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("ipcrypt-pfx " + "0" * 64, 0o600, "a key of ipcrypt-pfx: each variant"),
        ("ipcrypt-ndx " + "0" * 64, 0o640, "others can read"),
        ("ipcrypt-ndx " + "0" * 63, 0o600, "is no key"),
        ("ipcrypt-ndx " + "g" * 64, 0o600, "is no key"),
        ("", 0o600, "is no key"),
        ("\xff" * 5000, 0o600, "is no key"),
    ],
)
def test_other_files_are_refused(text: str, mode: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "export.key"
    path.write_text(text, encoding="latin-1")
    path.chmod(mode)
    with pytest.raises(SourceError, match=said):
        key_in(path, "ndx")
    assert path.read_text(encoding="latin-1") == text
