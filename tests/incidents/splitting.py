"""Makers of splits, and what a refusal must not have changed."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from incidents.dividing import Part
from incidents.models import Attachment, Incident, Message, Proposal, TimelineEntry
from incidents.services import splitting
from points.models import Charge, Entry
from sla.models import ResponseClock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from tests.incidents_helpers import key

COUNTED = (Incident, Message, Attachment, TimelineEntry, Charge, Entry, ResponseClock, OutgoingMail, Proposal)


def rows() -> dict[str, int]:
    """How many rows there are of all that a split makes."""
    return {model.__name__: model.objects.count() for model in COUNTED}


def first_message(incident: Incident) -> Message:
    message = incident.messages.order_by("at", "pk").first()
    assert message is not None
    return message


def parts_of(incident: Incident, *subjects: str) -> list[Part]:
    """A part a subject, each with the incident's first message."""
    return [Part(subject=subject, message_ids=(first_message(incident).pk,)) for subject in subjects]


def divided(incident: Incident, user: User, *subjects: str, at: datetime, **given: Any) -> Proposal:
    """The incident split into itself and a part a subject, or the proposal that waits for points."""
    values: dict[str, Any] = {
        "parts": parts_of(incident, *(subjects or ("Calendars are missing", "Search finds nothing"))),
        "kept_subject": incident.subject,
        "key": key(),
        **given,
    }
    return splitting.split(incident_id=incident.pk, user=user, at=at, **values)


def offspring(incident: Incident) -> list[Incident]:
    """What was split off, in order."""
    return list(incident.offspring.filter(origin_kind="split").order_by("pk"))


def a_file(message: Message, *, name: str = "trace.log", picture: str = "") -> Attachment:
    """A file of a message; only its row."""
    return Attachment.objects.create(
        token=secrets.token_urlsafe(32),
        stored=secrets.token_hex(16),
        name=name,
        size=7,
        picture=picture,
        digest="0" * 64,
        message=message,
        contact=message.contact,
        uploaded_at=message.at,
    )
