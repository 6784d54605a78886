"""What technicians type while somebody is on the line. Every error says what is wrong and what to do (D20)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from incidents.access import current_releases
from incidents.forms import KeyField, ReleaseField, text_field
from incidents.models import ACCEPTED_KINDS, Direction, Release
from incidents.statuses import Status
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY

THEN = [
    (Status.OPEN.value, _("stay open")),
    (Status.WAITING.value, _("wait for the customer")),
    (Status.CLOSED.value, _("close")),
]
NOW, LATER = "now", "later"


def _line(label: Any, *, most: int, **more: Any) -> forms.CharField:
    attrs = {"class": "input", "autocomplete": "off", **more.pop("attrs", {})}
    return forms.CharField(label=label, max_length=most, widget=forms.TextInput(attrs=attrs), **more)


class CallForm(forms.Form):
    """A call that becomes an incident: only the subject is needed, details can follow (R8)."""

    key = KeyField()
    release = ReleaseField(
        label=_("Product and release"),
        queryset=Release.objects.none(),
        empty_label=_("Choose"),
        error_messages={
            "required": _("Choose the product and release it happens with."),
            "invalid_choice": _(
                "This release is not on offer: unknown, not out yet, or out of support. Choose another."
            ),
        },
        widget=forms.Select(attrs={"class": "input"}),
    )
    kind = forms.ChoiceField(
        label=_("Kind of problem"),
        choices=[("", _("Choose")), *((kind.value, kind.label) for kind in ACCEPTED_KINDS)],
        error_messages={"required": _("Choose a kind."), "invalid_choice": _("Choose a kind.")},
        widget=forms.Select(attrs={"class": "input"}),
    )
    subject = _line(
        _("In one line"),
        most=POLICY.subject_max,
        error_messages={"required": _("Say in one line what the problem is.")},
        attrs={"data-keep": "subject"},
    )
    text = text_field(_("What the caller says"), required="", rows=5)
    answered = forms.ChoiceField(
        label=_("Answer"),
        choices=[(NOW, _("Answered during the call")), (LATER, _("We call or write back"))],
        initial=LATER,
        error_messages={"required": _("Choose one of the two."), "invalid_choice": _("Choose one of the two.")},
        widget=forms.RadioSelect,
    )
    told = text_field(_("What you told the caller"), required="", rows=3)
    then = forms.ChoiceField(
        label=_("then"), choices=THEN, initial=Status.OPEN.value, widget=forms.Select(attrs={"class": "input"})
    )

    def __init__(self, *args: Any, at: datetime, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["release"].queryset = current_releases(at=at, zone=zone)  # type: ignore[attr-defined]
        for name in ("text", "told"):
            self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["subject"] = " ".join(data.get("subject", "").split())
        data["text"] = data.get("text") or data["subject"]
        told, answered = data.get("told", ""), data.get("answered")
        if "told" in self.errors:
            return data
        if answered == NOW and not told:
            self.add_error(
                "told", _("Write at least one sentence: it is the recorded answer, and the customer reads it.")
            )
        if answered == LATER and told:
            self.add_error("told", _("Choose “answered during the call” above for this to count, or take it out here."))
        return data


class LoggedCallForm(forms.Form):
    """A call from or to the customer on an incident that exists (D20)."""

    key = KeyField()
    contact = forms.ModelChoiceField(
        label=_("With"),
        queryset=Contact.objects.none(),
        empty_label=None,
        error_messages={
            "required": _("Choose whom you talked to."),
            "invalid_choice": _("Choose a contact of this customer who may see this incident."),
        },
        widget=forms.Select(attrs={"class": "input"}),
    )
    direction = forms.ChoiceField(
        label=_("Who called"),
        choices=[(Direction.IN.value, _("They called us")), (Direction.OUT.value, _("We called them"))],
        initial=Direction.IN.value,
        widget=forms.Select(attrs={"class": "input"}),
    )
    text = text_field(_("What was said"), required=_("Write what was said: the customer reads it."), rows=4)
    then = forms.ChoiceField(
        label=_("then"), choices=THEN, initial=Status.OPEN.value, widget=forms.Select(attrs={"class": "input"})
    )
    mail = forms.BooleanField(label=_("Send this as a mail, too"), required=False)
    reopen = forms.BooleanField(label=_("They say it is exactly the same problem: ask to re-open it"), required=False)

    def __init__(self, *args: Any, contacts: QuerySet[Contact], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["contact"].queryset = contacts  # type: ignore[attr-defined]

    def clean_then(self) -> str:
        return str(self.cleaned_data["then"] or Status.OPEN.value)


class CallerForm(forms.Form):
    """A caller who isn't known yet: a name, and an address or a number (D20)."""

    key = KeyField()
    name = _line(_("Name"), most=120, error_messages={"required": _("Ask for the name.")}, attrs={"data-keep": "name"})
    email = forms.CharField(
        label=_("E-mail address"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "off", "data-keep": "email"}),
    )
    phone = forms.CharField(
        label=_("Phone number"),
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"class": "input", "type": "tel", "autocomplete": "off", "data-keep": "phone"}),
    )
    shared = forms.BooleanField(label=_("Another person at the same number"), required=False)
    said = text_field(_("What they say so far"), required="", rows=3)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["said"].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("email") and not data.get("phone") and not {"email", "phone"} & set(self.errors):
            self.add_error("phone", _("Give a phone number or an e-mail address: one of them at least."))
        return data
