"""Addresses out of a header field, by one pass over it. Pure; strict where it matters: who wrote this (D26)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from supportdesk.mail.mime import decode_words
from supportdesk.mail.texts import one_line

# What every mail server reads alike: no quotes, no comments, no spaces. Anything else is no sender to go by.
_STRICT = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[^\s@<>()\[\],;:\\\"]+")
ADDRESS_CHARS_MAX = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A name and an address; ``address`` is empty where what stands there is none to rely on, as in a group."""

    name: str
    address: str


def mailboxes(value: str) -> tuple[Mailbox, ...]:
    """The mailboxes in the value of one address field, in order.

    >>> mailboxes('"Owner, Olive" <olive@acme.example>, (me) otto@other.example')
    (Mailbox(name='Owner, Olive', address='olive@acme.example'), Mailbox(name='', address='otto@other.example'))
    """
    return tuple(_mailbox(words, angle) for words, angle in _pieces(value))


def address_mark(address: str) -> str:
    """What an address is counted by (D27, D28): in any case, whatever stands behind a +, and of one length.

    >>> address_mark("Olive+a@acme.example") == address_mark("olive@ACME.example")
    True
    """
    local, _at, domain = address.strip().lower().rpartition("@")
    plain = f"{local.partition('+')[0]}@{domain}"
    return f"address:{hashlib.sha256(plain.encode()).hexdigest()[:40]}"


def _mailbox(words: str, angle: str | None) -> Mailbox:
    # Any other space belongs to the domain, and makes it another one to who looks it up.
    address = (words if angle is None else angle).strip(" \t")
    if len(address) > ADDRESS_CHARS_MAX or _STRICT.fullmatch(address) is None or _is_disguised(address):
        address = ""
    name = "" if angle is None and address else one_line(decode_words(words), 120)
    return Mailbox(name=name, address=address)


def _is_disguised(address: str) -> bool:
    """True where other letters become plain ones once their case or width is left aside, as the sign of Kelvin does."""
    return not address.isascii() and unicodedata.normalize("NFKC", address).lower().isascii()


def _pieces(value: str) -> Iterator[tuple[str, str | None]]:
    """What stands between the commas: the words, quotes taken off and comments left out, and what ``<>`` holds."""
    words: list[str] = []
    angle: list[str] | None = None
    spoiled = was_quoted = False
    into, quoted, escaped, comment = words, False, False, 0
    for letter in value + ",":
        if escaped:
            escaped = False
            if not comment:
                into.append(letter)
        elif letter == "\\" and (quoted or comment):
            escaped = True
        elif quoted and letter != '"':
            into.append(letter)
        elif comment or (letter == "(" and into is words):
            comment += {"(": 1, ")": -1}.get(letter, 0)
            if not comment:
                into.append(" ")  # it parts what stands before it from what stands behind it
        elif letter == '"' and into is words:
            quoted, was_quoted = not quoted, True
        elif letter == "<" and into is words:
            # A second one, or quotes inside, cannot be an address and will be seen as such.
            if angle is None:
                angle = []
            else:
                angle.append(letter)
            into = angle
        elif letter == ">" and into is not words:
            into = words
        elif letter in ",;" and into is words:
            if angle is not None or was_quoted or "".join(words).strip():
                # Quoted words are a name, even where they read like an address.
                plain = None if angle is None and not was_quoted else "".join(angle or ())
                yield "".join(words).strip(" \t"), "<" if spoiled else plain
            words, angle, spoiled, was_quoted = [], None, False, False
            into = words
        else:
            into.append(letter)
            # Words behind an address, groups, and brackets: some read another address in them.
            spoiled |= into is words and (letter in ":[])>" or (angle is not None and letter not in " \t"))
    # What was never closed is one broken mailbox: it must not pass for none.
    if quoted or comment or into is not words:
        yield "".join(words).strip(), "" if angle is None else "".join(angle).rstrip(",") + "<"
