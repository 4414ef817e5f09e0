"""What is printed for a mistake."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigError, ConfigErrors, dotted


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError(file="p.toml", line=0, message="cannot be read"), "p.toml: cannot be read"),
        (ConfigError(file="p.toml", line=3, column=7, message="no value"), "p.toml:3:7: no value"),
        (ConfigError(file="p.toml", line=3, key="jail.a", message="needs x"), "p.toml:3: jail.a: needs x"),
        (
            ConfigError(file="p.toml", line=3, key="a", message="unknown setting", hint="did you mean 'b'?"),
            "p.toml:3: a: unknown setting, did you mean 'b'?",
        ),
    ],
)
def test_an_error_is_one_line(error: ConfigError, text: str) -> None:
    assert str(error) == text


def test_errors_are_sorted_by_line_and_printed_one_per_line() -> None:
    errors = ConfigErrors(ConfigError(file="p", line=line, message=str(line)) for line in (20, 3, 100))

    assert [error.line for error in errors.errors] == [3, 20, 100]
    assert str(errors).splitlines() == ["p:3: 3", "p:20: 20", "p:100: 100"]


def test_a_key_that_toml_would_quote_is_quoted() -> None:
    assert dotted(("jail", "a.b", "findtime")) == "jail.'a.b'.findtime"


def test_a_key_cannot_break_the_line() -> None:
    assert "\n" not in dotted(("a\nb",))
