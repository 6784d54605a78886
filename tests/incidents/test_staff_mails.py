"""Warnings and breaches by mail: to the owner, or to everyone on the desk, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from incidents.announcing import announce_due
from incidents.models import IncidentMail
from incidents.replanning import replan_due
from incidents.services import ownership
from sla.closing import add_closure
from sla.closures import Rule
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from tests.cast import Cast
from tests.incidents_helpers import answered, at_once, key, opened, signed_in

pytestmark = pytest.mark.rule("D13", "D39")
LOGGED = datetime(2026, 12, 4, 19, 15, tzinfo=UTC)  # Friday 14:15 in New York, due on Monday at 10:15
FIRST, LAST, DUE = (datetime(2026, 12, 7, *hour, tzinfo=UTC) for hour in ((14, 15), (15, 0), (15, 15)))
LATE = DUE + timedelta(seconds=1)


def told() -> list[tuple[str, str]]:
    mails = OutgoingMail.objects.filter(kind__startswith="staff_").order_by("id")
    return [(mail.kind.removeprefix("staff_"), mail.to_address) for mail in mails]


def page(client: Client, address: str, at: datetime) -> str:
    with clock.set_to(at):
        answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_an_owner_every_technician_is_told_and_no_customer(cast: Cast):
    opened(cast.owner, at=LOGGED)
    announce_due(at=FIRST)
    both = ["tess@desk.example", "carl@desk.example"]
    assert told() == [("warned", who) for who in both]
    announce_due(at=LAST)
    announce_due(at=LATE)
    assert told() == [(code, who) for code in ("warned", "warned", "breached") for who in both]
    assert not IncidentMail.objects.filter(mail__kind__startswith="staff_").exists()


def test_the_owner_alone_is_told_while_they_work_here(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    ownership.take(incident_id=incident.pk, user=cast.colleague, at=LOGGED)
    announce_due(at=FIRST)
    assert told() == [("warned", "carl@desk.example")]
    User.objects.filter(pk=cast.colleague.pk).update(is_active=False)
    announce_due(at=LATE)
    assert told()[1:] == [("breached", "tess@desk.example")]


def test_where_nobody_is_a_technician_the_admins_are_told(cast: Cast):
    User.objects.filter(is_technician=True).update(is_technician=False)
    opened(cast.owner, at=LOGGED)
    announce_due(at=LATE)
    assert told() == [("breached", "ada@desk.example")]


def test_who_has_no_address_keeps_nobody_else_from_theirs(cast: Cast):
    User.objects.filter(pk=cast.technician.pk).update(email="tess")
    opened(cast.owner, at=LOGGED)
    assert announce_due(at=LATE) == 1
    assert told() == [("breached", "carl@desk.example")]


@pytest.mark.rule("D21")
def test_a_mail_says_what_is_due_when_there_and_here(cast: Cast):
    incident = opened(cast.owner, at=LOGGED, subject="It <b>stops</b>")
    announce_due(at=FIRST)
    announce_due(at=LATE)
    warned, breached = (OutgoingMail.objects.filter(kind=f"staff_{kind}")[0] for kind in ("warned", "breached"))
    number = incident.shown_number
    spoken = " ".join(number.split())  # a subject has plain spaces
    assert warned.subject == f"[{spoken}] Due in 60 business minutes at most: It <b>stops</b>"
    assert breached.subject == f"[{spoken}] Late: It <b>stops</b>"
    when = "Monday 7 December, 10:15 in New York, Monday 7 December, 20:45 for you in Kolkata"
    for mail in (warned, breached):
        for part in (mail.text, mail.html):
            for word in (number, "Acme Tools", when, f"/desk/incidents/{incident.number}/", "Nobody has taken it yet."):
                assert word in part
        assert "It &lt;b&gt;stops&lt;/b&gt;" in mail.html
        assert (mail.reply_to, mail.automatic) == ("", True)
        assert "answer above this line" not in mail.text
    assert "At most 60 business minutes are left" in warned.text
    assert "The deadline has passed without an answer." in breached.text


def test_late_and_twice_is_told_once(cast: Cast):
    opened(cast.owner, at=LOGGED)
    for _time in range(3):
        announce_due(at=LAST + timedelta(minutes=5))
    assert [kind for kind, _who in told()] == ["warned", "warned"], "one warning for two people"
    announce_due(at=LATE + timedelta(days=20))
    announce_due(at=LATE + timedelta(days=21))
    assert len(told()) == 4


def test_two_runs_at_once_mail_once(committed_cast: Cast):
    for _time in range(3):
        opened(committed_cast.owner, at=LOGGED)
    made = at_once(*[lambda: announce_due(at=LATE)] * 4)
    assert sum(made) == 3
    assert len(told()) == 6


@pytest.mark.parametrize("then", ["open", "waiting", "closed"])
def test_an_incident_that_was_answered_alerts_nobody(cast: Cast, then: str):
    incident = opened(cast.owner, at=LOGGED)
    answered(incident, cast.technician, at=LOGGED, then=then)
    for at in (FIRST, LAST, LATE, LATE + timedelta(days=90)):
        assert announce_due(at=at) == 0
    assert told() == []


@pytest.mark.rule("D23")
def test_what_was_mailed_before_a_calendar_changed_is_not_mailed_again_and_the_desk_says_in_time(cast: Cast):
    incident = opened(cast.owner, at=LOGGED)
    for at in (FIRST, LAST, LATE):
        announce_due(at=at)
    sent = told()
    assert len(sent) == 6
    desk = signed_in(cast.technician)
    mark = "in time by the new calendar"
    addresses = ("/desk/", f"/desk/incidents/{incident.number}/")
    at = LATE + timedelta(minutes=1)
    assert all(mark not in page(desk, address, at) for address in addresses)
    add_closure(rule=Rule(DUE.date(), DUE.date(), "Storm"), by=None, at=at, key=key())
    assert replan_due(at=at) == 1
    assert all(mark in page(desk, address, at) for address in addresses)
    assert mark not in page(signed_in(cast.owner), f"/incidents/{incident.number}/", at), "a fact of the house"
    for hours in (22, 23, 24):
        announce_due(at=at + timedelta(hours=hours))
    assert told() == sent
    answered(incident, cast.technician, at=at)
    assert mark in page(desk, addresses[1], at)
    assert mark not in page(desk, "/desk/", at)
