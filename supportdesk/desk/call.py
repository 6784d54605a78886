"""Phone intake: who is calling, and their call logged while they are on the line (R4, R8, D20)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from incidents import access, intake, queries
from incidents import queue as queues
from incidents.forms import renew_key
from incidents.forms_call import NOW, CallerForm, CallForm
from incidents.models import Channel, Draft
from incidents.numbers import is_number
from incidents.services import calls, opening
from incidents.services.bouncing import mail_works as mail_works_again
from incidents.services.common import KeyReused
from points.services import NotEnoughPoints
from sla.calendars import current_calendars
from supportdesk.desk.page import incident_of
from supportdesk.desk.refusals import attempt
from supportdesk.people.access import contacts_for, customers_for
from supportdesk.people.doors import DeskRequest, door, keep_taken, signed_in
from supportdesk.people.finding import by_phone_number
from supportdesk.people.models import Contact, Customer, Edition
from supportdesk.people.phones import dialled
from supportdesk.people.services import ContactExists, add_contact

FROM_MAX = 60


@door("technician")
@require_GET
def call(request: DeskRequest) -> HttpResponse:
    """One field that finds as one types; a telephone system opens it with the number of who is calling."""
    given = request.GET.get("from", "")[:FROM_MAX]
    text = request.GET.get("q", "")
    live = request.headers.get("HX-Request") == "true"
    found = intake.callers(request.scope, text, at=request.at) if text.strip() else None
    if found is None and given:
        known = by_phone_number(request.scope, given)
        if len(known) == 1:
            return redirect(caller_link(known[0], given))
        found = intake.callers_at(known, at=request.at) if known else None
    elif found is not None and not live and found.only is not None:
        return redirect(caller_link(found.only, given))
    context: dict[str, Any] = {"text": text, "found": found, "number": dialled(given), "given": given, "live": live}
    if live:
        return render(request, "desk/call/_found.html", context)
    context |= {"drafts": intake.phone_drafts(request.scope, at=request.at)}
    return render(request, "desk/call/find.html", context | _aside(request))


@door("technician")
@require_http_methods(["GET", "POST"])
def caller(request: DeskRequest, pk: int) -> HttpResponse:
    """One screen: edition, points, hours, what is open, and the form; sending logs the call."""
    contact = _contact(request, pk)
    zone = contact.customer.zone
    if request.method == "POST":
        form = CallForm(request.POST, at=request.at, zone=zone)
        if form.is_valid():
            response = _log(request, contact, form)
            if response is not None:
                return response
        if "key" in form.errors:
            renew_key(form)
    else:
        said = {"text": request.session.pop("call_said", "")}
        form = CallForm(at=request.at, zone=zone, initial={"key": uuid4().hex, **said})
    return _caller_page(request, contact, form)


def _caller_page(request: DeskRequest, contact: Contact, form: CallForm) -> HttpResponse:
    customer = contact.customer
    context = {
        "contact": contact,
        "customer": customer,
        "form": form,
        "is_community": customer.edition == Edition.COMMUNITY,
        "promise": queries.promise(customer=customer, channel=Channel.PHONE, at=request.at),
        "there": queues.there_of(customer, at=request.at, calendars=current_calendars()),
        "lines": intake.open_with(request.scope, contact, at=request.at),
        "closed": intake.closed_with(request.scope, contact),
        "drafts": intake.phone_drafts(request.scope, at=request.at, customer=customer),
        "send_key": uuid4().hex,
        "given": request.GET.get("from", "")[:FROM_MAX],
        "report_link": request.build_absolute_uri(reverse("portal:report")),
    }
    return render(request, "desk/call/caller.html", context | _aside(request), status=422 if form.errors else 200)


def _log(request: DeskRequest, contact: Contact, form: CallForm) -> HttpResponse | None:
    data = form.cleaned_data
    try:
        made = calls.open_by_phone(
            report=opening.Report(
                contact=contact,
                channel=Channel.PHONE,
                kind=data["kind"],
                release_id=data["release"].pk,
                subject=data["subject"],
                text=data["text"],
            ),
            answered_text=data["told"] if data["answered"] == NOW else "",
            then=data["then"],
            user=signed_in(request),
            at=request.at,
            key=data["key"],
        )
    except opening.PhoneNotForCommunity:
        form.add_error(None, _("Community Edition has e-mail incidents only. Nothing was logged, and nothing lost."))
    except opening.ReleaseNotCurrent:
        form.add_error("release", _("This release is out of support since today. Choose another."))
    except calls.ContactGone:
        form.add_error(None, _("This contact was removed just now. Nothing was logged; choose who is calling again."))
    except KeyReused:
        renew_key(form)
        form.add_error(None, _("This form was sent before with other words. Send it again to log a second call."))
    else:
        keep_taken(request, data["key"])
        if isinstance(made, Draft):
            said = _("Kept as a draft: no ticket number, no charge. It opens by one click once there are points.")
            messages.warning(request, said, extra_tags="points")
            return redirect("desk:caller", contact.pk)
        return redirect("desk:call_logged", made.number)
    return None


@door("technician")
@require_GET
def logged(request: DeskRequest, number: str) -> HttpResponse:
    """The ticket number in large groups, to read aloud, and by when an answer is due (R8)."""
    found = incident_of(request, number)
    link = found.clocks.select_related("clock").get(current=True)
    context = {"incident": found, "groups": found.shown_number.split("\u202f"), "clock": link.clock}
    return render(request, "desk/call/logged.html", context | _aside(request))


@door("technician")
@require_http_methods(["GET", "POST"])
def new_caller(request: DeskRequest) -> HttpResponse:
    """A caller who isn't known yet becomes a contact of a customer that exists (D20)."""
    customer = _customer(request)
    given = request.GET.get("from", "")[:FROM_MAX]
    exists: Contact | None = None
    if request.method == "POST":
        form = CallerForm(request.POST)
        if form.is_valid():
            made = _add(request, customer, form)
            if isinstance(made, HttpResponse):
                return made
            exists = made
        renew_key(form)
    else:
        form = CallerForm(initial={"key": uuid4().hex, "phone": dialled(given)})
    context = {"customer": customer, "form": form, "exists": exists, "given": given} | _aside(request)
    return render(request, "desk/call/new.html", context, status=422 if form.errors else 200)


def _add(request: DeskRequest, customer: Customer, form: CallerForm) -> HttpResponse | Contact | None:
    """The way to the new contact, or who has this address or number already, with words at the field."""
    data = form.cleaned_data
    try:
        made = add_contact(
            customer_id=customer.pk,
            name=data["name"],
            email=data["email"],
            phone=data["phone"],
            shared=data["shared"],
        )
    except ContactExists as there:
        words = {
            "email": _("%(who)s has this address already.") % {"who": there.contact},
            "phone": _("%(who)s has this number already. If it is shared, say so below.") % {"who": there.contact},
        }
        form.add_error(there.field, words[there.field])
        return there.contact
    except ValidationError as wrong:
        for field, words_of in wrong.message_dict.items():
            form.add_error(field if field in form.fields else None, words_of)
        return None
    keep_taken(request, data["key"])
    request.session["call_said"] = data["said"]
    messages.success(request, _("%(who)s is a contact of %(customer)s now.") % {"who": made, "customer": customer})
    return redirect("desk:caller", made.pk)


@door("technician")
@require_POST
def send_form(request: DeskRequest, pk: int) -> HttpResponse:
    """Mails the address of the form to somebody whose edition has no phone incidents (R4)."""
    contact = _contact(request, pk)
    key = request.POST.get("key", "")[:50]
    refused = attempt(lambda: calls.send_form(contact=contact, user=signed_in(request), at=request.at, key=key))
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        messages.success(request, _("The form is on its way to %(to)s.") % {"to": contact.email}, extra_tags="calm")
    return redirect("desk:caller", pk)


@door("technician")
@require_POST
def open_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Opens a call that waited for points, by one click (D8, D20)."""
    draft = _draft(request, pk)
    try:
        made = opening.open_draft(draft_id=draft.pk, at=request.at, user=signed_in(request))
    except NotEnoughPoints as short:
        said = _("Needs %(needed)d points, %(have)d on hand. The draft is kept.")
        messages.warning(request, said % {"needed": short.needed, "have": short.on_hand}, extra_tags="points")
    except opening.PhoneNotForCommunity:
        messages.warning(request, _("Community Edition has e-mail incidents only. The draft is kept."))
    except opening.ReleaseNotCurrent:
        said = _("%(release)s is out of support. The draft is kept; log the call anew with a current release.")
        messages.warning(request, said % {"release": draft.release}, extra_tags="soon")
    except opening.DraftGone:
        messages.warning(request, _("The draft is not there any more: it was discarded, or its 30 days are over."))
    else:
        return redirect("desk:call_logged", made.number)
    return redirect("desk:caller", draft.contact_id)


@door("technician")
@require_POST
def discard_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Puts a call that waited for points away."""
    draft = _draft(request, pk)
    if opening.discard_draft(draft_id=draft.pk, at=request.at):
        messages.success(request, _("The draft is discarded."))
    else:
        messages.warning(request, _("The draft is not there any more: it was opened, or discarded before."))
    return redirect("desk:call")


@door("technician")
@require_POST
def mail_works(request: DeskRequest, pk: int) -> HttpResponse:
    """Somebody here knows that mail to the contact arrives again: the mark that they saw is gone (D28)."""
    contact = _contact(request, pk)
    try:
        seen = datetime.fromisoformat(request.POST.get("seen", ""))
        seen_at = seen if seen.tzinfo is not None else None
    except ValueError:
        seen_at = None
    if seen_at is not None and mail_works_again(contact_id=contact.pk, seen_at=seen_at):
        messages.success(request, _("Mail to %(address)s counts as arriving again.") % {"address": contact.email})
    elif contact.bounced_at is not None:
        messages.warning(request, _("Another mail has come back since: look why."), extra_tags="soon")
    number = request.POST.get("number", "")
    if is_number(number):
        return redirect("desk:incident", incident_of(request, number).number)
    return redirect("desk:caller", contact.pk)


def caller_link(contact: Contact, given: str = "") -> str:
    """The page of a caller; the number they call from goes along, for a colleague of theirs."""
    asked = "?" + urlencode({"from": given}) if given else ""
    return reverse("desk:caller", args=[contact.pk]) + asked


def _contact(request: DeskRequest, pk: int) -> Contact:
    return get_object_or_404(contacts_for(request.scope).select_related("customer", "user"), pk=pk)


def _customer(request: DeskRequest) -> Customer:
    asked = request.GET.get("customer", "")
    pk = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else 0
    return get_object_or_404(customers_for(request.scope), pk=pk)


def _draft(request: DeskRequest, pk: int) -> Draft:
    drafts = access.drafts_for(request.scope, at=request.at) | access.opened_drafts_for(request.scope)
    return get_object_or_404(drafts.filter(channel=Channel.PHONE).select_related("release__product"), pk=pk)


def _aside(request: DeskRequest) -> dict[str, Any]:
    return {"view": "call", "counts": queues.counts(request.scope, at=request.at)}
