"""Declining an incident, and taking a mistaken end back (R11, D15, D36)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.forms_ends import DeclineForm
from incidents.models import Incident
from incidents.services import declining, ending
from supportdesk.desk.acts import newer_word
from supportdesk.desk.page import incident_of, render_page
from supportdesk.desk.refusals import attempt
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in


@door("technician")
@require_POST
def decline(request: DeskRequest, number: str) -> HttpResponse:
    """Declines it: points back, the clock ends, the customer reads why and where to turn (D15)."""
    found = incident_of(request, number)
    form = DeclineForm(request.POST, prefix="decline")
    if form.is_valid():
        data = form.cleaned_data
        refused = newer_word(request, found, data["seen"], key=data["key"]) or _decline(request, found, data)
        if refused is None:
            keep_taken(request, form.cleaned_data["key"])
            said = _("It is declined, and the customer is told where to turn.")
            if not found.contact.email:
                said = _("It is declined. The customer has no e-mail address: tell them on the phone where to turn.")
            messages.success(request, said, extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    else:
        form.propose()
    return render_page(request, found, decline_form=form)


def _decline(request: DeskRequest, found: Incident, data: dict[str, Any]) -> str | None:
    return attempt(
        lambda: declining.decline(
            incident_id=found.pk,
            reason=data["reason"],
            text=data["text"],
            user=signed_in(request),
            at=request.at,
            key=data["key"],
        )
    )


@door("technician")
@require_POST
def take_back(request: DeskRequest, number: str) -> HttpResponse:
    """Takes a mistaken closure or decline back, within the hour (D36)."""
    found = incident_of(request, number)
    wanted = request.POST.get("step", "")
    step = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else 0
    refused = attempt(
        lambda: ending.take_back(incident_id=found.pk, step_id=step, user=signed_in(request), at=request.at)
    )
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        messages.success(request, _("Taken back: it is as before, and the customer is told."), extra_tags="calm")
    return redirect("desk:incident", number)
