"""Dividing an incident into subordinate problems, at once or when the points are there (R9, D8, D11, D14)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from incidents.dividing import Part, Problem, flaws, one_line
from incidents.mails import splits as mails
from incidents.models import (
    Attachment,
    Incident,
    Message,
    MessageKind,
    OriginKind,
    Proposal,
    ProposalPart,
    TimelineCode,
    TimelineEntry,
)
from incidents.services.common import KeyReused, Refused, lock_incident, must_allow, note_step
from incidents.services.opening import Report, begin
from incidents.statuses import Act
from incidents.windows import kept_until
from points.queries import balance
from points.services import NotEnoughPoints
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY

# What changes what there is to divide; a page that was loaded before does not know it.
NEWS = (
    TimelineCode.CUSTOMER_WROTE,
    TimelineCode.ANSWERED,
    TimelineCode.CALLED,
    TimelineCode.SPLIT,
    TimelineCode.MERGED_IN,
    TimelineCode.UNMERGED_FROM,
)


class CannotDivide(Refused):
    """The case cannot be divided as it was asked for; ``problems`` says all that is wrong, part by part."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(", ".join(f"{problem.position}: {problem.flaw}" for problem in problems))
        self.problems = problems


class Overtaken(Refused):
    """Something has happened since the page was loaded; ``steps`` are what its reader has not seen."""

    def __init__(self, steps: list[TimelineEntry]) -> None:
        super().__init__(", ".join(step.code for step in steps))
        self.steps = steps


class ProposalWaits(Refused):
    """One proposal waits at a time: it is carried out or withdrawn before another is made."""


class ProposalSettled(Refused):
    """The proposal does not wait any more."""


class ProposalAccepted(ProposalSettled):
    """It was carried out before."""


class ProposalWithdrawn(ProposalSettled):
    """It was withdrawn, by the customer or on the desk, or because the incident ended."""


class ProposalLapsed(ProposalSettled):
    """Its 30 days are over (D8)."""


# Splitting


@transaction.atomic
def split(
    *,
    incident_id: int,
    parts: Sequence[Part],
    kept_subject: str,
    user: User,
    at: datetime,
    key: str,
    seen: int | None = None,
) -> Proposal:
    """Divides an incident: it keeps one problem, each part becomes an incident of its own; all or nothing (R9, D14).

    Where the points don't suffice, nothing changes but that a proposal waits for them, 30 days (D8): its state says
    so. ``seen`` is the latest step of the timeline that the page knew. The same key with the same content gives the
    first proposal back.

    Raises NotAllowed, CannotDivide, Overtaken, ProposalWaits, KeyReused; then nothing has changed.
    """
    kept_subject = one_line(kept_subject)
    incident = lock_incident(incident_id)
    before = Proposal.objects.filter(key=key).first()
    if before is not None:
        if (before.incident_id, _content(before)) != (incident.pk, [Part(subject=kept_subject), *parts]):
            raise KeyReused
        return before
    must_allow(incident, Act.SPLIT)
    _must_know(incident, seen)
    _must_be_alone(incident, at=at)
    _must_be_divisible(incident, kept_subject=kept_subject, parts=parts)
    proposal = _write(incident, [Part(subject=kept_subject), *parts], user=user, at=at, key=key)
    needed, on_hand = price_of(incident, parts=len(parts)), balance(customer_id=incident.customer_id, at=at)
    if on_hand < needed:
        data = {"proposal": proposal.pk, "count": len(parts), "points": needed}
        note_step(incident, TimelineCode.SPLIT_PROPOSED, at=at, user=user, data=data)
        incident.last_at = at
        incident.save(update_fields=["last_at"])
        mails.split_proposed(incident, proposal=proposal, needed=needed, on_hand=on_hand, at=at)
        return proposal
    return _carry_out(proposal, incident, at=at, user=user)


def price_of(incident: Incident, *, parts: int) -> int:
    """What that many parts cost: each as much as an incident that begins the same way (R1, D14)."""
    return parts * POLICY.points_for(incident.channel)


def _must_know(incident: Incident, seen: int | None) -> None:
    if seen is None:
        return
    steps = incident.timeline.filter(pk__gt=seen, code__in=NEWS).select_related("user", "contact").order_by("pk")
    if missed := list(steps):
        raise Overtaken(missed)


def _must_be_alone(incident: Incident, *, at: datetime) -> None:
    """No other proposal waits; one whose days are over waits no more, even if no job has said so (D8)."""
    waiting = incident.proposals.filter(state=Proposal.State.WAITING).first()
    if waiting is None:
        return
    if waiting.kept_until > at:
        raise ProposalWaits
    _settle(waiting, Proposal.State.LAPSED, at=at)
    if waiting.kind == Proposal.Kind.SPLIT:
        note_step(incident, TimelineCode.SPLIT_LAPSED, at=at, data={"proposal": waiting.pk})


def _must_be_divisible(incident: Incident, *, kept_subject: str, parts: Sequence[Part]) -> None:
    messages = _messages(incident, (pk for part in parts for pk in part.message_ids))
    files = _files(incident, (pk for part in parts for pk in part.file_ids))
    problems = flaws(
        kept_subject=kept_subject,
        parts=parts,
        messages={message.pk: message.kind != MessageKind.NOTE for message in messages},
        files={file.pk: file.message_id for file in files if file.message_id is not None},
    )
    if problems:
        raise CannotDivide(problems)


def _messages(incident: Incident, ids: Iterable[int]) -> list[Message]:
    """Those of ``ids`` that may be copied, in order: no automatic mail, for nobody vouches for it (D28)."""
    found = Message.objects.filter(incident=incident, pk__in=set(ids)).exclude(kind=MessageKind.AUTOMATIC)
    return list(found.order_by("at", "pk"))


def _files(incident: Incident, ids: Iterable[int]) -> list[Attachment]:
    found = Attachment.objects.filter(message__incident=incident, pk__in=set(ids))
    return list(found.exclude(message__kind=MessageKind.AUTOMATIC).order_by("pk"))


def _write(incident: Incident, parts: Sequence[Part], *, user: User, at: datetime, key: str) -> Proposal:
    """The proposal with its parts; the one at place 0 is what stays in the incident."""
    proposal = Proposal.objects.create(
        key=key,
        incident=incident,
        kind=Proposal.Kind.SPLIT,
        made_by=user,
        made_at=at,
        kept_until=kept_until(since=at, zone=incident.customer.zone),
    )
    rows = ProposalPart.objects.bulk_create(
        ProposalPart(proposal=proposal, position=position, subject=part.subject) for position, part in enumerate(parts)
    )
    with_messages, with_files = ProposalPart.messages.through, ProposalPart.files.through
    with_messages.objects.bulk_create(
        with_messages(proposalpart=row, message_id=pk)
        for row, part in zip(rows, parts, strict=True)
        for pk in part.message_ids
    )
    with_files.objects.bulk_create(
        with_files(proposalpart=row, attachment_id=pk)
        for row, part in zip(rows, parts, strict=True)
        for pk in part.file_ids
    )
    return proposal


def _content(proposal: Proposal) -> list[Part]:
    """What a proposal was made of, as it was asked for."""
    return [
        Part(
            subject=row.subject,
            message_ids=tuple(message.pk for message in row.messages.all()),
            file_ids=tuple(file.pk for file in row.files.all()),
        )
        for row in proposal.parts.prefetch_related("messages", "files")
    ]


# Carrying out


def _carry_out(
    proposal: Proposal, incident: Incident, *, at: datetime, user: User | None = None, contact: Contact | None = None
) -> Proposal:
    """Makes the incidents of a proposal. The case was opened in time: its release may be out of support by now."""
    kept, *rows = proposal.parts.prefetch_related("messages", "files")
    owner = _owner(proposal, incident, user=user)
    made = [_open_part(row, incident, owner=owner, user=user, contact=contact, at=at) for row in rows]
    renamed = kept.subject != incident.subject
    _settle(proposal, Proposal.State.ACCEPTED, at=at, user=user, contact=contact)
    data = {
        "proposal": proposal.pk,
        "parts": [part.incident.pk for part in made],
        "numbers": [part.incident.number for part in made],
        "renamed": renamed,
    }
    note_step(incident, TimelineCode.SPLIT, at=at, user=user, contact=contact, data=data)
    incident.subject = kept.subject
    incident.last_at = at
    incident.save(update_fields=["subject", "last_at"])
    mails.split(incident, proposal=proposal, parts=made, at=at)
    return proposal


def _owner(proposal: Proposal, incident: Incident, *, user: User | None) -> User | None:
    """Who works on the parts: the incident's owner, or who divides it; never somebody who has left."""
    asked = (incident.owner, user, proposal.made_by)
    return next((person for person in asked if person is not None and person.works_here), None)


def _open_part(
    row: ProposalPart,
    origin: Incident,
    *,
    owner: User | None,
    user: User | None,
    contact: Contact | None,
    at: datetime,
) -> mails.MadePart:
    """One part as an incident, with its copies. Its clock runs: a copied answer is no response (D11)."""
    report = Report(
        contact=origin.contact,
        channel=origin.channel,
        kind=origin.kind,
        release_id=origin.release_id,
        subject=row.subject,
        text=row.subject,
    )
    part, paid, clock = begin(
        report=report,
        customer=origin.customer,
        release=origin.release,
        actor=user or (contact.user if contact else None),
        at=at,
        key=f"split:{row.proposal_id}:{row.position}",
        origin=origin,
        origin_kind=OriginKind.SPLIT,
        owner=owner,
    )
    _copy(row, origin, part)
    row.incident = part
    row.save(update_fields=["incident"])
    data = {
        "origin": origin.pk,
        "number": origin.number,
        "points": paid.points,
        "charge": paid.pk,
        "clock": clock.pk,
        "due": clock.due_at.isoformat(),
    }
    note_step(part, TimelineCode.SPLIT_OFF, at=at, user=user, contact=contact, data=data)
    made = mails.MadePart(incident=part, charge=paid, clock=clock)
    mail = mails.split_off(made, origin=origin, at=at)
    if mail is not None:
        note_step(part, TimelineCode.NUMBER_MAILED, at=at, data={"mail": mail.pk})
    return made


def _copy(row: ProposalPart, origin: Incident, part: Incident) -> None:
    """Copies what was chosen and is still there: an unmerge may have taken messages away meanwhile (D35)."""
    chosen = _messages(origin, (message.pk for message in row.messages.all()))
    copies = Message.objects.bulk_create(
        Message(
            incident=part,
            kind=message.kind,
            via=message.via,
            contact_id=message.contact_id,
            user_id=message.user_id,
            text=message.text,
            at=message.at,
            key=f"split:{part.pk}:{message.pk}",
            direction=message.direction,
            copied_from=message,
        )
        for message in chosen
    )
    copy_of = {copy.copied_from_id: copy for copy in copies}
    Attachment.objects.bulk_create(
        Attachment(
            token=secrets.token_urlsafe(32),
            stored=file.stored,
            name=file.name,
            size=file.size,
            picture=file.picture,
            digest=file.digest,
            message=copy_of[file.message_id],
            user_id=file.user_id,
            contact_id=file.contact_id,
            uploaded_at=file.uploaded_at,
        )
        for file in _files(origin, (file.pk for file in row.files.all()))
        if file.message_id in copy_of
    )


# What waits


@transaction.atomic
def accept_proposal(
    *, proposal_id: int, at: datetime, contact: Contact | None = None, user: User | None = None
) -> Proposal:
    """Carries out a split that waited: the customer by one click, or a technician once the points are there (D8).

    Accepting twice gives the same. Messages and files are those that were chosen, but for what is gone.

    Raises ProposalWithdrawn, ProposalLapsed, NotAllowed, NotEnoughPoints; then nothing has changed.
    """
    proposal, incident = _locked(proposal_id)
    if proposal.state == Proposal.State.ACCEPTED:
        return proposal
    _must_wait(proposal, at=at)
    must_allow(incident, Act.SPLIT)
    needed = price_of(incident, parts=proposal.parts.count() - 1)
    on_hand = balance(customer_id=incident.customer_id, at=at)
    if on_hand < needed:
        raise NotEnoughPoints(needed=needed, on_hand=on_hand)
    return _carry_out(proposal, incident, at=at, user=user, contact=contact)


@transaction.atomic
def withdraw_proposal(*, proposal_id: int, user: User, at: datetime) -> Proposal:
    """Takes back a split that waits; its customer is told. Twice gives the same.

    Raises ProposalAccepted, ProposalLapsed; then nothing has changed.
    """
    proposal, incident = _locked(proposal_id)
    if proposal.state == Proposal.State.WITHDRAWN:
        return proposal
    _must_wait(proposal, at=at)
    _settle(proposal, Proposal.State.WITHDRAWN, at=at, user=user)
    note_step(incident, TimelineCode.SPLIT_WITHDRAWN, at=at, user=user, data={"proposal": proposal.pk})
    mails.split_withdrawn(incident, proposal=proposal, at=at)
    return proposal


@transaction.atomic
def decline_proposal(*, proposal_id: int, contact: Contact, at: datetime) -> Proposal:
    """The customer leaves the incident whole. Twice gives the same.

    Raises ProposalAccepted, ProposalLapsed; then nothing has changed.
    """
    proposal, incident = _locked(proposal_id)
    if proposal.state == Proposal.State.WITHDRAWN:
        return proposal
    _must_wait(proposal, at=at)
    _settle(proposal, Proposal.State.WITHDRAWN, at=at)
    note_step(incident, TimelineCode.SPLIT_WITHDRAWN, at=at, contact=contact, data={"proposal": proposal.pk})
    return proposal


def _locked(proposal_id: int) -> tuple[Proposal, Incident]:
    """The proposal as it stands once its incident is locked."""
    of_incident = Proposal.objects.filter(kind=Proposal.Kind.SPLIT).values_list("incident_id", flat=True)
    incident = lock_incident(of_incident.get(pk=proposal_id))
    return Proposal.objects.select_related("made_by").get(pk=proposal_id), incident


def _must_wait(proposal: Proposal, *, at: datetime) -> None:
    """Raises unless it waits at ``at``: its last day is over by the clock, not by a job (D8)."""
    if proposal.state == Proposal.State.ACCEPTED:
        raise ProposalAccepted
    if proposal.state == Proposal.State.WITHDRAWN:
        raise ProposalWithdrawn
    if proposal.state == Proposal.State.LAPSED or proposal.kept_until <= at:
        raise ProposalLapsed


def _settle(
    proposal: Proposal,
    state: Proposal.State,
    *,
    at: datetime,
    user: User | None = None,
    contact: Contact | None = None,
) -> None:
    proposal.state, proposal.settled_at = state, at
    proposal.settled_by, proposal.accepted_by = user, contact
    proposal.save(update_fields=["state", "settled_at", "settled_by", "accepted_by"])
