"""Claims on money of a purchase, in Django admin: the undecided first, each with its page and two buttons (D32)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from points.hold_services import decide_hold
from points.holding import claimed
from points.models import Hold, HoldDecision
from points.refusals import AlreadyDecided, KeyReused
from points.templatetags.point_words import money
from supportdesk import words
from supportdesk.people.admin_pages import PageAdmin
from supportdesk.people.doors import DeskRequest, signed_in

REASON_MAX = 500


class HoldForm(forms.Form):
    """An admin's word on a hold: one of two buttons, with a reason."""

    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    do = forms.ChoiceField(
        choices=HoldDecision.Outcome.choices,
        error_messages={
            "required": gettext_lazy("Press one of the buttons: nothing is decided yet."),
            "invalid_choice": gettext_lazy("Points on hold are released, or written off."),
        },
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason, in words for the customer"),
        max_length=REASON_MAX,
        error_messages={"required": gettext_lazy("Say why: the customer reads it, and it stands for ever.")},
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
    )


class Decided(admin.SimpleListFilter):
    """Whether an admin has decided it, and how."""

    title = gettext_lazy("decision")
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", gettext_lazy("to decide")), *HoldDecision.Outcome.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Hold]) -> QuerySet[Hold]:
        if self.value() == "open":
            return queryset.filter(decision=None)
        return queryset.filter(decision__outcome=self.value()) if self.value() else queryset


@admin.register(Hold)
class HoldAdmin(PageAdmin):
    """Chargebacks, and refunds that were made at the provider."""

    list_display = ("placed_at", "customer", "kind", "amount", "points", "reason", "decided")
    list_filter = (Decided, "kind")
    search_fields = ("provider_ref", "purchase__customer__name", "purchase__provider_ref")
    list_select_related = ("purchase__customer", "decision__actor")

    def get_ordering(self, request: HttpRequest) -> Any:
        done = Case(When(decision=None, then=Value(0)), default=Value(1))
        return (done, "placed_at", "pk")

    @admin.display(description=gettext_lazy("customer"))
    def customer(self, hold: Hold) -> str:
        return str(hold.purchase.customer)

    @admin.display(description=gettext_lazy("amount"))
    def amount(self, hold: Hold) -> str:
        return money(hold)

    @admin.display(description=gettext_lazy("points bought"))
    def points(self, hold: Hold) -> int:
        return hold.purchase.points

    @admin.display(description=gettext_lazy("decision"))
    def decided(self, hold: Hold) -> str:
        decision: HoldDecision | None = getattr(hold, "decision", None)
        if decision is None:
            return _("to decide")
        return f"{decision.get_outcome_display()}, {decision.actor}"

    def row(self, request: DeskRequest, pk: int) -> Hold | None:
        rows = Hold.objects.select_related("purchase__customer", "purchase__payment", "decision__actor")
        return rows.filter(pk=pk).first()

    def page(self, request: DeskRequest, row: Hold) -> HttpResponse:
        """One claim: purchase, card, lots and what was spent of them, the balance after either decision."""
        if request.method != "POST":
            return self._page(request, row, HoldForm(initial={"key": uuid4().hex}))
        form = HoldForm(request.POST)
        if not form.is_valid():
            return self._page(request, row, form, status=422)
        self._decide(request, row, form)
        return redirect("admin:points_hold_change", row.pk)

    def _decide(self, request: DeskRequest, hold: Hold, form: HoldForm) -> None:
        """Does it and says so, or says who was faster."""
        data = form.cleaned_data
        try:
            decision = decide_hold(
                hold_id=hold.pk,
                outcome=HoldDecision.Outcome(data["do"]),
                reason=data["reason"].replace("\r\n", "\n"),
                actor=signed_in(request),
                at=request.at,
                key=data["key"],
            )
        except AlreadyDecided as before:
            said = _("%(who)s was faster: %(outcome)s. Nothing was changed.") % {
                "who": before.by,
                "outcome": HoldDecision.Outcome(before.outcome).label,
            }
            messages.info(request, said, extra_tags="soon")
        except KeyReused:
            said = _("This form was sent before with other content. Nothing was changed.")
            messages.info(request, said, extra_tags="soon")
        else:
            self.log_change(request, hold, decision.get_outcome_display())
            messages.info(request, self._said(decision), extra_tags="calm")

    def _said(self, decision: HoldDecision) -> str:
        if not decision.points:
            return _("It is decided. No points were left, so nobody is mailed.")
        said = {
            HoldDecision.Outcome.RELEASED: _("%(points)s are no longer held by this claim, and the customer is told."),
            HoldDecision.Outcome.WRITTEN_OFF: _("%(points)s are written off, and the customer is told."),
        }[HoldDecision.Outcome(decision.outcome)]
        return said % {"points": words.points(decision.points)}

    def _page(self, request: DeskRequest, hold: Hold, form: HoldForm, *, status: int = 200) -> HttpResponse:
        context = {
            "view": "holds",
            "hold": hold,
            "purchase": hold.purchase,
            "customer": hold.purchase.customer,
            "decision": getattr(hold, "decision", None),
            "payment": getattr(hold.purchase, "payment", None),
            "claim": claimed(hold, at=request.at),
            "form": form,
        }
        return render(request, "admin/points/hold/decide.html", context, status=status)
