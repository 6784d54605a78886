"""What a technician makes of a held mail (D26)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.inbound.evidence import senders_of, who_wrote
from incidents.models import Draft, HeldMail, Incident, Message, Settled, Via
from incidents.services.common import Refused
from incidents.services.conversation import customer_message, keep_automatic
from supportdesk.mail.incoming import read
from supportdesk.people.models import User
from supportdesk.policy import POLICY


class AlreadySettled(Refused):
    """Somebody else has attached the mail, or put it away."""


@transaction.atomic
def attach_held(*, held_id: int, incident_id: int, user: User, at: datetime) -> Message:
    """Adds a held mail to an incident, as a message of the incident's contact: a technician says so (D26).

    Where the sender is another contact of the same customer, it is that contact's message. It counts from when
    our gateway took it: a re-opening asked for in time stays in time (D16). An automatic mail
    stays one, and does nothing (D28). Raises TextMissing, AlreadySettled.
    """
    held = HeldMail.objects.select_for_update(of=("self",)).select_related("raw_mail").get(pk=held_id)
    if held.settled_at is not None:
        raise AlreadySettled
    incident = Incident.objects.select_related("contact").get(pk=incident_id)
    mail = read(held.raw_mail)
    senders = senders_of(mail)
    contact = who_wrote(incident_id, senders)
    if mail.automatic:
        message = keep_automatic(
            incident_id=incident_id,
            text=mail.text,
            contact=contact,
            at=held.raw_mail.received_at,
            raw_mail=held.raw_mail,
        )
    else:
        message = customer_message(
            incident_id=incident_id,
            contact=contact or incident.contact,
            text=mail.text[: POLICY.text_max],
            via=Via.MAIL,
            at=held.raw_mail.received_at,
            key=f"raw:{held.raw_mail_id}",
            raw_mail=held.raw_mail,
            by=user,
        ).message
    _settle(held, Settled.ATTACHED, user=user, at=at, attached_to=incident)
    return message


@transaction.atomic
def discard_held(*, held_id: int, user: User, at: datetime) -> None:
    """Settles a held mail without an effect; its raw source stays stored (D29). One that is settled stays as it is."""
    held = HeldMail.objects.select_for_update().get(pk=held_id)
    if held.settled_at is None:
        _settle(held, Settled.DISCARDED, user=user, at=at)


def _settle(
    held: HeldMail,
    settled_as: Settled,
    *,
    user: User | None,
    at: datetime,
    attached_to: Incident | None = None,
    draft: Draft | None = None,
) -> None:
    held.settled_as, held.settled_at, held.settled_by = settled_as, at, user
    held.attached_to, held.draft = attached_to, draft
    held.save(update_fields=["settled_as", "settled_at", "settled_by", "attached_to", "draft"])
