"""Money on its way back to cards, in Django admin: those that are stuck first, each with its credit (D4, D5)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from incidents.cases import CreditCase
from points.models import Refund
from points.refund_services import try_again
from points.templatetags.point_words import card_of, money
from supportdesk import clock
from supportdesk.looking import LookOnly


@admin.register(Refund)
class RefundAdmin(LookOnly):
    """Each leg from its decision to its end."""

    list_display = ("decided_at", "credit", "customer", "sum", "card", "state", "tries", "last_error")
    list_display_links = ("decided_at",)
    list_filter = ("state",)
    search_fields = ("provider_ref", "giveback__charge__reference", "purchase__customer__name")
    list_select_related = ("purchase__customer", "giveback__charge__credit_case")
    fields = (
        *("credit", "customer", "sum", "card", "points", "state", "word", "provider_ref"),
        *("decided_at", "settled_at", "tries", "last_error", "next_try_at"),
    )
    readonly_fields = ("credit", "customer", "sum", "card")
    actions = ("try_now",)

    def get_ordering(self, request: HttpRequest) -> Any:
        stuck = Case(
            When(state=Refund.State.PENDING, tries__gt=0, then=Value(0)),
            When(state__in=[Refund.State.PENDING, Refund.State.SENT], then=Value(1)),
            default=Value(2),
        )
        return (stuck, "-decided_at", "-pk")

    @admin.display(description=_("credit"))
    def credit(self, refund: Refund) -> str:
        case: CreditCase | None = getattr(refund.giveback.charge, "credit_case", None)
        if case is None:
            return refund.giveback.charge.reference
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:incidents_creditcase_change", args=[case.pk]), case.reference
        )

    @admin.display(description=_("customer"))
    def customer(self, refund: Refund) -> str:
        return str(refund.purchase.customer)

    @admin.display(description=_("amount"))
    def sum(self, refund: Refund) -> str:
        return money(refund)

    @admin.display(description=_("card"))
    def card(self, refund: Refund) -> str:
        return card_of(refund.purchase)

    @admin.action(description=_("Try again now"))
    def try_now(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        at = clock.now()
        again = sum(try_again(refund_id=pk, at=at) for pk in queryset.values_list("pk", flat=True))
        words = ngettext("%(count)d refund is tried again.", "%(count)d refunds are tried again.", again)
        self.message_user(request, words % {"count": again}, messages.SUCCESS if again else messages.WARNING)
