"""Customers in Django admin, with what a new place does to their open deadlines: said first, then done (D21, D23)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from incidents.services import places
from supportdesk import clock, words
from supportdesk.people.admin import CustomerAdmin, CustomerForm
from supportdesk.people.doors import signed_in
from supportdesk.people.models import Customer
from supportdesk.places import city_of

SHOWN_MAX = 20


class MovedCustomerForm(CustomerForm):
    """Shows which open deadlines another place moves, and saves it once that is confirmed (D23)."""

    move_deadlines = forms.BooleanField(
        label=_("Move the open deadlines"),
        required=False,
        help_text=_("Asked for where another place moves deadlines: they are listed before anything is saved."),
    )
    # What was shown: a tick counts for the deadlines that stood beside it, not for those of a place chosen since.
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        now = Customer.objects.filter(pk=self.instance.pk).first()
        if now is None or self.errors:
            return data
        if data["zone"] != now.zone and data.get("place_name") == now.place_name:
            data["place_name"] = ""  # the name of a place that they left: it becomes the new zone's city
        if said := self._would_move(now, there=data["place_name"] or city_of(data["zone"])):
            shown = sha256("\n".join(said).encode()).hexdigest()
            if not data.get("move_deadlines") or data.get("shown") != shown:
                self.add_error("move_deadlines", [ValidationError(line) for line in said])
                asked = self.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
                asked["shown"] = shown
                asked.pop("move_deadlines", None)
                self.data = asked
        return data

    def _would_move(self, now: Customer, *, there: str) -> list[str]:
        """One line for each open deadline that would move, the first ones, below how many they are."""
        if self.place == now.place:
            return []
        try:
            preview, rows = places.would_move(customer=now, place=self.place)
        except places.BadPlace:
            return []  # said at its field by the customer itself
        if preview.closed:
            self.add_error("country", _("Nothing is ever open there, so no deadline can be promised."))
            return []
        if not preview.moved:
            return []
        head = ngettext(
            "%(n)d open deadline moves. Tick the box and save again:",
            "%(n)d open deadlines move. Tick the box and save again:",
            preview.moved,
        ) % {"n": preview.moved}
        lines = [_line(row, now=now, zone=self.place.zone, there=there) for row in rows[:SHOWN_MAX]]
        more = preview.moved - len(lines)
        return [head, *lines, *([str(_("and %(n)d more") % {"n": more})] if more else [])]


def _line(row: places.WouldMove, *, now: Customer, zone: str, there: str) -> str:
    return str(
        _("%(number)s: %(old)s in %(here)s → %(new)s in %(there)s")
        % {
            "number": row.incident.shown_number,
            "old": words.day_and_time(row.old_due_at, now.zone, at=row.old_due_at),
            "here": now.place_name,
            "new": words.day_and_time(row.new_due_at, zone, at=row.old_due_at),
            "there": there,
        }
    )


@admin.register(Customer)
class MovedCustomerAdmin(CustomerAdmin):
    """Customers, whose open deadlines go with their place (D23)."""

    form = MovedCustomerForm

    def get_fields(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        fields = list(super().get_fields(request, obj))
        return fields if obj else [name for name in fields if name not in ("move_deadlines", "shown")]

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        """The place by its service, which locks the customer first, then all else."""
        if change:
            moved = places.move_customer(
                customer_id=obj.pk,
                country=obj.country,
                subdivision=obj.subdivision,
                zone=obj.zone,
                place_name=obj.place_name,
                user=signed_in(request),
                at=clock.now(),
            )
            if moved:
                said = ngettext("%(n)d open deadline was moved.", "%(n)d open deadlines were moved.", len(moved))
                messages.info(request, said % {"n": len(moved)})
        super().save_model(request, obj, form, change)
