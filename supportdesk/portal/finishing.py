"""Saying what a draft of a mail is about, before it can be opened (D21, D27)."""

from __future__ import annotations

from uuid import uuid4

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from incidents.forms_report import FinishForm
from incidents.models import Draft
from incidents.queries import Told
from incidents.services import drafting, mail_drafts, opening
from supportdesk.mail.quotes import fold
from supportdesk.people.access import contacts_for
from supportdesk.people.doors import DeskRequest, door, keep_taken
from supportdesk.people.models import Contact
from supportdesk.portal.views import draft_of, kept_through


@door("contact")
@require_http_methods(["GET", "POST"])
def finish_draft(request: DeskRequest, pk: int) -> HttpResponse:
    """Kind, product and release in one step, and for which customer; then the quote, and one click opens it (D27)."""
    found = draft_of(request, pk)
    if found.incident is not None:
        return redirect("portal:incident", found.incident.number)
    if found.raw_mail_id is None or found.contact_id not in request.scope.contact_ids:
        raise Http404
    contacts = _own_contacts(request)
    if request.method == "POST":
        form = FinishForm(request.POST, contacts=contacts, draft=found, at=request.at)
        if form.is_valid() and not form.must_ask:
            response = _finish(request, form, found)
            if response is not None:
                return response
    else:
        filled = {
            "key": uuid4().hex,
            "seen": drafting.state_of(found),
            "contact": found.contact_id,
            "kind": found.kind,
            "anyway": found.is_finished,
            "product": found.release and found.release.product_id,
            "release": found.release_id,
        }
        form = FinishForm(contacts=contacts, draft=found, at=request.at, initial=filled)
    context = {
        "place": "home",
        "form": form,
        "draft": found,
        "said": Told(at=found.created_at, pieces=fold(found.text)),
        "kept_through": kept_through(found),
    }
    return render(request, "portal/draft_finish.html", context, status=422 if form.is_bound else 200)


def _finish(request: DeskRequest, form: FinishForm, found: Draft) -> HttpResponse | None:
    data = form.cleaned_data
    try:
        mail_drafts.finish_draft(
            draft_id=found.pk,
            contact_id=data["contact"].pk,
            kind=data["kind"],
            release_id=data["release"].pk,
            seen=data["seen"],
            at=request.at,
        )
    except (opening.DraftGone, mail_drafts.NotTheSamePerson) as gone:
        raise Http404 from gone
    except drafting.DraftOpened as opened:
        messages.warning(request, _("It was opened meanwhile: what you changed was not kept."), extra_tags="soon")
        return redirect("portal:incident", opened.number)
    except drafting.DraftChanged:
        found.refresh_from_db()
        again = form.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
        again["seen"] = drafting.state_of(found)
        form.data = again
        form.add_error(None, _("The draft was changed meanwhile, perhaps by another mail of yours. Look once more."))
        return None
    keep_taken(request, data["key"])
    return redirect("portal:draft", found.pk)


def _own_contacts(request: DeskRequest) -> list[Contact]:
    own = contacts_for(request.scope).filter(pk__in=request.scope.contact_ids)
    return list(own.select_related("customer", "user").order_by("customer__name", "pk"))
