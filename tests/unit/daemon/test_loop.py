"""The loop of the daemon: it looks while it waits, and does everything else as any loop does."""

from __future__ import annotations

import asyncio
import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest

from privet.daemon.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def run(scene: Callable[[Loop], Awaitable[T]]) -> T:
    async def play() -> T:
        return await scene(Loop.running())

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(play())


def test_it_looks_again_and_again_while_it_waits() -> None:
    times: list[float] = []

    def glance(now: float) -> bool:
        times.append(now)
        return False

    async def scene(loop: Loop) -> None:
        loop.waiting.every, loop.waiting.glance = 0.01, glance
        await asyncio.sleep(0.3)
        loop.waiting.glance = None
        seen = len(times)
        await asyncio.sleep(0.05)
        assert len(times) == seen

    run(scene)
    assert 5 < len(times) <= 31
    assert all(later - earlier >= 0.009 for earlier, later in pairwise(times))


def test_timers_and_descriptors_do_not_wait_for_it() -> None:
    async def scene(loop: Loop) -> tuple[float, float]:
        loop.waiting.every, loop.waiting.glance = 30.0, lambda _now: False
        began = loop.time()
        await asyncio.sleep(0.02)
        slept = loop.time() - began
        out, into = os.pipe()
        came = loop.create_future()
        loop.add_reader(out, came.set_result, True)  # noqa: FBT003
        loop.call_later(0.02, os.write, into, b"x")
        await came
        loop.remove_reader(out)
        os.close(out)
        os.close(into)
        return slept, loop.time() - began - slept

    slept, heard = run(scene)
    assert 0.02 <= slept < 5
    assert 0.02 <= heard < 5


def test_what_a_look_finds_to_do_is_done_at_once() -> None:
    async def scene(loop: Loop) -> float:
        found = loop.create_future()

        def glance(_now: float) -> bool:
            loop.waiting.glance = None
            loop.call_soon(found.set_result, True)  # noqa: FBT003
            return True

        loop.waiting.every, loop.waiting.glance = 0.01, glance
        began = time.monotonic()
        await found
        return time.monotonic() - began

    assert run(scene) < 5


def test_it_looks_also_when_there_is_always_something_to_do() -> None:
    looks: list[float] = []

    async def scene(loop: Loop) -> None:
        def glance(now: float) -> bool:
            looks.append(now)
            return False

        loop.waiting.every, loop.waiting.glance = 0.01, glance
        for _ in range(40):
            time.sleep(0.005)  # noqa: ASYNC251  that is what is meant: it has no time to wait
            await asyncio.sleep(0)

    run(scene)
    assert len(looks) > 5


def test_timers_that_end_between_two_looks_are_not_forgotten() -> None:
    async def scene(loop: Loop) -> None:
        loop.waiting.every, loop.waiting.glance = 0.02, lambda _now: False
        for number in range(60):
            await asyncio.wait_for(asyncio.sleep(number / 1000), 30)

    began = time.monotonic()
    run(scene)
    assert time.monotonic() - began < 20


def test_another_kind_of_loop_is_refused() -> None:
    async def scene() -> None:
        Loop.running()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner, pytest.raises(TypeError, match="own kind"):
        runner.run(scene())
