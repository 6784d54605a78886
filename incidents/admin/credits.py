"""Product failures in Django admin: the list, and the page on which an admin determines one (R14, D17)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.contrib import admin, messages
from django.db.models import Case, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents import queries, queue
from incidents.access import cases_for
from incidents.cases import CaseOutcome, CaseState, CreditCase
from incidents.forms import DecisionForm, LaterForm
from incidents.services import crediting
from points.giving_back import given_back, refunds_of
from points.queries import balance, charge_parts
from points.refund_services import try_again
from points.services import AlreadyGivenBack, NotLater
from points.templatetags.point_words import no_card, sums
from supportdesk import words
from supportdesk.people.admin_pages import PageAdmin
from supportdesk.people.doors import DeskRequest, signed_in


@admin.register(CreditCase)
class CreditCaseAdmin(PageAdmin):
    """Product failures: the open ones first, and one page on which an admin determines one (R14, D17)."""

    list_display = ("reference", "ticket", "customer", "points", "choice", "state", "outcome", "marked_at", "marked_by")
    list_filter = ("state", "choice", "outcome")
    search_fields = ("reference", "incident__number", "incident__customer__name")
    list_select_related = ("incident__customer", "charge", "marked_by")

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

    def row(self, request: DeskRequest, pk: int) -> CreditCase | None:
        cases = cases_for(request.scope).select_related("incident__customer", "incident__contact")
        return cases.filter(pk=pk).first()

    def page(self, request: DeskRequest, row: CreditCase) -> HttpResponse:
        """One case: incident, charge, lots and purchases, what would go back and how, and the buttons (D17).

        Once it is determined: what became of it, each refund followed to its end.
        """
        if request.method != "POST":
            return self._page(request, row, self._form(request, row))
        if "again" in request.POST:
            self._try_again(request, row)
            return redirect("admin:incidents_creditcase_change", row.pk)
        form = self._form(request, row, bound=True)
        if form.is_valid() and self._determine(request, row, form):
            return redirect("admin:incidents_creditcase_change", row.pk)
        return self._page(request, row, form, status=422)

    def _try_again(self, request: DeskRequest, case: CreditCase) -> None:
        """Lets one refund of the case be tried now instead of later."""
        asked = request.POST["again"]
        refund = next((refund for refund in refunds_of(charge_id=case.charge_id) if str(refund.pk) == asked), None)
        if refund is None:
            raise Http404
        if try_again(refund_id=refund.pk, at=request.at):
            self.log_change(request, case, f"refund {refund.pk}: try again")
            self._told(
                request, _("It is tried again at once. Load this page anew to see what the provider says."), "calm"
            )
        else:
            self._told(request, _("There is nothing left to try: it has come to its end."), "soon")

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
        except crediting.CardNotPossible as refused:
            said = _("A refund to the card is not possible: %(why)s.") % {"why": no_card(refused.why)}
            form.add_error("do", said)
            return False
        except NotLater:
            form.add_error("later", _("All these points live longer than that anyway. Give a later day, or none."))
            return False
        self.log_change(request, case, case.outcome)
        self._told(request, _done(case), "calm")
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
            "drawn": charge_parts(charge_id=case.charge_id),
            "later": later,
            "problem": problem,
            "form": form,
            "given": given_back(charge_id=case.charge_id),
            "balance": balance(customer_id=case.incident.customer_id, at=request.at),
        }
        return render(request, "admin/incidents/creditcase/decide.html", context, status=status)

    def _credit(self, case: CreditCase, *, at: datetime, later: datetime | None) -> queries.Credit:
        try:
            return queries.credit_of(case, at=at, later=later)
        except NotLater:
            return queries.credit_of(case, at=at)


def _done(case: CreditCase) -> str:
    """What was just decided, in words for the admin."""
    match case.outcome:
        case CaseOutcome.CREDITED:
            return _("%(points)s are back, and the customer is told.") % {"points": words.points(case.charge.points)}
        case CaseOutcome.REFUNDED:
            back = sums(refunds_of(charge_id=case.charge_id))
            return _("%(amount)s go back, and the customer is told.") % {"amount": back}
    return _("The credit is refused, and the customer is told why.")


def _decided(decided: crediting.AlreadyDetermined) -> str:
    """Who was faster, and what they decided."""
    return _("%(who)s was faster: %(outcome)s. Nothing was changed.") % {
        "who": decided.by,
        "outcome": CaseOutcome(decided.outcome).label,
    }
