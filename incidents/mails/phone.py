"""Mails about calls: what was said on the phone, and the way to the form (R4, D20)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.mails.sending import tell
from incidents.models import Incident, Message
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.people.models import Contact, User


def called(incident: Incident, *, message: Message, at: datetime) -> list[OutgoingMail]:
    """What was said in a call, for those who want it in writing (D20)."""
    return tell("called", incident, at=at, key=f"message:{message.pk}", message=message)


def form_link(contact: Contact, *, at: datetime, key: str, user: User) -> OutgoingMail | None:
    """The address of the form, to a caller whose edition has e-mail incidents only (R4); None without an address.

    A person's act causes it, so no budget holds it back (D28).
    """
    if not contact.email or contact.removed_at is not None or not can_be_mailed(contact.email):
        return None
    link = settings.BASE_URL + reverse("portal:report")
    rendered = render_mail(
        "form_link", {"contact": contact, "customer": contact.customer, "user": user, "report_link": link}
    )
    return queue_mail(
        to_address=contact.email,
        to_name=contact.name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind="form_link",
        key=key,
        about=f"contact:{contact.pk}",
    )
