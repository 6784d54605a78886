"""The technicians' pages: the queue, and one incident."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from incidents import access, queries
from incidents import queue as queues
from incidents.forms import AnswerForm, BugForm, NoteForm, ReasonForm, renew_key
from incidents.models import Incident
from incidents.numbers import grouped, is_number, typed
from incidents.services import conversation, crediting, ownership, reopening
from incidents.services.common import KeyReused, NotAllowed, Refused
from incidents.statuses import Act, allows
from points.queries import balance
from points.services import AlreadyGivenBack
from supportdesk.people.access import technicians_for
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in

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
        "groups": _groups(request, view, counts),
    }
    live = request.headers.get("HX-Request") == "true"
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
    """Conversation, clock, points and facts side by side."""
    return _page(request, _incident(request, number))


@door("technician")
@require_POST
def take(request: DeskRequest, number: str) -> HttpResponse:
    """Takes an incident; one that somebody has is taken over only by saying so."""
    found = _incident(request, number)
    try:
        if request.POST.get("to") == str(request.user.pk):
            ownership.assign(incident_id=found.pk, to=signed_in(request), user=signed_in(request), at=request.at)
        else:
            ownership.take(incident_id=found.pk, user=signed_in(request), at=request.at)
    except ownership.TakenBySomeoneElse as taken:
        messages.warning(request, _("%(who)s was faster and has it now.") % {"who": taken.owner}, extra_tags="soon")
    except NotAllowed:
        messages.warning(request, _("This incident is closed: nobody takes it."), extra_tags="soon")
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def hand_over(request: DeskRequest, number: str) -> HttpResponse:
    """Gives an incident to a colleague."""
    found = _incident(request, number)
    wanted = request.POST.get("to", "")
    if not wanted:
        messages.warning(request, _("Choose who gets it."), extra_tags="soon")
        return redirect("desk:incident", number)
    pk = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else 0
    to = get_object_or_404(technicians_for(request.scope), pk=pk)
    try:
        ownership.assign(incident_id=found.pk, to=to, user=signed_in(request), at=request.at)
        messages.success(request, _("%(who)s has it now.") % {"who": to})
    except NotAllowed:
        messages.warning(request, _("This incident is closed: nobody takes it."), extra_tags="soon")
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def answer(request: DeskRequest, number: str) -> HttpResponse:
    """Answers the customer: the response clock ends here (D11)."""
    found = _incident(request, number)
    form = AnswerForm(request.POST, prefix="answer")
    if form.is_valid():
        refused = _newer_word(request, found, form.cleaned_data["seen"]) or _send_answer(request, found, form)
        if refused is None:
            keep_taken(request, form.cleaned_data["key"])
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    return _page(request, found, answer_form=form)


def _send_answer(request: DeskRequest, found: Incident, form: AnswerForm) -> str | None:
    data = form.cleaned_data
    if not data["text"]:
        refused = _try(lambda: conversation.close(incident_id=found.pk, user=signed_in(request), at=request.at))
        said = _("%(number)s is closed.") % {"number": found.shown_number}
    else:
        refused = _try(
            lambda: conversation.answer(
                incident_id=found.pk,
                text=data["text"],
                then=data["then"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
            )
        )
        said = _("The answer is on its way.")
    if refused is None:
        messages.success(request, said, extra_tags="calm")
    return refused


def _newer_word(request: DeskRequest, found: Incident, seen: int | None) -> str | None:
    """Who wrote while this answer was being written; None where it answers the latest word."""
    if seen is None:
        return None
    newer = access.messages_for(request.scope, found).filter(pk__gt=seen, kind__in=("answer", "customer"))
    latest = newer.exclude(user=signed_in(request)).order_by("-pk").first()
    if latest is None:
        return None
    return _("%(who)s wrote while you did: read it above. Your answer is kept; send it again if it still holds.") % {
        "who": latest.author
    }


@door("technician")
@require_POST
def note(request: DeskRequest, number: str) -> HttpResponse:
    """Keeps a note that never leaves the desk (D22)."""
    found = _incident(request, number)
    form = NoteForm(request.POST, prefix="note")
    if form.is_valid():
        data = form.cleaned_data
        refused = _try(
            lambda: conversation.note(
                incident_id=found.pk, text=data["text"], user=signed_in(request), at=request.at, key=data["key"]
            )
        )
        if refused is None:
            keep_taken(request, data["key"])
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    return _page(request, found, note_form=form)


@door("technician")
@require_POST
def close(request: DeskRequest, number: str) -> HttpResponse:
    """Closes an incident that has had its answer."""
    found = _incident(request, number)
    refused = _try(lambda: conversation.close(incident_id=found.pk, user=signed_in(request), at=request.at))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect("desk:incident", number)
    messages.success(request, _("%(number)s is closed.") % {"number": found.shown_number}, extra_tags="calm")
    return redirect("desk:queue")


@door("technician")
@require_POST
def reopen(request: DeskRequest, number: str) -> HttpResponse:
    """The same problem again: open, no charge, a fresh deadline (D16)."""
    found = _incident(request, number)
    refused = _try(lambda: reopening.accept(incident_id=found.pk, user=signed_in(request), at=request.at))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def refuse(request: DeskRequest, number: str) -> HttpResponse:
    """A different problem: stays closed, with a reason that the customer reads (D16)."""
    found = _incident(request, number)
    form = ReasonForm(request.POST, prefix="refuse")
    if form.is_valid():
        data = form.cleaned_data
        refused = _try(
            lambda: reopening.refuse(
                incident_id=found.pk, reason=data["text"], user=signed_in(request), at=request.at, key=data["key"]
            )
        )
        if refused is None:
            messages.success(request, _("It stays closed, and the customer is told why."), extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    return _page(request, found, refuse_form=form)


@door("technician")
@require_POST
def bug(request: DeskRequest, number: str) -> HttpResponse:
    """Marks it as a product failure: the customer is asked, an admin determines it (D17)."""
    found = _incident(request, number)
    form = BugForm(request.POST, prefix="bug")
    if form.is_valid():
        data = form.cleaned_data
        refused = _try(
            lambda: crediting.mark_bug(
                incident_id=found.pk,
                reference=data["reference"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
            )
        )
        if refused is None:
            said = _("It is on the admins’ list, and the customer is asked: points or card.")
            if not found.contact.email:
                said = _("It is on the admins’ list. The customer has no e-mail address: ask them on the phone.")
            messages.success(request, said, extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("reference", refused)
    return _page(request, found, bug_form=form)


def _try(act: Any) -> str | None:
    """Does it, or says why not."""
    try:
        act()
    except crediting.AlreadyMarked as marked:
        return _("%(who)s marked it before, as %(reference)s. Nothing was changed.") % {
            "who": marked.case.marked_by,
            "reference": marked.case.reference,
        }
    except AlreadyGivenBack:
        return _("What it cost was given back before. Nothing was changed.")
    except conversation.NoAnswerYet:
        return _("The customer waits for an answer. Write in a line what solved it, and choose “close” beside it.")
    except reopening.NothingToDecide:
        return _("Nobody asks to re-open this incident any more: somebody else has decided.")
    except NotAllowed as refusal:
        return _("This incident is %(status)s by now; nothing was sent.") % {"status": refusal.status}
    except KeyReused:
        return _("This form was sent before with other content. Nothing was lost: send it again to send it anew.")
    except Refused as refusal:
        return str(refusal)
    return None


def _groups(request: DeskRequest, view: str, counts: queues.Counts) -> list[queues.Group]:
    numbers = queues.counts(request.scope, at=request.at, mine=True) if view == "mine" else counts
    return queues.queue(request.scope, view=view, at=request.at, numbers=numbers)


def _incident(request: DeskRequest, number: str) -> Incident:
    if not is_number(number):
        raise Http404
    seen = access.incidents_for(request.scope)
    return get_object_or_404(seen.select_related("customer", "contact", "owner", "release__product"), number=number)


def _page(request: DeskRequest, found: Incident, **given: forms.Form) -> HttpResponse:
    counts = queues.counts(request.scope, at=request.at)
    view = str(request.session.get("view", "all"))
    groups = _groups(request, view, counts)
    previous, following = queues.neighbours(groups, found.number)
    history, history_count = queries.history(request.scope, found)
    status = 422 if any(form.errors for form in given.values()) else 200
    told = queries.story(request.scope, found, at=request.at, whole="all" in request.GET)
    seen = max((thing.message.pk for thing in told.told if thing.message is not None), default=0)
    for form in given.values():
        renew_key(form, seen=seen)
    context = {
        "counts": counts,
        "incident": found,
        "story": told,
        "balance": balance(customer_id=found.customer_id, at=request.at),
        "history": history,
        "history_count": history_count,
        "previous": previous,
        "next": following,
        "staff": technicians_for(request.scope),
        "may": {
            "answer": allows(found.status, Act.ANSWER),
            "take": allows(found.status, Act.TAKE),
            "close": allows(found.status, Act.CLOSE),
        },
        "answer_form": AnswerForm(prefix="answer", initial={"key": uuid4().hex, "then": "waiting", "seen": seen}),
        "note_form": NoteForm(prefix="note", initial={"key": uuid4().hex}),
        "refuse_form": ReasonForm(prefix="refuse", initial={"key": uuid4().hex}),
        "credit": queries.credit_on(request.scope, found, at=request.at),
        "bug_form": BugForm(prefix="bug", initial={"key": uuid4().hex}),
        **given,
    }
    return render(request, "desk/incident.html", context, status=status)
