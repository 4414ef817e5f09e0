"""The systemd units leave no more than is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
UNITS = sorted(PACKAGING.glob("*.service"))
WORST = 3.0  # of `systemd-analyze security`: 0 is safe, 10 is not


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_no_unit_writes_memory_to_disk(unit: Path) -> None:
    text = unit.read_text()

    assert {"LimitCORE=0", "MemorySwapMax=0", "NoNewPrivileges=yes"} <= set(text.splitlines())


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_as_hard_as_the_documentation_says(unit: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(unit, tmp_path / unit.name.replace("@", "@web")))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)

    assert found, said
    assert float(found[1]) < WORST
    assert f"`{unit.name}` {found[1]}" in (PACKAGING.parent / "docs" / "threat-model.md").read_text()
