"""Ticket numbers: short, sequential, safe to say on the phone (D9). Pure.

A number is a serial with one Damm check digit behind it, which catches every single wrong digit and
every swap of neighbours. It gives nobody access to anything.
"""

from __future__ import annotations

import re

from stdnum import damm

DIGITS_MIN, DIGITS_MAX = 5, 12
# In one run, or in groups of three as we write it; digits beside it make it part of something else.
_NOT_BEFORE = r"(?<![\d.,:/+\-])"
_NOT_AFTER = r"(?!\d|[.,:/\-]\d)"
_RUN = re.compile(rf"{_NOT_BEFORE}\d{{{DIGITS_MIN},{DIGITS_MAX}}}{_NOT_AFTER}")
_GROUPS = re.compile(
    rf"{_NOT_BEFORE}(?<!\d[ \u00a0\u202f])\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}}){{1,3}}{_NOT_AFTER}(?![ \u00a0\u202f]\d)"
)


def number_of(serial: int) -> str:
    """The ticket number of a serial: its digits and their check digit.

    >>> number_of(10482)
    '104826'
    """
    digits = str(serial)
    return digits + damm.calc_check_digit(digits)


def is_number(text: str) -> bool:
    """True where ``text`` is digits with a right check digit: a ticket number that could exist."""
    return text.isascii() and text.isdigit() and DIGITS_MIN <= len(text) <= DIGITS_MAX and bool(damm.is_valid(text))


def grouped(number: str) -> str:
    """In groups of three from the right, parted by a narrow no-break space, as pages and mails show it.

    >>> grouped("104826")
    '104\\u202f826'
    """
    head = len(number) % 3
    groups = [number[:head]] if head else []
    groups += [number[i : i + 3] for i in range(head, len(number), 3)]
    return "\u202f".join(groups)


def typed(text: str) -> str:
    """What somebody typed or read aloud as bare digits: spaces, dots, dashes and a leading # are dropped.

    >>> typed(" #104 826 ")
    '104826'
    """
    return "".join(character for character in text if character.isascii() and character.isdigit())


def numbers_in(text: str) -> tuple[str, ...]:
    """The different ticket numbers that ``text`` names, in order; what fails the check digit is none (D26).

    >>> numbers_in("Re: [104 826] and 104826, not 104827 and not +49 30 104826")
    ('104826',)
    """
    matches = sorted((*_RUN.finditer(text), *_GROUPS.finditer(text)), key=lambda match: match.start())
    found = (typed(match.group()) for match in matches)
    return tuple(dict.fromkeys(number for number in found if is_number(number)))
