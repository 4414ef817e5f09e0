"""Apache httpd: every directive that writes a log, virtual hosts and includes included."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from privet.adapters.servers.found import Files, Found, Log, Trouble, kind_of_program

if TYPE_CHECKING:
    from collections.abc import Iterator

MAINS = ("/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf")
_ROOTS = {"/etc/apache2/apache2.conf": "/etc/apache2", "/etc/httpd/conf/httpd.conf": "/etc/httpd"}
_ACCESS = {"customlog", "globallog", "transferlog"}
_OTHERS = {"errorlog", "forensiclog", "scriptlog", "cookielog", "rewritelog", "jkrequestlog"}
_MODSECURITY = {"secauditlog", "secauditlog2", "secdebuglog", "secauditlogstoragedir"}
_PHP = {"php_value", "php_admin_value"}
_INCLUDES = {"include", "includeoptional"}
_KNOWN = {
    *_ACCESS,
    *_OTHERS,
    *_MODSECURITY,
    *_PHP,
    *_INCLUDES,
    "define",
    "serverroot",
    "logformat",
    "hostnamelookups",
    "use",
}
_WORD = re.compile(r"\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|(\S+)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_EXPORT = re.compile(r"^\s*(?:export\s+)?(\w+)=(.*?)\s*$", re.MULTILINE)
_TELLING = re.compile(
    r"%(?:[!<>\d,]*)(?:[ahl]|\{c\}[ah]|\{[^}]*(?:for|client|remote|real|ip|addr)[^}]*\}[ienocC^])", re.IGNORECASE
)
NICKNAMES = {"common": "%h", "combined": "%h"}
_DEEPEST = 30


def apache(root: Path = Path("/")) -> Found:
    """Read the configuration that is installed, if one is."""
    main = next((main for main in MAINS if (root / main[1:]).exists()), None)
    if main is None:
        return Found([], [])
    reader = _Reader(Files("apache", root), _ROOTS[main])
    reader.file(main)
    return reader.found()


class _Reader:
    def __init__(self, files: Files, server_root: str) -> None:
        self._files, self._root = files, server_root
        self._logs: list[tuple[Log, str]] = []  # with its format, for which nicknames may come later
        self._formats = dict(NICKNAMES)
        self._main_error_log = False
        self._hosts = 0  # how many virtual hosts are open
        self._variables = self._environment()

    def _environment(self) -> dict[str, str]:
        values = {"SUFFIX": ""}
        if (self._files.root / "etc/apache2/envvars").exists():
            for name, value in _EXPORT.findall(self._files.read("/etc/apache2/envvars")):
                values.setdefault(
                    name, re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), value.strip("'\""))
                )
        return values

    def found(self) -> Found:
        """Return what has been read."""
        if not self._main_error_log:
            path = self._absolute("logs/error_log")
            self._logs.append((Log("apache", self._root, "ErrorLog (default)", path, "file", path), ""))
        logs = [log._replace(tells=self._tells(log, form)) for log, form in self._logs]
        return Found(logs, self._files.troubles)

    def _tells(self, log: Log, form: str) -> bool:
        if log.directive.lower() not in _ACCESS or not form:
            return True
        text = form if "%" in form else self._formats.get(form, "%h")
        return bool(_TELLING.search(text))

    def file(self, path: str, depth: int = 0) -> None:
        """Read one file, and what it includes."""
        for number, name, words in _directives(self._files.read(path)):
            place = f"{path}:{number}"
            if name.startswith("<"):
                self._hosts += {"<virtualhost": 1, "</virtualhost>": -1}.get(name, 0)
                continue
            arguments = [self._expanded(word, place) for word in words]
            if name in _INCLUDES and arguments and depth < _DEEPEST:
                for other in self._files.matching(arguments[0], self._root):
                    self.file(other, depth + 1)
            elif name in _KNOWN and arguments:
                self._directive(name, arguments, place)

    def _directive(self, name: str, arguments: list[str], place: str) -> None:
        match name:
            case "define":
                self._variables[arguments[0]] = arguments[1] if len(arguments) > 1 else ""
            case "serverroot":
                self._root = arguments[0]
            case "logformat":
                self._formats[arguments[1] if len(arguments) > 1 else ""] = arguments[0]
            case "hostnamelookups":
                if arguments[0].lower() != "off":
                    self._trouble(
                        place, "every visitor's address is sent to name servers", "HostnameLookups Off", leaks=True
                    )
            case "use":
                self._trouble(place, "a macro, which is not looked into", "look at it yourself", leaks=False)
            case "php_value" | "php_admin_value":
                if arguments[0].lower() == "error_log" and len(arguments) > 1:
                    self._log("error_log of PHP", arguments[1], "", place)
            case _:
                self._main_error_log |= name == "errorlog" and not self._hosts
                self._log(_WRITTEN.get(name, name), arguments[0], arguments[1] if len(arguments) > 1 else "", place)

    def _log(self, directive: str, target: str, form: str, place: str) -> None:
        path = ""
        if target.startswith("|"):
            kind = kind_of_program(target)
        elif target.startswith(("syslog", "journald")):
            kind = "syslog" if target.startswith("syslog") else "journal"
        else:
            path = self._absolute(target)
            kind = self._files.kind_of(path)
        self._logs.append((Log("apache", place, directive, target, kind, path), form))

    def _absolute(self, target: str) -> str:
        return target if target.startswith("/") else f"{self._root.rstrip('/')}/{target}"

    def _expanded(self, word: str, place: str) -> str:
        def value(found: re.Match[str]) -> str:
            if found[1] not in self._variables:
                self._trouble(place, f"${{{found[1]}}} is not defined here", "look at it yourself", leaks=False)
            return self._variables.get(found[1], found[0])

        return _VARIABLE.sub(value, word)

    def _trouble(self, place: str, says: str, remedy: str, *, leaks: bool) -> None:
        self._files.troubles.append(Trouble("apache", place, says, remedy, leaks))


_WRITTEN = {
    "customlog": "CustomLog", "globallog": "GlobalLog", "transferlog": "TransferLog", "errorlog": "ErrorLog",
    "forensiclog": "ForensicLog", "scriptlog": "ScriptLog", "secauditlog": "SecAuditLog",
}  # fmt: skip


def _directives(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line number, name in lower case and arguments; lines that go on behind a backslash are one."""
    number, joined, begun = 0, "", 0
    for line in text.splitlines():
        number += 1
        begun = begun if joined else number
        joined += line
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        stripped, joined = joined.strip(), ""
        if stripped and not stripped.startswith("#"):
            name, _, rest = stripped.partition(" ") if " " in stripped else stripped.partition("\t")
            words = [one or two or three for one, two, three in _WORD.findall(rest)]
            yield begun, name.split("\t")[0].lower(), [re.sub(r"\\(.)", r"\1", word) for word in words]
