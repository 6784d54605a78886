"""What a visitor of the demo's mailbox may write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from supportdesk.policy import POLICY


class AnswerForm(forms.Form):
    """An answer to a mail, written by one of those who got it."""

    sender = forms.ChoiceField(label=_("From"))
    text = forms.CharField(label=_("Answer"), max_length=POLICY.text_max, widget=forms.Textarea)

    def __init__(self, *args: Any, recipients: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        senders: forms.ChoiceField = self.fields["sender"]  # type: ignore[assignment]
        senders.choices = [(address, address) for address in recipients]
        dress(self)


class NewMailForm(forms.Form):
    """A new mail to the desk, from whomever the visitor wants to be."""

    sender = forms.EmailField(label=_("From"))
    subject = forms.CharField(label=_("Subject"), max_length=POLICY.subject_max, required=False)
    text = forms.CharField(label=_("Text"), max_length=POLICY.text_max, widget=forms.Textarea)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)


def dress(form: forms.Form) -> None:
    """Gives every control the desk's class, and says of a wrong one that it is wrong, to ears too."""
    for name, field in form.fields.items():
        field.widget.attrs["class"] = "input"
        if form.is_bound and name in form.errors:
            field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"{form[name].auto_id}_error"}
