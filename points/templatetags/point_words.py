"""Template words of points and money. Built into every template."""

from __future__ import annotations

from typing import Protocol

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from points.currencies import readable
from points.models import Purchase
from points.refusals import NoCard

register = template.Library()

NO_CARD = {
    "not_by_card": gettext_lazy("these points were not paid by card"),
    "no_provider": gettext_lazy("refunds to a card are not connected yet"),
    "money_went_back": gettext_lazy("money of that payment went back already"),
    "too_small": gettext_lazy("it is less than the smallest coin of the currency"),
}


class Money(Protocol):
    """Whatever has an amount in the smallest unit of its currency."""

    amount_minor: int
    currency: str


@register.filter
def money(of: Money) -> str:
    """What was paid, or goes back: "EUR 245.10" (D37)."""
    return readable(of.amount_minor, of.currency)


@register.filter
def card_of(purchase: Purchase) -> str:
    """The card that paid a purchase: "the card ending 4242" (D17)."""
    if not purchase.card_last4:
        return _("the card that paid")
    return _("the card ending %(last4)s") % {"last4": purchase.card_last4}


@register.filter
def no_card(code: NoCard | None) -> str:
    """Why nothing can be refunded to a card (D5)."""
    return str(NO_CARD[code]) if code else ""
