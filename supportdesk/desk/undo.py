"""The way back that the page after a closure offers (D36)."""

from __future__ import annotations

from incidents.endings import ending_of
from incidents.models import Incident
from supportdesk.people.doors import DeskRequest


def offer_undo(request: DeskRequest, found: Incident) -> None:
    """Keeps the end that was just made for the next page, which says it and offers to take it back."""
    found.refresh_from_db()
    end = ending_of(found)
    if end is not None:
        request.session["undo"] = {"number": found.number, "shown": found.shown_number, "step": end.step.pk}
