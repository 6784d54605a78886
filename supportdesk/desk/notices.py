"""What one is told of: the list, and how one wants to be told (D39)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from incidents import access, notices
from incidents import queue as queues
from incidents.forms import NoticeSettingsForm
from incidents.models import Incident, Notice
from incidents.services import noticing
from supportdesk.people.doors import DeskRequest, door, signed_in

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One notice as the list shows it."""

    pk: int
    code: str
    said: str
    incident: Incident | None
    at: datetime
    is_new: bool


@door("technician")
@require_GET
def listed(request: DeskRequest) -> HttpResponse:
    """One's notices, newest first."""
    pages = Paginator(access.notices_for(request.scope), ROWS)
    page = pages.get_page(request.GET.get("page", "1"))
    lines = [_line(notice) for notice in page.object_list]
    context = {
        "view": "notices",
        "counts": queues.counts(request.scope, at=request.at),
        "page": page,
        "lines": lines,
        "newest": _newest(page),
    }
    return render(request, "desk/notices.html", context)


def _newest(page: Page[Notice]) -> int:
    """The latest notice that was there when the page was made: what came later is not read by it."""
    return max((notice.pk for notice in page.object_list), default=0) if page.number == 1 else 0


def _line(notice: Notice) -> Line:
    return Line(
        pk=notice.pk,
        code=notice.code,
        said=notices.say(notice.code, notice.data),
        incident=notice.incident,
        at=notice.at,
        is_new=notice.read_at is None,
    )


@door("technician")
@require_GET
def opened(request: DeskRequest, pk: int) -> HttpResponse:
    """Goes where a notice leads; it is read by that."""
    notice = get_object_or_404(access.notices_for(request.scope), pk=pk)
    noticing.mark_read(user=signed_in(request), at=request.at, only=notice.pk)
    name, values = notices.place_of(notice.code, notice.incident)
    return redirect(name, *values)


@door("technician")
@require_POST
def all_read(request: DeskRequest) -> HttpResponse:
    """Marks those read that the page showed, and older ones."""
    through = request.POST.get("through", "")
    last = int(through) if through.isdecimal() and len(through) < 19 else 0
    noticing.mark_read(user=signed_in(request), at=request.at, through=last)
    return redirect("desk:notices")


@door("technician")
@require_http_methods(["GET", "POST"])
def settings(request: DeskRequest) -> HttpResponse:
    """Page, mail or both, for each thing."""
    user = signed_in(request)
    form = NoticeSettingsForm(
        request.POST if request.method == "POST" else None,
        codes=notices.codes_for(user),
        chosen=notices.ways_of(user),
    )
    if form.is_valid():
        noticing.choose_ways(user=user, chosen=form.chosen)
        messages.success(request, _("Kept: you are told like this from now on."), extra_tags="calm")
        return redirect("desk:notice_settings")
    context = {"view": "notices", "counts": queues.counts(request.scope, at=request.at), "form": form}
    return render(request, "desk/notice_settings.html", context, status=422 if form.errors else 200)
