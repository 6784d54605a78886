"""What pages ask of the ledger: right at any instant, and the same work however long the history (D1, D2, D6)."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points import services
from points.access import holders_for
from points.models import Cause, Entry, Lot
from points.queries import balance, balances, charge_parts, lots_on_hand, quote, statement
from supportdesk.people.models import Customer
from supportdesk.people.scope import NOBODY, scope_of
from tests.cast import Cast
from tests.points.ledger import DAY, TICK, charged, credited, given

Row = tuple[datetime, str, int, int, int]


def queries(work) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def ledger(customer: Customer, seed: int, *, at: datetime) -> datetime:
    """A history made by chance: purchases, charges, credits, expiries written late or not at all. Gives its end."""
    chance, now = random.Random(seed), at
    for _ in range(30):
        now += chance.choice([0, 0, 1, 40, 90]) * DAY
        on_hand = balance(customer_id=customer.pk, at=now)
        act = chance.random()
        if act < 0.4:
            lot = given(customer, chance.randint(1, 30), at=now)
            if chance.random() < 0.3:
                credited(lot, 5, at=now, expires_at=now + chance.choice([1, 40]) * DAY)
        elif act < 0.85 and on_hand:
            charged(customer, chance.randint(1, on_hand), at=now)
        elif act >= 0.85:
            services.write_expiries(at=now, limit=1)
    return now + chance.choice([0, 100, 500]) * DAY


def twin(customer: Customer, *, at: datetime) -> list[Row]:
    """The whole statement, added up from the first line on."""
    lines = [(e.at, e.pk, e.cause, e.points, e.lot_id) for e in Entry.objects.filter(customer=customer)]
    for lot in Lot.objects.filter(customer=customer, remaining__gt=0, expires_at__lte=at):
        lines.append((lot.expires_at, 0, Cause.EXPIRY.value, -lot.remaining, lot.pk))
    total, found = 0, []
    for when, _pk, cause, points, lot_id in sorted(lines, key=lambda line: (line[0], line[1], line[4])):
        total += points
        found.append((when, cause, points, lot_id, total))
    return found[::-1]


@pytest.mark.rule("D1", "D6")
@pytest.mark.parametrize("seed", range(12))
def test_a_statement_is_what_adding_up_line_by_line_gives_whatever_the_size_of_its_pages(cast, at, seed):
    end = ledger(cast.acme, seed, at=at)
    given(cast.other, 100, at=at)
    expected = twin(cast.acme, at=end)
    assert expected[0][4] == balance(customer_id=cast.acme.pk, at=end)
    for size in (1, 2, 3, 7, 100):
        found: list[Row] = []
        for page in range(1, len(expected) + 2):
            shown = statement(customer_id=cast.acme.pk, at=end, page=page, size=size)
            found += [(line.at, line.cause.value, line.points, line.lot.pk, line.balance) for line in shown.lines]
            if not shown.more:
                break
        assert found == expected


def test_a_statement_names_the_ticket_and_ends(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    charged(cast.acme, at=at, reference="1000143")
    shown = statement(customer_id=cast.acme.pk, at=at)
    assert [(line.cause, line.points, line.reference, line.balance, line.lot) for line in shown.lines] == [
        (Cause.CHARGE, -10, "1000143", 20, lot),
        (Cause.PURCHASE, 30, "", 30, lot),
    ]
    assert shown.more is False
    assert statement(customer_id=cast.acme.pk, at=at, page=2).lines == ()
    assert statement(customer_id=cast.other.pk, at=at).lines == ()


@pytest.mark.parametrize("page", [1, 2])
def test_a_statement_costs_the_same_for_one_line_and_for_fifty(cast: Cast, at: datetime, page: int):
    def ask() -> list[str]:
        shown = statement(customer_id=cast.acme.pk, at=at, page=page, size=25)
        return [f"{line.reference} {line.lot.bought_at}" for line in shown.lines]

    given(cast.acme, 1000, at=at - DAY)
    for _ in range(25 * (page - 1) + 1):
        charged(cast.acme, 1, at=at)
    few = queries(ask)
    for _ in range(50):
        charged(cast.acme, 1, at=at)
    assert queries(ask) == few
    assert len(ask()) == 25


@pytest.mark.rule("R2", "D1")
def test_points_count_until_their_instant_whether_a_job_ran_or_not(cast: Cast, at: datetime):
    first, second = given(cast.acme, 10, at=at), given(cast.acme, 20, at=at + DAY)
    for when, expected in ((first.expires_at - TICK, 30), (first.expires_at, 20), (second.expires_at, 0)):
        assert balance(customer_id=cast.acme.pk, at=when) == expected
        assert sum(lot.remaining for lot in lots_on_hand(customer_id=cast.acme.pk, at=when)) == expected
        assert balances([cast.acme.pk, cast.other.pk], at=when) == ({cast.acme.pk: expected} if expected else {})
    services.write_expiries(at=first.expires_at)
    assert balance(customer_id=cast.acme.pk, at=first.expires_at) == 20


@pytest.mark.rule("R3", "D2")
def test_a_quote_says_what_the_charge_then_does(cast: Cast, at: datetime):
    later = given(cast.acme, 30, at=at)
    sooner = given(cast.acme, 4, at=at - 100 * DAY)
    offer = quote(customer_id=cast.acme.pk, points=10, at=at)
    assert (offer.cost, offer.on_hand, offer.left, offer.short_by) == (10, 34, 24, 0)
    assert [(part.lot, part.points) for part in offer.parts] == [(sooner, 4), (later, 6)]
    assert Entry.objects.count() == 2
    made = charged(cast.acme, at=at)
    assert [(part.lot, part.points) for part in charge_parts(charge_id=made.pk)] == [(sooner, 4), (later, 6)]
    again = quote(customer_id=cast.acme.pk, points=10, at=at)
    assert [replace(part, lot=later) for part in again.parts] == [replace(offer.parts[0], lot=later, points=10)]


@pytest.mark.rule("R3", "D8")
def test_a_quote_that_cannot_be_paid_says_what_is_missing(cast: Cast, at: datetime):
    given(cast.acme, 4, at=at)
    offer = quote(customer_id=cast.acme.pk, points=10, at=at)
    assert (offer.parts, offer.short_by, offer.on_hand, offer.left) == ((), 6, 4, -6)


def test_questions_are_one_query_each_whatever_the_history(cast: Cast, at: datetime):
    for lots in (1, 20):
        for _ in range(lots):
            given(cast.acme, 50, at=at)
            made = charged(cast.acme, 45, at=at)
        asked = [
            queries(lambda: balance(customer_id=cast.acme.pk, at=at)),
            queries(lambda: balances([cast.acme.pk, cast.other.pk], at=at)),
            queries(lambda: quote(customer_id=cast.acme.pk, points=10, at=at)),
            queries(lambda pk=made.pk: [part.lot.bought_at for part in charge_parts(charge_id=pk)]),
        ]
        assert asked == [1, 1, 1, 1]


@pytest.mark.rule("D21", "D22")
def test_whose_points_somebody_sees(cast: Cast):
    def seen(user) -> set[Customer]:
        return set(holders_for(scope_of(user)))

    assert seen(cast.owner.user) == {cast.acme}
    assert seen(cast.restricted.user) == set()
    assert seen(cast.stranger.user) == {cast.other}
    assert seen(cast.technician) == seen(cast.admin) == {cast.acme, cast.other}
    assert set(holders_for(NOBODY)) == set()


def test_a_page_past_the_end_is_empty(cast: Cast, at: datetime):
    given(cast.acme, 10, at=at - timedelta(days=400))  # expired, and not written
    assert len(statement(customer_id=cast.acme.pk, at=at, page=1, size=1).lines) == 2
    assert statement(customer_id=cast.acme.pk, at=at, page=2, size=1).lines == ()
