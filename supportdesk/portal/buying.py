"""Buying a pack of points by card (D32). The card's fields are the provider's own: no card number comes here."""

from __future__ import annotations

import logging
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from incidents.access import drafts_for, proposals_waiting
from incidents.forms import renew_key
from incidents.numbers import is_number
from incidents.paying import look_at_payment
from points.access import payments_for
from points.forms import BuyForm
from points.models import Payment
from points.offers import shop, spendable_through
from points.payments import buying
from points.payments.provider import ProviderDown, ProviderRefused
from points.queries import balance
from points.refusals import KeyReused
from points.sale_services import NotSold, begin_payment
from supportdesk import words
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.people.models import Customer
from supportdesk.portal.accounts import own_holders

logger = logging.getLogger(__name__)
DRAFT = "buying_for_draft"
INCIDENT = "buying_for_incident"


@door("contact")
@require_http_methods(["GET", "POST"])
def buy(request: DeskRequest) -> HttpResponse:
    """The packs with their prices; choosing one begins a payment. Who doesn't see the points buys none (D21)."""
    holders = list(own_holders(request.scope))
    if not holders:
        raise Http404
    _remember_draft(request)
    form = BuyForm(request.POST or None, holders=holders, initial={"key": uuid4().hex})
    customer = _customer(request, holders)
    status = 200
    if request.method == "POST":
        response = _begin(request, form)
        if response is not None:
            return response
        status = 422
    context = {
        "place": "points",
        "form": form,
        "customer": customer,
        "holders": holders,
        "shop": shop(customer=customer, currency=request.POST.get("currency") or request.GET.get("currency", "")),
        "through": spendable_through(customer, at=request.at),
        "on_hand": balance(customer_id=customer.pk, at=request.at),
        "ready": buying.ready(),
    }
    return render(request, "portal/buy.html", context, status=status)


def _begin(request: DeskRequest, form: BuyForm) -> HttpResponse | None:
    """Begins a payment and leads to its page, or says at the form why not."""
    if not buying.ready() or not form.is_valid():
        return None
    data = form.cleaned_data
    pack_id, amount_minor = data["offer"]
    try:
        payment = begin_payment(
            customer=data["customer"],
            user=signed_in(request),
            pack_id=pack_id,
            amount_minor=amount_minor,
            currency=data["currency"],
            at=request.at,
            key=data["key"],
        )
        buying.start(payment=payment, at=request.at)
    except NotSold:
        form.add_error("offer", _("The price has changed since the page was loaded. Nothing was begun: choose again."))
        return None
    except KeyReused:
        renew_key(form)
        form.add_error(None, _("This form was sent before with another pack. Send it again to buy this one."))
        return None
    except ProviderRefused as error:
        logger.error("The provider refuses the price of a pack: %s", error)
        form.add_error(
            None, _("The payment provider does not take this price. Nothing was paid: choose another, or call us.")
        )
        return None
    except ProviderDown as error:
        logger.warning("A payment could not be begun: %s", error)
        form.add_error(None, _("The payment provider does not answer as it should. Nothing was paid: try again."))
        return None
    return redirect("portal:pay", payment.pk)


@door("contact")
@require_GET
def pay(request: DeskRequest, pk: int) -> HttpResponse:
    """The provider's card fields, beside what is bought for how much and until when it can be spent."""
    payment = _payment(request, pk)
    secret, trouble = "", False
    if payment.state == Payment.State.OPEN:
        try:
            secret = buying.secret(payment)
        except (ProviderDown, ProviderRefused) as error:
            logger.warning("Payment %s could not be shown: %s", payment.pk, error)
            trouble = True
    context = {
        "place": "points",
        "payment": payment,
        "customer": payment.customer,
        "through": spendable_through(payment.customer, at=request.at),
        "secret": secret,
        "trouble": trouble,
        "publishable_key": settings.STRIPE_PUBLISHABLE_KEY,
        "script_url": settings.STRIPE_SCRIPT_URL,
    }
    response = render(request, "portal/pay.html", context, status=503 if trouble else 200)
    if secret:
        # On this page alone the provider's script runs, in frames of its own.
        response._csp_update = {  # type: ignore[attr-defined]  # django-csp's own way, read at each response
            "script-src": [settings.STRIPE_SCRIPT_URL],
            "frame-src": settings.STRIPE_FRAME_ORIGINS,
            "connect-src": settings.STRIPE_CONNECT_ORIGINS,
        }
    return response


@door("contact")
@require_POST
def paid(request: DeskRequest, pk: int) -> HttpResponse:
    """Asks the provider at once whether it was paid, in place of waiting for its event."""
    payment = _payment(request, pk)
    try:
        payment = look_at_payment(payment_id=payment.pk, at=request.at)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("Payment %s could not be looked at: %s", payment.pk, error)
        messages.warning(
            request,
            _("We could not ask the provider yet. If it was paid, the points come by themselves within minutes."),
            extra_tags="soon",
        )
        return redirect("portal:pay", payment.pk)
    if payment.state != Payment.State.PAID:
        if payment.state == Payment.State.OPEN:
            messages.warning(request, _("The provider says that nothing is paid yet."), extra_tags="soon")
        return redirect("portal:pay", payment.pk)
    messages.success(
        request,
        _("%(points)s added, %(now)d on hand.")
        % {"points": words.points(payment.points), "now": balance(customer_id=payment.customer_id, at=request.at)},
        extra_tags="calm",
    )
    draft = request.session.pop(DRAFT, None)
    if draft is not None and drafts_for(request.scope, at=request.at).filter(pk=draft, incident=None).exists():
        return redirect("portal:draft", draft)
    number = request.session.pop(INCIDENT, "")
    if proposals_waiting(request.scope, at=request.at).filter(incident__number=number).exists():
        return redirect(f"{reverse('portal:incident', args=[number])}#proposal")
    return redirect("portal:points")


def _payment(request: DeskRequest, pk: int) -> Payment:
    return get_object_or_404(payments_for(request.scope).select_related("customer"), pk=pk)


def _customer(request: DeskRequest, holders: list[Customer]) -> Customer:
    wanted = request.POST.get("customer") or request.GET.get("customer", "")
    return next((holder for holder in holders if str(holder.pk) == wanted), holders[0])


def _remember_draft(request: DeskRequest) -> None:
    """Who comes from a draft, or from a split that waits, gets back to it when the points are there (D8, D14)."""
    draft, number = request.GET.get("draft", ""), request.GET.get("incident", "")
    if draft.isascii() and draft.isdigit() and len(draft) < 18:
        request.session[DRAFT] = int(draft)
    elif is_number(number):
        request.session.pop(DRAFT, None)
        request.session[INCIDENT] = number
