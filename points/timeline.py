"""The picture of an account: a balance in time and the lives of its lots, as numbers (D1). Pure.

Across, one unit is a thirtieth of a month, all months equally wide; upwards, one unit is one point.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from points.lifetimes import DAY
from supportdesk.places import zone_info

UNIT: Final = 30  # of a month
MONTHS_BACK: Final = 12  # before the present one
MONTHS_MIN, MONTHS_MAX, QUARTER = 24, 36, 3
RAIL_ABOVE, RAIL = 13 / 24, 50 / 24  # of a lot's row


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A balance that went up or down by ``points`` at an instant."""

    at: datetime
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The balance from an instant on."""

    at: datetime
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A lot's life: what was in it and what is left of it, from its first instant to its last."""

    began: datetime
    ended: datetime
    points: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A span as it is drawn, on the ground of its row: ``points`` thick, and from now on what is left of it."""

    x: float
    y: int
    width: float
    points: int
    left_x: float
    left_y: int
    left_width: float
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on the scale; ``with_year`` where the year has to be said."""

    x: float
    month: date
    with_year: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Whole local months in a zone, from the first of ``first`` on."""

    first: date
    months: int
    zone: str

    @property
    def width(self) -> int:
        return UNIT * self.months

    @property
    def begins(self) -> datetime:
        return first_instant(self.first, self.zone)

    @property
    def ends(self) -> datetime:
        return first_instant(add_months(self.first, self.months), self.zone)

    @property
    def days(self) -> tuple[datetime, ...]:
        """When each of its local days begins."""
        count = (add_months(self.first, self.months) - self.first).days
        return tuple(first_instant(self.first + n * DAY, self.zone) for n in range(count))

    def x(self, instant: datetime) -> float:
        """Where an instant stands; what lies beyond stands at the edge."""
        local = instant.astimezone(zone_info(self.zone))
        months = 12 * (local.year - self.first.year) + local.month - self.first.month
        days = local.day - 1 + (3600 * local.hour + 60 * local.minute + local.second) / 86_400
        found = UNIT * (months + days / monthrange(local.year, local.month)[1])
        return round(min(max(found, 0.0), float(self.width)), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """A quarter of a year each, the year said at the first of its marks."""
        months = [add_months(self.first, n) for n in range(0, self.months, QUARTER)]
        years = [None, *(month.year for month in months)]
        return tuple(
            Tick(x=float(UNIT * QUARTER * n), month=month, with_year=month.year != before)
            for n, (month, before) in enumerate(zip(months, years, strict=False))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is drawn. ``top`` and ``thickest`` are the heights of the balance and of a lot's row, in points."""

    scale: Scale
    now: float
    top: int
    past: str
    band: str
    future: str
    thickest: int
    bars: tuple[Bar, ...]

    @property
    def guides(self) -> tuple[int, ...]:
        """The heights that are written beside the balance."""
        return (0, self.top // 2, self.top)

    @property
    def now_line(self) -> str:
        """Through the balance, and down to the first lot."""
        return f"M{self.now} 0V{round(self.top * 1.15, 2)}"

    @property
    def now_rail(self) -> str:
        return f"M{self.now} {self._rail}"

    @property
    def rails(self) -> str:
        """The marks of the scale through a lot's row."""
        ends = (*(tick.x for tick in self.scale.ticks), float(self.scale.width))
        return "".join(f"M{x} {self._rail}" for x in ends)

    @property
    def _rail(self) -> str:
        """From above a row to below it, so that the rows' rails meet."""
        return f"{round(self.thickest * -RAIL_ABOVE, 2)}v{round(self.thickest * RAIL, 2)}"


def first_instant(day: date, zone: str) -> datetime:
    """The first instant (UTC) of a local day."""
    return datetime.combine(day, time.min, tzinfo=zone_info(zone)).astimezone(UTC)


def add_months(first: date, months: int) -> date:
    """The first of a month some months on.

    >>> add_months(date(2026, 11, 1), 3)
    datetime.date(2027, 2, 1)
    """
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def year_began(*, at: datetime, zone: str) -> datetime:
    """Since when the twelve months run that end with today: after the same date of last year."""
    today = at.astimezone(zone_info(zone)).date()
    before = date(today.year - 1, today.month, min(today.day, monthrange(today.year - 1, today.month)[1]))
    return first_instant(before + DAY, zone)


def scale_of(*, at: datetime, zone: str, latest: datetime | None) -> Scale:
    """Twelve months back, and on until ``latest`` where it lies within the widest scale, in whole quarters.

    >>> scale_of(at=datetime(2026, 11, 27, tzinfo=UTC), zone="Europe/London", latest=None).first
    datetime.date(2025, 11, 1)
    """
    today = at.astimezone(zone_info(zone)).date()
    first = add_months(today.replace(day=1), -MONTHS_BACK)
    months = MONTHS_MIN
    while latest is not None and months < MONTHS_MAX and first_instant(add_months(first, months), zone) < latest:
        months += QUARTER
    return Scale(first=first, months=months, zone=zone)


def past_levels(*, changes: Iterable[Change], balance: int, begins: datetime) -> tuple[Level, ...]:
    """The balance since ``begins``, walked back from what it is now: oldest first, the first at ``begins``."""
    found, running = [], balance
    for change in sorted(changes, key=lambda change: change.at, reverse=True):
        found.append(Level(at=change.at, balance=running))
        running -= change.points
    return (Level(at=begins, balance=running), *reversed(found))


def future_levels(*, falls: Iterable[Change], balance: int, at: datetime) -> tuple[Level, ...]:
    """The balance if nothing is spent: the first at ``at``, then one for each fall."""
    found = [Level(at=at, balance=balance)]
    for fall in sorted(falls, key=lambda fall: fall.at):
        found.append(Level(at=fall.at, balance=found[-1].balance + fall.points))
    return tuple(found)


def balance_at(levels: Sequence[Level], instant: datetime) -> int:
    """What the balance is just before an instant; levels oldest first."""
    found = 0
    for level in levels:
        if level.at >= instant:
            break
        found = level.balance
    return found


def nice_top(highest: int) -> int:
    """The end of the scale: the next round number whose half is whole, too.

    >>> [nice_top(n) for n in (0, 1, 44, 54, 61, 100, 101, 100_000)]
    [2, 2, 60, 60, 80, 100, 200, 100000]
    """
    power = 1
    while True:
        for step in (2, 4, 6, 8, 10):
            if step * power >= highest:
                return step * power
        power *= 10


def draw(
    *, scale: Scale, at: datetime, past: Sequence[Level], future: Sequence[Level], spans: Iterable[Span]
) -> Picture:
    """The numbers of the whole picture."""
    spans = tuple(spans)
    top = nice_top(max(level.balance for level in (*past, *future)))
    now, thickest = scale.x(at), max((span.points for span in spans), default=1)
    line, start = _steps(past, scale=scale, top=top, until=now)
    end = float(scale.width) if future[-1].balance else scale.x(future[-1].at)
    after, _start = _steps(future, scale=scale, top=top, until=end)
    return Picture(
        scale=scale,
        now=now,
        top=top,
        past=line,
        band=f"{line}V{top}H{start}Z" if line else "",
        future=after,
        thickest=thickest,
        bars=tuple(_bar(span, scale=scale, now=now, thickest=thickest) for span in spans),
    )


def _steps(levels: Sequence[Level], *, scale: Scale, top: int, until: float) -> tuple[str, float]:
    """A line of steps as the path of an SVG, and where it starts: nothing is drawn before the first point is there."""
    first = next((n for n, level in enumerate(levels) if level.balance), None)
    if first is None:
        return "", until
    start = min(scale.x(levels[first].at), until)
    path = [f"M{start} {top}" if first else f"M{start} {top - levels[0].balance}"]
    for n, level in enumerate(levels[first:]):
        if n or first:
            path.append(f"H{min(scale.x(level.at), until)}V{top - level.balance}")
    path.append(f"H{until}")
    return "".join(path), start


def _bar(span: Span, *, scale: Scale, now: float, thickest: int) -> Bar:
    x, end = scale.x(span.began), scale.x(span.ended)
    left_x = max(x, now)
    return Bar(
        x=x,
        y=thickest - span.points,
        width=round(max(end - x, 0.0), 2),
        points=span.points,
        left_x=left_x,
        left_y=thickest - span.left,
        left_width=round(max(end - left_x, 0.0), 2) if span.left else 0.0,
        left=span.left,
    )
