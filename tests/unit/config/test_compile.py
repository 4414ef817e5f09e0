"""From the configuration to the engine: the right parser, the right columns, the right bounds."""

from __future__ import annotations

from datetime import timedelta, timezone
from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import MASKED_COLUMNS, engine_for, missing_fields, plan_for
from privet.config.loader import parse
from privet.config.model import Config, SourceConfig
from privet.core.engine import Batch
from privet.core.masking.mask import Masks, combined
from privet.core.parsing.parse import JsonPlan, TextPlan
from privet.core.parsing.recognise import AutoPlan

if TYPE_CHECKING:
    from privet.core.parsing.parse import Rows

LINE = b'192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /x.env HTTP/1.1" 404 31 "-" "curl/8"\n'


def source(how: str) -> SourceConfig:
    return SourceConfig(name="web", paths=("/x",), format=how)


def config(jails: str, how: str = "auto") -> Config:
    return parse(f"[source.web]\npath = '/x'\nformat = '{how}'\n{jails}", "p.toml")


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("auto", AutoPlan),
        ("combined", TextPlan),
        ("json", JsonPlan),
        ("%h %t", TextPlan),
        ("$remote_addr $msec", TextPlan),
    ],
)
def test_a_source_gets_the_parser_of_its_format(how: str, kind: type) -> None:
    assert isinstance(plan_for(source(how)), kind)


@pytest.mark.parametrize("how", ["auto", "combined"])
def test_only_columns_that_somebody_reads_are_taken(how: str) -> None:
    assert "status" not in plan_for(source(how)).parse(LINE).columns
    assert plan_for(source(how), {"status"}).parse(LINE).columns["status"][0] == b"404"


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("combined", LINE),
        ("$remote_addr|$msec|$request|$status|$http_user_agent", b"192.0.2.1|5|GET /x.env HTTP/1.1|404|curl/8\n"),
        ("$remote_addr $msec $request_method $request_uri $status", b"192.0.2.1 5 GET /x.env 404\n"),
        ("%h %{sec}t %m %U%q %>s", b"192.0.2.1 5 GET /x.env 404\n"),
    ],
)
def test_the_masked_log_has_what_the_line_had_quoted_or_not(how: str, line: bytes) -> None:
    rows = plan_for(source(how), MASKED_COLUMNS).parse(line)
    out = combined(rows, Masks("drop", None), b"web")
    assert b'"GET /x.env HTTP' in out
    assert b" 404 " in out
    assert (b'"curl/8"' in out) == (b"curl/8" in line)


def test_stamps_without_an_offset_are_in_the_zone_given() -> None:
    jail = "[jail.j]\nsource = 'web'\nmaxretry = 1\n"
    engine = engine_for(config(jail, "%h %{%F %T}t"), zone=timezone(timedelta(hours=2)))
    (verdict,) = engine.feed(Batch("web", b"192.0.2.1 2015-05-17 12:05:03\n"), inf)
    assert verdict.time == 1431857103


@pytest.mark.parametrize(
    "condition",
    [
        "status = 404",
        "size = 31",
        "path = 'env'",
        "method = 'GET'",
        "query = { is = '' }",
        "agent = 'curl'",
        "referer = { is = '-' }",
        "host = { not = 'example.org' }",
    ],
)
@pytest.mark.parametrize("how", ["auto", "combined"])
def test_a_jail_has_the_columns_that_it_reads(condition: str, how: str) -> None:
    engine = engine_for(config(f"[jail.j]\nsource = 'web'\nmaxretry = 1\n{condition}\n", how))
    assert len(engine.feed(Batch("web", LINE), inf)) == 1


def test_observers_have_the_columns_that_they_want() -> None:
    seen: list[bytes] = []

    def observe(_: str, rows: Rows) -> None:
        seen.extend(rows.column("size"))

    engine = engine_for(config("", "combined"), want={"size"}, observers=[observe])
    engine.feed(Batch("web", LINE), inf)
    assert seen == [b"31"]


def test_bounds_are_those_of_the_configuration() -> None:
    engine = engine_for(config("[engine]\ntolerance = 90\nmax_clients = 1000\n[jail.j]\nsource = 'web'\n"))
    lines = [LINE.replace(b"192.0.2.1", b"10.0.%d.%d" % divmod(n, 250)) for n in range(3000)]
    engine.feed(Batch("web", b"".join(lines)), inf)
    assert 0 < engine.tracked <= 1000
    assert engine.evicted
    engine.feed(Batch("web", LINE.replace(b"10:05:03", b"10:03:33")), inf)
    assert engine.sources["web"].late == 0
    engine.feed(Batch("web", LINE.replace(b"10:05:03", b"10:03:32")), inf)
    assert engine.sources["web"].late == 1


def test_a_source_without_jails_is_read_all_the_same() -> None:
    engine = engine_for(config(""))
    assert engine.feed(Batch("web", LINE), inf) == []
    assert engine.sources["web"].parsed == 1


@pytest.mark.parametrize(
    ("how", "missing"),
    [
        ("auto", []),
        ("json", []),
        ("vhost_combined", []),
        ("combined", ["host"]),
        ("common", ["agent", "host"]),
        ("%h %t %U", ["query", "agent", "host", "status"]),
        ("%h %t %U%q %s", ["agent", "host"]),
        ('{"a":"$remote_addr","t":"$msec","r":"$request"}', ["agent", "host", "status"]),
    ],
)
def test_predicates_that_no_line_can_fulfil_are_named(how: str, missing: list[str]) -> None:
    made = config("[jail.j]\nsource='web'\npath='x'\nquery='y'\nagent='z'\nhost='h'\nstatus=404\n", how)
    wanted = {f"jail j: source web has no field {field}" for field in missing}
    assert set(missing_fields(made)) == wanted


def test_fields_that_a_signal_needs_and_no_line_has_are_named() -> None:
    made = config("[jail.j]\nsource='web'\nkind='manners'\nsignal='fake-browser'\n", "common")

    assert missing_fields(made) == [f"jail j: source web has no field {field}" for field in ("agent", "referer")]


def test_engines_of_one_configuration_are_independent() -> None:
    made = config("[jail.j]\nsource = 'web'\nmaxretry = 2\n")
    one, other = engine_for(made), engine_for(made)
    assert not one.feed(Batch("web", LINE), inf)
    assert not other.feed(Batch("web", LINE), inf)
    assert len(one.feed(Batch("web", LINE), inf)) == 1
