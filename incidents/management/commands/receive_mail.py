"""``manage.py receive_mail < mail.eml``: a mail from a pipe, stored, filed, and answered with one line of JSON."""

from __future__ import annotations

import json
import sys
from typing import IO, Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from incidents.inbound import file_mail
from incidents.models import Message
from supportdesk import clock
from supportdesk.mail.incoming import first_of, store_raw
from supportdesk.mail.models import Outcome, RawMail
from supportdesk.mail.received import came_from, envelope_of
from supportdesk.policy import POLICY

# What mail servers know of programs that they hand mail to (sysexits.h).
EX_DATAERR: Final = 65
EX_TEMPFAIL: Final = 75
_PIECE: Final = 1024 * 1024


class Command(BaseCommand):
    help = (
        "Takes one mail from standard input, stores it, files it, and prints what became of it as a line of JSON. "
        "Exit status: 0 taken, 65 larger than the desk takes, 75 not stored, please try again."
    )
    # A mail is taken even by a desk whose other settings are to be mended.
    requires_system_checks: list[str] = []
    stealth_options = ("stdin",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="sender", help='the envelope’s sender, "" of a delivery report')
        parser.add_argument(
            "--to", action="append", default=[], help="an envelope’s recipient; may be given repeatedly"
        )
        parser.add_argument("--mailbox", default="", help="the address of the pipe, where the recipients are not known")

    def handle(self, *args: Any, **options: Any) -> None:
        source = _read(options.get("stdin") or sys.stdin.buffer)
        if source is None:
            limit = POLICY.mail_bytes_max // 1024**2
            raise CommandError(f"Mails of more than {limit} MB are not taken.", returncode=EX_DATAERR)
        try:
            raw, new = _store(source, options)
        except Exception as error:  # whatever it is, the mail server keeps the mail and comes again
            raise CommandError(
                f"The mail could not be stored: {type(error).__name__}: {error}", returncode=EX_TEMPFAIL
            ) from error
        if raw.outcome == Outcome.WAITING:
            file_mail(raw_id=raw.pk, at=clock.now())
            raw.refresh_from_db()
            new = new and raw.outcome != Outcome.DUPLICATE
            raw = first_of(raw)
        self.stdout.write(json.dumps(_said(raw.pk, new=new), ensure_ascii=False))


def _read(stream: IO[bytes]) -> bytes | None:
    """The mail, without the line that mailboxes put before one; None of one that is too large, read to its end."""
    kept, size = bytearray(), 0
    while piece := stream.read(_PIECE):
        size += len(piece)
        if size <= POLICY.mail_bytes_max:
            kept += piece
        else:
            kept.clear()
    if size > POLICY.mail_bytes_max:
        return None
    return bytes(kept).partition(b"\n")[2] if kept.startswith(b"From ") else bytes(kept)


def _store(source: bytes, options: dict[str, Any]) -> tuple[RawMail, bool]:
    if not source.strip():
        raise ValueError("standard input is empty")
    sender, recipients = options["sender"], options["to"] or ([options["mailbox"]] if options["mailbox"] else [])
    if sender is not None:
        # What a server writes that puts a mail into a mailbox (RFC 5321, 4.4).
        line = " ".join(sender.split()).strip("<>")
        source = f"Return-Path: <{line}>\r\n".encode() + source
    mail_from, delivered_to = envelope_of(source)
    return store_raw(
        source=source,
        mail_from=mail_from,
        rcpt_to=recipients or delivered_to,
        at=clock.now(),
        via="pipe",
        peer=came_from(source, by=settings.MAIL_RECEIVED_BY),
    )


def _said(raw_id: int, *, new: bool) -> dict[str, Any]:
    raw = RawMail.objects.defer("source").get(pk=raw_id)
    message = Message.objects.filter(raw_mail=raw_id).select_related("incident").first()
    outcome = raw.outcome or "waiting"
    return {
        "outcome": outcome if new else Outcome.DUPLICATE.value,
        "incident": None if message is None else message.incident.number,
        "reason": raw.reason or raw.last_error if new else outcome,
        "raw": raw_id,
    }
