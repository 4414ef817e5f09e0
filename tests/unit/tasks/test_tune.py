"""Tuning: many limits of one jail in one pass, each as if it were alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from privet.config.loader import parse
from privet.core.swarms.looks import Looks
from privet.tasks.replay import replay
from privet.tasks.tune import MOST, grid, tune
from tests.unit.core.traffic import HOUR, START, background, entry, moments

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.tasks.tune import Tuned

JAIL = """
[source.web]
path = "/x"
[jail.leech]
source = "web"
findtime = "1m"
maxretry = 20
bantime = "10m"
"""
LEECHES = ("192.0.2.1", "192.0.2.2", "2001:db8:1::1")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a log of an hour of visitors, with three leeches of different pace."""
    draw = random.Random(6)
    entries = background(draw, START, 1 / 24)
    for pace, client in zip((20, 40, 200), LEECHES, strict=True):
        entries += [entry(time, client, f"/blog/{time:.0f}") for time in moments(draw, pace, START, START + HOUR)]
    path = tmp_path_factory.mktemp("tune") / "log"
    path.write_bytes(b"".join(text for _, text in sorted(entries)))
    return str(path)


def configured(text: str = JAIL) -> Config:
    return parse(text, "test.toml")


def tuned(log: str, config: Config, maxretries: list[int], findtimes: list[float], jail: str = "leech") -> Tuned:
    return tune(config, config.jails[jail], [log], "web", (maxretries, findtimes), looks=Looks(10_000))


EXTRAS = {
    "window": "",
    "rate": 'counting = "rate"\n',
    "longer": "increment = true\n",
    "longer by all": "increment = true\noveralljails = true\n",
    "networks": 'key = "prefix"\n',
    "different": 'distinct = "path"\n',
}


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_each_limit_does_what_it_does_alone(log: str, extra: str) -> None:
    config = configured(JAIL + extra) if "counting" not in extra else configured()
    if "counting" in extra:
        rated = msgspec.structs.replace(config.jails["leech"], counting="rate")
        config = msgspec.structs.replace(config, jails={"leech": rated})

    outcome = tuned(log, config, [10, 30], [10.0, 300.0])

    assert [(cell.maxretry, cell.findtime) for cell in outcome.cells if cell.present] == [(20, 60)]
    assert len(outcome.cells) == 5
    assert any(cell.bans for cell in outcome.cells)
    for cell in outcome.cells:
        alone = msgspec.structs.replace(config.jails["leech"], maxretry=cell.maxretry, findtime=cell.findtime)
        looks = Looks(10_000)
        only = msgspec.structs.replace(config, jails={"leech": alone})
        effects = replay(only, [log], "web", jails=["leech"], looks=looks).effects
        assert effects is not None
        (one,) = effects.jails
        assert (cell.bans, cell.clients, cell.requests, cell.bytes) == (
            one.bans,
            one.clients,
            one.requests,
            one.bytes,
        )
        assert cell.yes + cell.maybe + cell.no == cell.clients


def test_a_jail_on_bans_is_tuned_too(log: str) -> None:
    text = JAIL + '[jail.again]\nbans_of = "leech"\nmaxretry = 2\nfindtime = "1h"\nbantime = "1d"\n'

    outcome = tuned(log, configured(text), [1, 3], [3600.0], jail="again")

    assert [cell.bans > 0 for cell in outcome.cells] == [True, True, True]
    assert [cell.clients for cell in outcome.cells] == sorted((c.clients for c in outcome.cells), reverse=True)


def test_the_best_limit_saves_the_most_and_hits_nobody_innocent(log: str) -> None:
    outcome = tuned(log, configured(), [3, 10, 20, 100, 5000], [10.0, 60.0])

    assert outcome.best is not None
    assert (outcome.best.yes, outcome.best.clients) == (0, 3)
    assert any(cell.yes and cell.requests >= outcome.best.requests for cell in outcome.cells)
    assert all(cell.requests <= outcome.best.requests for cell in outcome.cells if not cell.yes)


def test_where_every_limit_hits_somebody_the_gentlest_is_known(log: str) -> None:
    outcome = tuned(log, configured(JAIL.replace("20", "2")), [1], [3600.0])

    assert outcome.best is None
    assert outcome.gentlest.yes == min(cell.yes for cell in outcome.cells) > 0


def test_a_grid_lies_around_what_the_jail_has() -> None:
    jail = configured().jails["leech"]

    assert grid(jail) == ([5, 10, 20, 40, 80], [10.0, 30.0, 60.0, 120.0, 300.0])
    odd = msgspec.structs.replace(jail, maxretry=1, findtime=45.0)
    assert grid(odd) == ([1, 2, 4], [10.0, 30.0, 45.0, 60.0, 120.0])


def test_what_has_no_limits_is_said(log: str) -> None:
    swarm = configured('[source.web]\npath = "/x"\n[jail.leech]\nsource = "web"\nkind = "swarm"\n')
    with pytest.raises(LookupError, match="looks for swarms"):
        tuned(log, swarm, [1], [1.0])
    with pytest.raises(LookupError, match=f"more than {MOST}"):
        tuned(log, configured(), list(range(1, 102)), [1.0, 2.0])
