"""What is merged into an incident, and can still be parted (D35)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from incidents.models import Incident
from supportdesk.people.doors import DeskRequest
from supportdesk.policy import POLICY


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """``partable``: those merged into it within the last 24 hours, each with the instant at which that ends."""
    since = request.at - timedelta(hours=POLICY.unmerge_hours)
    merged = incident.merged.filter(merged_at__gt=since).order_by("merged_at")
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
