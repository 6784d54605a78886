"""Logging a call on an incident that exists (D20)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.forms_call import LoggedCallForm
from incidents.intake import who_may_call_about
from incidents.services.calls import Logged, log_call
from supportdesk.desk.page import incident_of, render_page
from supportdesk.desk.refusals import attempt
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in


@door("technician")
@require_POST
def log(request: DeskRequest, number: str) -> HttpResponse:
    """Logs it: a response where one is due, free of charge in every case (D11, R9)."""
    found = incident_of(request, number)
    form = LoggedCallForm(request.POST, prefix="call", contacts=who_may_call_about(request.scope, found))
    if form.is_valid():
        data = form.cleaned_data
        done: list[Logged] = []
        refused = attempt(
            lambda: done.append(
                log_call(
                    incident_id=found.pk,
                    contact=data["contact"],
                    direction=data["direction"],
                    text=data["text"],
                    then=data["then"],
                    user=signed_in(request),
                    at=request.at,
                    key=data["key"],
                    mail=data["mail"],
                    reopen=data["reopen"],
                )
            )
        )
        if refused is None:
            keep_taken(request, data["key"])
            said = {
                "answered": _("The call is logged, as an answer."),
                "kept": _("The call is kept here; the incident stays as it is."),
                "request": _("The call is logged, and asks to re-open: decide below."),
                "too_late": _("The call is kept. It can no longer be re-opened: offer a new incident."),
            }
            messages.success(request, said[done[0].outcome], extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    return render_page(request, found, call_form=form)
