"""What a mail server reports of a mail of ours: not delivered, late, opened (D28). Pure.

RFC 3464 in its dialects, the reports in words of qmail (QSBMF), and those of Exim.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from supportdesk.mail.addresses import mailboxes
from supportdesk.mail.mime import Mime, Part, decode_text, parse_headers
from supportdesk.mail.texts import message_ids, one_line

REPORT_FIELDS_MAX = 100
WORDS_MAX = 200_000  # of a report in words
DIAGNOSTIC_CHARS_MAX = 400

_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_RETURNED_TYPES = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_KINDS = {
    "message/disposition-notification": "read receipt",
    "message/global-disposition-notification": "read receipt",
    "message/feedback-report": "feedback report",
}
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_RECIPIENT = re.compile(r"<([^<>\s]{1,254})>:[ \t]*(?:\n|\Z)")
_RETURNED_ID = re.compile(r"^[ \t]*message-id:[ \t]*(<[^<>\s]{1,248}>)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """A recipient that a mail did not reach. ``status`` is that of RFC 3463 ("5.1.1"), where one is told."""

    address: str
    status: str = ""
    diagnostic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail reports; ``kind`` is empty where it is no report."""

    kind: str = ""
    failed: tuple[Bounce, ...] = ()
    delayed: tuple[str, ...] = ()
    returned_id: str = ""


def report_in(mime: Mime, *, from_server: bool) -> Report:
    """The report that a mail is. Words count as one only ``from_server``: with nobody to answer to (D28)."""
    if mime.content_type == "multipart/report":
        return _of_parts(mime)
    return _in_words(mime) if from_server else Report()


def _of_parts(mime: Mime) -> Report:
    failed: dict[str, Bounce] = {}
    delayed: dict[str, None] = {}
    kind, returned_id, others = "", "", False
    for part in mime.parts:
        if part.content_type in _STATUS_TYPES:
            for block in re.split(rb"\r?\n\r?\n", part.payload(), maxsplit=REPORT_FIELDS_MAX):
                action, bounces = _recipient(block)
                others = others or action not in ("", "failed", "delayed")
                if action == "failed":
                    failed.update({bounce.address: bounce for bounce in bounces if bounce.address not in failed})
                elif action == "delayed":
                    delayed.update(dict.fromkeys(bounce.address for bounce in bounces))
        elif part.content_type in _RETURNED_TYPES:
            returned_id = next(iter(message_ids(parse_headers(part.payload()).first("message-id"))), returned_id)
        elif part.content_type in _KINDS:
            kind = _KINDS[part.content_type]
            fields = parse_headers(part.payload())
            returned_id = next(iter(message_ids(fields.first("original-message-id"))), returned_id)
    if not kind:
        kind = "delivery report"
        if not failed and (delayed or others):
            kind = "delivery delayed" if delayed else "delivery notice"
    return Report(kind=kind, failed=tuple(failed.values()), delayed=tuple(delayed), returned_id=returned_id)


def _recipient(block: bytes) -> tuple[str, list[Bounce]]:
    """What happened to one recipient, by its fields."""
    fields = parse_headers(block)
    action = fields.first("action").partition("(")[0].strip().lower()
    recipient = fields.first("original-recipient") or fields.first("final-recipient")
    status = _STATUS.search(fields.first("status"))
    diagnostic = one_line(fields.first("diagnostic-code").partition(";")[2], DIAGNOSTIC_CHARS_MAX)
    # Exchange and others of old leave the type out.
    address = recipient.partition(";")[2] or recipient
    return action, [
        Bounce(address=mailbox.address, status=status[1] if status else "", diagnostic=diagnostic)
        for mailbox in mailboxes(address)
        if mailbox.address
    ]


def _in_words(mime: Mime) -> Report:
    """A report of qmail or of Exim of old; their words are the format."""
    words = next((_words(part) for part in mime.parts if part.content_type == "text/plain"), "")
    named = [mailbox.address for value in mime.headers.all("x-failed-recipients") for mailbox in mailboxes(value)]
    failed = {address: Bounce(address=address) for address in named[:REPORT_FIELDS_MAX] if address}
    if words.lstrip().startswith("Hi. This is the"):
        failed |= _by_paragraphs(words)
    elif not failed:
        return Report()
    returned = _RETURNED_ID.search(words)
    return Report(
        kind="delivery report",
        failed=tuple(failed.values()),
        returned_id=next(iter(message_ids(returned[1])), "") if returned else "",
    )


def _by_paragraphs(words: str) -> dict[str, Bounce]:
    """The recipients of a QSBMF report: a paragraph each, up to the one that begins with a hyphen."""
    failed: dict[str, Bounce] = {}
    for paragraph in _BLANK_LINE.split(words, maxsplit=REPORT_FIELDS_MAX):
        paragraph = paragraph.strip()
        if paragraph.startswith("-"):
            break
        recipient = _RECIPIENT.match(paragraph)
        if recipient:
            reason = one_line(paragraph[recipient.end() :], DIAGNOSTIC_CHARS_MAX)
            status = _STATUS.search(reason)
            for mailbox in mailboxes(recipient[1]):
                if mailbox.address:
                    told = Bounce(address=mailbox.address, status=status[1] if status else "", diagnostic=reason)
                    failed.setdefault(mailbox.address, told)
    return failed


def _words(part: Part) -> str:
    return decode_text(part.payload()[:WORDS_MAX], part.charset)[0]
