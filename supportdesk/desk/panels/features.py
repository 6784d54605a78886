"""The disposition of a feature request (D18)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from incidents.forms_verbs import DispositionForm
from incidents.models import Incident
from supportdesk.people.doors import DeskRequest


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """``feature_form``, with what it is now."""
    initial = {"key": uuid4().hex, "disposition": incident.disposition}
    return {"feature_form": DispositionForm(prefix="feature", initial=initial)}
