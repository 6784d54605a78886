"""A mail that names no incident becomes a draft of the contact who sent it (D27)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.inbound.content import keep_files, said_in
from incidents.inbound.evidence import senders_of
from incidents.inbound.replies import remember, take_room
from incidents.models import Draft
from incidents.services.mail_drafts import keep_mail_draft
from supportdesk.mail.models import RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.people.models import Contact, User


@transaction.atomic
def draft_of_mail(*, raw: RawMail, mail: ParsedMail, contact: Contact, at: datetime, by: User | None = None) -> Draft:
    """Makes a draft of a mail, once: its text, HTML and files, and the link to it by mail to the contact (D27).

    ``by`` is the technician who makes it of a held mail: then somebody vouches for it, and no budget is asked (D28).

    Raises NoRoom where the budget of answers is used up, TextMissing, TextTooLong; then nothing has changed.
    """
    before = Draft.objects.filter(raw_mail=raw).first()
    if before is not None:
        return before
    if by is None:
        take_room(address=mail.from_address, raw=raw, at=at)
    said = said_in(mail)
    senders = senders_of(mail)
    draft, sent = keep_mail_draft(
        raw=raw,
        contact=contact,
        subject=mail.subject,
        text=said.text,
        html=said.html,
        files=keep_files(mail, contact=contact, at=at),
        several=contact in senders and len(senders) > 1,
        at=at,
    )
    if by is None and sent is not None:
        remember(sent, address=mail.from_address, raw=raw, at=at)
    return draft
