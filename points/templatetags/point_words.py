"""Template words of points and money. Built into every template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django import template
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from points.currencies import BadAmount, a_point_costs, said
from points.models import Purchase
from points.refusals import NoCard

register = template.Library()

NO_CARD = {
    "not_by_card": gettext_lazy("not all of these points were paid by card"),
    "no_provider": gettext_lazy("refunds to a card are not connected yet"),
    "money_went_back": gettext_lazy("money of a payment behind it went back already, or is disputed"),
    "too_small": gettext_lazy("it is less than the smallest coin of the currency"),
}


class Money(Protocol):
    """Whatever has an amount in the smallest unit of its currency."""

    amount_minor: int
    currency: str


class ToCard(Protocol):
    """Whatever goes back to the card that paid a purchase: a refund, or a leg that would be one."""

    @property
    def purchase(self) -> Purchase: ...
    @property
    def amount_minor(self) -> int: ...


@register.filter
def money(of: Money) -> str:
    """What was paid, or goes back: "EUR 245.10" (D37)."""
    return said(of.amount_minor, of.currency)


@register.filter
def card_of(purchase: Purchase) -> str:
    """The card that paid a purchase: "the card ending 4242" (D17)."""
    if not purchase.card_last4:
        return _("the card that paid")
    return _("the card ending %(last4)s") % {"last4": purchase.card_last4}


@register.filter
def to_card(leg: ToCard) -> str:
    """One leg of a refund: "EUR 245.10 to the card ending 4242" (D4, D5)."""
    return _("%(amount)s to %(card)s") % {
        "amount": said(leg.amount_minor, leg.purchase.currency),
        "card": card_of(leg.purchase),
    }


@register.filter
def sums(legs: Iterable[ToCard]) -> str:
    """All that goes back, a sum a currency: "EUR 84.00", "EUR 84.00 and JPY 500" (D37)."""
    totals: dict[str, int] = {}
    for leg in legs:
        currency = leg.purchase.currency
        totals[currency] = totals.get(currency, 0) + leg.amount_minor
    return get_text_list([said(minor, currency) for currency, minor in totals.items()], _("and"))


@register.filter
def each(price: Money, points: int) -> str:
    """What one point of a pack costs: "EUR 8.17" (D32)."""
    try:
        return a_point_costs(price.amount_minor, points=points, currency=price.currency)
    except BadAmount:
        return ""


@register.filter
def no_card(code: NoCard | None) -> str:
    """Why nothing can be refunded to a card (D5)."""
    return str(NO_CARD[code]) if code else ""


NEWS = {
    "needs_response": gettext_lazy("the bank wants an answer"),
    "warning_needs_response": gettext_lazy("the bank asks, and has not taken the money yet"),
    "under_review": gettext_lazy("the bank looks at it"),
    "warning_under_review": gettext_lazy("the bank looks at it"),
    "warning_closed": gettext_lazy("over, the money stayed"),
    "won": gettext_lazy("won, the money stays"),
    "lost": gettext_lazy("lost, the money is gone"),
    "pending": gettext_lazy("on its way to the card"),
    "succeeded": gettext_lazy("paid back to the card"),
    "failed": gettext_lazy("the card did not take it, the money stayed"),
    "canceled": gettext_lazy("called off, the money stayed"),
}


@register.filter
def news(status: str) -> str:
    """What the provider says of a chargeback or a refund, in words; one that is not known as it stands (D32)."""
    return str(NEWS.get(status, status))
