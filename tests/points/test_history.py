"""An account in time: what adding up entry by entry gives, by the same few queries however long the history."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points import services
from points.history import LOTS_SHOWN, History, history
from points.models import Cause
from points.queries import balance, every_line, statement
from points.timeline import balance_at, first_instant, future_levels, past_levels, year_began
from supportdesk.people.models import Customer
from tests.cast import Cast
from tests.points.ledger import DAY, back, charged, given
from tests.points.test_queries import ledger, queries, twin

ZONE = "America/New_York"


def told(customer: Customer, *, at: datetime) -> History:
    return history(customer_id=customer.pk, zone=customer.zone, at=at)


@pytest.mark.rule("D1", "D6")
@pytest.mark.parametrize("seed", range(12))
def test_the_picture_is_what_adding_up_line_by_line_gives(cast: Cast, at: datetime, seed: int):
    end = ledger(cast.acme, seed, at=at)
    given(cast.other, 100, at=at)
    lines, found = twin(cast.acme, at=end), told(cast.acme, at=end)
    assert found.on_hand == balance(customer_id=cast.acme.pk, at=end)
    past = past_levels(changes=found.changes, balance=found.on_hand, begins=found.scale.begins)
    future = future_levels(falls=found.falls, balance=found.on_hand, at=end)
    midnight = found.scale.first
    midnight += DAY
    while (edge := first_instant(midnight, ZONE)) <= end:
        assert balance_at(past, edge) == next((line[4] for line in lines if line[0] < edge), 0), midnight
        midnight += DAY
    assert future[-1].balance == 0
    for level in future[1:]:
        assert level.balance == balance(customer_id=cast.acme.pk, at=level.at)

    since = year_began(at=end, zone=ZONE)
    lately = [line for line in lines if line[0] >= since]
    before = next((line[4] for line in lines if line[0] < since), 0)
    assert found.year.at_hand == before + sum(line[2] for line in lately if line[1] == Cause.PURCHASE)
    assert found.year.used == -sum(line[2] for line in lately if line[1] == Cause.CHARGE)
    assert found.year.expired == -sum(line[2] for line in lately if line[1] == Cause.EXPIRY)
    year = found.year
    assert year.at_hand + year.credited - year.used - year.expired - year.taken == found.on_hand


@pytest.mark.rule("D6")
@pytest.mark.parametrize("seed", range(12))
def test_the_whole_statement_is_its_pages_the_other_way_round(cast: Cast, at: datetime, seed: int):
    end = ledger(cast.acme, seed, at=at)
    given(cast.other, 100, at=at)
    pages = statement(customer_id=cast.acme.pk, at=end, size=1_000).lines
    whole = list(every_line(customer_id=cast.acme.pk, at=end))
    assert [(line.at, line.points, line.balance, line.story) for line in whole] == [
        (line.at, line.points, line.balance, line.story) for line in reversed(pages)
    ]


@pytest.mark.rule("D1")
def test_what_expired_counts_as_expired_whether_a_job_ran_or_not(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    charged(cast.acme, 10, at=at + 2 * DAY)
    later = lot.expires_at + timedelta(hours=1)
    unwritten = told(cast.acme, at=later)
    services.write_expiries(at=later)
    written = told(cast.acme, at=later)
    for found in (unwritten, written):
        assert (found.on_hand, found.year.used, found.year.expired) == (0, 10, 20)
        assert found.year.last_expired_at == lot.expires_at
        assert [(life.state, life.points, life.ended) for life in found.lives] == [("expired", 20, lot.expires_at)]
        assert (found.next_points, found.next_ends, found.falls) == (0, None, ())
    assert unwritten.changes == written.changes


@pytest.mark.rule("D1", "D2")
def test_lots_that_end_at_one_instant_expire_together(cast: Cast, at: datetime):
    first, second = given(cast.acme, 3, at=at), given(cast.acme, 4, at=at)
    given(cast.acme, 5, at=at + DAY)
    found = told(cast.acme, at=at + DAY)
    assert (found.next_points, found.next_ends) == (7, first.expires_at)
    assert first.expires_at == second.expires_at


def test_a_lot_that_is_spent_ends_with_its_last_point(cast: Cast, at: datetime):
    given(cast.acme, 10, at=at)
    charged(cast.acme, 4, at=at + DAY)
    charged(cast.acme, 6, at=at + 2 * DAY)
    [life] = told(cast.acme, at=at + 3 * DAY).lives
    assert (life.state, life.points, life.began, life.ended, life.left) == ("spent", 10, at, at + 2 * DAY, 0)
    assert told(cast.acme, at=at + 300 * DAY).lives == (life,)
    # A year after its end it is no longer shown, but counted among the older ones.
    late = told(cast.acme, at=at + 368 * DAY)
    assert (late.lives, late.older_lots) == ((), 1)


@pytest.mark.rule("D3")
def test_a_credit_begins_when_it_was_given(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    (made,) = back(charged(cast.acme, 10, at=at), at=at + 100 * DAY)
    spent, credit = told(cast.acme, at=at + 101 * DAY).lives
    ends = at + 100 * DAY + (lot.expires_at - at)
    assert (credit.lot, credit.began, credit.ended, credit.state) == (made, at + 100 * DAY, ends, "left")
    assert spent.state == "spent"


def test_twelve_lots_are_shown_those_on_hand_first(cast: Cast, at: datetime):
    gone = [given(cast.acme, 1, at=at - n * DAY) for n in (380, 372, 370, 369)]
    here = [given(cast.acme, 2, at=at - n * DAY) for n in range(10)]
    found = told(cast.acme, at=at)
    lots = [life.lot for life in found.lives]
    assert lots == [*gone[2:], *reversed(here)]
    assert (found.later_lots, found.older_lots, len(lots)) == (0, 2, LOTS_SHOWN)
    more = [given(cast.acme, 2, at=at + n * DAY) for n in range(1, 6)]
    found = told(cast.acme, at=at + 5 * DAY)
    assert [life.lot for life in found.lives] == [*reversed(here), *more[:2]]
    assert (found.later_lots, found.older_lots) == (3, 4)
    assert found.falls[-1].at == more[-1].expires_at, "the balance counts those without a bar as well"


def test_what_happens_in_a_day_is_one_change(cast: Cast, at: datetime):
    given(cast.acme, 1_000, at=at - 3 * DAY)
    for n in range(40):
        charged(cast.acme, 1, at=at + n * timedelta(minutes=1))
    found = told(cast.acme, at=at + DAY)
    assert [change.points for change in found.changes] == [1_000, -40]
    assert found.changes[-1].at == at + timedelta(minutes=39)


def test_the_history_costs_the_same_for_one_line_and_for_many(cast: Cast, at: datetime):
    empty = queries(lambda: told(cast.acme, at=at))
    given(cast.acme, 1000, at=at - DAY)
    few = queries(lambda: told(cast.acme, at=at))
    for n in range(50):
        given(cast.acme, 1, at=at - n * DAY)
        charged(cast.acme, 1, at=at)
    assert queries(lambda: told(cast.acme, at=at)) == few == empty == 5


def test_the_whole_statement_is_one_query_that_is_fetched_piece_by_piece(cast: Cast, at: datetime):
    given(cast.acme, 1000, at=at)
    for _ in range(30):
        charged(cast.acme, 1, at=at)
    with CaptureQueriesContext(connection) as seen:
        assert sum(1 for _line in every_line(customer_id=cast.acme.pk, at=at)) == 31
    assert len(seen) <= 1, "a cursor on the server's side is not even captured"


@pytest.mark.parametrize("zone", ["Pacific/Apia", "Asia/Kathmandu", "America/New_York"])
def test_the_year_goes_by_the_customers_own_days(cast: Cast, at: datetime, zone: str):
    Customer.objects.filter(pk=cast.acme.pk).update(zone=zone)
    began = first_instant(date(2025, 12, 2), zone)
    now = datetime(2026, 12, 1, 12, tzinfo=UTC).replace(hour=11)
    given(cast.acme, 100, at=began - timedelta(days=2))
    charged(cast.acme, 3, at=year_began(at=now, zone=zone) - timedelta(microseconds=1))
    charged(cast.acme, 5, at=year_began(at=now, zone=zone))
    found = history(customer_id=cast.acme.pk, zone=zone, at=now)
    assert (found.year.used, found.year.at_hand) == (5, 97)
