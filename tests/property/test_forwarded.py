"""Whatever a visitor sends in a header: it never raises, and never makes him somebody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, client_key
from privet.core.parsing.formats import parse_format
from privet.core.parsing.forwarded import BEHIND, MOST_HOPS, Proxies
from privet.core.parsing.parse import plan_of

TRUSTED = Proxies([Subject.parse("10.0.0.0/8"), Subject.parse("2001:db8:ffff::/48")])
CLIENT = b"203.0.113.7"
WRITTEN = {
    "list": b"%b",
    "port": b"%b:4711",
    "forwarded": b"for=%b;proto=https",
    "quoted": b'by=10.0.0.9;For=\\"%b\\"',
}
CLAIMS = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [b"10.0.0.1", b"198.51.100.1", b"for=", b"for=198.51.100.1", b'"', b"\\", b";", b",", b"=", b"[", b" "]
        ),
        max_size=40,
    ).map(b"".join),
)
HOPS = st.lists(
    st.sampled_from([b"10.0.0.2", b"10.9.9.9", b"2001:db8:ffff::2", b"for=10.0.0.3"]), max_size=MOST_HOPS - 1
)


@given(CLAIMS)
def test_any_header_is_a_client_or_none(header: bytes) -> None:
    key = TRUSTED.clients[header]
    assert key is None or len(key) in (4, 8, 16)


@given(CLAIMS, st.sampled_from(sorted(WRITTEN)), HOPS)
def test_what_stands_before_the_client_changes_nothing(claim: bytes, how: str, hops: list[bytes]) -> None:
    header = b", ".join([claim, WRITTEN[how] % CLIENT, *hops])
    assert TRUSTED.clients[header] == client_key(CLIENT)


@given(CLAIMS)
def test_the_header_of_somebody_who_is_not_trusted_changes_nothing(claim: bytes) -> None:
    plan = plan_of(parse_format('%h %t "%{X-Forwarded-For}i"'), proxies=TRUSTED)
    logged = claim.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    rows = plan.parse(b'%b [17/May/2015:10:05:03 +0000] "%b"\n' % (CLIENT, logged))
    assert rows.keys == [client_key(CLIENT)]
    assert BEHIND not in rows.column("behind")
