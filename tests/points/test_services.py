"""Grants, charges and expiries: what they write, and that a refusal changes nothing (R2, R3, D1, D2, D6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from points import services, tasks
from points.models import Cause, Charge, Entry, Lot, Purchase
from points.queries import balance, charge_parts
from points.services import BadPoints, KeyReused, NotEnoughPoints, ReasonMissing
from supportdesk import clock
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.points.ledger import DAY, TICK, charged, credited, given, left, rows


@pytest.mark.rule("R2", "D1", "D32")
def test_a_grant_is_dated_by_the_customers_local_date(cast: Cast):
    at = datetime(2026, 11, 26, 4, 30, tzinfo=UTC)  # still the 25th in New York
    lot = services.grant(
        customer=cast.acme, points=30, at=at, reason=" INV-7 ", actor=cast.admin, key="k", kind="invoice",
        amount_minor=24_000, currency="EUR",
    )  # fmt: skip
    purchase = Purchase.objects.get()
    assert (purchase.bought_at, purchase.bought_on, purchase.zone) == (at, date(2026, 11, 25), "America/New_York")
    assert (purchase.kind, purchase.amount_minor, purchase.currency) == ("invoice", 24_000, "EUR")
    assert (purchase.reason, purchase.actor) == ("INV-7", cast.admin)
    assert (lot.purchase, lot.points, lot.remaining, lot.bought_at) == (purchase, 30, 30, at)
    assert lot.expires_at == datetime(2027, 11, 26, 5, tzinfo=UTC)
    entry = Entry.objects.get()
    assert (entry.lot, entry.cause, entry.points, entry.at, entry.actor) == (lot, "purchase", 30, at, cast.admin)


@pytest.mark.rule("D1")
def test_a_customer_that_moves_keeps_the_zone_of_the_purchase(cast: Cast, at: datetime):
    before = given(cast.acme, 10, at=at)
    cast.acme.zone = "Asia/Kolkata"
    cast.acme.save()
    after = given(cast.acme, 10, at=at)
    before.refresh_from_db()
    assert before.expires_at == datetime(2027, 12, 2, 5, tzinfo=UTC)
    assert after.expires_at == datetime(2027, 12, 1, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize("points", [0, -1, -5, POLICY.lot_points_max + 1])
def test_a_lot_has_a_sane_number_of_points(cast: Cast, at: datetime, points: int):
    with pytest.raises(BadPoints, match=f"between 1 and 100000 points, not {points}"):
        given(cast.acme, points, at=at)
    assert not any(rows().values())


@pytest.mark.parametrize("points", [1, POLICY.lot_points_max])
def test_the_limits_themselves_are_taken(cast: Cast, at: datetime, points: int):
    assert given(cast.acme, points, at=at).remaining == points


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_points_entered_by_hand_need_a_reason(cast: Cast, at: datetime, reason: str):
    with pytest.raises(ReasonMissing):
        given(cast.acme, 10, at=at, reason=reason)
    assert not any(rows().values())


def test_a_grant_sent_twice_is_one_lot(cast: Cast, at: datetime):
    first = given(cast.acme, 10, at=at, key_="one key")
    again = given(cast.acme, 10, at=at + timedelta(minutes=1), key_="one key", reason="For the test ")
    assert (again, again.expires_at, again.remaining) == (first, first.expires_at, 10)
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}


@pytest.mark.parametrize(
    "other",
    [
        {"points": 11},
        {"reason": "Another"},
        {"kind": "grant", "amount_minor": 0, "currency": ""},
        {"currency": "USD"},
        {"amount_minor": 501},
        {"customer": 1},
    ],
)
def test_a_key_does_not_serve_another_grant(cast: Cast, at: datetime, other: dict[str, Any]):
    paid = {"kind": "invoice", "amount_minor": 500, "currency": "EUR"}
    values: dict[str, Any] = {"customer": cast.acme, "points": 10, "reason": "Why", "actor": None, "at": at} | paid
    services.grant(**values, key="one key")
    if "customer" in other:
        other = {"customer": cast.other}
    with pytest.raises(KeyReused):
        services.grant(**values | other, key="one key")
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 0, "Entry": 1}


@pytest.mark.rule("R3", "D6")
def test_a_charge_writes_who_when_and_what_for(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    made = services.charge(
        customer_id=cast.acme.pk, points=10, channel="email", reference="1000143", at=at, actor=cast.technician, key="k"
    )
    made.refresh_from_db()
    assert (made.customer, made.points, made.channel, made.reference) == (cast.acme, 10, "email", "1000143")
    assert (made.charged_at, made.actor, made.key) == (at, cast.technician, "k")
    entry = made.entries.get()
    assert (entry.lot, entry.cause, entry.points, entry.at, entry.actor) == (lot, "charge", -10, at, cast.technician)
    assert left(lot) == [20]


@pytest.mark.rule("R2", "D2")
def test_five_in_january_bought_later_and_five_in_march_pay_before_december(cast: Cast):
    """The case "order": lots combine, the earliest expiry pays first."""
    march = given(cast.acme, 5, at=datetime(2026, 3, 1, 15, tzinfo=UTC))
    december = given(cast.acme, 30, at=datetime(2026, 12, 1, 15, tzinfo=UTC))
    now = datetime(2026, 12, 2, 15, tzinfo=UTC)
    january = credited(december, 5, at=now, expires_at=datetime(2027, 1, 15, tzinfo=UTC))
    made = charged(cast.acme, 10, at=now)
    assert [(part.lot, part.points) for part in charge_parts(charge_id=made.pk)] == [(january, 5), (march, 5)]
    assert left(january, march, december) == [0, 0, 30]


@pytest.mark.rule("R3", "D8")
def test_what_cannot_be_paid_changes_nothing_and_says_what_is_missing(cast: Cast, at: datetime):
    lots = [given(cast.acme, points, at=at) for points in (2, 2)]
    given(cast.other, 100, at=at)
    before = rows()
    with pytest.raises(NotEnoughPoints) as refused:
        charged(cast.acme, 10, at=at)
    assert (refused.value.needed, refused.value.on_hand) == (10, 4)
    assert (rows(), left(*lots)) == (before, [2, 2])


@pytest.mark.parametrize("points", [0, -10])
def test_a_charge_costs_something(cast: Cast, at: datetime, points: int):
    given(cast.acme, 10, at=at)
    with pytest.raises(ValueError, match="cannot be spent"):
        charged(cast.acme, points, at=at)
    assert Charge.objects.count() == 0


@pytest.mark.rule("D1")
def test_points_of_los_angeles_are_spent_through_their_last_day_and_no_job_is_needed(cast: Cast):
    """The case "expiry by the clock, in the zone"."""
    cast.acme.zone = "America/Los_Angeles"
    cast.acme.save()
    lot = given(cast.acme, 20, at=datetime(2026, 11, 26, 4, tzinfo=UTC))  # the 25th at 20:00
    end = datetime(2027, 11, 26, 8, tzinfo=UTC)
    charged(cast.acme, 10, at=end - timedelta(seconds=1))
    with pytest.raises(NotEnoughPoints) as refused:
        charged(cast.acme, 10, at=end)
    assert refused.value.on_hand == 0
    assert left(lot) == [10]
    assert balance(customer_id=cast.acme.pk, at=end) == 0


def test_a_charge_sent_twice_is_one_charge(cast: Cast, at: datetime):
    given(cast.acme, 30, at=at)
    first = charged(cast.acme, at=at, key_="one key")
    again = charged(cast.acme, at=at + timedelta(minutes=1), key_="one key")
    assert (again, again.charged_at) == (first, at)
    assert balance(customer_id=cast.acme.pk, at=at) == 20
    for customer, points, reference in ((cast.acme, 30, "100-4"), (cast.other, 10, "100-4"), (cast.acme, 10, "101-6")):
        with pytest.raises(KeyReused):
            charged(customer, points, at=at, key_="one key", reference=reference)
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 1, "Entry": 2}


@pytest.mark.rule("D8")
def test_a_key_is_known_again_when_the_points_are_gone(cast: Cast, at: datetime):
    """Sent twice, the second time to an empty account: the first charge, no refusal."""
    given(cast.acme, 10, at=at)
    first = charged(cast.acme, at=at, key_="one key")
    assert charged(cast.acme, at=at, key_="one key") == first
    with pytest.raises(KeyReused):
        charged(cast.acme, at=at, key_="one key", reference="101-6")
    with pytest.raises(KeyReused):
        charged(cast.other, at=at, key_="one key")
    with pytest.raises(NotEnoughPoints):
        charged(cast.acme, at=at, key_="another")
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 1, "Entry": 2}


@pytest.mark.rule("D2", "D6")
def test_what_a_charge_gives_is_what_the_database_has(cast: Cast, at: datetime):
    """Twelve lots pay: their entries are numbered in the order in which they were drawn on, and have their keys."""
    lots = [given(cast.acme, 1, at=at - n * DAY) for n in range(12)]
    made = charged(cast.acme, 11, at=at)
    fields = [field.attname for field in Charge._meta.concrete_fields]
    stored = Charge.objects.get()
    assert [getattr(made, name) for name in fields] == [getattr(stored, name) for name in fields]
    assert (made._state.adding, made._state.db) == (False, "default")
    entries = list(made.entries.order_by("pk"))
    assert [entry.lot_id for entry in entries] == [lot.pk for lot in reversed(lots[1:])]
    assert [entry.key for entry in entries] == [f"charge:{made.pk}:{entry.lot_id}" for entry in entries]
    assert {(entry.customer_id, entry.points, entry.at) for entry in entries} == {(cast.acme.pk, -1, at)}


def test_a_charge_goes_with_what_it_paid_for(cast: Cast, at: datetime):
    """It joins the caller's transaction: where that is rolled back, nothing was charged."""
    lot = given(cast.acme, 10, at=at)

    @transaction.atomic
    def fails_later() -> None:
        charged(cast.acme, at=at)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_later()
    assert (left(lot), Charge.objects.count()) == ([10], 0)


def test_the_customer_is_locked_before_anything_is_read(cast: Cast, at: datetime):
    given(cast.acme, 20, at=at)
    with CaptureQueriesContext(connection) as queries:
        charged(cast.acme, at=at)
    said = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert "FOR NO KEY UPDATE" in said[0]
    assert '"people_customer"' in said[0]
    # then the lots, and the charge with its entries: whatever their number, and no more where enough is left (D7)
    assert len(said) == 3


@pytest.mark.rule("D1", "D6")
def test_an_expiry_counts_at_its_instant_however_late_it_is_written(cast: Cast, at: datetime):
    lot, later = given(cast.acme, 20, at=at), given(cast.acme, 10, at=at + DAY)
    charged(cast.acme, 5, at=at)
    assert services.write_expiries(at=lot.expires_at - TICK) == 0
    assert services.write_expiries(at=lot.expires_at + timedelta(hours=9)) == 1
    entry = Entry.objects.get(cause=Cause.EXPIRY)
    assert (entry.lot, entry.points, entry.at, entry.actor) == (lot, -15, lot.expires_at, None)
    assert left(lot, later) == [0, 10]
    assert services.write_expiries(at=lot.expires_at + timedelta(hours=9)) == 0
    assert services.write_expiries(at=later.expires_at + 3 * DAY) == 1
    assert Entry.objects.get(cause=Cause.EXPIRY, lot=later).at == later.expires_at


@pytest.mark.rule("D1")
def test_expiries_are_written_some_at_a_time_the_oldest_first(cast: Cast, at: datetime):
    lots = [given(cast.acme, 1, at=at + DAY * n) for n in range(3)]
    spent = given(cast.acme, 10, at=at)
    charged(cast.acme, 11, at=at)  # takes the first of the three, too
    late = at + 800 * DAY
    assert [services.write_expiries(at=late, limit=1) for _ in range(3)] == [1, 1, 0]
    assert left(*lots, spent) == [0, 0, 0, 0]
    assert list(Entry.objects.filter(cause=Cause.EXPIRY).order_by("pk").values_list("lot", flat=True)) == [
        lots[1].pk, lots[2].pk,
    ]  # fmt: skip


@pytest.mark.rule("D1", "D40")
def test_the_task_reads_the_one_clock(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    with clock.set_to(lot.expires_at - TICK):
        assert tasks.write_expiries() == 0
    with clock.set_to(lot.expires_at):
        assert tasks.write_expiries() == 1
    assert Lot.objects.get().remaining == 0
