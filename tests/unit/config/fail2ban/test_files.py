"""Files come in fail2ban's order; what is odd about includes is noted with its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.ini import RefusedError

if TYPE_CHECKING:
    from tests.unit.config.fail2ban.conftest import Write


def notes(files: Files) -> list[str]:
    return [f"{place}: {message}".removeprefix(files.folder + "/") for place, message in files.notes]


def test_the_order_of_files(write: Write) -> None:
    names = ["x.conf", "x.d/1.conf", "x.d/2.conf", "x.local", "x.d/1.local"]
    for count in range(1, len(names) + 1):
        folder = write({name: f"[s]\na = {name}\n" for name in names[:count]} | {"x.d/.hidden.conf": "[s]\na = no\n"})
        merged = Files(folder).merged("x")
        assert merged
        assert merged.get("s", "a").text == names[count - 1]


def test_no_file(write: Write) -> None:
    assert Files(write({"y.conf": ""})).merged("x") is None


def test_loops_are_cut_and_told(write: Write) -> None:
    files = Files(
        write(
            {
                "x.conf": "[INCLUDES]\nbefore = y.conf\n[s]\na = x\n",
                "y.conf": "[INCLUDES]\nbefore = z.conf\n[s]\nb = y\n",
                "z.conf": "[INCLUDES]\nafter = sub/../x.conf\n   y.conf\n[s]\nc = z\n",
                "sub/nothing": "",
            }
        )
    )
    merged = files.merged("x")

    assert merged
    assert [merged.get("s", option).text for option in "abc"] == ["x", "y", "z"]
    assert notes(files) == [
        "z.conf:2: sub/../x.conf includes this file again: the loop is cut here",
        "z.conf:3: y.conf includes this file again: the loop is cut here",
    ]


def test_a_missing_file_is_told_unless_it_is_an_offer(write: Write) -> None:
    files = Files(write({"x.conf": "[INCLUDES]\nbefore = a.conf\n  b.local\n[s]\na = 1\n"}))

    assert files.merged("x")
    assert notes(files) == ["x.conf:2: there is no file a.conf to include"]


def test_what_is_not_utf8_is_told(write: Write) -> None:
    folder = write({"x.conf": "[s]\na = 1\n"})
    (folder / "x.local").write_bytes(b"[s]\na = \xff\n")
    files = Files(folder)

    assert files.merged("x")
    assert notes(files) == ["x.local: is not UTF-8, and so is left out"]


def test_a_directory_in_the_place_of_a_file(write: Write) -> None:
    folder = write({"x.conf": "[s]\na = 1\n", "x.local/file": ""})
    files = Files(folder)

    assert files.merged("x")
    assert notes(files) == ["x.local: cannot be read: Is a directory"]


def test_includes_that_multiply_are_stopped(write: Write) -> None:
    many = {f"{n}.conf": f"[INCLUDES]\nbefore = {n + 1}.conf\n  {n + 1}.conf\n  {n + 1}.conf\n" for n in range(12)}
    deep = {f"d{n}.conf": f"[INCLUDES]\nafter = d{n + 1}.conf\n" for n in range(80)}
    folder = write({**many, **deep, "12.conf": "", "d80.conf": ""})

    for name in ("0", "d0"):
        with pytest.raises(RefusedError, match="too many files"):
            Files(folder).merged(name)


def test_a_refused_file_is_refused_each_time(write: Write) -> None:
    files = Files(write({"x.conf": "a"}))

    for _ in range(2):
        with pytest.raises(RefusedError):
            files.merged("x")
