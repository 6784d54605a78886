"""Customers in Django admin; their place has a page of its own, for it moves open deadlines (D21, D23)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from incidents.admin.seen import Moved, SeenForm
from incidents.services.places import BadPlace, WouldMove, move_customer, would_move
from sla.calendar import NoBusinessHours
from sla.calendars import planning_calendars
from sla.replanning import Preview
from supportdesk import clock
from supportdesk.people.admin import ContactInline, CustomerAdmin
from supportdesk.people.choosing import region_name
from supportdesk.people.doors import DeskRequest, signed_in
from supportdesk.people.models import Customer
from supportdesk.people.place_fields import CountryField, SubdivisionField, ZoneField, read_subdivision
from supportdesk.people.placing import place_errors, place_warnings
from supportdesk.people.scope import scope_of
from supportdesk.people.services import lock_customer
from supportdesk.places import Place, city_of

CHANGE: Final = "admin:people_customer_change"
PLACE: Final = ("country", "subdivision", "zone")


class NarrowContacts(ContactInline):
    """Contacts in lines that a small screen has room for."""

    formfield_overrides = {
        models.CharField: {"widget": forms.TextInput(attrs={"size": 20})},
        models.EmailField: {"widget": forms.EmailInput(attrs={"size": 24})},
    }


class NamedForm(forms.ModelForm[Customer]):
    """A customer's name and edition."""

    def add_error(self, field: str | None, error: Any) -> None:
        """What is wrong with the place, since holidays or zones have changed, stands above: it has no field here."""
        if isinstance(error, ValidationError) and set(getattr(error, "error_dict", ())) & set(PLACE):
            field, error = None, ValidationError(error.messages)
        super().add_error(field, error)


class MoveForm(SeenForm):
    """Another place for a customer; asks once more where the zone is not one of the country's (D21)."""

    country = CountryField()
    subdivision = SubdivisionField()
    zone = ZoneField()
    place_name = forms.CharField(label=gettext_lazy("Place name"), required=False, max_length=80)
    # The name that a preview filled in by itself: it goes again with its zone.
    filled = forms.CharField(required=False, widget=forms.HiddenInput)
    save_anyway = forms.BooleanField(label=gettext_lazy("Save anyway: this time zone is meant"), required=False)

    def __init__(self, data: Any = None, *, customer: Customer) -> None:
        super().__init__(data, initial={name: getattr(customer, name) for name in (*PLACE, "place_name")})
        self.customer = customer
        country, subdivision, zone = (self.fields[name] for name in PLACE)
        assert isinstance(country, CountryField)
        assert isinstance(subdivision, SubdivisionField)
        assert isinstance(zone, ZoneField)
        subdivision.of(str(self["country"].value() or ""))
        zone.keep(customer.zone)
        for name in (*PLACE, "place_name"):
            self.fields[name].widget.attrs["class"] = "input"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        data["subdivision"] = read_subdivision(data.get("country", ""), data.get("subdivision", ""))
        if not all(data.get(name) for name in ("country", "zone")):
            return data
        for field, errors in place_errors(self.place).items():
            self.add_error(field, errors)
        if not self.errors and not data.get("save_anyway"):
            for field, errors in place_warnings(self.place).items():
                self.add_error(field, errors)
                self.add_error("save_anyway", _("Tick this to save it as it is."))
        if not self.errors:
            self._name_place(data)
        return data

    def _name_place(self, data: dict[str, Any]) -> None:
        """A name that nobody typed goes with its place: it becomes the new zone's city, or again what it was (D21)."""
        own, given = self.customer.place_name, data.get("place_name") or ""
        if not given or given in (own, data.get("filled")):
            there = city_of(data["zone"])
            data["place_name"] = own if given and data["zone"] == self.customer.zone else there
            data["filled"] = data["place_name"]

    @property
    def place(self) -> Place:
        """The place that is asked for; whole only where its fields have no errors."""
        return Place(*(self.cleaned_data.get(name) or "" for name in PLACE))

    def remember(self, shown: str) -> None:
        super().remember(shown)
        for name in ("place_name", "filled"):
            self.data[name] = self.cleaned_data[name]  # type: ignore[index]  # a QueryDict

    def said(self) -> tuple[Place, str]:
        return self.place, self.cleaned_data["place_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a move: ``saved`` with ``count`` deadlines moved, or only shown; ``other`` than shown before."""

    preview: Preview
    rows: tuple[WouldMove, ...]
    count: int
    saved: bool
    other: bool


@admin.register(Customer)
class MovedCustomerAdmin(CustomerAdmin):
    """Customers, whose open deadlines go with their place (D23)."""

    inlines = (NarrowContacts,)

    def get_fields(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        return ("name", "edition", "where") if obj else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        return ("where",) if obj else ()

    def get_form(self, request: HttpRequest, obj: Customer | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({"form": NamedForm} if obj else {}), **kwargs)

    @admin.display(description=gettext_lazy("Place"))
    def where(self, customer: Customer) -> SafeString:
        region = region_name(customer.country, customer.subdivision)
        there = reverse("admin:people_customer_move", args=[customer.pk])
        return format_html(
            '{}, {}, {} <a href="{}">{}</a>', customer.place_name, region, customer.zone, there, _("Another place")
        )

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """Never the place of a customer that is there: somebody may have moved it since the form was loaded."""
        if change:
            obj.save(update_fields=["name", "edition"])
        else:
            super().save_model(request, obj, form, change)

    def get_urls(self) -> list[URLPattern]:
        own = self.admin_site.admin_view(self.move_page)
        return [path("<int:object_id>/move/", own, name="people_customer_move"), *super().get_urls()]

    def move_page(self, request: DeskRequest, object_id: int) -> HttpResponse:
        """Another place for a customer: which open deadlines it would move first, then exactly those (D23)."""
        request.scope, request.at = scope_of(request.user), clock.now()
        if not request.scope.admin:
            raise PermissionDenied
        customer = Customer.objects.filter(pk=object_id).first()
        if customer is None:
            raise Http404
        if request.method != "POST":
            return self._move_page(request, MoveForm(customer=customer))
        form = MoveForm(request.POST, customer=customer)
        if not form.is_valid():
            return self._move_page(request, form, status=422)
        tried = self._move(request, form, save=request.POST.get("do") == "save")
        if tried is None:
            return self._move_page(request, form, status=422)
        if not tried.saved:
            return self._move_page(request, form, tried=tried)
        there = form.cleaned_data["place_name"]
        self.log_change(request, customer, _("moved to %(place)s") % {"place": there})
        said = ngettext("%(n)d open deadline was moved.", "%(n)d open deadlines were moved.", tried.count)
        where = _("%(customer)s is in %(place)s now.") % {"customer": customer, "place": there}
        messages.info(request, " ".join([where, *([said % {"n": tried.count}] if tried.count else [])]))
        return redirect(CHANGE, customer.pk)

    # Inside Django admin's own guard, which sends anybody but admins to its sign-in page.
    move_page.door = "admin"  # type: ignore[attr-defined]

    def _move(self, request: DeskRequest, form: MoveForm, *, save: bool) -> Tried | None:
        """Does it, or says at the fields why not: then None. What is only previewed is done and taken back.

        It is saved where nothing would move but what was shown; from then on nobody changes the customer or a calendar.
        """
        place, place_name = form.said()
        try:
            with transaction.atomic():
                customer = lock_customer(form.customer.pk)
                planning_calendars()
                preview, rows = would_move(customer=customer, place=place)
                shown = f"{preview.mark} {customer.place} {customer.place_name}"
                again = (place, place_name) == (customer.place, customer.place_name)
                saved = save and (again or form.was_shown(shown))
                moved = move_customer(
                    customer_id=customer.pk,
                    country=place.country,
                    subdivision=place.subdivision,
                    zone=place.zone,
                    place_name=place_name,
                    user=signed_in(request),
                    at=request.at,
                )
                if not saved:
                    transaction.set_rollback(True)
                    form.remember(shown)
                other = save and form.was_shown_otherwise(shown)
                return Tried(preview=preview, rows=rows, count=len(moved), saved=saved, other=other)
        except BadPlace:
            for field, errors in place_errors(place).items():
                form.add_error(field, errors)
        except NoBusinessHours:
            form.add_error("country", _("Nothing is ever open there, so no deadline can be promised."))
        return None

    def _move_page(
        self, request: DeskRequest, form: MoveForm, *, tried: Tried | None = None, status: int = 200
    ) -> HttpResponse:
        preview = tried.preview if tried else None
        context = {
            "form": form,
            "customer": form.customer,
            "where": region_name(form.customer.country, form.customer.subdivision),
            "preview": preview,
            "moved": [_moved(row, form) for row in tried.rows] if tried else [],
            "there": form.cleaned_data["place_name"] if preview else "",
            "other": tried is not None and tried.other,
            "same": preview is not None and form.said() == (form.customer.place, form.customer.place_name),
        }
        return render(request, "admin/people/customer/move.html", context, status=status)


def _moved(row: WouldMove, form: MoveForm) -> Moved:
    row.incident.customer = form.customer  # known, so not asked for
    return Moved(
        incident=row.incident,
        old_due_at=row.old_due_at,
        new_due_at=row.new_due_at,
        old_zone=form.customer.zone,
        new_zone=form.place.zone,
    )
