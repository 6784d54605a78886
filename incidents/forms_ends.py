"""What people type where an incident ends (D12, D15)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from incidents.forms import MessageForm, ReasonForm
from incidents.turning import REASONS, turn_of


class DeclineForm(ReasonForm):
    """Why an incident is declined: a reason of the list, and words that the customer reads (R11, D15).

    ``seen`` is the latest message that the page showed: a decline of what is not the latest any more stops.
    """

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    reason = forms.ChoiceField(
        label=_("Declined as"),
        choices=[(reason, reason) for reason in REASONS],
        error_messages={
            "required": _("Choose what it is declined as."),
            "invalid_choice": _("Choose what it is declined as."),
        },
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = self.fields["text"]
        text.label = _("What the customer reads")
        text.error_messages["required"] = _("Say why: the customer reads it.")
        text.widget.attrs["required"] = False

    def propose(self) -> None:
        """Puts the usual words of the chosen reason where nothing was written, to be read before they are sent."""
        words = turn_of(self.cleaned_data.get("reason", "")).words
        if words and not self.data.get(self.add_prefix("text"), "").strip():
            data = self.data.copy()  # type: ignore[attr-defined]  # of a request, so a QueryDict
            data[self.add_prefix("text")] = words
            self.data = data
            self.errors.pop("text", None)
            self.add_error("text", _("These are the usual words. Read them, change what does not fit, and decline."))


class CloseForm(MessageForm):
    """The customer's own closure, with a last word or without one (D12)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = self.fields["text"]
        text.label = _("A last word, if you like")
        text.required = False
        text.widget.attrs.update({"rows": 2, "required": False})
