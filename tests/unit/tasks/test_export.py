"""Where exports may not go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.model import Config, SourceConfig
from privet.tasks import export
from privet.tasks.export import refusal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_not_where_servers_and_sources_have_their_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs, web, pipe, free = (tmp_path / name for name in ("log", "web", "pipe", "free"))
    for folder in (logs, web, pipe, free):
        (folder / "deep").mkdir(parents=True)
    monkeypatch.setattr(export, "LOGS", logs)
    config = Config(
        sources={
            "web": SourceConfig(name="web", paths=(f"{web}/*/access.log",)),
            "pipe": SourceConfig(name="pipe", pipe=True, log=f"{pipe}/access.log"),
        }
    )
    (free / "link").symlink_to(logs)
    for place in (logs, logs / "deep", web, web / "deep", pipe, pipe / "access.log", free / "link" / "deep"):
        assert "programs that act on logs" in (refusal(place, config) or "")
    assert refusal(free, config) is None
    assert refusal(web, None) is None
