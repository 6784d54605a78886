"""The link to a visitor's report: it shows it, one button opens it (D25).

The token is in the address of one answer only, which leads on without it: no page, no Referer and no form has it,
and what is kept of it in the session is its digest. Whatever opens links in mails changes nothing by that.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from incidents import access, queries
from incidents.models import Channel, Draft, Incident, VisitorReport
from incidents.services.visiting import VisitGone, digest_of, open_visit, what_became_of
from supportdesk.people.doors import DeskRequest, door
from supportdesk.people.models import Contact
from supportdesk.people.signing_in import sign_in_by_link

LINK = "report_link"


@door("anyone")
@require_GET
def follow(request: DeskRequest, token: str) -> HttpResponse:
    """Leads on to the report, without the token."""
    request.session[LINK] = digest_of(token)
    response = _quiet(redirect("portal:linked"))
    # The page itself keeps to same-origin: a browser told "no-referrer" sends its form with "Origin: null".
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@door("anyone")
@require_http_methods(["GET", "POST"])
def linked(request: DeskRequest) -> HttpResponse:
    """The report of the link with its quote; the button opens it, or keeps it as a draft (R3), and signs in."""
    visit = access.visit_of(str(request.session.get(LINK, "")))
    if visit is None:
        return _over(request)
    made = what_became_of(visit)
    if made is not None:
        return _lead_to(request, made)
    contacts = access.contacts_of_visit(visit)
    if visit.kept_until <= request.at or not contacts:
        return _over(request)
    chosen = _chosen(request, contacts)
    if request.method == "POST":
        return _open(request, visit, chosen)
    context = {
        "place": "report",
        "visit": visit,
        "contacts": contacts,
        "chosen": chosen,
        "promise": queries.promise(customer=chosen.customer, channel=Channel.EMAIL, at=request.at),
        "is_current": access.current_releases(at=request.at, zone=chosen.customer.zone)
        .filter(pk=visit.release_id)
        .exists(),
    }
    return _quiet(render(request, "portal/report_linked.html", context))


def _open(request: DeskRequest, visit: VisitorReport, contact: Contact) -> HttpResponse:
    try:
        made = open_visit(digest=visit.digest, contact_id=contact.pk, at=request.at)
    except VisitGone:
        return _over(request)
    if not sign_in_by_link(request, contact=contact):
        return _lead_to(request, made)
    if isinstance(made, Incident):
        request.session["fresh"] = made.number
    return _quiet(redirect(_place_of(made)))


def _lead_to(request: DeskRequest, made: Incident | Draft) -> HttpResponse:
    """A link is followed once: after that whoever is signed in goes on, anybody else signs in first."""
    there = _place_of(made)
    if request.scope.user_id is None:
        messages.info(request, _("This link was followed before. Sign in to see what became of the report."))
        there = f"{reverse('account_login')}?{urlencode({'next': there})}"
    return _quiet(redirect(there))


def _place_of(made: Incident | Draft) -> str:
    if isinstance(made, Incident):
        return reverse("portal:incident", args=[made.number])
    return reverse("portal:draft", args=[made.pk])


def _chosen(request: DeskRequest, contacts: list[Contact]) -> Contact:
    """For which customer: asked for, or the reader's own, or the first by name."""
    wanted = request.POST.get("contact") or request.GET.get("contact", "")
    return next((contact for contact in contacts if str(contact.pk) == wanted), contacts[0])


def _over(request: DeskRequest) -> HttpResponse:
    """Unknown, expired, or of an address that belongs to nobody any more: one page for all of them."""
    return _quiet(render(request, "portal/report_over.html", {"place": "report"}, status=410))


def _quiet(response: HttpResponse) -> HttpResponse:
    """Kept nowhere on the way."""
    response.headers["Cache-Control"] = "private, no-store"
    return response
