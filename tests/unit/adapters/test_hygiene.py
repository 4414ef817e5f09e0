"""A process that keeps private leaves no core, lets nobody look, and knows when it may be swapped."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from privet.adapters import hygiene

if TYPE_CHECKING:
    from pathlib import Path

LOOK = """
import resource
from pathlib import Path
from privet.adapters.hygiene import keep_private
assert keep_private() is None
print(resource.getrlimit(resource.RLIMIT_CORE), Path("/proc/self/environ").stat().st_uid)
import os, sys
sys.stdout.flush()
os.abort()
"""


def test_a_crash_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout == "(0, 0) 0\n"
    assert done.returncode == -6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("root", "setpriv")
def test_others_of_the_same_user_cannot_look() -> None:
    """A process of the same user may read the memory of one that does not keep private, and no other."""
    look = """
import os, sys
from privet.adapters.hygiene import keep_private
if sys.argv[1] == "private":
    keep_private()
child = os.fork()
if child == 0:
    try:
        open(f"/proc/{os.getppid()}/environ").read()
    except PermissionError:
        os._exit(13)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
        sys.executable,
        "-c",
    ]
    codes = [
        subprocess.run([*command, look, how], cwd="/", check=False, timeout=20).returncode
        for how in ("private", "open")
    ]

    assert codes == [13, 0]


def proc(tmp_path: Path, swaps: str, limit: str | None) -> tuple[Path, Path]:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/swaps").write_text("Filename Type Size Used Priority\n" + swaps)
    (tmp_path / "proc/self/cgroup").write_text("0::/system.slice/privet.service\n")
    group = tmp_path / "cgroup/system.slice/privet.service"
    group.mkdir(parents=True)
    if limit is not None:
        (group / "memory.swap.max").write_text(limit + "\n")
    return tmp_path / "proc", tmp_path / "cgroup"


@pytest.mark.parametrize(("swaps", "limit"), [("", None), ("/swap file 1 0 -2\n", "0")])
def test_without_swap_nothing_is_locked(
    tmp_path: Path, swaps: str, limit: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock(*_limits: object) -> None:
        pytest.fail("must not lock")

    monkeypatch.setattr(resource, "setrlimit", lock)

    assert hygiene.keep_from_swap(*proc(tmp_path, swaps, limit)) is None


def test_where_memory_cannot_be_locked_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_limits: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (65536, 65536))

    said = hygiene.keep_from_swap(*proc(tmp_path, "/swap file 1 0 -2\n", "max"))
    assert said is not None
    assert "MemorySwapMax=0" in said


@pytest.mark.needs("root")
def test_memory_is_locked_where_that_is_allowed(tmp_path: Path) -> None:
    where = proc(tmp_path, "/swap file 1 0 -2\n", "max")
    code = f"""
import resource
from pathlib import Path
from privet.adapters.hygiene import keep_from_swap
resource.getrlimit = lambda _which: (resource.RLIM_INFINITY,) * 2  # as root has it, but in some containers
assert keep_from_swap(Path({str(where[0])!r}), Path({str(where[1])!r})) is None
more = bytearray(40_000_000)
print([int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmLck")][0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert int(done.stdout) > 40_000


GIVEN_BACK = r"""
import re
from pathlib import Path
from threading import Thread
from privet.adapters.hygiene import give_back, keep_small
def held():
    return int(re.search(r"VmRSS:\s*(\d+)", Path("/proc/self/status").read_text())[1])
def work():
    pieces = [bytes(100_000) for _ in range(400)]
    kept.append(pieces.pop())
keep_small()
kept = []
before = held()
for thread in [Thread(target=work) for _ in range(3)]:
    thread.start()
    thread.join()
give_back()
print(held() - before)
"""


def test_what_is_not_needed_any_more_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 8_000


LARGE = r"""
import re
from pathlib import Path
from privet.adapters.hygiene import keep_small
def held():
    return int(re.search(r"VmRSS:\s*(\d+)", Path("/proc/self/status").read_text())[1])
keep_small()
bytearray(1 << 24)  # by which glibc would learn to keep as much
before = held()
pieces = [b"x" * (1 << 20) for _ in range(20)]
kept = bytes(100_000)
del pieces
print(held() - before)
"""


def test_what_is_large_is_given_back_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 2_000


BLOCKS = r"""
import resource
from privet.adapters.hygiene import keep_small
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
keep_small()
for time in range(20):
    if time == 10:
        before = faults()
    block = b"x" * 300_000
    block = None
print(faults() - before)
"""


def test_what_a_block_of_lines_needs_is_not_asked_for_each_time() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKS], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 100  # 73 pages each time otherwise
