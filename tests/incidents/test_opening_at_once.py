"""Twice by hand and two at once: one incident, one charge, one mail."""

from __future__ import annotations

from datetime import datetime

import pytest

from incidents.models import Draft, Incident
from incidents.services import opening
from points.models import Charge
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, at_once, with_points


@pytest.mark.rule("R3")
def test_one_report_sent_by_eight_at_once_is_one_incident(committed_cast: Cast, at: datetime):
    with_points(committed_cast.acme, 100, at=at)
    report = a_report(committed_cast.owner)
    made = at_once(*[lambda: opening.report_problem(report=report, at=at, key="one key")] * 8)
    (incident,) = Incident.objects.all()
    assert made == [incident] * 8
    assert (Charge.objects.count(), OutgoingMail.objects.count(), Draft.objects.count()) == (1, 1, 0)
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 90


@pytest.mark.rule("R3", "D8")
def test_ten_points_and_reports_at_once_are_one_incident_and_drafts(committed_cast: Cast, at: datetime):
    with_points(committed_cast.acme, 10, at=at)
    report = a_report(committed_cast.owner)
    works = [lambda n=n: opening.report_problem(report=report, at=at, key=f"key {n}") for n in range(4)]
    made = at_once(*works)
    assert sorted(type(thing).__name__ for thing in made) == ["Draft", "Draft", "Draft", "Incident"]
    assert (Incident.objects.count(), Draft.objects.count(), Charge.objects.count()) == (1, 3, 1)
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 0


@pytest.mark.rule("D8")
def test_one_report_that_cannot_be_paid_is_one_draft(committed_cast: Cast, at: datetime):
    report = a_report(committed_cast.owner)
    made = at_once(*[lambda: opening.report_problem(report=report, at=at, key="one key")] * 4)
    assert made == [Draft.objects.get()] * 4


@pytest.mark.rule("D8")
def test_a_draft_opened_by_four_at_once_is_one_incident(committed_cast: Cast, at: datetime):
    draft = opening.report_problem(report=a_report(committed_cast.owner), at=at, key="one key")
    with_points(committed_cast.acme, 30, at=at)
    made = at_once(*[lambda: opening.open_draft(draft_id=draft.pk, at=at)] * 4)
    assert made == [Incident.objects.get()] * 4
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 20
