"""The customer's own end of an incident, and the end taken back by a technician (D12, D36)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.endings import ending_of
from incidents.mails import ends
from incidents.models import Incident, IncidentCharge, Message, MessageKind, TimelineCode, TimelineEntry, Via
from incidents.services.common import (
    KeyReused,
    Refused,
    checked,
    lock_incident,
    message_before,
    must_allow,
    note_step,
    set_status,
    shut,
)
from incidents.services.merging import give_start_back, still_merged, unanswered_since
from incidents.services.places import note_moves
from incidents.statuses import Act, after_take_back
from incidents.windows import may_take_back
from points.models import Charge
from points.services import charge
from sla.models import Outcome
from sla.services import end_clock, resume_clock
from supportdesk.people.models import Contact, User


class Overtaken(Refused):
    """Something was decided since: this end is history, and is not taken back (D36)."""


class HourOver(Refused):
    """A mistaken end is taken back within the hour only (D36)."""


@transaction.atomic
def customer_close(*, incident_id: int, contact: Contact, text: str, at: datetime, key: str) -> Incident:
    """Closes an incident as its customer wishes, with a last word or without one (D12).

    What was not answered ends as withdrawn, past the deadline as a breach. The points stay spent. The same key with
    the same word gives the first closure back.

    Raises NotAllowed, TextTooLong, KeyReused; then nothing has changed.
    """
    text = checked(text) if text.strip() else ""
    incident = lock_incident(incident_id)
    before = incident.timeline.filter(code=TimelineCode.CUSTOMER_CLOSED, data__key=key).first()
    if before is not None:
        if text != _word_of(before):
            raise KeyReused
        return incident
    must_allow(incident, Act.CUSTOMER_CLOSE)
    link = incident.clocks.select_related("clock").get(current=True)
    # A re-opening may have been decided between the click and the lock.
    at = max(at, link.clock.started_at)
    message = _last_word(incident, contact=contact, text=text, at=at, key=key)
    clock = end_clock(clock_id=link.clock_id, at=at, outcome=Outcome.WITHDRAWN)
    data = {"key": key, "message": message and message.pk, "clock": clock.pk, "outcome": clock.outcome}
    shut(incident, TimelineCode.CUSTOMER_CLOSED, at=at, contact=contact, data=data)
    incident.wrote_at = None
    incident.last_at = max(incident.last_at, at)
    incident.save()
    ends.customer_closed(incident, contact=contact, at=at)
    return incident


def _last_word(incident: Incident, *, contact: Contact, text: str, at: datetime, key: str) -> Message | None:
    if message_before(key, incident_id=incident.pk, text=text, kind=MessageKind.CUSTOMER) is not None:
        raise KeyReused
    if not text:
        return None
    return Message.objects.create(
        incident=incident, kind=MessageKind.CUSTOMER, via=Via.PORTAL, contact=contact, text=text, at=at, key=key
    )


def _word_of(step: TimelineEntry) -> str:
    pk = step.data["message"]
    return "" if pk is None else Message.objects.values_list("text", flat=True).get(pk=pk)


@transaction.atomic
def take_back(*, incident_id: int, step_id: int, user: User, at: datetime) -> Incident:
    """Takes back the end that step ``step_id`` made, as if it had not been: whoever made it, within the hour (D36).

    Status, deadline and who waits for whom are as before; a request to re-open made meanwhile is a message in what is
    open. A decline's charge is made anew (D15). The customer is told. The same step again changes nothing.

    Raises NotAllowed, Overtaken, HourOver, NotEnoughPoints; then nothing has changed.
    """
    incident = lock_incident(incident_id)
    if incident.timeline.filter(code=TimelineCode.TAKEN_BACK, data__step=step_id).exists():
        return incident
    must_allow(incident, Act.TAKE_BACK)
    ending = ending_of(incident)
    if ending is None or ending.overtaken or ending.step.pk != step_id:
        raise Overtaken
    if not may_take_back(ended_at=ending.step.at, at=at):
        raise HourOver
    step = ending.step
    paid = _charge_anew(incident, step, user=user, at=at)
    link = incident.clocks.select_related("clock").get(current=True)
    resumed = resume_clock(clock_id=link.clock_id, place=incident.customer.place)
    # By phone they ask to re-open it without writing (D20).
    words = (TimelineCode.CUSTOMER_WROTE, TimelineCode.REOPEN_ASKED)
    wrote = incident.timeline.filter(code__in=words, pk__gt=step.pk).order_by("pk").first()
    clock = resumed.clock
    began = step.data["wrote"] and datetime.fromisoformat(step.data["wrote"])
    if incident.timeline.filter(code=TimelineCode.UNMERGED_FROM, pk__gt=step.pk).exists():
        # What was parted meanwhile took its start and its words along (D35).
        others = still_merged(incident)
        clock, began = give_start_back(incident, others), unanswered_since(incident, others)
    status = after_take_back(
        was=step.data["from"], answered=clock.answered_at is not None, wrote_since=wrote is not None
    )
    data = {
        "step": step.pk,
        "ended": step.code,
        "to": status.value,
        "clock": clock.pk,
        "charge": paid and paid.pk,
        "points": paid.points if paid else 0,
    }
    note_step(incident, TimelineCode.TAKEN_BACK, at=at, user=user, data=data)
    if resumed.moved:
        moved_away = link.clock.place != incident.customer.place
        note_moves((resumed,), why="place" if moved_away else "calendar", at=at)
    set_status(incident, status, at=at)
    since = None if wrote is None else wrote.at
    incident.wrote_at = began or since
    if step.data["first"]:
        incident.first_closed_at = None
    incident.reopen_asked_at = None
    incident.decline_reason = ""
    incident.last_at = at
    incident.save()
    ends.taken_back(incident, step=step, clock=clock, charge=paid, at=at)
    return incident


def _charge_anew(incident: Incident, step: TimelineEntry, *, user: User, at: datetime) -> Charge | None:
    """The charge of a decline made once more, at what it cost; None where the end gave nothing back (D4, D15)."""
    back = step.data.get("back", 0)
    if not back:
        return None
    link = incident.charges.select_related("charge").get(current=True)
    paid = charge(
        customer_id=incident.customer_id,
        points=back,
        channel=link.charge.channel,
        reference=incident.number,
        at=at,
        actor=user,
        key=f"anew:{step.pk}",
    )
    link.current = False
    link.save(update_fields=["current"])
    IncidentCharge.objects.create(incident=incident, charge=paid)
    return paid
