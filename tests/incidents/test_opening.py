"""Opening an incident: number, charge, clock, message, timeline and mail, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import mails
from incidents.models import Draft, Incident, IncidentCharge, IncidentClock, Message, TimelineEntry
from incidents.numbers import grouped, is_number, typed
from incidents.services import opening
from incidents.services.common import KeyReused, TextMissing, TextTooLong
from points.models import Charge, Entry
from points.queries import balance
from points.services import NotEnoughPoints
from sla.models import ResponseClock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_release, a_report, opened, steps, with_points

ALL = (Incident, IncidentCharge, IncidentClock, Message, TimelineEntry, Charge, ResponseClock, OutgoingMail, Draft)


def _rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (*ALL, Entry)}


@pytest.mark.rule("R1", "R3", "R6", "R7")
def test_an_incident_has_all_that_belongs_to_it(cast: Cast, at: datetime):
    with_points(cast.acme, 25, at=at)
    incident = opening.open_incident(report=a_report(cast.owner), at=at, key="a key of the form")

    assert is_number(incident.number)
    assert (incident.status, incident.owner, incident.opened_at) == ("new", None, at)
    charge = incident.charges.get(current=True).charge
    assert (charge.points, charge.reference, charge.actor) == (10, incident.number, cast.owner.user)
    assert balance(customer_id=cast.acme.pk, at=at) == 15
    clock = incident.clocks.get(current=True).clock
    assert (clock.started_at, clock.due_at, clock.outcome) == (at, at + timedelta(hours=4), "running")
    message = incident.messages.get()
    assert (message.kind, message.contact, message.text) == ("customer", cast.owner, "Each night at two it stops.")
    assert steps(incident) == ["opened", "number_mailed"]
    mail = OutgoingMail.objects.get()
    assert mail.to_address == "olive@acme.example"
    assert incident.number in typed(mail.subject)
    assert grouped(incident.number) in mail.text
    assert "Tuesday 1 December, 14:00" in mail.text
    assert "10 spent, 15 left" in mail.text


@pytest.mark.rule("R1")
def test_a_call_costs_thirty_points(cast: Cast, at: datetime):
    opened(cast.owner, at=at, points=30, channel="phone")
    assert Charge.objects.get().points == 30
    assert balance(customer_id=cast.acme.pk, at=at) == 0


@pytest.mark.rule("D9")
def test_numbers_follow_each_other_and_are_never_used_twice(cast: Cast, at: datetime):
    numbers = [opened(cast.owner, at=at).number for _time in range(3)]
    assert [int(number[:-1]) for number in numbers] == [int(numbers[0][:-1]) + step for step in range(3)]
    assert all(is_number(number) for number in numbers)


@pytest.mark.rule("D12")
def test_outside_business_hours_the_clock_starts_at_the_next_opening(cast: Cast):
    friday_night = datetime(2026, 12, 5, 3, 0, tzinfo=UTC)
    incident = opened(cast.owner, at=friday_night)
    clock = incident.clocks.get(current=True).clock
    assert clock.due_at == datetime(2026, 12, 7, 18, 0, tzinfo=UTC)


def test_the_number_of_queries_is_the_same_whatever_the_history(cast: Cast, at: datetime):
    with_points(cast.acme, 600, at=at)
    release = a_release()

    def queries() -> int:
        report = a_report(cast.owner, release_id=release.pk)
        with CaptureQueriesContext(connection) as seen:
            opening.open_incident(report=report, at=at, key=f"counted {Incident.objects.count()}")
        return len(seen)

    first = queries()
    for number in range(50):
        opening.open_incident(report=a_report(cast.owner, release_id=release.pk), at=at, key=f"earlier {number}")
    assert queries() == first
    assert first < 45


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("where", "broken"), [(mails, "opened"), (mails.sending, "queue_mail"), (mails.sending, "render_mail")]
)
def test_a_fault_on_the_way_leaves_nothing(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, where: ModuleType, broken: str
):
    with_points(cast.acme, 10, at=at)
    a_release()
    before = _rows()

    def fail(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("the mail cannot be written")

    monkeypatch.setattr(where, broken, fail)
    with pytest.raises(RuntimeError):
        opening.report_problem(report=a_report(cast.owner), at=at, key="a key of the form")
    assert _rows() == before
    assert balance(customer_id=cast.acme.pk, at=at) == 10


def test_the_same_report_sent_again_is_the_same_incident(cast: Cast, at: datetime):
    with_points(cast.acme, 30, at=at)
    first = opening.report_problem(report=a_report(cast.owner), at=at, key="a key of the form")
    before = _rows()
    second = opening.report_problem(report=a_report(cast.owner), at=at + timedelta(days=1), key="a key of the form")
    assert second == first
    assert _rows() == before


@pytest.mark.parametrize(
    "other",
    [{"subject": "Another"}, {"text": "Another one."}, {"kind": "feature"}, {"channel": "phone"}, {"release_id": 0}],
)
def test_a_key_is_refused_for_another_report(cast: Cast, at: datetime, other: dict[str, Any]):
    with_points(cast.acme, 100, at=at)
    opening.open_incident(report=a_report(cast.owner), at=at, key="a key of the form")
    if "release_id" in other:
        other = {"release_id": a_release(name="12.4").pk}
    before = _rows()
    with pytest.raises(KeyReused):
        opening.report_problem(report=replace(a_report(cast.owner), **other), at=at, key="a key of the form")
    assert _rows() == before


@pytest.mark.rule("D8")
def test_what_cannot_be_paid_is_kept_as_a_draft(cast: Cast, at: datetime):
    with_points(cast.acme, 9, at=at)
    with pytest.raises(NotEnoughPoints) as short:
        opening.open_incident(report=a_report(cast.owner), at=at, key="one")
    assert (short.value.needed, short.value.on_hand) == (10, 9)

    draft = opening.report_problem(report=a_report(cast.owner), at=at, key="one")
    assert isinstance(draft, Draft)
    # 30 local days: through 31 December in New York.
    assert draft.kept_until == datetime(2027, 1, 1, 5, 0, tzinfo=UTC)
    rows = _rows()
    assert [rows[name] for name in ("Incident", "Charge", "ResponseClock", "OutgoingMail", "Draft")] == [0, 0, 0, 0, 1]
    assert balance(customer_id=cast.acme.pk, at=at) == 9


@pytest.mark.rule("R2", "R3", "D1")
def test_points_that_expired_a_moment_ago_pay_nothing(cast: Cast):
    bought = datetime(2025, 12, 1, 15, 0, tzinfo=UTC)
    with_points(cast.acme, 10, at=bought)
    # Bought on 1 December 2025 in New York: the last day is 1 December 2026.
    over = datetime(2026, 12, 2, 5, 0, tzinfo=UTC)
    assert isinstance(opening.report_problem(report=a_report(cast.owner), at=over, key="late"), Draft)
    in_time = over - timedelta(seconds=1)
    assert isinstance(opening.report_problem(report=a_report(cast.owner), at=in_time, key="in time"), Incident)


@pytest.mark.rule("R4")
def test_a_community_customer_opens_by_mail_only(cast: Cast, at: datetime):
    with_points(cast.other, 60, at=at)
    before = _rows()
    with pytest.raises(opening.PhoneNotForCommunity):
        opening.report_problem(report=a_report(cast.stranger, channel="phone"), at=at, key="call")
    assert {**_rows(), "Release": 0} == {**before, "Release": 0}
    assert isinstance(opening.report_problem(report=a_report(cast.stranger), at=at, key="mail"), Incident)


@pytest.mark.rule("R12", "D19")
@pytest.mark.parametrize(
    ("instant", "current"),
    [
        # Supported 2 to 3 December. New York is five hours behind: their days begin at 05:00 UTC.
        (datetime(2026, 12, 2, 4, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 12, 2, 5, 0, tzinfo=UTC), True),
        (datetime(2026, 12, 4, 4, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 12, 4, 5, 0, tzinfo=UTC), False),
    ],
)
def test_a_release_is_current_by_the_customers_own_date(cast: Cast, at: datetime, instant: datetime, current: bool):
    with_points(cast.acme, 10, at=at)
    release = a_release(since=date(2026, 12, 2), until=date(2026, 12, 3), name="short")
    report = a_report(cast.owner, release_id=release.pk)
    if current:
        opening.open_incident(report=report, at=instant, key="x")
    else:
        with pytest.raises(opening.ReleaseNotCurrent):
            opening.open_incident(report=report, at=instant, key="x")
        assert balance(customer_id=cast.acme.pk, at=instant) == 10


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"subject": "  "}, TextMissing),
        ({"text": "\n"}, TextMissing),
        ({"text": "x" * 100_001}, TextTooLong),
        ({"subject": "x" * 201}, TextTooLong),
    ],
)
def test_a_report_has_its_texts(cast: Cast, given: dict[str, str], refusal: type[Exception]):
    with pytest.raises(refusal):
        a_report(cast.owner, **given)


@pytest.mark.rule("D21")
def test_a_contact_without_an_address_gets_no_mail_and_keeps_the_number(cast: Cast, at: datetime):
    cast.owner.email, cast.owner.phone, cast.owner.user = "", "+12125550100", None
    cast.owner.save()
    incident = opened(cast.owner, at=at, points=30, channel="phone")
    assert steps(incident) == ["opened"]
    assert not OutgoingMail.objects.exists()
