"""An incident that waits for its customer is reminded of, and closed, after days of silence (D10)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from incidents.mails import ends
from incidents.models import Incident, TimelineCode
from incidents.services.common import lock_incident, note_step, shut
from incidents.statuses import Status
from sla.calendar import NoBusinessHours
from sla.calendars import Calendars, current_calendars
from sla.deadline import business_days_after
from sla.holidays import UnknownPlace
from supportdesk.people.models import Customer
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)
# Between the reminder and the closure; counted from the reminder, so that each customer has them whole.
GRACE_DAYS: Final = POLICY.auto_close_business_days - POLICY.reminder_business_days
# Business days are no shorter than days, but where a zone skips one to cross the date line.
SLACK: Final = timedelta(days=2)


def reminder_due(customer: Customer, *, waits_since: datetime, calendars: Calendars) -> datetime:
    """When a customer that is silent since ``waits_since`` is reminded (D10). Raises NoBusinessHours."""
    calendar = calendars.of(customer.place, customer.pk)
    return business_days_after(at=waits_since, days=POLICY.reminder_business_days, calendar=calendar)


def closure_due(customer: Customer, *, waits_since: datetime, reminded_at: datetime, calendars: Calendars) -> datetime:
    """When an incident is closed of which the customer was reminded at ``reminded_at`` (D10). Raises NoBusinessHours.

    After ten days of silence, and five since the reminder: what was reminded of late is closed as much later.
    """
    calendar = calendars.of(customer.place, customer.pk)
    return max(
        business_days_after(at=waits_since, days=POLICY.auto_close_business_days, calendar=calendar),
        business_days_after(at=reminded_at, days=GRACE_DAYS, calendar=calendar),
    )


def remind_and_close(*, at: datetime, limit: int = 200) -> int:
    """Reminds and closes what is due at ``at``, up to ``limit`` of them, and gives how many; safe twice and late (D10).

    Two queries, and some for each that is due: what waits for days is read by its index. Whom no mail reaches is
    neither reminded nor closed: a technician sees it wait, and calls. One that fails is logged, tried again by the
    next run, and holds up no other.
    """
    done = 0
    for pk in _due(at=at):
        try:
            done += _end_silence(pk, at=at)
        except Exception:  # whatever is wrong with one incident, the silence of the others ends
            logger.exception("Incident %s: its silence could not be ended.", pk)
        if done >= limit:
            break
    return done


def _due(*, at: datetime) -> Iterator[int]:
    calendars = current_calendars()
    remind = Q(reminded_at=None, waits_since__lte=at - timedelta(days=POLICY.reminder_business_days) + SLACK)
    close = Q(
        reminded_at__lte=at - timedelta(days=GRACE_DAYS) + SLACK,
        waits_since__lte=at - timedelta(days=POLICY.auto_close_business_days) + SLACK,
    )
    waiting = Incident.objects.filter(remind | close, waits_since__isnull=False, contact__removed_at=None)
    waiting = waiting.exclude(contact__email="").select_related("customer").order_by("waits_since", "pk")
    for incident in list(waiting):
        due = _due_at(incident, calendars)
        if due is not None and due <= at:
            yield incident.pk


def _due_at(incident: Incident, calendars: Calendars) -> datetime | None:
    """When the next step of the silence falls due; None where the incident does not wait, or no day is open there."""
    since = incident.waits_since
    if since is None:
        return None
    try:
        if incident.reminded_at is None:
            return reminder_due(incident.customer, waits_since=since, calendars=calendars)
        return closure_due(incident.customer, waits_since=since, reminded_at=incident.reminded_at, calendars=calendars)
    except (NoBusinessHours, UnknownPlace) as error:
        logger.warning("Incident %s goes on waiting: %s", incident.pk, error)
        return None


@transaction.atomic
def _end_silence(incident_id: int, *, at: datetime) -> bool:
    """Takes the step that is due, if it still is: the customer may have written before the lock was had."""
    incident = lock_incident(incident_id)
    calendars = current_calendars()
    due = _due_at(incident, calendars)
    if incident.status != Status.WAITING or due is None or due > at:
        return False
    if incident.clocks.get(current=True).clock.ended_at is None:
        return False  # we owe an answer: the silence is ours
    if incident.reminded_at is None:
        return _remind(incident, calendars=calendars, at=at)
    shut(incident, TimelineCode.CLOSED_SILENCE, at=at, data={"days": POLICY.auto_close_business_days})
    incident.last_at = at
    incident.save()
    ends.closed_silence(incident, at=at)
    return True


def _remind(incident: Incident, *, calendars: Calendars, at: datetime) -> bool:
    assert incident.waits_since is not None
    closes_at = closure_due(incident.customer, waits_since=incident.waits_since, reminded_at=at, calendars=calendars)
    if not ends.reminded(incident, closes_at=closes_at, at=at):
        return False
    data = {"days": POLICY.reminder_business_days, "closes": closes_at.isoformat()}
    note_step(incident, TimelineCode.REMINDED, at=at, data=data)
    incident.reminded_at = at
    incident.save(update_fields=["reminded_at"])
    return True
