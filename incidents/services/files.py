"""Files: kept as they come, claimed by what is sent with them, copied, moved, swept (D31).

The bytes lie under random names below ``settings.FILES_DIR``; a row says whose they are. They are written before
their row and removed after it, so that no row ever names bytes that are not there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q

from incidents.models import Attachment, Draft, Message
from incidents.services.common import Refused
from incidents.uploads import START_BYTES, clean_name, is_token, picture_of, too_large, too_many
from supportdesk.mail.models import OutgoingFile
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY

log = logging.getLogger(__name__)

SWEEP_BATCH = 500


class FileRefused(Refused):
    """A file was not taken; ``name`` is its name where one file is meant."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.name = name


class FileEmpty(FileRefused):
    """A file of no bytes tells nothing."""


class FileTooLarge(FileRefused):
    """A file may have POLICY.file_bytes_max bytes."""


class FileNotStored(FileRefused):
    """The disk did not take it."""


class FileGone(FileRefused):
    """No upload of that person waits under that token: swept, sent with something else, or somebody else's."""


class TooManyFiles(FileRefused):
    """A message may have POLICY.files_max files."""


class FilesTooLarge(FileRefused):
    """The files of a message may have POLICY.message_files_bytes_max bytes together."""


class TooManyWaiting(FileRefused):
    """Somebody may have POLICY.uploads_waiting_max uploads that were sent with nothing yet."""


def keep_upload(
    *,
    name: str,
    chunks: Iterable[bytes],
    at: datetime,
    user: User | None = None,
    contact: Contact | None = None,
    token: str = "",
    content_id: str = "",
    quiet: bool = False,
) -> Attachment:
    """Keeps one file of that person until something is sent with it; named by its ``token`` from then on (D31).

    The chunks are written, counted and hashed as they come, and none is asked for beyond the limit.
    A file of a mail has its ``content_id``, and a ``token`` that is the same whenever the mail is read.

    Raises FileEmpty, FileTooLarge, TooManyWaiting, FileNotStored; then nothing is kept.
    """
    name = clean_name(name)
    if Attachment.objects.filter(_waiting(user, contact)).count() >= POLICY.uploads_waiting_max:
        raise TooManyWaiting(name)
    stored = _new_place()
    try:
        size, digest, picture = _write(place_of(stored), chunks, name=name, at=at)
        return Attachment.objects.create(
            token=token or _new_token(),
            stored=stored,
            name=name,
            size=size,
            picture=picture,
            digest=digest,
            content_id=content_id,
            quiet=quiet,
            user=user,
            contact=contact,
            uploaded_at=at,
        )
    except (FileRefused, DatabaseError):
        place_of(stored).unlink(missing_ok=True)
        raise
    except OSError as error:
        log.exception("a file of %s was not stored", settings.FILES_DIR)
        place_of(stored).unlink(missing_ok=True)
        raise FileNotStored(name) from error


def attach(
    *,
    tokens: Collection[str],
    message: Message | None = None,
    draft: Draft | None = None,
    user: User | None = None,
    contact: Contact | None = None,
) -> list[Attachment]:
    """Gives uploads of that very person to a message or a draft, each once (D31). In the caller's transaction.

    Raises FileGone, TooManyFiles, FilesTooLarge; the caller's transaction then changes nothing.
    """
    wanted = set(tokens)
    if not wanted:
        return []
    if not all(is_token(token) for token in wanted):
        raise FileGone
    # In order of id, as every claim, so that two of the same files wait for each other and none for ever.
    claimed = list(Attachment.objects.select_for_update(no_key=True).filter(token__in=wanted).order_by("pk"))
    if len(claimed) != len(wanted) or not all(_is_of(file, user, contact) for file in claimed):
        raise FileGone
    there = Attachment.objects.filter(Q(message=message) if message else Q(draft=draft))
    sizes = [*there.values_list("size", flat=True), *(file.size for file in claimed)]
    if too_many(sizes):
        raise TooManyFiles
    if too_large(sizes):
        raise FilesTooLarge
    Attachment.objects.filter(pk__in=[file.pk for file in claimed]).update(message=message, draft=draft)
    for file in claimed:
        file.message, file.draft = message, draft
    return claimed


def hush_repeated(message: Message) -> int:
    """Makes the files of a mail quiet that its incident had before, such as the logo below each answer (D31).

    Gives how many.
    """
    before = Attachment.objects.filter(message__incident=message.incident_id).exclude(message=message)
    here = Attachment.objects.filter(message=message, quiet=False)
    return here.filter(digest__in=before.values("digest")).update(quiet=True)


def copy_of(file: Attachment, *, message: Message) -> Attachment:
    """The file of a message that is copied into a split's part: a row of its own, the same bytes; not saved (D14)."""
    return Attachment(
        token=_new_token(),
        stored=file.stored,
        name=file.name,
        size=file.size,
        picture=file.picture,
        digest=file.digest,
        content_id=file.content_id,
        quiet=file.quiet,
        message=message,
        user_id=file.user_id,
        contact_id=file.contact_id,
        uploaded_at=file.uploaded_at,
    )


def move_files(*, draft: Draft, message: Message) -> int:
    """Gives a draft's files to the first message of the incident that it became (D8)."""
    return Attachment.objects.filter(draft=draft).update(draft=None, message=message)


def drop_upload(*, token: str, user: User) -> bool:
    """Removes an upload of that person that nothing was sent with, and says whether there was one."""
    if not is_token(token):
        return False
    with transaction.atomic():
        waiting = Attachment.objects.select_for_update().filter(_waiting(user, None), token=token)
        gone = _forget(list(waiting))
    _unlink(gone)
    return bool(gone)


def sweep(*, at: datetime) -> int:
    """Removes uploads that nothing was sent with in POLICY.upload_hours, and bytes so old that have no row (D31).

    Gives how many files went. Uploads that somebody claims at this moment are left alone.
    """
    before = at - timedelta(hours=POLICY.upload_hours)
    swept = 0
    while True:
        with transaction.atomic():
            old = Attachment.objects.select_for_update(skip_locked=True).filter(
                message=None, draft=None, uploaded_at__lte=before
            )
            rows = list(old.order_by("uploaded_at", "pk")[:SWEEP_BATCH])
            gone = _forget(rows)
        swept += _unlink(gone)
        if len(rows) < SWEEP_BATCH:
            return swept + _sweep_strays(before)


def place_of(stored: str) -> Path:
    """Where the bytes of a row lie."""
    return Path(settings.FILES_DIR) / stored


def _new_token() -> str:
    return secrets.token_urlsafe(32)


def _new_place() -> str:
    name = secrets.token_hex(32)
    return f"{name[:2]}/{name}"


def _waiting(user: User | None, contact: Contact | None) -> Q:
    return Q(message=None, draft=None, user=user) if user else Q(message=None, draft=None, user=None, contact=contact)


def _is_of(file: Attachment, user: User | None, contact: Contact | None) -> bool:
    """True for an upload that waits and is that person's: by their sign-in, or as the contact that wrote a mail.

    What came in a mail of nobody's is claimed in nobody's name.
    """
    if file.message_id is not None or file.draft_id is not None:
        return False
    if file.user_id is not None:
        return file.user_id == (user.pk if user else contact.user_id if contact else None)
    return user is None and file.contact_id == (contact.pk if contact else None)


def _write(place: Path, chunks: Iterable[bytes], *, name: str, at: datetime) -> tuple[int, str, str]:
    """Writes the bytes; gives how many, their hash, and which kind of picture they are."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size, digest, start = 0, hashlib.sha256(), b""
    # "x": a random name that is there already would be somebody's file.
    with place.open("xb") as out:
        place.chmod(0o600)
        for chunk in chunks:
            size += len(chunk)
            if size > POLICY.file_bytes_max:
                raise FileTooLarge(name)
            start += chunk[: max(0, START_BYTES - len(start))]
            digest.update(chunk)
            out.write(chunk)
        if not size:
            raise FileEmpty(name)
        out.flush()
        os.fsync(out.fileno())
    # Its age is told by the one clock, as its row's is (D40).
    os.utime(place, (at.timestamp(), at.timestamp()))
    return size, digest.hexdigest(), picture_of(start)


def _forget(rows: list[Attachment]) -> list[str]:
    """Deletes rows; gives the places that no other row has."""
    Attachment.objects.filter(pk__in=[row.pk for row in rows]).delete()
    places = {row.stored for row in rows}
    return sorted(places - _needed(places))


def _needed(places: Collection[str]) -> set[str]:
    """Those of the places whose bytes a row still names: a file here, or one that goes out with a mail (D30)."""
    if not places:
        return set()
    rows = (Attachment.objects.filter(stored__in=places), OutgoingFile.objects.filter(stored__in=places))
    return {stored for named in rows for stored in named.values_list("stored", flat=True)}


def _unlink(places: Iterable[str]) -> int:
    removed = 0
    for stored in places:
        place_of(stored).unlink(missing_ok=True)
        removed += 1
    return removed


def _sweep_strays(before: datetime) -> int:
    """Removes bytes that never got a row: a process died, or a transaction rolled back, between the two.

    A database that knows no file at all is not the one of this folder, or not restored yet: then nothing is a stray.
    """
    if not Attachment.objects.exists():
        return 0
    root, removed = Path(settings.FILES_DIR), 0
    for folder in sorted(root.glob("[0-9a-f][0-9a-f]")):
        old = {
            f"{folder.name}/{entry.name}" for entry in os.scandir(folder) if entry.stat().st_mtime <= before.timestamp()
        }
        removed += _unlink(sorted(old - _needed(old)))
    return removed
