"""Format strings: what becomes of each directive, and what an error says."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.parsing.formats import APACHE, NAMES, Field, Format, FormatError, Literal, named, parse_format

Elements = list[tuple[str, str] | bytes]


def shape(text: str) -> Elements:
    """Write a format as a list: (name, time) for a field, bytes for a literal."""
    return [e.text if isinstance(e, Literal) else (e.name, e.time) for e in parse_format(text).elements]


def has_time(text: str) -> str:
    """Complete a format with what every one needs."""
    return f"{text} %h [%{{sec}}t]"


TAIL: Elements = [("client", ""), b" [", ("time", "epoch"), b"]"]


@pytest.mark.parametrize(("text", "elements"), [
    ("%h %t", [("client", ""), b" [", ("time", "clf"), b"]"]),
    ("%a %t", [("client", ""), b" [", ("time", "clf"), b"]"]),
    ("%h %{%Y-%m-%d %H:%M:%S}t", [("client", ""), b" ", ("time", "%Y-%m-%d %H:%M:%S")]),
    ("%h %{%F %T}t", [("client", ""), b" ", ("time", "%Y-%m-%d %H:%M:%S")]),
    ("%h %{begin:%F %T}t", [("client", ""), b" ", ("time", "%Y-%m-%d %H:%M:%S")]),
    ("%h %{msec}t", [("client", ""), b" ", ("time", "epoch")]),
    ("%h %{end:usec}t", [("client", ""), b" ", ("time", "epoch")]),
    ("%h %{%s}t", [("client", ""), b" ", ("time", "epoch")]),
    ("%h %{sec}t.%{msec_frac}t", [("client", ""), b" ", ("time", "epoch"), b".", ("", "")]),
    ("%h\\t%t", [("client", ""), b"\t[", ("time", "clf"), b"]"]),
    ("100%% %h %t", [b"100% ", ("client", ""), b" [", ("time", "clf"), b"]"]),
    (r"%h %t \"%r\"", [("client", ""), b" [", ("time", "clf"), b'] "', ("request", ""), b'"']),
    ('%h %t "%m %U%q %H"', [("client", ""), b" [", ("time", "clf"), b'] "', ("request", ""), b'"']),
    ("%h %t %m %U%q %H", [
        ("client", ""), b" [", ("time", "clf"), b"] ", ("method", ""), b" ", ("target", ""), b" ", ("proto", ""),
    ]),
    ('%h %t "%m" "%U" "%q"', [
        ("client", ""), b" [", ("time", "clf"), b'] "', ("method", ""), b'" "', ("path", ""), b'" "', ("query", ""),
        b'"',
    ]),
    (has_time("%{X-Forwarded-For}i"), [("forwarded", ""), b" ", *TAIL]),
    (has_time("%{user-agent}i"), [("agent", ""), b" ", *TAIL]),
    (has_time("%{REFERER}i"), [("referer", ""), b" ", *TAIL]),
    (has_time("%{X-Something}i"), [("", ""), b" ", *TAIL]),
    (has_time("%{privet}C"), [("cookie", ""), b" ", *TAIL]),
    (has_time("%{Privet}C"), [("", ""), b" ", *TAIL]),
    (has_time("%{Content-Type}o"), [("content_type", ""), b" ", *TAIL]),
    (has_time("%{c}a"), [("peer", ""), b" ", *TAIL]),
    (has_time("%{Forwarded}i"), [("forwarded", ""), b" ", *TAIL]),
    (has_time("%{remote}p"), [("port", ""), b" ", *TAIL]),
    (has_time("%{UNIQUE_ID}e"), [("", ""), b" ", *TAIL]),
    (has_time("%{Foo}^ti"), [("", ""), b" ", *TAIL]),
    (has_time("%>s"), [("status", ""), b" ", *TAIL]),
    (has_time("%<s"), [("status", ""), b" ", *TAIL]),
    (has_time("%!200,304,302{Referer}i"), [("referer", ""), b" ", *TAIL]),
    (has_time("%400,501{User-agent}i"), [("agent", ""), b" ", *TAIL]),
    (has_time("%V:%p"), [("host", ""), b":", ("port", ""), b" ", *TAIL]),
])  # fmt: skip
def test_apache(text: str, elements: Elements) -> None:
    assert shape(text) == elements


@pytest.mark.parametrize(("text", "elements"), [
    ("$remote_addr [$time_local]", [("client", ""), b" [", ("time", "clf"), b"]"]),
    ("$remote_addr $time_iso8601", [("client", ""), b" ", ("time", "iso")]),
    ("$remote_addr $msec", [("client", ""), b" ", ("time", "epoch")]),
    ("${remote_addr}x$msec", [("client", ""), b"x", ("time", "epoch")]),
    ('$remote_addr $msec "$request_method $request_uri $server_protocol"', [
        ("client", ""), b" ", ("time", "epoch"), b' "', ("request", ""), b'"',
    ]),
    ("$http_x_forwarded_for $msec $http_something $cookie_privet", [
        ("forwarded", ""), b" ", ("time", "epoch"), b" ", ("", ""), b" ", ("cookie", ""),
    ]),
])  # fmt: skip
def test_nginx(text: str, elements: Elements) -> None:
    assert shape(text) == elements


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('{"a": "$remote_addr", "b": $msec}', {"client": (("a",),), "time": (("b",),)}),
        ('{"a":{"b":"$remote_addr"},"t":"$msec"}', {"client": (("a", "b"),), "time": (("t",),)}),
        ('{"client.ip":"$remote_addr","":"$msec"}', {"client": (("client.ip",),), "time": (("",),)}),
        ('{"a":"$remote_addr","b":"$remote_addr","t":$msec}', {"client": (("a",), ("b",)), "time": (("t",),)}),
        (
            '{"a":"$remote_addr","t":${msec},"v":"$host:$server_port","s":$status}',
            {"client": (("a",),), "time": (("t",),), "status": (("s",),)},
        ),
    ],
)
def test_nginx_json(text: str, keys: dict[str, tuple[tuple[str, ...], ...]]) -> None:
    made = parse_format(text)
    assert made.keys == keys
    assert not made.elements


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    if name == "auto":
        with pytest.raises(FormatError):
            parse_format(name)
        return
    assert parse_format(name) == named(name)
    assert named(name).name == name
    assert {"client", "time", "status", "request"} <= named(name).fields


@pytest.mark.parametrize("name", APACHE)
def test_the_string_of_a_named_format_is_the_format(name: str) -> None:
    assert parse_format(APACHE[name]).elements == named(name).elements
    escaped = APACHE[name].replace('"', '\\"')
    assert parse_format(escaped).elements == named(name).elements


def test_fields() -> None:
    assert named("common").fields == {"client", "user", "time", "request", "status", "size"}
    assert named("privet").fields >= {"host", "duration_us", "content_type", "cookie", "referer", "agent"}
    assert Format("x", elements=(Field(""), Literal(b" "), Field("host"))).fields == {"host"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither one of"),
        ("combinde", "neither one of common, combined, vhost_combined, privet, json, auto nor"),
        ("%l %u %t", r"no field holds the client \(%h"),
        ("%h %l", r"no field holds the time \(%t"),
        ("$remote_addr $status", "no field holds the time"),
        ("$time_local $status", "no field holds the client"),
        ("%h%t", None),
        ("%h%u %t", "side by side"),
        ("$remote_addr$remote_user $msec", "side by side"),
        ("%h %q%U %t", "side by side"),
        ("%h %{foo}t", r"cannot read a time written as %\{foo\}t"),
        ('{"a": "$remote_addr", "t": "$msec"', "looks like JSON, but is not"),
        ('{"a": 5, "$remote_addr": "b"}', "no field holds the client"),
        ('{"a": "$remote_addr x", "t": "$msec"}', "no field holds the client"),
        ('{"a": "$remote_addr"}', "no field holds the time"),
    ],
)
def test_errors_say_why(text: str, says: str | None) -> None:
    if says is None:
        assert parse_format(text).fields >= {"client", "time"}
        return
    with pytest.raises(FormatError, match=says):
        parse_format(text)


@given(
    st.lists(
        st.sampled_from(
            [*'%$"{}\\ :[]a>', "%h", "%t", "%r", "%{", "}t", "}i", "$remote_addr", "$msec", "$request", "${", '{"a":']
        )
    ).map("".join)
)
def test_any_text_is_a_format_or_a_format_error(text: str) -> None:
    with suppress(FormatError):
        fields = parse_format(text).fields
        assert "time" in fields
        assert fields & {"client", "forwarded"}
