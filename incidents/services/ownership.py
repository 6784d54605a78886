"""Who works on an incident (D10): take it, hand it over."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.models import Incident, NoticeCode, TimelineCode
from incidents.services.common import Refused, lock_incident, must_allow, note_step
from incidents.services.noticing import notify
from incidents.statuses import Act
from supportdesk.people.models import User


class TakenBySomeoneElse(Refused):
    """Another technician was faster; ``owner`` says who."""

    def __init__(self, owner: User) -> None:
        super().__init__(str(owner))
        self.owner = owner


class NotStaff(Refused):
    """An incident is handed over to staff only."""


@transaction.atomic
def take(*, incident_id: int, user: User, at: datetime) -> Incident:
    """Makes ``user`` the owner of an incident that nobody has; taking one's own again changes nothing.

    Raises TakenBySomeoneElse where two took it at once: there is one owner, and the other is told.
    """
    incident = lock_incident(incident_id)
    must_allow(incident, Act.TAKE)
    if incident.owner == user:
        return incident
    if incident.owner is not None:
        raise TakenBySomeoneElse(incident.owner)
    return _own(incident, user, code=TimelineCode.TAKEN, user=user, at=at)


@transaction.atomic
def assign(*, incident_id: int, to: User, user: User, at: datetime) -> Incident:
    """Hands an incident over to ``to``, whoever has it now. Raises NotStaff."""
    if not to.works_here:
        raise NotStaff
    incident = lock_incident(incident_id)
    must_allow(incident, Act.TAKE)
    if incident.owner == to:
        return incident
    return _own(incident, to, code=TimelineCode.HANDED_OVER, user=user, at=at)


def _own(incident: Incident, owner: User, *, code: TimelineCode, user: User, at: datetime) -> Incident:
    step = note_step(incident, code, at=at, user=user, data={"from": incident.owner_id, "to": owner.pk})
    incident.owner = owner
    incident.last_at = at
    incident.save(update_fields=["owner", "last_at"])
    notify(NoticeCode.ASSIGNED, to=[owner], incident=incident, at=at, key=f"step:{step.pk}", by=user)
    return incident
