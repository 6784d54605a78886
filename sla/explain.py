"""A deadline as the rows of a page: which hours counted, which days were skipped and why (D24).

Pure data, no prose: the page words it. Times are aware, in the customer's zone; the reader's time is the same
instant, shown in the reader's zone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sla.calendar import DAY, Kind
from sla.deadline import Plan, Skipped
from supportdesk.policy import POLICY

OPENS: Final = POLICY.opens.hour * 60 + POLICY.opens.minute
OPEN_MINUTES: Final = POLICY.closes.hour * 60 + POLICY.closes.minute - OPENS


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRow:
    """A local day that counted, from ``start`` to ``end``; ``minutes`` are real ones.

    ``x`` and ``width`` draw it on a bar of ``OPEN_MINUTES``, by what the clock on the wall shows: whole minutes,
    for a template would write a fraction with the reader's decimal comma.
    """

    days: tuple[date]
    zone: ZoneInfo
    start: datetime
    end: datetime
    minutes: float
    x: int
    width: int
    kind: Literal["counted"] = "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """Local days in a row that did not count for one reason, by its ``name``; a weekend's is its first day's.

    A weekend between days of one closure, or of one holiday, is among them: it takes nothing from anybody. A holiday
    on a weekend is no reason of its own, for that day would not have counted anyway.
    """

    days: tuple[date, ...]
    zone: ZoneInfo
    kind: Kind
    name: str


Row = CountedRow | SkippedRow


def rows(plan: Plan, *, zone: ZoneInfo) -> tuple[Row, ...]:
    """``plan`` in order, a day or a run of skipped days a row, as clocks in ``zone`` show it (D24)."""
    skipped = [
        SkippedRow(days=tuple(skip.day for skip in run), zone=zone, kind=run[0].kind, name=run[0].name)
        for run in _runs(plan.skipped)
    ]
    counted: list[Row] = []
    for count in plan.counted:
        start, end = count.start.astimezone(zone), count.end.astimezone(zone)
        x, until = math.floor(_since_opening(start)), math.ceil(_since_opening(end))
        width = max(0, until - x)
        counted.append(
            CountedRow(days=(count.day,), zone=zone, start=start, end=end, minutes=count.minutes, x=x, width=width)
        )
    return tuple(sorted([*counted, *skipped], key=lambda row: row.days[0]))


def _runs(skipped: Sequence[Skipped]) -> list[list[Skipped]]:
    """Days that follow each other and were skipped for one reason, together."""
    runs: list[list[Skipped]] = []
    for skip in skipped:
        last = runs[-1] if runs else None
        if (
            last
            and _goes_on(last[-1], skip)
            and (last[0].kind == skip.kind == "weekend" or _reason(last[0]) == _reason(skip))
        ):
            last.append(skip)
        elif len(runs) > 1 and last and last[0].kind == "weekend" and _bridges(runs[-2], last, skip):
            runs[-2:] = [[*runs[-2], *last, skip]]
        else:
            runs.append([skip])
    return runs


def _bridges(before: list[Skipped], weekend: list[Skipped], after: Skipped) -> bool:
    """Whether a weekend stands between days of one reason, with nothing else between them."""
    same = before[0].kind != "weekend" and _reason(before[0]) == _reason(after)
    return same and _goes_on(before[-1], weekend[0]) and _goes_on(weekend[-1], after)


def _goes_on(before: Skipped, after: Skipped) -> bool:
    return after.day == before.day + DAY


def _reason(skip: Skipped) -> tuple[Kind, str]:
    return skip.kind, skip.name


def _since_opening(local: datetime) -> float:
    minutes = local.hour * 60 + local.minute + (local.second + local.microsecond / 1e6) / 60 - OPENS
    return min(max(minutes, 0), OPEN_MINUTES)
