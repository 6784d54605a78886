"""Drafts that are made of mails: kept once, added to, and finished by the person who wrote (D8, D27)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from incidents import mails
from incidents.models import Channel, Draft, DraftMail
from incidents.services.common import checked
from incidents.services.files import attach
from incidents.windows import kept_until
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY

FIRST_LINE_CHARS = 80


def subject_of(subject: str, text: str) -> str:
    """What a mail is about in one line: its subject, or its first words; what is cut off shows as cut off.

    >>> subject_of("", "It stops at night.\\nSince Monday.")
    'It stops at night.'
    """
    said = " ".join(subject.split())
    if said:
        return said if len(said) <= POLICY.subject_max else f"{said[: POLICY.subject_max - 1]}…"
    line = " ".join(text.strip().partition("\n")[0].split())
    return line if len(line) <= FIRST_LINE_CHARS else f"{line[: FIRST_LINE_CHARS - 1]}…"


@transaction.atomic
def keep_mail_draft(
    *,
    raw: RawMail,
    contact: Contact,
    subject: str,
    text: str,
    at: datetime,
    html: str = "",
    files: Collection[str] = (),
    several: bool = False,
) -> tuple[Draft, OutgoingMail | None]:
    """Keeps a mail as a draft of that contact, and mails them the link: nothing is charged by mail alone (D27).

    Once a mail. ``several``: they write for several customers, and choose of which it is. Gives the mail that went
    out, too; none where the draft was there.

    Raises TextMissing, TextTooLong, FileRefused; then nothing has changed.
    """
    text = checked(text)
    customer = lock_customer(contact.customer_id)
    draft, made = Draft.objects.get_or_create(
        raw_mail=raw,
        defaults={
            "key": f"raw:{raw.pk}",
            "customer": customer,
            "contact": contact,
            "channel": Channel.EMAIL,
            "subject": subject_of(subject, text),
            "text": text,
            "html": html,
            "created_at": at,
            "kept_until": kept_until(since=at, zone=customer.zone),
        },
    )
    if not made:
        return draft, None
    attach(tokens=files, draft=draft, contact=contact)
    DraftMail.objects.create(draft=draft, came=raw)
    mail = mails.draft_made(draft, raw=raw, several=several, at=at)
    if mail is not None:
        DraftMail.objects.create(draft=draft, sent=mail)
    return draft, mail
