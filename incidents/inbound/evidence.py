"""What a mail shows of where it belongs and who wrote it, read from the database (D26)."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count

from incidents.access import incidents_for
from incidents.filing import Evidence
from incidents.inbound.blocking import is_blocked
from incidents.inbound.content import has_files
from incidents.inbound.returned import Returned
from incidents.mails import can_be_told
from incidents.models import Draft, DraftMail, Incident, IncidentMail, Message
from incidents.numbers import numbers_in
from incidents.queries import final_ids
from incidents.services.mail_drafts import added_by, fits
from supportdesk.mail.models import RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.quotes import unquoted
from supportdesk.mail.tokens import read_reply_address
from supportdesk.people.access import contacts_by_email, staff_has_email
from supportdesk.people.models import Contact
from supportdesk.people.scope import scope_of_contact
from supportdesk.policy import POLICY


def senders_of(mail: ParsedMail) -> list[Contact]:
    """The contacts, of whatever customer, whose address the mail's one sender has (D21, D26)."""
    return list(contacts_by_email(mail.from_address)) if mail.from_address else []


def who_wrote(incident_id: int, senders: list[Contact]) -> Contact | None:
    """The contact, of those with the sender's address, who belongs to the incident's customer (D21)."""
    customer = Incident.objects.values_list("customer_id", flat=True).get(pk=incident_id)
    return next((contact for contact in senders if contact.customer_id == customer), None)


def whose_draft(senders: list[Contact], address: str) -> Contact | None:
    """Of whom a mail becomes a draft: the first, by customer, of the contacts that one person is (D21, D27).

    Whose own address it is goes before whom it belongs to besides. None where no mail reaches them, or where it may be
    several people's: what one of them wrote is not for the other.
    """
    told = [contact for contact in senders if can_be_told(contact)]
    own = [contact for contact in told if contact.email.lower() == address.lower()]
    found = sorted(own or told, key=lambda contact: (contact.customer.name, contact.pk))
    return found[0] if len({contact.email.lower() for contact in found}) == 1 else None


def evidence_of(
    raw: RawMail, mail: ParsedMail, senders: list[Contact], *, at: datetime, returned: Returned | None = None
) -> Evidence:
    """What a mail shows, as ``decide`` takes it (D26); ``returned`` is the mail of ours that it is about for sure."""
    tokens = _tokens(raw, mail)
    # A delivery report brings back the mail that it is about, and often names it nowhere else (D28).
    ids = [*mail.in_reply_to, *mail.references, *([mail.returned_id] if mail.returned_id else [])]
    if returned is not None:
        ids = [returned.message_id]
    answered = _drafts(ids)
    referenced = (
        frozenset(IncidentMail.objects.filter(mail__message_id__in=ids).values_list("incident_id", flat=True))
        | frozenset(Message.objects.filter(raw_mail__message_id__in=ids).values_list("incident_id", flat=True))
        | frozenset(draft.incident_id for draft in answered if draft.incident_id is not None)
    )
    subject = _by_number(numbers_in(mail.subject))
    body = _by_number(numbers_in(unquoted(mail.text)[: POLICY.text_max])[:20])
    # A number that was merged leads on: what names both names one (D35).
    leads = final_ids({*referenced, *subject, *body, *tokens})
    tokens, referenced, subject, body = (
        frozenset(leads[incident] for incident in level) for level in (tokens, referenced, subject, body)
    )
    named = set(leads.values())
    allowed = {
        incident
        for contact in senders
        for incident in incidents_for(scope_of_contact(contact)).filter(pk__in=named).values_list("pk", flat=True)
    }
    return Evidence(
        senders=mail.from_count,
        from_staff=staff_has_email(mail.from_address),
        blocked=is_blocked(mail.from_address),
        contact_ids=frozenset(contact.pk for contact in senders),
        allowed=frozenset(allowed),
        tokens=tokens,
        referenced=referenced,
        drafts=frozenset(draft.pk for draft in answered if _takes(draft, mail, senders, at=at)),
        in_subject=subject,
        in_body=body,
        automatic=bool(mail.automatic),
        forged=mail.dmarc_failed,
        readable=mail.sound,
        encrypted=mail.encrypted,
        too_big=raw.refused_bytes is not None,
        has_content=bool(unquoted(mail.text).strip()) or has_files(mail),
        only_quoted=bool(mail.text.strip()),
        too_long=len(mail.text) > POLICY.text_max,
    )


def _drafts(ids: list[str]) -> list[Draft]:
    """The drafts that the mail answers: a mail of ours about them, or one that came for them (D27)."""
    mails = DraftMail.objects.filter(sent__message_id__in=ids).values("draft")
    came = DraftMail.objects.filter(came__message_id__in=ids).values("draft")
    # Two questions to two indexes: an OR over both tables would read every mail.
    return list(Draft.objects.filter(pk__in=mails.union(came)).annotate(count=Count("mails__came")))


def _takes(draft: Draft, mail: ParsedMail, senders: list[Contact], *, at: datetime) -> bool:
    """True where the sender's draft still waits, and has room for the mail; else it is one of its own (D27)."""
    waits = draft.incident_id is None and draft.discarded_at is None and draft.kept_until > at
    theirs = any(contact.pk == draft.contact_id for contact in senders)
    has_room = draft.count < POLICY.draft_mails_max  # type: ignore[attr-defined]  # annotated
    return waits and theirs and has_room and fits(draft.text, added_by(mail.text))


def _tokens(raw: RawMail, mail: ParsedMail) -> frozenset[int]:
    """The incidents of the signed reply addresses that the mail was sent to (D26)."""
    addresses = (*raw.rcpt_to, *mail.delivered_to, *mail.to, *mail.cc)
    found = (read_reply_address(address) for address in dict.fromkeys(addresses))
    return frozenset(token.incident_id for token in found if token is not None)


def _by_number(numbers: tuple[str, ...]) -> frozenset[int]:
    return (
        frozenset(Incident.objects.filter(number__in=numbers).values_list("pk", flat=True)) if numbers else frozenset()
    )
