"""Everybody's mailbox in the demo: mails as files, read forgivingly. ``writing`` makes the answers to them.

Whatever bytes a mail has, it can be listed, shown and refused an answer: nothing here raises for the
content of a mail.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Final

from django.core.validators import validate_email

from supportdesk.mail.shown_html import data_address

NAME: Final = re.compile(r"[0-9]{16}-[0-9a-f]{8}")
HEADER_MAX: Final = 2_000  # characters of one header that are shown
HTML_HEAD: Final = re.compile(r"<head\b[^>]{0,200}>", re.IGNORECASE)
HTML_CID: Final = re.compile(r"cid:([^\"'\s<>()]{1,300})", re.IGNORECASE)
SHORT_CHARS, LONG_CHARS = 300, 900  # of the text, where the frame around the HTML is low or high
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
ABOVE: Final = "Please answer above this line."
SENT_BY: Final = "X-Sent-By"  # of a mail that was written here: whose it is


@dataclass(frozen=True, slots=True)
class File:
    """A part of a mail that is not its text. ``content_id`` is what its HTML calls it."""

    part: Message
    name: str
    content_type: str
    content_id: str

    @property
    def body(self) -> bytes:
        """The bytes; what cannot be decoded is as it stands in the mail."""
        return _payload(self.part)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as a mail program shows it. ``recipients`` is the envelope's, ``at`` when it arrived.

    ``dated`` is when it was written, as it says itself, but never after it arrived.
    """

    name: str
    at: datetime
    dated: datetime
    sender: str
    to: str
    subject: str
    date: str
    message_id: str
    references: str
    reply_to: str  # the bare address an answer goes to; empty if there is none
    return_path: str  # where a machine answers to, as the envelope said
    recipients: tuple[str, ...]
    sent_by: str  # who wrote it here; empty of what came
    text: str
    html: str
    parts: tuple[File, ...]
    raw: bytes

    @property
    def owner(self) -> str:
        """In whose mailbox it lies: who got it, or who wrote it here."""
        return self.sent_by or next(iter(self.recipients), "")

    @property
    def files(self) -> tuple[File, ...]:
        """The parts that came along: all that the HTML does not show in place."""
        shown = {found.lower() for found in HTML_CID.findall(self.html)}
        return tuple(file for file in self.parts if file.content_id.lower() not in shown)

    @property
    def pictures(self) -> tuple[File, ...]:
        """The parts that the HTML shows in place."""
        shown = {found.lower() for found in HTML_CID.findall(self.html)}
        return tuple(file for file in self.parts if file.content_id and file.content_id.lower() in shown)

    @property
    def called(self) -> str:
        """Who wrote it, by name where the mail has one."""
        return parseaddr(self.sender)[0] or self.sender

    @property
    def starts(self) -> str:
        """The first words of it, for a list."""
        return _one_line(self.text[:400]).removeprefix(ABOVE).lstrip()[:140]

    @property
    def paper(self) -> str:
        """About how much room its HTML needs in a frame."""
        if len(self.text) < SHORT_CHARS and not self.pictures:
            return "short"
        return "long" if len(self.text) > LONG_CHARS or self.pictures else ""

    @property
    def source(self) -> str:
        """The raw mail as text, for reading."""
        return self.raw.decode("utf-8", "replace")


def store(folder: Path, raw: bytes, recipients: Sequence[str], sender: str, *, sent_by: str = "") -> str:
    """Keeps a mail that was delivered to ``recipients`` and gives its name. The file is there whole or not at all.

    ``sent_by`` is of a mail that was written here, and lies in its writer's mailbox.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns() // 1000:016d}-{secrets.token_hex(4)}"
    envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
    envelope += [f"{SENT_BY}: {sent_by}"] if sent_by else []
    lines = "".join(_one_line(line) + "\r\n" for line in envelope)
    draft = folder / f".{name}"
    with draft.open("wb") as file:
        file.write(lines.encode("utf-8", "surrogateescape") + raw)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / f"{name}.eml")
    return name


def newest(folder: Path, *, at_most: int) -> list[Mail]:
    """The mails that arrived last, newest first."""
    names = sorted((file.stem for file in folder.glob("*.eml") if NAME.fullmatch(file.stem)), reverse=True)
    return [mail for name in names[:at_most] if (mail := read(folder, name)) is not None]


def read(folder: Path, name: str) -> Mail | None:
    """The mail of that name, or None. A name that is no mail's name reads no file."""
    if not NAME.fullmatch(name):
        return None
    try:
        raw = (folder / f"{name}.eml").read_bytes()
    except FileNotFoundError:
        return None
    return parse(raw, name=name)


def parse(raw: bytes, *, name: str) -> Mail:
    """Reads a mail's bytes. What cannot be decoded is shown with replacement characters."""
    message = message_from_bytes(raw)
    text, html, parts = _parts(message)
    # Undecoded: words that decode to commas and angles would turn a name into an address
    addresses = [str(value) for field in ("Reply-To", "From") for value in message.get_all(field, [])]
    at = datetime.fromtimestamp(int(name.split("-")[0]) / 1_000_000, tz=UTC)
    return Mail(
        name=name,
        at=at,
        dated=_dated(message, at),
        sender=_header(message, "From"),
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        date=_header(message, "Date"),
        message_id=_header(message, "Message-ID"),
        references=_header(message, "References"),
        reply_to=_address(addresses[0]) if addresses else "",
        return_path=_address(str(message.get("Return-Path", ""))),
        recipients=tuple(filter(None, (_address(str(value)) for value in message.get_all("Delivered-To", [])))),
        sent_by=_address(str(message.get(SENT_BY, ""))),
        text=text,
        html=html,
        parts=parts,
        raw=raw,
    )


def for_frame(mail: Mail) -> str:
    """The HTML part for a sandboxed frame: its pictures within it, for the frame loads nothing.

    Its links open a window of their own, for the frame shows only mails.
    """
    pictures = {
        file.content_id.lower(): data_address(file.content_type.partition("/")[2], file.body)
        for file in mail.pictures
        if file.content_type in PICTURES
    }
    html = HTML_CID.sub(lambda found: pictures.get(found[1].lower(), found[0]), mail.html)
    base = '<base target="_blank">'
    head = HTML_HEAD.search(html)
    return html[: head.end()] + base + html[head.end() :] if head else base + html


def _parts(message: Message) -> tuple[str, str, tuple[File, ...]]:
    """The first plain text, the first HTML, and everything else."""
    text, html, files = None, None, []
    for part in message.walk():
        if part.is_multipart():
            continue
        kind = part.get_content_type()
        attached = str(part.get("Content-Disposition", "")).lower().startswith("attachment")
        if kind == "text/plain" and text is None and not attached:
            text = _text_of(part)
        elif kind == "text/html" and html is None and not attached:
            html = _text_of(part)
        else:
            content_id = _one_line(str(part.get("Content-ID", ""))).strip("<>")[:300]
            files.append(File(part, _file_name(part) or kind, kind, content_id))
    return text or "", html or "", tuple(files)


def _dated(message: Message, at: datetime) -> datetime:
    try:
        dated = parsedate_to_datetime(str(message.get("Date", "")))
        return min(dated.astimezone(UTC), at)
    except Exception:  # as above
        return at


def _payload(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
        return payload if isinstance(payload, bytes) else b""
    except Exception:  # the parser's own slips on hostile headers are many and undocumented
        return str(part.get_payload()).encode("utf-8", "replace")


def _text_of(part: Message) -> str:
    content = _payload(part)
    try:
        decoded = content.decode(part.get_content_charset("utf-8"), "replace")
    except Exception:  # as above; and charsets that nobody knows
        decoded = content.decode("utf-8", "replace")
    return decoded.replace("\r\n", "\n").replace("\x00", "�")


def _file_name(part: Message) -> str:
    try:
        return _shown(part.get_filename() or "")
    except Exception:  # as above
        return ""


def _header(message: Message, field: str) -> str:
    return _shown(message.get(field, ""))


def _shown(value: object) -> str:
    """A header's value in words, on one line."""
    try:
        decoded = str(make_header(decode_header(str(value))))
    except Exception:  # as above: unknown charsets, broken base64, surrogates
        decoded = str(value)
    return _one_line(decoded.encode("utf-8", "replace").decode())[:HEADER_MAX]


def _one_line(value: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())


def _address(header: str) -> str:
    """The first address of a header if it is one that can be written to; empty otherwise."""
    try:
        address = next((address for _, address in getaddresses([header]) if address), "")
        validate_email(address)
    except Exception:  # not only ValidationError: as above
        return ""
    return address
