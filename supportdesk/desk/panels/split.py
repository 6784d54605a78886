"""The split that waits for points, on an incident's page (D8, D14)."""

from __future__ import annotations

from typing import Any

from incidents import proposals
from incidents.models import Incident
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    return {"waiting_split": proposals.waiting_on(request.scope, incident, at=request.at)}
