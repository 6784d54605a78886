"""``manage.py restored_mail``: what waited in a restored database, and what becomes of it (D30)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from supportdesk import clock
from supportdesk.mail.outgoing import retry_all
from supportdesk.mail.restored import leave_aside, put_aside

SHOWN = 200


class Command(BaseCommand):
    help = (
        "Lists the mails that waited in a restored database: the dump does not know which of them went out since. "
        "With --send they go out; with --leave they stay failed. Single ones: Ways of mail in Django admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--send", action="store_true", help="try all of them again: nothing went out after the dump")
        way.add_argument("--leave", action="store_true", help="leave them as they are: they went out, or are too old")

    def handle(self, *args: Any, **options: Any) -> None:
        aside = put_aside()
        if options["send"]:
            sent = retry_all(aside, at=clock.now())
            self.stdout.write(f"{sent} mails are tried again.")
        elif options["leave"]:
            self.stdout.write(f"{leave_aside()} mails are left as they are.")
        else:
            for mail in aside.only("pk", "kind", "to_address", "queued_at", "message_id")[:SHOWN]:
                queued = f"{mail.queued_at:%Y-%m-%d %H:%M} UTC"
                self.stdout.write(f"{mail.pk}: {mail.kind} to {mail.to_address}, queued {queued}, {mail.message_id}")
            count = aside.count()
            self.stdout.write(
                f"{count} mails are put aside." + (" --send tries them again, --leave leaves them." * bool(count))
            )
