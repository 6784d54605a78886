"""The gateway: takes mail by SMTP and says 250 once it is safe in the database (D29).

It stands behind a mail server of ours, takes mail for our own domain only, and thinks about nothing:
what a mail is for is decided later, by a worker.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AnyStr

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import connection

from supportdesk import clock
from supportdesk.mail.incoming import store_raw
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

RECIPIENTS_MAX = 100
THREADS = 4
TOO_BIG = f"552 5.3.4 Mails of more than {POLICY.mail_bytes_max // 1024**2} MB are not taken"
TRY_AGAIN = "451 4.3.0 The mail could not be stored, please send it again"


class _Server(SMTP):
    """aiosmtpd's server, with lines of any length (mails have them), and answers that say what helps."""

    line_length_limit = 4 * 1024 * 1024

    async def push(self, status: AnyStr) -> None:
        # aiosmtpd's own words do not name the limit.
        await (super().push(TOO_BIG) if status[:4] in ("552 ", b"552 ") else super().push(status))

    async def handle_exception(self, error: Exception) -> str:
        logger.error("The gateway stumbled", exc_info=error)
        return TRY_AGAIN


class _Handler:
    """What the desk does at each step of the conversation. The ORM blocks, so it works in threads of its own."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.rpartition("@")[2].lower() != settings.MAIL_DOMAIN.lower():
            return f"550 5.7.1 Only mail for {settings.MAIL_DOMAIN} is taken here"
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return "452 4.5.3 Too many recipients at once"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        try:
            await asyncio.get_running_loop().run_in_executor(self.threads, _keep, envelope)
        except Exception:  # whatever the trouble is: not stored means not taken
            logger.exception("A mail could not be stored")
            return TRY_AGAIN
        return "250 2.0.0 Kept"


def _keep(envelope: Envelope) -> None:
    """Stores the mail; committed when it returns."""
    try:
        store_raw(
            source=envelope.original_content or b"",
            mail_from=envelope.mail_from or "",
            rcpt_to=envelope.rcpt_tos,
            at=clock.now(),
            via="smtp",
        )
    finally:
        connection.close()


class Gateway(Controller):
    """The gateway as a thread: ``start()`` returns once it answers, ``stop()`` once it is gone."""

    def __init__(self, *, host: str, port: int) -> None:
        super().__init__(
            _Handler(),
            hostname=host,
            port=port,
            server_hostname=settings.MAIL_DOMAIN,
            ident="support desk",
            data_size_limit=POLICY.mail_bytes_max,
            enable_SMTPUTF8=True,
            decode_data=False,
            timeout=120,
        )

    def factory(self) -> _Server:
        return _Server(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        # Port 0 takes any free one: `port` says which.
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def stop(self, no_assert: bool = False) -> Any:
        super().stop(no_assert)
        # What is being stored still gets stored; its sender, who heard no 250, sends it again, and it counts once.
        self.handler.threads.shutdown(wait=True)
