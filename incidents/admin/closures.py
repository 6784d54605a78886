"""Closures and open days in Django admin: each change is shown with what it would move before it is saved (D23).

What is saved moves no deadline by itself: the calendars' number does, and running clocks are planned anew by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents.admin.closure_forms import ChangeForm, ClosureForm, ImportForm, RemovalForm
from incidents.admin.closure_lists import Period, Whom, calendar_of, steps_of, whom_words
from incidents.admin.seen import SeenForm, moved_of
from sla.calendars import lock_calendars
from sla.closing import (
    BadClosure,
    ClosureRemoved,
    ClosureThere,
    KeyReused,
    add_closure,
    change_closure,
    remove_closure,
)
from sla.closures import Rule
from sla.importing import Found, State, import_closures, look_at, new_rules
from sla.models import Closure, ClosureKind
from sla.replanning import Preview, preview_change
from supportdesk import clock
from supportdesk.people.access import customers_for
from supportdesk.people.admin_pages import PageAdmin
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.people.scope import scope_of

LIST: Final = "admin:sla_closure_changelist"
PAGE: Final = "admin:sla_closure_change"
NAMES_OFFERED: Final = 500
EVENTS_SHOWN: Final = 200
STATES: Final[dict[State, Promise]] = {
    "new": gettext_lazy("new"),
    "known": gettext_lazy("known already"),
    "changed": gettext_lazy("changed: not imported"),
    "again": gettext_lazy("in the file twice"),
}
PLANNED_ANEW: Final = gettext_lazy("Open deadlines that are touched are planned anew by themselves, in a moment.")
REST: Final[tuple[State, ...]] = ("known", "changed", "again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a form: ``saved``, or else only shown; ``other`` where what was shown before holds no longer."""

    closure: Closure
    preview: Preview
    saved: bool
    other: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedFile:
    """The same of a calendar file, with each of its events."""

    found: tuple[Found, ...]
    preview: Preview
    saved: bool
    other: bool


@admin.register(Closure)
class ClosureAdmin(PageAdmin):
    """What is coming first; a page to add, to change and to take back; nothing is ever deleted (D23)."""

    list_display = ("name", "first_day", "last_day", "kind", "whom", "state")
    list_filter = (Period, Whom, "kind")
    search_fields = ("name", "customer__name")
    list_select_related = ("customer",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return scope_of(request.user).admin

    def get_ordering(self, request: HttpRequest) -> Any:
        past = Case(
            When(removed_at__isnull=False, then=Value(2)),
            When(last_day__lt=clock.now().date(), then=Value(1)),
            default=Value(0),
        )
        return (past, "first_day", "pk")

    @admin.display(description=gettext_lazy("whom it is for"))
    def whom(self, closure: Closure) -> str:
        return whom_words(closure)

    @admin.display(description=gettext_lazy("state"))
    def state(self, closure: Closure) -> str:
        if closure.removed_at:
            return _("removed")
        return _("past") if closure.last_day < clock.now().date() else _("coming, or now")

    def get_urls(self) -> list[URLPattern]:
        own = path("import/", self.admin_site.admin_view(self.import_page), name="sla_closure_import")
        return [own, *super().get_urls()]

    def changeform_view(  # type: ignore[override]  # a page instead of a form
        self, request: DeskRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a closure, or the one to add one."""
        if object_id is not None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        self._let_in(request)
        return self._add(request)

    def row(self, request: DeskRequest, pk: int) -> Closure | None:
        return Closure.objects.select_related("customer", "created_by", "removed_by").filter(pk=pk).first()

    def page(self, request: DeskRequest, row: Closure) -> HttpResponse:
        """One closure: its days and name to change, to take it back, and what became of it so far."""
        if request.method != "POST" or row.removed_at is not None:
            return self._page(request, ChangeForm(closure=row), closure=row)
        if request.POST.get("do") in ("preview_remove", "remove"):
            return self._remove(request, row)
        form = ChangeForm(request.POST, closure=row)
        if not form.is_valid():
            return self._page(request, form, closure=row, status=422)
        rule = form.said()

        same = rule == row.rule
        tried = self._try(
            form,
            lambda: change_closure(
                closure_id=row.pk,
                first_day=rule.first_day,
                last_day=rule.last_day,
                name=rule.name,
                by=signed_in(request),
                at=request.at,
            ),
            add=[rule],
            remove_id=row.pk,
            save=request.POST.get("do") == "save",
        )
        if tried is None:
            return self._page(request, form, closure=row, status=422)
        if tried.saved:
            self._said(request, tried.closure, _("changed"), _("%(closure)s is saved."))
            return redirect(PAGE, row.pk)
        return self._page(request, form, closure=row, preview=tried.preview, other=tried.other, same=same)

    def _remove(self, request: DeskRequest, closure: Closure) -> HttpResponse:
        removal = RemovalForm(request.POST, closure=closure)
        removal.is_valid()
        tried = self._try(
            removal,
            lambda: remove_closure(closure_id=closure.pk, by=signed_in(request), at=request.at),
            remove_id=closure.pk,
            save=request.POST["do"] == "remove",
        )
        shown = ChangeForm(closure=closure)
        if tried is None:
            return self._page(request, shown, closure=closure, removal=removal, status=422)
        if tried.saved:
            self._said(request, tried.closure, _("removed"), _("%(closure)s is taken back."))
            return redirect(PAGE, closure.pk)
        return self._page(request, shown, closure=closure, removal=removal, preview=tried.preview, other=tried.other)

    def _add(self, request: DeskRequest) -> HttpResponse:
        if request.method != "POST":
            return self._page(request, ClosureForm(initial={"key": uuid4().hex, "kind": ClosureKind.CLOSED}))
        form = ClosureForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, status=422)
        rule = form.said()
        key = form.cleaned_data["key"]
        tried = self._try(
            form,
            lambda: add_closure(rule=rule, by=signed_in(request), at=request.at, key=key),
            add=[rule],
            save=request.POST.get("do") == "save",
            again=Closure.objects.filter(key=key).exists(),
        )
        if tried is None:
            return self._page(request, form, status=422)
        if tried.saved and tried.closure.removed_at is not None:
            said = _("%(closure)s was saved before, and taken back since. Nothing was changed.")
            messages.warning(request, said % {"closure": tried.closure})
            return redirect(PAGE, tried.closure.pk)
        if tried.saved:
            self._said(request, tried.closure, _("added"), _("%(closure)s is saved."))
            return redirect(PAGE, tried.closure.pk)
        return self._page(request, form, preview=tried.preview, other=tried.other)

    def _try(
        self,
        form: SeenForm,
        act: Callable[[], Closure],
        *,
        save: bool,
        add: Sequence[Rule] = (),
        remove_id: int | None = None,
        again: bool = False,
    ) -> Tried | None:
        """Does it, or says at the fields why not: then None. What is only previewed is done and taken back.

        It is saved where nothing would move but what was shown, of the closure that was shown, and nobody plans or
        changes a calendar in between; or where it was saved before, ``again``.
        """
        try:
            with transaction.atomic():
                if save:
                    lock_calendars()
                preview = preview_change(add=add, remove_id=remove_id)
                there = None if remove_id is None else Closure.objects.get(pk=remove_id).rule
                shown = f"{preview.mark} {there}"
                saved = save and (again or [there] == add or form.was_shown(shown))
                closure = act()
                if not saved:
                    transaction.set_rollback(True)
                    form.remember(shown)
                other = save and form.was_shown_otherwise(shown)
                return Tried(closure=closure, preview=preview, saved=saved, other=other)
        except BadClosure as bad:
            form.refuse(bad.errors)
        except ClosureThere as there:
            said = _("The same days are there already, for the same people under the same name: %(closure)s.")
            form.add_error("first_day", said % {"closure": there.closure})
        except KeyReused:
            form.add_error(None, _("This form was saved before with other content. Nothing was changed: load it anew."))
        except ClosureRemoved:
            form.add_error(None, _("Somebody took it back meanwhile. Nothing was changed."))
        return None

    def _said(self, request: DeskRequest, closure: Closure, what: str, text: str) -> None:
        self.log_change(request, closure, what)
        messages.info(request, f"{text % {'closure': closure}} {PLANNED_ANEW}", extra_tags="calm")

    def _page(
        self,
        request: DeskRequest,
        form: SeenForm,
        *,
        closure: Closure | None = None,
        preview: Preview | None = None,
        removal: RemovalForm | None = None,
        other: bool = False,
        same: bool = False,
        status: int = 200,
    ) -> HttpResponse:
        context = {
            "view": "closures",
            "form": form,
            "closure": closure,
            "whom": whom_words(closure) if closure else "",
            "calendar": calendar_of(closure) if closure else "",
            "steps": steps_of(closure) if closure else [],
            "preview": preview,
            "removal": removal,
            "moved": moved_of(request, preview),
            "other": other,
            "same": same,
            "customers": None if closure else customers_for(request.scope).order_by("name")[:NAMES_OFFERED],
        }
        return render(request, "admin/sla/closure/page.html", context, status=status)

    def import_page(self, request: DeskRequest) -> HttpResponse:
        """Closures from a calendar file: each event with what becomes of it, then all of the new ones or none."""
        self._let_in(request)
        if request.method != "POST":
            form = ImportForm(initial={"key": uuid4().hex, "kind": ClosureKind.CLOSED})
            return self._import_page(request, form)
        form = ImportForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._import_page(request, form, status=422)
        tried = self._import(request, form, save=request.POST.get("do") == "save")
        if tried is None:
            return self._import_page(request, form, status=422)
        if tried.saved:
            messages.info(request, said_of(tried.found), extra_tags="calm")
            return redirect(LIST)
        return self._import_page(request, form, tried=tried)

    def _import(self, request: DeskRequest, form: ImportForm, *, save: bool) -> TriedFile | None:
        """As with one closure, of all new events together: what becomes of each is shown, and so part of the mark."""
        key = form.cleaned_data["key"]
        try:
            with transaction.atomic():
                if save:
                    lock_calendars()
                again = Closure.objects.filter(key__startswith=f"{key}:").exists()
                found = look_at(form.events, reach=form.reach, opens=form.opens)
                preview = preview_change(add=new_rules(found))
                shown = f"{preview.mark} {' '.join(one.state for one in found)}"
                saved = save and (again or form.was_shown(shown))
                done = import_closures(
                    events=form.events,
                    reach=form.reach,
                    opens=form.opens,
                    key=key,
                    by=signed_in(request),
                    at=request.at,
                )
                if not saved:
                    transaction.set_rollback(True)
                    form.remember(shown)
                return TriedFile(
                    found=done, preview=preview, saved=saved, other=save and form.was_shown_otherwise(shown)
                )
        except BadClosure as bad:
            form.refuse({name if name in form.fields else "file": text for name, text in bad.errors.items()})
        except KeyReused:
            form.add_error(None, _("This form was saved before with other content. Nothing was changed: load it anew."))
        return None

    def _import_page(
        self, request: DeskRequest, form: ImportForm, *, tried: TriedFile | None = None, status: int = 200
    ) -> HttpResponse:
        found = tried.found if tried else ()
        preview = tried.preview if tried else None
        states = Counter(one.state for one in found)
        context = {
            "view": "closures",
            "form": form,
            "found": found[:EVENTS_SHOWN],
            "count": len(found),
            "new": states["new"],
            "states": [(STATES[state], states[state]) for state in STATES if states[state]],
            "preview": preview,
            "moved": moved_of(request, preview),
            "other": tried is not None and tried.other,
            "customers": customers_for(request.scope).order_by("name")[:NAMES_OFFERED],
        }
        return render(request, "admin/sla/closure/import.html", context, status=status)

    # Inside Django admin's own guard, which sends anybody but admins to its sign-in page.
    import_page.door = "admin"  # type: ignore[attr-defined]

    def _let_in(self, request: DeskRequest) -> None:
        request.scope, request.at = scope_of(request.user), clock.now()
        if not request.scope.admin:
            raise PermissionDenied


def said_of(found: tuple[Found, ...]) -> str:
    """How many events were imported, and what became of the others."""
    states = Counter(one.state for one in found)
    said = [ngettext("%(n)d imported", "%(n)d imported", states["new"]) % {"n": states["new"]}]
    said += [f"{states[state]} {STATES[state]}" for state in REST if states[state]]
    told = f" {PLANNED_ANEW}" if states["new"] else ""
    return ", ".join(said) + "." + told
