"""What a mail shows of where it belongs and who wrote it, read from the database (D26)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Count

from incidents.access import incidents_for, pays_for
from incidents.filing import Evidence
from incidents.inbound.blocking import is_blocked
from incidents.inbound.content import has_files
from incidents.inbound.returned import Returned
from incidents.mails import can_be_told
from incidents.models import Draft, Incident
from incidents.numbers import numbers_in
from incidents.queries import final_ids
from incidents.services.common import customer_of
from incidents.services.mail_drafts import added_by, fits
from supportdesk.mail.models import RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.quotes import unquoted
from supportdesk.mail.tokens import read_reply_address
from supportdesk.people.access import contacts_writing_from, staff_has_email
from supportdesk.people.models import Contact
from supportdesk.people.scope import Scope, scope_of_contact
from supportdesk.policy import POLICY
from supportdesk.rows import columns, fetch, made

# Each table is asked by its own index: an OR over two of them would read every mail.
_ANSWERED: Final = """
    SELECT 'incident', incident_id FROM incidents_incidentmail tie JOIN mail_outgoingmail mail ON mail.id = tie.mail_id
    WHERE mail.message_id = ANY(%(ids)s)
    UNION SELECT 'incident', incident_id FROM incidents_message message JOIN mail_rawmail mail
        ON mail.id = message.raw_mail_id WHERE mail.message_id = ANY(%(ids)s)
    UNION SELECT 'draft', draft_id FROM incidents_draftmail tie JOIN mail_outgoingmail mail ON mail.id = tie.sent_id
    WHERE mail.message_id = ANY(%(ids)s)
    UNION SELECT 'draft', draft_id FROM incidents_draftmail tie JOIN mail_rawmail mail ON mail.id = tie.came_id
    WHERE mail.message_id = ANY(%(ids)s)
"""
_NAMED: Final = f"""
    SELECT {columns(Incident, "incidents_incident")} FROM incidents_incident WHERE number = ANY(%(numbers)s)
    UNION SELECT {columns(Incident, "incidents_incident")} FROM incidents_incident WHERE id = ANY(%(ids)s)
"""  # noqa: S608


def senders_of(mail: ParsedMail) -> list[Contact]:
    """The contacts, of whatever customer, whose address the mail's one sender has (D21, D26)."""
    return contacts_writing_from(mail.from_address) if mail.from_address else []


def who_wrote(incident_id: int, senders: list[Contact]) -> Contact | None:
    """The contact, of those with the sender's address, who belongs to the incident's customer (D21)."""
    customer = customer_of(incident_id)
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
    answered, drafts = _answered(ids)
    in_subject = numbers_in(mail.subject)
    in_body = numbers_in(unquoted(mail.text)[: POLICY.text_max])[:20]
    incidents = _named(numbers=[*in_subject, *in_body], ids=[*tokens, *answered])
    # A number that was merged leads on: what names both names one (D35).
    if any(incident.merged_into_id is not None for incident in incidents.values()):
        leads = final_ids(incidents)
        incidents |= _named(numbers=[], ids=list(leads.values()))
    else:
        leads = {incident: incident for incident in incidents}
    by_number = {incident.number: leads.get(pk, pk) for pk, incident in incidents.items()}
    return Evidence(
        senders=mail.from_count,
        from_staff=staff_has_email(mail.from_address),
        blocked=is_blocked(mail.from_address),
        contact_ids=frozenset(contact.pk for contact in senders),
        allowed=_seen(senders, {leads_to: incidents[leads_to] for leads_to in leads.values()}),
        tokens=frozenset(leads.get(pk, pk) for pk in tokens),
        referenced=frozenset(leads[pk] for pk in answered),
        drafts=frozenset(draft.pk for draft in drafts if _takes(draft, mail, senders, at=at)),
        in_subject=frozenset(by_number[number] for number in in_subject if number in by_number),
        in_body=frozenset(by_number[number] for number in in_body if number in by_number),
        automatic=bool(mail.automatic),
        forged=mail.dmarc_failed,
        readable=mail.sound,
        encrypted=mail.encrypted,
        too_big=raw.refused_bytes is not None,
        has_content=bool(unquoted(mail.text).strip()) or has_files(mail),
        only_quoted=bool(mail.text.strip()),
        too_long=len(mail.text) > POLICY.text_max,
    )


def _answered(ids: list[str]) -> tuple[set[int], list[Draft]]:
    """What the mails with those Message-IDs belong to: ids of incidents, and drafts (D26, D27)."""
    found = fetch(_ANSWERED, {"ids": ids}) if ids else []
    incidents: set[int] = {pk for kind, pk in found if kind == "incident"}
    wanted = [pk for kind, pk in found if kind == "draft"]
    drafts: list[Draft] = (
        list(Draft.objects.filter(pk__in=wanted).annotate(count=Count("mails__came"))) if wanted else []
    )
    return incidents | {draft.incident_id for draft in drafts if draft.incident_id is not None}, drafts


def _named(*, numbers: list[str], ids: list[int]) -> dict[int, Incident]:
    """The incidents with those ticket numbers and ids."""
    if not numbers and not ids:
        return {}
    found = [made(Incident, row) for row in fetch(_NAMED, {"numbers": numbers, "ids": ids})]
    return {incident.pk: incident for incident in found}


def _seen(senders: list[Contact], named: dict[int, Incident]) -> frozenset[int]:
    """Those that one of the senders may see (D21); only where that is not plain from the incident it is asked for."""
    members = [member for contact in senders for member in scope_of_contact(contact).memberships]
    scope = Scope(memberships=tuple(members))
    plain = {pk for pk, incident in named.items() if pays_for(scope, incident)}
    rest = named.keys() - plain if members else set()
    if rest:
        plain |= set(incidents_for(scope).filter(pk__in=rest).values_list("pk", flat=True))
    return frozenset(plain)


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
