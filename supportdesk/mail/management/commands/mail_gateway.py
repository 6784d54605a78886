"""``manage.py mail_gateway``: takes mail by SMTP or LMTP until it is told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from supportdesk.mail.gateway import Gateway


class Command(BaseCommand):
    help = (
        "Takes mail for the desk by SMTP or LMTP, and keeps it before it says so (D29). "
        "Stops cleanly on SIGTERM and SIGINT."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.GATEWAY_HOST)
        parser.add_argument("--port", type=int, default=settings.GATEWAY_PORT)
        parser.add_argument("--protocol", choices=["smtp", "lmtp"], default=settings.GATEWAY_PROTOCOL)
        parser.add_argument("--lmtp", dest="protocol", action="store_const", const="lmtp", help="--protocol lmtp")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        gateway = Gateway(host=options["host"], port=options["port"], via=options["protocol"])
        gateway.start()
        where = f"{gateway.hostname}:{gateway.port}"
        self.stdout.write(f"Mail for {settings.MAIL_DOMAIN} is taken by {gateway.handler.via.upper()} at {where}.")
        self.stdout.flush()
        stop.wait()
        gateway.stop()
