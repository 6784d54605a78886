"""How a customer wants back what a product failure cost (R14, D17)."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents import queries
from incidents.cases import Choice
from incidents.forms import ChoiceForm
from incidents.services import crediting
from points.templatetags.point_words import no_card
from supportdesk.people.doors import DeskRequest, door
from supportdesk.portal.page import contact_of, incident_of


@door("contact")
@require_POST
def choose(request: DeskRequest, number: str) -> HttpResponse:
    """Keeps the choice; an admin determines it, and the customer is told."""
    found = incident_of(request, number)
    credit = queries.credit_on(request.scope, found, at=request.at)
    if credit is None:
        raise Http404
    form = ChoiceForm(request.POST)
    if not form.is_valid():
        messages.warning(request, _("Choose points or the card."), extra_tags="soon")
        return redirect("portal:incident", number)
    try:
        crediting.choose(
            case_id=credit.case.pk,
            contact=contact_of(request, found),
            choice=form.cleaned_data["choice"],
            at=request.at,
        )
    except crediting.AlreadyDetermined:
        messages.warning(request, _("It is decided already; see below."), extra_tags="soon")
    except crediting.CardNotPossible as refusal:
        said = _("A refund to the card is not possible: %(why)s. Nothing was changed.") % {"why": no_card(refusal.why)}
        messages.warning(request, said, extra_tags="soon")
    else:
        chosen = {
            Choice.POINTS: _("You want the points back. We decide, and tell you by mail."),
            Choice.CARD: _("You want a refund to the card. We decide, and tell you by mail."),
        }[Choice(form.cleaned_data["choice"])]
        messages.success(request, chosen, extra_tags="calm")
    return redirect("portal:incident", number)
