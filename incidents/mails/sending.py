"""How a mail of an incident is written into the outbox: to one contact, or to staff (D26, D30)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.mails.carrying import Carried, carried_by
from incidents.models import Incident, IncidentMail, Message, MessageKind
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.mail.tokens import reply_address
from supportdesk.people.models import Contact

THREAD_IDS = 8


def readers(incident: Incident) -> list[Contact]:
    """Whom an incident's mails go to: its contact, then its followers; who left or has no address gets none (D38)."""
    followers = (
        Contact.objects.filter(follows__incident=incident, follows__removed_at=None, customer=incident.customer_id)
        .exclude(pk=incident.contact_id)
        .order_by("follows__added_at", "follows__id")
    )
    return [contact for contact in (incident.contact, *followers) if _gets_mail(contact)]


def _gets_mail(contact: Contact) -> bool:
    return bool(contact.email) and contact.removed_at is None and can_be_mailed(contact.email)


def tell(
    name: str,
    incident: Incident,
    *,
    at: datetime,
    key: str,
    message: Message | None = None,
    leave_out: Collection[int] = (),
    **context: Any,
) -> list[OutgoingMail]:
    """One mail to each reader of the incident, but to the contacts whose ids are in ``leave_out`` (D38)."""
    sent = []
    said = None if message is None else carried_by(message)
    to = [reader for reader in readers(incident) if reader.pk not in leave_out]
    for reader in to:
        follows = reader.pk != incident.contact_id
        mail = send(
            name,
            incident,
            to=reader,
            at=at,
            key=f"{key}:to:{reader.pk}" if follows else key,
            message=message,
            said=said,
            follows=follows,
            pays=not follows or not reader.restricted,
            others=len(to) - 1,
            **context,
        )
        sent.append(mail)
    return [mail for mail in sent if mail is not None]


def send(
    name: str,
    incident: Incident,
    *,
    to: Contact,
    at: datetime,
    key: str,
    message: Message | None = None,
    said: Carried | None = None,
    **context: Any,
) -> OutgoingMail | None:
    """One mail of the incident; ``said`` is what it carries of a text of ours."""
    if not _gets_mail(to):
        return None
    rendered = render_mail(f"incident_{name}", words_of(incident, to=to, at=at, message=message, said=said) | context)
    thread = thread_of(incident, to=to)
    mail = queue_mail(
        to_address=to.email,
        to_name=to.name,
        subject=_subject(rendered.subject, thread),
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=f"incident_{name}",
        key=key,
        about=f"incident:{incident.pk}",
        reply_to=reply_address(incident_id=incident.pk, contact_id=to.pk),
        in_reply_to=thread.parent,
        references=thread.ids,
        automatic=message is None,
        files=said.files if said else (),
    )
    IncidentMail.objects.get_or_create(mail=mail, defaults={"incident": incident, "contact": to, "message": message})
    return mail


def words_of(
    incident: Incident, *, to: Contact, at: datetime, message: Message | None, said: Carried | None
) -> dict[str, Any]:
    """What every mail of an incident may say."""
    return {
        "incident": incident,
        "contact": to,
        "customer": incident.customer,
        "message": message,
        "said": said,
        "can_answer": True,
        # Who only follows is told nothing of what it costs and gives back (D21, D38).
        "pays": True,
        "link": settings.BASE_URL + reverse("portal:incident", args=[incident.number]),
        "report_link": settings.BASE_URL + reverse("portal:report"),
        "at": at,
    }


def subject_for(subject: str, incident: Incident, *, to: Contact) -> str:
    """The subject as the next mail to that reader has it."""
    return _subject(subject, thread_of(incident, to=to))


def _subject(subject: str, thread: Thread) -> str:
    """As people's programs do: an answer is one by its subject, too, and the rest of it never changes."""
    return f"Re: {subject}" if thread.parent else subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What a mail answers, in the eyes of its reader's program: ``parent`` is the latest, ``ids`` lead there."""

    parent: str
    ids: tuple[str, ...]


def thread_of(incident: Incident, *, to: Contact) -> Thread:
    """The Message-IDs that the reader's program goes by, oldest first.

    First the one with which the incident began, which ties together what several readers have, though not each of them
    got it; then the latest mails to this reader and of them.
    """
    first = incident.mails.order_by("id").values_list("mail__message_id", flat=True)[:1]
    ours = incident.mails.filter(contact=to).order_by("-id").values_list("mail__queued_at", "mail__message_id")
    theirs = (
        incident.messages.filter(kind=MessageKind.CUSTOMER, contact=to, raw_mail__isnull=False)
        .order_by("-at", "-id")
        .values_list("at", "raw_mail__message_id")
    )
    # Not every mail has a Message-ID.
    known = [one for _at, one in sorted([*ours[:THREAD_IDS], *theirs[:THREAD_IDS]]) if one][-THREAD_IDS:]
    ids = tuple(dict.fromkeys([*first, *known]))
    return Thread(parent=ids[-1] if known else "", ids=ids)
