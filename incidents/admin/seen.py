"""What is saved only as it was shown: an admin's page tells what would move, then moves that and nothing else (D23)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from incidents.access import incidents_for
from incidents.models import Incident, IncidentClock
from sla.replanning import Preview
from supportdesk.people.doors import DeskRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One open deadline that would move, with the incident whose it is and the zones of its customer then and now."""

    incident: Incident
    old_due_at: datetime
    new_due_at: datetime
    old_zone: str
    new_zone: str


class SeenForm(forms.Form):
    """A form that is saved only as it was previewed: ``previewed`` is the mark of what was asked and what was shown."""

    # What the services call their fields, and what the form calls them.
    FIELDS: ClassVar = {"country": "place", "subdivision": "place"}

    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def said(self) -> Any:
        """All that would be saved, once the form is valid."""
        raise NotImplementedError

    def was_shown(self, shown: str) -> bool:
        """Whether this very form was sent before, and answered with ``shown``."""
        return bool(self.cleaned_data.get("previewed") == self._mark(shown))

    def was_shown_otherwise(self, shown: str) -> bool:
        """Whether this very form was sent before, and answered with something else."""
        asked, _, answered = self.cleaned_data.get("previewed", "").partition(".")
        return bool(answered) and asked == _hash(self.said()) and not self.was_shown(shown)

    def remember(self, shown: str) -> None:
        """The next sending of this form has seen ``shown``."""
        data = self.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
        data[self.add_prefix("previewed")] = self._mark(shown)
        self.data = data

    def refuse(self, errors: dict[str, str]) -> None:
        """Shows what a service says of its fields at those of the form."""
        for name, text in errors.items():
            field = self.FIELDS.get(name, name)
            self.add_error(field if field in self.fields else None, text)

    def _mark(self, shown: str) -> str:
        return f"{_hash(self.said())}.{_hash(shown)}"


def moved_of(request: DeskRequest, preview: Preview | None) -> list[Moved]:
    """The rows of a preview of closures with their incidents, in one query."""
    if preview is None or not preview.rows:
        return []
    links = IncidentClock.objects.filter(
        clock__in=[row.clock.pk for row in preview.rows], incident__in=incidents_for(request.scope)
    ).select_related("incident__customer")
    incidents = {link.clock_id: link.incident for link in links}
    return [
        Moved(
            incident=incident,
            old_due_at=row.old_due_at,
            new_due_at=row.new_due_at,
            old_zone=incident.customer.zone,
            new_zone=incident.customer.zone,
        )
        for row in preview.rows
        if (incident := incidents.get(row.clock.pk)) is not None
    ]


def _hash(content: Any) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()
