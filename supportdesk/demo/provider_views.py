"""The demo's page of the payment provider: what lies there, and what somebody could do there by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from supportdesk.demo.provider.client import NotDone, ProviderClient
from supportdesk.demo.provider.money import shown
from supportdesk.demo.views import only_in_demo
from supportdesk.people.doors import DeskRequest, door

SHOWN: Final = 50  # payments on one page, and events
HANG_SECONDS: Final = 60
Json = dict[str, Any]
CARDS: Final = {
    "4242424242424242": gettext_lazy("pays"),
    "4000056655665556": gettext_lazy("pays, a debit card"),
    "5555555555554444": gettext_lazy("pays"),
    "378282246310005": gettext_lazy("pays"),
    "4000000000000002": gettext_lazy("is declined"),
    "4000000000009995": gettext_lazy("has insufficient funds"),
    "4000000000000069": gettext_lazy("has expired"),
    "4000000000000127": gettext_lazy("has another security code"),
    "4000000000000119": gettext_lazy("meets an error at the bank"),
    "4000002500003155": gettext_lazy("asks for 3-D Secure"),
    "4000000000000259": gettext_lazy("pays and is disputed at once"),
    "4000000000007726": gettext_lazy("pays; a refund is pending, then succeeds"),
    "4000000000005126": gettext_lazy("pays; a refund succeeds, then fails"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment with what came of it."""

    intent: Json
    amount: str
    at: datetime
    card: str
    can_be_refunded: bool
    can_be_disputed: bool
    refunds: list[Json]
    disputes: list[Json]


@only_in_demo
@door("anyone")
@require_safe
def provider(request: DeskRequest) -> HttpResponseBase:
    """Payments and events, newest first, and the cards for tests."""
    try:
        found = client().everything()
    except NotDone as gone:
        return render(request, "demo/provider.html", {"gone": gone}, status=503)
    events = [_event(event) for event in reversed(found["events"][-SHOWN:])]
    context = {"payments": _payments(found), "events": events, "armed": found["armed"], "paused": found["paused"]}
    return render(request, "demo/provider.html", context | {"cards": CARDS, "base": settings.STRIPE_API_BASE})


@only_in_demo
@door("anyone")
@require_POST
def provider_act(request: DeskRequest, verb: str) -> HttpResponseBase:
    """One thing done by hand at the provider; the answer is the page."""
    if verb not in ACTS:
        raise Http404
    act, done = ACTS[verb]
    try:
        act(client(), request.POST.get("id", ""))
    except NotDone as refused:
        messages.error(request, _("The provider refused: %(why)s") % {"why": refused})
    else:
        messages.success(request, done())
    return redirect("demo:provider")


def client() -> ProviderClient:
    """The provider that the settings name."""
    return ProviderClient(
        base=settings.STRIPE_API_BASE,
        secret_key=settings.STRIPE_SECRET_KEY,
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
    )


# By verb: what is done at the provider with the id of a payment, dispute, refund or event, and what is said then.
ACTS: Final[dict[str, tuple[Callable[[ProviderClient, str], object], Callable[[], str]]]] = {
    "refund": (lambda at, name: at.refund(name), lambda: _("Refunded from the dashboard.")),
    "dispute": (lambda at, name: at.dispute(name), lambda: _("The customer disputes the payment.")),
    "won": (lambda at, name: at.close_dispute(name, "won"), lambda: _("The dispute is won.")),
    "lost": (lambda at, name: at.close_dispute(name, "lost"), lambda: _("The dispute is lost.")),
    "succeed": (lambda at, name: at.settle(name, "succeeded"), lambda: _("The refund succeeded.")),
    "fail": (lambda at, name: at.settle(name, "failed"), lambda: _("The refund failed.")),
    "next-fails": (lambda at, _name: at.next_refund("fails"), lambda: _("The next refund will be refused.")),
    "next-hangs": (
        lambda at, _name: at.next_refund("hangs", seconds=HANG_SECONDS),
        lambda: _("The next refund will be made, and its answer come too late."),
    ),
    "next-pending": (lambda at, _name: at.next_refund("pending"), lambda: _("The next refund will stay pending.")),
    "send": (lambda at, name: at.deliver(name), lambda: _("The event was sent again.")),
    "pause": (lambda at, _name: at.pause(), lambda: _("Events wait from now on.")),
    "resume": (lambda at, _name: at.resume(), lambda: _("Events go out again.")),
}


def _payments(found: Json) -> list[Payment]:
    charges = {charge["id"]: charge for charge in found["charges"]}
    return [_payment(intent, charges, found) for intent in reversed(found["payments"][-SHOWN:])]


def _payment(intent: Json, charges: dict[str, Json], found: Json) -> Payment:
    charge = charges.get(intent["latest_charge"] or "", {})
    is_paid = bool(charge.get("paid"))
    details = charge.get("payment_method_details", {}).get("card")
    return Payment(
        intent=intent,
        amount=shown(intent["amount"], intent["currency"]),
        at=_instant(intent["created"]),
        card=f"{details['brand']} •••• {details['last4']}" if details else "",
        can_be_refunded=is_paid and not charge["refunded"],
        can_be_disputed=is_paid and not charge["disputed"],
        refunds=[_with_amount(one) for one in found["refunds"] if one["payment_intent"] == intent["id"]],
        disputes=[_with_amount(one) for one in found["disputes"] if one["payment_intent"] == intent["id"]],
    )


def _with_amount(one: Json) -> Json:
    return one | {"shown": shown(one["amount"], one["currency"])}


def _event(event: Json) -> Json:
    tries = event["sending"]["tries"]
    last = tries[-1] if tries else None
    outcome = str((last["status"] or last["error"]) if last else "")
    about = event["data"]["object"]["id"]
    return event | {"at": _instant(event["created"]), "tries": len(tries), "outcome": outcome, "about": about}


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
