"""What technicians type for the rarer verbs. Every error says what is wrong and what to do, at its field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.forms import KeyField, text_field
from incidents.models import Disposition, Incident
from incidents.numbers import grouped, typed
from supportdesk.people.models import Customer


class MergeForm(forms.Form):
    """The incident that stays, by its ticket number or picked from the customer's (D35)."""

    into = forms.CharField(
        label=_("Ticket number of the incident that stays"),
        max_length=40,
        error_messages={
            "required": _("Pick the incident that stays, or type its ticket number."),
            "max_length": _("A ticket number is a few digits, with or without spaces."),
        },
        widget=forms.TextInput(attrs={"class": "input number", "autocomplete": "off", "inputmode": "numeric"}),
    )
    picked = forms.CharField(required=False, max_length=40)

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.customer = customer
        if self.data.get("picked"):
            self.fields["into"].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        number = typed(str(data.get("into") or data.get("picked") or ""))
        found = Incident.objects.filter(customer=self.customer, number=number).first()
        if found is None:
            said = _("%(customer)s has no incident %(number)s. Duplicates are of one customer.")
            self.add_error("into", said % {"customer": self.customer, "number": grouped(number) or "?"})
        data["into"] = found
        return data


class DispositionForm(forms.Form):
    """What becomes of a feature request; the customer reads it (D18)."""

    key = KeyField()
    disposition = forms.ChoiceField(
        label=_("The feature request is"),
        choices=Disposition.choices,
        error_messages={"required": _("Choose one."), "invalid_choice": _("Choose one of the list.")},
        widget=forms.Select(attrs={"class": "input"}),
    )
    text = text_field(_("In words for the customer, if you like"), required="", rows=3)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].required = False
