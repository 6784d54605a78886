"""The form for a call on an incident's page (D20)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from incidents.forms_call import LoggedCallForm
from incidents.intake import who_may_call_about
from incidents.models import Incident
from incidents.windows import may_reopen
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """The form; ``call_with`` is who is on the line already, where the page of their call led here."""
    asked = request.GET.get("caller", "")
    on_the_line = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    first = incident.first_closed_at
    return {
        "call_form": LoggedCallForm(
            prefix="call",
            contacts=who_may_call_about(request.scope, incident),
            initial={"key": uuid4().hex, "contact": on_the_line or incident.contact_id},
        ),
        "call_with": on_the_line,
        "call_may_ask": incident.status == "closed"
        and incident.reopen_asked_at is None
        and first is not None
        and may_reopen(first_closed_at=first, zone=incident.customer.zone, at=request.at),
    }
