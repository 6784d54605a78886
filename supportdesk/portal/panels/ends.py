"""How an incident ended, and the customer's own way to end it (D12, D15)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from incidents import access
from incidents.endings import ending_of
from incidents.forms_ends import CloseForm
from incidents.models import Incident
from points.giving_back import credit_parts
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """The latest end, what a decline gave back, where a merged one leads, and the form that closes."""
    ending = ending_of(incident)
    back = ending is not None and ending.points_back and access.pays_for(request.scope, incident)
    leads_to = None
    if incident.merged_into_id is not None:
        leads_to = access.incidents_for(request.scope).filter(pk=incident.merged_into_id).first()
    return {
        "ending": ending,
        "declined_parts": credit_parts(charge_id=ending.step.data["charge"]) if ending and back else (),
        "leads_to": leads_to,
        "close_form": CloseForm(prefix="close", initial={"key": uuid4().hex}),
    }
