"""Who follows an incident, by its customer's own act (D38)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents import access
from incidents.forms import FollowerForm
from incidents.models import Incident
from incidents.services import following
from incidents.services.common import NotAllowed
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest, door
from supportdesk.policy import POLICY
from supportdesk.portal.page import contact_of, incident_of


@door("contact")
@require_POST
def follow(request: DeskRequest, number: str) -> HttpResponse:
    """Adds a colleague, or oneself."""
    found = incident_of(request, number)
    form = _form(request, found)
    if not form.is_valid():
        return _said(request, number, str(form.errors["contact"][0]))
    contact, me = form.cleaned_data["contact"], contact_of(request, found)
    try:
        following.add_follower(incident_id=found.pk, contact_id=contact.pk, by=me, at=request.at)
    except following.MayNotAdd:
        return _said(request, number, _("Your customer’s administrator lets you add nobody. Nothing was changed."))
    except following.IsTheContact:
        return _said(request, number, _("It is their own incident: they get its mails anyway."))
    except following.NoColleague:
        return _said(request, number, _("They have left. Nothing was changed."))
    except following.TooManyFollowers:
        most = _("%(n)d contacts follow this incident: that is the most.") % {"n": POLICY.followers_max}
        return _said(request, number, most)
    except NotAllowed:
        return _said(request, number, _("Nobody can follow this incident any more."))
    said = _("You follow it: you get our answers by mail.")
    if contact != me:
        said = _("%(who)s follows it, and is told so by mail.") % {"who": contact}
    messages.success(request, said, extra_tags="calm")
    return redirect("portal:incident", number)


@door("contact")
@require_POST
def unfollow(request: DeskRequest, number: str) -> HttpResponse:
    """Ends somebody's following; who saw the incident by that alone is led home."""
    found = incident_of(request, number)
    form = _form(request, found)
    if not form.is_valid():
        return _said(request, number, str(form.errors["contact"][0]))
    contact, me = form.cleaned_data["contact"], contact_of(request, found)
    try:
        following.remove_follower(incident_id=found.pk, contact_id=contact.pk, by=me, at=request.at)
    except (following.MayNotAdd, following.NoColleague):
        return _said(request, number, _("You may take off nobody but yourself. Nothing was changed."))
    said = _("You do not follow it any more: no further mail of it goes to you.")
    if contact != me:
        said = _("%(who)s does not follow it any more.") % {"who": contact}
    messages.success(request, said, extra_tags="calm")
    if not access.incidents_for(request.scope).filter(pk=found.pk).exists():
        return redirect("portal:home")
    return redirect("portal:incident", number)


def _form(request: DeskRequest, found: Incident) -> FollowerForm:
    return FollowerForm(request.POST, contacts=contacts_for(request.scope).filter(customer=found.customer_id))


def _said(request: DeskRequest, number: str, said: str) -> HttpResponse:
    messages.warning(request, said, extra_tags="soon")
    return redirect("portal:incident", number)
