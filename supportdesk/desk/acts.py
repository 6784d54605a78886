"""What technicians do to one incident: take it, answer, note, close, decide on a re-opening, mark a bug."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents import access
from incidents.forms import AnswerForm, BugForm, NoteForm, ReasonForm, RecipientsForm
from incidents.forms_files import take_files
from incidents.mails.sending import readers
from incidents.models import Incident, MessageKind
from incidents.services import conversation, crediting, ownership, reopening
from incidents.services.common import NotAllowed
from incidents.statuses import Status
from supportdesk.desk.page import incident_of, render_page
from supportdesk.desk.refusals import attempt
from supportdesk.desk.undo import offer_undo
from supportdesk.people.access import technicians_for
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in

NEWER = 20  # messages since the page was loaded that are looked through


@door("technician")
@require_POST
def take(request: DeskRequest, number: str) -> HttpResponse:
    """Takes an incident; one that somebody has is taken over only by saying so."""
    found = incident_of(request, number)
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
    found = incident_of(request, number)
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
    found = incident_of(request, number)
    form = take_files(AnswerForm(request.POST, prefix="answer"), request)
    if form.is_valid():
        refused = (
            newer_word(request, found, form.cleaned_data["seen"], key=form.cleaned_data["key"])
            or _newer_reader(found, form)
            or _send_answer(request, found, form)
        )
        if refused is None:
            keep_taken(request, form.cleaned_data["key"])
            return redirect("desk:incident", number)
        form.refuse(refused)
    return render_page(request, found, answer_form=form)


def _send_answer(request: DeskRequest, found: Incident, form: AnswerForm) -> str | None:
    data = form.cleaned_data
    if not data["text"]:
        refused = attempt(
            lambda: conversation.close(
                incident_id=found.pk, user=signed_in(request), at=request.at, leave_out=form.left_out
            )
        )
    else:
        refused = attempt(
            lambda: conversation.answer(
                incident_id=found.pk,
                text=data["text"],
                then=data["then"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
                files=data["files"],
                leave_out=form.left_out,
            )
        )
    if refused is not None:
        return refused
    if data["text"]:
        said = _("The answer is on its way.")
        if all(reader.pk in form.left_out for reader in readers(found)):
            said = _("The answer is kept here; nobody was mailed.")
        messages.success(request, said, extra_tags="calm")
    if data["then"] == Status.CLOSED:
        offer_undo(request, found)
    return None


def _newer_reader(found: Incident, form: RecipientsForm) -> str | None:
    """Who came to get the mail while it was being written: the sender sees them before it is sent (D38)."""
    unseen = form.unseen(readers(found))
    if not unseen:
        return None
    return _("%(who)s gets this mail, too, since a moment ago. Look at who gets it below, and send it again.") % {
        "who": ", ".join(str(reader) for reader in unseen)
    }


def newer_word(request: DeskRequest, found: Incident, seen: int | None, *, key: str) -> str | None:
    """Who wrote while this answer was being written; None where it answers the latest word.

    What was sent with the same ``key`` is this answer itself, sent twice; one's own of another tab is not (D11).
    """
    if seen is None:
        return None
    newer = access.messages_for(request.scope, found).filter(pk__gt=seen, kind__in=("answer", "customer", "call"))
    words = list(newer.exclude(key=key).order_by("-pk")[:NEWER])
    if not words:
        return None
    # What somebody else said is news before what one said oneself.
    latest = next((word for word in words if word.user_id != signed_in(request).pk), words[0])
    if latest.user_id == signed_in(request).pk and latest.kind == MessageKind.ANSWER:
        return _(
            "You answered meanwhile, in another tab: read it above. What you typed here is kept; send it again if it "
            "still holds."
        )
    if latest.kind == MessageKind.ANSWER:
        return _("%(who)s answered meanwhile: read it above. Your answer is kept; send it again if it still holds.") % {
            "who": latest.author
        }
    return _("%(who)s wrote while you did: read it above. Your answer is kept; send it again if it still holds.") % {
        "who": latest.author
    }


@door("technician")
@require_POST
def note(request: DeskRequest, number: str) -> HttpResponse:
    """Keeps a note that never leaves the desk (D22)."""
    found = incident_of(request, number)
    form = take_files(NoteForm(request.POST, prefix="note"), request)
    if form.is_valid():
        data = form.cleaned_data
        refused = attempt(
            lambda: conversation.note(
                incident_id=found.pk,
                text=data["text"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
                files=data["files"],
            )
        )
        if refused is None:
            keep_taken(request, data["key"])
            return redirect("desk:incident", number)
        form.refuse(refused)
    return render_page(request, found, note_form=form)


@door("technician")
@require_POST
def close(request: DeskRequest, number: str) -> HttpResponse:
    """Closes an incident that has had its answer."""
    found = incident_of(request, number)
    refused = attempt(lambda: conversation.close(incident_id=found.pk, user=signed_in(request), at=request.at))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect("desk:incident", number)
    offer_undo(request, found)
    return redirect("desk:queue")


@door("technician")
@require_POST
def reopen(request: DeskRequest, number: str) -> HttpResponse:
    """The same problem again: open, no charge, a fresh deadline (D16)."""
    found = incident_of(request, number)
    refused = attempt(lambda: reopening.accept(incident_id=found.pk, user=signed_in(request), at=request.at))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def refuse(request: DeskRequest, number: str) -> HttpResponse:
    """A different problem: stays closed, with a reason that the customer reads (D16)."""
    found = incident_of(request, number)
    form = ReasonForm(request.POST, prefix="refuse")
    if form.is_valid():
        data = form.cleaned_data
        refused = _newer_reader(found, form) or attempt(
            lambda: reopening.refuse(
                incident_id=found.pk,
                reason=data["text"],
                user=signed_in(request),
                at=request.at,
                key=data["key"],
                leave_out=form.left_out,
            )
        )
        if refused is None:
            messages.success(request, _("It stays closed, and the customer is told why."), extra_tags="calm")
            return redirect("desk:incident", number)
        form.add_error("text", refused)
    return render_page(request, found, refuse_form=form)


@door("technician")
@require_POST
def bug(request: DeskRequest, number: str) -> HttpResponse:
    """Marks it as a product failure: the customer is asked, an admin determines it (D17)."""
    found = incident_of(request, number)
    form = BugForm(request.POST, prefix="bug")
    if form.is_valid():
        data = form.cleaned_data
        refused = attempt(
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
    return render_page(request, found, bug_form=form)
