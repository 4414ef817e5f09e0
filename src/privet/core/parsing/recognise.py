"""Find out how lines look: the format `auto`.

The named formats exclude each other as soon as the client field must hold an address, so each line is
parsed by the one format that fits it, whatever stood before. That makes one source of several files
in different formats work (Debian's `access.log` and `other_vhosts_access.log`), and any split of the
input into blocks gives the same rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.parsing.formats import APACHE, named
from privet.core.parsing.lines import line_feeds
from privet.core.parsing.parse import (
    NO_ADDRESS,
    NO_TIME,
    NOT_IN_FORMAT,
    NOT_TOLD,
    Plan,
    Rows,
    plan_of,
    together,
    untold,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import tzinfo

    from privet.core.parsing.formats import Format
    from privet.core.parsing.forwarded import Proxies

_TELLING = {NOT_TOLD: 3, NO_ADDRESS: 2, NO_TIME: 1, NOT_IN_FORMAT: 0}
"""Of the reasons that different formats give for one line, the higher says more."""


class AutoPlan:
    """Parses lines of any named format."""

    direct = True  # where a line is not, `clients` says so

    def __init__(
        self, want: Iterable[str], zone: tzinfo, proxies: Proxies | None = None, *, arrays: bool = False
    ) -> None:
        want = tuple(want)
        self._plans = [plan_of(named(name), want, zone, proxies, arrays=arrays) for name in (*reversed(APACHE), "json")]
        self._current: Plan | None = None

    @property
    def format(self) -> Format | None:
        """The format that fitted last, None before the first line."""
        return self._current.format if self._current else None

    @property
    def name(self) -> str:
        """What is known of the format."""
        return f"auto ({self.format.name})" if self.format else "auto (not yet recognised)"

    @property
    def fields(self) -> frozenset[str] | None:
        """The fields of the lines seen, None before the first."""
        return self.format.fields if self.format else None

    def parse(self, block: bytes) -> Rows:
        """Parse whole lines, each with its newline."""
        if self._current is None:
            return self._parse_mixed(block)
        rows = self._current.parse(block)
        for place, (_, line) in enumerate(rows.bad):
            plan, reason = self._fitting(line + b"\n")
            if plan:
                return self._parse_other(block, plan)
            rows.bad[place] = (reason, line)
        return rows

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""
        return next((time for plan in self._ordered() if (time := plan.time_of(line)) is not None), None)

    @property
    def plain(self) -> Callable[[bytes], Sequence[bytes]]:
        """What does the same as `clients`, and has b"" where it cannot tell, as in lines of another format."""
        return self._current.plain if self._current else untold

    def clients(self, block: bytes) -> list[bytes | None]:
        """Return who each line is of, None where that cannot be told at sight."""
        return self._current.clients(block) if self._current else [None] * line_feeds(block)

    def key_of(self, who: bytes) -> bytes:
        """Return the key of such a client: formats that can tell clients at sight tell all of them alike."""
        return self._plans[0].key_of(who)

    def client_span(self, line: bytes, reason: str = NO_ADDRESS) -> tuple[int, int] | None:
        """Return where the client stands that cannot be read, for this reason; None where no format has one."""
        plans = [plan for plan in self._plans if reason == NO_ADDRESS or "forwarded" in plan.format.fields]
        spans = [span for plan in plans if (span := plan.client_span(line, reason))]
        return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None

    def _ordered(self) -> list[Plan]:
        """Return the plans, the current one first."""
        return sorted(self._plans, key=lambda plan: plan is not self._current)

    def _parse_other(self, block: bytes, plan: Plan) -> Rows:
        """Parse a block of which one line, at least, is in another format: most often all are."""
        rows = plan.parse(block)
        if rows.bad:
            return self._parse_mixed(block)
        self._current = plan
        return rows

    def _parse_mixed(self, block: bytes) -> Rows:
        """Parse runs of lines that one format fits, each with its own plan, in order."""
        parts: list[Rows] = []
        run: list[bytes] = []
        for line in [line + b"\n" for line in block.split(b"\n")[:-1]]:
            if line == b"\n" and self._current is None:  # fits every format
                parts.append(_without_row())
                continue
            plan, reason = self._fitting(line)
            if plan is None or plan is not self._current:
                self._finish_run(parts, run)
            if plan is None:
                parts.append(_without_row((reason, line[:-1])))
                continue
            self._current = plan
            run.append(line)
        self._finish_run(parts, run)
        return together(parts)

    def _finish_run(self, parts: list[Rows], run: list[bytes]) -> None:
        if run and self._current:
            parts.append(self._current.parse(b"".join(run)))
            run.clear()

    def _fitting(self, line: bytes) -> tuple[Plan | None, str]:
        """Return the plan that has a row for a line, or None and the most telling reason."""
        best = NOT_IN_FORMAT
        for plan in self._ordered():
            rows = plan.parse(line)
            if not rows.bad:
                return plan, ""
            best = max(best, rows.bad[0][0], key=_TELLING.__getitem__)
        return None, best


def _without_row(*bad: tuple[str, bytes]) -> Rows:
    """Return what comes of a line that no format has a row for: it is bad, or blank."""
    rows = Rows(1)
    rows.bad, rows.ignored = [*bad], 1 - len(bad)
    return rows
