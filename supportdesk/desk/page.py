"""The page of one incident on the desk. Each panel brings its own part of what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render

from incidents import access, queries
from incidents import queue as queues
from incidents.forms import AnswerForm, BugForm, NoteForm, ReasonForm, renew_key
from incidents.models import Incident
from incidents.numbers import is_number
from incidents.statuses import Act
from points.queries import balance
from supportdesk.desk.panels import call, duplicates, ends, features, links, split, told
from supportdesk.people.access import technicians_for
from supportdesk.people.doors import DeskRequest

Panel = Callable[[DeskRequest, Incident], dict[str, Any]]
# What the verbs' own modules bring to the page: their forms and what they show, by name.
PANELS: tuple[Panel, ...] = (
    call.panel,
    duplicates.panel,
    ends.panel,
    features.panel,
    links.panel,
    split.panel,
    told.panel,
)


def queue_groups(request: DeskRequest, view: str, counts: queues.Counts) -> list[queues.Group]:
    """The queue of a view, for the list and for the way to the next one."""
    numbers = queues.counts(request.scope, at=request.at, mine=True) if view == "mine" else counts
    return queues.queue(request.scope, view=view, at=request.at, numbers=numbers)


def incident_of(request: DeskRequest, number: str) -> Incident:
    """The incident of that number, if the reader may see it; 404 otherwise (D22)."""
    if not is_number(number):
        raise Http404
    seen = access.incidents_for(request.scope)
    return get_object_or_404(seen.select_related("customer", "contact", "owner", "release__product"), number=number)


def render_page(
    request: DeskRequest, found: Incident, *, preview: dict[str, Any] | None = None, **given: forms.Form
) -> HttpResponse:
    """The page; ``given`` are forms that were not taken, shown with what was typed and why not.

    ``preview`` is what one of them will look like, where that was asked for.
    """
    counts = queues.counts(request.scope, at=request.at)
    view = str(request.session.get("view", "all"))
    groups = queue_groups(request, view, counts)
    previous, following = queues.neighbours(groups, found.number)
    history, history_count = queries.history(request.scope, found)
    status = 422 if any(form.errors for form in given.values()) else 200
    tale = queries.story(request.scope, found, at=request.at, whole="all" in request.GET)
    seen = max((thing.message.pk for thing in tale.told if thing.message is not None), default=0)
    for form in given.values():
        renew_key(form, seen=seen)
    context = {
        "counts": counts,
        "incident": found,
        "story": tale,
        "preview": preview,
        "balance": balance(customer_id=found.customer_id, at=request.at),
        "history": history,
        "history_count": history_count,
        "previous": previous,
        "next": following,
        "staff": technicians_for(request.scope),
        "undo": request.session.pop("undo", None),
        "may": {act.value: found.allows(act) for act in Act},
        "answer_form": AnswerForm(prefix="answer", initial={"key": uuid4().hex, "then": "waiting", "seen": seen}),
        "note_form": NoteForm(prefix="note", initial={"key": uuid4().hex}),
        "refuse_form": ReasonForm(prefix="refuse", initial={"key": uuid4().hex}),
        "credit": queries.credit_on(request.scope, found, at=request.at),
        "bug_form": BugForm(prefix="bug", initial={"key": uuid4().hex}),
        **{name: value for panel in PANELS for name, value in panel(request, found).items()},
        **given,
    }
    return render(request, "desk/incident.html", context, status=status)
