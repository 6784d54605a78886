"""The incidents with all that hangs on them, as pictures to compare before and after a mail."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import F, Model, QuerySet

from incidents.models import Attachment, Incident, IncidentClock, IncidentMail, Message, TimelineEntry


def pictures() -> dict[int, list[tuple[Any, ...]]]:
    """The rows of each incident: its own, its messages with their files, its timeline, its clocks and its mails."""
    rows: list[QuerySet[Any]] = [
        Incident.objects.annotate(of=F("pk")),
        Message.objects.annotate(of=F("incident")),
        Attachment.objects.filter(message__isnull=False).annotate(of=F("message__incident")),
        TimelineEntry.objects.annotate(of=F("incident")),
        IncidentClock.objects.annotate(of=F("incident")),
        IncidentMail.objects.annotate(of=F("incident")),
    ]
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for query in rows:
        for row in query.order_by("pk"):
            found[row.of].append(_values(row))
    return dict(found)


def _values(row: Model) -> tuple[Any, ...]:
    return (type(row).__name__, *(getattr(row, field.attname) for field in row._meta.concrete_fields))
