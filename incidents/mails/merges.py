"""Mails of a duplicate: merged, and parted again (D35)."""

from __future__ import annotations

from datetime import datetime

from incidents.mails.sending import send, tell
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


def part_proposed(incident: Incident, *, other: Incident, proposal: Proposal, at: datetime) -> OutgoingMail | None:
    """It is another problem after all, and what it costs to make it an incident of its own again (D8).

    To the contact alone: whoever else reads along need not see points (D21).
    """
    return send(
        "part_proposed",
        incident,
        to=incident.contact,
        at=at,
        key=f"part-proposed:{proposal.pk}",
        other=other,
        price=POLICY.points_for(incident.channel),
        until=proposal.kept_until,
    )
