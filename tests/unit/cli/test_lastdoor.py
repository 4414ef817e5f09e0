"""Whatever raises, wherever: what is printed holds no address."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.privacy.search import leaks

if TYPE_CHECKING:
    from pathlib import Path

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
LINE = f'{V4} - - [22/Nov/2026:11:12:12 +0000] "GET /?x={V6} HTTP/1.1" 200 5 "-" "-"\n'

RAISE = f"""
class Odd(Exception):
    def __str__(self): return {V4!r}
def fails(*arguments, **more):
    line, key = {LINE!r}, bytes([203, 0, 113, 77])
    try:
        raise KeyError(key, line)
    except KeyError as error:
        error.add_note({V6!r})
        raise Odd(line) from error
"""
PIPE = (
    RAISE
    + """
import sys, importlib
module, _, name = sys.argv[1].rpartition(".")
module, _, holder = module.partition(":")
owner = importlib.import_module(module)
owner = getattr(owner, holder) if holder else owner
setattr(owner, name, fails)
from privet.cli.main import main
main(sys.argv[2:])
"""
)
HANDLERS = [
    "privet.core.masking.rewrite:.masked_log",
    "privet.tasks.pipe:Pipe._take",
    "privet.tasks.pipe:Pipe._tick",
    "privet.tasks.pipe:Pipe._masks_of",
    "privet.core.parsing.lines:LineSplitter.feed",
    "privet.core.masking.mask:Mask.scrub",
    "privet.core.masking.mask:Masks.site",
    "privet.adapters.sinks.logfile:LogFile.write",
    "privet.adapters.sinks.logfile:LogFile.follow",
    "privet.adapters.sinks.handover:Handover.put",
    "privet.adapters.sinks.handover:Handover.push",
    "privet.adapters.daykeys:DayKeys.today",
    "privet.config.loader:.load",
]


@pytest.mark.parametrize(
    ("handler", "raw"), [*((handler, False) for handler in HANDLERS), ("privet.core.masking.mask:Mask.scrub", True)]
)
def test_a_pipe_in_which_anything_raises_prints_no_address(tmp_path: Path, handler: str, *, raw: bool) -> None:
    config = tmp_path / "privet.toml"
    config.write_text(f'[daemon]\nuser = "root"\n[source.web]\npipe = true\nlog = "{tmp_path}/web.log"\n')
    words = ["pipe", "--config", str(config), "--runtime", str(tmp_path / "run"), *["--lines"] * raw, "web"]
    command = [sys.executable, "-c", PIPE, handler, *words]
    done = subprocess.run(command, input=LINE * 3, capture_output=True, text=True, check=False, timeout=30)
    (tmp_path / "printed").write_text(done.stdout + done.stderr)

    assert leaks([tmp_path], [V4, V6]) == []
    assert "Traceback" not in done.stderr
    assert "privet: Odd at " in done.stderr
    assert done.returncode == 1


WAYS = {
    "uncaught": "fails()",
    "in a thread": "import threading; t = threading.Thread(target=fails); t.start(); t.join()",
    "when deleted": "class D:\n    def __del__(self): fails()\nd = D()\ndel d",
    "in a callback of asyncio": (
        "import asyncio\nasync def main():\n    asyncio.get_running_loop().call_soon(fails)\n"
        "    await asyncio.sleep(0.01)\n"
        "asyncio.run(main())"
    ),
    "in a task of asyncio": (
        "import asyncio, gc\nasync def bad(): fails()\nasync def main():\n    t = asyncio.create_task(bad())\n"
        "    await asyncio.sleep(0.01)\n    del t\n    gc.collect()\nasyncio.run(main())"
    ),
    "logged": "import logging\ntry:\n    fails()\nexcept Odd:\n    logging.getLogger('x').exception('of %s', '"
    + V4
    + "')",
    "warned": "import warnings\nwarnings.warn('of " + V4 + "')",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_nobody_caught_is_told_by_kind_and_place(tmp_path: Path, way: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        RAISE + "from privet.cli.lastdoor import shut, shut_loggers\nshut()\nshut_loggers()\n" + WAYS[way]
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=30)

    assert V4 not in done.stderr
    assert V6 not in done.stderr
    assert "privet: " in done.stderr
    if way != "warned":
        assert "privet: Odd at " in done.stderr
        assert " fails" in done.stderr


def test_no_verb_leaves_a_core_file() -> None:
    script = """
import resource
from privet.cli.main import main
try:
    main(["--version"])
except SystemExit:
    print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.endswith("\n(0, 0)\n")


def test_without_the_door_there_would_be_addresses() -> None:
    done = subprocess.run([sys.executable, "-c", RAISE + "fails()"], capture_output=True, text=True, check=False)

    assert V4 in done.stderr
