"""The ledger in Django admin: looked at, added to, never edited or deleted (D6)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from points import services
from points.admin.fields import AmountField, CurrencyField, minor_of
from points.models import Charge, Entry, Lot, Purchase, PurchaseKind
from points.templatetags.point_words import money
from supportdesk import clock
from supportdesk.looking import LookOnly
from supportdesk.people.doors import signed_in
from supportdesk.policy import POLICY


class GrantForm(forms.ModelForm[Purchase]):
    """A lot by invoice or as a grant, with a reason. Its date is today, where the customer is (D1)."""

    once = forms.CharField(widget=forms.HiddenInput, max_length=64)
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind.value, kind.label) for kind in (PurchaseKind.GRANT, PurchaseKind.INVOICE)],
    )
    points = forms.IntegerField(
        label=_("Points"),
        min_value=1,
        max_value=POLICY.lot_points_max,
        error_messages={
            "min_value": _("A lot has 1 point at least."),
            "max_value": _("More than %(limit_value)s points in one lot: check the number, or enter several lots."),
            "invalid": _("Enter a whole number of points."),
        },
    )
    amount = AmountField(label=_("Amount"), required=False, help_text=_("Of the invoice, for example 245.10."))
    currency = CurrencyField(required=False)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        help_text=_("The customer reads it in the statement."),
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": _("Say why: the reason stands in the ledger for ever.")},
    )

    class Meta:
        model = Purchase
        fields = ("customer", "kind", "points", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["once"].initial = uuid4().hex

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        amount, currency = data.get("amount"), data.get("currency") or ""
        data["currency"], data["amount_minor"] = "", 0
        if data.get("kind") != PurchaseKind.INVOICE:
            if data.get("kind") == PurchaseKind.GRANT and amount:
                self.add_error("amount", _("A grant costs nothing. For money, choose invoice."))
            return data
        if "currency" not in self.errors:
            data["amount_minor"] = minor_of(self, amount, currency)
            data["currency"] = currency
        if not amount and "amount" not in self.errors:
            self.add_error("amount", _("Enter the amount of the invoice."))
        return data

    def _post_clean(self) -> None:
        """Nothing to check on the model: the service makes the rows."""


@admin.register(Purchase)
class PurchaseAdmin(LookOnly):
    """What was bought or granted. Adding one here grants a lot."""

    form = GrantForm
    list_display = ("bought_on", "customer", "points", "kind", "paid", "actor")
    list_filter = ("kind", "currency")
    search_fields = ("customer__name", "reason")
    list_select_related = ("customer", "actor")
    autocomplete_fields = ("customer",)
    fieldsets = (
        (
            None,
            {
                "fields": ("customer", "kind", "points", "amount", "currency", "reason", "once"),
                "description": _(
                    "The date is today, where the customer is: another one cannot be given, for points live one "
                    "year from the day on which they came."
                ),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return self.fieldsets
        fields = ["customer", "kind", "points", "paid", "bought_at", "bought_on", "zone", "reason", "actor"]
        if isinstance(obj, Purchase) and obj.kind == PurchaseKind.CARD:
            fields += ["provider", "provider_ref", "card_brand", "card_last4"]
        return ((None, {"fields": fields}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("paid",) if obj is not None else ()

    @admin.display(description=_("paid"), ordering="amount_minor")
    def paid(self, purchase: Purchase) -> str:
        return money(purchase) if purchase.currency else "—"

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A form that was sent before and comes again with other content is refused with a word."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except services.KeyReused:
            self.message_user(
                request,
                _("This form was sent before with other content. Nothing was granted: fill in a new one."),
                level=messages.ERROR,
            )
            return redirect("admin:points_purchase_add")

    def save_model(self, request: HttpRequest, obj: Purchase, form: ModelForm[Purchase], change: bool) -> None:
        """One service call; the form showed the errors already."""
        data = form.cleaned_data
        lot = services.grant(
            customer=data["customer"],
            points=data["points"],
            at=clock.now(),
            reason=data["reason"],
            actor=signed_in(request),
            key=data["once"],
            kind=data["kind"],
            amount_minor=data["amount_minor"],
            currency=data["currency"],
        )
        obj.pk = lot.purchase_id
        obj.refresh_from_db()


@admin.register(Lot)
class LotAdmin(LookOnly):
    list_display = ("id", "customer", "points", "remaining", "held", "origin", "bought_at", "expires_at")
    list_filter = ("origin", "held")
    search_fields = ("customer__name",)
    list_select_related = ("customer",)


@admin.register(Charge)
class ChargeAdmin(LookOnly):
    list_display = ("charged_at", "customer", "reference", "points", "channel", "actor")
    search_fields = ("reference", "customer__name")
    list_select_related = ("customer", "actor")


@admin.register(Entry)
class EntryAdmin(LookOnly):
    list_display = ("at", "customer", "cause", "points", "lot", "charge", "actor", "recorded_at")
    list_filter = ("cause",)
    search_fields = ("customer__name", "charge__reference")
    list_select_related = ("customer", "lot", "charge", "actor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).order_by("-at", "-pk")
