"""The result of the last canary, kept where sockets are, so that others can tell what became of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from privet.core.plurals import counted

if TYPE_CHECKING:
    from pathlib import Path

RESULT = "canary.json"


class Held(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A file that holds the canary's address."""

    path: str
    spelling: str
    in_memory: bool = False
    weak: bool = False


class Result(msgspec.Struct, kw_only=True):
    """What became of a canary. `seen` is None where nobody could be asked; no field holds its address."""

    time: float
    answered: int | None = None
    trouble: str = ""
    seen: bool | None = None
    held: list[Held] = []
    files: int = 0
    not_scanned: dict[str, int] = {}

    @property
    def leaks(self) -> list[Held]:
        """What a disk holds."""
        return [one for one in self.held if not one.in_memory]

    @property
    def passed(self) -> bool:
        """Whether the detector saw it, and no disk holds it."""
        return bool(self.seen) and not self.leaks

    def says(self) -> str:
        """Return the result in one line."""
        if self.answered is None:
            return f"not sent: {self.trouble}"
        sight = {
            True: "the detector saw it",
            False: "BLIND: the detector did not see it",
            None: "BLIND: the daemon could not be asked",
        }
        leaky = len({one.path for one in self.leaks})
        leaks = f"LEAK: {counted(leaky, 'file holds it', 'files hold it')}" if leaky else "none found"
        return f"{sight[self.seen]}; {leaks} in {counted(self.files, 'file')} that changed since"

    def as_json(self) -> dict[str, object]:
        """Return the fields, and what they come to."""
        return {**msgspec.to_builtins(self), "passed": self.passed}


def keep_result(runtime: Path, result: Result) -> None:
    """Leave a result for `privet audit` and `privet doctor`; where that is not possible they say so."""
    with suppress(OSError):
        draft = runtime / f".{RESULT}"
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(result))
        draft.replace(runtime / RESULT)


def last_result(runtime: Path) -> Result | None:
    """Return the last result that was kept, None if there is none."""
    try:
        return msgspec.json.decode((runtime / RESULT).read_bytes(), type=Result)
    except (OSError, msgspec.MsgspecError):
        return None
