"""What configurations, processes and the machine say about addresses at rest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from privet.core.masking.leaks import Finder
from privet.tasks.structure import Structure, structure

NGINX_DEBIAN = """\
user www-data;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;
events { worker_connections 768; }
http {
    log_format  noaddress  '$time_local "$request" # "quoted; {x}"';
    access_log /var/log/nginx/access.log;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
"""
PRIVET = """\
error_log /dev/null emerg;
error_log syslog:server=unix:/run/privet/web-error.sock,nohostname,tag=err error;
events {}
http {
    access_log syslog:server=unix:/run/privet/web.sock,nohostname,tag=web combined;
    server { listen 80; location /x { access_log off; } }
}
"""


def plant(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def look(root: Path) -> Structure:
    (root / "proc").mkdir(exist_ok=True)
    return structure(Finder(), root)


def leaks(root: Path) -> list[str]:
    return [f"{remark.place} {remark.says}" for remark in look(root).remarks if remark.level == "leak"]


def nginx(root: Path, text: str) -> list[str]:
    plant(root, etc__nginx__nginx_dot_conf=text)
    return leaks(root)


def test_debians_default_nginx_writes_addresses(tmp_path: Path) -> None:
    plant(tmp_path, etc__nginx__sites__x="")
    found = nginx(tmp_path, NGINX_DEBIAN)

    assert [text.split()[0] for text in found] == ["/etc/nginx/nginx.conf:2", "/etc/nginx/nginx.conf:7"]
    assert Path("/var/log/nginx/error.log") in look(tmp_path).written


def test_the_trap_of_nginx_is_seen_in_debians_default_with_the_logs_sent_to_privet(tmp_path: Path) -> None:
    to_privet = NGINX_DEBIAN.replace("/var/log/nginx/access.log", "syslog:server=unix:/run/privet/web.sock")
    trapped = to_privet.replace("/var/log/nginx/error.log", "syslog:server=unix:/run/privet/err.sock error")

    (trap,) = nginx(tmp_path, trapped)
    assert trap.startswith("/etc/nginx/nginx.conf:2 nginx: no file is named as error log at the main level")
    assert nginx(tmp_path, trapped.replace("error_log", "error_log /dev/null emerg;\nerror_log", 1)) == []
    (trap,) = nginx(tmp_path, to_privet.replace("error_log /var/log/nginx/error.log;", ""))
    assert "no file is named" in trap


def test_an_error_log_in_a_server_does_not_mend_the_trap(tmp_path: Path) -> None:
    text = PRIVET.replace("error_log /dev/null emerg;\n", "").replace("listen 80;", "error_log /dev/null;")

    assert len(nginx(tmp_path, text)) == 1


def test_what_the_documentation_says_is_no_finding(tmp_path: Path) -> None:
    assert nginx(tmp_path, PRIVET) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    access_log syslog", "    #access_log syslog", "no access log is named"),
        ("/run/privet/web.sock", "/dev/log", "syslog"),
        ("access_log off", "access_log logs/$host.log", "a file"),
        ("access_log off", "error_log stderr", "standard error"),
        ("access_log off", "error_log off", "/etc/nginx/off"),
        ("listen 80;", "access_log /srv/a.log combined buffer=4k;", "/srv/a.log"),
        ("listen 80;", 'access_log "/srv/a b.log";', "/srv/a b.log"),
    ],
)
def test_every_log_of_nginx_is_seen(tmp_path: Path, old: str, new: str, said: str) -> None:
    (found,) = nginx(tmp_path, PRIVET.replace(old, new))

    assert said in found


def test_includes_of_nginx_are_followed_with_their_places(tmp_path: Path) -> None:
    plant(tmp_path, etc__nginx__conf_dot_d__one_dot_conf="server {\n  # access_log x;\n  access_log /srv/one.log;\n}\n")
    found = nginx(tmp_path, PRIVET.replace("server {", "include conf.d/*.conf;\n server {"))

    assert [text.split()[0] for text in found] == ["/etc/nginx/conf.d/one.conf:3"]


def test_a_format_without_addresses_is_no_leak(tmp_path: Path) -> None:
    text = PRIVET.replace("listen 80;", "access_log /srv/a.log short;").replace(
        "http {", "http { log_format short '$status $uri';"
    )
    assert nginx(tmp_path, text) == []
    assert len(nginx(tmp_path, text.replace("$uri", "$http_x_forwarded_for"))) == 1


APACHE = """\
ErrorLog ${APACHE_LOG_DIR}/error.log
LogFormat "%h %l \\"%r\\"" combined
LogFormat "%{Referer}i -> %U" referer
IncludeOptional sites-enabled/*.conf
"""
SITE = """\
<VirtualHost *:80>
    ErrorLog "||/usr/bin/privet pipe --lines web"
    CustomLog "||/usr/bin/privet pipe web" \\
        combined
    CustomLog /var/log/referers.log referer
    # CustomLog /nowhere combined
</VirtualHost>
"""


def apache(root: Path, main: str, site: str = SITE) -> list[str]:
    plant(
        root,
        etc__apache2__apache2_dot_conf=main,
        etc__apache2__envvars="export SUFFIX\nexport APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n",
        **{"etc__apache2__sites-enabled__a_dot_conf": site},
    )
    return leaks(root)


def test_logs_of_apache_are_seen_in_virtual_hosts(tmp_path: Path) -> None:
    (found,) = apache(tmp_path, APACHE)
    assert "/etc/apache2/apache2.conf:1 apache: ErrorLog writes to /var/log/apache2/error.log" in found

    main = APACHE.replace("${APACHE_LOG_DIR}/error.log", '"||/usr/bin/privet pipe --lines web"')
    assert apache(tmp_path, main) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("CustomLog logs/x.log combined", "/etc/apache2/logs/x.log"),
        ("CustomLog logs/x.log nickname", "/etc/apache2/logs/x.log"),
        ('CustomLog logs/x.log "%{X-Forwarded-For}i %r"', "/etc/apache2/logs/x.log"),
        ('CustomLog "|/usr/bin/rotatelogs /x 86400" combined', "a program that is not privet pipe"),
        ("TransferLog logs/t.log", "TransferLog"),
        ("GlobalLog logs/g.log combined", "GlobalLog"),
        ("ForensicLog logs/f.log", "ForensicLog"),
        ("SecAuditLog /srv/modsec.log", "SecAuditLog"),
        ("ErrorLog syslog:local1", "syslog"),
        ("HostnameLookups On", "name servers"),
        ("php_admin_value error_log /srv/php.log", "/srv/php.log"),
    ],
)
def test_every_log_of_apache_is_seen(tmp_path: Path, line: str, said: str) -> None:
    main = APACHE.replace("${APACHE_LOG_DIR}/error.log", '"||/usr/bin/privet pipe --lines web"')
    (found,) = apache(tmp_path, main, SITE.replace("# CustomLog /nowhere combined", line))

    assert found.startswith("/etc/apache2/sites-enabled/a.conf:6")
    assert said in found


def test_without_a_main_error_log_apache_writes_its_own(tmp_path: Path) -> None:
    (found,) = apache(tmp_path, APACHE.partition("\n")[2])
    assert "ErrorLog (default)" in found


CADDY = """\
{
    log {
        output file /run/privet/caddy.fifo
    }
}
example.org {
    log {
        output file /run/privet/caddy.fifo {
            roll_disabled
        }
    }
    root * /srv
}
"""


def caddy(root: Path, text: str) -> list[str]:
    (root / "run/privet").mkdir(parents=True, exist_ok=True)
    if not (root / "run/privet/caddy.fifo").exists():
        os.mkfifo(root / "run/privet/caddy.fifo")
    plant(root, etc__caddy__Caddyfile=text)
    return leaks(root)


def test_logs_of_caddy_are_seen(tmp_path: Path) -> None:
    assert caddy(tmp_path, CADDY) == []
    (found,) = caddy(tmp_path, CADDY.partition("example.org")[2].join(["example.org", ""]))
    assert "errors go to standard error" in found
    (found,) = caddy(tmp_path, CADDY + "two.org {\n\tlog {\n\t\toutput file /srv/two.log\n\t}\n}\n")
    assert found.startswith("/etc/caddy/Caddyfile:15")
    (found,) = caddy(tmp_path, CADDY + "two.org {\n\tlog\n}\n")
    assert "standard error or the journal" in found


def test_a_socket_is_a_trap_with_caddy(tmp_path: Path) -> None:
    (found,) = caddy(tmp_path, CADDY.replace("file /run/privet/caddy.fifo {", "net unixgram//run/privet/caddy.sock {"))
    assert found.startswith("/etc/caddy/Caddyfile:7 caddy: what is sent to a socket is written to standard error")
    (found,) = caddy(tmp_path, CADDY + "two.org {\n\tlog {\n\t\toutput net localhost:514\n\t}\n}\n")
    assert "a program that is not privet pipe" in found


def test_processes_that_write_are_named(tmp_path: Path) -> None:
    process = tmp_path / "proc" / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fdinfo").mkdir()
    log = tmp_path / "some.log"
    log.touch()
    (process / "comm").write_text("nginx\n")
    for number, flags in ((3, "02100001"), (4, "02100000")):
        (process / "fd" / str(number)).symlink_to(log)
        (process / "fdinfo" / str(number)).write_text(f"pos:\t0\nflags:\t{flags}\n")
    result = look(tmp_path)

    assert [(remark.level, remark.says) for remark in result.remarks] == [("look", "open for writing by nginx")]
    assert result.written == [log]


def test_an_address_in_the_environment_of_privet_is_told_and_not_shown(tmp_path: Path) -> None:
    process = tmp_path / "proc" / "4194999"
    process.mkdir(parents=True)
    (process / "comm").write_text("python3\n")
    (process / "cmdline").write_bytes(b"/opt/privet/bin/python3\0/usr/local/bin/privet\0run\0")
    (process / "environ").write_bytes(b"HOME=/root\0SSH_CONNECTION=203.0.113.7 4711 192.0.2.1 22\0")

    (remark,) = look(tmp_path).remarks

    assert remark.says.endswith("for root to see: SSH_CONNECTION")
    assert "203" not in repr(remark)


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    plant(
        tmp_path,
        proc__swaps="Filename Type Size Used Priority\n/dev/zram0 partition 1 0 100\n/swapfile file 1 0 -2\n",
        sys__power__resume="259:3\n",
        proc__sys__kernel__core_pattern="|/usr/lib/systemd/systemd-coredump %P\n",
        var__log__wtmp="x",
        var__log__btmp="",
        etc__systemd__journald_dot_conf="[Journal]\n#Storage=volatile\nStorage=persistent\n",
    )
    places = [remark.place for remark in look(tmp_path).remarks]

    assert places == [
        "/swapfile",
        "/sys/power/resume",
        "/proc/sys/kernel/core_pattern",
        "/var/log/wtmp",
        "/var/log/journal",
    ]


def test_encrypted_swap_and_a_volatile_journal_are_no_findings(tmp_path: Path) -> None:
    plant(
        tmp_path,
        proc__swaps="Filename Type Size Used Priority\n/dev/dm-0 partition 1 0 -2\n",
        **{"sys__class__block__dm-0__dm__uuid": "CRYPT-PLAIN-swap\n"},
        etc__systemd__journald_dot_conf_dot_d__p_dot_conf="[Journal]\nStorage=volatile\n",
    )
    (tmp_path / "var/log/journal").mkdir(parents=True)

    assert look(tmp_path).remarks == []


@pytest.mark.needs("nginx", "apache2")
def test_debians_own_configurations_are_understood(tmp_path: Path) -> None:
    for name in ("nginx", "apache2"):
        shutil.copytree(f"/etc/{name}", tmp_path / "etc" / name, symlinks=True)
    result = look(tmp_path)

    assert [remark for remark in result.remarks if remark.level == "unknown"] == []
    assert {path.parent.name for path in result.written} == {"nginx", "apache2"}
