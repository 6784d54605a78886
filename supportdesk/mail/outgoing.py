"""Mail out: written with what causes it, delivered after it, the same mail on every try (D30)."""

from __future__ import annotations

import logging
import smtplib
import ssl
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.encoding import punycode
from django.utils.translation import gettext as _

from supportdesk.mail import doors
from supportdesk.mail.bounces import blames_address, reason_of, status_in
from supportdesk.mail.build import File, build
from supportdesk.mail.models import OutgoingFile, OutgoingMail
from supportdesk.mail.restored import put_aside_restored
from supportdesk.mail.texts import message_ids, one_line, storable
from supportdesk.mail.tokens import bounce_address
from supportdesk.mail.wake import wake
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

# Longer than the slowest SMTP conversation: past it the worker is taken for dead, and another one tries.
LEASE = timedelta(minutes=10)
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
BATCH = 200
REFERENCES_MAX = 20
ADDRESS_CHARS_MAX = 254
_is_address = EmailValidator()


class NotAnAddress(ValueError):
    """That is no e-mail address: nothing was queued."""


class FileMissing(Exception):
    """A file that goes out with a mail is not where it was kept: the mail waits until it is, or is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOut:
    """A file that goes out with a mail; ``stored`` names its bytes below ``settings.FILES_DIR`` (D31)."""

    stored: str
    name: str
    size: int
    content_type: str = "application/octet-stream"
    content_id: str = ""


def _address(text: str) -> str:
    """``text`` as an ASCII address. Raises NotAnAddress, for a line end in it, too."""
    local, _at, domain = text.rpartition("@")
    try:
        _is_address(text)
        ascii_domain = punycode(domain)
        # "ß" becomes "ss" by the rules that Python knows: another domain, so what cannot be read back is refused.
        same = domain.isascii() or ascii_domain.encode().decode("idna") == domain.lower()
        address = f"{local}@{ascii_domain}" if same else ""
    except (ValidationError, UnicodeError):
        address = ""
    # A quoted local part may be correct, and is what other mail servers read otherwise than we do.
    if not 0 < len(address) <= ADDRESS_CHARS_MAX or '"' in address:
        raise NotAnAddress(_("“%(text)s” is no e-mail address.") % {"text": one_line(text, 80)})
    return address


def spellings(address: str) -> tuple[str, ...]:
    """How an address may have been written that mail goes to in ASCII: as it is, and with its domain's own letters."""
    local, _at, domain = address.strip().lower().rpartition("@")
    try:
        ascii_domain = punycode(domain)
        own = ascii_domain.encode().decode("idna")
    except UnicodeError:
        ascii_domain = own = domain
    return tuple(dict.fromkeys(f"{local}@{one}" for one in (ascii_domain, own)))


def can_be_mailed(address: str) -> bool:
    """True where the outbox takes mail to ``address``."""
    try:
        _address(address)
    except NotAnAddress:
        return False
    return True


def queue_mail(
    *,
    to_address: str,
    to_name: str,
    subject: str,
    text: str,
    html: str = "",
    at: datetime,
    kind: str,
    key: str,
    about: str = "",
    reply_to: str = "",
    in_reply_to: str = "",
    references: Sequence[str] = (),
    automatic: bool = True,
    unsubscribe_url: str = "",
    list_id: str = "",
    bulk: bool = False,
    files: Sequence[FileOut] = (),
) -> OutgoingMail:
    """Puts a mail into the outbox, in the caller's transaction; it goes out once that is committed (D30).

    ``key`` names the cause: the same key gives the mail that is there already. A line end in a header
    becomes a space; an address that is none is refused with NotAnAddress. ``unsubscribe_url`` takes a POST that ends
    what the mail belongs to (RFC 8058), ``list_id`` names that ("Tips <tips.example.com>"); ``bulk`` mails wait for
    all others. The bytes of ``files`` are read when it is sent; what keeps them must keep them until then.
    """
    thread = message_ids(" ".join(references))
    mail = OutgoingMail(
        message_id=f"<{uuid.uuid4().hex}.{at:%Y%m%d}@{settings.MAIL_DOMAIN}>",
        key=key,
        kind=kind,
        about=about,
        to_address=_address(to_address),
        to_name=one_line(to_name, 120),
        reply_to=_address(reply_to) if reply_to else "",
        subject=one_line(subject, 400),
        text=storable(text),
        html=storable(html),
        in_reply_to=next(iter(message_ids(in_reply_to)), ""),
        # The first mail of a thread and the latest ones are what mail programs go by.
        references=" ".join(thread if len(thread) <= REFERENCES_MAX else thread[:1] + thread[1 - REFERENCES_MAX :]),
        automatic=automatic,
        unsubscribe_url=one_line(unsubscribe_url, 400),
        list_id=one_line(list_id, 200),
        bulk=bulk,
        queued_at=at,
        next_try_at=at,
        give_up_at=at + timedelta(days=POLICY.outbox_days),
    )
    # A second key, from a parallel transaction too, neither fails nor aborts this one.
    OutgoingMail.objects.bulk_create([mail], ignore_conflicts=True)
    kept = OutgoingMail.objects.get(key=key)
    if kept.message_id != mail.message_id:
        return kept
    if files:
        OutgoingFile.objects.bulk_create(
            OutgoingFile(
                mail=kept,
                stored=file.stored,
                name=file.name,
                size=file.size,
                content_type=file.content_type,
                content_id=file.content_id,
            )
            for file in files
        )
    # Whoever writes many wakes the worker once, by itself.
    if not bulk:
        transaction.on_commit(wake_deliverer, robust=True)
    return kept


def wake_deliverer() -> None:
    """Tells a worker that mail is waiting; the schedule finds it anyhow."""
    wake("mail.deliver")


def retry(*, mail_id: int, at: datetime) -> bool:
    """Tries a mail again now, for another three days where it had failed (D30); False if it has gone out."""
    return bool(retry_all(OutgoingMail.objects.filter(pk=mail_id), at=at))


def retry_all(mails: QuerySet[OutgoingMail], *, at: datetime) -> int:
    """The same for many, in one statement and with one wake; gives how many had not gone out."""
    changed = mails.filter(sent_at=None).update(
        failed_at=None,
        bounced_at=None,
        bounce="",
        next_try_at=at,
        give_up_at=at + timedelta(days=POLICY.outbox_days),
    )
    if changed:
        transaction.on_commit(wake_deliverer, robust=True)
    return changed


@transaction.atomic(durable=True)
def _claim(at: datetime) -> OutgoingMail | None:
    """The mail that has been due longest, claimed for the time of a lease; None where nothing is due.

    The lease frees the mail of a worker that died; the fence keeps one that only slept from recording
    an outcome that is no longer its own.
    """
    mail = (
        OutgoingMail.objects.select_for_update(skip_locked=True)
        .filter(Q(claimed_until=None) | Q(claimed_until__lte=at), sent_at=None, failed_at=None, next_try_at__lte=at)
        .order_by("bulk", "next_try_at", "id")
        .first()
    )
    if mail is not None:
        mail.fence += 1
        mail.tries += 1
        mail.claimed_until = at + LEASE
        mail.save(update_fields=["fence", "tries", "claimed_until"])
    return mail


def _record(mail: OutgoingMail, **outcome: object) -> bool:
    """Writes what became of the claim, if it still is the latest one."""
    mine = OutgoingMail.objects.filter(pk=mail.pk, fence=mail.fence, sent_at=None, failed_at=None)
    return bool(mine.update(claimed_until=None, **outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trouble:
    """Why a mail did not go out. ``final``: no later try helps. ``line``: the connection is no good any more.

    ``refusal``: the server works and does not want this mail. ``bounce``: why, where the recipient's address is at
    fault and nothing of ours (D28).
    """

    word: str
    final: bool = False
    line: bool = False
    bounce: str = ""

    @property
    def refusal(self) -> bool:
        return not self.line and self.word[:1] in ("4", "5")


def _trouble(error: Exception) -> _Trouble:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()))
        return _refused(code, said, at_recipient=True)
    if isinstance(error, smtplib.SMTPDataError):
        return _refused(error.smtp_code, error.smtp_error, at_recipient=False)
    if isinstance(error, smtplib.SMTPResponseException):
        # Greeting, sign-in or sender refused: our set-up is wrong, not this mail. It waits until that is mended.
        return _Trouble(word=f"{error.smtp_code} {_said(error.smtp_error)}", line=True)
    if isinstance(error, FileMissing):
        return _Trouble(word=str(error))
    return _Trouble(word=f"{type(error).__name__}: {error}", line=isinstance(error, OSError))


def _refused(code: int, answer: bytes | str, *, at_recipient: bool) -> _Trouble:
    """A refusal of one mail: at its recipient, or of what it says."""
    word = f"{code} {_said(answer)}"
    final = 500 <= code < 600
    # For now, and without a status, it is a server that is busy, or wants to see us again.
    hints = at_recipient and final
    at_fault = blames_address(status_in(word), word, otherwise=hints)
    return _Trouble(word=word, final=final, line=code == 421, bounce=reason_of(word) if at_fault else "")


def _said(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def _connect() -> smtplib.SMTP:
    smtp = smtplib.SMTP(
        settings.MAIL_HOST,
        settings.MAIL_PORT,
        local_hostname=settings.MAIL_DOMAIN,
        timeout=settings.MAIL_TIMEOUT_SECONDS,
    )
    try:
        if settings.MAIL_STARTTLS:
            smtp.starttls(context=ssl.create_default_context())
        if settings.MAIL_USER:
            smtp.login(settings.MAIL_USER, settings.MAIL_PASSWORD)
    except BaseException:
        smtp.close()
        raise
    return smtp


def _send(smtp: smtplib.SMTP, mail: OutgoingMail) -> None:
    name = _("%(name)s support") % {"name": settings.DESK_NAME}
    files = [_with_bytes(file) for file in mail.files.all()]
    message = build(mail, from_name=name, from_address=settings.MAIL_FROM, files=files)
    # An address of its own for each mail: a report says by where it comes what it is about (D28).
    sender = bounce_address(mail_id=mail.pk) if settings.MAIL_BOUNCE_ADDRESSES else settings.MAIL_FROM
    smtp.send_message(message, from_addr=sender, to_addrs=[mail.to_address])


def _with_bytes(file: OutgoingFile) -> File:
    try:
        body = (Path(settings.FILES_DIR) / file.stored).read_bytes()
    except OSError as error:
        # Of one mail, not of the connection: the others go out.
        raise FileMissing(_("The file “%(name)s” cannot be read.") % {"name": file.name}) from error
    if len(body) != file.size:
        raise FileMissing(_("The file “%(name)s” has another size than it had.") % {"name": file.name})
    return File(name=file.name, content_type=file.content_type, content_id=file.content_id, body=body)


def deliver_due(*, now: Callable[[], datetime], limit: int = BATCH) -> int:
    """Delivers what is due, one by one over one connection; gives how many mails went out (D30).

    1. claim one mail, and commit that; 2. send it, in no transaction; 3. record what came of it, if the
    claim still holds. Dying after 1 costs a lease; dying after 2 sends it twice, with one Message-ID.
    A refusal by the recipient's server is final, everything else is tried again, for three days. Where
    the connection itself is in trouble the rest waits for the next run. What waits in a restored database is
    put aside first.
    """
    put_aside_restored(at=now())
    sent = 0
    goes_through = False
    smtp: smtplib.SMTP | None = None
    try:
        for _turn in range(limit):
            mail = _claim(now())
            if mail is None:
                break
            try:
                smtp = smtp or _connect()
                _send(smtp, mail)
            except Exception as error:  # whatever a mail has in it, the others go out
                trouble = _put_off(mail, _trouble(error), at=now())
                if trouble.line:
                    goes_through = False
                    doors.fails(doors.OUT, trouble.word, at=now())
                    break
                goes_through |= trouble.refusal
            else:
                goes_through = True
                sent += _record(mail, sent_at=now(), last_error="")
        if goes_through:
            doors.works(doors.OUT, at=now())
    finally:
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()
    return sent


def _put_off(mail: OutgoingMail, trouble: _Trouble, *, at: datetime) -> _Trouble:
    """Records a try that failed: for good, or until the next one, each wait twice as long up to an hour."""
    word = one_line(trouble.word, 500)
    if trouble.final or at >= mail.give_up_at:
        _record(mail, failed_at=at, last_error=word, bounce=trouble.bounce)
        logger.error("Mail %s (%s) is given up: %s", mail.pk, mail.kind, word)
    else:
        wait = min(FIRST_WAIT * 2 ** min(mail.tries - 1, 10), LONGEST_WAIT)
        _record(mail, next_try_at=at + wait, last_error=word)
        logger.warning("Mail %s (%s) waits for its next try: %s", mail.pk, mail.kind, word)
    return trouble
