"""Who follows an incident, by a technician's act (D38)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents.forms import FollowerForm
from incidents.services import following
from supportdesk.desk.page import incident_of
from supportdesk.desk.refusals import attempt
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest, door, signed_in


@door("technician")
@require_POST
def follow(request: DeskRequest, number: str) -> HttpResponse:
    """Adds a contact of the customer to who gets the incident's mails."""
    found = incident_of(request, number)
    form = FollowerForm(request.POST, contacts=contacts_for(request.scope).filter(customer=found.customer_id))
    if not form.is_valid():
        messages.warning(request, str(form.errors["contact"][0]), extra_tags="soon")
        return redirect("desk:incident", number)
    contact = form.cleaned_data["contact"]
    refused = attempt(
        lambda: following.add_follower(
            incident_id=found.pk, contact_id=contact.pk, user=signed_in(request), at=request.at
        )
    )
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        messages.success(request, _("%(who)s follows it, and is told so by mail.") % {"who": contact})
    return redirect("desk:incident", number)


@door("technician")
@require_POST
def unfollow(request: DeskRequest, number: str) -> HttpResponse:
    """Ends somebody's following; twice is once."""
    found = incident_of(request, number)
    form = FollowerForm(request.POST, contacts=contacts_for(request.scope).filter(customer=found.customer_id))
    if not form.is_valid():
        messages.warning(request, str(form.errors["contact"][0]), extra_tags="soon")
        return redirect("desk:incident", number)
    contact = form.cleaned_data["contact"]
    following.remove_follower(incident_id=found.pk, contact_id=contact.pk, user=signed_in(request), at=request.at)
    messages.success(request, _("%(who)s does not follow it any more.") % {"who": contact})
    return redirect("desk:incident", number)
