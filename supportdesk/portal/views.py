"""The customers' pages: load through access, validate with a form, one service call, redirect."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from incidents import access, queries
from incidents.forms import MessageForm, renew_key
from incidents.forms_files import say_why, take_files
from incidents.models import Draft, Via
from incidents.queries import Told
from incidents.services import drafting, opening
from incidents.services.common import KeyReused
from incidents.services.conversation import customer_message
from incidents.services.files import FileRefused
from points.services import NotEnoughPoints
from supportdesk.mail.quotes import fold
from supportdesk.people.access import contacts_bounced, customers_for
from supportdesk.people.doors import DeskRequest, door, keep_taken
from supportdesk.people.models import Edition
from supportdesk.policy import POLICY
from supportdesk.portal.accounts import accounts, own_holders, sheets
from supportdesk.portal.page import contact_of, incident_of, render_incident
from supportdesk.portal.statement_file import statement_file


@door("anyone")
@require_GET
def home(request: DeskRequest) -> HttpResponse:
    """Whose turn it is, when the next answer is due, how many points are left."""
    if request.scope.desk and not request.scope.memberships:
        return redirect("desk:queue")
    if not request.scope.memberships:
        return render(request, "portal/landing.html", {"place": "home"})
    lines = queries.standing(request.scope, at=request.at)
    yours, ours = queries.turns(request.scope)
    drafts = [
        {
            "pk": draft.pk,
            "subject": draft.subject,
            "customer": draft.customer,
            "kept_through": kept_through(draft),
            "is_finished": draft.is_finished,
            "price": POLICY.points_for(draft.channel),
        }
        for draft in access.drafts_for(request.scope, at=request.at).select_related("customer")[:20]
    ]
    points = accounts(request.scope, at=request.at)
    customers = list(customers_for(request.scope.as_contact()))
    # As a contact: staff who are contacts, too, are asked for their own customers alone.
    waiting = list(access.proposals_waiting(request.scope.as_contact(), at=request.at)[:20])
    context = {
        "place": "home",
        "bounced": contacts_bounced(request.scope),
        "lines": lines,
        "yours": yours + len(waiting),
        "ours": ours,
        "more": max(0, yours + ours - len(lines)),
        "next": queries.soonest(lines),
        "drafts": drafts,
        "closed": queries.closed_lately(request.scope),
        "credits": queries.unanswered(request.scope),
        "proposals": waiting,
        "points": points,
        "low": any(account.is_low for account in points),
        "several": len(request.scope.memberships) > 1,
        "by_mail_only": [customer for customer in customers if customer.edition == Edition.COMMUNITY],
        "away": request.session.pop("draft_away", None),
        "may_call": any(customer.edition != Edition.COMMUNITY for customer in customers),
    }
    return render(request, "portal/home.html", context)


@door("contact")
@require_GET
def incident(request: DeskRequest, number: str) -> HttpResponse:
    """One incident: the conversation, the deadline and why, what it cost."""
    found = incident_of(request, number)
    if found.merged_into_id is not None:
        final = access.incidents_for(request.scope).filter(pk=queries.final_ids([found.pk])[found.pk]).first()
        if final is not None:
            said = _("%(number)s was merged into this incident, for it is the same problem.")
            messages.info(request, said % {"number": found.shown_number})
            return redirect("portal:incident", final.number)
    fresh = request.session.pop("fresh", "") == found.number
    return render_incident(request, found, MessageForm(initial={"key": uuid4().hex}), fresh=fresh)


@door("contact")
@require_POST
def message(request: DeskRequest, number: str) -> HttpResponse:
    """Adds to an incident, or asks to re-open it: what is written is kept in every case (D16)."""
    found = incident_of(request, number)
    form = take_files(MessageForm(request.POST), request)
    if not form.is_valid():
        return render_incident(request, found, form, status=422)
    contact = contact_of(request, found)
    try:
        added = customer_message(
            incident_id=found.pk,
            contact=contact,
            text=form.cleaned_data["text"],
            via=Via.PORTAL,
            at=request.at,
            key=form.cleaned_data["key"],
            files=form.cleaned_data["files"],
        )
    except FileRefused as refusal:
        form.add_error("files", say_why(refusal))
        return render_incident(request, found, form, status=422)
    except KeyReused:
        renew_key(form)
        form.add_error("text", _("This was sent before with another text. Nothing was lost: send it again to add it."))
        return render_incident(request, found, form, status=422)
    keep_taken(request, form.cleaned_data["key"])
    words_of = {
        "added": _("Your message is with us."),
        "request": _("You asked to re-open it; a technician decides."),
        "too_late": _("What you wrote is kept, but this can no longer be re-opened. Please make a new report."),
    }
    messages.success(request, words_of[added.outcome])
    return redirect("portal:incident", found.number)


@door("contact")
@require_GET
def draft(request: DeskRequest, pk: int) -> HttpResponse:
    """A report that is not sent yet, and what is missing (D8)."""
    found = draft_of(request, pk)
    if found.incident is not None:
        return redirect("portal:incident", found.incident.number)
    if not found.is_finished:
        return redirect("portal:finish_draft", found.pk)
    return render(request, "portal/draft.html", _draft_context(request, found))


@door("contact")
@require_POST
def open_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Opens a draft by one click (D8)."""
    found = draft_of(request, pk)
    try:
        opened = opening.open_draft(draft_id=found.pk, at=request.at)
    except opening.DraftGone as gone:
        raise Http404 from gone
    except NotEnoughPoints as short:
        messages.warning(
            request,
            _("Needs %(needed)d points, %(have)d on hand. The draft is kept.")
            % {"needed": short.needed, "have": short.on_hand},
            extra_tags="soon",
        )
        return redirect("portal:draft", found.pk)
    except opening.DraftUnfinished:
        messages.warning(
            request, _("Say first what it is about. Nothing was opened, and nothing charged."), extra_tags="soon"
        )
        return redirect("portal:finish_draft", found.pk)
    except opening.PhoneNotForCommunity:
        messages.warning(
            request,
            _("Community Edition has e-mail incidents only. The text is kept here; report it in the form instead."),
            extra_tags="soon",
        )
        return redirect("portal:draft", found.pk)
    except opening.ReleaseNotCurrent:
        messages.warning(
            request,
            _("%(release)s is out of support. Nothing was sent: choose a current release.")
            % {"release": found.release},
            extra_tags="soon",
        )
        return redirect("portal:change_draft", found.pk)
    request.session["fresh"] = opened.number
    return redirect("portal:incident", opened.number)


@door("contact")
@require_POST
def discard_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Puts a draft away."""
    found = draft_of(request, pk)
    if not opening.discard_draft(draft_id=found.pk, at=request.at):
        messages.warning(
            request, _("The draft is not there any more: it was opened, or discarded before."), extra_tags="soon"
        )
        return redirect("portal:home")
    request.session["draft_away"] = {"pk": found.pk, "subject": found.subject}
    return redirect("portal:home")


@door("contact")
@require_POST
def bring_back_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Keeps again what was discarded by a press too many (D8)."""
    every = access.every_draft_for(request.scope).filter(customer_id__in=request.scope.customer_ids)
    found = get_object_or_404(every, pk=pk)
    try:
        drafting.bring_back_draft(draft_id=found.pk, at=request.at)
    except drafting.DraftOpened as opened:
        return redirect("portal:incident", opened.number)
    except opening.DraftGone:
        said = _("The %(days)d days of this draft are over: it cannot be brought back.")
        messages.warning(request, said % {"days": POLICY.draft_days}, extra_tags="soon")
        return redirect("portal:home")
    messages.success(request, _("The draft is here again."), extra_tags="calm")
    return redirect("portal:draft", found.pk)


@door("contact")
@require_GET
def points(request: DeskRequest) -> HttpResponse:
    """Points on hand, in time, and the statement; restricted contacts see none (D21)."""
    if not request.scope.full_customer_ids:
        raise Http404
    page = _page(request)
    context = {
        "place": "points",
        "page": page,
        "next_page": page + 1,
        "newer_page": page - 1,
        "sheets": sheets(request.scope, at=request.at, page=page),
    }
    return render(request, "portal/points.html", context)


@door("contact")
@require_GET
def points_statement(request: DeskRequest) -> HttpResponseBase:
    """The whole statement of one customer as a file; who has but one need not name it (D21, D22)."""
    holders = own_holders(request.scope)
    asked = request.GET.get("customer", "")
    if not asked and len(holders) == 1:
        return statement_file(holders[0], at=request.at)
    found = next((customer for customer in holders if str(customer.pk) == asked), None)
    if found is None:
        raise Http404
    return statement_file(found, at=request.at)


def _page(request: DeskRequest) -> int:
    asked = request.GET.get("page", "1")
    return min(max(1, int(asked)), 100_000) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1


def draft_of(request: DeskRequest, pk: int) -> Draft:
    drafts = access.drafts_for(request.scope, at=request.at).filter(customer_id__in=request.scope.customer_ids)
    opened = access.opened_drafts_for(request.scope).filter(customer_id__in=request.scope.customer_ids)
    found = (drafts | opened).select_related("customer", "contact", "release__product", "incident", "origin")
    return get_object_or_404(found, pk=pk)


def kept_through(found: Draft) -> datetime:
    """The last instant at which a draft is kept."""
    return found.kept_until - timedelta(microseconds=1)


def _draft_context(request: DeskRequest, found: Draft) -> dict[str, object]:
    return {
        "place": "home",
        "draft": found,
        "said": Told(at=found.created_at, pieces=fold(found.text)),
        "own_mail": found.raw_mail_id is not None and found.contact_id in request.scope.contact_ids,
        "kept_through": kept_through(found),
        "promise": queries.promise(customer=found.customer, channel=found.channel, at=request.at),
    }
