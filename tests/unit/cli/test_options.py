"""Options that verbs share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from privet.cli.main import Failure
from privet.cli.options import load_config, runtime_dir
from privet.config.model import Config, DaemonConfig


def test_the_directory_is_the_one_given_or_configured() -> None:
    configured = Config(daemon=DaemonConfig(runtime="/srv/privet"))

    assert runtime_dir("/given", configured) == Path("/given")
    assert runtime_dir(None, configured) == Path("/srv/privet")


def test_for_root_it_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert runtime_dir(None) == runtime_dir("", Config()) == Path("/run/privet")


def test_for_others_it_is_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert runtime_dir(None) == Path("/run/user/1000/privet")

    for nothing in ("", None):
        monkeypatch.delenv("XDG_RUNTIME_DIR") if nothing is None else monkeypatch.setenv("XDG_RUNTIME_DIR", nothing)
        assert runtime_dir(None) == Path("/tmp/privet-1000")  # noqa: S108  what is to be shown


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "privet.toml"
    path.write_text("[source.web]\npth = 'x'\n[jail.leech]\nsorce = 'web'\n")

    with pytest.raises(Failure) as caught:
        load_config(str(path))

    assert caught.value.code == 78
    assert f"{path}:2: source.web.pth: unknown setting, did you mean 'path'?" in caught.value.message
    assert f"{path}:4: jail.leech.sorce: unknown setting, did you mean 'source'?" in caught.value.message
