"""The pages of the tips: what they are, a sample, subscribing and unsubscribing (R15). Nobody has to sign in.

Whatever opens links in mails changes nothing by that: what changes something is a POST. The token of a link that
confirms is in the address of one answer only, which leads on without it.
"""

from __future__ import annotations

from uuid import uuid4

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from supportdesk.people.doors import DeskRequest, door
from supportdesk.people.networks import network_of
from supportdesk.tips import access, mails, services
from supportdesk.tips.forms import AddressForm
from supportdesk.tips.tokens import read_unsubscribe_token

LINK = "tips_link"


@door("anyone")
@require_http_methods(["GET", "HEAD", "POST"])
def tips(request: DeskRequest) -> HttpResponseBase:
    """What they are, the sample, and the way in; for somebody signed in with a proved address one switch."""
    own = access.own_address(request)
    if request.method != "POST":
        # Who is signed in has typed their address before; whether it reads is told to nobody but its owner.
        known = "" if own else getattr(request.user, "email", "")
        return _page(request, AddressForm(initial={"key": uuid4().hex, "email": known}), own=own)
    if own:
        return _switch(request, own)
    form = AddressForm(request.POST)
    if not form.is_valid():
        if "key" in form.errors:
            again = request.POST.copy()
            again["key"] = uuid4().hex
            form.data = again
        return _page(request, form, own=own, status=422)
    services.ask(
        email=form.cleaned_data["email"],
        network=network_of(get_adapter().get_client_ip(request)),
        at=request.at,
        key=form.cleaned_data["key"],
    )
    return redirect("tips:asked")


def _switch(request: DeskRequest, email: str) -> HttpResponse:
    """On or off for the address that somebody signed in with."""
    if request.POST.get("do") == "stop":
        reader = access.reader_at(email)
        if reader is not None:
            services.unsubscribe(subscriber_id=reader.pk, at=request.at)
        messages.success(request, _("You get the tips no longer."))
    else:
        services.subscribe_own(email=email, at=request.at)
        messages.success(request, _("You get the tips from the next issue on."))
    return redirect("tips:tips")


def _page(request: DeskRequest, form: AddressForm, *, own: str, status: int = 200) -> HttpResponse:
    reader = access.reader_at(own) if own else None
    sample = access.sample()
    context = {
        "place": "tips",
        "form": form,
        "own": own,
        "is_reading": reader is not None and reader.is_reading,
        "sample": sample,
        "sample_html": mails.shown(sample, top=3) if sample else "",
    }
    return render(request, "tips/tips.html", context, status=status)


@door("anyone")
@require_safe
def asked(request: DeskRequest) -> HttpResponse:
    """The same page whoever has asked, and whatever became of it."""
    return render(request, "tips/asked.html", {"place": "tips"})


@door("anyone")
@require_safe
def follow(request: DeskRequest, token: str) -> HttpResponse:
    """Leads on to the button, without the token."""
    request.session[LINK] = access.digest_of(token)
    response = _quiet(redirect("tips:confirm"))
    # The page itself keeps to same-origin: a browser told "no-referrer" sends its form with "Origin: null".
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@door("anyone")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: DeskRequest) -> HttpResponse:
    """The button that subscribes, of the link that was followed last."""
    found = access.asked_of(str(request.session.get(LINK, "")))
    if found is None:
        return _over(request)
    if request.method == "POST":
        try:
            services.confirm(digest=found.digest, at=request.at)
        except services.LinkGone:
            return _over(request)
        except services.LinkUsed:
            pass  # the page says so
        return _quiet(redirect("tips:confirm"))
    if found.confirmed_at is None and found.kept_until <= request.at:
        return _over(request)
    return _quiet(render(request, "tips/confirm.html", {"place": "tips", "asked": found}))


@csrf_exempt
@door("anyone")
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: DeskRequest, token: str) -> HttpResponse:
    """Ends the tips by one POST, from a mail program or the page's button, without cookies or redirects (RFC 8058).

    The address itself proves that its sender has the mail. Who asks again is told the same.
    """
    subscriber_id = read_unsubscribe_token(token)
    if subscriber_id is None:
        raise Http404
    if request.method == "POST":
        services.unsubscribe(subscriber_id=subscriber_id, at=request.at)
    response = _quiet(render(request, "tips/unsubscribe.html", {"place": "tips", "is_done": request.method == "POST"}))
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _over(request: DeskRequest) -> HttpResponse:
    """Unknown, expired, or overtaken: one page for all of them."""
    return _quiet(render(request, "tips/over.html", {"place": "tips"}, status=410))


def _quiet(response: HttpResponse) -> HttpResponse:
    """Kept nowhere on the way."""
    response.headers["Cache-Control"] = "private, no-store"
    return response
