"""What becomes of a feature request (R10, D18)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.mails import features
from incidents.models import Disposition, Incident, Kind, Message, MessageKind, TimelineCode, Via
from incidents.services.common import KeyReused, Refused, checked, lock_incident, message_before, must_allow, note_step
from incidents.statuses import Act
from supportdesk.people.models import User


class NotAFeatureRequest(Refused):
    """Only feature requests have a disposition (D18)."""


class SameDisposition(Refused):
    """It is what it was: there is nothing to tell the customer."""


@transaction.atomic
def dispose(*, incident_id: int, disposition: str, text: str, user: User, at: datetime, key: str) -> Incident:
    """Sets what becomes of a feature request and mails it, after the closure as well (D18). It is no response (D11).

    ``text`` may be empty; what is written stands in the conversation. The same key with the same content changes
    nothing more.

    Raises NotAFeatureRequest, SameDisposition, NotAllowed, TextTooLong, KeyReused, ValueError for an unknown one;
    then nothing has changed.
    """
    wanted = Disposition(disposition)
    text = checked(text) if text.strip() else ""
    incident = lock_incident(incident_id)
    step = TimelineCode.DISPOSED
    before = incident.timeline.filter(code=step, data__key=key).first()
    if before is not None:
        again = message_before(key, incident_id=incident_id, text=text, kind=MessageKind.ANSWER) if text else None
        if before.data["to"] != wanted or before.data["message"] != (again and again.pk):
            raise KeyReused
        return incident
    must_allow(incident, Act.DISPOSE)
    if incident.kind != Kind.FEATURE:
        raise NotAFeatureRequest
    if incident.disposition == wanted:
        raise SameDisposition
    message = None
    if text:
        if message_before(key, incident_id=incident_id, text=text, kind=MessageKind.ANSWER) is not None:
            raise KeyReused
        message = Message.objects.create(
            incident=incident, kind=MessageKind.ANSWER, via=Via.DESK, user=user, text=text, at=at, key=key
        )
    data = {"from": incident.disposition, "to": wanted.value, "message": message and message.pk, "key": key}
    note_step(incident, step, at=at, user=user, data=data)
    incident.disposition = wanted
    incident.last_at = at
    incident.save(update_fields=["disposition", "last_at"])
    features.disposed(incident, message=message, key=key, at=at)
    return incident
