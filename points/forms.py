"""Forms about points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from supportdesk.people.models import Customer


class BuyForm(forms.Form):
    """Which pack, for whom, in which currency."""

    key = forms.CharField(max_length=64, widget=forms.HiddenInput)
    # The pack, and the price that stood on its button, in the smallest unit.
    offer = forms.RegexField(
        r"^[0-9]{1,18}:[0-9]{1,18}$",
        error_messages={"required": _("Choose a pack."), "invalid": _("Choose one of the packs.")},
    )
    currency = forms.RegexField(r"^[A-Z]{3}$", error_messages={"required": _("Choose a currency.")})
    customer = forms.TypedChoiceField(error_messages={"invalid_choice": _("Choose one of your organisations.")})

    def clean_offer(self) -> tuple[int, int]:
        pack_id, amount_minor = self.cleaned_data["offer"].split(":")
        return int(pack_id), int(amount_minor)

    def __init__(self, *args: Any, holders: Sequence[Customer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {str(holder.pk): holder for holder in holders}
        field = self.fields["customer"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(pk, holder.name) for pk, holder in known.items()]
        field.coerce = known.__getitem__
