"""A customer closes an incident of theirs (D12)."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.access import pays_for
from incidents.forms import renew_key
from incidents.forms_ends import CloseForm
from incidents.services.common import KeyReused, NotAllowed
from incidents.services.ending import customer_close
from supportdesk.people.doors import DeskRequest, door, keep_taken
from supportdesk.portal.page import contact_of, incident_of, render_incident


@door("contact")
@require_POST
def close(request: DeskRequest, number: str) -> HttpResponse:
    """Closes it in one step, with a last word or without one."""
    found = incident_of(request, number)
    if not pays_for(request.scope, found):
        raise Http404
    form = CloseForm(request.POST, prefix="close")
    if form.is_valid():
        refused = ""
        try:
            customer_close(
                incident_id=found.pk,
                contact=contact_of(request, found),
                text=form.cleaned_data["text"],
                at=request.at,
                key=form.cleaned_data["key"],
            )
        except KeyReused:
            refused = _("This was sent before with another word. Nothing was lost: send it again.")
        except NotAllowed:
            found.refresh_from_db()
            refused = _("This incident is %(status)s by now. Your word is kept here: send it as a message if you like.")
            refused %= {"status": found.get_status_display()}
        if not refused:
            keep_taken(request, form.cleaned_data["key"])
            messages.success(request, _("The incident is closed."))
            return redirect("portal:incident", found.number)
        form.add_error("text", refused)
    renew_key(form)
    return render_incident(request, found, status=422, close_form=form)
