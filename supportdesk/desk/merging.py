"""Merging a duplicate into the incident that stays, and parting them again (D35)."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from incidents import access, queries
from incidents import queue as queues
from incidents.access import proposals_waiting
from incidents.forms_verbs import MergeForm
from incidents.models import Incident
from incidents.services import merging
from incidents.statuses import Act
from supportdesk.desk.page import incident_of
from supportdesk.desk.refusals import attempt
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.policy import POLICY

CANDIDATES = 50


@door("technician")
@require_http_methods(["GET", "POST"])
def merge(request: DeskRequest, number: str) -> HttpResponse:
    """Which incident stays, and what the merge does; nothing is merged without the button (D35)."""
    found = incident_of(request, number)
    if not found.allows(Act.MERGE):
        messages.warning(request, _("Only an incident that is worked on is merged."), extra_tags="soon")
        return redirect("desk:incident", number)
    form = MergeForm(request.POST if request.method == "POST" else None, customer=found.customer)
    if request.method == "POST" and form.is_valid():
        into: Incident = form.cleaned_data["into"]
        refused = attempt(
            lambda: merging.merge(incident_id=found.pk, into_id=into.pk, user=signed_in(request), at=request.at)
        )
        if refused is None:
            said = _("%(number)s is merged into this one. For 24 hours they can be parted again.")
            messages.success(request, said % {"number": found.shown_number}, extra_tags="calm")
            return redirect("desk:incident", into.number)
        form.add_error("into", refused)
    others = access.incidents_for(request.scope).filter(customer=found.customer).exclude(pk=found.pk)
    context = {
        "counts": queues.counts(request.scope, at=request.at),
        "incident": found,
        "form": form,
        "candidates": queries.to_merge_into(others, limit=CANDIDATES),
        "preview": queries.merge_preview(found, at=request.at),
    }
    return render(request, "desk/merge.html", context, status=422 if form.errors else 200)


@door("technician")
@require_POST
def part(request: DeskRequest, number: str) -> HttpResponse:
    """Parts a merged incident from the one that it was merged into (D35)."""
    found = incident_of(request, number)
    key = request.POST.get("key", "")[:50] or uuid4().hex
    waiting = proposals_waiting(request.scope, at=request.at).filter(incident=found).first()
    if waiting is not None:
        refused = attempt(
            lambda: merging.accept_parting(proposal_id=waiting.pk, user=signed_in(request), at=request.at)
        )
    else:
        refused = attempt(
            lambda: merging.unmerge(incident_id=found.pk, user=signed_in(request), at=request.at, key=key)
        )
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect("desk:incident", number)
    if incident_of(request, number).merged_into_id is not None:
        said = _(
            "Needs %(needed)d points, which are not on hand. The customer is asked: nothing has changed until then."
        )
        messages.warning(request, said % {"needed": POLICY.points_for(found.channel)}, extra_tags="soon")
        return redirect("desk:incident", number)
    messages.success(request, _("It is an incident of its own again."), extra_tags="calm")
    return redirect("desk:incident", number)
