"""One part of a case that is divided: an incident of its own, with copies of what was chosen (R9, D11, D14)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from incidents.mails import splits as mails
from incidents.models import Attachment, Incident, Message, MessageKind, OriginKind, ProposalPart, TimelineCode
from incidents.services.common import note_step
from incidents.services.files import copy_of
from incidents.services.opening import Report, begin
from supportdesk.people.models import Contact, User


def messages_of(incident: Incident, ids: Iterable[int]) -> list[Message]:
    """Those of ``ids`` that may be copied, in order: no automatic mail, for nobody vouches for it (D28)."""
    found = Message.objects.filter(incident=incident, pk__in=set(ids)).exclude(kind=MessageKind.AUTOMATIC)
    return list(found.order_by("at", "pk"))


def files_of(incident: Incident, ids: Iterable[int]) -> list[Attachment]:
    found = Attachment.objects.filter(message__incident=incident, pk__in=set(ids))
    return list(found.exclude(message__kind=MessageKind.AUTOMATIC).order_by("pk"))


def open_part(
    row: ProposalPart,
    origin: Incident,
    *,
    owner: User | None,
    user: User | None,
    contact: Contact | None,
    at: datetime,
) -> mails.MadePart:
    """One part as an incident, with its copies. Its clock runs: a copied answer is no response (D11)."""
    report = Report(
        contact=origin.contact,
        channel=origin.channel,
        kind=origin.kind,
        release_id=origin.release_id,
        subject=row.subject,
        text=row.subject,
    )
    part, paid, clock = begin(
        report=report,
        customer=origin.customer,
        release=origin.release,
        actor=user or (contact.user if contact else None),
        at=at,
        key=f"split:{row.proposal_id}:{row.position}",
        origin=origin,
        origin_kind=OriginKind.SPLIT,
        owner=owner,
    )
    _copy(row, origin, part)
    row.incident = part
    row.save(update_fields=["incident"])
    data = {
        "origin": origin.pk,
        "number": origin.number,
        "points": paid.points,
        "charge": paid.pk,
        "clock": clock.pk,
        "due": clock.due_at.isoformat(),
    }
    note_step(part, TimelineCode.SPLIT_OFF, at=at, user=user, contact=contact, data=data)
    made = mails.MadePart(incident=part, charge=paid, clock=clock)
    mail = mails.split_off(made, origin=origin, at=at)
    if mail is not None:
        note_step(part, TimelineCode.NUMBER_MAILED, at=at, data={"mail": mail.pk})
    return made


def _copy(row: ProposalPart, origin: Incident, part: Incident) -> None:
    """Copies what was chosen and is still there: an unmerge may have taken messages away meanwhile (D35)."""
    chosen = messages_of(origin, (message.pk for message in row.messages.all()))
    made = Message.objects.bulk_create(
        Message(
            incident=part,
            kind=message.kind,
            via=message.via,
            contact_id=message.contact_id,
            user_id=message.user_id,
            text=message.text,
            html=message.html,
            rich=message.rich,
            left_in_mail=message.left_in_mail,
            at=message.at,
            key=f"split:{part.pk}:{message.pk}",
            direction=message.direction,
            copied_from=message,
        )
        for message in chosen
    )
    copies = {copy.copied_from_id: copy for copy in made}
    Attachment.objects.bulk_create(
        copy_of(file, message=copies[file.message_id])
        for file in files_of(origin, (file.pk for file in row.files.all()))
        if file.message_id in copies
    )
