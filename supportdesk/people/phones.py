"""Phone numbers are kept in E.164 (D37)."""

from __future__ import annotations

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def e164(text: str, *, country: str = "") -> str:
    """``text`` as E.164, a national form being read as one of ``country`` (ISO 3166, two letters).

    Raises ValidationError where it is no possible number.

    >>> e164("030 901820", country="DE")
    '+4930901820'
    """
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValidationError(
            {"phone": _("“%(text)s” is no phone number. Begin with + and the country code.") % {"text": text}}
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def readable(number: str) -> str:
    """An E.164 number in the spaced form that people read."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
