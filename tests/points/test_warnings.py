"""Customers are warned in time and once, whatever runs twice, at once or late (D7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from points import mails, tasks
from points.models import ExpiryWarning, Lot
from points.queries import told_of_points
from points.warning_services import warn_of_expiries
from points.warnings import due_at
from supportdesk import checks, clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, Customer
from supportdesk.places import zone_info
from supportdesk.policy import Policy
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, TICK, charged, credited, given, refused, sql

pytestmark = pytest.mark.rule("D7")


def due(lot: Lot, days: int) -> datetime:
    return due_at(expires_at=lot.expires_at, zone=lot.purchase.zone, days=days)


def told(kind: str = "points_expiring") -> list[str]:
    """To whom mails of that kind go, in order."""
    return list(OutgoingMail.objects.filter(kind=kind).order_by("pk").values_list("to_address", flat=True))


def warned(lot: Lot) -> list[int]:
    return list(lot.warnings.order_by("pk").values_list("days", flat=True))


def queries(work: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def customer_in(zone: str, country: str) -> Customer:
    made = Customer.objects.create(name=f"Firm in {zone}", country=country, zone=zone, place_name="There")
    Contact.objects.create(customer=made, name="Una", email=f"una@{country.lower()}.example")
    return made


# Expiry


@pytest.mark.parametrize(("zone", "country"), [("America/Los_Angeles", "US"), ("Pacific/Auckland", "NZ")])
@pytest.mark.parametrize("clock_time", ["00:00", "23:59"])
def test_a_lot_is_warned_of_three_times_at_nine_in_its_own_zone(db, zone: str, country: str, clock_time: str):
    there = zone_info(zone)
    customer = customer_in(zone, country)
    lot = given(customer, 30, at=datetime.fromisoformat(f"2026-11-25T{clock_time}").replace(tzinfo=there))
    for days, morning in ((30, "2027-10-26"), (7, "2027-11-18"), (1, "2027-11-24")):
        nine = datetime.fromisoformat(f"{morning}T09:00").replace(tzinfo=there)
        assert warn_of_expiries(at=nine - TICK) == 0
        assert warn_of_expiries(at=nine) == 1
        assert warn_of_expiries(at=nine) == warn_of_expiries(at=nine + timedelta(minutes=10)) == 0
        assert ExpiryWarning.objects.get(days=days).warned_at == nine
    assert warned(lot) == [30, 7, 1]
    assert told() == [f"una@{country.lower()}.example"] * 3
    assert warn_of_expiries(at=lot.expires_at) == 0


def test_the_zone_is_that_of_the_purchase_even_after_a_move(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    Customer.objects.filter(pk=cast.acme.pk).update(zone="Pacific/Auckland", place_name="Auckland")
    assert warn_of_expiries(at=due(lot, 30) - TICK) == 0
    assert warn_of_expiries(at=due(lot, 30)) == 1
    mail = OutgoingMail.objects.get()
    assert "through 1 Dec 2027, your time in New York" in mail.text


def test_the_mail_says_what_expires_when_and_where_to_look(cast: Cast, at: datetime, settings: Any):
    lot = given(cast.acme, 30, at=at)
    given(cast.acme, 100, at=at + 90 * DAY)
    charged(cast.acme, at=at)
    warn_of_expiries(at=due(lot, 30))
    mail = OutgoingMail.objects.get()
    assert (mail.to_address, mail.to_name, mail.about) == ("olive@acme.example", "Olive Owner", f"lot:{lot.pk}")
    assert mail.key == f"points-expiring:{lot.pk}:30:{cast.owner.pk}"
    assert mail.automatic
    assert mail.subject == "20 points can be spent until 1 Dec 2027"
    for words in (
        "20 points of Acme Tools will expire.",
        "1 Dec 2027",
        "your time in New York",
        "That is in 30 days.",
        "20 of 30 left, bought 1 Dec 2026",
        "120 points",
        f"{settings.BASE_URL}/points/",
    ):
        assert words in mail.text, words
        assert words in mail.html, words


@pytest.mark.parametrize(
    ("later", "words"), [(timedelta(0), "That is tomorrow."), (timedelta(hours=20), "That is today.")]
)
def test_the_last_mail_says_tomorrow_or_today(cast: Cast, at: datetime, later: timedelta, words: str):
    lot = given(cast.acme, 30, at=at)
    warn_of_expiries(at=due(lot, 1) + later)
    assert words in OutgoingMail.objects.get().text


def test_three_days_late_it_comes_once_and_says_the_days_that_are_left(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    late = due(lot, 30) + 3 * DAY
    assert [warn_of_expiries(at=late), warn_of_expiries(at=late)] == [1, 0]
    assert warned(lot) == [30]
    assert "That is in 27 days." in OutgoingMail.objects.get().text


def test_a_missed_warning_does_not_come_along_with_the_next(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    assert warn_of_expiries(at=due(lot, 7) + DAY) == 1
    assert warn_of_expiries(at=due(lot, 7) + 2 * DAY) == 0
    assert warned(lot) == [7]
    assert warn_of_expiries(at=due(lot, 1)) == 1
    assert (warned(lot), len(told())) == ([7, 1], 2)


def test_a_run_whose_clock_is_behind_repeats_nothing(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    warn_of_expiries(at=due(lot, 7))
    assert warn_of_expiries(at=due(lot, 7) - TICK) == 0
    assert warned(lot) == [7]


def test_a_lot_that_is_spent_or_expired_is_not_warned_of(cast: Cast, at: datetime):
    spent, expired = given(cast.acme, 10, at=at), given(cast.acme, 10, at=at + DAY)
    given(cast.acme, 500, at=at + 200 * DAY)
    charged(cast.acme, at=at + 2 * DAY)
    assert warn_of_expiries(at=due(spent, 30)) == 0
    assert warn_of_expiries(at=expired.expires_at) == 0
    assert not ExpiryWarning.objects.exists()
    assert told() == []


def test_a_lot_that_was_warned_of_and_then_spent_is_left_alone(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    given(cast.acme, 100, at=at + DAY)
    warn_of_expiries(at=due(lot, 30))
    charged(cast.acme, at=due(lot, 30) + timedelta(minutes=1))
    warn_of_expiries(at=due(lot, 7))
    assert warned(lot) == [30]


@pytest.mark.rule("D3")
def test_a_credit_that_ends_in_the_middle_of_a_day_names_the_time(cast: Cast, at: datetime):
    """Three days of life are less than seven: the customer is told at once, by the nearest warning."""
    lot = given(cast.acme, 30, at=at)
    credit = credited(lot, 10, at=at, expires_at=at + 3 * DAY)
    assert warn_of_expiries(at=at) == 1
    assert warned(credit) == [7]
    assert "before Friday 4 December, 10:00" in OutgoingMail.objects.get().text


def test_lots_of_one_day_are_a_mail_each(cast: Cast, at: datetime):
    lots = [given(cast.acme, 10, at=at) for _ in range(2)]
    assert warn_of_expiries(at=due(lots[0], 30)) == 2
    assert told() == ["olive@acme.example"] * 2


def test_two_beats_at_once_are_one_mail(committed_cast: Cast, at: datetime, caplog: pytest.LogCaptureFixture):
    """One waits for the other, and sees what it did: none runs into the other's rows."""
    lots = [given(customer, 30, at=at) for customer in (committed_cast.acme, committed_cast.other) for _ in range(3)]
    done = at_once(*[partial(warn_of_expiries, at=max(due(lot, 30) for lot in lots))] * 4)
    assert sum(done) == 6
    assert ExpiryWarning.objects.count() == 6
    assert sorted(told()) == ["olive@acme.example"] * 3 + ["otto@other.example"] * 3
    assert caplog.records == []


def test_a_beat_and_the_charge_that_empties_the_lot_agree(committed_cast: Cast, at: datetime):
    """Whoever is first: a warning is of points that were there."""
    lot = given(committed_cast.acme, 10, at=at)
    now = due(lot, 30)
    beat, charge = at_once(partial(warn_of_expiries, at=now), partial(charged, committed_cast.acme, at=now))
    assert beat in (0, 1)
    assert charge.points == 10
    assert len(told()) == len(warned(lot)) == beat
    assert all("10 points of" in mail.text for mail in OutgoingMail.objects.filter(kind="points_expiring"))


def test_one_lot_in_trouble_keeps_nobody_else_waiting(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    bad, good = given(cast.acme, 30, at=at), given(cast.acme, 10, at=at)
    send = mails.expiring

    def stumbles(lot: Lot, **given: Any) -> int:
        if lot == bad:
            raise ZeroDivisionError
        return send(lot, **given)

    monkeypatch.setattr(mails, "expiring", stumbles)
    assert warn_of_expiries(at=due(good, 30)) == 1
    assert (warned(bad), warned(good)) == ([], [30])
    assert f"Lot {bad.pk}" in caplog.text
    monkeypatch.undo()
    assert warn_of_expiries(at=due(good, 30)) == 1
    assert warned(bad) == [30]


def test_the_task_asks_the_one_clock(cast: Cast, at: datetime):
    lot = given(cast.acme, 30, at=at)
    with clock.set_to(due(lot, 30)):
        assert [tasks.warn(), tasks.warn()] == [1, 0]


def test_looking_costs_one_query_and_warning_the_same_for_every_lot(cast: Cast, at: datetime):
    lots = [given(cast.acme, 10, at=at + n * DAY) for n in range(40)]
    assert queries(lambda: warn_of_expiries(at=at)) == 1
    first, second = due(lots[0], 30), due(lots[1], 30)
    one, again = (queries(lambda now=now: warn_of_expiries(at=now)) for now in (first, second))
    assert one == again
    assert queries(lambda: warn_of_expiries(at=second)) == 1
    several = queries(lambda: warn_of_expiries(at=due(lots[11], 30)))
    assert several - 1 == 10 * (one - 1)


# Who is told


def test_administrators_are_told_and_restricted_contacts_never(cast: Cast):
    colleague = Contact.objects.create(customer=cast.acme, name="Cora", email="cora@acme.example")
    assert told_of_points(cast.acme.pk) == [cast.owner]
    second = Contact.objects.create(customer=cast.acme, name="Ada", email="ada@acme.example", is_administrator=True)
    assert told_of_points(cast.acme.pk) == [cast.owner, second]
    Contact.objects.filter(pk__in=[cast.owner.pk, second.pk]).update(is_administrator=False)
    assert told_of_points(cast.acme.pk) == [cast.owner, colleague, second]
    Contact.objects.filter(pk=cast.restricted.pk).update(is_administrator=True)
    assert cast.restricted not in told_of_points(cast.acme.pk)


@pytest.mark.parametrize("gone", ["removed", "no address"])
def test_where_no_mail_reaches_an_administrator_all_who_see_the_points_are_told(cast: Cast, at: datetime, gone: str):
    colleague = Contact.objects.create(customer=cast.acme, name="Cora", email="cora@acme.example")
    owner = Contact.objects.filter(pk=cast.owner.pk)
    owner.update(removed_at=at) if gone == "removed" else owner.update(email="", phone="+12125550100")
    lot = given(cast.acme, 30, at=at)
    warn_of_expiries(at=due(lot, 30))
    assert told() == [colleague.email]


def test_a_customer_whom_no_mail_reaches_is_warned_once_one_does(cast: Cast, at: datetime):
    Contact.objects.filter(pk=cast.owner.pk).update(email="", phone="+12125550100")
    lot = given(cast.acme, 30, at=at)
    assert warn_of_expiries(at=due(lot, 30)) == 0
    assert (warned(lot), told()) == ([], [])
    Contact.objects.create(customer=cast.acme, name="Cora", email="cora@acme.example")
    assert warn_of_expiries(at=due(lot, 30) + DAY) == 1
    assert told() == ["cora@acme.example"]


def test_each_of_several_gets_one_and_an_address_that_is_none_stops_nobody(cast: Cast, at: datetime):
    for email in ('"odd one"@acme.example', "ada@acme.example"):
        Contact.objects.create(customer=cast.acme, name="Ada", email=email, is_administrator=True)
    lot = given(cast.acme, 30, at=at)
    assert [warn_of_expiries(at=due(lot, 30)) for _ in range(2)] == [1, 0]
    assert told() == ["olive@acme.example", "ada@acme.example"]


# What the database and the checks keep


@pytest.mark.parametrize("table", ["points_expirywarning", "points_lowbalance"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"], ids=str.split)
def test_what_was_sent_stays_written(cast: Cast, at: datetime, table: str, statement: str):
    with refused("permission denied for table"):
        sql(statement.format(table))


def test_the_database_takes_one_warning_a_lot_and_threshold(cast: Cast, at: datetime):
    lot = given(cast.acme, 10, at=at)
    ExpiryWarning.objects.create(lot=lot, days=30, warned_at=at)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExpiryWarning.objects.create(lot=lot, days=30, warned_at=at)


@pytest.mark.parametrize("days", [(7, 30, 1), (7, 7, 1), (400, 7), (30, -1)])
def test_thresholds_that_make_no_sense_are_found_at_the_start(monkeypatch: pytest.MonkeyPatch, days: tuple[int, ...]):
    assert not [found for found in run_checks() if found.id == "desk.E005"]
    monkeypatch.setattr(checks, "POLICY", Policy(expiry_warning_days=days))
    assert [found.id for found in checks.policy_makes_sense()] == ["desk.E005"]
