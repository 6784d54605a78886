"""What a refusal or a delivery report says of an address (D28). Pure.

A report is only as good as what ties it to a mail of ours: the address that it comes to, which is that mail's alone,
or the Message-ID that it brings back together with the recipient, from the empty return path of servers. Whoever got
the mail knows both, nobody else does.
"""

from __future__ import annotations

import re

from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.reports import Bounce
from supportdesk.mail.texts import one_line

REASON_CHARS_MAX = 160
DELIVERY_REPORT = "delivery report"

_STATUS = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"\b5[0-9]{2}\b")
# The code, and the status again, that servers put before each line of what they say.
# The bracket before an address stays: the one behind it does, too.
_LEAD = re.compile(
    r"^(?:\s*(?:smtp;|[245]\d\d[ -]|#?[245]\.\d{1,3}\.\d{1,3}\b[ -]?|[-:;,#>*]|<(?![^<>\s@]{1,64}@[^<>\s@]{1,255}>)))+",
    re.IGNORECASE,
)
# Where the sentence ends, or what follows is about the conversation of the servers.
_END = re.compile(r"[.!?](?=\s|$)|\s[([](?:in reply to|state\b|#)|\s(?=(?:see|visit|please|learn more|https?:))", re.I)
_OURS = re.compile(
    r"relay|spam|junk|block(?:ed|list|ing)|black ?list|deny ?list|dnsbl|\brbl\b|polic(?:y|ies)|reputation|\bsender\b"
    r"|\bspf\b|\bdkim\b|\bdmarc\b|virus|malware|too (?:big|large|many)|message size|rate limit|authenti",
    re.IGNORECASE,
)
# Subjects by RFC 3463 whose details speak of us, of what the mail is, or of the way to it: content, policy, protocol,
# and of the others our address (1.7, 1.8), a mail too large (2.3, 3.4), a loop or a crowd on the way (4.5, 4.6).
_OF_OTHERS = re.compile(r"[45]\.(?:[567]\.\d+|1\.[78]|2\.3|3\.4|4\.[56])")
_LATE = re.compile(r"delay|warning|not yet|still (?:being|try)|will (?:be )?(?:retr|keep|continue)", re.IGNORECASE)
WORDS_READ = 20_000


def status_in(text: str) -> str:
    """The status of RFC 3463 in what a server said, or nothing.

    >>> status_in("550 5.1.1 User unknown")
    '5.1.1'
    """
    found = _STATUS.search(text)
    return found[1] if found else ""


def blames_address(status: str, words: str, *, otherwise: bool = True) -> bool:
    """True where it is the address that takes no mail, and not our mail or our server that is not wanted (D28).

    ``otherwise`` decides where neither the status nor the words tell.

    >>> blames_address("5.1.1", "User unknown"), blames_address("5.7.1", "Relaying denied")
    (True, False)
    """
    if status and not status.endswith(".0.0"):
        return _OF_OTHERS.fullmatch(status) is None
    return otherwise and _OURS.search(words) is None


def reason_of(said: str, *, status: str = "") -> str:
    """Why, in a line: the status and the first sentence of what the server said.

    >>> reason_of("550-5.1.1 The account does not exist. Please try to double-check it.")
    '5.1.1 The account does not exist'
    """
    status = status or status_in(said)
    words = _LEAD.sub("", one_line(said, 1000))
    end = _END.search(words)
    sentence = (words[: end.start()] if end else words).rstrip(" .,;:(")
    return one_line(f"{status} {sentence}" if status else sentence, REASON_CHARS_MAX)


def failure_in(mail: ParsedMail, *, to: tuple[str, ...], by_envelope: bool) -> Bounce | None:
    """That a report says of our mail to one address, in any of its spellings, that it failed; else None (D28).

    By the envelope's address it is about that mail whatever recipient it names: who forwards mail reports the place
    that it was forwarded to. By a Message-ID alone it must name the recipient.
    """
    named = next((bounce for bounce in mail.bounces if bounce.address.lower() in to), None)
    if named is not None or not by_envelope:
        return named
    if any(address.lower() in to for address in mail.delayed):
        return None
    if mail.bounces:
        return mail.bounces[0]
    if mail.delayed or mail.automatic != DELIVERY_REPORT:
        return None
    # A report in a dialect that nobody has read before: its words tell whether it is the last one.
    words = mail.text[:WORDS_READ]
    refused = status_in(words).startswith("5") or _CODE.search(words)
    if not refused or _LATE.search(mail.subject) or (_LATE.search(words) and not status_in(words).startswith("5")):
        return None
    line = next((line for line in words.splitlines() if status_in(line) or _CODE.search(line)), "")
    return Bounce(address=to[0], status=status_in(words), diagnostic=line.strip())
