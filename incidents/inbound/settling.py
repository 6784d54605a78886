"""What a technician makes of a held mail (D26)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from incidents.inbound.content import keep_files, said_in
from incidents.inbound.drafting import draft_of_mail
from incidents.inbound.evidence import senders_of, who_wrote
from incidents.models import Draft, HeldMail, Incident, Message, Settled, Via
from incidents.queries import final_ids, named_instead
from incidents.services.common import Refused
from incidents.services.conversation import customer_message, keep_automatic
from supportdesk.mail.incoming import read
from supportdesk.mail.parse import ParsedMail
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


class AlreadySettled(Refused):
    """Somebody else has attached the mail, or put it away."""

    def __init__(self, held: HeldMail | None = None) -> None:
        super().__init__("" if held is None else held.settled_as)
        self.held = held


class FromElsewhere(Refused):
    """The sender is a contact of other customers: it is asked once more whether this one may read it (D22)."""

    def __init__(self, contacts: tuple[Contact, ...]) -> None:
        super().__init__(f"{len(contacts)} contacts")
        self.contacts = contacts


class FromNobody(Refused):
    """No contact writes from the sender's address: it is asked once more whether the customer may read it (D22)."""


class NamesAnother(Refused):
    """The mail names other incidents than the one that it would be attached to, which cannot be undone (D22)."""

    def __init__(self, incidents: tuple[Incident, ...]) -> None:
        super().__init__(f"{len(incidents)} incidents")
        self.incidents = incidents


class NoContactOfIt(Refused):
    """Whose message it is to be is no contact of the incident's customer, or has left."""


class ContactGone(Refused):
    """The contact has left, or was never there."""


class NotPutAway(Refused):
    """Only what was discarded, or put away as blocked, is brought back: an attached mail is a message by now."""


class TooManyAtOnce(Refused):
    """POLICY.held_at_once_max held mails are the most that one press settles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """Whose message a held mail would be, and of what other customers the sender is a contact."""

    contact: Contact
    is_sender: bool
    elsewhere: tuple[Contact, ...]


def whose(incident: Incident, senders: list[Contact]) -> Whose:
    """Of the sender, where they are a contact of the incident's customer; of its contact otherwise (D22, D26)."""
    wrote = who_wrote(incident.pk, senders)
    elsewhere = () if wrote is not None else tuple(senders)
    return Whose(contact=wrote or incident.contact, is_sender=wrote is not None, elsewhere=elsewhere)


@transaction.atomic
def attach_held(
    *,
    held_id: int,
    incident_id: int,
    user: User,
    at: datetime,
    contact_id: int | None = None,
    confirmed: bool = False,
) -> Message:
    """Adds a held mail with its files to an incident, or to the one that it was merged into (D26, D31, D35).

    It is the message of ``contact_id``, one of the customer's contacts; else the sender's own, where they are one,
    and the incident's contact's where not. ``confirmed``: it was seen that the sender is another customer's or
    nobody's, or that the mail names another incident; this customer will read it. It counts from when our gateway
    took it: a re-opening asked for in time stays in time (D16). An automatic mail stays one, and does nothing (D28).

    Raises AlreadySettled, NoContactOfIt, FromElsewhere, FromNobody, NamesAnother, TextMissing, FileRefused; then it
    is still held.
    """
    held = lock_held(held_id)
    incident = Incident.objects.select_related("contact").get(pk=final_ids([incident_id])[incident_id])
    mail = read(held.raw_mail)
    by = whose(incident, senders_of(mail))
    if not confirmed and not mail.automatic:
        _look_twice(held, mail, incident, by)
    contact = by.contact
    if contact_id is not None and contact_id != contact.pk:
        chosen = Contact.objects.filter(pk=contact_id, customer=incident.customer_id, removed_at=None).first()
        if chosen is None:
            raise NoContactOfIt
        contact = chosen
    message = _message(held, mail, incident, contact, is_sender=by.is_sender, user=user)
    settle(held, Settled.ATTACHED, user=user, at=at, attached_to=message.incident)
    return message


def _look_twice(held: HeldMail, mail: ParsedMail, incident: Incident, by: Whose) -> None:
    """Raises where the customer may well be the wrong one; what a machine sent is for us alone, wherever it is kept."""
    others = named_instead(held, mail.subject, incident)
    if others:
        raise NamesAnother(others)
    if by.elsewhere:
        raise FromElsewhere(by.elsewhere)
    if not by.is_sender:
        raise FromNobody


def _message(
    held: HeldMail, mail: ParsedMail, incident: Incident, contact: Contact, *, is_sender: bool, user: User
) -> Message:
    said, received = said_in(mail), held.raw_mail.received_at
    wrote = contact if is_sender or not mail.automatic else None
    files = keep_files(mail, contact=wrote, at=received)
    if mail.automatic:
        return keep_automatic(
            incident_id=incident.pk,
            text=said.text,
            html=said.html,
            left=said.left,
            contact=wrote,
            at=received,
            raw_mail=held.raw_mail,
            files=files,
        )
    return customer_message(
        incident_id=incident.pk,
        contact=contact,
        text=said.text[: POLICY.text_max],
        html=said.html,
        left=said.left,
        via=Via.MAIL,
        at=received,
        key=f"raw:{held.raw_mail_id}",
        raw_mail=held.raw_mail,
        files=files,
        by=user,
    ).message


@transaction.atomic
def draft_held(*, held_id: int, contact_id: int, user: User, at: datetime) -> Draft:
    """Makes a held mail a draft of a contact, who gets a mail with the link to it (D8, D27).

    Raises AlreadySettled, ContactGone, and what a draft refuses; then it is still held.
    """
    held = lock_held(held_id)
    contact = Contact.objects.select_related("customer").filter(pk=contact_id, removed_at=None).first()
    if contact is None:
        raise ContactGone
    draft = draft_of_mail(raw=held.raw_mail, mail=read(held.raw_mail), contact=contact, at=at, by=user)
    settle(held, Settled.DRAFT, user=user, at=at, draft=draft)
    return draft


@transaction.atomic
def discard_held(*, held_ids: Collection[int], user: User, at: datetime) -> list[int]:
    """Settles held mails without an effect; gives which. Their source stays stored (D29).

    What somebody else has settled stays as it is. Raises TooManyAtOnce; then nothing has changed.
    """
    ids = set(held_ids)
    if len(ids) > POLICY.held_at_once_max:
        raise TooManyAtOnce
    # Locked in one order: two who discard the same ones wait for each other, and for nothing else.
    waiting = HeldMail.objects.select_for_update().filter(pk__in=ids, settled_at=None).order_by("pk")
    found = list(waiting.values_list("pk", flat=True))
    HeldMail.objects.filter(pk__in=found).update(
        settled_as=Settled.DISCARDED, settled_at=at, settled_by=user, attached_to=None, draft=None
    )
    return found


@transaction.atomic
def bring_back(*, held_ids: Collection[int]) -> int:
    """Holds again what was discarded, or put away as blocked; gives how many. What is held already stays so (D26).

    Raises NotPutAway, TooManyAtOnce; then nothing has changed.
    """
    ids = set(held_ids)
    if len(ids) > POLICY.held_at_once_max:
        raise TooManyAtOnce
    rows = list(HeldMail.objects.select_for_update().filter(pk__in=ids).defer("text").order_by("pk"))
    if any(held.settled_as in (Settled.ATTACHED, Settled.DRAFT) for held in rows):
        raise NotPutAway
    away = [held.pk for held in rows if held.settled_at is not None]
    return HeldMail.objects.filter(pk__in=away).update(settled_as="", settled_at=None, settled_by=None)


def lock_held(held_id: int) -> HeldMail:
    """The held mail, locked until the transaction ends, before any customer's row. Raises AlreadySettled."""
    held = HeldMail.objects.select_for_update(of=("self",)).select_related("raw_mail").get(pk=held_id)
    if held.settled_at is not None:
        raise AlreadySettled(held)
    return held


def settle(
    held: HeldMail,
    settled_as: Settled,
    *,
    user: User | None,
    at: datetime,
    attached_to: Incident | None = None,
    draft: Draft | None = None,
) -> None:
    """Writes what became of a locked held mail."""
    held.settled_as, held.settled_at, held.settled_by = settled_as, at, user
    held.attached_to, held.draft = attached_to, draft
    held.save(update_fields=["settled_as", "settled_at", "settled_by", "attached_to", "draft"])
