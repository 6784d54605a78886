"""The picture of an account as numbers: the mock's figures, and the edges of its scale."""

from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from points.timeline import (
    Change,
    Level,
    Scale,
    Span,
    balance_at,
    draw,
    future_levels,
    past_levels,
    scale_of,
    year_began,
)

LONDON = "Europe/London"
NOW = datetime(2026, 11, 27, tzinfo=UTC)
SCALE = Scale(first=date(2025, 11, 1), months=24, zone=LONDON)


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


PAST = [
    Change(at=day(2025, 11, 20), points=30),
    Change(at=day(2026, 3, 2), points=-10),
    Change(at=day(2026, 11, 21), points=-10),
    Change(at=day(2026, 6, 2) + timedelta(hours=23), points=30),  # the 3rd, by British summer time
]
FALLS = [Change(at=day(2027, 6, 3) + timedelta(hours=23), points=-30), Change(at=day(2027, 1, 16), points=-10)]


def test_all_months_are_as_wide_as_thirty():
    assert [tick.x for tick in SCALE.ticks] == [0, 90, 180, 270, 360, 450, 540, 630]
    assert [tick.with_year for tick in SCALE.ticks] == [True, True, False, False, False, True, False, False]
    assert (SCALE.width, SCALE.begins, SCALE.ends) == (720, day(2025, 11, 1), day(2027, 11, 1))


@pytest.mark.parametrize(
    ("instant", "x"),
    [
        (day(2025, 11, 20), 19.0),
        (day(2026, 1, 15), 73.55),
        (datetime(2026, 2, 15, tzinfo=UTC), 105.0),  # half of a month of 28 days
        (datetime(2026, 6, 2, 23, 0, tzinfo=UTC), 212.0),  # local midnight in summer
        (NOW, 386.0),
        (day(2020, 1, 1), 0.0),
        (day(2031, 1, 1), 720.0),
    ],
)
def test_where_an_instant_stands(instant: datetime, x: float):
    assert SCALE.x(instant) == x


@pytest.mark.rule("D1")
@pytest.mark.parametrize(
    ("at", "latest", "first", "months"),
    [
        (NOW, None, date(2025, 11, 1), 24),
        (NOW, day(2027, 11, 1), date(2025, 11, 1), 24),
        (NOW, day(2027, 11, 28), date(2025, 11, 1), 27),  # bought today
        (NOW, day(2035, 1, 1), date(2025, 11, 1), 36),  # by an admin's leave
        (datetime(2026, 12, 31, 23, 30, tzinfo=UTC), None, date(2025, 12, 1), 24),
        (day(2028, 2, 29), None, date(2027, 2, 1), 24),
    ],
)
def test_the_scale_reaches_a_year_back_and_to_the_last_expiry(
    at: datetime, latest: datetime | None, first: date, months: int
):
    found = scale_of(at=at, zone=LONDON, latest=latest)
    assert (found.first, found.months) == (first, months)


def test_the_scale_goes_by_the_local_month():
    at = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)
    assert scale_of(at=at, zone="America/New_York", latest=None).first == date(2025, 11, 1)
    assert scale_of(at=at, zone=LONDON, latest=None).first == date(2025, 12, 1)


@pytest.mark.parametrize(
    ("at", "began"),
    [(NOW, day(2025, 11, 28)), (day(2028, 2, 29), day(2027, 3, 1)), (day(2027, 2, 28), day(2026, 3, 1))],
)
def test_twelve_months_end_with_today(at: datetime, began: datetime):
    assert year_began(at=at, zone=LONDON) == began


def test_the_balance_is_walked_back_from_now_and_on_into_the_future():
    past = past_levels(changes=PAST, balance=40, begins=SCALE.begins)
    assert [level.balance for level in past] == [0, 30, 20, 50, 40]
    future = future_levels(falls=FALLS, balance=40, at=NOW)
    assert [level.balance for level in future] == [40, 30, 0]
    assert [balance_at(past, day(2026, month, 1)) for month in (1, 3, 4, 7)] == [30, 30, 20, 50]
    assert balance_at(past, SCALE.begins) == 0
    # On the first instant of an expiry's day they are still there: they are gone from it on.
    assert balance_at(future, day(2027, 1, 16)) == 40


def test_the_lines_of_the_picture():
    past = past_levels(changes=PAST, balance=40, begins=SCALE.begins)
    future = future_levels(falls=FALLS, balance=40, at=NOW)
    found = draw(scale=SCALE, at=NOW, past=past, future=future, spans=[])
    assert (found.top, found.guides, found.now) == (60, (0, 30, 60), 386.0)
    assert found.past == "M19.0 60H19.0V30H120.97V40H212.0V10H380.0V20H386.0"
    assert found.band == found.past + "V60H19.0Z"
    assert found.future == "M386.0 20H434.52V30H573.0V60H573.0"


def test_a_balance_from_before_the_scale_starts_at_its_edge():
    levels = past_levels(changes=[], balance=7, begins=SCALE.begins)
    found = draw(scale=SCALE, at=NOW, past=levels, future=future_levels(falls=[], balance=7, at=NOW), spans=[])
    assert (found.past, found.future) == ("M0.0 1H386.0", "M386.0 1H720.0")


def test_where_there_never_was_a_point_there_is_no_line():
    nothing = (Level(at=SCALE.begins, balance=0),)
    found = draw(scale=SCALE, at=NOW, past=nothing, future=(Level(at=NOW, balance=0),), spans=[])
    assert (found.past, found.band, found.future, found.bars, found.thickest) == ("", "", "", (), 1)


def test_lots_are_as_thick_as_their_points_and_what_is_left_begins_today():
    spans = [
        Span(began=day(2025, 11, 20), ended=day(2026, 11, 21), points=30, left=0),
        Span(began=day(2026, 1, 15), ended=day(2027, 1, 16), points=4, left=3),
        Span(began=day(2020, 1, 1), ended=day(2040, 1, 1), points=10, left=10),
        Span(began=day(2020, 1, 1), ended=day(2020, 2, 1), points=10, left=0),
    ]
    levels = (Level(at=NOW, balance=3),)
    found = draw(scale=SCALE, at=NOW, past=levels, future=levels, spans=spans)
    gone, left, wide, before = found.bars
    assert found.thickest == 30
    assert (gone.x, gone.y, gone.width, gone.points, gone.left_width) == (19.0, 0, 361.0, 30, 0)
    assert (left.x, left.y, left.points) == (73.55, 26, 4)
    assert (left.left_x, left.left_y, left.left, left.left_width) == (386.0, 27, 3, 48.52)
    assert (wide.x, wide.width, wide.left_x, wide.left_width) == (0, 720, 386, 334)
    assert before.width == 0


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happened_the_picture_stays_in_its_frame(seed: int):
    chance = random.Random(seed)
    at = NOW + timedelta(seconds=chance.randint(0, 86_400 * 1_000))
    zone = chance.choice([LONDON, "Pacific/Apia", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Pago_Pago"])
    scale = scale_of(at=at, zone=zone, latest=at + timedelta(days=chance.randint(0, 2_000)))
    balance = chance.randint(0, 10**6)
    changes, running = [], balance
    for moment in sorted((at - timedelta(hours=chance.randint(0, 9_000)) for _ in range(50)), reverse=True):
        points = chance.randint(-(10**4), running)
        changes.append(Change(at=moment, points=points))
        running -= points
    past = past_levels(changes=changes, balance=balance, begins=scale.begins)
    future = future_levels(falls=[Change(at=scale.ends, points=-balance)], balance=balance, at=at)
    found = draw(scale=scale, at=at, past=past, future=future, spans=[])
    assert past[-1].balance == balance
    assert min(level.balance for level in past) >= 0
    for path in (found.past, found.future):
        across = [float(x) for x in re.findall(r"[MH]([\d.]+)", path)]
        upwards = [int(y) for y in re.findall(r"V(\d+)", path)]
        assert across == sorted(across)
        assert all(0 <= x <= scale.width for x in across)
        assert all(0 <= y <= found.top for y in upwards)
