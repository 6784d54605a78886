"""What people type about incidents. Every error says what is wrong and what to do, at its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from incidents.cases import REASON_MAX, REFERENCE_MAX, CaseOutcome, Choice
from incidents.forms_files import FilesMixin
from incidents.models import NoticeCode, Release
from incidents.notices import Way
from incidents.statuses import Status
from points.lifetimes import end_of
from supportdesk.people.models import Contact
from supportdesk.places import zone_info
from supportdesk.policy import POLICY

TOO_LONG = _(
    "This is %(length)s characters long; a message may have %(most)s. "
    "Nothing was lost: shorten it, or send the rest as a second message."
)


class KeyField(forms.CharField):
    """The key that was made with the form, so that sending it twice is sending it once."""

    def __init__(self) -> None:
        # The services put a word and a colon before it ("open:…"), and keep 64 characters: nobody may forge those.
        plain = RegexValidator(r"\A[0-9A-Za-z-]+\Z")
        super().__init__(max_length=50, min_length=8, validators=[plain], widget=forms.HiddenInput)


def renew_key(form: forms.Form, *, seen: int = 0) -> None:
    """Shows a form that was not taken with all that was typed, and a key with which it can be sent again."""
    data = form.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
    data[form.add_prefix("key")] = uuid4().hex
    if "seen" in form.fields:
        data[form.add_prefix("seen")] = str(seen)
    form.data = data


def text_field(label: Any, *, required: Any, rows: int = 8) -> forms.CharField:
    return forms.CharField(
        label=label,
        # No max_length: browsers cut what is pasted down to it without a word, and the end of a log is what counts.
        validators=[_not_too_long],
        error_messages={"required": required},
        # The page keeps what was not sent; a browser that goes back would bring what was sent, too, to be sent anew.
        widget=forms.Textarea(attrs={"class": "input", "rows": rows, "autocomplete": "off", "data-keep": "text"}),
    )


def _not_too_long(text: str) -> None:
    if len(text) > POLICY.text_max:
        shown = {"length": intcomma(len(text)), "most": intcomma(POLICY.text_max)}
        raise ValidationError(TOO_LONG % shown, code="max_length")


class ReleaseField(forms.ModelChoiceField[Release]):
    """Current releases, by product (R12, D19)."""

    def label_from_instance(self, release: Release) -> str:
        return str(release)


class MessageForm(FilesMixin, forms.Form):
    """What a customer adds to an incident."""

    key = KeyField()
    text = text_field(_("Your message"), required=_("Write something first."), rows=5)


class IdsField(forms.Field):
    """Ids of what a page showed or what was ticked there, however often the name was sent."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> frozenset[int]:
        return frozenset(int(one) for one in value or () if str(one).isdecimal() and len(str(one)) < 19)


class RecipientsForm(forms.Form):
    """Who gets the mail of what is sent: ``shown`` are those that the page named, ``to`` those left ticked (D38).

    Without ``shown`` nobody is left out.
    """

    shown = IdsField(required=False)
    to = IdsField(required=False)

    @property
    def left_out(self) -> frozenset[int]:
        """Whom the sender leaves out this once."""
        return self._ids("shown") - self._ids("to")

    def unseen(self, readers: Sequence[Contact]) -> list[Contact]:
        """Who gets the mail by now, and was not named on the page that it is sent from."""
        shown = self._ids("shown")
        return [reader for reader in readers if reader.pk not in shown] if shown else []

    def _ids(self, name: str) -> frozenset[int]:
        if not self.is_bound:
            return frozenset()
        field, prefixed = self.fields[name], self.add_prefix(name)
        ids: frozenset[int] = field.clean(field.widget.value_from_datadict(self.data, self.files, prefixed))
        return ids


class AnswerForm(FilesMixin, RecipientsForm):
    """A technician's answer, or a closing word, and what comes then (D10, D11).

    ``seen`` is the latest message that the page showed: an answer to what is not the latest any more stops.
    """

    key = KeyField()
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    text = text_field(_("Your answer"), required=_("Write the answer first."))
    then = forms.ChoiceField(
        label=_("then"),
        choices=[
            (Status.WAITING.value, _("wait for the customer")),
            (Status.OPEN.value, _("stay open")),
            (Status.CLOSED.value, _("close")),
        ],
        widget=forms.Select(attrs={"class": "input"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Closing may do without a word: whether it may here is the service's to say.
        self.fields["text"].required = self.data.get(self.add_prefix("then")) != Status.CLOSED.value
        self.fields["text"].widget.attrs["required"] = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("files") and not data.get("text") and "text" not in self.errors:
            self.add_error("text", _("Write a line that the files go with."))
        return data


class NoteForm(FilesMixin, forms.Form):
    """An internal note (D22)."""

    key = KeyField()
    text = text_field(_("Internal note"), required=_("Write the note first."), rows=4)


class ReasonForm(RecipientsForm):
    """Why a re-opening is refused; the customer reads it (D16)."""

    key = KeyField()
    text = text_field(_("Why it is a different problem"), required=_("Say why: the customer reads it."), rows=3)


class FollowerForm(forms.Form):
    """Who follows an incident, or no longer (D38)."""

    contact = forms.ModelChoiceField(
        queryset=Contact.objects.none(),
        error_messages={
            "required": _("Choose who follows it."),
            "invalid_choice": _("This is no contact of the incident’s customer, or they have left. Choose again."),
        },
    )

    def __init__(self, *args: Any, contacts: QuerySet[Contact], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["contact"].queryset = contacts  # type: ignore[attr-defined]


class NoticeSettingsForm(forms.Form):
    """How somebody is told of each thing: two boxes a row, one of them at least (D39)."""

    def __init__(
        self, *args: Any, codes: Sequence[NoticeCode], chosen: Mapping[NoticeCode, Way], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.codes = codes
        for code in codes:
            for name, on in (("page", chosen[code].on_page), ("mail", chosen[code].by_mail)):
                self.fields[f"{code.value}_{name}"] = forms.BooleanField(required=False, initial=on)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for code in self.codes:
            if not (data.get(f"{code.value}_page") or data.get(f"{code.value}_mail")):
                self.add_error(f"{code.value}_page", _("Choose the page, mail, or both. Nothing was changed."))
        return data

    @property
    def chosen(self) -> dict[NoticeCode, Way]:
        data = self.cleaned_data
        return {
            code: Way(on_page=data[f"{code.value}_page"], by_mail=data[f"{code.value}_mail"]) for code in self.codes
        }

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What the table shows."""
        return [
            {
                "label": code.label,
                "page": self[f"{code.value}_page"],
                "boxes": [(self[f"{code.value}_page"], _("by page")), (self[f"{code.value}_mail"], _("by mail"))],
            }
            for code in self.codes
        ]


class BugForm(forms.Form):
    """A product failure, with the reference under which it is known (D17)."""

    key = KeyField()
    reference = forms.CharField(
        label=_("Reference of the bug"),
        max_length=REFERENCE_MAX,
        help_text=_("The customer reads it, for example QM-4518."),
        error_messages={"required": _("Give the reference of the bug: the customer may ask about it.")},
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )


class ChoiceForm(forms.Form):
    """How the customer wants a charge back (R14)."""

    choice = forms.ChoiceField(choices=Choice.choices)


class LaterForm(forms.Form):
    """A later last day for points that are given back (D3)."""

    later = forms.DateField(
        label=_("Last day, where the customer is"),
        required=False,
        error_messages={"invalid": _("Give a day as 2027-12-31.")},
        widget=forms.DateInput(attrs={"class": "input", "type": "date"}),
    )

    def __init__(self, *args: Any, at: datetime, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = at.astimezone(zone_info(zone)).date()
        self.zone = zone

    def clean_later(self) -> date | None:
        day: date | None = self.cleaned_data["later"]
        if day is not None and day <= self.today:
            raise forms.ValidationError(_("This day is not ahead. Give a later one."))
        if day is not None and day.year > self.today.year + POLICY.credit_years_max:
            raise forms.ValidationError(
                _("More than %(n)d years ahead: check the year.") % {"n": POLICY.credit_years_max}
            )
        return day

    @property
    def until(self) -> datetime | None:
        """The instant at which the granted day is over."""
        day = self.cleaned_data.get("later")
        return None if day is None else end_of(day, self.zone)


class DecisionForm(LaterForm):
    """An admin's word on a product failure: one of three buttons (D17)."""

    key = KeyField()
    do = forms.ChoiceField(
        choices=[
            (CaseOutcome.CREDITED.value, _("Give back the points")),
            (CaseOutcome.REFUNDED.value, _("Refund the card")),
            (CaseOutcome.REFUSED.value, _("Refuse the credit")),
        ],
        error_messages={
            "required": _("Press one of the buttons: nothing is decided yet."),
            "invalid_choice": _("Points are given back, the card is refunded, or the credit is refused."),
        },
    )
    later_why = forms.CharField(
        label=_("Reason for the later day"),
        required=False,
        max_length=REASON_MAX,
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    why = forms.CharField(
        label=_("Reason, in words for the customer"),
        required=False,
        max_length=REASON_MAX,
        widget=forms.Textarea(attrs={"class": "input", "rows": 4}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("do") == CaseOutcome.REFUSED and not data.get("why") and "why" not in self.errors:
            self.add_error("why", _("Say why: the customer reads it."))
        if data.get("do") == CaseOutcome.CREDITED and data.get("later") and not data.get("later_why"):
            self.add_error("later_why", _("Say why the points live longer: it stands in the ledger for ever."))
        return data

    @property
    def reason(self) -> str:
        """The reason that belongs to the button; a refund needs none."""
        field = {CaseOutcome.REFUSED.value: "why", CaseOutcome.CREDITED.value: "later_why"}
        do = self.cleaned_data["do"]
        return str(self.cleaned_data[field[do]]) if do in field else ""

    @property
    def granted(self) -> datetime | None:
        """The later end, where points are given back."""
        return self.until if self.cleaned_data["do"] == CaseOutcome.CREDITED else None
