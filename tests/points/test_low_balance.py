"""A balance that falls under the price of an incident is told of once a fall, whatever it fell by (D7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from points import services
from points.models import LowBalance
from points.queries import balance, balance_around
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, Customer, Edition
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, charged, given

pytestmark = pytest.mark.rule("D7")


def told(kind: str = "points_expiring") -> list[str]:
    """To whom mails of that kind go, in order."""
    return list(OutgoingMail.objects.filter(kind=kind).order_by("pk").values_list("to_address", flat=True))


def queries(work: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def low() -> list[str]:
    """To whom mails of too few points go."""
    return told("points_low")


def test_a_fall_is_told_once_and_again_only_after_it_was_enough(cast: Cast, at: datetime):
    given(cast.acme, 25, at=at)
    charged(cast.acme, at=at)
    assert low() == []
    charged(cast.acme, at=at + DAY)  # 15 → 5
    assert low() == ["olive@acme.example"]
    charged(cast.acme, 1, at=at + DAY)
    given(cast.acme, 5, at=at + 2 * DAY)  # 9: still too little
    charged(cast.acme, 1, at=at + 2 * DAY)
    assert len(low()) == 1
    given(cast.acme, 2, at=at + 3 * DAY)  # 10: enough
    charged(cast.acme, 1, at=at + 3 * DAY)
    assert low() == ["olive@acme.example"] * 2
    assert list(LowBalance.objects.order_by("pk").values_list("on_hand", flat=True)) == [5, 9]


@pytest.mark.rule("R4")
@pytest.mark.parametrize("edition", Edition.values)
def test_the_price_that_counts_is_that_of_an_e_mail_for_every_edition(cast: Cast, at: datetime, edition: str):
    Customer.objects.filter(pk=cast.acme.pk).update(edition=edition)
    given(cast.acme, 40, at=at)
    charged(cast.acme, 30, at=at)  # 10: no call can be paid, an e-mail can
    assert low() == []
    made = charged(cast.acme, 1, at=at)
    mail = OutgoingMail.objects.get()
    assert mail.key == f"points-low:{cast.acme.pk}:charge-{made.pk}:{cast.owner.pk}"
    assert mail.subject == "9 points left: too few for another incident"
    for text in (mail.text, mail.html):
        assert "Acme Tools has 9 points left." in text
        assert "An e-mail incident costs: 10 points" in text
        assert ("A telephone incident costs: 30 points" in text) == (edition == Edition.ENTERPRISE)
        assert "/points/" in text


def test_who_never_had_enough_did_not_fall(cast: Cast, at: datetime):
    lot = given(cast.acme, 9, at=at)
    charged(cast.acme, 1, at=at)
    services.write_expiries(at=lot.expires_at)
    assert not LowBalance.objects.exists()


def test_a_charge_sent_twice_or_undone_tells_no_more_than_it_did(cast: Cast, at: datetime):
    given(cast.acme, 10, at=at)
    with transaction.atomic():
        charged(cast.acme, at=at)
        transaction.set_rollback(True)
    assert (low(), LowBalance.objects.count()) == ([], 0)
    for _ in range(2):
        charged(cast.acme, at=at, key_="one key")
    assert len(low()) == 1


def test_charges_at_once_are_one_fall(committed_cast: Cast, at: datetime):
    given(committed_cast.acme, 35, at=at)
    at_once(*[partial(charged, committed_cast.acme, at=at) for _ in range(6)])
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 5
    assert low() == ["olive@acme.example"]


@pytest.mark.rule("D1")
def test_lots_that_expire_at_one_instant_are_one_fall(committed_cast: Cast, at: datetime):
    lots = [given(committed_cast.acme, 5, at=at) for _ in range(3)]
    end = lots[0].expires_at
    assert sum(at_once(*[partial(services.write_expiries, at=end)] * 3)) == 3
    mark = LowBalance.objects.get()
    assert (mark.fell_at, mark.on_hand, mark.charge) == (end, 0, None)
    assert low() == ["olive@acme.example"]


@pytest.mark.rule("D1")
def test_an_expiry_written_late_tells_of_the_fall_that_it_was(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    given(cast.acme, 5, at=at + 2 * DAY)
    services.write_expiries(at=lot.expires_at + DAY)
    assert [(mark.fell_at, mark.on_hand) for mark in LowBalance.objects.all()] == [(lot.expires_at, 5)]
    services.write_expiries(at=lot.expires_at + 3 * DAY)
    assert len(low()) == 1


@pytest.mark.rule("D1")
def test_an_expiry_written_late_is_not_told_where_enough_was_bought_since(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    given(cast.acme, 30, at=lot.expires_at + DAY)
    services.write_expiries(at=lot.expires_at + 2 * DAY)
    assert low() == []


@pytest.mark.rule("D1")
def test_a_charge_that_fell_after_the_expiry_is_not_told_of_again_by_it(cast: Cast, at: datetime):
    """25 on hand, 10 expire unwritten, then 10 are charged: the charge is the fall."""
    lot = given(cast.acme, 10, at=at)
    given(cast.acme, 15, at=at + DAY)
    charged(cast.acme, at=lot.expires_at + timedelta(hours=1))
    assert len(low()) == 1
    services.write_expiries(at=lot.expires_at + timedelta(hours=2))
    assert len(low()) == 1
    assert balance_around(customer_id=cast.acme.pk, instant=lot.expires_at) == (25, 15)


@pytest.mark.rule("D1")
def test_an_older_fall_that_is_written_late_is_not_told_after_a_newer_one(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    given(cast.acme, 10, at=lot.expires_at + DAY)
    charged(cast.acme, at=lot.expires_at + 2 * DAY)
    assert balance_around(customer_id=cast.acme.pk, instant=lot.expires_at) == (10, 0)
    services.write_expiries(at=lot.expires_at + 3 * DAY)
    assert len(low()) == 1


def test_a_fall_costs_the_same_however_long_the_history(cast: Cast, at: datetime):
    def fall() -> int:
        given(cast.acme, 10, at=at)
        return queries(lambda: charged(cast.acme, at=at))

    few = fall()
    for _ in range(20):
        given(cast.acme, 10, at=at)
        charged(cast.acme, at=at)
    assert fall() == few


def test_an_expiry_costs_the_same_however_long_the_history(cast: Cast, at: datetime):
    def expire(start: datetime) -> int:
        lot = given(cast.acme, 10, at=start)
        return queries(lambda: services.write_expiries(at=lot.expires_at))

    few = expire(at)
    for n in range(20):
        given(cast.other, 100, at=at)
        given(cast.acme, 10, at=at + 400 * DAY + n * DAY)
        charged(cast.acme, at=at + 400 * DAY + n * DAY)
    services.write_expiries(at=at + 430 * DAY)
    assert expire(at + 800 * DAY) == few


def test_nobody_to_tell_keeps_no_charge_from_being_made(cast: Cast, at: datetime):
    Contact.objects.filter(customer=cast.acme).update(removed_at=at)
    given(cast.acme, 10, at=at)
    charged(cast.acme, at=at)
    assert (LowBalance.objects.count(), low()) == (1, [])
