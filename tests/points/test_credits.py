"""A charge given back as points: by the service, and many at once (R14, D3, D4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from points import services
from points.giving_back import credit_parts, credit_preview, given_back
from points.models import Cause, Charge, Entry, GiveBack, Lot
from points.queries import balance, charge_parts, statement
from points.services import AlreadyGivenBack, KeyReused, NotLater, ReasonMissing
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, back, charged, checked, given, left, rows

pytestmark = pytest.mark.rule("R14", "D3", "D4")
MONTHS = 200 * DAY


@pytest.fixture
def lots(cast: Cast, at: datetime) -> list[Lot]:
    """Four points that end in 165 days, and thirty that end in a year."""
    return [given(cast.acme, 4, at=at - MONTHS), given(cast.acme, 30, at=at)]


@pytest.fixture
def charge(cast: Cast, lots: list[Lot], at: datetime) -> Charge:
    """Ten points: four of the first lot, six of the second."""
    return charged(cast.acme, at=at)


def test_every_leg_is_a_lot_with_its_provenance_and_the_life_it_had(
    cast: Cast, lots: list[Lot], charge: Charge, at: datetime
):
    found = at + MONTHS
    made = services.credit_back(charge_id=charge.pk, at=found, actor=cast.admin, key="k", reason=" QM-1 ")
    assert [(lot.points, lot.remaining, lot.from_lot) for lot in made] == [(4, 4, lots[0]), (6, 6, lots[1])]
    for lot, source in zip(made, lots, strict=True):
        assert lot.expires_at - found == source.expires_at - charge.charged_at
        assert (lot.origin, lot.from_charge, lot.purchase) == ("credit", charge, source.purchase)
        assert (lot.bought_at, lot.customer) == (source.bought_at, cast.acme)
        entry = lot.entries.get()
        assert (entry.cause, entry.charge, entry.points, entry.at) == (Cause.CREDIT, charge, lot.points, found)
        assert entry.actor == cast.admin
    done = given_back(charge_id=charge.pk)
    assert done is not None
    assert (done.means, done.at, done.actor, done.reason, done.expires_at) == (
        "points",
        found,
        cast.admin,
        "QM-1",
        None,
    )
    assert "nothing differs" in checked()


def test_points_of_lots_that_have_expired_meanwhile_come_back_alive(cast: Cast, charge: Charge, at: datetime):
    """Both lots are over, and the points are worth what they were worth when they were spent."""
    late = at + 500 * DAY
    services.write_expiries(at=late)
    assert balance(customer_id=cast.acme.pk, at=late) == 0
    back(charge, at=late)
    assert balance(customer_id=cast.acme.pk, at=late) == charge.points
    assert balance(customer_id=cast.acme.pk, at=late + 164 * DAY) == 10
    assert balance(customer_id=cast.acme.pk, at=late + 166 * DAY) == 6
    assert "nothing differs" in checked()


def test_a_second_try_says_when_and_by_whom_and_changes_nothing(cast: Cast, charge: Charge, at: datetime):
    services.credit_back(charge_id=charge.pk, at=at + DAY, actor=cast.admin, key="first", reason="A bug")
    before, whole = rows(), balance(customer_id=cast.acme.pk, at=at + 2 * DAY)
    with pytest.raises(AlreadyGivenBack) as refused:
        services.credit_back(charge_id=charge.pk, at=at + 2 * DAY, actor=None, key="second", reason="Again")
    assert (refused.value.when, refused.value.by) == (at + DAY, cast.admin)
    assert (rows(), balance(customer_id=cast.acme.pk, at=at + 2 * DAY)) == (before, whole)
    assert GiveBack.objects.count() == 1


def test_the_same_key_gives_the_same_result_and_with_other_content_is_refused(cast: Cast, charge: Charge, at: datetime):
    first = back(charge, at=at, key_="k")
    assert back(charge, at=at + DAY, key_="k") == first
    given(cast.acme, 10, at=at)
    other = charged(cast.acme, at=at)
    for again in (
        partial(back, charge, key_="k", reason="Another"),
        partial(back, charge, key_="k", until=at + 900 * DAY),
        partial(back, other, key_="k"),
    ):
        before = rows()
        with pytest.raises(KeyReused):
            again(at=at + DAY)
        assert rows() == before


def test_a_later_end_is_granted_with_its_reason(cast: Cast, lots: list[Lot], charge: Charge, at: datetime):
    until = at + 300 * DAY
    made = back(charge, at=at, until=until, reason="For the wait")
    assert [lot.expires_at for lot in made] == [until, lots[1].expires_at]
    assert GiveBack.objects.get().expires_at == until
    assert "nothing differs" in checked()


def test_what_is_refused_changes_nothing(cast: Cast, charge: Charge, at: datetime):
    before = rows()
    with pytest.raises(ReasonMissing):
        back(charge, at=at, reason=" ")
    with pytest.raises(NotLater):
        back(charge, at=at, until=at + DAY)
    with pytest.raises(ValueError, match="before it was made"):
        back(charge, at=at - timedelta(seconds=1))
    with pytest.raises(Charge.DoesNotExist):
        services.credit_back(charge_id=4_000_000, at=at, actor=None, key="k", reason="A bug")
    assert (rows(), GiveBack.objects.count()) == (before, 0)


def test_a_credit_is_spent_and_given_back_like_any_lot(cast: Cast, lots: list[Lot], charge: Charge, at: datetime):
    """A charge that a credit paid: its credit still names the purchase that was paid for once."""
    (first, _second) = back(charge, at=at + DAY)
    again = charged(cast.acme, 5, at=at + DAY)
    part = charge_parts(charge_id=again.pk)[0]
    assert (part.lot, part.points) == (first, 4)
    twice = back(again, at=at + MONTHS)
    assert twice[0].from_lot == first
    assert twice[0].purchase == lots[0].purchase
    assert twice[0].expires_at - (at + MONTHS) == first.expires_at - (at + DAY)
    assert "nothing differs" in checked()


def test_the_preview_is_what_comes(cast: Cast, lots: list[Lot], charge: Charge, at: datetime):
    with CaptureQueriesContext(connection) as asked:
        shown = credit_preview(charge=charge, at=at + MONTHS)
    assert len(asked) == 2
    back(charge, at=at + MONTHS)
    assert credit_parts(charge_id=charge.pk) == shown
    later = credit_preview(charge=charge, at=at, later=at + 900 * DAY)
    assert {part.expires_at for part in later} == {at + 900 * DAY}
    with pytest.raises(NotLater):
        credit_preview(charge=charge, at=at, later=at)


def test_the_statement_tells_the_credit_with_its_ticket_number(cast: Cast, charge: Charge, at: datetime):
    back(charge, at=at + DAY)
    lines = statement(customer_id=cast.acme.pk, at=at + DAY).lines
    assert [(line.cause, line.points, line.reference) for line in lines[:2]] == [
        ("credit", 6, "100-4"),
        ("credit", 4, "100-4"),
    ]
    assert lines[0].balance == 34


def test_ten_at_once_give_back_once(committed_cast: Cast, at: datetime):
    given(committed_cast.acme, 4, at=at - MONTHS)
    given(committed_cast.acme, 30, at=at)
    charge = charged(committed_cast.acme, at=at)
    done = at_once(*[partial(back, charge, at=at) for _ in range(10)], checked)
    assert sorted(type(result).__name__ for result in done[:10]) == ["AlreadyGivenBack"] * 9 + ["list"]
    assert "nothing differs" in done[10]
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 34
    assert (GiveBack.objects.count(), Entry.objects.filter(cause="credit").count()) == (1, 2)


def test_one_key_at_once_is_one_result(committed_cast: Cast, at: datetime):
    lot = given(committed_cast.acme, 30, at=at)
    charge = charged(committed_cast.acme, at=at)
    done = at_once(*[partial(back, charge, at=at, key_="one key") for _ in range(6)])
    assert done == [[Lot.objects.get(origin="credit")]] * 6
    assert left(lot) == [20]


def test_even_past_the_services_lock_a_charge_is_given_back_once(
    committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    given(committed_cast.acme, 30, at=at)
    charge = charged(committed_cast.acme, at=at)
    monkeypatch.setattr(services, "lock_customer", lambda _pk: committed_cast.acme)
    done = at_once(*[partial(back, charge, at=at) for _ in range(6)])
    assert sum(isinstance(result, list) for result in done) == 1
    assert sum(isinstance(result, IntegrityError | AlreadyGivenBack) for result in done) == 5
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 30
    assert "nothing differs" in checked()
