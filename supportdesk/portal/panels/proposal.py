"""What waits for the customer's points, on an incident's page (D8, D14)."""

from __future__ import annotations

from typing import Any

from incidents import proposals
from incidents.models import Incident
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    return {"waiting_proposal": proposals.waiting_on(request.scope, incident, at=request.at)}
