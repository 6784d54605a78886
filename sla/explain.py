"""A deadline as the rows of a page: which hours counted, which days were skipped and why (D24).

Pure data, no prose: the page words it. Times are aware, in the customer's zone; the reader's time is the same
instant, shown in the reader's zone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sla.calendar import DAY, Kind
from sla.deadline import Plan
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
    start: datetime
    end: datetime
    minutes: float
    x: int
    width: int
    kind: Literal["counted"] = "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """Local days that did not count; the days of a weekend stand together."""

    days: tuple[date, ...]
    kind: Kind
    names: tuple[str, ...]


Row = CountedRow | SkippedRow


def rows(plan: Plan, *, zone: ZoneInfo) -> tuple[Row, ...]:
    """``plan`` day by day, in order, as clocks in ``zone`` show it (D24)."""
    skipped: list[SkippedRow] = []
    for skip in plan.skipped:
        last = skipped[-1] if skipped else None
        if last and skip.kind == last.kind == "weekend" and skip.day == last.days[-1] + DAY:
            skipped[-1] = SkippedRow(days=(*last.days, skip.day), kind="weekend", names=(*last.names, skip.name))
        else:
            skipped.append(SkippedRow(days=(skip.day,), kind=skip.kind, names=(skip.name,)))
    counted: list[Row] = []
    for count in plan.counted:
        start, end = count.start.astimezone(zone), count.end.astimezone(zone)
        x, until = math.floor(_since_opening(start)), math.ceil(_since_opening(end))
        width = max(0, until - x)
        counted.append(CountedRow(days=(count.day,), start=start, end=end, minutes=count.minutes, x=x, width=width))
    return tuple(sorted([*counted, *skipped], key=lambda row: row.days[0]))


def _since_opening(local: datetime) -> float:
    minutes = local.hour * 60 + local.minute + (local.second + local.microsecond / 1e6) / 60 - OPENS
    return min(max(minutes, 0), OPEN_MINUTES)
