"""What the verbs share: refusals, the lock, the timeline."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from incidents.cases import CreditCase
from incidents.models import (
    Draft,
    Incident,
    Message,
    MessageKind,
    Product,
    Proposal,
    Release,
    TimelineCode,
    TimelineEntry,
)
from incidents.queries import final_ids
from incidents.statuses import FINISHED, Act, Status
from supportdesk.people.models import Contact, User
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY
from supportdesk.rows import M, columns, fetch, made

logger = logging.getLogger(__name__)

_LOCK: Final = f"""
    SELECT {columns(Incident, "incident")}, {columns(Contact, "contact")}, {columns(Release, "release")},
        {columns(Product, "product")}, {columns(User, "owner")}
    FROM incidents_incident incident JOIN people_contact contact ON contact.id = incident.contact_id
    JOIN incidents_release release ON release.id = incident.release_id
    JOIN incidents_product product ON product.id = release.product_id
    LEFT JOIN people_user owner ON owner.id = incident.owner_id
    WHERE incident.id = %s FOR NO KEY UPDATE OF incident
"""  # noqa: S608
_BY_KEY: Final = f"""
    SELECT {columns(Message, "incidents_message")} FROM incidents_message WHERE key = %s
"""  # noqa: S608


class Refused(Exception):
    """An expected refusal: nothing was changed. The edge says why in words."""


class NotAllowed(Refused):
    """The incident's status does not allow the act (D10)."""

    def __init__(self, *, status: str, act: Act) -> None:
        super().__init__(f"a {status} incident allows no {act.value}")
        self.status = status
        self.act = act


class KeyReused(Refused):
    """The key was used before, for other content."""


class BugUndecided(Refused):
    """It is marked as a product failure, and the customer may have been asked: an admin decides on its points first."""

    def __init__(self, case: CreditCase) -> None:
        super().__init__(case.reference)
        self.case = case


class TextMissing(Refused):
    """A message needs a text."""


class TextTooLong(Refused):
    """A message may have POLICY.text_max characters."""

    def __init__(self, *, length: int) -> None:
        super().__init__(f"{length} characters")
        self.length = length


def checked(text: str) -> str:
    """The text of a message as it is stored. Raises TextMissing, TextTooLong."""
    text = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not text:
        raise TextMissing
    if len(text) > POLICY.text_max:
        raise TextTooLong(length=len(text))
    return text


def message_before(
    key: str, *, incident_id: int, text: str, kind: MessageKind, files: Collection[str] = ()
) -> Message | None:
    """The message that this key made before; KeyReused where it was another one, or had other files."""
    rows = fetch(_BY_KEY, [key])
    if not rows:
        return None
    message = made(Message, rows[0])
    if (message.incident_id, message.text, message.kind) != (incident_id, text, kind) or not has_files(message, files):
        raise KeyReused
    return message


def has_files(thing: Message | Draft, tokens: Collection[str]) -> bool:
    """True where just these uploads went with it: what is sent again with the same key has the same files (D31)."""
    return set(thing.files.values_list("token", flat=True)) == set(tokens)


def customer_of(incident_id: int) -> int:
    """The customer whose incident it is. Raises Incident.DoesNotExist."""
    rows = fetch("SELECT customer_id FROM incidents_incident WHERE id = %s", [incident_id])
    if not rows:
        raise Incident.DoesNotExist(f"There is no incident {incident_id}.")
    return int(rows[0][0])


def lock_incident(incident_id: int) -> Incident:
    """The incident, with its customer's row and its own locked until the transaction ends, in that order."""
    customer = lock_customer(customer_of(incident_id))
    row = iter(fetch(_LOCK, [incident_id])[0])

    def part(model: type[M]) -> M:
        return made(model, list(islice(row, len(model._meta.concrete_fields))))

    incident = part(Incident)
    incident.customer, incident.contact, incident.release = customer, part(Contact), part(Release)
    incident.release.product = part(Product)
    incident.owner = part(User) if incident.owner_id is not None else None
    return incident


def lock_where_it_leads(incident_id: int) -> Incident:
    """The incident, or the one that it was merged into, locked; no merge comes in between (D35)."""
    incident = lock_incident(incident_id)
    if incident.merged_into_id is None:
        return incident
    return lock_incident(final_ids([incident_id])[incident_id])


def must_allow(incident: Incident, act: Act) -> None:
    """Raises NotAllowed unless the incident's status lets one do that (D10)."""
    if not incident.allows(act):
        raise NotAllowed(status=incident.status, act=act)


def note_step(
    incident: Incident,
    code: TimelineCode,
    *,
    at: datetime,
    user: User | None = None,
    contact: Contact | None = None,
    data: Mapping[str, Any] | None = None,
) -> TimelineEntry:
    """Writes one step into the timeline: ids and codes, never a name or a text (D10, D34)."""
    return TimelineEntry.objects.create(
        incident=incident, code=code, at=at, user=user, contact=contact, data=dict(data or {})
    )


def set_status(incident: Incident, status: Status, *, at: datetime) -> None:
    """Puts an incident into ``status``, with the instants that belong to it; the caller saves and writes the step."""
    incident.status = status
    incident.waits_since = at if status is Status.WAITING else None
    incident.reminded_at = None
    incident.closed_at = at if status in FINISHED else None
    if status in FINISHED:
        withdraw_waiting(incident, at=at)


def withdraw_waiting(incident: Incident, *, at: datetime) -> None:
    """Withdraws the split that waits for points: what has ended, or lives on in another one, is not divided (D14)."""
    waiting = Proposal.objects.filter(incident=incident, kind=Proposal.Kind.SPLIT, state=Proposal.State.WAITING)
    proposal = waiting.first()
    if proposal is not None:
        proposal.state, proposal.settled_at = Proposal.State.WITHDRAWN, at
        proposal.save(update_fields=["state", "settled_at"])
        note_step(incident, TimelineCode.SPLIT_WITHDRAWN, at=at, data={"proposal": proposal.pk})


def move(
    incident: Incident, status: Status, *, at: datetime, user: User | None = None, contact: Contact | None = None
) -> None:
    """Moves an incident to another status with a step in its timeline; to its own nothing happens (D10)."""
    if status == incident.status:
        return
    data = {"from": incident.status, "to": status.value}
    note_step(incident, TimelineCode.STATUS, at=at, user=user, contact=contact, data=data)
    set_status(incident, status, at=at)


def shut(
    incident: Incident,
    code: TimelineCode,
    *,
    at: datetime,
    user: User | None = None,
    contact: Contact | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Closes an incident with a step of that code, which keeps what a taken-back closure restores (R13, D36)."""
    first = incident.first_closed_at is None
    kept = {"from": incident.status, "first": first, "wrote": incident.wrote_at and incident.wrote_at.isoformat()}
    note_step(incident, code, at=at, user=user, contact=contact, data={**kept, **(data or {})})
    incident.first_closed_at = incident.first_closed_at or at
    set_status(incident, Status.CLOSED, at=at)


def tried(step: Callable[..., bool], pk: int, *, at: datetime) -> bool:
    """One row of a sweep, and whether it did something: what is wrong with it is logged, and holds up no other."""
    try:
        return step(pk, at=at)
    except Exception:  # whatever it is, the next run tries it again
        logger.exception("%s failed for %s.", step.__name__, pk)
        return False
