"""An incident with all that hangs on it, as a picture to compare: what a mail must not change is the same after it."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from incidents.models import Attachment, Incident, Message


def picture(incident: Incident) -> list[dict[str, Any]]:
    """The rows of the incident, its messages with their files, its timeline, its clocks and its mails."""
    rows: list[Model] = [
        Incident.objects.get(pk=incident.pk),
        *incident.messages.order_by("pk"),
        *Attachment.objects.filter(message__in=Message.objects.filter(incident=incident)).order_by("pk"),
        *incident.timeline.order_by("pk"),
        *incident.clocks.order_by("pk"),
        *incident.mails.order_by("pk"),
    ]
    return [{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields} for row in rows]
