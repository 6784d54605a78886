"""What a visitor of the demo's mailbox may write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from supportdesk.demo.people import PEOPLE
from supportdesk.demo.writing import Attached
from supportdesk.policy import POLICY

PROGRAMS: Final = (
    ("gmail", gettext_lazy("Gmail: HTML, quoted below")),
    ("outlook", gettext_lazy("Outlook: HTML, the original below a line")),
    ("plain", gettext_lazy("Plain text, quoted with >")),
)


class ManyFilesInput(forms.FileInput):
    """A file input that takes several."""

    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """Files of any kind and number, together no larger than a mail may be (D31)."""

    def __init__(self) -> None:
        super().__init__(required=False, label=gettext_lazy("Files"), widget=ManyFilesInput())

    def clean(self, data: Any, initial: Any = None) -> list[Attached]:
        files: list[UploadedFile[Any]] = [file for file in data or [] if file]
        if sum(file.size or 0 for file in files) > POLICY.mail_bytes_max:
            said = _("Together they are larger than %(size)s. Send fewer or smaller ones.")
            raise ValidationError(said % {"size": filesizeformat(POLICY.mail_bytes_max)})
        return [
            Attached(name=file.name or "file", content_type=file.content_type or "", body=file.read()) for file in files
        ]


class WritingForm(forms.Form):
    """What an answer and a new mail have alike."""

    text = forms.CharField(
        label=gettext_lazy("Text"), max_length=POLICY.text_max, widget=forms.Textarea(attrs={"rows": 6})
    )
    files = ManyFilesField()  # type: ignore[assignment]  # a field, which the form's own files are looked up beside
    program = forms.ChoiceField(label=gettext_lazy("Mail program"), choices=PROGRAMS, initial="gmail")


class AnswerForm(WritingForm):
    """An answer to a mail, written by one of those who got it."""

    sender = forms.ChoiceField(label=gettext_lazy("From"))
    field_order = ("sender", "text", "files", "program")

    def __init__(self, *args: Any, recipients: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        senders: forms.ChoiceField = self.fields["sender"]  # type: ignore[assignment]
        senders.choices = [(address, address) for address in recipients]
        if len(recipients) == 1:
            # Nothing to choose, so nothing to look at.
            senders.widget = forms.HiddenInput()
            senders.initial = recipients[0]
        dress(self)


class NewMailForm(WritingForm):
    """A new mail to the desk, from whomever the visitor wants to be."""

    sender = forms.ChoiceField(
        label=gettext_lazy("From"), choices=[(address, f"{name}, {address}") for name, address in PEOPLE]
    )
    other = forms.EmailField(label=gettext_lazy("Or from any other address"), required=False)
    subject = forms.CharField(label=gettext_lazy("Subject"), max_length=POLICY.subject_max, required=False)
    field_order = ("sender", "other", "subject", "text", "files", "program")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        dress(self)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        other = given.pop("other", "")
        if other:
            given["sender"] = other
        return given


def dress(form: forms.Form) -> None:
    """Gives every control the desk's class, and says of a wrong one that it is wrong, to ears too."""
    for name, field in form.fields.items():
        field.widget.attrs["class"] = "input"
        if form.is_bound and name in form.errors:
            field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"{form[name].auto_id}_error"}
