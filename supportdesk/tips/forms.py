"""What is typed on the pages of the tips."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from supportdesk.mail.outgoing import can_be_mailed
from supportdesk.policy import POLICY
from supportdesk.tips.models import Issue

YEARS: Final = (2000, 2999)


class AddressForm(forms.Form):
    """Where the tips shall go."""

    key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)
    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address"),
        max_length=254,
        error_messages={
            "required": gettext_lazy("Give the address that the tips shall go to."),
            "invalid": gettext_lazy("This is no e-mail address yet. It looks like name@company.com."),
        },
        widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        if not can_be_mailed(email):
            raise forms.ValidationError(_("No mail can be sent to this address. Check it."))
        return email


class IssueForm(forms.ModelForm[Issue]):
    """What an issue says."""

    class Meta:
        model = Issue
        fields = ("title", "year", "quarter", "text")
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "text": forms.Textarea(attrs={"rows": 30, "cols": 90, "maxlength": POLICY.tips_text_max})
        }

    def clean_year(self) -> int:
        year: int = self.cleaned_data["year"]
        if not YEARS[0] <= year <= YEARS[1]:
            raise forms.ValidationError(_("Give the year with four digits."))
        return year

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        if len(text) > POLICY.tips_text_max:
            said = _("This is longer than %(most)d characters. Nothing was lost: shorten it and save it again.")
            raise forms.ValidationError(said % {"most": POLICY.tips_text_max})
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.instance.pk and Issue.objects.filter(pk=self.instance.pk).exclude(started_at=None).exists():
            raise forms.ValidationError(_("It is being sent, or was: what it says can no longer be changed."))
        return data
