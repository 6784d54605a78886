"""Everybody's mailbox in the demo: mails as files, read forgivingly, and answers to them.

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
from email.message import EmailMessage, Message
from email.utils import format_datetime, getaddresses, make_msgid
from pathlib import Path
from typing import Final

from django.core.validators import validate_email

NAME: Final = re.compile(r"[0-9]{16}-[0-9a-f]{8}")
HEADER_MAX: Final = 2_000  # characters of one header that are shown
HTML_HEAD: Final = re.compile(r"<head\b[^>]{0,200}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as a mail program shows it. ``recipients`` is the envelope's, ``at`` when it arrived."""

    name: str
    at: datetime
    sender: str
    to: str
    subject: str
    date: str
    message_id: str
    references: str
    reply_to: str  # the bare address an answer goes to; empty if there is none
    recipients: tuple[str, ...]
    text: str
    html: str
    attachments: tuple[str, ...]
    raw: bytes

    @property
    def source(self) -> str:
        """The raw mail as text, for reading."""
        return self.raw.decode("utf-8", "replace")


def store(folder: Path, raw: bytes, recipients: Sequence[str], sender: str) -> str:
    """Keeps a mail that was delivered to ``recipients`` and gives its name. The file is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns() // 1000:016d}-{secrets.token_hex(4)}"
    envelope = [f"Return-Path: <{sender}>", *(f"Delivered-To: {recipient}" for recipient in recipients)]
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
    text, html, attachments = _parts(message)
    # Undecoded: words that decode to commas and angles would turn a name into an address
    addresses = [str(value) for field in ("Reply-To", "From") for value in message.get_all(field, [])]
    return Mail(
        name=name,
        at=datetime.fromtimestamp(int(name.split("-")[0]) / 1_000_000, tz=UTC),
        sender=_header(message, "From"),
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        date=_header(message, "Date"),
        message_id=_header(message, "Message-ID"),
        references=_header(message, "References"),
        reply_to=_address(addresses[0]) if addresses else "",
        recipients=tuple(filter(None, (_address(str(value)) for value in message.get_all("Delivered-To", [])))),
        text=text,
        html=html,
        attachments=attachments,
        raw=raw,
    )


def for_frame(html: str) -> str:
    """The HTML part for a sandboxed frame: its links open a window of their own, for the frame shows only mails."""
    base = '<base target="_blank">'
    head = HTML_HEAD.search(html)
    return html[: head.end()] + base + html[head.end() :] if head else base + html


def answer(mail: Mail, *, sender: str, text: str, at: datetime) -> EmailMessage:
    """The answer that a mail program would write: to ``Reply-To``, in the thread, the original quoted below."""
    subject = mail.subject if mail.subject[:3].lower() == "re:" else f"Re: {mail.subject}".strip()
    reply = write(sender=sender, to=mail.reply_to, subject=subject, text=f"{text.rstrip()}\n\n{quoted(mail)}", at=at)
    if mail.message_id:
        reply["In-Reply-To"] = mail.message_id
        reply["References"] = f"{mail.references} {mail.message_id}".strip()
    return reply


def write(*, sender: str, to: str, subject: str, text: str, at: datetime) -> EmailMessage:
    """A new mail of plain text. ``sender`` and ``to`` are bare, valid addresses."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = _one_line(subject)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = make_msgid(domain=sender.rsplit("@", 1)[1])
    mail.set_content("\n".join(text.splitlines()) + "\n")
    return mail


def quoted(mail: Mail) -> str:
    """The original below an answer, with the line above it that mail programs write."""
    lines = [f"> {line}".rstrip() for line in mail.text.splitlines()]
    return "\n".join([f"On {mail.date}, {mail.sender} wrote:", *lines])


def _parts(message: Message) -> tuple[str, str, tuple[str, ...]]:
    """The first plain text, the first HTML, and the names of everything else."""
    text, html, attachments = None, None, []
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
            attachments.append(_file_name(part) or kind)
    return text or "", html or "", tuple(attachments)


def _text_of(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        charset = part.get_content_charset("utf-8")
    except Exception:  # the parser's own slips on hostile headers are many and undocumented
        content, charset = str(part.get_payload()).encode("utf-8", "replace"), "utf-8"
    try:
        decoded = content.decode(charset, "replace")
    except (LookupError, ValueError):
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
