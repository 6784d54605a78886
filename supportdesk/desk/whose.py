"""Whose a held mail is: a draft of a contact, or an address that belongs to one (D26, D27)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from incidents import held as reading
from incidents import intake
from incidents import queue as queues
from incidents.inbound import Filed, belongs_to, draft_held
from incidents.models import HeldMail
from supportdesk.desk.held import one
from supportdesk.desk.held_words import attempt, linked, names
from supportdesk.people.access import contacts_by_email, contacts_for
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.people.models import Contact

LINKED = 10  # incidents that are linked to in one line


@door("technician")
@require_GET
def person(request: DeskRequest, pk: int) -> HttpResponse:
    """Finds the contact as the phone intake does: by name, organisation, address, number or ticket (D20)."""
    held = one(request, pk)
    if held.settled_at is not None:
        return redirect("desk:held_one", held.pk)
    return _page(request, held)


def _page(request: DeskRequest, held: HeldMail, **given: Any) -> HttpResponse:
    text = request.GET.get("q", "")
    live = request.headers.get("HX-Request") == "true"
    found = intake.callers(request.scope, text, at=request.at) if text.strip() else None
    context: dict[str, Any] = {
        "held": held,
        "text": text,
        "live": live,
        "found": found,
        "people": [row.contact for row in found.rows] if found is not None else _likely(request, held),
        **given,
    }
    if live:
        return render(request, "desk/held/_people.html", context)
    context |= {"view": "held", "counts": queues.counts(request.scope, at=request.at)}
    return render(request, "desk/held/person.html", context, status=422 if given.get("refused") else 200)


def _likely(request: DeskRequest, held: HeldMail) -> list[Contact]:
    """Who comes to mind before anybody searches: who writes from the address, else whose incident it seems to mean."""
    known = list(contacts_by_email(held.sender).order_by("customer__name", "pk")) if held.sender else []
    if known or held.incident is None:
        return known
    theirs = contacts_for(request.scope).filter(customer=held.incident.customer_id)
    return list(theirs.select_related("customer").order_by("name", "pk")[: reading.COLLEAGUES])


@door("technician")
@require_POST
def draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Makes a draft of it; the contact gets the link by mail (D27)."""
    held = one(request, pk)
    contact = _contact(request)
    refused = attempt(
        lambda: draft_held(held_id=held.pk, contact_id=contact.pk, user=signed_in(request), at=request.at)
    )
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect("desk:held_one", held.pk)
    said = _("A draft of %(name)s is made of it. The link to it is on its way to %(to)s.")
    if not contact.email:
        said = _("A draft of %(name)s is made of it. They have no e-mail address: tell them of it.")
    messages.success(request, said % {"name": contact.name, "to": contact.email}, extra_tags="calm")
    return redirect("desk:held")


@door("technician")
@require_POST
def belongs(request: DeskRequest, pk: int) -> HttpResponse:
    """The sender's address belongs to a contact; what waits from it is decided anew, and said (D26)."""
    held = one(request, pk)
    contact = _contact(request)
    confirmed = request.POST.get("confirmed") == "1"
    done: list[Filed] = []

    def act() -> None:
        user = signed_in(request)
        done.append(belongs_to(held_id=held.pk, contact_id=contact.pk, user=user, at=request.at, confirmed=confirmed))

    refused = attempt(act)
    if refused is not None:
        if one(request, pk).settled_at is not None:
            messages.warning(request, refused, extra_tags="soon")
            return redirect("desk:held_one", held.pk)
        return _page(request, held, refused=refused, people=[contact])
    said = _("%(address)s belongs to %(name)s.") % {"address": held.sender, "name": names([contact])}
    result = format_html("{} {} {}", said, _result(done[0]), _where(done[0]))
    messages.success(request, result, extra_tags="calm")
    return redirect("desk:held_one", held.pk) if one(request, pk).settled_at is None else redirect("desk:held")


def _result(filed: Filed) -> str:
    count = len(filed.mails)
    parts = [
        ngettext("%(n)d added", "%(n)d added", filed.added) % {"n": filed.added} if filed.added else "",
        ngettext("%(n)d draft", "%(n)d drafts", filed.drafts) % {"n": filed.drafts} if filed.drafts else "",
        ngettext("%(n)d held still", "%(n)d held still", filed.held) % {"n": filed.held} if filed.held else "",
    ]
    said = ngettext("%(n)d mail: %(parts)s.", "%(n)d mails: %(parts)s.", count)
    said = said % {"n": count, "parts": ", ".join(part for part in parts if part)}
    if not filed.left:
        return said
    more = ngettext("%(n)d more waits: file it anew.", "%(n)d more wait: file them anew.", filed.left)
    return f"{said} {more % {'n': filed.left}}"


def _where(filed: Filed) -> SafeString:
    """The incidents that have them now, as ways to them."""
    return format_html_join(", ", "{}", ((linked(incident),) for incident in list(filed.incidents.values())[:LINKED]))


def _contact(request: DeskRequest) -> Contact:
    text = request.POST.get("contact", "")
    pk = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
    return get_object_or_404(contacts_for(request.scope).select_related("customer"), pk=pk)
