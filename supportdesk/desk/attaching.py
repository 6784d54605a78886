"""Attaching a held mail to an incident: what happens is shown before it does (D22, D26)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from incidents import held as reading
from incidents import queue as queues
from incidents.inbound import attach_held
from incidents.numbers import typed
from supportdesk.desk.held import one, render_opened
from supportdesk.desk.held_words import attempt, linked
from supportdesk.people.doors import DeskRequest, door, signed_in


@door("technician")
@require_http_methods(["GET", "POST"])
def attach(request: DeskRequest, pk: int) -> HttpResponse:
    """Shows what attaching to the incident of a ticket number does, and does it by its button."""
    held = one(request, pk)
    given = request.POST if request.method == "POST" else request.GET
    incident = reading.incident_by_number(request.scope, typed(given.get("number", "")[:100]))
    if held.settled_at is not None and request.method == "GET":
        return redirect("desk:held_one", held.pk)
    if incident is None:
        missed = _("No incident has this ticket number. The mail is still held.")
        return render_opened(request, held, missed=missed, typed=given.get("number", "")[:100])
    refused = None
    if request.method == "POST":
        contact = given.get("contact", "")
        refused = attempt(
            lambda: attach_held(
                held_id=held.pk,
                incident_id=incident.pk,
                user=signed_in(request),
                at=request.at,
                contact_id=int(contact) if contact.isascii() and contact.isdigit() and len(contact) <= 18 else None,
                confirmed=given.get("confirmed") == "1",
            )
        )
        if refused is None:
            said = format_html(_("Attached to {number}."), number=linked(incident))
            messages.success(request, said, extra_tags="calm")
            return redirect("desk:held")
        if one(request, pk).settled_at is not None:
            messages.warning(request, refused, extra_tags="soon")
            return redirect("desk:held_one", held.pk)
    found = reading.opened(request.scope, held)
    context = {
        "view": "held",
        "counts": queues.counts(request.scope, at=request.at),
        "held": held,
        "one": found,
        "attaching": reading.attaching(request.scope, held, found.mail, incident, found.senders),
        "refused": refused,
        "chosen": given.get("contact", ""),
    }
    return render(request, "desk/held/attach.html", context, status=422 if refused else 200)
