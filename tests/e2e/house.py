"""A server whose administrator has fail2ban's configuration: Debian's own, with four jails switched on.

sshd is a stand-in that logs as sshd does; the web server is Debian's nginx; `door` is a program of the
administrator's, with a jail of one line.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.conftest import FAIL2BAN
from tests.e2e.lab import Lab
from tests.e2e.net import SERVER4, run, until

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.net import Net, Visitor

LOCAL = """\
[DEFAULT]
bantime = 1h

[sshd]
backend = auto
logpath = {log}/auth.log

[apache-badbots]
enabled = true
logpath = {log}/access.log

[nginx-http-auth]
enabled  = true
maxretry = 3
logpath  = {log}/error.log

[door]
enabled   = true
port      = 7000
maxretry  = 2
logpath   = {log}/door.log
filter    =
failregex = ^ door: <HOST> knocked$
"""
"""`jail.local`; Debian's `jail.d/defaults-debian.conf` has switched sshd on."""

NGINX = """\
user www-data;
daemon off;
pid {root}/tmp/nginx.pid;
error_log {root}/log/error.log;
events {{
}}
http {{
    access_log {root}/log/access.log;
    client_body_temp_path {root}/tmp/body;
    proxy_temp_path {root}/tmp/proxy;
    fastcgi_temp_path {root}/tmp/fastcgi;
    uwsgi_temp_path {root}/tmp/uwsgi;
    scgi_temp_path {root}/tmp/scgi;
    server {{
        listen 80;
        listen [::]:80;
        server_name www.example.org;
        root {root}/www;
        location /private {{
            auth_basic "private";
            auth_basic_user_file {root}/etc/htpasswd;
        }}
    }}
}}
"""
DOORS = Path(__file__).with_name("doors.py")
BAD_BOT = {"User-Agent": "atSpider/1.0"}
STRANGER = {"Authorization": "Basic c3RyYW5nZXI6c3RyYW5nZXI="}


class Closed(NamedTuple):
    """What the kernel closes to whom: everything if there is no port."""

    subject: str
    protocol: str = ""
    port: int = 0


class House(Lab):
    """The server, with everything that it runs."""

    def __init__(self, net: Net) -> None:
        super().__init__(net, {})
        self.fail2ban = self.root / "etc" / "fail2ban"
        shutil.copytree(FAIL2BAN / "etc/fail2ban", self.fail2ban)
        log = self.root / "log"
        (self.fail2ban / "jail.local").write_text(LOCAL.format(log=log))
        for name in ("auth", "access", "error", "door"):
            (log / f"{name}.log").touch()
        (self.root / "etc" / "htpasswd").write_text("somebody:x\n")
        (self.root / "etc" / "nginx.conf").write_text(NGINX.format(root=self.root))
        self.configure(f'[fail2ban]\nconfig = "{self.fail2ban}"\n')

    def start(self) -> None:
        """Start the servers and wait until they serve."""
        for port, kind, log in ((22, "sshd", "auth.log"), (7000, "door", "door.log")):
            self._serve(str(port), kind, str(self.root / "log" / log))
        config, prefix = str(self.root / "etc" / "nginx.conf"), str(self.root / "tmp")
        self.spawn("nginx", "-p", prefix, "-c", config, log="nginx.log")
        for port in (22, 7000, 80):
            until(partial(self.net.server, answers, SERVER4, port, 1.0), f"port {port} is open")
        for name in ("auth", "door"):  # a connection is there before it is logged
            until(lambda name=name: (self.root / "log" / f"{name}.log").stat().st_size, f"{name} is logged")  # type: ignore[misc]
        for name in ("auth", "access", "error", "door"):
            (self.root / "log" / f"{name}.log").write_text("")

    def _serve(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.spawn(sys.executable, str(DOORS), *arguments, log="doors.log")

    def elements(self) -> set[Closed]:
        """Return what the kernel closes."""
        listing = json.loads(self.net.server(run, "nft", "-j", "list", "ruleset"))["nftables"]
        sets = [item["set"] for item in listing if "set" in item and item["set"]["name"].startswith(("v4_", "v6_"))]
        return {_closed(element["elem"]["val"]) for one in sets for element in one.get("elem", [])}


def _closed(value: object) -> Closed:
    if isinstance(value, dict) and "concat" in value:
        subject, protocol, port = value["concat"]
        return Closed(_subject(subject), str(protocol), int(port))
    return Closed(_subject(value))


def _subject(value: object) -> str:
    return f"{value['prefix']['addr']}/{value['prefix']['len']}" if isinstance(value, dict) else str(value)


def answers(server: str, port: int, patience: float) -> bool:
    """Tell whether somebody answers at a port, from the namespace of the calling thread."""
    try:
        with socket.create_connection((server, port), timeout=patience):
            return True
    except OSError:
        return False


def knock(visitor: Visitor, server: str, port: int, times: int = 1, patience: float = 5.0) -> list[bool]:
    """Try a port again and again; tell each time whether somebody answered."""
    return visitor.space(lambda: [answers(server, port, patience) for _ in range(times)])
