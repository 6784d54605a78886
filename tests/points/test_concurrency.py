"""Many at once: nothing is spent twice, written twice or lost (R3, D1, D6)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from points import services
from points.models import Charge, Entry, Lot
from points.queries import balance, statement
from points.services import KeyReused, NotEnoughPoints
from points.spending import LotState, plan_spending
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, TICK, charged, checked, given, left, rows, sql


@pytest.mark.rule("R3", "D2")
def test_thirty_two_at_once_on_points_for_seven_are_seven_charges(committed_cast: Cast, at: datetime):
    """Five lots of uneven size; the checker, run amid them, sees no half of a charge."""
    lots = [given(committed_cast.acme, points, at=at - n * DAY) for n, points in enumerate((7, 38, 1, 24, 6))]
    charges = [partial(charged, committed_cast.acme, 10, at=at) for _ in range(32)]
    done = at_once(*charges, *[checked] * 2)
    paid = [result for result in done if isinstance(result, Charge)]
    assert [result.on_hand for result in done if isinstance(result, NotEnoughPoints)] == [6] * 25
    assert (len(paid), len({charge.pk for charge in paid}), Charge.objects.count()) == (7, 7, 7)
    assert ["nothing differs" in result for result in done[32:]] == [True, True]
    assert (balance(customer_id=committed_cast.acme.pk, at=at), left(lots[0])) == (6, [6])
    assert "nothing differs" in checked()


@pytest.mark.rule("R3")
def test_even_past_the_services_lock_the_database_lets_nobody_overspend(
    committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Every thread sees ten points on hand and plans with them; the lot's row decides."""
    lot = given(committed_cast.acme, 10, at=at)
    state = LotState(id=lot.pk, remaining=10, expires_at=lot.expires_at, bought_at=lot.bought_at)
    plan = plan_spending(lots=[state], points=10, at=at)
    monkeypatch.setattr(services, "lock_customer", lambda _pk: committed_cast.acme)
    monkeypatch.setattr(services, "plan_spending", lambda **_given: plan)
    done = at_once(*[partial(charged, committed_cast.acme, 10, at=at) for _ in range(8)])
    assert sorted(type(result).__name__ for result in done) == ["Charge", *["IntegrityError"] * 7]
    assert (left(lot), Charge.objects.count(), Entry.objects.count()) == ([0], 1, 2)
    assert "nothing differs" in checked()


@pytest.mark.rule("R3")
def test_one_key_from_sixteen_is_one_charge_and_one_lot(committed_cast: Cast, at: datetime):
    lots = at_once(*[partial(given, committed_cast.acme, 30, at=at, key_="one key")] * 16)
    assert lots == [Lot.objects.get()] * 16
    charges = at_once(*[partial(charged, committed_cast.acme, at=at, key_="one key")] * 16)
    assert charges == [Charge.objects.get()] * 16
    assert rows() == {"Purchase": 1, "Lot": 1, "Charge": 1, "Entry": 2}
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 20


def test_one_key_at_once_with_other_content_is_refused(committed_cast: Cast, at: datetime):
    given(committed_cast.acme, 100, at=at)
    given(committed_cast.other, 100, at=at)
    works = [partial(charged, committed_cast.acme, points, at=at, key_="one key") for points in (10, 20)]
    done = at_once(*works)
    assert sorted(type(result).__name__ for result in done) == ["Charge", KeyReused.__name__]
    assert Charge.objects.count() == 1


def test_one_key_of_two_customers_at_once_is_refused_to_one(committed_cast: Cast, at: datetime):
    """Two customers have two locks: the key itself decides."""
    both = (committed_cast.acme, committed_cast.other)
    for customer in both:
        given(customer, 100, at=at)
    charges = at_once(*[partial(charged, customer, at=at, key_="one key") for customer in both * 4])
    grants = at_once(*[partial(given, customer, 5, at=at, key_="one key") for customer in both * 4])
    assert sorted(type(result).__name__ for result in charges) == ["Charge"] * 4 + ["KeyReused"] * 4
    assert sum(isinstance(result, Lot) for result in grants) == 4
    assert sum(isinstance(result, KeyReused | IntegrityError) for result in grants) == 4
    assert rows() == {"Purchase": 3, "Lot": 3, "Charge": 1, "Entry": 4}


def test_a_key_waits_for_another_customers_charge_to_end(committed_cast: Cast, at: datetime):
    """The first one holds the key and is undone: the second one waited, and is charged."""
    for customer in (committed_cast.acme, committed_cast.other):
        given(customer, 10, at=at)
    holds = threading.Event()

    @transaction.atomic
    def undone() -> None:
        charged(committed_cast.acme, at=at, key_="one key")
        holds.set()
        _until_somebody_waits()
        raise ZeroDivisionError

    def after() -> Charge:
        assert holds.wait(20)
        return charged(committed_cast.other, at=at, key_="one key")

    first, second = at_once(undone, after)
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, Charge)
    assert (second.customer_id, Charge.objects.get()) == (committed_cast.other.pk, second)
    assert "nothing differs" in checked()


def _until_somebody_waits() -> None:
    for _ in range(2_000):
        ((waiting,),) = sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
        if waiting:
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits for the key")


@pytest.mark.rule("D1", "D6")
def test_two_runs_write_each_expiry_once(committed_cast: Cast, at: datetime):
    lots = [given(committed_cast.acme, 10, at=at) for _ in range(5)]
    late = lots[0].expires_at
    assert sum(at_once(*[partial(services.write_expiries, at=late)] * 4)) == 5
    assert left(*lots) == [0] * 5
    assert Entry.objects.filter(cause="expiry").count() == 5
    assert "nothing differs" in checked()


@pytest.mark.rule("D1", "D6")
def test_after_three_days_without_it_two_beats_at_once_write_what_was_missed(committed_cast: Cast, at: datetime):
    """Nobody noticed: what expired was not spent meanwhile, and the statement is the same before and after."""
    acme = committed_cast.acme
    lots = [given(acme, 10, at=at + n * DAY) for n in range(5)]
    given(committed_cast.other, 7, at=at)
    late = lots[0].expires_at + 3 * DAY + TICK
    assert charged(acme, 10, at=late).entries.get().lot == lots[4]
    before = statement(customer_id=acme.pk, at=late)
    assert sum(at_once(*[partial(services.write_expiries, at=late)] * 2)) == 5
    after = statement(customer_id=acme.pk, at=late)
    assert [(line.at, line.cause, line.points, line.balance) for line in after.lines] == [
        (line.at, line.cause, line.points, line.balance) for line in before.lines
    ]
    assert set(Entry.objects.filter(cause="expiry", customer=acme).values_list("at", flat=True)) == {
        lot.expires_at for lot in lots[:4]
    }
    assert "nothing differs" in checked()


@pytest.mark.rule("R3", "D1")
@pytest.mark.parametrize("attempt", range(3))
def test_charges_and_expiries_around_the_instant_agree(committed_cast: Cast, at: datetime, attempt: int):
    """Whoever is first, points go once; and at the instant itself nobody spends any."""
    lots = [given(committed_cast.acme, 5, at=at) for _ in range(5)]
    end = lots[0].expires_at
    before, after = partial(charged, committed_cast.acme, at=end - TICK), partial(charged, committed_cast.acme, at=end)
    works: list[Callable[[], object]] = [before, partial(services.write_expiries, at=end), after]
    done = at_once(*works * 4)
    paid = sum(isinstance(result, Charge) for result in done[0::3])
    assert [type(result) for result in done[2::3]] == [NotEnoughPoints] * 4
    assert not [result for result in done if not isinstance(result, Charge | int | NotEnoughPoints)]
    expired = -sum(Entry.objects.filter(cause="expiry").values_list("points", flat=True))
    assert 10 * paid + expired == 25
    assert left(*lots) == [0] * 5
    assert "nothing differs" in checked()
