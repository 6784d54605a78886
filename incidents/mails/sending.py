"""How a mail of an incident is written into the outbox: to one contact, or to staff (D26, D30)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.models import Incident, IncidentMail, Message
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
    **context: Any,
) -> OutgoingMail | None:
    if not _gets_mail(to):
        return None
    rendered = render_mail(
        f"incident_{name}",
        {
            "incident": incident,
            "contact": to,
            "customer": incident.customer,
            "message": message,
            "files": [] if message is None else _files(message),
            "can_answer": True,
            # Who only follows is told nothing of what it costs and gives back (D21, D38).
            "pays": True,
            "link": settings.BASE_URL + reverse("portal:incident", args=[incident.number]),
            "report_link": settings.BASE_URL + reverse("portal:report"),
            "at": at,
            **context,
        },
    )
    thread = _thread(incident)
    theirs = _last_message_id(incident)
    mail = queue_mail(
        to_address=to.email,
        to_name=to.name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=f"incident_{name}",
        key=key,
        about=f"incident:{incident.pk}",
        reply_to=reply_address(incident_id=incident.pk, contact_id=to.pk),
        in_reply_to=theirs or (thread[-1] if thread else ""),
        references=(*thread, *([theirs] if theirs else [])),
        automatic=message is None,
    )
    IncidentMail.objects.get_or_create(mail=mail, defaults={"incident": incident, "contact": to, "message": message})
    return mail


def _files(message: Message) -> list[dict[str, Any]]:
    """A message's files, each with the address in the portal that its reader gets it from (D31)."""
    return [
        {"name": file.name, "size": file.size, "link": settings.BASE_URL + reverse("portal:file", args=[file.pk])}
        for file in message.files.order_by("pk")
    ]


def _thread(incident: Incident) -> list[str]:
    """The Message-IDs that mail programs go by: of the first mail of the incident, and of the latest ones."""
    ids = incident.mails.values_list("mail__message_id", flat=True)
    latest = list(ids.order_by("-id")[:THREAD_IDS])[::-1]
    if len(latest) < THREAD_IDS:
        return latest
    return list(dict.fromkeys([*ids.order_by("id")[:1], *latest]))


def _last_message_id(incident: Incident) -> str:
    """The Message-ID of the customer's latest mail, so that their program shows our answer below it."""
    theirs = incident.messages.filter(raw_mail__isnull=False, kind="customer").order_by("at", "id")
    return theirs.values_list("raw_mail__message_id", flat=True).last() or ""
