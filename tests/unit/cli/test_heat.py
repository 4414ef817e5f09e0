"""Heat maps: the same numbers in characters and in a picture, and colour never alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from privet.cli.heat import SHADES, Heat, heat_figure, print_heat

if TYPE_CHECKING:
    import pytest

NUMBERS = {(0, 0): 0, (0, 1): 1, (0, 2): 250, (1, 0): 500, (1, 2): 1000}
HEAT = Heat("Clients", "maxretry", ["5", "<10>"], ["1m", "10m", "1h"], NUMBERS, "red", "failed")


def test_a_terminal_shows_numbers_and_shades(capsys: pytest.CaptureFixture[str]) -> None:
    print_heat(HEAT)

    out = capsys.readouterr().out
    assert re.search(r"clients +1m +10m +1h", out)
    assert re.search(r"maxretry 5 +0 ·· +1 ░░ +250 ░░", out)
    assert re.search(r"maxretry <10> +500 ▒▒ +1,000 ██", out)
    assert f"{SHADES}: " in out


def test_a_picture_has_the_more_the_darker_and_each_number_in_words() -> None:
    figure = heat_figure(HEAT)

    fields = list(ET.fromstring(figure.svg).iter("rect"))  # noqa: S314  our own
    opacity = [float(one.get("fill-opacity", "")) for one in fields]
    assert opacity == sorted(opacity)
    assert {one.get("class") for one in fields} == {"failed"}
    titles = [one.findtext("title") for one in fields]
    assert titles[-1] == "maxretry <10>, 1h: 1,000"
    assert figure.says == "from 0 to 1,000"


def test_nothing_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    none = HEAT._replace(numbers=dict.fromkeys(NUMBERS, 0))

    print_heat(none)
    assert "█" not in capsys.readouterr().out.split(SHADES)[0]
    assert heat_figure(none).says == "from 0 to 0"
