"""Points whose money went back otherwise: held, released, written off (D7, D32)."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from points.hold_services import Claim, held_points, place_hold
from points.models import Entry, Hold, HoldDecision, HoldNews, Lot, LowBalance
from points.queries import balance, statement
from points.refusals import AlreadyDecided, KeyReused, NotEnoughPoints, ReasonMissing
from points.services import write_expiries
from points.warning_services import _warn, tell_of_hold, warn_of_expiries
from points.warnings import due_at
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, TICK, back, bought, charged, checked, decided, given, left, on_hold

pytestmark = pytest.mark.rule("D32")


@pytest.fixture
def lot(cast: Cast, at: datetime) -> Lot:
    return bought(cast.acme, at=at)


def mails() -> list[str]:
    """What the customer was told, but for the purchases."""
    found = OutgoingMail.objects.exclude(kind="points_bought").order_by("pk").values_list("kind", flat=True)
    return [kind.removeprefix("points_") for kind in found]


def test_points_on_hold_stay_in_sight_and_are_not_spent(cast: Cast, lot: Lot, at: datetime):
    given(cast.acme, 5, at=at)
    charged(cast.acme, 10, at=at)
    on_hold(lot, at=at + DAY)
    acme = cast.acme.pk
    assert (balance(customer_id=acme, at=at + DAY), held_points(customer_id=acme, at=at + DAY)) == (5, 20)
    with pytest.raises(NotEnoughPoints) as refused:
        charged(cast.acme, 10, at=at + DAY)
    assert refused.value.on_hand == 5
    assert statement(customer_id=acme, at=at + DAY).lines[0].balance == 25
    assert held_points(customer_id=acme, at=lot.expires_at - TICK) == 20
    assert held_points(customer_id=acme, at=lot.expires_at) == 0
    assert "nothing differs" in checked()


def test_one_claim_is_one_hold_and_its_news_are_kept_once(lot: Lot, at: datetime):
    hold = on_hold(lot, at=at)
    for status in ("needs_response", "lost", "lost"):
        claim = Claim(
            kind=Hold.Kind(hold.kind),
            provider_ref=hold.provider_ref,
            amount_minor=24000,
            currency="EUR",
            reason="",
            status=status,
            happened_at=at,
        )
        assert place_hold(purchase_id=lot.purchase_id, claim=claim, at=at + DAY) is None
    assert list(HoldNews.objects.values_list("status", flat=True)) == ["needs_response", "lost"]
    assert Hold.objects.count() == 1


def test_released_points_are_spent_as_ever(cast: Cast, lot: Lot, at: datetime):
    decided(on_hold(lot, at=at), "released", by=cast.admin, at=at + DAY)
    assert charged(cast.acme, 30, at=at + DAY).points == 30
    assert left(lot) == [0]
    assert mails() == ["held", "low", "hold_decided", "low"]


def test_written_off_points_are_gone_by_an_entry_of_the_admins(cast: Cast, lot: Lot, at: datetime):
    charged(cast.acme, 10, at=at)
    made = decided(on_hold(lot, at=at), "written_off", by=cast.admin, at=at + DAY, reason=" Fraud ")
    entry = Entry.objects.get(cause="writeoff")
    assert (entry.points, entry.at, entry.actor, entry.lot) == (-20, at + DAY, cast.admin, lot)
    assert (made.points, made.reason, made.outcome) == (20, "Fraud", "written_off")
    lot.refresh_from_db()
    assert (lot.remaining, lot.held) == (0, False)
    assert statement(customer_id=cast.acme.pk, at=at + DAY).lines[0].balance == 0
    assert write_expiries(at=lot.expires_at) == 0
    assert "nothing differs" in checked()


def test_the_credits_of_its_charges_are_held_with_it(cast: Cast, lot: Lot, at: datetime):
    """Also those that come while it is on hold; other lots are not."""
    before, meanwhile = charged(cast.acme, 5, at=at), charged(cast.acme, 7, at=at)
    other = bought(cast.acme, at=at)
    back(before, at=at)
    hold = on_hold(lot, at=at)
    back(meanwhile, at=at)
    assert held_points(customer_id=cast.acme.pk, at=at) == 30
    assert balance(customer_id=cast.acme.pk, at=at) == 30
    assert decided(hold, "written_off", by=cast.admin, at=at).points == 30
    assert left(lot, other) == [0, 30]
    assert "nothing differs" in checked()


def test_two_holds_on_one_purchase_free_it_when_both_are_released(cast: Cast, lot: Lot, at: datetime):
    """The first release frees nothing, and tells nobody that it did."""
    first, second = on_hold(lot, at=at), on_hold(lot, at=at, kind="refund")
    assert mails() == ["held", "low"]
    decided(first, "released", by=cast.admin, at=at)
    assert (held_points(customer_id=cast.acme.pk, at=at), mails()) == (30, ["held", "low"])
    decided(second, "released", by=cast.admin, at=at)
    assert (balance(customer_id=cast.acme.pk, at=at), mails()) == (30, ["held", "low", "hold_decided"])


def test_what_one_hold_wrote_off_the_other_has_not(cast: Cast, lot: Lot, at: datetime):
    first, second = on_hold(lot, at=at), on_hold(lot, at=at)
    assert decided(first, "written_off", by=cast.admin, at=at).points == 30
    assert decided(second, "written_off", by=cast.admin, at=at).points == 0
    assert mails() == ["held", "low", "hold_decided"]
    assert "nothing differs" in checked()


def test_a_hold_with_nothing_left_is_kept_and_tells_nobody(cast: Cast, lot: Lot, at: datetime):
    """The customer spent it all; what they still may be given back is held."""
    charge = charged(cast.acme, 30, at=at)
    told = mails()
    hold = on_hold(lot, at=at)
    assert mails() == told
    back(charge, at=at)
    assert (balance(customer_id=cast.acme.pk, at=at), held_points(customer_id=cast.acme.pk, at=at)) == (0, 30)
    assert decided(hold, "released", by=cast.admin, at=at).points == 30
    assert balance(customer_id=cast.acme.pk, at=at) == 30


@pytest.mark.rule("D1")
@pytest.mark.parametrize("outcome", ["released", "written_off"])
def test_what_expires_on_hold_is_expired(cast: Cast, lot: Lot, at: datetime, outcome: str):
    """At the very instant there is nothing left to write off, whether the job has run or not."""
    hold = on_hold(lot, at=at)
    assert decided(hold, outcome, by=cast.admin, at=lot.expires_at).points == 0
    assert write_expiries(at=lot.expires_at) == 1
    assert list(Entry.objects.values_list("cause", flat=True).order_by("pk")) == ["purchase", "expiry"]
    assert statement(customer_id=cast.acme.pk, at=lot.expires_at).lines[0].balance == 0
    assert "nothing differs" in checked()


def test_a_tick_before_it_expires_it_is_written_off(cast: Cast, lot: Lot, at: datetime):
    hold = on_hold(lot, at=at)
    assert decided(hold, "written_off", by=cast.admin, at=lot.expires_at - TICK).points == 30
    assert write_expiries(at=lot.expires_at) == 0


def test_a_hold_is_decided_once_and_the_other_is_told_by_whom(cast: Cast, lot: Lot, at: datetime):
    hold = on_hold(lot, at=at)
    first = decided(hold, "released", by=cast.admin, at=at, key_="k")
    assert decided(hold, "released", by=cast.admin, at=at + DAY, key_="k") == first
    with pytest.raises(KeyReused):
        decided(hold, "written_off", by=cast.admin, at=at, key_="k")
    with pytest.raises(AlreadyDecided) as refused:
        decided(hold, "written_off", by=cast.technician, at=at)
    assert (refused.value.by, refused.value.when, refused.value.outcome) == (cast.admin, at, "released")
    with pytest.raises(KeyReused):
        decided(on_hold(lot, at=at), "released", by=cast.admin, at=at, key_="k")
    with pytest.raises(ReasonMissing):
        decided(on_hold(lot, at=at), "released", by=cast.admin, at=at, reason=" ")
    assert HoldDecision.objects.count() == 1


# Told


@pytest.mark.rule("D7")
def test_a_hold_is_a_fall_where_too_little_is_left(cast: Cast, lot: Lot, at: datetime):
    given(cast.acme, 9, at=at)
    on_hold(lot, at=at + DAY)
    mark = LowBalance.objects.get()
    assert (mark.fell_at, mark.on_hand, mark.charge) == (at + DAY, 9, None)
    assert mails() == ["held", "low"]


@pytest.mark.rule("D7")
def test_a_hold_that_leaves_enough_is_none(cast: Cast, lot: Lot, at: datetime):
    given(cast.acme, 10, at=at)
    on_hold(lot, at=at)
    assert mails() == ["held"]


@pytest.mark.rule("D7")
def test_an_expiry_and_a_hold_at_one_instant_are_told_once(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    now = lot.expires_at
    write_expiries(at=now)
    held = bought(cast.acme, at=now)
    on_hold(held, at=now)
    assert LowBalance.objects.count() == 1
    tell_of_hold(customer=cast.acme, before=30, after=0, at=now + DAY)
    assert LowBalance.objects.count() == 2


@pytest.mark.rule("D7")
def test_points_on_hold_are_not_warned_of_until_they_are_free(cast: Cast, lot: Lot, at: datetime):
    hold = on_hold(lot, at=at)
    due = due_at(expires_at=lot.expires_at, zone=lot.purchase.zone, days=30)
    assert warn_of_expiries(at=due) == 0
    assert not _warn(lot.pk, cast.acme.pk, at=due), "nor where the hold came between looking and warning"
    decided(hold, "released", by=cast.admin, at=due + DAY)
    assert warn_of_expiries(at=due + DAY) == 1


# At once


def test_a_hold_and_charges_at_once_agree(committed_cast: Cast, at: datetime):
    lot = bought(committed_cast.acme, at=at)
    done = at_once(partial(on_hold, lot, at=at), *[partial(charged, committed_cast.acme, 5, at=at) for _ in range(6)])
    assert isinstance(done[0], Hold)
    paid = sum(not isinstance(result, NotEnoughPoints) for result in done[1:])
    assert left(lot) == [30 - 5 * paid]
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 0
    assert "nothing differs" in checked()


def test_two_admins_at_once_are_one_decision(committed_cast: Cast, at: datetime):
    lot = bought(committed_cast.acme, at=at)
    hold = on_hold(lot, at=at)
    works = [partial(decided, hold, outcome, by=committed_cast.admin, at=at) for outcome in ("released", "written_off")]
    done = at_once(*works * 4)
    assert sum(isinstance(result, HoldDecision) for result in done) == 1
    assert sum(isinstance(result, AlreadyDecided) for result in done) == 7
    assert left(lot) == [30 if HoldDecision.objects.get().outcome == "released" else 0]
    assert "nothing differs" in checked()


def test_the_customers_row_is_locked_first(cast: Cast, lot: Lot, at: datetime):
    with CaptureQueriesContext(connection) as asked:
        hold = on_hold(lot, at=at)
        decided(hold, "written_off", by=cast.admin, at=at)
    writes = [query["sql"] for query in asked if "FOR NO KEY UPDATE" in query["sql"] or "INSERT" in query["sql"]]
    assert 'FROM "people_customer"' in writes[0]
    place = next(n for n, statement in enumerate(writes) if "points_holddecision" in statement)
    locks = [n for n, statement in enumerate(writes) if 'FROM "people_customer"' in statement]
    assert len(locks) == 2
    assert locks[1] < place
