"""A duplicate is merged into the incident that stays, and parted from it again (D12, D35)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from incidents.mails import merges
from incidents.models import (
    Follower,
    Incident,
    IncidentCharge,
    IncidentClock,
    Message,
    Proposal,
    TimelineCode,
    TimelineEntry,
)
from incidents.services.common import (
    BugUndecided,
    KeyReused,
    Refused,
    lock_incident,
    move,
    must_allow,
    note_step,
    set_status,
    shut,
)
from incidents.services.places import note_moves
from incidents.services.splitting import must_wait, settle
from incidents.statuses import Act, Status, after_customer_message
from incidents.windows import kept_until
from points.giving_back import given_back
from points.services import NotEnoughPoints, charge, credit_back
from sla.models import Outcome, ResponseClock
from sla.services import end_clock, replan_clock, resume_clock
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY

# A call on what had ended is kept, and answers nothing (D20).
ANSWERED_BY_CALL = Q(code=TimelineCode.CALLED, data__has_key="then")


class IntoItself(Refused):
    """An incident is not merged into itself."""


class AnotherCustomers(Refused):
    """A duplicate is of one customer; the other incident is another customer's (D22, D35)."""


class MergedAlready(Refused):
    """One of the two was merged before; ``into`` is where it leads."""

    def __init__(self, into: Incident) -> None:
        super().__init__(into.number)
        self.into = into


class NotMerged(Refused):
    """The incident is merged into none."""


class PartingWaits(Refused):
    """Parting it waits for points already."""


class TooLateToPart(Refused):
    """The 24 hours in which a merge is taken back are over (D35)."""


@transaction.atomic
def merge(*, incident_id: int, into_id: int, user: User, at: datetime) -> Incident:
    """Merges a duplicate into the incident that stays, which is given back (D35).

    The conversation joins there; the charge is given back; the number leads there from now on; the clock ends with
    the outcome that it had. A clock that still ran hands on its start where that is the earlier one, so that
    merging never dodges a breach (D12). Its contact and followers follow the one that stays. Merging once more
    into the same changes nothing.

    Raises IntoItself, AnotherCustomers, MergedAlready, BugUndecided, NotAllowed; then nothing has changed.
    """
    if incident_id == into_id:
        raise IntoItself
    # One customer's row is the lock of both; two customers' rows are never locked by one transaction.
    if not Incident.objects.filter(pk=into_id, customer__incidents=incident_id).exists():
        raise AnotherCustomers
    first, second = (lock_incident(pk) for pk in sorted((incident_id, into_id)))
    source, target = (first, second) if first.pk == incident_id else (second, first)
    if source.merged_into_id == target.pk:
        return target
    for one in (source, target):
        if one.merged_into is not None:
            raise MergedAlready(one.merged_into)
    must_allow(source, Act.MERGE)
    must_allow(target, Act.MERGE_INTO)
    at = max(at, _began(source))
    data = _end_own(source, user=user, at=at)
    moved = _join_clocks(source, target, at=at)
    owed = _owed(source, target)
    Message.objects.filter(incident=source).update(written_on=Coalesce(F("written_on"), F("incident")), incident=target)
    followers = _join_followers(source, target, user=user, at=at)
    shut(
        source,
        TimelineCode.MERGED,
        at=at,
        user=user,
        data={"into": target.pk, **data, **moved, "owed": owed and owed.isoformat()},
    )
    if owed is not None:
        # A word that nobody has answered takes the waiting off the one that stays.
        move(target, after_customer_message(target.status), at=at, user=user)
    target.wrote_at = min((one for one in (owed, target.wrote_at) if one is not None), default=None)
    source.wrote_at = None
    source.merged_into, source.merged_at = target, at
    source.last_at = target.last_at = at
    source.save()
    target.save()
    note_step(
        target,
        TimelineCode.MERGED_IN,
        at=at,
        user=user,
        data={"from": source.pk, "number": source.number, "followers": followers, **moved},
    )
    merges.merged(source, into=target, points=data["points"], at=at)
    return target


@transaction.atomic
def unmerge(*, incident_id: int, user: User, at: datetime, key: str) -> Proposal:
    """Parts a merged incident from the one that it was merged into, within 24 hours, and charges it anew (D35).

    What was written on it goes with it, and its status and clock are as they were: a clock that was ended by the
    merge runs again, with its own deadline. What came meanwhile stays where it came. Where the points do not
    suffice nothing changes, and it waits as a proposal that the customer can pay for (D8). The same key gives the
    first proposal back.

    Raises NotMerged, TooLateToPart, PartingWaits, KeyReused, MergedAlready where the one that stayed was merged on;
    then nothing has changed.
    """
    source, target = _locked(incident_id)
    before = Proposal.objects.filter(key=key).first()
    if before is not None:
        if (before.incident_id, before.kind) != (source.pk, Proposal.Kind.UNMERGE):
            raise KeyReused
        return before
    if source.merged_at is None:
        raise NotMerged
    if at >= source.merged_at + timedelta(hours=POLICY.unmerge_hours):
        raise TooLateToPart
    if source.proposals.filter(state=Proposal.State.WAITING).exists():
        raise PartingWaits
    proposal = Proposal.objects.create(
        key=key,
        incident=source,
        kind=Proposal.Kind.UNMERGE,
        made_by=user,
        made_at=at,
        kept_until=kept_until(since=at, zone=source.customer.zone),
    )
    try:
        _part(source, target, proposal=proposal, user=user, contact=None, at=at)
    except NotEnoughPoints as short:
        data = {"proposal": proposal.pk, "kind": proposal.kind, "points": short.needed}
        note_step(source, TimelineCode.SPLIT_PROPOSED, at=at, user=user, data=data)
        merges.part_proposed(source, other=target, proposal=proposal, at=at)
    return proposal


@transaction.atomic
def accept_parting(
    *, proposal_id: int, at: datetime, contact: Contact | None = None, user: User | None = None
) -> Proposal:
    """Parts what waited for points, once they are there (D8, D35). Once carried out, nothing more happens.

    Raises ProposalSettled, MergedAlready, NotEnoughPoints; then nothing has changed.
    """
    source, target = _locked(Proposal.objects.values_list("incident_id", flat=True).get(pk=proposal_id))
    proposal = Proposal.objects.select_related("made_by").get(pk=proposal_id)
    if proposal.state == Proposal.State.ACCEPTED:
        return proposal
    must_wait(proposal, at=at)
    _part(source, target, proposal=proposal, user=user, contact=contact, at=at)
    return proposal


@transaction.atomic
def leave_merged(*, proposal_id: int, contact: Contact, at: datetime) -> Proposal:
    """The customer leaves it merged: nothing is charged (D8). Twice gives the same.

    Raises ProposalSettled; then nothing has changed.
    """
    source, _target = _locked(Proposal.objects.values_list("incident_id", flat=True).get(pk=proposal_id))
    proposal = Proposal.objects.select_related("made_by").get(pk=proposal_id)
    if proposal.state == Proposal.State.WITHDRAWN:
        return proposal
    must_wait(proposal, at=at)
    settle(proposal, Proposal.State.WITHDRAWN, at=at)
    data = {"proposal": proposal.pk, "kind": proposal.kind}
    note_step(source, TimelineCode.SPLIT_WITHDRAWN, at=at, contact=contact, data=data)
    return proposal


def _locked(incident_id: int) -> tuple[Incident, Incident]:
    """The merged incident and the one that it is merged into, both locked; where it stands alone, itself twice.

    Where it leads is read behind its customer's lock: it may have been parted and merged anew since the click.
    """
    source = lock_incident(incident_id)
    if source.merged_into_id is None:
        return source, source
    return source, lock_incident(source.merged_into_id)


def _part(
    source: Incident,
    target: Incident,
    *,
    proposal: Proposal,
    user: User | None,
    contact: Contact | None,
    at: datetime,
) -> None:
    if source.merged_into_id is None:
        raise NotMerged
    must_allow(source, Act.UNMERGE)
    if target.merged_into is not None:
        raise MergedAlready(target.merged_into)
    step = source.timeline.filter(code=TimelineCode.MERGED).latest("id")
    if step.data["points"]:
        _charge_anew(source, actor=user or (contact.user if contact else None), at=at, key=f"unmerge:{proposal.pk}")
    source.merged_into = source.merged_at = None
    set_status(source, Status(step.data["from"]), at=at)
    if step.data["first"]:
        source.first_closed_at = None
    source.wrote_at = datetime.fromisoformat(step.data["wrote"]) if step.data["wrote"] else None
    _part_messages(source, target)
    left = _part_followers(source, target, at=at)
    was_at = source.clocks.select_related("clock").get(current=True).clock.place
    resumed = resume_clock(clock_id=step.data["clock"], place=source.customer.place) if step.data["ended"] else None
    others = still_merged(target, but=source)
    give_start_back(target, others)
    if target.wrote_at is not None:
        target.wrote_at = unanswered_since(target, others)
    source.last_at = target.last_at = at
    source.save()
    target.save()
    settle(proposal, Proposal.State.ACCEPTED, at=at, user=user, contact=contact)
    who: dict[str, Any] = {"user": user or proposal.made_by, "contact": contact if user is None else None}
    note_step(source, TimelineCode.UNMERGED, at=at, data={"from": target.pk, "number": target.number}, **who)
    if resumed is not None and resumed.moved:
        note_moves((resumed,), why="calendar" if was_at == source.customer.place else "place", at=at)
    data = {"number": source.number, "other": source.pk, "followers": left}
    note_step(target, TimelineCode.UNMERGED_FROM, at=at, data=data, **who)
    merges.parted(source, other=target, points=step.data["points"], at=at)


def _began(source: Incident) -> datetime:
    """When its clock and its charge began: a little after the click, where it was re-opened or parted meanwhile."""
    clock = source.clocks.values_list("clock__started_at", flat=True).get(current=True)
    return max(clock, source.charges.values_list("charge__charged_at", flat=True).get(current=True))


def _end_own(source: Incident, *, user: User, at: datetime) -> dict[str, Any]:
    """Gives the charge back and ends the clock of the duplicate; what a parting needs to know of it."""
    case = source.credit_cases.filter(charge__link__current=True).first()
    if case is not None and case.is_open:
        raise BugUndecided(case)
    link = source.charges.select_related("charge").get(current=True)
    points = 0
    if given_back(charge_id=link.charge_id) is None:
        reason = _("Merged as a duplicate: %(number)s") % {"number": source.shown_number}
        key = f"merge:{source.pk}:{link.charge_id}"
        credit_back(charge_id=link.charge_id, at=at, actor=user, key=key, reason=reason)
        points = link.charge.points
    clock = source.clocks.select_related("clock").get(current=True).clock
    ended = clock.ended_at is None
    if ended:
        end_clock(clock_id=clock.pk, at=at, outcome=Outcome.MERGED)
    return {"points": points, "clock": clock.pk, "ended": ended}


def _owed(source: Incident, target: Incident) -> datetime | None:
    """Since when a word of the duplicate waits for an answer; its report, too, where no clock is left for it (D10)."""
    if source.status != Status.NEW or target.clocks.get(current=True).clock.ended_at is None:
        return source.wrote_at
    started = source.clocks.get(current=True).clock.started_at
    return min(started, source.wrote_at or started)


def _join_clocks(source: Incident, target: Incident, *, at: datetime) -> dict[str, Any]:
    """Lets the clock that stays run from the earlier of two starts, where both ran (D12)."""
    ended = source.clocks.select_related("clock").get(current=True).clock
    stays = target.clocks.select_related("clock").get(current=True).clock
    ran = ended.answered_at is None and ended.ended_at == at
    if not ran or stays.ended_at is not None or ended.started_at >= stays.started_at:
        return {}
    replanned = replan_clock(clock_id=stays.pk, started_at=ended.started_at)
    return {
        "started": stays.started_at.isoformat(),
        "old": replanned.old_due_at.isoformat(),
        "new": replanned.new_due_at.isoformat(),
        "zone": replanned.clock.zone,
    }


def _join_followers(source: Incident, target: Incident, *, user: User, at: datetime) -> list[int]:
    """Lets who got the mails of the duplicate follow the one that stays (D38); gives the ids of the new ones."""
    follow = {source.contact_id, *source.followers.filter(removed_at=None).values_list("contact_id", flat=True)}
    have = {target.contact_id, *target.followers.filter(removed_at=None).values_list("contact_id", flat=True)}
    new = sorted(follow - have)
    Follower.objects.bulk_create(
        Follower(incident=target, contact_id=contact_id, added_at=at, added_by=user) for contact_id in new
    )
    return new


def _part_followers(source: Incident, target: Incident, *, at: datetime) -> list[int]:
    """Takes off whom merges brought, but those whom another one that is still merged brings; gives their ids."""
    merges_at = target.timeline.filter(code=TimelineCode.MERGED_IN).values("at")
    others = Incident.objects.filter(merged_into=target).exclude(pk=source.pk)
    stay = set(others.values_list("contact_id", flat=True))
    stay |= set(Follower.objects.filter(incident__in=others, removed_at=None).values_list("contact_id", flat=True))
    leave = target.followers.filter(removed_at=None, added_at__in=merges_at).exclude(contact_id__in=stay)
    gone = sorted(leave.values_list("contact_id", flat=True))
    leave.update(removed_at=at)
    return gone


def _part_messages(source: Incident, target: Incident) -> None:
    """Takes back what was written on ``source``, and on those that were merged into it before."""
    ids = {source.pk}
    while more := set(Incident.objects.filter(merged_into__in=ids).values_list("pk", flat=True)) - ids:
        ids |= more
    theirs = Message.objects.filter(incident=target, written_on__in=ids)
    theirs.exclude(written_on=source).update(incident=source)
    theirs.filter(written_on=source).update(incident=source, written_on=None)


def _charge_anew(source: Incident, *, actor: User | None, at: datetime, key: str) -> None:
    made = charge(
        customer_id=source.customer_id,
        points=POLICY.points_for(source.channel),
        channel=source.channel,
        reference=source.number,
        at=at,
        actor=actor,
        key=key,
    )
    source.charges.filter(current=True).update(current=False)
    IncidentCharge.objects.create(incident=source, charge=made)


def still_merged(target: Incident, *, but: Incident | None = None) -> list[TimelineEntry]:
    """The steps with which those that are merged into it came there, without ``but``, first to last."""
    others = Incident.objects.filter(merged_into=target).exclude(pk=0 if but is None else but.pk)
    came = TimelineEntry.objects.filter(incident__in=others, code=TimelineCode.MERGED).order_by("pk")
    return list({step.incident_id: step for step in came}.values())


def give_start_back(target: Incident, others: list[TimelineEntry]) -> ResponseClock:
    """The clock that stays runs from the earliest start of those that are still one, if it still runs (D12)."""
    link = IncidentClock.objects.select_related("clock").get(incident=target, current=True)
    reopened = target.timeline.filter(code=TimelineCode.REOPENED).order_by("pk").last()
    own = target.opened_at if reopened is None else reopened.at
    ended = [step.data["clock"] for step in others if step.data["ended"] and step.at >= own]
    starts = ResponseClock.objects.filter(pk__in=ended).values_list("started_at", flat=True)
    since = min([own, *starts])
    if link.clock.ended_at is None and link.clock.started_at != since:
        return replan_clock(clock_id=link.clock_id, started_at=since, restored=True).clock
    return link.clock


def unanswered_since(target: Incident, others: list[TimelineEntry]) -> datetime | None:
    """Since when a word of the customer's waits there: their own, or of those that are still merged into it (D10)."""
    turns = target.timeline.filter(Q(code__in=(TimelineCode.ANSWERED, TimelineCode.REOPENED)) | ANSWERED_BY_CALL)
    turn = turns.order_by("pk").last()
    after = 0 if turn is None else turn.pk
    wrote = target.timeline.filter(code=TimelineCode.CUSTOMER_WROTE, pk__gt=after).order_by("pk").first()
    owed = [step.data.get("owed", step.data["wrote"]) for step in others if step.pk > after]
    since = [datetime.fromisoformat(word) for word in owed if word]
    since += [step.at for step in (turn,) if step is not None and step.code == TimelineCode.REOPENED]
    return min([*since, *([wrote.at] if wrote else [])], default=None)
