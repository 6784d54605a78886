"""The page of one incident in the portal. Each panel brings its own part of what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render

from incidents import access, queries
from incidents.forms import MessageForm
from incidents.models import Incident
from incidents.numbers import is_number
from incidents.statuses import Act
from incidents.windows import may_reopen, reopen_until
from supportdesk import words
from supportdesk.people.access import contacts_for, customers_for
from supportdesk.people.doors import DeskRequest
from supportdesk.people.models import Contact
from supportdesk.portal.panels import ends, links, proposal, told

Panel = Callable[[DeskRequest, Incident], dict[str, Any]]
# What the verbs' own modules bring to the page of an incident: their forms and what they show, by name.
PANELS: tuple[Panel, ...] = (
    ends.panel,
    links.panel,
    proposal.panel,
    told.panel,
)


def incident_of(request: DeskRequest, number: str) -> Incident:
    """The incident of that number, if the reader may see it here; 404 otherwise (D22)."""
    if not is_number(number):
        raise Http404
    seen = access.incidents_for(request.scope).filter(customer__in=customers_for(request.scope))
    mine = seen.filter(customer_id__in=request.scope.customer_ids)
    return get_object_or_404(mine.select_related("customer", "contact", "owner", "release__product"), number=number)


def contact_of(request: DeskRequest, found: Incident) -> Contact:
    """The contact that the reader is of the incident's customer."""
    member = request.scope.membership(found.customer_id)
    if member is None:
        raise Http404
    return get_object_or_404(contacts_for(request.scope), pk=member.contact_id)


def render_incident(
    request: DeskRequest,
    found: Incident,
    form: MessageForm | None = None,
    *,
    fresh: bool = False,
    status: int = 200,
    **given: forms.Form,
) -> HttpResponse:
    """The page; ``given`` are forms of the panels that were not taken, shown with what was typed and why not."""
    form = form or MessageForm(initial={"key": uuid4().hex})
    zone = found.customer.zone
    first = found.first_closed_at
    over = first is not None and found.is_finished and not may_reopen(first_closed_at=first, zone=zone, at=request.at)
    context = {
        "place": "home",
        "incident": found,
        "story": queries.story(request.scope, found, at=request.at, whole="all" in request.GET),
        "form": form,
        "fresh": fresh,
        "credit": queries.credit_on(request.scope, found, at=request.at),
        "window_over": over,
        "reopen_through": words.day(reopen_until(first_closed_at=first, zone=zone) - timedelta(microseconds=1), zone)
        if first
        else "",
        "may": {act.value: found.allows(act) for act in Act},
        **{name: value for panel in PANELS for name, value in panel(request, found).items()},
        **given,
    }
    return render(request, "portal/incident.html", context, status=status)
