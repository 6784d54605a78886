"""The reporting form: a contact's report opens an incident, a visitor's gets a link by mail (R7, D25)."""

from __future__ import annotations

from uuid import uuid4

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from incidents import queries
from incidents.forms import renew_key
from incidents.forms_files import say_why, take_files
from incidents.forms_report import DraftForm, ProblemForm, ReportForm, VisitorForm
from incidents.models import Channel, Draft, Incident
from incidents.related import anew, may_report_anew
from incidents.services import drafting, opening
from incidents.services.common import KeyReused
from incidents.services.files import FileRefused
from incidents.services.visiting import Visit, keep_visit
from incidents.several import problems_in
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest, door, keep_taken
from supportdesk.people.models import Contact
from supportdesk.people.networks import network_of
from supportdesk.policy import POLICY
from supportdesk.portal.page import incident_of
from supportdesk.portal.views import draft_of


@door("anyone")
@require_http_methods(["GET", "POST"])
def report(request: DeskRequest) -> HttpResponse:
    """The form, with cost, lots and deadline before anything is sent; a visitor's goes on by mail (D25)."""
    if request.scope.user_id is None and "from" in request.GET:
        # Whose incident that is, only its reader may know.
        return redirect_to_login(request.get_full_path())
    if _is_visitor(request):
        return _visitor_report(request)
    request.scope = request.scope.as_contact()
    if not request.scope.memberships:
        raise Http404
    return _contact_report(request)


def _contact_report(request: DeskRequest) -> HttpResponse:
    asked = request.POST.get("from") or request.GET.get("from", "")
    origin = incident_of(request, asked) if asked else None
    contacts = _own_contacts(request, origin)
    if request.method == "POST":
        form = take_files(ReportForm(request.POST, contacts=contacts, at=request.at), request)
        if origin is not None and not may_report_anew(origin):
            form.add_error(
                None, _("%(number)s is open again: write there, at no charge.") % {"number": origin.shown_number}
            )
        if form.is_valid() and not form.must_ask:
            response = _send_report(request, form, origin)
            if response is not None:
                return response
        if "key" in form.errors:
            renew_key(form)
    else:
        if origin is not None and not may_report_anew(origin):
            # It was re-opened, or merged, since the link was made: what is to be said belongs there.
            return redirect("portal:incident", origin.number)
        filled = anew(request.scope, origin, at=request.at) if origin is not None else {}
        form = ReportForm(contacts=contacts, at=request.at, initial={"key": uuid4().hex, **filled})
    context = {
        "place": "report",
        "form": form,
        "origin": origin,
        "promise": queries.promise(customer=form.chosen.customer, channel=Channel.EMAIL, at=request.at),
    }
    return render(request, "portal/report.html", context, status=_status(form))


def _send_report(request: DeskRequest, form: ReportForm, origin: Incident | None) -> HttpResponse | None:
    data = form.cleaned_data
    try:
        made = opening.report_problem(
            report=opening.Report(
                contact=data["contact"],
                channel=Channel.EMAIL,
                kind=data["kind"],
                release_id=data["release"].pk,
                subject=data["subject"],
                text=data["text"],
                origin_id=None if origin is None else origin.pk,
            ),
            at=request.at,
            key=data["key"],
            files=data["files"],
        )
    except FileRefused as refusal:
        form.add_error("files", say_why(refusal))
        return None
    except opening.ReleaseNotCurrent:
        form.refuse_release(data["release"])
        return None
    except KeyReused:
        _say_reused(form)
        return None
    keep_taken(request, data["key"])
    if isinstance(made, Draft):
        return redirect("portal:draft", made.pk)
    request.session["fresh"] = made.number
    return redirect("portal:incident", made.number)


def _visitor_report(request: DeskRequest) -> HttpResponse:
    """The same form with an address; whoever it belongs to, the next page is the same (D25)."""
    if request.method == "POST":
        form = VisitorForm(request.POST, at=request.at)
        if form.is_valid() and not form.must_ask and _send_visit(request, form):
            return redirect("portal:sent")
        if "key" in form.errors:
            renew_key(form)
    else:
        form = VisitorForm(at=request.at, initial={"key": uuid4().hex})
    return render(request, "portal/report.html", {"place": "report", "form": form}, status=_status(form))


def _send_visit(request: DeskRequest, form: VisitorForm) -> bool:
    data = form.cleaned_data
    visit = Visit(
        email=data["email"],
        network=network_of(get_adapter().get_client_ip(request)),
        kind=data["kind"],
        release_id=data["release"].pk,
        subject=data["subject"],
        text=data["text"],
    )
    try:
        keep_visit(visit=visit, at=request.at, key=data["key"])
    except KeyReused:
        _say_reused(form)
        return False
    keep_taken(request, data["key"])
    return True


@door("anyone")
@require_GET
def sent(request: DeskRequest) -> HttpResponse:
    """Look into your mail: the same words whoever it was, whether a mail went out or not (D25, D28)."""
    return render(request, "portal/report_sent.html", {"place": "report"})


@door("contact")
@require_GET
def report_promise(request: DeskRequest) -> HttpResponse:
    """The quote alone, as it is now: the page asks for it again while it stays open."""
    contacts = _own_contacts(request)
    wanted = request.GET.get("contact", "")
    chosen = next((contact for contact in contacts if str(contact.pk) == wanted), contacts[0])
    promise = queries.promise(customer=chosen.customer, channel=Channel.EMAIL, at=request.at)
    return render(request, "portal/_promise.html", {"promise": promise})


@door("anyone")
@require_GET
def releases(request: DeskRequest) -> HttpResponse:
    """The current releases of one product, for the form; one alone needs no choice (R12)."""
    form = _empty_form(request)
    wanted = request.GET.get("product", "")
    own = [release for release in form.current if str(release.product_id) == wanted]
    context = {"form": form, "product": wanted, "own": own, "chosen": request.GET.get("release", "")}
    return render(request, "portal/report/_release.html", context)


@door("anyone")
@require_POST
def several(request: DeskRequest) -> HttpResponse:
    """Whether what was typed so far reads like several problems (R9). Nothing is kept."""
    count = problems_in(request.POST.get("text", "")[: POLICY.text_max])
    return render(request, "portal/report/_several.html", {"several": count})


@door("contact")
@require_http_methods(["GET", "POST"])
def change_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """A draft is changed until it is opened: its words, kind and release (D8)."""
    found = draft_of(request, pk)
    if found.incident is not None:
        return redirect("portal:incident", found.incident.number)
    if not found.is_finished:
        return redirect("portal:finish_draft", found.pk)
    if request.method == "POST":
        form = DraftForm(request.POST, draft=found, at=request.at)
        if form.is_valid() and not form.must_ask:
            response = _save_draft(request, form, found)
            if response is not None:
                return response
    else:
        filled = {
            "key": uuid4().hex,
            "seen": drafting.state_of(found),
            "kind": found.kind,
            "anyway": True,
            "product": found.release and found.release.product_id,
            "release": found.release_id,
            "subject": found.subject,
            "text": found.text,
        }
        form = DraftForm(draft=found, at=request.at, initial=filled)
    context = {"place": "home", "form": form, "draft": found}
    return render(request, "portal/draft_change.html", context, status=_status(form))


def _save_draft(request: DeskRequest, form: DraftForm, found: Draft) -> HttpResponse | None:
    data = form.cleaned_data
    try:
        drafting.change_draft(
            draft_id=found.pk,
            kind=data["kind"],
            release_id=data["release"].pk,
            subject=data["subject"],
            text=data["text"],
            seen=data["seen"],
            at=request.at,
        )
    except opening.DraftGone as gone:
        raise Http404 from gone
    except drafting.DraftOpened as opened:
        messages.warning(request, _("It was opened meanwhile: what you changed was not kept."), extra_tags="soon")
        return redirect("portal:incident", opened.number)
    except drafting.DraftChanged:
        found.refresh_from_db()
        data_again = form.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
        data_again["seen"] = drafting.state_of(found)
        form.data = data_again
        said = _("Somebody changed this draft meanwhile. Nothing was saved: save again to keep yours in its place.")
        form.add_error(None, said)
        return None
    keep_taken(request, data["key"])
    messages.success(request, _("The draft is changed. It is not sent yet."))
    return redirect("portal:draft", found.pk)


def _is_visitor(request: DeskRequest) -> bool:
    """Nobody is signed in, or somebody who belongs to no customer and does not work here."""
    return not request.scope.memberships and not request.scope.desk


def _empty_form(request: DeskRequest) -> ProblemForm:
    scope = request.scope.as_contact()
    if not scope.memberships:
        return VisitorForm(at=request.at)
    request.scope = scope
    return ReportForm(contacts=_own_contacts(request), at=request.at, initial={"contact": request.GET.get("contact")})


def _own_contacts(request: DeskRequest, origin: Incident | None = None) -> list[Contact]:
    own = contacts_for(request.scope).filter(pk__in=request.scope.contact_ids)
    if origin is not None:
        own = own.filter(customer=origin.customer_id)
    return list(own.select_related("customer", "user").order_by("customer__name", "pk"))


def _say_reused(form: ProblemForm) -> None:
    """The page was sent before with another text, perhaps from the browser's history."""
    renew_key(form)
    form.add_error(None, _("This form was sent before with another text. Send it again to make a second report."))


def _status(form: ProblemForm) -> int:
    return 422 if form.is_bound else 200
