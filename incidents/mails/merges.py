"""Mails of a duplicate: merged, and parted again (D35)."""

from __future__ import annotations

from datetime import datetime

from incidents.mails.sending import tell
from incidents.models import Incident, Proposal
from supportdesk.mail.models import OutgoingMail
from supportdesk.policy import POLICY


def merged(incident: Incident, *, into: Incident, points: int, at: datetime) -> list[OutgoingMail]:
    """Which ticket number goes on, and what came back. No response (D11)."""
    key = f"merged:{incident.pk}:{at.isoformat()}"
    return tell("merged", incident, at=at, key=key, into=into, back=points)


def parted(incident: Incident, *, other: Incident, points: int, at: datetime) -> list[OutgoingMail]:
    """The ticket number goes on by itself again, and what it costs."""
    return tell("parted", incident, at=at, key=f"parted:{incident.pk}:{at.isoformat()}", other=other, spent=points)


def part_proposed(incident: Incident, *, other: Incident, proposal: Proposal, at: datetime) -> list[OutgoingMail]:
    """It is another problem after all, and what it costs to make it an incident of its own again (D8)."""
    price = POLICY.points_for(incident.channel)
    key = f"part-proposed:{proposal.pk}"
    return tell("part_proposed", incident, at=at, key=key, other=other, price=price, until=proposal.kept_until)
