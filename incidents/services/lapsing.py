"""Drafts and proposals are kept for a time: their customer is told before they lapse (D8, D14)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from incidents.mails import lapsing as mails
from incidents.models import Draft, Proposal, TimelineCode
from incidents.services.common import lock_incident, note_step, tried
from supportdesk.people.services import lock_customer
from supportdesk.policy import POLICY

# They are kept until a midnight of the customer's: nobody is told at one.
NOTICE: Final = timedelta(days=POLICY.lapse_notice_days) - timedelta(hours=POLICY.lapse_notice_hour)


def warn_and_lapse(*, at: datetime, limit: int = 200) -> int:
    """Tells of what is about to lapse at ``at``, once each, and lets proposals lapse; gives how many (D8, D14).

    A draft that has lapsed is not shown any more, whether this ran or not. Safe twice and late. What fails is logged,
    tried again by the next run, and holds up no other.
    """
    soon = {"kept_until__gt": at, "kept_until__lte": at + NOTICE, "reminded_at": None}
    drafts = Draft.objects.filter(**soon, incident=None, discarded_at=None).order_by("kept_until", "pk")
    done = sum(tried(_tell_of_draft, pk, at=at) for pk in drafts.values_list("pk", flat=True)[:limit])
    waiting = Proposal.objects.filter(state=Proposal.State.WAITING).order_by("kept_until", "pk")
    over = waiting.filter(kept_until__lte=at)
    done += sum(tried(_lapse, pk, at=at) for pk in over.values_list("pk", flat=True)[:limit])
    soon_over = waiting.filter(**soon).values_list("pk", flat=True)[:limit]
    return done + sum(tried(_tell_of_proposal, pk, at=at) for pk in soon_over)


@transaction.atomic
def _tell_of_draft(draft_id: int, *, at: datetime) -> bool:
    lock_customer(Draft.objects.values_list("customer_id", flat=True).get(pk=draft_id))
    draft = Draft.objects.select_related("customer", "contact", "incident").get(pk=draft_id)
    if draft.reminded_at is not None or draft.incident is not None or draft.discarded_at is not None:
        return False
    draft.reminded_at = at
    draft.save(update_fields=["reminded_at"])
    mails.draft_lapsing(draft, at=at)
    return True


@transaction.atomic
def _tell_of_proposal(proposal_id: int, *, at: datetime) -> bool:
    proposal = _locked(proposal_id)
    if proposal.state != Proposal.State.WAITING or proposal.reminded_at is not None:
        return False
    proposal.reminded_at = at
    proposal.save(update_fields=["reminded_at"])
    mails.proposal_lapsing(proposal, at=at)
    return True


@transaction.atomic
def _lapse(proposal_id: int, *, at: datetime) -> bool:
    proposal = _locked(proposal_id)
    if proposal.state != Proposal.State.WAITING or proposal.kept_until > at:
        return False
    proposal.state = Proposal.State.LAPSED
    proposal.settled_at = at
    proposal.save(update_fields=["state", "settled_at"])
    data = {"proposal": proposal.pk, "kind": proposal.kind}
    note_step(proposal.incident, TimelineCode.SPLIT_LAPSED, at=at, data=data)
    return True


def _locked(proposal_id: int) -> Proposal:
    """The proposal, with its customer's row and its incident locked."""
    incident = lock_incident(Proposal.objects.values_list("incident_id", flat=True).get(pk=proposal_id))
    proposal = Proposal.objects.get(pk=proposal_id)
    proposal.incident = incident
    return proposal
