"""Drafts that are made of mails: kept once, added to, and finished by the person who wrote (D8, D27)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from incidents import mails
from incidents.models import Channel, Draft, DraftMail
from incidents.services.common import Refused, checked
from incidents.services.drafting import DraftChanged, DraftOpened, state_of
from incidents.services.files import attach
from incidents.services.opening import DraftGone
from incidents.windows import kept_until
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.quotes import unquoted
from supportdesk.people.models import Contact
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY

FIRST_LINE_CHARS = 80


class NotTheSamePerson(Refused):
    """A draft is moved only among the customers of the person who wrote it (D21, D22)."""


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


def added_by(text: str) -> str:
    """What a mail that answers a draft adds to it: its own words, for what it quotes is there already (D27)."""
    return unquoted(text).strip()


def fits(before: str, added: str) -> bool:
    """True where a draft's text has room for more (D27)."""
    return len(_joined(before, added)) <= POLICY.text_max


def _joined(before: str, added: str) -> str:
    return f"{before}\n\n{added}"


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


@transaction.atomic
def add_to_draft(*, draft_id: int, raw: RawMail, text: str, at: datetime, files: Collection[str] = ()) -> Draft:
    """Adds a mail that answers a draft to it, once: nobody is mailed, so machines that answer each other end here.

    (D27, D28)

    Raises DraftOpened, DraftGone, TextMissing, TextTooLong, FileRefused; then nothing has changed.
    """
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    draft = Draft.objects.select_related("contact", "incident").get(pk=draft_id)
    if DraftMail.objects.filter(came=raw).exists():
        return draft
    if draft.incident is not None:
        raise DraftOpened(draft.incident.number)
    if draft.discarded_at is not None or draft.kept_until <= at:
        raise DraftGone
    draft.text = checked(_joined(draft.text, checked(text)))
    # The HTML is that of the first mail: it would hide what was added.
    draft.html = ""
    draft.save(update_fields=["text", "html"])
    attach(tokens=files, draft=draft, contact=draft.contact)
    DraftMail.objects.create(draft=draft, came=raw)
    return draft


@transaction.atomic
def finish_draft(*, draft_id: int, contact_id: int, kind: str, release_id: int, seen: str, at: datetime) -> Draft:
    """Says what a draft of a mail is about, and of which of the sender's customers it is (D21, D27).

    ``contact_id`` is the same person, as a contact of another customer or of the same one. ``seen`` is the
    ``state_of`` the draft that the page showed. The same again changes nothing.

    Raises DraftGone, DraftOpened, DraftChanged, NotTheSamePerson; then nothing has changed.
    """
    there = Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id)
    contact = Contact.objects.select_related("customer").get(pk=contact_id)
    for customer_id in sorted({there, contact.customer_id}):
        lock_customer(customer_id)
    draft = Draft.objects.select_related("contact", "incident").get(pk=draft_id)
    if draft.incident is not None:
        raise DraftOpened(draft.incident.number)
    if draft.discarded_at is not None or draft.kept_until <= at:
        raise DraftGone
    if not _is_same_person(draft.contact, contact):
        raise NotTheSamePerson
    if (draft.contact_id, draft.kind, draft.release_id) == (contact.pk, kind, release_id):
        return draft
    if state_of(draft) != seen:
        raise DraftChanged
    draft.contact, draft.customer, draft.kind, draft.release_id = contact, contact.customer, kind, release_id
    draft.save(update_fields=["contact", "customer", "kind", "release"])
    draft.files.update(contact=contact)
    return draft


def _is_same_person(one: Contact, other: Contact) -> bool:
    """True for one contact, and for two with the same sign-in (D21)."""
    if other.removed_at is not None:
        return False
    return one.pk == other.pk or (one.user_id is not None and one.user_id == other.user_id)
