"""The gateway: takes mail by SMTP or LMTP and says 250 once it is safe in the database (D29).

It stands behind a mail server of ours, takes mail for our own domain only, and thinks about nothing:
what a mail is for is decided later, by a worker.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from threading import get_ident
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import Error, connection

from supportdesk import clock
from supportdesk.mail import doors
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.received import came_from
from supportdesk.mail.wire import ServerProtocol
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

RECIPIENTS_MAX = 100
THREADS = 4
TOO_BIG = f"552 5.3.4 Mails of more than {POLICY.mail_bytes_max // 1024**2} MB are not taken"
TRY_AGAIN = "451 4.3.0 The mail could not be stored, please send it again"
Via = Literal["smtp", "lmtp"]


class _Handler:
    """What the desk does at each step of the conversation. The ORM blocks, so it works in threads of its own."""

    def __init__(self, via: Via) -> None:
        self.via: Via = via
        self.connections = 0
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self.wires: dict[int, Any] = {}  # each thread's connection to the database, kept from mail to mail
        self.worked_at: datetime | None = None  # as it was last written down; None where the last mail failed

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # Nothing of one command depends on when the next one comes, so it is said that they may come at once.
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

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
        # Through a socket of the file system there is no peer to name.
        peer = str(session.peer[0]) if isinstance(session.peer, tuple) else ""
        try:
            await asyncio.get_running_loop().run_in_executor(self.threads, self._keep, envelope, peer)
        except Exception:  # whatever the trouble is: not stored means not taken
            logger.exception("A mail could not be stored")
            return TRY_AGAIN
        return "250 2.0.0 Kept"

    def _keep(self, envelope: Envelope, peer: str) -> None:
        """Stores the mail; committed when it returns. That it could not is noted where the operator looks."""
        source = envelope.original_content or b""
        at = _now()
        self.wires[get_ident()] = connection.connection
        try:
            store_raw(
                source=source,
                mail_from=envelope.mail_from or "",
                rcpt_to=envelope.rcpt_tos,
                at=at,
                via=self.via,
                peer=came_from(source, by=settings.MAIL_RECEIVED_BY) or peer,
            )
        except Exception as error:
            # A database that is gone takes no note either: then the log has it, and every page says so.
            self.worked_at = None
            connection.close()
            with suppress(Error):
                doors.fails(doors.GATEWAY, f"{type(error).__name__}: {error}", at=at)
            raise
        if self.worked_at is None or not self.worked_at <= at < self.worked_at + doors.EVERY:
            with suppress(Error):
                doors.works(doors.GATEWAY, at=at)
                self.worked_at = at


def _now() -> datetime:
    """The present instant, over this thread's own connection to the database, or a new one where that broke."""
    connection.close_if_unusable_or_obsolete()
    try:
        return clock.now()
    except Error:
        connection.close()
        return clock.now()


class Gateway(Controller):
    """The gateway as a thread: ``start()`` returns once it answers, ``stop()`` once it is gone."""

    def __init__(self, *, host: str, port: int, via: Via = "smtp") -> None:
        super().__init__(
            _Handler(via),
            hostname=host,
            port=port,
            server_hostname=settings.MAIL_DOMAIN,
            ident="support desk",
            data_size_limit=POLICY.mail_bytes_max,
            enable_SMTPUTF8=True,
            decode_data=False,
            timeout=settings.GATEWAY_TIMEOUT_SECONDS,
            command_call_limit=10_000,
        )

    def factory(self) -> ServerProtocol:
        return ServerProtocol(
            self.handler,
            lmtp=self.handler.via == "lmtp",
            connections_max=settings.GATEWAY_CONNECTIONS,
            too_big=TOO_BIG,
            try_again=TRY_AGAIN,
            **self.SMTP_kwargs,
        )

    def _trigger_server(self) -> None:
        # Port 0 takes any free one: `port` says which.
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        # LMTP greets as SMTP does; the library's own look at the server takes either.
        super()._trigger_server()  # type: ignore[no-untyped-call]

    def stop(self, no_assert: bool = False) -> Any:
        super().stop(no_assert)
        # What is being stored still gets stored; its sender, who heard no 250, sends it again, and it counts once.
        self.handler.threads.shutdown(wait=True)
        for wire in self.handler.wires.values():
            wire.close()
