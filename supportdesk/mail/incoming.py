"""Mail in: the raw source is stored first, each mail counts once, and no mail stops the next one (D29)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from supportdesk.mail.models import Outcome, RawMail
from supportdesk.mail.parse import ParsedMail, content_digest, parse
from supportdesk.mail.texts import one_line
from supportdesk.mail.wake import wake
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

# How long one worker has for one mail; then it is taken for dead, and the mail is tried again.
LEASE = timedelta(minutes=5)
WAIT = timedelta(minutes=1)


class AlreadyHandled(Exception):
    """Another worker was faster: roll back, the mail has counted (D29)."""


def store_raw(
    *,
    source: bytes,
    mail_from: str,
    rcpt_to: Sequence[str],
    at: datetime,
    via: Literal["smtp", "lmtp", "imap", "pipe"],
    peer: str = "",
    refused_bytes: int | None = None,
    also: Callable[[RawMail], object] | None = None,
) -> tuple[RawMail, bool]:
    """Keeps a mail as it came, before anything is done with it; gives its row, and whether it is new (D29).

    The row is committed when this returns. The same mail again, be it the same bytes or with other trace
    headers, gives the first row, with the delivery counted. ``peer`` is where it came from, as our own server
    says. ``refused_bytes`` is the size of a mail too large to be taken, of which ``source`` is the header alone.
    ``also`` writes down more in the same transaction; what it raises undoes both.
    """
    # Two mails that are too large may have one header: their sizes tell them apart.
    told_apart = source if refused_bytes is None else source + b"%d" % refused_bytes
    digest = hashlib.sha256(told_apart).hexdigest()
    try:
        with transaction.atomic(durable=True):
            raw = RawMail.objects.create(
                source=source,
                digest=digest,
                mail_from=one_line(mail_from, 320).strip("<>"),  # "<>" is the empty sender of reports
                rcpt_to=[one_line(address, 320) for address in rcpt_to],
                received_at=at,
                next_try_at=at,
                via=via,
                peer=one_line(peer, 64),
                refused_bytes=refused_bytes,
            )
            if also is not None:
                also(raw)
    except IntegrityError:
        known = RawMail.objects.filter(digest=digest).first()
        if known is None:
            raise
        raw = known
        with transaction.atomic(durable=True):
            if also is not None:
                also(raw)
            RawMail.objects.filter(pk=raw.pk).update(deliveries=F("deliveries") + 1)
        raw.refresh_from_db()
        # The copy of a mail that came with other trace headers stands for that mail.
        return _first_of(raw), False
    try:
        first = identify(raw=raw, at=at)
    except Exception:  # the mail is safe: what cannot be read now is read when it is filed
        logger.exception("Mail %s could not be read yet", raw.pk)
        first = raw
    if first.pk != raw.pk:
        return first, False
    if via != "pipe":  # whoever pipes a mail in files it in the next moment
        transaction.on_commit(wake_filer, robust=True)
    return raw, True


def wake_filer() -> None:
    """Tells a worker that mail came in; the schedule finds it anyhow."""
    wake("incidents.file_mail")


def read(raw: RawMail) -> ParsedMail:
    """What a stored mail says, with our own server and domain in view."""
    return parse(
        bytes(raw.source),
        authserv_id=settings.MAIL_AUTHSERV_ID,
        own_domain=settings.MAIL_DOMAIN,
        # Of any other way the Return-Path says it, where there is one.
        mail_from=raw.mail_from if raw.via in ("smtp", "lmtp") else None,
    )


def identify(*, raw: RawMail, at: datetime) -> RawMail:
    """Marks a mail that came before as a duplicate; gives the row that counts (D29).

    The content's digest decides, by a unique constraint: two workers with one mail cannot both be first.
    """
    parsed = read(raw)
    # What could not be read has no content to go by but its bytes.
    readable = "unreadable" not in parsed.problems and raw.refused_bytes is None
    content = content_digest(parsed) if readable else raw.digest
    try:
        with transaction.atomic():
            raw.content_digest = content
            raw.message_id = parsed.message_id
            raw.save(update_fields=["content_digest", "message_id"])
    except IntegrityError:
        raw.content_digest = None
        first = RawMail.objects.get(content_digest=content)
        with transaction.atomic():
            RawMail.objects.filter(pk=first.pk).update(deliveries=F("deliveries") + 1)
            RawMail.objects.filter(pk=raw.pk, outcome=Outcome.WAITING).update(
                outcome=Outcome.DUPLICATE, reason=str(first.pk), message_id=parsed.message_id, handled_at=at
            )
        return first
    return raw


def _first_of(raw: RawMail) -> RawMail:
    if raw.outcome != Outcome.DUPLICATE:
        return raw
    RawMail.objects.filter(pk=int(raw.reason)).update(deliveries=F("deliveries") + 1)
    return RawMail.objects.get(pk=int(raw.reason))


def unhandled(*, at: datetime, limit: int) -> list[int]:
    """The ids of mails that wait to be filed, the longest due first."""
    due = RawMail.objects.filter(outcome=Outcome.WAITING, next_try_at__lte=at).order_by("next_try_at", "id")
    return list(due.values_list("pk", flat=True)[:limit])


def claim(*, raw_id: int, at: datetime) -> RawMail | None:
    """Takes a mail to file for the time of a lease; None where there is nothing to do (D29).

    The try is counted and committed before the work: a mail that kills its worker each time is held
    after ``POLICY.mail_tries``, too, and does not come back for ever.
    """
    raw = _take(raw_id, at)
    if raw is not None and raw.content_digest is None and identify(raw=raw, at=at).pk != raw.pk:
        return None
    return raw


@transaction.atomic(durable=True)
def _take(raw_id: int, at: datetime) -> RawMail | None:
    mine = RawMail.objects.select_for_update(skip_locked=True)
    raw = mine.filter(pk=raw_id, outcome=Outcome.WAITING, next_try_at__lte=at).first()
    if raw is None:
        return None
    if raw.tries >= POLICY.mail_tries:
        _hold(raw, reason=raw.last_error or "gave_up", at=at)
        return None
    raw.tries += 1
    raw.next_try_at = at + LEASE
    raw.save(update_fields=["tries", "next_try_at"])
    return raw


def file_again(*, raw_ids: Collection[int], at: datetime) -> int:
    """Lets held mails be read and filed once more, as if they came now; gives how many (D29).

    What belongs to an incident, a draft or an earlier delivery stays as it is: nothing is added twice.
    """
    held = RawMail.objects.filter(pk__in=raw_ids, outcome=Outcome.HELD)
    changed = held.update(outcome=Outcome.WAITING, reason="", last_error="", tries=0, next_try_at=at, handled_at=None)
    waiting = RawMail.objects.filter(pk__in=raw_ids, outcome=Outcome.WAITING, next_try_at__gt=at)
    changed += waiting.update(tries=0, next_try_at=at)
    if changed:
        transaction.on_commit(wake_filer, robust=True)
    return changed


def record(*, raw_id: int, outcome: Outcome, reason: str, at: datetime) -> None:
    """Says what became of a mail, in the transaction that did it; once (D29).

    Raises AlreadyHandled where another worker said so before: that transaction must be rolled back.
    """
    waiting = RawMail.objects.filter(pk=raw_id, outcome=Outcome.WAITING)
    if not waiting.update(outcome=outcome, reason=one_line(reason, 500), handled_at=at):
        raise AlreadyHandled(f"Mail {raw_id} has been handled.")


def fail(*, raw_id: int, error: str, at: datetime) -> None:
    """Puts off a mail that could not be filed; after ``POLICY.mail_tries`` it is held for that reason (D29)."""
    with transaction.atomic():
        raw = RawMail.objects.select_for_update().get(pk=raw_id)
        if raw.outcome != Outcome.WAITING:
            return
        raw.last_error = one_line(error, 500)
        raw.next_try_at = at + WAIT
        raw.save(update_fields=["last_error", "next_try_at"])
        if raw.tries >= POLICY.mail_tries:
            _hold(raw, reason=raw.last_error, at=at)


def _hold(raw: RawMail, *, reason: str, at: datetime) -> None:
    raw.outcome, raw.reason, raw.handled_at = Outcome.HELD, reason, at
    raw.save(update_fields=["outcome", "reason", "handled_at"])
