"""The demo's mailbox: every mail that left the desk, whoever it went to, and a way to answer it."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage, Message
from email.utils import parseaddr
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from supportdesk.demo import mailbox as box
from supportdesk.demo import writing
from supportdesk.demo.forms import AnswerForm, NewMailForm
from supportdesk.demo.people import PEOPLE, SIGN_INS
from supportdesk.demo.threads import Thread, threads
from supportdesk.mail.shown_html import FRAME_POLICY
from supportdesk.people.doors import DeskRequest, door

SHOWN: Final = 200  # mails on one page; older ones stay on disk
SMTP_SECONDS: Final = 10


def only_in_demo(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Outside the demo there is nothing here: the mailbox lies open to everybody."""

    @wraps(view)
    def guarded(request: DeskRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@only_in_demo
@door("anyone")
@require_safe
def mailbox(request: DeskRequest) -> HttpResponseBase:
    """All conversations, newest first; with ``?to=`` those of one address."""
    address = request.GET.get("to", "")
    mails = box.newest(_folder(), at_most=SHOWN)
    found = [thread for thread in threads(mails) if not address or thread.owner == address]
    return render(request, "demo/mailbox.html", {"threads": found, "address": address})


@only_in_demo
@door("anyone")
def mail(request: DeskRequest, name: str) -> HttpResponseBase:
    """One mail in its conversation, and the form that answers it."""
    found = _mail_or_404(name)
    form = AnswerForm(_posted(request), _files(request), recipients=found.recipients)
    if request.method == "POST" and found.reply_to and form.is_valid():
        reply = writing.answer(found, **form.cleaned_data, at=request.at)
        if _sent(reply):
            kept = _keep(reply, sender=form.cleaned_data["sender"])
            messages.success(request, _("The answer was sent to %(address)s.") % {"address": found.reply_to})
            return redirect(f"{reverse('demo:mail', args=[name])}#mail-{kept}")
        form.add_error(None, _no_gateway())
    thread = next(
        (one for one in threads(box.newest(_folder(), at_most=SHOWN)) if name in {mail.name for mail in one.mails}),
        Thread(found.owner, (found,)),
    )
    return render(request, "demo/mail.html", {"mail": found, "thread": thread, "form": form})


@only_in_demo
@door("anyone")
@require_POST
def machine(request: DeskRequest, name: str, verb: str) -> HttpResponseBase:
    """What no person writes: an out-of-office answer to a mail, or its bounce (D28)."""
    found = _mail_or_404(name)
    who = next(iter(found.recipients), "")
    if verb not in ("away", "bounce") or not who or not (found.return_path or found.reply_to):
        raise Http404
    if verb == "away":
        was_sent = _sent(writing.out_of_office(found, sender=who, at=request.at))
        said = _("The out-of-office answer of %(address)s was sent.")
    else:
        was_sent = _sent(writing.bounce(found, recipient=who, at=request.at), envelope="")
        said = _("The desk was told that no mailbox %(address)s exists.")
    if was_sent:
        messages.success(request, said % {"address": who})
    else:
        messages.error(request, _no_gateway())
    return redirect("demo:mail", name=name)


@only_in_demo
@door("anyone")
@require_safe
@xframe_options_sameorigin
def mail_html(request: DeskRequest, name: str) -> HttpResponseBase:
    """The HTML part alone, under a policy of its own: it is shown in a sandboxed frame and can do nothing."""
    response = HttpResponse(box.for_frame(_mail_or_404(name)), content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


@only_in_demo
@door("anyone")
@require_safe
def mail_file(request: DeskRequest, name: str, number: int) -> HttpResponseBase:
    """A file that came with a mail, only ever as a download (D31)."""
    files = _mail_or_404(name).files
    if number >= len(files):
        raise Http404
    file = files[number]
    response = FileResponse(
        BytesIO(file.body), as_attachment=True, filename=file.name, content_type="application/octet-stream"
    )
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


@only_in_demo
@door("anyone")
def new_mail(request: DeskRequest) -> HttpResponseBase:
    """A new mail to the desk's address."""
    to = parseaddr(settings.MAIL_FROM)[1]
    who = request.GET.get("from", "")
    known = who in {address for _name, address in PEOPLE}
    initial = {"sender": who} if known else {"sender": SIGN_INS[0][1], "other": who}
    form = NewMailForm(_posted(request), _files(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        names = {address: name for name, address in PEOPLE}
        name = names.get(form.cleaned_data["sender"], "")
        written = writing.write(**form.cleaned_data, to=to, at=request.at, name=name)
        if _sent(written):
            kept = _keep(written, sender=form.cleaned_data["sender"])
            messages.success(request, _("The mail was sent to %(address)s.") % {"address": to})
            return redirect("demo:mail", name=kept)
        form.add_error(None, _no_gateway())
    return render(request, "demo/new_mail.html", {"form": form, "to": to})


def _posted(request: DeskRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _files(request: DeskRequest) -> MultiValueDict[str, UploadedFile[Any]] | None:
    return request.FILES if request.method == "POST" else None


def _folder() -> Path:
    return Path(settings.DESK_HOME) / "mailbox"


def _mail_or_404(name: str) -> box.Mail:
    found = box.read(_folder(), name)
    if found is None:
        raise Http404
    return found


def _keep(message: EmailMessage, *, sender: str) -> str:
    """Puts what was sent into its writer's mailbox, as mail programs do; gives its name there."""
    return box.store(_folder(), bytes(message), [], sender, sent_by=sender)


def _sent(message: Message, *, envelope: str | None = None) -> bool:
    """Hands a mail to the desk's gateway, as the mail server of the world outside would."""
    try:
        with smtplib.SMTP(settings.GATEWAY_HOST, settings.GATEWAY_PORT, timeout=SMTP_SECONDS) as gateway:
            gateway.send_message(message, from_addr=envelope)
    except (OSError, smtplib.SMTPException):
        return False
    return True


def _no_gateway() -> str:
    return _("The desk’s mail gateway did not take the mail. Nothing was lost: your text is still here. Send it again.")
