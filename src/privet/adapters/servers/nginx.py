"""nginx: every directive that writes a log, by the block that it stands in, and the two logs that it opens unasked.

Where the main level names no *file* as error log, nginx opens the one that it was built with, beside whatever
syslog was configured. Where no access log is named, it writes one too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from privet.adapters.servers.found import Files, Found, Log, Trouble, kind_of_syslog

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN, BASE = "/etc/nginx/nginx.conf", "/etc/nginx"
BUILT_IN_ERRORS, BUILT_IN_ACCESS = "/var/log/nginx/error.log", "/var/log/nginx/access.log"
_TOKEN = re.compile(
    r"#[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{};]|(?:\$\{\w+\}|\\.|[^\s{};\"'#]|(?<=\S)[#])+|\n"
)
_TELLING = re.compile(
    r"\$\{?(?:\w*addr\b|\w*forwarded\w*|http_\w*(?:ip|client)\w*|remote_addr|realip\w*|proxy_protocol_addr)"
)
_DEEPEST = 30
_ERRORS, _ACCESS, _INCLUDE = "error_log", "access_log", "include"


class Directive(NamedTuple):
    """One directive with the blocks around it, the outermost first."""

    place: str
    blocks: tuple[str, ...]
    words: list[str]


def nginx(root: Path = Path("/")) -> Found:
    """Read the configuration that is installed, if one is."""
    if not (root / MAIN[1:]).exists():
        return Found([], [])
    files = Files("nginx", root)
    found: list[Directive] = []
    _read(files, MAIN, (), found)
    formats = {
        one.words[1]: " ".join(one.words[2:]) for one in found if one.words[0] == "log_format" and len(one.words) > 2
    }
    logs = [_log(files, one, formats) for one in found if one.words[0] in (_ERRORS, _ACCESS) and len(one.words) > 1]
    troubles = [*files.troubles, *_errors_unasked(found, files), *_access_unasked(found)]
    return Found(logs, troubles)


def _log(files: Files, directive: Directive, formats: dict[str, str]) -> Log:
    name, target = directive.words[0], directive.words[1]
    path, tells = "", True
    if target.startswith("syslog:"):
        server = re.search(r"server=([^,]+)", target)
        kind = kind_of_syslog(server[1] if server else "")
    elif target in ("off", "stderr"):
        kind = {"off": "nothing", "stderr": "journal"}[target]
    elif target.startswith("memory:"):
        kind = "nothing"
    else:
        path = target if target.startswith("/") else f"/usr/share/nginx/{target}"
        kind = files.kind_of(path)
    if name == _ERRORS and target == "off":
        kind, path = "file", f"{BASE}/off"  # it is a file of that name
    if name == _ACCESS:
        form = next((word for word in directive.words[2:] if "=" not in word), "combined")
        tells = form not in formats or bool(_TELLING.search(formats[form]))
    return Log("nginx", directive.place, name, target, kind, path, tells)


def _errors_unasked(found: list[Directive], files: Files) -> list[Trouble]:
    """Tell of the error log that nginx opens beside syslog."""
    main = [one for one in found if one.words[0] == _ERRORS and not one.blocks and len(one.words) > 1]
    if any(not one.words[1].startswith(("syslog:", "memory:")) for one in main):
        return []
    place = main[0].place if main else MAIN
    says = (
        "no file is named as error log at the main level, so nginx writes every error line, address and all, "
        f"into the log that it was built with as well ({BUILT_IN_ERRORS} or the journal)"
    )
    return [Trouble(files.server, place, says, "put `error_log /dev/null emerg;` before it", leaks=True)]


def _access_unasked(found: list[Directive]) -> list[Trouble]:
    """Tell of the access log that nginx writes where none is named."""
    if not any(one.blocks[:1] == ("http",) or one.words[0] == "http" for one in found):
        return []
    if any(one.words[0] == _ACCESS and one.blocks == ("http",) for one in found):
        return []
    servers = [one for one in found if one.words[0] == "server" and one.blocks == ("http",)]
    bare = [one for one in servers if not _has_own(one, found)]
    if servers and not bare:
        return []
    says = f"no access log is named, so nginx writes {BUILT_IN_ACCESS}"
    place = bare[0].place if bare else MAIN
    return [Trouble("nginx", place, says, "name one in the block http, or say `access_log off;`", leaks=True)]


def _has_own(server: Directive, found: list[Directive]) -> bool:
    """Tell whether an access log stands in a server's own block."""
    after = found[found.index(server) + 1 :]
    for one in after:
        if len(one.blocks) < 2:
            return False
        if one.blocks == ("http", "server") and one.words[0] == _ACCESS:
            return True
    return False


def _read(files: Files, path: str, outside: tuple[str, ...], found: list[Directive], depth: int = 0) -> None:
    """Collect the directives of a file and of what it includes."""
    blocks = outside
    for line, words, end in _statements(files.read(path)):
        if words:
            found.append(Directive(f"{path}:{line}", blocks, words))
        if end == "{":
            blocks = (*blocks, words[0] if words else "")
        elif end == "}":
            blocks = blocks[:-1]
        elif words[:1] == [_INCLUDE] and len(words) > 1 and depth < _DEEPEST:
            for other in files.matching(words[1], BASE):
                _read(files, other, blocks, found, depth + 1)


def _statements(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line where a statement begins, its words, and what ends it: one of `;{}`."""
    line, began, words = 1, 1, list[str]()
    for word in _TOKEN.findall(text):
        if word in ("{", "}", ";"):
            yield began, words, word
            words = []
        elif not word.startswith(("#", "\n")):
            began = began if words else line
            words.append(word[1:-1] if word[0] in "\"'" and word[-1] == word[0] else word)
        line += word.count("\n")
