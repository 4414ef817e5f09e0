"""Jails that come with Privet can be tried before they are configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from privet.config.builtin import builtins
from privet.config.loader import parse
from privet.config.model import MannersConfig
from privet.tasks.borrowed import SOURCE, are_builtin, bare, with_builtins
from privet.tasks.replay import replay
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_795_345_200.0


def test_one_that_comes_with_privet_bans_as_if_it_stood_in_the_configuration(tmp_path: Path) -> None:
    log = tmp_path / "log"
    paths = ("/pma/", "/phpmyadmin/", "/adminer.php")
    log.write_text("".join(f"{line('192.0.2.1', path, 404, BEGIN + n)}\n" for n, path in enumerate(paths)))
    written = parse('[source.log]\npath = "/x"\n[jail.web-admin]\nbuiltin = "web-admin"\nsource = "log"\n', "p.toml")

    config = with_builtins(bare(), ["web-admin"], SOURCE)

    verdicts = replay(config, [str(log)], SOURCE, jails=["web-admin"]).verdicts
    assert verdicts == replay(written, [str(log)], "log", jails=["web-admin"]).verdicts
    assert [verdict.jail for verdict in verdicts] == ["web-admin"]


def test_a_jail_of_the_configuration_keeps_its_settings() -> None:
    own = parse(
        '[source.log]\npath = "/x"\n[jail.web-admin]\nbuiltin = "web-admin"\nsource = "log"\nmaxretry = 77\n', "p.toml"
    )

    assert with_builtins(own, ["web-admin"], "log") is own


@pytest.mark.parametrize("name", builtins())
def test_each_of_them_can_be_borrowed(name: str) -> None:
    files = MannersConfig(robots={"*": "/robots.txt"}, crawlers={"googlebot": "/googlebot.json"})
    config = msgspec.structs.replace(bare(), manners=files)
    jail = with_builtins(config, [name], SOURCE).jails[name]

    assert jail.sources == ((SOURCE,) if builtins()[name].has_source else ())


def test_one_that_needs_a_file_says_so() -> None:
    with pytest.raises(LookupError, match=r"jail manners-robots needs a file to know more: 'robots' in \[manners\]"):
        with_builtins(bare(), ["manners-robots"], SOURCE)


def test_only_those_that_come_with_privet_need_no_configuration() -> None:
    assert are_builtin(["web-admin", "ssh-slow"])
    assert not are_builtin(["web-admin", "mine"])
    assert not are_builtin([])
