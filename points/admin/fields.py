"""Money as people type it, with its errors at the field (D37)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from points.currencies import KNOWN, BadAmount, exponent, said, to_minor


class CurrencyField(forms.ChoiceField):
    """One of the currencies of ISO 4217."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("", "—"), *((code, code) for code in KNOWN)]
        super().__init__(label=gettext_lazy("Currency"), choices=choices, **kwargs)

    def to_python(self, value: Any) -> str:
        return str(value or "").strip().upper()

    def validate(self, value: Any) -> None:
        if value and value not in KNOWN:
            raise forms.ValidationError(
                _("“%(currency)s” is no currency. Give the three letters of ISO 4217, for example EUR.")
                % {"currency": value}
            )
        forms.Field.validate(self, value)


class AmountField(forms.DecimalField):
    """An amount as it is written: 245.10. How many decimals it may have is its currency's to say."""

    def __init__(self, **kwargs: Any) -> None:
        messages = {
            "invalid": gettext_lazy("Enter a number, for example 245.10."),
            "min_value": gettext_lazy("An amount is not below nothing."),
            "max_digits": gettext_lazy("An amount of more than %(max)s digits: check the number."),
            "max_whole_digits": gettext_lazy("An amount of more than %(max)s digits: check the number."),
        }
        super().__init__(
            max_digits=14, min_value=0, error_messages=messages | kwargs.pop("error_messages", {}), **kwargs
        )

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """No spinning of steps: the browser does not know the currency's decimals."""
        return {"inputmode": "decimal", "step": "any", "class": "vIntegerField"}


def minor_of(form: forms.Form | forms.ModelForm[Any], amount: Decimal | None, currency: str) -> int:
    """The typed amount in its currency's smallest unit; what is wrong with it stands at the field, and 0 is given."""
    try:
        return to_minor(amount or Decimal(0), currency)
    except BadAmount as error:
        if error.field == "currency":
            form.add_error("currency", _("Choose the currency."))
        else:
            form.add_error("amount", _too_fine(currency))
        return 0


def _too_fine(currency: str) -> str:
    return _("%(currency)s has %(decimals)d decimals, not more.") % {
        "currency": currency,
        "decimals": exponent(currency),
    }


def typed(minor: int, currency: str) -> str:
    """An amount as it is typed into the field: "245.10"."""
    return said(minor, currency).partition(" ")[2]
