"""Splitting an incident on the desk, and what becomes of a split that waits for points (R9, D8, D14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from incidents import access, proposals
from incidents.forms import renew_key
from incidents.forms_split import PartForm, SplitForm, typed_parts
from incidents.models import Attachment, Incident, Message, Proposal, TimelineCode, TimelineEntry
from incidents.queries import STORY_MESSAGES, WHOLE_MESSAGES
from incidents.services import splitting
from incidents.statuses import Act
from supportdesk.desk.page import incident_of
from supportdesk.desk.refusals import attempt
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.policy import POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One box: whether a message or file goes along with a part."""

    position: int
    name: str
    value: int
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message, or one of its files, with its boxes; ``is_new`` where the page had not shown it before."""

    message: Message
    file: Attachment | None
    cells: tuple[Cell, ...]
    is_new: bool


@door("technician")
@require_http_methods(["GET", "POST"])
def split(request: DeskRequest, number: str) -> HttpResponse:
    """The problems, what goes along with each, the price and the new deadlines on one screen.

    A post that says what to ``do`` changes the page alone: a part more, one less, or the preview as it is now.
    """
    found = incident_of(request, number)
    if request.method == "POST" and "do" not in request.POST:
        return _send(request, found)
    refused = _why_not(request, found)
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return _to_incident(request, number)
    focus: int | None
    if request.method == "GET":
        parts: list[dict[str, Any]] = [{"subject": found.subject}, {}]
        steps = access.timeline_for(request.scope, found).order_by("-pk").values_list("pk", flat=True)
        initial = {"key": uuid4().hex, "seen": steps.first() or 0}
        focus = 1
    else:
        parts, focus = _changed(typed_parts(request.POST), request.POST["do"])
        initial = {name: request.POST.get(name, "") for name in ("key", "seen")}
    offered, cut = _offered(request, found)
    form = SplitForm(messages=offered, parts=parts, initial=initial)
    return _page(request, found, form, offered, cut=cut, focus=focus)


def _to_incident(request: DeskRequest, number: str) -> HttpResponse:
    """The incident's page; a part of a page that asks for itself makes the whole page go there."""
    there = redirect("desk:incident", number)
    if request.headers.get("HX-Request") != "true":
        return there
    return HttpResponse(status=204, headers={"HX-Redirect": there.url})


def _why_not(request: DeskRequest, found: Incident) -> str | None:
    if not found.allows(Act.SPLIT):
        return _("This incident is %(status)s: there is nothing to split.") % {"status": found.get_status_display()}
    if access.proposals_waiting(request.scope, at=request.at).filter(incident=found).exists():
        return _("A proposal waits for points already. Carry it out or withdraw it before you make another.")
    return None


def _changed(parts: list[dict[str, Any]], do: str) -> tuple[list[dict[str, Any]], int | None]:
    """The parts after a button that changes the page, and which title has the cursor then."""
    verb, _colon, place = do.partition(":")
    if verb == "add" and len(parts) <= POLICY.split_parts_max:
        return [*parts, {}], len(parts)
    if verb == "remove" and len(parts) > 2 and place in [str(position) for position in range(1, len(parts))]:
        return parts[: int(place)] + parts[int(place) + 1 :], min(int(place), len(parts) - 2)
    return parts, None


def _offered(request: DeskRequest, found: Incident) -> tuple[list[Message], bool]:
    """The messages that can be chosen, in order: of a very long conversation the latest, unless all are asked for."""
    limit = WHOLE_MESSAGES if "all" in request.GET else STORY_MESSAGES
    latest = list(access.copyable(request.scope, found).order_by("-at", "-pk")[: limit + 1])
    return latest[:limit][::-1], len(latest) > limit


def _send(request: DeskRequest, found: Incident) -> HttpResponse:
    offered, cut = _offered(request, found)
    form = SplitForm(request.POST, messages=offered, parts=typed_parts(request.POST))
    news: list[TimelineEntry] = []
    if form.is_valid():
        made: list[Proposal] = []

        def act() -> None:
            try:
                made.append(_split(request, found, form))
            except splitting.CannotDivide as refusal:
                form.tell(refusal.problems)
            except splitting.Overtaken as refusal:
                news.extend(refusal.steps)
                form.add_error(None, _overtaken(refusal.steps[-1]))

        refused = attempt(act)
        if made:
            say_outcome(request, found, made[0])
            return redirect("desk:incident", found.number)
        if refused is not None:
            form.add_error(None, refused)
    seen = news[-1].pk if news else form.cleaned_data.get("seen", 0)
    renew_key(form, seen=seen)
    return _page(request, found, form, offered, cut=cut, news=news, status=422)


def _split(request: DeskRequest, found: Incident, form: SplitForm) -> Proposal:
    return splitting.split(
        incident_id=found.pk,
        parts=form.parts,
        kept_subject=form.kept_subject,
        user=signed_in(request),
        at=request.at,
        key=form.cleaned_data["key"],
        seen=form.cleaned_data["seen"],
    )


def _overtaken(step: TimelineEntry) -> str:
    """What has happened while the page was open."""
    said = {
        TimelineCode.CUSTOMER_WROTE: _("%(who)s wrote while you were at it: what is new is marked below."),
        TimelineCode.ANSWERED: _("%(who)s answered while you were at it: what is new is marked below."),
        TimelineCode.CALLED: _("%(who)s logged a call while you were at it: what is new is marked below."),
        TimelineCode.SPLIT: _("%(who)s split this incident while you were at it."),
    }.get(TimelineCode(step.code), _("%(who)s merged or parted incidents while you were at it: look through it below."))
    kept = _("Nothing was changed, and what you typed is kept; send it again if it still holds.")
    return f"{said % {'who': step.user or step.contact or _('Somebody')}} {kept}"


def say_outcome(request: DeskRequest, found: Incident, proposal: Proposal) -> None:
    """Says which numbers came of it, or that it waits and who is told."""
    if proposal.state == Proposal.State.ACCEPTED:
        made = proposal.parts.filter(incident__isnull=False).select_related("incident")
        numbers = [part.incident.shown_number for part in made if part.incident is not None]
        said = ngettext(
            "Split: %(numbers)s is an incident of its own.",
            "Split: %(numbers)s are incidents of their own.",
            len(numbers),
        )
        messages.success(request, said % {"numbers": get_text_list(numbers, _("and"))}, extra_tags="calm")
        return
    said = _("Points are short, so nothing has changed: the split waits, and %(who)s is told what is missing.")
    if not found.contact.email:
        said = _("Points are short, so nothing has changed: the split waits. Tell %(who)s on the phone.")
    messages.success(request, said % {"who": found.contact.name}, extra_tags="waiting")


def _page(
    request: DeskRequest,
    found: Incident,
    form: SplitForm,
    offered: Sequence[Message],
    *,
    cut: bool,
    focus: int | None = None,
    news: Sequence[TimelineEntry] = (),
    status: int = 200,
) -> HttpResponse:
    new = {step.data.get("message") for step in news}
    parts = form.problems[1:]
    context = {
        "incident": found,
        "form": form,
        "kept": form.problems[0],
        "parts": parts,
        "focus": focus,
        "lines": [line for message in offered for line in _lines(message, parts, is_new=message.pk in new)],
        "is_cut": cut,
        "quote": proposals.split_quote(found, count=len(parts), at=request.at),
        "own_clock": found.clocks.select_related("clock").get(current=True).clock,
        "most": POLICY.split_parts_max,
    }
    return render(request, "desk/split.html", context, status=status)


def _lines(message: Message, parts: Sequence[PartForm], *, is_new: bool) -> list[Line]:
    """A message and its files, each with a box a part."""
    return [
        Line(message=message, file=file, cells=_cells("attached" if file else "messages", pk, parts), is_new=is_new)
        for file, pk in [(None, message.pk), *[(file, file.pk) for file in message.files.all()]]
    ]


def _cells(name: str, pk: int, parts: Sequence[PartForm]) -> tuple[Cell, ...]:
    return tuple(
        Cell(position=part.position, name=part.add_prefix(name), value=pk, checked=str(pk) in part.chosen(name))
        for part in parts
    )


@door("technician")
@require_POST
def carry_out(request: DeskRequest, number: str) -> HttpResponse:
    """Carries out what waited, now that the points are there (D8)."""
    found = incident_of(request, number)
    proposal = _proposal(request, found)
    user = signed_in(request)
    made: list[Proposal] = []
    refused = attempt(lambda: made.append(splitting.accept_proposal(proposal_id=proposal.pk, user=user, at=request.at)))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        say_outcome(request, found, made[0])
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def withdraw(request: DeskRequest, number: str) -> HttpResponse:
    """Takes back what waits (D14)."""
    found = incident_of(request, number)
    proposal = _proposal(request, found)
    user = signed_in(request)
    refused = attempt(lambda: splitting.withdraw_proposal(proposal_id=proposal.pk, user=user, at=request.at))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        messages.success(request, _("The proposal is withdrawn: the incident stays whole."), extra_tags="calm")
    return redirect("desk:incident", number)


def _proposal(request: DeskRequest, found: Incident) -> Proposal:
    """The split that the page showed, whatever has become of it since."""
    asked = request.POST.get("proposal", "")
    pk = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else 0
    of_incident = access.proposals_for(request.scope).filter(incident=found, kind=Proposal.Kind.SPLIT)
    return get_object_or_404(of_incident, pk=pk)
