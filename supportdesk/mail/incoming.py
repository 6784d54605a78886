"""Mail in: the raw source is stored first, each mail counts once, and no mail stops the next one (D29)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Final, Literal

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from supportdesk.mail.models import Outcome, RawMail
from supportdesk.mail.parse import ParsedMail, counts_as, parse
from supportdesk.mail.texts import one_line
from supportdesk.mail.wake import ring
from supportdesk.policy import POLICY
from supportdesk.rows import change, columns, fetch, made

# How long one worker has for one mail; then it is taken for dead, and the mail is tried again.
LEASE = timedelta(minutes=5)
WAIT = timedelta(minutes=1)

# One statement looks, locks, counts the try and takes the lease; what another worker is at is left to it.
_CLAIM_WHERE: Final = """
    UPDATE mail_rawmail SET tries = tries + 1, next_try_at = %(until)s WHERE id = (
        SELECT id FROM mail_rawmail WHERE {} outcome = '' AND next_try_at <= %(at)s
        ORDER BY next_try_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) RETURNING {}
"""
_CLAIM: Final = _CLAIM_WHERE.format("id = %(raw)s AND", columns(RawMail, "mail_rawmail"))
_CLAIM_NEXT: Final = _CLAIM_WHERE.format("", columns(RawMail, "mail_rawmail"))
_IDENTIFY: Final = """
    UPDATE mail_rawmail SET content_digest = %(content)s, message_id = %(message_id)s
    WHERE id = %(raw)s AND NOT EXISTS (
        SELECT FROM mail_rawmail WHERE content_digest = ANY(%(known)s) AND id <> %(raw)s
    )
"""
_RECORD: Final = """
    UPDATE mail_rawmail SET outcome = %(outcome)s, reason = %(reason)s, handled_at = %(at)s
    WHERE id = %(raw)s AND outcome = ''
"""


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

    The row is committed when this returns, and nothing else was done with it. The same bytes again give the first
    row, with the delivery counted; the same mail with other trace headers is known when it is read, by whoever
    files it. ``peer`` is where it came from, as our own server says. ``refused_bytes`` is the size of a mail too
    large to be taken, of which ``source`` is the header alone.
    ``also`` writes down more in the same transaction; what it raises undoes both.
    """
    # Two mails that are too large may have one header: their sizes tell them apart.
    told_apart = source if refused_bytes is None else source + b"%d" % refused_bytes
    raw = RawMail(
        source=source,
        digest=hashlib.sha256(told_apart).hexdigest(),
        mail_from=one_line(mail_from, 320).strip("<>"),  # "<>" is the empty sender of reports
        rcpt_to=[one_line(address, 320) for address in rcpt_to],
        received_at=at,
        next_try_at=at,
        via=via,
        peer=one_line(peer, 64),
        refused_bytes=refused_bytes,
    )
    try:
        with _committed(alone=also is None):
            raw.save(force_insert=True)
            if also is not None:
                also(raw)
    except IntegrityError:
        known = RawMail.objects.filter(digest=raw.digest).first()
        if known is None:
            raise
        with transaction.atomic(durable=True):
            if also is not None:
                also(known)
            # The copy of a mail that came with other trace headers stands for that mail.
            first = first_of(known)
            RawMail.objects.filter(pk__in={known.pk, first.pk}).update(deliveries=F("deliveries") + 1)
        first.refresh_from_db()
        return first, False
    if via != "pipe":  # whoever pipes a mail in files it in the next moment
        transaction.on_commit(wake_filer, robust=True)
    return raw, True


def _committed(*, alone: bool) -> AbstractContextManager[object]:
    """A transaction that is committed when the block ends; a statement ``alone`` is one by itself."""
    if alone and not connection.in_atomic_block:
        return nullcontext()
    return transaction.atomic(durable=True)


def wake_filer() -> None:
    """Tells a worker that mail came in; the schedule finds it anyhow."""
    ring("incidents.file_mail")


def read(raw: RawMail) -> ParsedMail:
    """What a stored mail says, with our own server and domain in view."""
    return parse(
        bytes(raw.source),
        authserv_id=settings.MAIL_AUTHSERV_ID,
        own_domain=settings.MAIL_DOMAIN,
        # Of any other way the Return-Path says it, where there is one.
        mail_from=raw.mail_from if raw.via in ("smtp", "lmtp") else None,
    )


def identify(*, raw: RawMail, mail: ParsedMail, at: datetime) -> bool:
    """Gives a mail the digest of its content, by which it counts once; False for another delivery of one that has it.

    In the caller's transaction. Of two workers with one mail, a unique constraint lets one be first: the other waits
    here for it, and gets an IntegrityError (D29).
    """
    # What could not be read has no content to go by but its bytes.
    readable = "unreadable" not in mail.problems and raw.refused_bytes is None
    known = counts_as(mail) if readable else (raw.digest,)
    content = known[0]
    if raw.content_digest == content or change(
        _IDENTIFY, {"content": content, "known": list(known), "message_id": mail.message_id, "raw": raw.pk}
    ):
        raw.message_id = mail.message_id  # the digest counts once it is committed: this may be tried again
        return True
    first = RawMail.objects.only("pk").filter(content_digest__in=known).exclude(pk=raw.pk).latest("pk")
    RawMail.objects.filter(pk=first.pk).update(deliveries=F("deliveries") + raw.deliveries)
    RawMail.objects.filter(pk=raw.pk, outcome=Outcome.WAITING).update(
        outcome=Outcome.DUPLICATE, reason=str(first.pk), message_id=mail.message_id, handled_at=at
    )
    return False


def first_of(raw: RawMail) -> RawMail:
    """The mail of which ``raw`` is another delivery, or itself."""
    return raw if raw.outcome != Outcome.DUPLICATE else RawMail.objects.get(pk=int(raw.reason))


def claim(*, raw_id: int, at: datetime) -> RawMail | None:
    """Takes a mail to file for the time of a lease; None where there is nothing to do (D29).

    The try is counted and committed before the work: a mail that kills its worker each time is held
    after ``POLICY.mail_tries``, too, and does not come back for ever.
    """
    raw = _take(_CLAIM, {"raw": raw_id, "at": at, "until": at + LEASE})
    return None if raw is None or _is_given_up(raw, at=at) else raw


def claim_next(*, at: datetime) -> RawMail | None:
    """As ``claim``, the mail that has been due longest; several workers at once each get another one."""
    while (raw := _take(_CLAIM_NEXT, {"at": at, "until": at + LEASE})) is not None:
        if not _is_given_up(raw, at=at):
            return raw
    return None


def _take(sql: str, params: Mapping[str, object]) -> RawMail | None:
    with _committed(alone=True):
        rows = fetch(sql, params)
    return made(RawMail, rows[0]) if rows else None


def _is_given_up(raw: RawMail, *, at: datetime) -> bool:
    """True for a mail that was tried often enough, which is held then."""
    if raw.tries <= POLICY.mail_tries:
        return False
    raw.tries = POLICY.mail_tries
    with transaction.atomic(durable=True):
        _hold(raw, reason=raw.last_error or "gave_up", at=at)
    return True


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
    if not change(_RECORD, {"outcome": str(outcome), "reason": one_line(reason, 500), "at": at, "raw": raw_id}):
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
    raw.save(update_fields=["outcome", "reason", "tries", "handled_at"])
