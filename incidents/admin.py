"""Products, releases and incidents in Django admin. What the desk does is only looked at here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Model, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import queries, queue
from incidents.access import cases_for, cases_to_determine
from incidents.cases import CaseOutcome, CaseState, CreditCase
from incidents.forms import DecisionForm, LaterForm
from incidents.models import Draft, HeldMail, Incident, Product, Release, TimelineEntry
from incidents.services import crediting
from points.giving_back import given_back
from points.queries import balance
from points.services import AlreadyGivenBack, NotLater
from supportdesk import clock, words
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.people.scope import scope_of


class ReleaseInline(admin.TabularInline[Release, Product]):
    model = Release
    extra = 1


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin[Product]):
    list_display = ("name",)
    inlines = (ReleaseInline,)


class LookOnly(admin.ModelAdmin[Any]):
    """A list that nobody changes here: incidents are worked on at the desk."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Incident)
class IncidentAdmin(LookOnly):
    list_display = ("shown_number", "subject", "customer", "status", "owner", "opened_at")
    list_filter = ("status", "channel", "kind")
    search_fields = ("number", "subject", "customer__name")
    list_select_related = ("customer", "owner")
    date_hierarchy = "opened_at"


@admin.register(TimelineEntry)
class TimelineAdmin(LookOnly):
    list_display = ("at", "incident", "code", "user", "contact")
    list_filter = ("code",)
    list_select_related = ("incident", "user", "contact")
    search_fields = ("incident__number",)


@admin.register(Draft)
class DraftAdmin(LookOnly):
    list_display = ("subject", "customer", "contact", "created_at", "kept_until", "incident")
    list_select_related = ("customer", "contact", "incident")


@admin.register(HeldMail)
class HeldMailAdmin(LookOnly):
    list_display = ("held_at", "sender", "subject", "reason", "settled_at", "settled_by")
    list_filter = ("reason",)
    list_select_related = ("settled_by",)


@admin.register(CreditCase)
class CreditCaseAdmin(LookOnly):
    """Product failures: the open ones first, and one page on which an admin determines one (R14, D17)."""

    list_display = ("reference", "ticket", "customer", "points", "choice", "state", "outcome", "marked_at", "marked_by")
    list_filter = ("state", "choice", "outcome")
    search_fields = ("reference", "incident__number", "incident__customer__name")
    list_select_related = ("incident__customer", "charge", "marked_by")
    show_full_result_count = False

    def get_ordering(self, request: HttpRequest) -> Any:
        done = Case(When(state=CaseState.DETERMINED, then=Value(1)), default=Value(0))
        return (done.asc(), "marked_at", "pk")

    @admin.display(description=gettext_lazy("ticket number"))
    def ticket(self, case: CreditCase) -> str:
        return case.incident.shown_number

    @admin.display(description=gettext_lazy("customer"))
    def customer(self, case: CreditCase) -> str:
        return str(case.incident.customer)

    @admin.display(description=gettext_lazy("points"))
    def points(self, case: CreditCase) -> int:
        return case.charge.points

    def changeform_view(  # type: ignore[override]  # a page of the desk instead of a form of fields
        self, request: DeskRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One case: incident, charge, lots and purchases, what would come back, and the buttons (D17)."""
        if object_id is None:
            raise PermissionDenied
        request.scope, request.at = scope_of(request.user), clock.now()
        case = self._case(request, object_id)
        if request.method != "POST":
            return self._page(request, case, self._form(request, case))
        form = self._form(request, case, bound=True)
        if form.is_valid() and self._determine(request, case, form):
            return redirect("admin:incidents_creditcase_change", case.pk)
        return self._page(request, case, form, status=422)

    def _case(self, request: DeskRequest, object_id: str) -> CreditCase:
        if not request.scope.admin or not object_id.isascii() or not object_id.isdigit() or len(object_id) > 18:
            raise Http404
        cases = cases_for(request.scope).select_related("incident__customer", "incident__contact")
        case = cases.filter(pk=int(object_id)).first()
        if case is None:
            raise Http404
        return case

    def _form(self, request: DeskRequest, case: CreditCase, *, bound: bool = False) -> DecisionForm:
        return DecisionForm(
            request.POST if bound else None,
            at=request.at,
            zone=case.incident.customer.zone,
            initial={"key": uuid4().hex, "later": request.GET.get("later", "")},
        )

    def _determine(self, request: DeskRequest, case: CreditCase, form: DecisionForm) -> bool:
        """Does it and says so, or says why not; False where the form has to be mended."""
        data = form.cleaned_data
        try:
            case = crediting.determine(
                case_id=case.pk,
                outcome=data["do"],
                reason=form.reason,
                user=signed_in(request),
                at=request.at,
                key=data["key"],
                expires_at=form.granted,
            )
        except crediting.AlreadyDetermined as decided:
            self._told(request, _decided(decided), "soon")
            return True
        except AlreadyGivenBack as given:
            self._told(
                request,
                _("This charge was given back before, %(day)s, by %(who)s. Nothing was changed.")
                % {"day": words.day(given.when, signed_in(request).zone), "who": given.by or _("the desk")},
                "soon",
            )
            return True
        except NotLater:
            form.add_error("later", _("All these points live longer than that anyway. Give a later day, or none."))
            return False
        self.log_change(request, case, case.outcome)
        self._told(
            request,
            _("%(points)s are back, and the customer is told.") % {"points": words.points(case.charge.points)}
            if case.outcome == CaseOutcome.CREDITED
            else _("The credit is refused, and the customer is told why."),
            "calm",
        )
        return True

    def _told(self, request: HttpRequest, text: str, tone: str) -> None:
        messages.info(request, text, extra_tags=tone)

    def _page(self, request: DeskRequest, case: CreditCase, form: DecisionForm, *, status: int = 200) -> HttpResponse:
        zone = case.incident.customer.zone
        asked = LaterForm(form.data if form.is_bound else request.GET, at=request.at, zone=zone)
        later = asked.until if asked.is_valid() else None
        problem = "" if form.is_bound else " ".join(str(error) for error in asked.errors.get("later", []))
        context = {
            "view": "credits",
            "counts": queue.counts(request.scope, at=request.at),
            "case": case,
            "incident": case.incident,
            "credit": self._credit(case, at=request.at, later=later),
            "later": later,
            "problem": problem,
            "form": form,
            "given": given_back(charge_id=case.charge_id),
            "balance": balance(customer_id=case.incident.customer_id, at=request.at),
            "open_count": cases_to_determine(request.scope).count(),
        }
        return render(request, "admin/incidents/creditcase/decide.html", context, status=status)

    def _credit(self, case: CreditCase, *, at: datetime, later: datetime | None) -> queries.Credit:
        try:
            return queries.credit_of(case, at=at, later=later)
        except NotLater:
            return queries.credit_of(case, at=at)


def _decided(decided: crediting.AlreadyDetermined) -> str:
    """Who was faster, and what they decided."""
    return _("%(who)s was faster: %(outcome)s. Nothing was changed.") % {
        "who": decided.by,
        "outcome": CaseOutcome(decided.outcome).label,
    }
