"""A response to the customer, written or spoken: what each of them does to the incident (R6, D11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from incidents.models import Direction, Incident, Message, MessageKind, TimelineCode, Via
from incidents.services.common import checked, move, note_step, shut
from incidents.statuses import Status, after_answer
from sla.services import answer_clock
from supportdesk.people.models import Contact, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What a technician said during a call, and what comes then: "open", "waiting" or "closed" (D20).

    Raises TextMissing, TextTooLong.
    """

    by: User
    text: str
    then: str = Status.OPEN

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", checked(self.text))
        object.__setattr__(self, "then", after_answer(then=self.then))


def respond(
    incident: Incident, *, message: Message, code: TimelineCode, then: Status, user: User, at: datetime, **told: Any
) -> datetime:
    """Ends the clock with this message, and gives the incident to its answerer where nobody has it (D11).

    Gives the instant that counts. The caller moves the incident to ``then``, sends mail and saves.
    """
    link = incident.clocks.select_related("clock").get(current=True)
    # A re-opening may have been decided between the click and the lock: its clock is the one that is answered.
    at = max(at, link.clock.started_at)
    first = link.clock.answered_at is None
    clock = answer_clock(clock_id=link.clock_id, at=at)
    data: dict[str, Any] = {"message": message.pk, "clock": clock.pk, "then": then.value, **told}
    if first:
        data["outcome"] = clock.outcome
    contact = message.contact if code == TimelineCode.CALLED else None
    note_step(incident, code, at=at, user=user, contact=contact, data=data)
    if incident.owner is None:
        incident.owner = user
        note_step(incident, TimelineCode.TAKEN, at=at, user=user)
    if incident.status == then == Status.WAITING:
        # What waited already waits for this answer's sake now: silence begins anew (D10).
        incident.waits_since, incident.reminded_at = at, None
    return at


def call_message(
    incident: Incident, *, contact: Contact, direction: str, text: str, user: User, at: datetime, key: str
) -> Message:
    """The message of a logged call: both sides of it in one text, which the customer reads (D20)."""
    return Message.objects.create(
        incident=incident,
        kind=MessageKind.CALL,
        via=Via.PHONE,
        contact=contact,
        user=user,
        direction=direction,
        text=text,
        at=at,
        key=key,
    )


def answer_by_call(
    incident: Incident, *, contact: Contact, direction: str, spoken: Spoken, at: datetime, key: str
) -> Message:
    """Logs a call in which the customer was answered: this is the response (D11, D20).

    The caller sends mail and saves.
    """
    user, then = spoken.by, Status(spoken.then)
    message = call_message(incident, contact=contact, direction=direction, text=spoken.text, user=user, at=at, key=key)
    at = respond(
        incident,
        message=message,
        code=TimelineCode.CALLED,
        then=then,
        user=user,
        at=at,
        direction=Direction(direction).value,
    )
    incident.wrote_at = None
    if then is Status.CLOSED:
        shut(incident, TimelineCode.CLOSED, at=at, user=user)
    else:
        move(incident, then, at=at, user=user)
    incident.last_at = max(incident.last_at, at)
    return message
