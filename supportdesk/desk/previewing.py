"""The preview of what a technician writes: by the tab beside it, or as a page of its own without script."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from incidents.forms import AnswerForm, NoteForm
from incidents.forms_files import take_files
from incidents.mails.previewing import preview_answer
from incidents.models import Attachment, Incident
from incidents.showing import shown
from supportdesk.desk.page import incident_of, render_page
from supportdesk.people.doors import DeskRequest, door, signed_in


@door("technician")
@require_POST
def preview(request: DeskRequest, number: str) -> HttpResponse:
    """What is typed as it will be seen: the mail of an answer, or a note. Nothing is sent or kept but its files."""
    found = incident_of(request, number)
    if request.POST.get("preview") == "note":
        form: AnswerForm | NoteForm = take_files(NoteForm(request.POST, prefix="note"), request)
        given: dict[str, Any] = {"note_form": form}
    else:
        form = take_files(AnswerForm(request.POST, prefix="answer"), request)
        given = {"answer_form": form}
    seen = _seen(request, found, form) if form.is_valid() else None
    if "part" in request.GET:
        context = {"form": form, "preview": seen}
        return render(request, "desk/preview.html", context, status=200 if seen else 422)
    return render_page(request, found, preview=seen, **given)


def _seen(request: DeskRequest, found: Incident, form: AnswerForm | NoteForm) -> dict[str, Any]:
    data = form.cleaned_data
    if isinstance(form, NoteForm):
        return {"form": "note", "html": shown(data["text"], form.kept_files, _address)}
    answer = preview_answer(
        found,
        text=data["text"],
        files=list(form.kept_files),
        then=data["then"],
        user=signed_in(request),
        at=request.at,
        leave_out=form.left_out,
        address=_address,
    )
    return {"form": "answer", "answer": answer}


def _address(file: Attachment) -> str:
    return f"{reverse('desk:file', args=[file.pk])}?show"
