"""Held mail: what belongs nowhere for sure, until a technician decides (D26)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from incidents import access
from incidents import queue as queues
from incidents.inbound import AlreadySettled, attach_held, discard_held
from incidents.models import HeldMail, NoticeCode
from incidents.numbers import typed
from incidents.services import noticing
from incidents.services.common import Refused
from supportdesk.people.doors import DeskRequest, door, signed_in

ROWS = 50


@door("technician")
@require_GET
def held_mail(request: DeskRequest) -> HttpResponse:
    """Who wrote, why it is held, what it says; one's notices of held mail are read by that (D39)."""
    noticing.mark_read(user=signed_in(request), at=request.at, code=NoticeCode.MAIL_HELD)
    mails = access.held_for(request.scope).order_by("held_at")[:ROWS]
    context = {"view": "held", "mails": mails, "counts": queues.counts(request.scope, at=request.at)}
    return render(request, "desk/held.html", context)


@door("technician")
@require_POST
def attach(request: DeskRequest, pk: int) -> HttpResponse:
    """Attaches a held mail to the incident of a ticket number, as a message of its contact."""
    held = _held(request, pk)
    number = typed(request.POST.get("number", "")[:100])
    incident = access.incidents_for(request.scope).filter(number=number).first()
    if incident is None:
        messages.warning(request, _("No incident has this ticket number. The mail is still held."), extra_tags="soon")
        return redirect("desk:held")
    try:
        attach_held(held_id=held.pk, incident_id=incident.pk, user=signed_in(request), at=request.at)
    except AlreadySettled:
        messages.warning(request, _("Somebody else has attached this mail, or put it away."), extra_tags="soon")
        return redirect("desk:held")
    except Refused:
        messages.warning(
            request, _("The mail has no text that could be attached. It is still held."), extra_tags="soon"
        )
        return redirect("desk:held")
    messages.success(request, _("Attached to %(number)s.") % {"number": incident.shown_number}, extra_tags="calm")
    return redirect("desk:held")


@door("technician")
@require_POST
def discard(request: DeskRequest, pk: int) -> HttpResponse:
    """Puts a held mail away; its raw source stays stored (D29)."""
    discard_held(held_id=_held(request, pk).pk, user=signed_in(request), at=request.at)
    messages.success(request, _("The mail is put away; its source stays stored."))
    return redirect("desk:held")


def _held(request: DeskRequest, pk: int) -> HeldMail:
    return get_object_or_404(access.held_for(request.scope), pk=pk)
