"""What an admin says of closures: days, a name, whom they are for; or a calendar file (D23)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from incidents.admin.seen import SeenForm
from sla.closures import Reach, Rule
from sla.ics import BadCalendar, Event, parse
from sla.importing import words_of
from sla.models import Closure, ClosureKind
from supportdesk.people.choosing import RegionField
from supportdesk.people.models import Customer
from supportdesk.policy import POLICY

# Names the customer that is meant where two are called the same.
NUMBERED = re.compile(r".*\((\d{1,18})\)\s*", re.ASCII | re.DOTALL)
SAMES_SHOWN = 5
# A browser sends lines of a form with CR and LF, whatever ends they had.
LINE_END = re.compile(r"\r\n?")


class CustomerField(forms.CharField):
    """A customer by name, which the browser completes; by name and number where two have the same name."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"class": "input", "list": "customers", "autocomplete": "off"})
        super().__init__(widget=widget, max_length=200, **kwargs)

    def clean(self, value: Any) -> Any:
        name = super().clean(value)
        if not name:
            return None
        found = list(Customer.objects.filter(name__iexact=name)[: SAMES_SHOWN + 1])
        if not found and (numbered := NUMBERED.fullmatch(name)):
            found = list(Customer.objects.filter(pk=int(numbered[1])))
        if not found:
            raise ValidationError(_("No customer is called “%(name)s”.") % {"name": name})
        if len(found) > 1:
            same = ", ".join(f"{one.name} ({one.pk})" for one in found[:SAMES_SHOWN])
            raise ValidationError(_("Several are called so. Give one with its number: %(same)s.") % {"same": same})
        return found[0]


def _day(label: Any, *, required: bool) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": "input"}),
        error_messages={
            "required": gettext_lazy("Give the first day."),
            "invalid": gettext_lazy("Give a date: year, month and day, as 2027-12-24."),
        },
    )


class ReachForm(SeenForm):
    """Whom it is for, and whether it closes or opens."""

    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    kind = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[
            (ClosureKind.CLOSED, gettext_lazy("Closure: nobody answers")),
            (ClosureKind.OPEN, gettext_lazy("Open day: 9:00–17:00, also on a holiday or weekend")),
        ],
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={
            "required": gettext_lazy("Say whether it closes or opens."),
            "invalid_choice": gettext_lazy("Days are closed, or opened."),
        },
    )
    place = RegionField(label=gettext_lazy("For the place"), empty=gettext_lazy("Everywhere"), required=False)
    customer = CustomerField(label=gettext_lazy("Or for one customer"), required=False)

    @property
    def reach(self) -> Reach:
        country, subdivision = self.cleaned_data["place"]
        customer = self.cleaned_data["customer"]
        return Reach(country, subdivision, customer.pk if customer else None)

    @property
    def opens(self) -> bool:
        return bool(self.cleaned_data["kind"] == ClosureKind.OPEN)


class DaysForm(SeenForm):
    """The days of a closure or open day, and its name."""

    first_day = _day(gettext_lazy("First day"), required=True)
    last_day = _day(gettext_lazy("Last day, included"), required=False)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=POLICY.closure_name_max,
        widget=forms.TextInput(attrs={"class": "input"}),
        error_messages={"required": gettext_lazy("Give a name: customers read it where a deadline is explained.")},
    )

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last; one day where no last one is given."""
        first = self.cleaned_data["first_day"]
        return first, self.cleaned_data["last_day"] or first


class ClosureForm(DaysForm, ReachForm):
    """A new closure or open day."""

    field_order = ("kind", "place", "customer", "first_day", "last_day", "name")

    def said(self) -> Rule:
        return Rule(*self.days, self.cleaned_data["name"], opens=self.opens, reach=self.reach)


class ChangeForm(DaysForm):
    """Other days or another name for one that is there."""

    def __init__(self, data: QueryDict | None = None, *, closure: Closure) -> None:
        days = {"first_day": closure.first_day, "last_day": closure.last_day, "name": closure.name}
        super().__init__(data, initial=days)
        self.closure = closure

    def said(self) -> Rule:
        first, last = self.days
        return self.closure.rule._replace(first_day=first, last_day=last, name=self.cleaned_data["name"])


class RemovalForm(SeenForm):
    """To take one back that is there; beside a form to change it."""

    prefix = "removal"

    def __init__(self, data: QueryDict | None = None, *, closure: Closure) -> None:
        super().__init__(data)
        self.closure = closure

    def said(self) -> int:
        return self.closure.pk


class ImportForm(ReachForm):
    """Closures from a calendar file; ``source`` carries its text from the preview to the import."""

    file = forms.FileField(
        label=gettext_lazy("Calendar file (.ics)"),
        required=False,
        allow_empty_file=True,
        widget=forms.ClearableFileInput(attrs={"class": "input", "accept": ".ics,text/calendar"}),
    )
    source = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        upload = data.get("file")
        if upload:
            raw = upload.read(POLICY.closure_file_bytes_max + 1)
        else:
            raw = LINE_END.sub("\n", data.get("source", "")).encode()
        if not raw and not upload:
            self.add_error("file", _("Choose a file."))
            return data
        try:
            self.events: tuple[Event, ...] = parse(raw)
        except BadCalendar as bad:
            self.add_error("file", words_of(bad))
            return data
        data["source"] = LINE_END.sub("\n", raw.decode("utf-8-sig"))
        return data

    def said(self) -> Any:
        return self.cleaned_data["source"], self.reach, self.opens

    def remember(self, shown: str) -> None:
        super().remember(shown)
        self.data[self.add_prefix("source")] = self.cleaned_data["source"]  # type: ignore[index]  # a QueryDict
