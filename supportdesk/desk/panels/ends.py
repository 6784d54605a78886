"""How an incident ended, whether that can be taken back, and what declining it would give back (D15, D36)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from incidents.endings import can_be_taken_back, declining, ending_of
from incidents.forms_ends import DeclineForm
from incidents.models import Incident
from incidents.turning import turns
from supportdesk.people.doors import DeskRequest

MINUTE = 60


def panel(request: DeskRequest, incident: Incident) -> dict[str, Any]:
    """The latest end with the minutes in which it is taken back, and the form that declines."""
    ending = ending_of(incident)
    back = can_be_taken_back(incident, ending, at=request.at)
    left = int((ending.until - request.at).total_seconds()) // MINUTE if ending and back else 0
    return {
        "ending": ending,
        "take_back_left": left,
        "can_take_back": back,
        "declining": declining(incident, at=request.at),
        "turns": turns(),
        "decline_form": DeclineForm(prefix="decline", initial={"key": uuid4().hex}),
    }
