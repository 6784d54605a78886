"""What of a mail becomes a message: its text, its sanitised HTML, its files (D29, D31)."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import ngettext

from incidents.models import Attachment
from incidents.services.files import keep_upload
from incidents.uploads import PICTURE_BYTES, clean_name, is_icon, picture_of, too_large, too_many
from supportdesk.mail.clean_html import clean_html, lift_pictures, own_part, references
from supportdesk.mail.parse import ParsedMail, counts_as
from supportdesk.mail.quotes import unquoted
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY

# What programs add to each mail: they tell a person nothing.
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "text/x-vcard"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message of the mail says. ``html`` is sanitised, or empty where the mail had none (D31).

    ``left`` is how many files are not kept with the message: the original has them.
    """

    text: str
    html: str = ""
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFile:
    """A file of a mail. One that is ``quiet`` is no part of what was said: an icon, a signature, something quoted."""

    name: str
    payload: bytes
    content_id: str
    quiet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a mail that go with its message, in their order, and how many do not (D31)."""

    kept: tuple[MailFile, ...] = ()
    left: int = 0


def said_in(mail: ParsedMail) -> Said:
    """The text of the mail, and its HTML as it may be shown; where only files were sent, their names (D31)."""
    files = files_in(mail)
    return Said(text=_text(mail, files), html=clean_html(mail.html), left=files.left)


def has_files(mail: ParsedMail) -> bool:
    """True where the mail brings a file that somebody meant to send: then it says something without a text."""
    return any(not file.quiet for file in files_in(mail).kept)


def files_in(mail: ParsedMail) -> Files:
    """The mail's files within the limits of a message; what was meant is kept before what is quiet (D31)."""
    found = list(_found(mail))
    kept: dict[int, MailFile] = {}
    sizes: list[int] = []
    for place, file in sorted(enumerate(found), key=lambda pair: pair[1].quiet):
        more = [*sizes, len(file.payload)]
        fits = 0 < len(file.payload) <= POLICY.file_bytes_max and not too_many(more) and not too_large(more)
        if fits:
            kept[place], sizes = file, more
    return Files(kept=tuple(kept[place] for place in sorted(kept)), left=len(found) - len(kept))


def keep_files(mail: ParsedMail, *, contact: Contact | None, at: datetime) -> list[str]:
    """Keeps the mail's files as uploads of the contact who wrote it; gives their tokens (D31).

    A file of a mail has the same token however often the mail is read: none is there twice. Raises FileNotStored;
    the mail is then tried again.
    """
    files = files_in(mail).kept
    if not files:
        return []
    mark = f"{counts_as(mail)[0]}:{contact.pk if contact else ''}"
    tokens = [_token(mark, place) for place in range(len(files))]
    there = set(Attachment.objects.filter(token__in=tokens).values_list("token", flat=True))
    for token, file in zip(tokens, files, strict=True):
        if token not in there:
            keep_upload(
                name=file.name,
                chunks=[file.payload],
                at=at,
                contact=contact,
                token=token,
                content_id=file.content_id,
                quiet=file.quiet,
            )
    return tokens


def _token(mark: str, place: int) -> str:
    return urlsafe_b64encode(hashlib.sha256(f"{mark}:{place}".encode()).digest()).decode().rstrip("=")


def _found(mail: ParsedMail) -> Iterator[MailFile]:
    html, pictures = lift_pictures(mail.html)
    cleaned = clean_html(html) if mail.attachments or pictures else ""
    shown = frozenset(references(cleaned))
    own = frozenset(references(own_part(cleaned)))
    for file in mail.attachments:
        quiet = (
            bool(mail.automatic)
            or file.content_type in _SIGNATURES
            or _is_beside(file.payload, file.content_id, shown=shown, own=own)
        )
        yield MailFile(name=clean_name(file.name), payload=file.payload, content_id=file.content_id, quiet=quiet)
    for number, picture in enumerate(pictures, start=1):
        kind = picture_of(picture.payload[:PICTURE_BYTES])
        if kind:
            quiet = bool(mail.automatic) or _is_beside(picture.payload, picture.content_id, shown=shown, own=own)
            yield MailFile(
                name=f"picture-{number}.{kind}", payload=picture.payload, content_id=picture.content_id, quiet=quiet
            )


def _is_beside(payload: bytes, content_id: str, *, shown: frozenset[str], own: frozenset[str]) -> bool:
    """True for a picture in the mail's HTML that is an icon, or stands in what it quotes alone."""
    return content_id in shown and (content_id not in own or is_icon(payload[:PICTURE_BYTES]))


def _text(mail: ParsedMail, files: Files) -> str:
    if unquoted(mail.text).strip():
        return mail.text
    names = [file.name for file in files.kept if not file.quiet]
    if not names:
        return mail.text
    said = ngettext("%(n)d file: %(names)s", "%(n)d files: %(names)s", len(names)) % {
        "n": len(names),
        "names": ", ".join(names),
    }
    return f"{said}\n\n{mail.text.strip()}".strip()
