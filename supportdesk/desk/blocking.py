"""Blocked senders: who they are, one more, one less (D26)."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from incidents import access, inbound
from incidents import queue as queues
from supportdesk.desk.held import one, render_opened
from supportdesk.desk.held_words import attempt
from supportdesk.people.doors import DeskRequest, door, signed_in


@door("technician")
@require_http_methods(["GET", "POST"])
def blocked(request: DeskRequest) -> HttpResponse:
    """The list, and one field that blocks an address or a domain."""
    typed = request.POST.get("address", "")[:400].strip()
    refused = None
    if request.method == "POST":
        refused = _block(request, typed)
        if refused is None:
            return redirect("desk:blocked")
    context = {
        "view": "held",
        "counts": queues.counts(request.scope, at=request.at),
        "blocked": access.blocked_for(request.scope).order_by("-blocked_at", "-pk")[:500],
        "typed": typed,
        "refused": refused,
    }
    return render(request, "desk/held/blocked.html", context, status=422 if refused else 200)


@door("technician")
@require_POST
def block(request: DeskRequest, pk: int) -> HttpResponse:
    """Blocks the sender of a held mail, or the whole domain."""
    held = one(request, pk)
    whole = request.POST.get("what") == "domain"
    refused = _block(request, inbound.domain_of(held.sender) if whole else held.sender)
    if refused is not None:
        return render_opened(request, held, not_blocked=refused, what="domain" if whole else "address")
    return redirect("desk:held")


@door("technician")
@require_POST
def unblock(request: DeskRequest, pk: int) -> HttpResponse:
    """Lets a sender in again."""
    found = get_object_or_404(access.blocked_for(request.scope), pk=pk)
    inbound.unblock_sender(blocked_id=found.pk)
    said = _("%(address)s is not blocked any more. What was put away stands under “Settled”.")
    messages.success(request, said % {"address": found.address}, extra_tags="calm")
    return redirect("desk:blocked")


def _block(request: DeskRequest, address: str) -> str | None:
    put_away: list[int] = []

    def act() -> None:
        user, confirmed = signed_in(request), request.POST.get("confirmed") == "1"
        put_away.append(inbound.block_sender(address=address, user=user, at=request.at, confirmed=confirmed))

    refused = attempt(act)
    if refused is None:
        said = ngettext(
            "%(address)s is blocked, and %(n)d mail of it is put away.",
            "%(address)s is blocked, and %(n)d mails of it are put away.",
            put_away[0],
        )
        messages.success(request, said % {"address": address.lower(), "n": put_away[0]}, extra_tags="calm")
    return refused
