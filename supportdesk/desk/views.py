"""The technicians' pages: the queue, and one incident."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from incidents import access, queries
from incidents import queue as queues
from incidents.numbers import grouped, typed
from incidents.services import noticing
from supportdesk.desk.page import incident_of, queue_groups, render_page
from supportdesk.people.doors import DeskRequest, door, signed_in

VIEW_NAMES = {
    "all": gettext_lazy("All open"),
    "mine": gettext_lazy("Mine"),
    "late": gettext_lazy("Late"),
    "today": gettext_lazy("Due today"),
    "waiting": gettext_lazy("Waiting for customer"),
    "decide": gettext_lazy("To decide"),
}


@door("technician")
@require_GET
def queue(request: DeskRequest, view: str = "all") -> HttpResponse:
    """Incidents ordered by deadline; a page that stays open asks for the rows alone."""
    if view not in VIEW_NAMES:
        raise Http404
    counts = queues.counts(request.scope, at=request.at)
    if request.session.get("view") != view:
        request.session["view"] = view
    context = {
        "view": view,
        "view_name": VIEW_NAMES[view],
        "counts": counts,
        "groups": queue_groups(request, view, counts),
    }
    live = request.headers.get("HX-Request") == "true"
    if not live:
        context["undo"] = request.session.pop("undo", None)
    return render(request, "desk/_live.html" if live else "desk/queue.html", context | {"live": live})


@door("technician")
@require_GET
def find(request: DeskRequest) -> HttpResponse:
    """Opens the incident of a ticket number, however it was typed."""
    number = typed(request.GET.get("q", "")[:100])
    if access.incidents_for(request.scope).filter(number=number).exists():
        return redirect("desk:incident", number)
    if not number:
        messages.warning(request, _("Type a ticket number: its digits, with or without spaces."), extra_tags="soon")
        return redirect("desk:queue")
    messages.warning(
        request,
        _("No incident has the ticket number %(number)s. Check the digits: a single wrong one is never another number.")
        % {"number": grouped(number)},
        extra_tags="soon",
    )
    return redirect("desk:queue")


@door("technician")
@require_GET
def incident(request: DeskRequest, number: str) -> HttpResponse:
    """Conversation, clock, points and facts side by side; one's notices of it are read by that (D39)."""
    found = incident_of(request, number)
    if found.merged_into_id is not None:
        final = access.incidents_for(request.scope).get(pk=queries.final_ids([found.pk])[found.pk])
        said = _("%(number)s was merged into this incident.") % {"number": found.shown_number}
        messages.info(request, said, extra_tags="calm")
        return redirect("desk:incident", final.number)
    noticing.mark_read(user=signed_in(request), at=request.at, incident=found)
    return render_page(request, found)
