"""The demo's mailbox: every mail that left the desk, whoever it went to, and a way to answer it."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import parseaddr
from functools import wraps
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from supportdesk.demo import mailbox as box
from supportdesk.demo.forms import AnswerForm, NewMailForm
from supportdesk.demo.people import SIGN_INS
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
    """All mails, newest first; with ``?to=`` those of one address."""
    mails = box.newest(_folder(), at_most=SHOWN)
    address = request.GET.get("to", "")
    if address:
        mails = [mail for mail in mails if address in mail.recipients]
    return render(request, "demo/mailbox.html", {"mails": mails, "address": address})


@only_in_demo
@door("anyone")
def mail(request: DeskRequest, name: str) -> HttpResponseBase:
    """One mail, and the form that answers it."""
    found = _mail_or_404(name)
    form = AnswerForm(_posted(request), recipients=found.recipients)
    if request.method == "POST" and found.reply_to and form.is_valid():
        reply = box.answer(found, sender=form.cleaned_data["sender"], text=form.cleaned_data["text"], at=request.at)
        if _sent(reply):
            messages.success(request, _("The answer was sent to %(address)s.") % {"address": found.reply_to})
            return redirect("demo:mail", name=name)
        form.add_error(None, _no_gateway())
    return render(request, "demo/mail.html", {"mail": found, "form": form})


@only_in_demo
@door("anyone")
@require_safe
@xframe_options_sameorigin
def mail_html(request: DeskRequest, name: str) -> HttpResponseBase:
    """The HTML part alone, under a policy of its own: it is shown in a sandboxed frame and can do nothing."""
    response = HttpResponse(box.for_frame(_mail_or_404(name).html), content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = FRAME_POLICY
    response["Referrer-Policy"] = "no-referrer"
    return response


@only_in_demo
@door("anyone")
def new_mail(request: DeskRequest) -> HttpResponseBase:
    """A new mail to the desk's address."""
    to = parseaddr(settings.MAIL_FROM)[1]
    form = NewMailForm(_posted(request), initial={"sender": SIGN_INS[0][1]})
    if request.method == "POST" and form.is_valid():
        if _sent(box.write(**form.cleaned_data, to=to, at=request.at)):
            messages.success(request, _("The mail was sent to %(address)s.") % {"address": to})
            return redirect("demo:mailbox")
        form.add_error(None, _no_gateway())
    return render(request, "demo/new_mail.html", {"form": form, "to": to})


def _posted(request: DeskRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _folder() -> Path:
    return Path(settings.DESK_HOME) / "mailbox"


def _mail_or_404(name: str) -> box.Mail:
    found = box.read(_folder(), name)
    if found is None:
        raise Http404
    return found


def _sent(message: EmailMessage) -> bool:
    """Hands a mail to the desk's gateway, as the mail server of the world outside would."""
    try:
        with smtplib.SMTP(settings.GATEWAY_HOST, settings.GATEWAY_PORT, timeout=SMTP_SECONDS) as gateway:
            gateway.send_message(message)
    except (OSError, smtplib.SMTPException):
        return False
    return True


def _no_gateway() -> str:
    return _("The desk’s mail gateway did not take the mail. Nothing was lost: your text is still here. Send it again.")
