"""Warnings before a deadline and the announcement of a breach, each once (D13).

A breach is a fact of the timestamps; this only writes it into the timeline, where the desk shows it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.models import IncidentClock, TimelineCode
from incidents.services.common import note_step
from sla.queries import clocks_to_announce, clocks_to_warn
from sla.services import mark_announced, mark_warned
from supportdesk.policy import POLICY

BATCH = 200


def announce_due(*, at: datetime) -> int:
    """Writes what is due at ``at``: however often it runs, and however late, each warning and breach once."""
    written = 0
    for clock in clocks_to_announce(at)[:BATCH]:
        with transaction.atomic():
            link = IncidentClock.objects.select_related("incident").filter(clock=clock).first()
            if link is not None and mark_announced(clock_id=clock.pk, at=at):
                note_step(
                    link.incident,
                    TimelineCode.BREACHED,
                    at=at,
                    data={"clock": clock.pk, "due": clock.due_at.isoformat()},
                )
                written += 1
    for clock in clocks_to_warn(at)[:BATCH]:
        threshold = clock.warning_due(at)
        if threshold is None:
            continue
        with transaction.atomic():
            link = IncidentClock.objects.select_related("incident").filter(clock=clock).first()
            if link is not None and mark_warned(clock_id=clock.pk, threshold=threshold, at=at):
                minutes = POLICY.warning_minutes[0 if threshold == "first" else 1]
                note_step(link.incident, TimelineCode.WARNED, at=at, data={"clock": clock.pk, "minutes": minutes})
                written += 1
    return written
