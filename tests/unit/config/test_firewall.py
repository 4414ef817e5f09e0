"""Settings of the firewall that must agree with each other."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.config.model import FirewallConfig


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(f"[firewall]\n{text}", "p.toml")
    return [str(error).removeprefix("p.toml:") for error in caught.value.errors]


def test_programs_arrive_with_their_arguments_in_order() -> None:
    text = '[firewall]\nbackend = "command"\nban = ["/a b/close", "-x", "1", "-y", "1"]\nunban = "/open"\n'
    assert parse(text, "").firewall == FirewallConfig(
        backend="command", ban=("/a b/close", "-x", "1", "-y", "1"), unban=("/open",)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'backend = "command"\n',
            [
                "1: firewall: 'backend = \"command\"' needs the program 'ban'",
                "1: firewall: 'backend = \"command\"' needs the program 'unban'",
            ],
        ),
        (
            'backend = "command"\nban = []\nunban = "/open"\n',
            ["1: firewall: 'backend = \"command\"' needs the program 'ban'"],
        ),
        (
            'backend = "command"\nban = ["close"]\nunban = ["/open", 7, ""]\n',
            [
                "3: firewall.ban: expected the full path of a program, got 'close', it begins with '/'",
                "4: firewall.unban: expected a string, got 7",
            ],
        ),
        ('ban = "/close"\n', ["2: firewall.ban: has no effect without 'backend = \"command\"'"]),
        (
            'backend = "nftables"\nunban = "/open"\n',
            ["3: firewall.unban: has no effect without 'backend = \"command\"'"],
        ),
        (
            'backend = "nul"\n',
            ["2: firewall.backend: expected 'auto', 'nftables', 'command' or 'null', got 'nul', did you mean 'null'?"],
        ),
    ],
)
def test_mistakes(text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected
