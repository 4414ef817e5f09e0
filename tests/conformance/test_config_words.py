"""The small languages inside the configuration, on random input: our answers are fail2ban's."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.ini import RefusedError, parse
from privet.config.fail2ban.interpolate import Merged
from privet.config.fail2ban.text import Place, Text
from privet.config.fail2ban.words import named, seconds, several, words
from tests.conformance import oracle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.needs("fail2ban")

HERE = Place("x", 1)
MANY = 3000

ANSWER = """
import configparser, json, sys
from fail2ban.helpers import extractOptions, splitWithOptions, splitwords
from fail2ban.server.mytime import MyTime
from fail2ban.client.configparserinc import SafeConfigParserWithIncludes

def document(text):
    with open(sys.argv[2], "w", encoding="utf-8", newline="") as file:
        file.write(text)
    parser = SafeConfigParserWithIncludes()
    parser.read(sys.argv[2])
    found = {}
    for section in parser.sections():
        for option in sorted(parser.options(section)):
            try:
                found[section + "/" + option] = parser.get(section, option)
            except configparser.Error:
                found[section + "/" + option] = None
    return found

def split(text):
    return [word.strip() for word in splitWithOptions(text) if word.strip()]

FUNCTIONS = {"named": extractOptions, "several": split, "words": splitwords, "document": document,
             "seconds": lambda text: float(MyTime.str2seconds(text))}
answers = []
for text in json.load(open(sys.argv[1])):
    try:
        answers.append([FUNCTIONS[sys.argv[3]](text)])
    except Exception:
        answers.append(None)
print(json.dumps(answers))
"""


def theirs(function: str, inputs: list[str], folder: Path) -> list[object]:
    """Return a list with the answer to each input, None for one that is refused."""
    (folder / "inputs").write_text(json.dumps(inputs))
    done = oracle.run(ANSWER, str(folder / "inputs"), str(folder / "x.conf"), function)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert isinstance(answers, list)
    return answers


def answered(function: Callable[[str], object], text: str) -> object:
    """Return our answer in the same shape."""
    try:
        return [json.loads(json.dumps(function(text)))]
    except ValueError:
        return None


def our_named(text: str) -> object:
    name, options = named(Text.of(text, HERE))
    return name, {option: value.text for option, value in options.items()}


def our_several(text: str) -> list[str]:
    return [word.text.strip() for word in several(Text.of(text, HERE))]


def our_words(text: str) -> list[str]:
    return [word.text for word in words(Text.of(text, HERE))]


def our_document(text: str) -> dict[str, str | None]:
    document = parse(text.replace("\r\n", "\n").replace("\r", "\n"), "x.conf")
    merged = Merged(document.defaults, document.sections)
    found: dict[str, str | None] = {}
    for section, options in merged.sections.items():
        for option in {*options, *merged.defaults}:
            try:
                found[f"{section}/{option}"] = merged.get(section, option).text
            except RefusedError:
                found[f"{section}/{option}"] = None
    return found


PIECES: dict[str, str] = {
    "named": """act [ ] ][ ]␣[ a= b.c= d=" " ' x␣y , ,␣ ␣ ↵ = 1 é""",
    "words": "a 192.0.2.1 , ␣ ↵ → b",
    "seconds": "1 2 30 h d w mo min seconds year Hour ␣ ␣␣ - + * / // % .5 ( ) 0 q we m",
    "document": "[a] [b] [DEFAULT] x y z ␣=␣ = : ↵ ↵ ↵ ↵␣ ↵→ # ; ␣;␣c %(x)s %(y)s %(b/z)s %(default/x)s"
    " %(__name__)s %% % 1 ␣ Ä ⏎↵ %(Y)s",
}
"""What random input is made of; ␣, ↵, → and ⏎ are white space."""

WHITE = str.maketrans("␣↵→⏎", " \n\t\r")


def pieces(function: str, dice: random.Random) -> str:
    return "".join(dice.choices(PIECES[function].split(), k=dice.randint(1, 12))).translate(WHITE)


def actions(dice: random.Random) -> str:
    """Make actions, some with damaged brackets; only if there are no quotes, for then the two may lose track apart."""
    values = ("1", "", "x y", '"x] y"', "'z, '", '"[<a>]"', '"\'"', "x\n y", "<x>")

    def options() -> str:
        return ",".join(f"{dice.choice('abc')}={dice.choice(values)}" for _ in range(dice.randint(0, 3)))

    def action() -> str:
        groups = dice.choice(("", " ", "\n")).join(f"[{options()}]" for _ in range(dice.randint(0, 2)))
        return dice.choice(("act", "a-b.py", "é")) + dice.choice(("", "", " ")) + groups

    text = dice.choice((" ", "\n", "\n\n ")).join(action() for _ in range(dice.randint(1, 3)))
    at = dice.randrange(len(text))
    return text[:at] + text[at + 1 :] if text[at] in "[], " and not set(text) & {'"', "'"} else text


WHOLE: dict[str, list[str]] = {
    "named": ["a[b=c]", "a[b='c, d',e=\"f\"][g=h]", "a[b=c]\n", "a [b=c]", "a[b=c,]", "a[,]", "a[b=[c]", "a[]", "a[ ]"],
    "several": ["a b", "a[b=c] d", "a[b='x y'] [c=d]\n e", "a\n[b=c]", "a[b=c]d", "a[b c] d", "[x]", "a[b='c]"],
    "words": ["", "a", " a, b\n\nc\t"],
    "seconds": [
        *("1h", "1d12h", "1w 2d", "1mo", "1year-6mo", "1h30", "-1", "2*(1h+30)", "1.5h", "010", "1 000", "1 H", ""),
        *("5_", "10m30s", "1e3", "0x10", "3 months", "1h2", "1yea", "1 day 2 hours", "1_000", "1 2 3"),
    ],
    "document": ["", "x", "[a]\nx=1\n y\n\n\n z\n# c\n w\n[b]", "[a]b]\nx=1", "[a]\n x=1\n y=2", "[a]\nx=1\n\n\ny=2\n"],
}
"""What should be among the input."""

OURS: dict[str, Callable[[str], object]] = {
    "named": our_named,
    "several": our_several,
    "words": our_words,
    "seconds": seconds,
    "document": our_document,
}


@pytest.mark.parametrize("function", OURS)
def test_random_input(function: str, tmp_path: Path) -> None:
    dice = random.Random(function)
    inputs = [*WHOLE[function]]
    while len(inputs) < MANY:
        inputs.append(actions(dice) if function == "several" else pieces(function, dice))
    inputs = [text for text in inputs if "**" not in text]  # nobody writes powers of time
    if function == "document":
        inputs = [f"[a]\n{text}" if dice.random() < 0.8 else text for text in inputs]
    answers = theirs(function, inputs, tmp_path)

    differ = [
        (text, our, their)
        for text, their in zip(inputs, answers, strict=True)
        if (our := answered(OURS[function], text)) != their
    ]

    assert differ == []
    assert sum(answer is not None for answer in answers) > MANY / 20
