"""Jails for swarms, as they are written, and what check says of them."""

from __future__ import annotations

import pytest

from privet.config.compile import engine_for, places_for
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.jails import Jail
from privet.core.swarms.swarm import LOOK_BACK
from privet.core.verdicts import Action

WEB = "[source.web]\npipe = true\n[jail.one]\nsource = 'web'\n"


def test_two_lines_are_enough() -> None:
    assert parse(WEB + "kind = 'swarm'\n", "").jails["one"] == Jail(
        name="one", sources=("web",), kind="swarm", findtime=LOOK_BACK
    )


def test_what_happens_to_members_is_said_by_the_jail() -> None:
    jail = parse(WEB + "kind = 'swarm'\naction = 'ban'\nbantime = '1h'\nhost = 'blog.example'\n", "").jails["one"]

    assert (jail.answer, jail.bantime, len(jail.predicates)) == ("ban", 3600, 1)


def test_a_ban_by_hand_goes_where_those_of_the_jail_do() -> None:
    places = {
        action: places_for(parse(f"{WEB}kind = 'swarm'\naction = '{action}'\n", ""), "one")
        for action in ("ban", "deny", "slow")
    }

    assert places == {"ban": (Action.BAN,), "deny": (Action.DENY,), "slow": (Action.BAN,)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "kind = 'swarms'",
            "5: jail.one.kind: expected 'clients', 'swarm', 'manners' or 'form', got 'swarms', did you mean 'swarm'?",
        ),
        ("action = 'ban'", "5: jail.one.action: only a jail with 'kind = \"swarm\"' has this"),
        ("kind = 'swarm'\nmaxretry = 5", "6: jail.one.maxretry: a jail for swarms does not have this"),
        ("kind = 'swarm'\nfindtime = 5", "6: jail.one.findtime: a jail for swarms does not have this"),
        (
            "kind = 'swarm'\naction = 'challenge'",
            "6: jail.one.action: expected 'report', 'slow', 'deny' or 'ban', got 'challenge'",
        ),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(f"{WEB}{text}\n", "p.toml")
    assert str(caught.value).splitlines() == [f"p.toml:{said}"]


def test_a_jail_for_swarms_beside_one_for_clients_is_told_apart() -> None:
    engine = engine_for(parse(WEB + "kind = 'swarm'\n[jail.two]\nsource = 'web'\n", ""))

    assert set(engine.matches()) == {"one", "two"}
