"""A mail that names no incident becomes a draft of the contact who sent it (D27)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents.inbound.content import keep_files, said_in
from incidents.inbound.evidence import senders_of
from incidents.inbound.replies import NoRoom, remember, take_room
from incidents.models import Draft
from incidents.services.mail_drafts import add_to_draft, added_by, keep_mail_draft
from supportdesk.mail.models import RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


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
        if _waiting(contact, at=at) >= POLICY.mail_drafts_waiting_max:
            raise NoRoom
    said = said_in(mail)
    senders = senders_of(mail)
    draft, sent = keep_mail_draft(
        raw=raw,
        contact=contact,
        subject=mail.subject,
        text=said.text,
        html=said.html,
        files=keep_files(mail, contact=contact, at=at),
        several=contact in senders and len({sender.customer_id for sender in senders}) > 1,
        at=at,
    )
    if by is None and sent is not None:
        remember(sent, address=mail.from_address, raw=raw, at=at)
    return draft


@transaction.atomic
def append_to_draft(*, draft_id: int, raw: RawMail, mail: ParsedMail, at: datetime) -> Draft:
    """Adds what a mail says to the draft that it answers, with its files (D27).

    Raises DraftOpened, DraftGone, FileRefused; then nothing has changed.
    """
    contact = Draft.objects.select_related("contact").get(pk=draft_id).contact
    return add_to_draft(
        draft_id=draft_id,
        raw=raw,
        text=added_by(mail.text),
        files=keep_files(mail, contact=contact, at=at),
        at=at,
    )


def _waiting(contact: Contact, *, at: datetime) -> int:
    """How many drafts of mails of theirs nobody has said anything about yet."""
    waiting = Draft.objects.filter(contact=contact, raw_mail__isnull=False, kind="", kept_until__gt=at)
    return waiting.filter(incident=None, discarded_at=None).count()
