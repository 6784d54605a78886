"""What is merged into an incident, and can still be parted (D35)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db.models import Q

from incidents.models import Incident, Proposal
from supportdesk.people.doors import DeskRequest
from supportdesk.policy import POLICY


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """``partable``: what was merged into it in the last 24 hours, or waits for points to be parted (D8)."""
    since = request.at - timedelta(hours=POLICY.unmerge_hours)
    waits = Q(proposals__state=Proposal.State.WAITING, proposals__kept_until__gt=request.at)
    merged = incident.merged.filter(Q(merged_at__gt=since) | waits).order_by("merged_at").distinct()
    return {
        "partable": [
            {
                "incident": one,
                "until": one.merged_at + timedelta(hours=POLICY.unmerge_hours),
                "key": uuid4().hex,
                "price": POLICY.points_for(one.channel),
            }
            for one in merged
            if one.merged_at is not None
        ]
    }
