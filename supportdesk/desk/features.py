"""What becomes of a feature request (D18)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.forms_verbs import DispositionForm
from incidents.services.disposing import dispose
from supportdesk.desk.page import incident_of, render_page
from supportdesk.desk.refusals import attempt
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in


@door("technician")
@require_POST
def disposition(request: DeskRequest, number: str) -> HttpResponse:
    """Sets it and tells the customer (D18)."""
    found = incident_of(request, number)
    form = DispositionForm(request.POST, prefix="feature")
    if form.is_valid():
        data = form.cleaned_data
        refused = attempt(
            lambda: dispose(
                incident_id=found.pk,
                disposition=data["disposition"],
                text=data["text"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
            )
        )
        if refused is None:
            keep_taken(request, data["key"])
            messages.success(request, _("The disposition is set, and the customer is told."), extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("disposition", refused)
    return render_page(request, found, feature_form=form)
