"""What is sold by card, in Django admin: packs and prices to edit, payments and their events to look at (D32)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from points.admin.fields import AmountField, CurrencyField, minor_of, typed
from points.currencies import NOT_BY_CARD, card_step, said
from points.models import Pack, Payment, Price, ProviderEvent, RefusedCall
from points.templatetags.point_words import each, money
from supportdesk import words
from supportdesk.looking import LookOnly
from supportdesk.policy import POLICY


class PackForm(forms.ModelForm[Pack]):
    """How many points are sold together; a pack that is there keeps its size."""

    points = forms.IntegerField(
        label=gettext_lazy("Points"),
        min_value=1,
        max_value=POLICY.lot_points_max,
        error_messages={
            "min_value": gettext_lazy("A pack has 1 point at least."),
            "max_value": gettext_lazy("More than %(limit_value)s points in one pack: check the number."),
            "invalid": gettext_lazy("Enter a whole number of points."),
            "unique": gettext_lazy("There is a pack of that many points already."),
        },
    )

    class Meta:
        model = Pack
        fields = ("points", "active")


class PriceForm(forms.ModelForm[Price]):
    """A price as it is written. It is kept in the currency's smallest unit (D37)."""

    amount = AmountField(label=gettext_lazy("Price"), help_text=gettext_lazy("For example 245.10."))
    currency = CurrencyField(error_messages={"required": gettext_lazy("Choose the currency.")})

    class Meta:
        model = Price
        fields = ("currency",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["amount"] = typed(self.instance.amount_minor, self.instance.currency)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        price, currency = data.get("amount"), data.get("currency")
        if price is None or not currency:
            return data
        minor = minor_of(self, price, currency)
        if not price:
            self.add_error("amount", _("A price is more than nothing. For free points, grant a lot."))
        if minor > POLICY.price_minor_max:
            most = said(POLICY.price_minor_max, currency)
            self.add_error("amount", _("At most %(most)s: more than that no card is charged at once.") % {"most": most})
        if currency in NOT_BY_CARD:
            self.add_error("currency", _("The payment provider counts this currency in other units: not by card."))
        # So that each refund is a multiple as well, whatever it is of (D5).
        step = card_step(currency) * (self.instance.pack.points or 1) if card_step(currency) > 1 else 1
        if minor % step and "amount" not in self.errors:
            near = said(minor - minor % step or step, currency)
            self.add_error(
                "amount", _("Cards take two decimals of it, also of one point: for example %(near)s.") % {"near": near}
            )
        self.instance.amount_minor = minor
        return data


class PriceFormSet(forms.BaseInlineFormSet[Price, Pack, forms.ModelForm[Price]]):
    """Finds a currency that is given twice, at its field."""

    def clean(self) -> None:
        seen: set[str] = set()
        for form in self.forms:
            currency = form.cleaned_data.get("currency") if form.is_valid() and not self._goes(form) else None
            if currency in seen:
                form.add_error("currency", _("This currency has a price already: change that one."))
            seen |= {currency} if currency else set()

    def validate_unique(self) -> None:
        """Said above, at the field, instead of above the form."""

    def _goes(self, form: forms.ModelForm[Price]) -> bool:
        return bool(self._should_delete_form(form))  # type: ignore[attr-defined]


class PriceInline(admin.TabularInline[Price, Pack]):
    model = Price
    form = PriceForm
    formset = PriceFormSet
    extra = 1
    fields = ("currency", "amount", "a_point", "as_sold")
    readonly_fields = ("a_point", "as_sold")

    @admin.display(description=gettext_lazy("a point costs"))
    def a_point(self, price: Price) -> str:
        return each(price, price.pack.points) if price.pk else "—"

    @admin.display(description=gettext_lazy("the customer sees"))
    def as_sold(self, price: Price) -> str:
        return as_sold(price) if price.pk else "—"


def as_sold(price: Price) -> str:
    """A price as the customer reads it: "30 points, EUR 245.10"."""
    return _("%(points)s, %(price)s") % {"points": words.points(price.pack.points), "price": money(price)}


@admin.register(Pack)
class PackAdmin(admin.ModelAdmin[Pack]):
    """Packs with their prices. A payment keeps the price of its moment, whatever is changed here meanwhile."""

    form = PackForm
    inlines = (PriceInline,)
    list_display = ("size", "active", "prices")
    list_filter = ("active",)
    fieldsets = (
        (
            None,
            {
                "fields": ("points", "active"),
                "description": gettext_lazy(
                    "A pack is sold in the currencies that it has a price in. One that was sold, or is being paid, is "
                    "not deleted: take “offered” away, and nobody is offered it any more. Payments that were begun "
                    "keep their price."
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pack]:
        return super().get_queryset(request).prefetch_related("prices__pack")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("points",) if obj is not None else ()

    def has_delete_permission(self, request: HttpRequest, obj: Pack | None = None) -> bool:
        """Not once somebody has begun to pay one of its size."""
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or not Payment.objects.filter(points=obj.points).exists())

    @admin.display(description=gettext_lazy("pack"), ordering="points")
    def size(self, pack: Pack) -> str:
        return words.points(pack.points)

    @admin.display(description=gettext_lazy("prices"))
    def prices(self, pack: Pack) -> str:
        found = [(money(price), each(price, pack.points)) for price in pack.prices.all()]
        if not found:
            return _("no price yet: not offered")
        return format_html_join("; ", _("{} ({} a point)"), found)


@admin.register(Payment)
class PaymentAdmin(LookOnly):
    """Who began to pay what, and what became of it; those that contradict what was asked for first."""

    list_display = ("started_at", "customer", "points", "price", "state", "last_error", "provider_ref")
    list_filter = ("state",)
    search_fields = ("customer__name", "provider_ref", "user__email")
    list_select_related = ("customer", "user")
    fields = (
        *("customer", "user", "points", "price", "state", "last_error", "provider_ref"),
        *("started_at", "looked_at", "bought"),
    )
    readonly_fields = ("price", "bought")

    def get_ordering(self, request: HttpRequest) -> Any:
        first = Case(When(state=Payment.State.CONTRADICTED, then=Value(0)), default=Value(1))
        return (first, "-started_at", "-pk")

    @admin.display(description=gettext_lazy("price"), ordering="amount_minor")
    def price(self, payment: Payment) -> str:
        return money(payment)

    @admin.display(description=gettext_lazy("purchase"))
    def bought(self, payment: Payment) -> str:
        if payment.purchase_id is None:
            return "—"
        there = reverse("admin:points_purchase_change", args=[payment.purchase_id])
        return format_html('<a href="{}">{}</a>', there, payment.purchase)


@admin.register(ProviderEvent)
class ProviderEventAdmin(LookOnly):
    """What the provider says happened. Each is a hint to look; what counts is fetched again."""

    list_display = ("received_at", "kind", "payment_ref", "outcome", "deliveries", "tries", "last_error", "handled_at")
    list_filter = ("outcome", "kind")
    search_fields = ("event_ref", "payment_ref")


@admin.register(RefusedCall)
class RefusedCallAdmin(LookOnly):
    """Calls of the address of the payment events that were refused, counted a day."""

    list_display = ("day", "reason", "times", "last_at")
    list_filter = ("reason",)
    date_hierarchy = "day"
