"""Warnings before a deadline and the announcement of a breach, each once (D13).

A breach is a fact of the timestamps; this only writes it into the timeline, where the desk shows it.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from incidents.models import IncidentClock, NoticeCode, TimelineCode
from incidents.notices import owner_or_everyone
from incidents.services.common import note_step
from incidents.services.noticing import notify
from sla.models import ResponseClock
from sla.queries import clocks_to_announce, clocks_to_warn
from sla.services import mark_announced, mark_warned
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

BATCH = 200


def announce_due(*, at: datetime) -> int:
    """Writes what is due at ``at`` and tells it: however often it runs, and however late, each warning and breach once.

    Told are the owner, or everyone on the desk where there is none. What cannot be told is logged, tried again by the
    next run, and holds up no other.
    """
    due = [
        *((clock, _announce) for clock in clocks_to_announce(at)[:BATCH]),
        *((clock, _warn) for clock in clocks_to_warn(at)[:BATCH]),
    ]
    written = 0
    for clock, tell in due:
        try:
            with transaction.atomic():
                told = tell(clock, at=at)
        except Exception:  # whatever is wrong with one clock, the others are told of
            logger.exception("Clock %s: nobody could be told that it is late, or about to be.", clock.pk)
        else:
            written += told
    return written


def _announce(clock: ResponseClock, *, at: datetime) -> bool:
    if not mark_announced(clock_id=clock.pk, at=at) or (link := _link(clock.pk)) is None:
        return False
    due = link.clock.due_at.isoformat()
    note_step(link.incident, TimelineCode.BREACHED, at=at, data={"clock": clock.pk, "due": due})
    _tell(link, NoticeCode.BREACHED, key=f"clock-breached:{clock.pk}", at=at)
    return True


def _warn(clock: ResponseClock, *, at: datetime) -> bool:
    threshold = clock.warning_due(at)
    if threshold is None or not mark_warned(clock_id=clock.pk, threshold=threshold, at=at):
        return False
    if (link := _link(clock.pk)) is None:
        return False
    minutes = POLICY.warning_minutes[0 if threshold == "first" else 1]
    note_step(link.incident, TimelineCode.WARNED, at=at, data={"clock": clock.pk, "minutes": minutes})
    _tell(link, NoticeCode.WARNED, key=f"clock-warned:{clock.pk}:{minutes}", at=at, minutes=minutes)
    return True


def _tell(link: IncidentClock, code: NoticeCode, *, key: str, at: datetime, **data: int) -> None:
    told = owner_or_everyone(link.incident.owner)
    notify(code, to=told, incident=link.incident, at=at, key=key, data={"clock": link.clock_id, **data})


def _link(clock_id: int) -> IncidentClock | None:
    """The incident of a claimed clock, whose deadline is read after the claim: a calendar may have moved it before."""
    links = IncidentClock.objects.select_related("clock", "incident__customer", "incident__owner")
    return links.filter(clock=clock_id).first()
