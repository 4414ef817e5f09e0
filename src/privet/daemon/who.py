"""Who a pseudonym of today is, or visitors in a report: for root only, and noted without the address before that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privet.adapters.inquiries import Inquiries
from privet.core.addresses.address import Subject
from privet.daemon.whom import Refusal, unmasked

if TYPE_CHECKING:
    from privet.daemon.service import Daemon

FILE = "who.log"  # in the directory of what outlasts a restart
LONGEST_SITE = 255  # letters of the name of a host
_NOBODY = 4_294_967_295  # the login of a process that no login began


async def who(daemon: Daemon, pid: int, user: int, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the process and user that ask. Raises Refusal."""
    _only_root(user)
    name, site = _pseudonym(str(request["subject"])), str(request.get("site") or "")
    if len(site) > LONGEST_SITE:
        raise Refusal("no site has a name that long")
    found = (await unmasked(daemon, {name}, site)).get(name)
    asked = {"uid": user, "login": _login(pid), "pseudonym": name, "found": found is not None}
    noted = await _note(daemon, "somebody asked who a pseudonym is", asked)
    if found is None:
        raise Refusal(
            "nobody who came today has this pseudonym: it is of another day, of a site that --site must name, "
            "or was never seen"
        )
    return {"items": [{"pseudonym": name, "address": found.reveal()}], "noted": noted}


async def reveal(daemon: Daemon, pid: int, user: int, report: str) -> None:
    """Note that a report is to show the addresses of visitors, before it is made. Raises Refusal for all but root."""
    _only_root(user)
    await _note(daemon, "somebody asked who visitors are", {"uid": user, "login": _login(pid), "report": report})


def _only_root(user: int) -> None:
    if user != 0:
        raise Refusal("not allowed: only root may ask who somebody is")


async def _note(daemon: Daemon, event: str, asked: dict[str, Any]) -> str:
    """Note a question, and return where; what cannot be noted is refused."""
    register = Inquiries(daemon.state / FILE)
    try:
        await asyncio.to_thread(register.note, asked, daemon.clock.now())
    except OSError as error:
        raise Refusal(f"{register.path}: {error.strerror}; what cannot be noted is not answered") from None
    finally:
        daemon.log.warning(event, **asked)
    return str(register.path)


def _pseudonym(text: str) -> str:
    try:
        subject = Subject.parse(text)
    except ValueError:
        subject = None
    if subject is None or not subject.is_pseudonym or subject.length < 128:
        raise Refusal("that is no pseudonym: give one as the logs of today show it, which begins with 100::")
    return subject.reveal()


def _login(pid: int) -> int | None:
    """Return the user who had logged in where a process was begun, whoever he became since; None if none had."""
    try:
        login = int(Path(f"/proc/{pid}/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if login == _NOBODY else login
