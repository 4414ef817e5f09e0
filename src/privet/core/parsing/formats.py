"""How lines of an access log look: Apache `LogFormat` and nginx `log_format` strings, JSON, and their names.

A `Format` is data: a list of elements, each a literal or a field. `core.parsing.parse` makes a parser of it.
"""

from __future__ import annotations

import json
import re

import msgspec

APACHE = {
    "common": '%h %l %u %t "%r" %>s %b',
    "combined": '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    "vhost_combined": '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"',
    "privet": ('%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i" %D "%{Content-Type}o" "%{privet}C"'),
}
"""The named formats that are text; `privet` is the one recommended for `privet pipe`."""

NAMES = (*APACHE, "json", "auto")

_APACHE_DIRECTIVE = re.compile(r"%(?:[<>]|!?\d{3}(?:,\d{3})*)*(?:\{(?P<arg>[^}]*)\})?(?P<letter>\^t[io]|[A-Za-z%])")
_NGINX_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<name>\w+))")
_STRFTIME = {
    "%D": "%m/%d/%y",
    "%F": "%Y-%m-%d",
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%e": "%d",
    "%h": "%b",
    "%k": "%H",
}
_APACHE_FIELDS = {
    "h": "client",
    "a": "client",
    "v": "host",
    "V": "host",
    "p": "port",
    "u": "user",
    "r": "request",
    "s": "status",
    "b": "size",
    "B": "size",
    "O": "size",
    "m": "method",
    "U": "path",
    "q": "query",
    "H": "proto",
    "D": "duration_us",
    "T": "duration",
    "Tms": "duration_ms",
    "Tus": "duration_us",
}
_APACHE_HEADERS = {
    ("i", "referer"): "referer",
    ("i", "user-agent"): "agent",
    ("i", "host"): "host",
    ("i", "x-forwarded-for"): "forwarded",
    ("i", "forwarded"): "forwarded",
    ("o", "content-type"): "content_type",
    ("C", "privet"): "cookie",
}
NGINX_FIELDS = {
    "remote_addr": "client",
    "host": "host",
    "http_host": "host",
    "server_name": "host",
    "server_port": "port",
    "remote_user": "user",
    "time_local": "time",
    "time_iso8601": "time",
    "msec": "time",
    "request": "request",
    "status": "status",
    "body_bytes_sent": "size",
    "bytes_sent": "size",
    "http_referer": "referer",
    "http_user_agent": "agent",
    "realip_remote_addr": "peer",
    "http_x_forwarded_for": "forwarded",
    "http_forwarded": "forwarded",
    "proxy_protocol_addr": "forwarded",
    "request_method": "method",
    "request_uri": "target",
    "uri": "path",
    "args": "query",
    "query_string": "query",
    "server_protocol": "proto",
    "request_time": "duration",
    "sent_http_content_type": "content_type",
    "cookie_privet": "cookie",
}
JSON_KEYS = {
    "client": (
        "request.client_ip",
        "request.remote_ip",
        "ClientHost",
        "remote_addr",
        "client_ip",
        "remote_ip",
        "client",
    ),
    "host": ("request.host", "RequestHost", "host", "server_name", "http_host", "vhost"),
    "user": ("user_id", "ClientUsername", "remote_user", "user"),
    "time": ("ts", "StartUTC", "time_iso8601", "time_local", "msec", "@timestamp", "timestamp", "time"),
    "request": ("RequestLine", "request"),
    "method": ("request.method", "RequestMethod", "request_method", "method"),
    "target": ("request.uri", "RequestPath", "request_uri", "uri", "url", "path"),
    "proto": ("request.proto", "RequestProtocol", "server_protocol", "protocol"),
    "status": ("status", "DownstreamStatus", "OriginStatus"),
    "size": ("size", "DownstreamContentSize", "body_bytes_sent", "bytes_sent", "bytes"),
    "referer": ("request.headers.Referer", "request_Referer", "http_referer", "referer", "referrer"),
    "agent": ("request.headers.User-Agent", "request_User-Agent", "http_user_agent", "user_agent", "agent"),
    "peer": ("request.remote_ip",),
    "forwarded": ("request.headers.X-Forwarded-For", "request_X-Forwarded-For", "http_x_forwarded_for"),
    "duration": ("duration", "request_time"),
    "content_type": ("resp_headers.Content-Type", "downstream_Content-Type", "sent_http_content_type"),
    "cookie": ("cookie_privet",),
}
"""Where Caddy, Traefik and usual nginx set-ups keep each field in a JSON line; the first one present counts."""


class FormatError(ValueError):
    """A format string that cannot be used; the text says why."""


class Literal(msgspec.Struct, frozen=True):
    """Text that stands in every line."""

    text: bytes


class Field(msgspec.Struct, frozen=True):
    """A value in the line; `name` is "" for what nobody needs, `time` how its stamp is written."""

    name: str
    time: str = ""


class Format(msgspec.Struct, frozen=True):
    """A line's shape: `elements` for text, `keys` (field → the paths that may lead to it) for JSON."""

    name: str
    elements: tuple[Literal | Field, ...] = ()
    keys: dict[str, tuple[tuple[str, ...], ...]] = {}

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that a line of this format has."""
        return frozenset(self.keys) | {e.name for e in self.elements if isinstance(e, Field) and e.name}


def named(name: str) -> Format:
    """Return the format of a name in `NAMES` other than `auto`."""
    if name == "json":
        paths = {field: tuple(tuple(path.split(".")) for path in paths) for field, paths in JSON_KEYS.items()}
        return Format(name, keys=paths)
    return _apache(name, APACHE[name])


def parse_format(text: str) -> Format:
    """Make a format of a name, an Apache LogFormat string or an nginx log_format string.

    Raises FormatError for anything else, or when no field holds the client or the time.
    """
    if text in NAMES and text != "auto":
        return named(text)
    if "%" in text:
        made = _apache("custom", text.replace('\\"', '"').replace("\\t", "\t"))
    elif "$" in text:
        made = _nginx_json(text) if text.lstrip().startswith("{") else _nginx(text)
    else:
        raise FormatError(f"neither one of {', '.join(NAMES)} nor a LogFormat (%h …) or log_format ($remote_addr …)")
    for need, how in (("client", "%h or $remote_addr"), ("time", "%t or $time_local")):
        if need not in made.fields and not (need == "client" and "forwarded" in made.fields):
            raise FormatError(f"no field holds the {need} ({how})")
    return made


def _apache(name: str, text: str) -> Format:
    elements: list[Literal | Field] = []
    end = 0
    for found in _APACHE_DIRECTIVE.finditer(text):
        elements.append(Literal(text[end : found.start()].encode()))
        elements.extend(_apache_directive(found["letter"], found["arg"]))
        end = found.end()
    elements.append(Literal(text[end:].encode()))
    return Format(name, _tidy(elements))


def _apache_directive(letter: str, arg: str | None) -> list[Literal | Field]:
    if letter == "%":
        return [Literal(b"%")]
    if letter == "t":
        if not arg:
            return [Literal(b"["), Field("time", "clf"), Literal(b"]")]
        return [Field("") if arg.endswith("_frac") else Field("time", _strftime(arg))]
    if letter in "ioC" and arg is not None:
        return [Field(_APACHE_HEADERS.get((letter, arg if letter == "C" else arg.lower()), ""))]
    if letter == "a" and arg == "c":
        return [Field("peer")]  # of the connection: a proxy where it differs from the client
    return [Field(_APACHE_FIELDS.get(f"{letter}{arg or ''}", _APACHE_FIELDS.get(letter, "")))]


def _strftime(arg: str) -> str:
    """Return how a `%{…}t` stamp is written: "epoch" or a pattern for strptime."""
    arg = arg.removeprefix("begin:").removeprefix("end:")
    if arg in ("sec", "msec", "usec", "%s"):
        return "epoch"
    for short, long in _STRFTIME.items():
        arg = arg.replace(short, long)
    if "%" not in arg:
        raise FormatError(f"cannot read a time written as %{{{arg}}}t")
    return arg


def _nginx(text: str) -> Format:
    elements: list[Literal | Field] = []
    end = 0
    for found in _NGINX_VARIABLE.finditer(text):
        elements.append(Literal(text[end : found.start()].encode()))
        elements.append(_nginx_field(found["braced"] or found["name"]))
        end = found.end()
    elements.append(Literal(text[end:].encode()))
    return Format("custom", _tidy(elements))


def _nginx_field(variable: str) -> Field:
    how = {"time_local": "clf", "time_iso8601": "iso", "msec": "epoch"}.get(variable, "")
    return Field(NGINX_FIELDS.get(variable, ""), how)


def _nginx_json(text: str) -> Format:
    """Read a log_format whose lines are JSON objects: the keys whose value is one known variable."""
    quoted = re.sub(r'"\s*:\s*(\$\w+|\$\{\w+\})', r'":"\1"', text)  # numbers stand without quotes
    try:
        keys = json.loads(quoted)
    except ValueError as error:
        raise FormatError(f"looks like JSON, but is not: {error}") from None
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for path, value in _leaves(keys, ()):
        variable = _NGINX_VARIABLE.fullmatch(value)
        name = NGINX_FIELDS.get(variable["braced"] or variable["name"], "") if variable else ""
        if name:
            found[name] = (*found.get(name, ()), path)
    return Format("custom", keys=found)


def _leaves(node: object, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        return [leaf for key, child in node.items() for leaf in _leaves(child, (*path, key))]
    return [(path, node)] if isinstance(node, str) else []


def _tidy(elements: list[Literal | Field]) -> tuple[Literal | Field, ...]:
    """Join neighbouring literals, a path with the query that follows it, a whole request; refuse other neighbours."""
    tidy: list[Literal | Field] = []
    for element in elements:
        last = tidy[-1] if tidy else None
        if isinstance(element, Literal):
            if isinstance(last, Literal):
                tidy[-1] = Literal(last.text + element.text)
            elif element.text:
                tidy.append(element)
        elif isinstance(last, Field):
            if (last.name, element.name) != ("path", "query"):
                raise FormatError("two fields stand side by side with nothing between them")
            tidy[-1] = Field("target")
        else:
            tidy.append(element)
    return tuple(_with_request(tidy))


def _with_request(elements: list[Literal | Field]) -> list[Literal | Field]:
    """Read `"%m %U%q %H"` as the request that it is: a path may hold spaces, only the whole tells where it ends."""
    for place in range(len(elements) - 6):
        match elements[place : place + 7]:
            case [
                Literal(before),
                Field("method"),
                Literal(b" "),
                Field("path" | "target"),
                Literal(b" "),
                Field("proto"),
                Literal(after),
            ] if before.endswith(b'"') and after.startswith(b'"'):
                return [*elements[: place + 1], Field("request"), *elements[place + 6 :]]
    return elements
