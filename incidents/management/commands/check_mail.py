"""``./desk manage check_mail``: mails, what became of them and their files agree; prints what does not (D29, D30)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from incidents.models import Attachment
from supportdesk import clock
from supportdesk.mail.models import OutgoingFile

# What is due for longer than this has no worker: one looks every few seconds.
GRACE: Final = timedelta(minutes=15)
PIECE: Final = 1024 * 1024

# Each gives one column: what differs, in words. LATE is the instant before which all is done that was due.
CHECKS: Final = (
    # In (D29)
    """SELECT format('received mail %s: due since %s, and nobody has handled it', id, next_try_at)
       FROM mail_rawmail WHERE outcome = '' AND next_try_at < LATE""",
    """SELECT format('received mail %s: %s, and %s', id, CASE outcome WHEN '' THEN 'not handled' ELSE outcome END,
                     CASE outcome WHEN '' THEN 'has an instant of that' ELSE 'nobody knows when' END)
       FROM mail_rawmail WHERE (outcome = '') <> (handled_at IS NULL)""",
    """SELECT format('received mail %s: %s, and there is no message of it', raw.id, raw.outcome)
       FROM mail_rawmail raw WHERE raw.outcome IN ('added', 'request')
         AND NOT EXISTS (SELECT FROM incidents_message m WHERE m.raw_mail_id = raw.id)""",
    """SELECT format('received mail %s: made a draft, and there is none of it', raw.id)
       FROM mail_rawmail raw WHERE raw.outcome = 'draft'
         AND NOT EXISTS (SELECT FROM incidents_draftmail d WHERE d.came_id = raw.id)""",
    """SELECT format('received mail %s: held since %s, and not among held mail', raw.id, raw.handled_at)
       FROM mail_rawmail raw WHERE raw.outcome = 'held' AND raw.handled_at < LATE
         AND NOT EXISTS (SELECT FROM incidents_heldmail h WHERE h.raw_mail_id = raw.id)""",
    """SELECT format('received mail %s: came before as %s, which does not count itself', raw.id, raw.reason)
       FROM mail_rawmail raw WHERE raw.outcome = 'duplicate'
         AND NOT EXISTS (
             SELECT FROM mail_rawmail one WHERE one.id::text = raw.reason AND one.outcome <> 'duplicate')""",
    """SELECT format('received mail %s: %s, and message %s was made of it', raw.id,
                     CASE raw.outcome WHEN '' THEN 'not handled' ELSE raw.outcome END, m.id)
       FROM mail_rawmail raw JOIN incidents_message m ON m.raw_mail_id = raw.id
       LEFT JOIN incidents_heldmail h ON h.raw_mail_id = raw.id
       LEFT JOIN incidents_draftmail d ON d.came_id = raw.id
       WHERE raw.outcome = 'duplicate' OR raw.outcome = '' AND h.id IS NULL
          OR raw.outcome = 'held' AND (h.id IS NULL OR h.settled_as = '' OR h.settled_at IS NULL)
          OR raw.outcome = 'draft' AND d.id IS NULL""",
    """SELECT format('received mail %s: message %s and draft %s were made of it', m.raw_mail_id, m.id, d.id)
       FROM incidents_message m JOIN incidents_draft d ON d.raw_mail_id = m.raw_mail_id
       WHERE d.incident_id IS NULL AND d.discarded_at IS NULL""",
    """SELECT format('message %s: came by mail, and has no source', m.id) FROM incidents_message m
       LEFT JOIN incidents_message source ON source.id = m.copied_from_id
       WHERE m.via = 'mail' AND m.kind IN ('customer', 'automatic')
         AND coalesce(m.raw_mail_id, source.raw_mail_id) IS NULL""",
    """SELECT format('held mail %s: of received mail %s, which is %s', h.id, raw.id, raw.outcome)
       FROM incidents_heldmail h JOIN mail_rawmail raw ON raw.id = h.raw_mail_id
       WHERE raw.outcome NOT IN ('', 'held') AND h.settled_at IS NULL""",
    """SELECT format('held mail %s: attached, and there is no message of it', h.id)
       FROM incidents_heldmail h WHERE h.settled_as = 'attached'
         AND NOT EXISTS (SELECT FROM incidents_message m WHERE m.raw_mail_id = h.raw_mail_id)""",
    # Out (D30)
    """SELECT format('outgoing mail %s: claimed until %s, and nobody has taken it since', id, claimed_until)
       FROM mail_outgoingmail WHERE sent_at IS NULL AND failed_at IS NULL AND claimed_until < LATE""",
    """SELECT format('outgoing mail %s: %s, and still claimed', id,
                     CASE WHEN sent_at IS NULL THEN 'failed' ELSE 'sent' END)
       FROM mail_outgoingmail WHERE num_nonnulls(sent_at, failed_at) > 0 AND claimed_until IS NOT NULL""",
    """SELECT format('outgoing mail %s: sent at %s, queued at %s', id, sent_at, queued_at)
       FROM mail_outgoingmail WHERE sent_at < queued_at""",
    """SELECT format('message %s: mailed to contact %s in %s mails', l.message_id, l.contact_id, count(*))
       FROM incidents_incidentmail l JOIN mail_outgoingmail mail ON mail.id = l.mail_id
       WHERE l.message_id IS NOT NULL GROUP BY l.message_id, l.contact_id, mail.kind HAVING count(*) > 1""",
    """SELECT format('outgoing mail %s: of no incident, and is an %s', mail.id, mail.kind)
       FROM mail_outgoingmail mail WHERE mail.kind LIKE 'incident\\_%' AND mail.about LIKE 'incident:%'
         AND NOT EXISTS (SELECT FROM incidents_incidentmail l WHERE l.mail_id = mail.id)""",
    """SELECT format('tips issue %s: mailed to reader %s, and no mail is kept', issue_id, subscriber_id)
       FROM tips_delivery WHERE mail_id IS NULL AND withdrawn_at IS NULL""",
    """SELECT format('outgoing mail %s: of an issue of the tips, and of no reader', mail.id)
       FROM mail_outgoingmail mail WHERE mail.bulk AND mail.kind = 'tips_issue'
         AND NOT EXISTS (SELECT FROM tips_delivery d WHERE d.mail_id = mail.id)""",
)


class Command(BaseCommand):
    help = (
        "Proves that mails in and out, what became of them and their files agree (D29, D30, D31)."
        " Exit status 1 where they do not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--digests", action="store_true", help="read every file, and compare it with its SHA-256: slow"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        at = clock.now()
        outermost = not connection.in_atomic_block
        with transaction.atomic(), connection.cursor() as cursor:
            if outermost:
                # One instant for all checks: a desk that is working meanwhile must not look broken.
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            differences = sum(self._print(line) for line in _rows(cursor, late=at - GRACE))
            cursor.execute("SELECT (SELECT count(*) FROM mail_rawmail), (SELECT count(*) FROM mail_outgoingmail)")
            came, went = cursor.fetchone()
        # Outside of it: files are slow, and a sweep beside this takes rows and bytes away together.
        files = 0
        for line in _files(digests=options["digests"]):
            if line is None:
                files += 1
            else:
                differences += self._print(line)
        verdict = f"{differences} differences" if differences else "nothing differs"
        self.stdout.write(f"{came} mails came, {went} went or wait, {files} files are there: {verdict}")
        if differences:
            raise CommandError("Mail does not agree with itself.")

    def _print(self, line: str) -> int:
        self.stdout.write(line)
        return 1


def _rows(cursor: Any, *, late: datetime) -> Iterator[str]:
    for check in CHECKS:
        cursor.execute(check.replace("LATE", f"timestamptz '{late.isoformat()}'"))
        for (line,) in cursor:
            yield line


def _files(*, digests: bool) -> Iterator[str | None]:
    """None for each file that is as it should be, else what is wrong (D31)."""
    attached = Attachment.objects.order_by("pk").values_list("pk", "stored", "size", "digest")
    for pk, stored, size, digest in attached.iterator(chunk_size=2000):
        wrong = _wrong(stored, size, digest if digests else "")
        if wrong and Attachment.objects.filter(pk=pk).exists():  # not swept since
            yield f"file {pk}: {wrong}"
        elif not wrong:
            yield None
    waiting = OutgoingFile.objects.filter(mail__sent_at=None).order_by("pk").values_list("pk", "stored", "size", "mail")
    for pk, stored, size, mail in waiting.iterator(chunk_size=2000):
        wrong = _wrong(stored, size, "")
        if wrong and OutgoingFile.objects.filter(pk=pk, mail__sent_at=None).exists():
            yield f"outgoing mail {mail}: its file {pk}: {wrong}"


def _wrong(stored: str, size: int, digest: str) -> str:
    place = Path(settings.FILES_DIR) / stored
    try:
        found = place.stat().st_size
        if found != size:
            return f"{found} bytes are there, {size} should be"
        if digest and _digest(place) != digest:
            return "other bytes are there than were kept"
    except OSError as error:
        return f"its bytes cannot be read: {error.strerror}"
    return ""


def _digest(place: Path) -> str:
    found = hashlib.sha256()
    with place.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
