"""Which of several values of an option counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.fail2ban.definitions import Definition, misspelt
from privet.config.fail2ban.files import Files
from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from tests.unit.config.fail2ban.conftest import Write

X = """\
[Definition]
a = definition <word> %(word)s
b = definition
word = definition
extra = more
[Init]
word = init
b = init
"""


def loaded(write: Write, jail: dict[str, str], passed: dict[str, str], *, everything: bool = False) -> dict[str, str]:
    merged = Files(write({"x.conf": X})).merged("x")
    assert merged
    here = Place("jail.conf", 1)
    definition = Definition(merged, {name: Text.of(value, here) for name, value in passed.items()})
    definition.load({name: Text.of(value, here) for name, value in jail.items()}, ("a", "b"), everything=everything)
    return {name: text.text for name, text in definition.combined().items()}


def test_init_goes_before_the_definition(write: Write) -> None:
    found = loaded(write, {}, {})

    assert (found["a"], found["b"], found["known/b"]) == ("definition init definition", "init", "init")
    assert "extra" not in found


def test_brackets_go_before_init(write: Write) -> None:
    found = loaded(write, {}, {"word": "passed"})

    assert (found["a"], found["known/word"]) == ("definition passed passed", "init")


def test_what_the_jail_sets_is_not_read(write: Write) -> None:
    assert "a" not in loaded(write, {"a": "jail"}, {})


def test_everything(write: Write) -> None:
    found = loaded(write, {}, {}, everything=True)

    assert (found["extra"], found["word"]) == ("more", "init")


def test_options_that_look_like_another(write: Write) -> None:
    merged = Files(
        write({"x.conf": "[Definition]\nfailregx = a\nfail-regex = b\nignoreregex = %(fail-regex)s\nother = c\n"})
    ).merged("x")
    assert merged

    assert [(text.place.line, message) for text, message in misspelt(merged, ("failregex", "ignoreregex"))] == [
        (2, "failregx: nothing reads this option; did you mean 'failregex'?")
    ]
