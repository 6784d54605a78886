"""What pages ask of splits: the quote before one is made, and what waits for points (D8, D14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from incidents.access import proposals_waiting
from incidents.models import Incident, Proposal, ProposalPart
from incidents.queries import Promise, promise
from points.queries import Part
from points.spending import portions
from supportdesk.people.scope import Scope
from supportdesk.policy import POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitQuote:
    """What that many parts cost together, which lots pay each of them, and by when each is answered (R1, D2, D24)."""

    count: int
    price: int  # of one part
    promise: Promise
    shares: tuple[tuple[Part, ...], ...]


def split_quote(incident: Incident, *, count: int, at: datetime) -> SplitQuote:
    """The quote of ``count`` parts, if they were split off at ``at``."""
    price = POLICY.points_for(incident.channel)
    promised = promise(customer=incident.customer, channel=incident.channel, at=at, times=count)
    lots = {part.lot.pk: part.lot for part in promised.quote.parts}
    drawn = portions([(part.lot.pk, part.points) for part in promised.quote.parts], each=price)
    return SplitQuote(
        count=count,
        price=price,
        promise=promised,
        shares=tuple(tuple(Part(lot=lots[pk], points=points) for pk, points in share) for share in drawn),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A proposal that waits for points, as it would be carried out now; ``kept`` is what would stay in a split."""

    proposal: Proposal
    kept: ProposalPart | None
    parts: tuple[ProposalPart, ...]
    price: int  # of one part
    promise: Promise


def waiting_on(scope: Scope, incident: Incident, *, at: datetime) -> Waiting | None:
    """What waits for points on an incident; one query where nothing does."""
    # What was merged is shown where it leads: parting it is proposed there (D35).
    parting = Q(kind=Proposal.Kind.UNMERGE, incident__merged_into=incident)
    proposal = proposals_waiting(scope, at=at).filter(Q(incident=incident) | parting).first()
    if proposal is None:
        return None
    rows = list(proposal.parts.all())
    parts = tuple(row for row in rows if row.position)
    return Waiting(
        proposal=proposal,
        kept=next((row for row in rows if not row.position), None),
        parts=parts,
        price=POLICY.points_for(proposal.incident.channel),
        # Of what has no parts there is one charge to be paid: an unmerge (D35).
        promise=promise(customer=incident.customer, channel=proposal.incident.channel, at=at, times=len(parts) or 1),
    )
