"""Makers of ends, and what a refusal must not have changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incidents.endings import ending_of
from incidents.models import Incident, IncidentCharge, Message, TimelineEntry
from incidents.services import conversation, declining, ending
from points.models import Entry, Lot
from sla.models import ResponseClock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
from tests.incidents_helpers import again, key


def declined(incident: Incident, user: User, *, at: datetime, **given: Any) -> Message:
    values = {"reason": "tuning", "text": "This is tuning.", "key": key()} | given
    return declining.decline(incident_id=incident.pk, user=user, at=at, **values)


def closed_by(contact: Contact, incident: Incident, *, at: datetime, text: str = "", key_: str = "") -> Incident:
    return ending.customer_close(incident_id=incident.pk, contact=contact, text=text, at=at, key=key_ or key())


def taken_back(incident: Incident, user: User, *, at: datetime, step: int = 0) -> Incident:
    """The latest end taken back, or that of ``step``."""
    if not step:
        found = ending_of(again(incident))
        assert found is not None
        step = found.step.pk
    return ending.take_back(incident_id=incident.pk, step_id=step, user=user, at=at)


def wrote(contact: Contact, incident: Incident, *, at: datetime, text: str = "Hello?") -> conversation.Added:
    return conversation.customer_message(
        incident_id=incident.pk, contact=contact, text=text, via="portal", at=at, key=key()
    )


def clock_of(incident: Incident) -> ResponseClock:
    return incident.clocks.select_related("clock").get(current=True).clock


def step_of(incident: Incident, code: str) -> TimelineEntry:
    return incident.timeline.filter(code=code).latest("id")


def everything() -> tuple[object, ...]:
    """What a refusal must not have changed."""
    return (
        list(Incident.objects.order_by("pk").values()),
        list(ResponseClock.objects.order_by("pk").values()),
        list(IncidentCharge.objects.order_by("pk").values()),
        list(Lot.objects.order_by("pk").values()),
        Entry.objects.count(),
        Message.objects.count(),
        TimelineEntry.objects.count(),
        OutgoingMail.objects.count(),
    )
