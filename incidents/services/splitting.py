"""Dividing an incident into subordinate problems, at once or when the points are there (R9, D8, D11, D14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from incidents.dividing import Flaw, Part, Problem, flaws, one_line
from incidents.mails import splits as mails
from incidents.models import Incident, MessageKind, Proposal, ProposalPart, TimelineCode, TimelineEntry
from incidents.services.common import KeyReused, Refused, lock_incident, must_allow, note_step
from incidents.services.noticing import split_accepted
from incidents.services.parts import files_of, messages_of, open_part
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
    settle(waiting, Proposal.State.LAPSED, at=at)
    if waiting.kind == Proposal.Kind.SPLIT:
        note_step(incident, TimelineCode.SPLIT_LAPSED, at=at, data={"proposal": waiting.pk})


def _must_be_divisible(incident: Incident, *, kept_subject: str, parts: Sequence[Part]) -> None:
    messages = messages_of(incident, (pk for part in parts for pk in part.message_ids))
    files = files_of(incident, (pk for part in parts for pk in part.file_ids))
    problems = flaws(
        kept_subject=kept_subject,
        parts=parts,
        messages={message.pk: message.kind != MessageKind.NOTE for message in messages},
        files={file.pk: file.message_id for file in files if file.message_id is not None},
    )
    if problems:
        raise CannotDivide(problems)


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
    made = [open_part(row, incident, owner=owner, user=user, contact=contact, at=at) for row in rows]
    renamed = kept.subject != incident.subject
    settle(proposal, Proposal.State.ACCEPTED, at=at, user=user, contact=contact)
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
    if contact is not None:
        split_accepted(incident, proposal_id=proposal.pk, at=at, by=contact.user)
    return proposal


def _owner(proposal: Proposal, incident: Incident, *, user: User | None) -> User | None:
    """Who works on the parts: the incident's owner, or who divides it; never somebody who has left."""
    asked = (incident.owner, user, proposal.made_by)
    return next((person for person in asked if person is not None and person.works_here), None)


# What waits


@transaction.atomic
def accept_proposal(
    *, proposal_id: int, at: datetime, contact: Contact | None = None, user: User | None = None
) -> Proposal:
    """Carries out a split that waited: the customer by one click, or a technician once the points are there (D8).

    Accepting twice gives the same. Messages and files are those that were chosen, but for what is gone.

    Raises ProposalWithdrawn, ProposalLapsed, NotAllowed, NotEnoughPoints, CannotDivide where a parting has taken all
    messages of a part away (D35); then nothing has changed.
    """
    proposal, incident = _locked(proposal_id)
    if proposal.state == Proposal.State.ACCEPTED:
        return proposal
    must_wait(proposal, at=at)
    must_allow(incident, Act.SPLIT)
    needed = price_of(incident, parts=proposal.parts.count() - 1)
    on_hand = balance(customer_id=incident.customer_id, at=at)
    if on_hand < needed:
        raise NotEnoughPoints(needed=needed, on_hand=on_hand)
    _must_have_messages(proposal, incident)
    return _carry_out(proposal, incident, at=at, user=user, contact=contact)


@transaction.atomic
def withdraw_proposal(*, proposal_id: int, user: User, at: datetime) -> Proposal:
    """Takes back a split that waits; its customer is told. Twice gives the same.

    Raises ProposalAccepted, ProposalLapsed; then nothing has changed.
    """
    proposal, incident = _locked(proposal_id)
    if proposal.state == Proposal.State.WITHDRAWN:
        return proposal
    must_wait(proposal, at=at)
    settle(proposal, Proposal.State.WITHDRAWN, at=at, user=user)
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
    must_wait(proposal, at=at)
    settle(proposal, Proposal.State.WITHDRAWN, at=at)
    note_step(incident, TimelineCode.SPLIT_WITHDRAWN, at=at, contact=contact, data={"proposal": proposal.pk})
    return proposal


def _locked(proposal_id: int) -> tuple[Proposal, Incident]:
    """The proposal as it stands once its incident is locked."""
    of_incident = Proposal.objects.filter(kind=Proposal.Kind.SPLIT).values_list("incident_id", flat=True)
    incident = lock_incident(of_incident.get(pk=proposal_id))
    return Proposal.objects.select_related("made_by").get(pk=proposal_id), incident


def must_wait(proposal: Proposal, *, at: datetime) -> None:
    """Raises unless it waits at ``at``: its last day is over by the clock, not by a job (D8)."""
    if proposal.state == Proposal.State.ACCEPTED:
        raise ProposalAccepted
    if proposal.state == Proposal.State.WITHDRAWN:
        raise ProposalWithdrawn
    if proposal.state == Proposal.State.LAPSED or proposal.kept_until <= at:
        raise ProposalLapsed


def _must_have_messages(proposal: Proposal, incident: Incident) -> None:
    """Each part still has a message that its customer can read (D14)."""
    rows = proposal.parts.filter(position__gt=0).prefetch_related("messages")
    kept = messages_of(incident, (message.pk for row in rows for message in row.messages.all()))
    read = {message.pk for message in kept if message.kind != MessageKind.NOTE}
    empty = [row.position for row in rows if read.isdisjoint(message.pk for message in row.messages.all())]
    if empty:
        raise CannotDivide(tuple(Problem(position=position, flaw=Flaw.NO_MESSAGE) for position in empty))


def settle(
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
