"""The documentation keeps up with the code: every setting has a paragraph, and what it says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
import pytest

from privet.cli.main import VERBS, privet
from privet.config.actions import COMMANDS
from privet.config.loader import SETTINGS, parse
from privet.config.model import (
    ActionConfig,
    Config,
    DaemonConfig,
    EngineConfig,
    EscrowConfig,
    Fail2banConfig,
    FeedConfig,
    FirewallConfig,
    MannersConfig,
    NetworksConfig,
    NotifyConfig,
    ProxiesConfig,
    SourceConfig,
    StoreConfig,
)
from privet.core.bans.escalate import Escalation
from privet.core.filters.model import FilterSpec
from privet.core.jails import FIELDS, Jail
from privet.core.parsing.formats import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = ("fail2ban-client", "regex")  # whose options are those of fail2ban
MODELS: dict[str, type[msgspec.Struct]] = {
    "daemon": DaemonConfig,
    "firewall": FirewallConfig,
    "store": StoreConfig,
    "engine": EngineConfig,
    "source": SourceConfig,
    "jail": Jail,
    "escalation": Escalation,
    "networks": NetworksConfig,
    "proxies": ProxiesConfig,
    "feed": FeedConfig,
    "filter": FilterSpec,
    "action": ActionConfig,
    "fail2ban": Fail2banConfig,
    "escrow": EscrowConfig,
    "notify": NotifyConfig,
    "manners": MannersConfig,
}
WRITTEN_AS = {
    "name": (),
    "paths": ("path",),
    "sources": ("source",),
    "predicates": FIELDS,
    "escalation": Escalation.__struct_fields__,
    "scope": ("ports", "protocol"),
    "commands": COMMANDS,
    "ignorelists": ("ignoreip",),
    "answer": ("action",),
    "by_load": ("maxretry",),
    "trustedlists": ("trusted",),
}
GROWTH = "Longer bans for those who come back: `[escalation]`"
HEADINGS = {
    "daemon": ("The daemon: `[daemon]`",),
    "firewall": ("The firewall: `[firewall]`",),
    "store": ("The store: `[store]`",),
    "engine": ("The engine: `[engine]`",),
    "source": ("Sources: `[source.NAME]`",),
    "jail": ("Jails: `[jail.NAME]`", "Conditions of a jail", GROWTH, "Jails on bans", "Jails on networks"),
    "escalation": (GROWTH,),
    "networks": ("Networks: `[networks]`",),
    "proxies": ("Proxies: `[proxies]`",),
    "feed": ("Lists of others: `[feed.NAME]`",),
    "filter": ("Filters: `[filter.NAME]`",),
    "action": ("Programs that are told: `[action.NAME]`",),
    "fail2ban": ("Jails of fail2ban: `[fail2ban]`",),
    "notify": ("Being told: `[notify]`",),
    "escrow": ("For those who must answer: `[escrow]`",),
    "builtin": ("Jails that come with Privet: `[builtin.GROUP]`",),
    "manners": ("Manners: `[manners]`",),
}
ALL_SETTINGS = [(table, setting) for table, settings in SETTINGS.items() for setting in settings]
SHORTEST_PARAGRAPH = 60


def paragraphs(table: str) -> dict[str, str]:
    """Return what stands below each setting's heading in the sections of a table."""
    sections = {part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)}
    text = "".join(sections[heading] for heading in HEADINGS[table])
    return dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", text, flags=re.MULTILINE | re.DOTALL))


def defaults() -> list[tuple[str, str, object]]:
    """Return table, setting and default of the model's fields that have one which can be written."""
    found = []
    for table, model in MODELS.items():
        for field in msgspec.structs.fields(model):
            names = WRITTEN_AS.get(field.name, (field.name,))
            if field.default not in (msgspec.NODEFAULT, None, "") and names == (field.name,):
                found.append((table, field.name, field.default))
    return found


@pytest.mark.parametrize("table", MODELS)
def test_every_field_of_the_model_is_a_setting(table: str) -> None:
    written = [WRITTEN_AS.get(name, (name,)) for name in MODELS[table].__struct_fields__]

    assert {name for names in written for name in names} == set(SETTINGS[table]) - {"builtin", "test"}


def test_every_table_of_the_model_is_known() -> None:
    singular = {"sources": "source", "jails": "jail", "feeds": "feed", "actions": "action"}
    tables = {singular.get(name, name) for name in Config.__struct_fields__} - {"path", "findings", "places", "tests"}

    assert tables | {"filter", "builtin"} == set(SETTINGS)  # filters are kept in the jails that have them


@pytest.mark.parametrize(("table", "setting"), ALL_SETTINGS)
def test_every_setting_has_a_paragraph(table: str, setting: str) -> None:
    assert len(paragraphs(table).get(setting, "")) >= SHORTEST_PARAGRAPH


@pytest.mark.parametrize("table", MODELS)
def test_no_paragraph_is_about_a_setting_that_is_gone(table: str) -> None:
    assert set(paragraphs(table)) <= set(SETTINGS[table])


@pytest.mark.parametrize(("table", "setting", "default"), defaults())
def test_the_default_in_the_paragraph_is_the_default(table: str, setting: str, default: object) -> None:
    stated = re.search(r"Default: `(.+?)`", paragraphs(table)[setting])

    assert stated, "no default is stated"
    assert SETTINGS[table][setting](tomllib.loads(f"x = {stated[1]}")["x"]) == default


def test_every_named_format_is_mentioned() -> None:
    paragraph = paragraphs("source")["format"]

    assert [name for name in NAMES if f"`{name}`" not in paragraph] == []


@pytest.mark.parametrize("block", re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))
def test_every_example_can_be_loaded(block: str) -> None:
    assert parse(block, "configuration.md").sources


@pytest.mark.parametrize("written", re.findall(r"^\| `(\w+ = .*?)` \|", PAGE, flags=re.MULTILINE))
def test_every_condition_in_the_table_can_be_loaded(written: str) -> None:
    parsed = parse(f"[source.web]\npipe = true\n[jail.one]\nsource = 'web'\n{written}\n", "configuration.md")

    assert parsed.jails["one"].predicates


def options(verb: str) -> set[str]:
    """Return the options of a verb and of what it consists of."""
    command = privet.get_command(click.Context(privet), verb)
    assert command
    parts = command.commands.values() if isinstance(command, click.Group) else ()
    return {"--help"} | {name for one in (command, *parts) for param in one.params for name in param.opts}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield all verbs, and all parts of those that are groups, with their names."""
    for verb in VERBS:
        command = privet.get_command(click.Context(privet), verb)
        assert command
        parts = command.commands.items() if isinstance(command, click.Group) else ()
        yield from [(f"{verb} {name}", part) for name, part in parts] or [(verb, command)]


@pytest.mark.parametrize(
    "text",
    [*(page.read_text() for page in PAGES), *(command.epilog or "" for _, command in commands())],
    ids=[*(page.name for page in PAGES), *(name for name, _ in commands())],
)
def test_commands_are_there_with_their_options(text: str) -> None:
    for verb, rest in re.findall(r"(?:^|[`|/] ?| {2})privet ([a-z][a-z0-9-]*)([^`\n|#(]*)", text, re.MULTILINE):
        if verb in VERBS and verb not in ELSEWHERE:
            assert set(re.findall(r"(?<= )--[a-z][a-z0-9-]*", rest)) <= options(verb), f"privet {verb}{rest}"


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_verb_is_in_the_table_of_commands(name: str) -> None:
    rows = [line for line in (ROOT / "docs" / "commands.md").read_text().splitlines() if line.startswith("| `privet ")]
    assert [row for row in rows if re.search(rf"`privet {name}[ `]", row)]


def test_the_readme_names_every_page() -> None:
    named = set(re.findall(r"\]\(docs/([\w-]+\.md)\)", (ROOT / "README.md").read_text()))

    assert named == {page.name for page in PAGES[1:]} - {"index.md", "changelog.md"}
