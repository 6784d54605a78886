"""The customer's word on what waits for points: carry it out, or leave it as it is (D8, D14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from incidents import access
from incidents.models import Incident, Proposal
from incidents.services import merging, splitting
from incidents.services.common import NotAllowed
from points.services import NotEnoughPoints
from supportdesk.people.doors import DeskRequest, door
from supportdesk.portal.page import contact_of, incident_of

Verb = Callable[..., Proposal]
# Who accepts and who declines a proposal, by its kind.
ACCEPT: dict[str, Verb] = {
    Proposal.Kind.SPLIT: splitting.accept_proposal,
    Proposal.Kind.UNMERGE: merging.accept_parting,
}
DECLINE: dict[str, Verb] = {
    Proposal.Kind.SPLIT: splitting.decline_proposal,
    Proposal.Kind.UNMERGE: merging.leave_merged,
}


@door("contact")
@require_POST
def accept(request: DeskRequest, number: str) -> HttpResponse:
    """Carries out a proposal by one click (D8)."""
    return _act(request, number, ACCEPT)


@door("contact")
@require_POST
def decline(request: DeskRequest, number: str) -> HttpResponse:
    """Leaves everything as it is (D14)."""
    return _act(request, number, DECLINE)


def _act(request: DeskRequest, number: str, verbs: dict[str, Verb]) -> HttpResponse:
    found = incident_of(request, number)
    if not access.pays_for(request.scope, found):
        raise Http404
    proposal = _proposal(request, found)
    contact = contact_of(request, found)
    page = reverse("portal:incident", args=[number])
    try:
        done = verbs[proposal.kind](proposal_id=proposal.pk, contact=contact, at=request.at)
    except splitting.ProposalAccepted:
        messages.warning(request, _("It was carried out already."), extra_tags="soon")
    except splitting.ProposalWithdrawn:
        messages.warning(request, _("The proposal was withdrawn meanwhile. Nothing was spent."), extra_tags="soon")
    except splitting.ProposalLapsed:
        messages.warning(
            request, _("The days of this proposal are over. Nothing was spent; write to us below."), extra_tags="soon"
        )
    except (merging.MergedAlready, merging.NotMerged):
        messages.warning(request, _("This has changed meanwhile: it cannot be parted any more."), extra_tags="soon")
    except splitting.CannotDivide:
        said = _("What was to be copied is not here any more. Nothing was spent; we look at it.")
        messages.warning(request, said, extra_tags="soon")
    except NotAllowed:
        messages.warning(request, _("This incident has ended meanwhile. Nothing was spent."), extra_tags="soon")
    except NotEnoughPoints as short:
        said = _("Needs %(needed)d points, %(have)d on hand. The proposal is kept.")
        messages.warning(request, said % {"needed": short.needed, "have": short.on_hand}, extra_tags="soon")
        return redirect(f"{page}#proposal")
    else:
        messages.success(request, _outcome(done), extra_tags="calm")
    return redirect(page)


def _outcome(done: Proposal) -> str:
    if done.state != Proposal.State.ACCEPTED:
        return _("It stays as it is. Nothing was spent.")
    if done.kind == Proposal.Kind.UNMERGE:
        return _("It is an incident of its own again: %(number)s.") % {"number": done.incident.shown_number}
    made: list[Any] = [part.incident for part in done.parts.select_related("incident") if part.incident is not None]
    numbers = get_text_list([incident.shown_number for incident in made], _("and"))
    return _("Each problem has its own ticket number now: %(numbers)s.") % {"numbers": numbers}


def _proposal(request: DeskRequest, found: Incident) -> Proposal:
    """The proposal that the page showed, whatever has become of it since."""
    asked = request.POST.get("proposal", "")
    pk = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else 0
    proposal = access.proposals_for(request.scope).filter(incident=found, pk=pk).first()
    if proposal is None:
        raise Http404
    return proposal
