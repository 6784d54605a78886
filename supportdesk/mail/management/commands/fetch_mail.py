"""``manage.py fetch_mail``: takes mail from mailboxes by IMAP until it is told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from supportdesk import clock
from supportdesk.mail.fetching import keep_fetching
from supportdesk.mailbox_settings import Mailbox


class Command(BaseCommand):
    help = (
        "Takes mail from the mailboxes of IMAP_URL, stores it, then marks, moves or deletes it there (IMAP_AFTER). "
        "Goes on by itself after any trouble; stops cleanly on SIGTERM and SIGINT."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="take what is there now, and end; 1 if a mailbox failed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        mailboxes: tuple[Mailbox, ...] = settings.IMAP_MAILBOXES
        if not mailboxes:
            raise CommandError("IMAP_URL is not set: it names the mailboxes, as imaps://user@host/INBOX.")
        stop, held = threading.Event(), []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())

        def fetch(mailbox: Mailbox) -> None:
            held.append(keep_fetching(mailbox, now=clock.now, stop=stop, once=options["once"]))

        threads = [threading.Thread(target=fetch, args=(mailbox,), name=mailbox.door) for mailbox in mailboxes]
        for mailbox, thread in zip(mailboxes, threads, strict=True):
            thread.start()
            self.stdout.write(f"Mail is taken from {mailbox.door}.")
            self.stdout.flush()
        for thread in threads:
            thread.join()
        if options["once"] and not all(held):
            raise CommandError("A mailbox could not be read: ./desk manage mail_status says why.")
