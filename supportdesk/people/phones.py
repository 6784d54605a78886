"""Phone numbers are kept in E.164 (D37), and found however somebody writes or dials them (D20)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# What is dialled before a country code, by country, and before an area code: every prefix there is but rare carriers'.
INTERNATIONAL: Final = ("011", "010", "810")  # and 00, which is known by itself
NATIONAL: Final = ("06", "0", "1", "8")
DIGITS_MIN, DIGITS_MAX = 3, 24
WHOLE_MIN: Final = 5  # fewer digits are no whole number anywhere: nothing was dialled before them
_SCHEME = re.compile(r"^(?:tel|sips?|callto):", re.IGNORECASE)
_EXTENSION = re.compile(r"(?:;.*|[\s,]*(?:ext(?:ension)?|x|#)[\s.:=]*\d{1,7}\s*)$", re.IGNORECASE)
_PLAIN = re.compile(r"\+?[\d\s()/.\-‐-―·]+")
_TRUNK = re.compile(r"\(\s*0\s*\)")


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


def dialled(text: str) -> str:
    """A number as a telephone system or a person gives it, tidied: its digits, after a plus where it has one.

    Empty where it is none. A plus that an address turned into a space is a plus again, and so is the prefix of
    international calls.

    >>> dialled("tel:0049-30-901820"), dialled(" 49 30 901820"), dialled("030/90 18-20"), dialled("anonymous")
    ('+4930901820', '+4930901820', '030901820', '')
    """
    plus_lost = text[:1] == " " and text[1:2].isdecimal()
    text = _SCHEME.sub("", unicodedata.normalize("NFKC", text[:200]).strip()).partition("@")[0]
    text = _EXTENSION.sub("", text).strip()
    if not _PLAIN.fullmatch(text):
        return ""
    plus = text.startswith("+") or plus_lost
    digits = _digits(_TRUNK.sub("", text) if plus or text.startswith("00") else text)
    if not DIGITS_MIN <= len(digits) <= DIGITS_MAX:
        return ""
    if not plus and digits.startswith("00") and len(digits) > WHOLE_MIN + 2:
        # No country's code begins with 11: that is Australia's own way to dial abroad.
        return f"+{digits[4 if digits.startswith('0011') else 2 :]}"
    return f"+{digits}" if plus else digits


def endings(text: str) -> tuple[str, ...]:
    """How an E.164 number may end that somebody dials or reads aloud as ``text``, whatever country they are in.

    >>> endings("030 901820")
    ('030901820', '30901820')
    >>> endings("+49 30 901820")
    ('4930901820',)
    """
    number = dialled(text)
    if number.startswith("+"):
        return (number[1:],)
    found = [number] if number else []
    for prefix in (*INTERNATIONAL, *NATIONAL):
        rest = number.removeprefix(prefix)
        if rest != number and len(rest) >= WHOLE_MIN:
            found.append(rest)
    return tuple(dict.fromkeys(found))


def is_whole(text: str, stored: str) -> bool:
    """True where ``text`` is all of the E.164 number ``stored``, in an international or a national form.

    >>> is_whole("(902) 555-0173", "+19025550173"), is_whole("0173", "+19025550173")
    (True, False)
    """
    try:
        national = phonenumbers.national_significant_number(phonenumbers.parse(stored))
    except phonenumbers.NumberParseException:
        return False
    whole = {stored.removeprefix("+")} if text.strip().startswith("+") else {stored.removeprefix("+"), national}
    return bool(whole & set(endings(text)))


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())
