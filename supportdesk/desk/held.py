"""Held mail: what belongs nowhere for sure, until a technician decides (D26)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from incidents import access, inbound
from incidents import held as reading
from incidents import queue as queues
from incidents.models import HeldMail, HeldReason, NoticeCode, Settled
from incidents.services import noticing
from supportdesk.desk.held_words import attempt, linked
from supportdesk.people.doors import DeskRequest, door, signed_in
from supportdesk.policy import POLICY

ASKED = ("view", "kind", "q", "after")
# More ids than one press may settle are looked at, so that the refusal can say so.
IDS_CHARS_MAX = 20 * (POLICY.held_at_once_max + 1)


@door("technician")
@require_GET
def held_mail(request: DeskRequest) -> HttpResponse:
    """Who wrote, why it is held, what it says; one's notices of held mail are read by that (D39)."""
    noticing.mark_read(user=signed_in(request), at=request.at, code=NoticeCode.MAIL_HELD)
    asked = reading.wanted(request.GET.dict())
    page = reading.listed(request.scope, asked)
    context = {
        "view": "held",
        "counts": queues.counts(request.scope, at=request.at),
        "asked": asked,
        "page": page,
        "kinds": Settled.choices if asked.settled else HeldReason.choices,
        "here": _query(request.GET.dict()),
        "next_link": _query({**request.GET.dict(), "after": page.next}) if page.next else "",
        "first_link": _query({**request.GET.dict(), "after": ""}) if asked.after else "",
        "away": request.session.pop("held_undo", None),
    }
    return render(request, "desk/held.html", context)


@door("technician")
@require_GET
def opened(request: DeskRequest, pk: int) -> HttpResponse:
    """One held mail, with what can be made of it."""
    return render_opened(request, one(request, pk))


def render_opened(request: DeskRequest, held: HeldMail, **given: Any) -> HttpResponse:
    """The page of a held mail; ``given`` is what an act says that was refused there."""
    found = reading.opened(request.scope, held)
    meant = None
    if held.incident is not None and found.is_open:
        meant = reading.incident_by_number(request.scope, held.incident.number)
    context = {
        "view": "held",
        "counts": queues.counts(request.scope, at=request.at),
        "one": found,
        "held": held,
        "attaching": meant and reading.attaching(request.scope, held, found.mail, meant, found.senders),
        "blocking": inbound.blockable(held.sender) if found.is_open else None,
        "away": request.session.pop("held_undo", None),
        **given,
    }
    return render(request, "desk/held/one.html", context, status=422 if given else 200)


@door("technician")
@require_POST
def discard(request: DeskRequest, pk: int) -> HttpResponse:
    """Puts a held mail away; its raw source stays stored (D29)."""
    held = one(request, pk)
    gone = inbound.discard_held(held_ids=[held.pk], user=signed_in(request), at=request.at)
    if not gone:
        messages.warning(request, _("It was settled already; see below what became of it."), extra_tags="soon")
        return redirect("desk:held_one", held.pk)
    _offer_undo(request, gone)
    return redirect("desk:held")


@door("technician")
@require_POST
def discard_marked(request: DeskRequest) -> HttpResponse:
    """Puts away the mails that are marked, or all that the page showed (D26)."""
    whole = request.POST.get("all") == "1"
    ids = _ids(request.POST.get("shown", "")) if whole else _ids(",".join(request.POST.getlist("mail")))
    back = _back(request)
    if not ids:
        messages.warning(request, _("No mail is marked. Mark some with x, or by their boxes."), extra_tags="soon")
        return redirect(back)
    gone: list[int] = []

    def act() -> None:
        gone.extend(inbound.discard_held(held_ids=ids, user=signed_in(request), at=request.at))

    refused = attempt(act)
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect(back)
    settled = len(ids) - len(gone)
    if settled:
        said = ngettext(
            "%(n)d of them was settled already, and stays as it is.",
            "%(n)d of them were settled already, and stay as they are.",
            settled,
        )
        messages.warning(request, said % {"n": settled}, extra_tags="soon")
    _offer_undo(request, gone)
    return redirect(back)


@door("technician")
@require_POST
def bring_back(request: DeskRequest) -> HttpResponse:
    """Holds again what was discarded, or put away as blocked."""
    ids = _ids(request.POST.get("mails", ""))
    access_ids = list(access.every_held_for(request.scope).filter(pk__in=ids[:1]).values_list("pk", flat=True))
    refused = attempt(lambda: inbound.bring_back(held_ids=ids)) if ids else _("Nothing was put away just now.")
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
    else:
        said = ngettext("The mail waits here again.", "%(n)d mails wait here again.", len(ids))
        messages.success(request, said % {"n": len(ids)}, extra_tags="calm")
    if len(ids) == 1 and access_ids and request.POST.get("stay"):
        return redirect("desk:held_one", ids[0])
    return redirect(_back(request))


@door("technician")
@require_POST
def anew(request: DeskRequest, pk: int) -> HttpResponse:
    """Decides a held mail once more, by what is known now (D26)."""
    held = one(request, pk)
    refused = attempt(lambda: inbound.file_anew(held_id=held.pk, user=signed_in(request), at=request.at))
    held = one(request, pk)
    if refused is not None:
        messages.warning(request, refused, extra_tags="soon")
        return redirect("desk:held_one", held.pk)
    if held.settled_at is None:
        said = _("Decided again, and held still: %(reason)s.") % {"reason": held.get_reason_display()}
        messages.warning(request, said, extra_tags="soon")
        return redirect("desk:held_one", held.pk)
    messages.success(request, became(held), extra_tags="calm")
    return redirect("desk:held")


def became(held: HeldMail) -> str:
    """What became of a settled mail, in a sentence."""
    if held.settled_as == Settled.ATTACHED and held.attached_to is not None:
        return format_html(_("The mail is a message of {number} now."), number=linked(held.attached_to))
    if held.settled_as == Settled.DRAFT and held.draft is not None:
        return _("The mail is a draft of %(name)s now; the link to it went to them by mail.") % {
            "name": held.draft.contact.name
        }
    return _("The mail is put away.")


def one(request: DeskRequest, pk: int) -> HeldMail:
    """The held mail, settled or not, that the reader may see; 404 otherwise."""
    seen = access.every_held_for(request.scope).select_related(
        "raw_mail", "incident", "settled_by", "attached_to", "draft__contact__customer"
    )
    return get_object_or_404(seen, pk=pk)


def _offer_undo(request: DeskRequest, ids: list[int]) -> None:
    """Keeps what was just put away for the next page, which says it and offers to bring it back."""
    if ids:
        request.session["held_undo"] = {"ids": ",".join(map(str, ids)), "count": len(ids)}


def _ids(text: str) -> list[int]:
    """Ids that a form names; what is none is left out."""
    pieces = dict.fromkeys(text[:IDS_CHARS_MAX].split(","))
    return [int(piece) for piece in pieces if piece.isascii() and piece.isdigit() and len(piece) <= 18]


def _query(given: dict[str, str]) -> str:
    return urlencode({name: given[name] for name in ASKED if given.get(name)})


def _back(request: DeskRequest) -> str:
    """The list as it was asked for: only what it understands is kept of what the form names."""
    query = _query({name: request.POST.get(f"back-{name}", "")[:200] for name in ASKED})
    there = reverse("desk:held")
    return f"{there}?{query}" if query else there
