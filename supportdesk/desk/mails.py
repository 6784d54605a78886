"""The mails that left for an incident: a list, each as it is, and another try (D30)."""

from __future__ import annotations

from base64 import b64encode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_POST

from incidents import access
from incidents import queue as queues
from incidents.models import IncidentMail
from incidents.services.files import place_of
from supportdesk.desk.page import incident_of
from supportdesk.mail.outgoing import retry
from supportdesk.people.doors import DeskRequest, door

# It can do nothing, load nothing and be shown by the desk alone; what it looks like is its own.
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
ROWS = 500


@door("technician")
@require_GET
def listed(request: DeskRequest, number: str) -> HttpResponse:
    """All mails of an incident, newest first, answers and automatic ones."""
    found = incident_of(request, number)
    context = {
        "incident": found,
        "mails": access.mails_for(request.scope, found).order_by("-pk")[:ROWS],
        "counts": queues.counts(request.scope, at=request.at),
    }
    return render(request, "desk/mails.html", context)


@door("technician")
@require_GET
def mail(request: DeskRequest, number: str, pk: int) -> HttpResponse:
    """One of them: to whom, what became of it, its text and its HTML."""
    sent = _mail(request, number, pk)
    context = {
        "incident": sent.incident,
        "sent": sent,
        "files": sent.mail.files.all(),
        "counts": queues.counts(request.scope, at=request.at),
    }
    return render(request, "desk/mail.html", context)


@door("technician")
@require_GET
@xframe_options_sameorigin
def mail_html(request: DeskRequest, number: str, pk: int) -> HttpResponse:
    """Its HTML part alone, under a policy of its own: shown in a sandboxed frame, with its pictures in it."""
    sent = _mail(request, number, pk).mail
    html = sent.html.replace("<head>", '<head><base target="_blank">', 1)
    for file in sent.files.exclude(content_id=""):
        try:
            picture = b64encode(place_of(file.stored).read_bytes()).decode("ascii")
        except FileNotFoundError:
            continue
        html = html.replace(f'"cid:{file.content_id}"', f'"data:{file.content_type};base64,{picture}"')
    response = HttpResponse(html, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


@door("technician")
@require_POST
def try_again(request: DeskRequest, number: str, pk: int) -> HttpResponse:
    """Tries a mail once more that failed or waits, for another three days (D30)."""
    sent = _mail(request, number, pk)
    if retry(mail_id=sent.mail_id, at=request.at):
        messages.success(request, _("The mail is tried again now."), extra_tags="calm")
    else:
        messages.info(request, _("The mail has gone out already."), extra_tags="calm")
    return redirect("desk:incident", number)


def _mail(request: DeskRequest, number: str, pk: int) -> IncidentMail:
    return get_object_or_404(access.mails_for(request.scope, incident_of(request, number)), mail_id=pk)
