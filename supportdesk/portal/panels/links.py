"""What an incident came of and what came of it, as far as the reader may see it (D14, D16, D35)."""

from __future__ import annotations

from typing import Any

from incidents.models import Incident
from incidents.related import offers_anew, related
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    return {
        "links": related(request.scope, incident),
        "anew": offers_anew(request.scope, incident, at=request.at),
    }
