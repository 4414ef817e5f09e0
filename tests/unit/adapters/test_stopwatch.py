"""An expression that would take for ever is ended, and only an expression."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
import time
from contextlib import suppress

import pytest

from privet.adapters.stopwatch import Stopwatch
from privet.core.filters.watch import Overrun, Watch

BAD = re.compile(r"(a+)+$")
HOSTILE = "a" * 40 + "!"


class Thing:
    """What takes too long."""

    longest, overruns = 10**9, 0


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))


def test_an_expression_that_takes_too_long_is_interrupted() -> None:
    watch = Watch()
    began = time.process_time()
    with Stopwatch(0.005).over(watch):
        watch.at, watch.text = Thing(), HOSTILE
        with pytest.raises(Overrun):
            BAD.search(HOSTILE)
    assert time.process_time() - began < 0.5


def test_what_is_no_expression_is_never_interrupted() -> None:
    watch = Watch()
    with Stopwatch(0.001).over(watch):
        burn(0.05)
        assert watch.at is None


def test_many_short_matches_are_not_one_long_one() -> None:
    watch, thing = Watch(), Thing()
    with Stopwatch(0.002).over(watch):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            watch.at, watch.text = thing, str(end)[1:] + "y"  # another text each time
            re.search("z", watch.text)
            watch.at = None


def test_what_other_threads_compute_is_no_fault_of_an_expression() -> None:
    watch, data, over = Watch(), bytes(1 << 20), threading.Event()

    def compute() -> None:
        while not over.is_set():
            hashlib.sha256(data).digest()  # which lets the main thread go on

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        with Stopwatch(0.005).over(watch):
            watch.at, watch.text = Thing(), "the match is short, but the thread has to wait for its turn"
            began = time.process_time()
            while time.process_time() < began + 0.1:
                time.sleep(0.01)
            watch.at = None
    finally:
        over.set()
        thread.join()


def test_afterwards_there_is_no_timer_and_the_handler_is_that_of_before() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    watch = Watch()
    with suppress(ValueError), Stopwatch(0.001).over(watch):
        raise ValueError
    watch.at, watch.text = Thing(), HOSTILE
    burn(0.02)
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_where_nobody_matches_no_timer_runs() -> None:
    with Stopwatch().over():
        assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
