"""Lists from a real https server on loopback, with a certificate of its own."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from privet.adapters import lists
from privet.adapters.lists import Fetched, fetch, read
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIST = "192.0.2.1\n198.51.100.0/24\n"


def certificate(path: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "privet test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server(HTTPServer):
    """What it answers is set by the test; what it was asked is kept."""

    status, headers, body = 200, dict[str, str](), LIST.encode()
    asked: dict[str, str]

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://127.0.0.1:{self.server_port}/list"


class Handler(BaseHTTPRequestHandler):
    """Answers every GET as its server says."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        self.server.asked = dict(self.headers)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server calls it so
        """Say nothing."""


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def server(secrets: Path) -> Iterator[Server]:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(secrets)
    with Server(("127.0.0.1", 0), Handler) as found:
        found.socket = own.wrap_socket(found.socket, server_side=True)
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def trust(secrets: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(secrets))


def test_a_list_is_fetched_and_nothing_is_told(server: Server, trust: ssl.SSLContext) -> None:
    assert fetch(server.url, 100, None, trust) == Fetched(LIST)
    assert server.asked.keys() == {"Host", "User-Agent", "Connection", "Accept-Encoding"}
    assert server.asked["User-Agent"].startswith("privet/")


@pytest.mark.parametrize(
    ("given", "asked"),
    [({"ETag": '"7"'}, {"If-None-Match": '"7"'}), ({"Last-Modified": "now"}, {"If-Modified-Since": "now"})],
)
def test_what_did_not_change_is_not_sent_again(
    server: Server, trust: ssl.SSLContext, given: dict[str, str], asked: dict[str, str]
) -> None:
    server.headers = given
    first = fetch(server.url, 100, None, trust)
    server.status, server.body = 304, b""
    assert fetch(server.url, 100, first, trust) is None
    assert asked.items() <= server.asked.items()


@pytest.mark.parametrize(("status", "said"), [(404, "the server answers 404"), (503, "answers 503"), (304, "304")])
def test_a_server_that_refuses(server: Server, trust: ssl.SSLContext, status: int, said: str) -> None:
    server.status = status
    with pytest.raises(SourceError, match=said):
        fetch(server.url, 100, None, trust)


def test_a_server_that_nobody_vouches_for(server: Server) -> None:
    with pytest.raises(SourceError, match="SSLCertVerificationError"):
        fetch(server.url, 100)


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/", "file:///etc/passwd", "ftp://127.0.0.1/"])
def test_it_goes_nowhere_but_to_https(server: Server, trust: ssl.SSLContext, place: str) -> None:
    server.status, server.headers = 302, {"Location": place}
    with pytest.raises(SourceError):
        fetch(server.url, 100, None, trust)
    with pytest.raises(SourceError):
        fetch(place, 100, None, trust)


def test_it_follows_to_https(server: Server, trust: ssl.SSLContext) -> None:
    server.status, server.headers = 302, {"Location": server.url}
    with pytest.raises(SourceError, match="the server answers 302"):
        fetch(server.url, 100, None, trust)


def test_a_list_without_an_end(server: Server, trust: ssl.SSLContext) -> None:
    server.body = b"192.0.2.1\n" * 1000
    with pytest.raises(SourceError, match="larger than 800 bytes, see max_entries"):
        fetch(server.url, 10, None, trust)


def test_a_server_that_takes_its_time(server: Server, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PATIENCE", -1.0)
    with pytest.raises(SourceError, match="it takes longer than"):
        fetch(server.url, 100, None, trust)


def test_what_is_no_text(server: Server, trust: ssl.SSLContext, tmp_path: Path) -> None:
    server.body = b"\xff\xfe"
    with pytest.raises(SourceError, match="it is no text"):
        fetch(server.url, 100, None, trust)
    (tmp_path / "list").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="it is no text"):
        read(tmp_path / "list", 100)


def test_a_list_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    assert read(tmp_path / "list", 100) == Fetched(LIST)
    with pytest.raises(SourceError, match="larger than 0 bytes"):
        read(tmp_path / "list", 0)
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / "none", 100)


def test_nobody_listens(trust: ssl.SSLContext) -> None:
    with pytest.raises(SourceError, match="ConnectionRefusedError"):
        fetch("https://127.0.0.1:1/", 100, None, trust)
