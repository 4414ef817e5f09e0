"""Ask the running daemon over its control socket."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from privet.cli.main import EX_ERROR, EX_NOT_RUNNING, EX_PERMISSION, Failure
from privet.cli.options import runtime_dir

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0  # seconds in which nothing comes


def ask(runtime: str | None, verb: str, **request: object) -> dict[str, Any]:
    """Return the daemon's answer; raises Failure when it does not run, refuses or answers with an error."""
    path = runtime_dir(runtime) / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE)
        try:
            line.connect(str(path))
            with suppress(BrokenPipeError):  # who is refused is not listened to, but answered
                line.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            answer = _received(line)
        except (FileNotFoundError, ConnectionError):
            raise Failure(f"the daemon does not run ({path}): start it with privet run", EX_NOT_RUNNING) from None
        except PermissionError:
            raise Failure(f"{path}: only root and the daemon's own user may ask", EX_PERMISSION) from None
        except TimeoutError:
            raise Failure(f"the daemon does not answer ({path})", EX_ERROR) from None
        except ValueError:
            raise Failure(f"what answers is no daemon of this version ({path})", EX_ERROR) from None
    if "error" in answer:
        raise Failure(answer["error"], EX_PERMISSION if answer["error"].startswith("not allowed") else EX_ERROR)
    return answer


def runs(runtime: Path) -> bool:
    """Tell whether a daemon answers there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        return line.connect_ex(str(runtime / "control.sock")) == 0


def _received(line: socket.socket) -> dict[str, Any]:
    parts = []
    with suppress(ConnectionResetError):
        while part := line.recv(1 << 16):
            parts.append(part)
    text = b"".join(parts).lstrip()  # of the blanks by which a daemon that has much to do shows that it is there
    if not text:
        raise ConnectionResetError
    answer: dict[str, Any] = json.loads(text)
    return answer
