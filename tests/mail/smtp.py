"""A mail server of the tests': takes mail by real SMTP, or behaves as badly as it is told to."""

from __future__ import annotations

import email
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class MailServer:
    """``got``: the mails that came through DATA; ``sources``: their bytes; ``senders``: from whom, by their envelopes.

    ``mail``, ``rcpt`` and ``data``: what it answers there instead of 250. ``hangs_at``, ``drops_at``: MAIL, RCPT or
    DATA, where it answers nothing until ``go_on`` is set, or hangs up. ``user`` and ``password``: who may sign in;
    without, nobody has to.
    """

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.sources: list[bytes] = []
        self.senders: list[str] = []
        self.mail = self.rcpt = self.data = "250 OK"
        self.hangs_at = self.drops_at = ""
        self.user = self.password = ""
        self.arrived = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        await self._hang(server, "MAIL")
        if self.mail.startswith("250"):
            envelope.mail_from = address
        return self.mail

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        await self._hang(server, "RCPT")
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default)
        self.got.append(message)
        self.sources.append(envelope.content)
        self.senders.append(str(envelope.mail_from))
        self.arrived.set()
        if not self.go_on.is_set():
            await server.loop.run_in_executor(None, self.go_on.wait, 10)
        await self._hang(server, "DATA")
        return self.data

    async def _hang(self, server: Any, where: str) -> None:
        if self.hangs_at == where:
            await server.loop.run_in_executor(None, self.go_on.wait, 10)
        if self.drops_at == where:
            server.transport.abort()

    def sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """Who signs in, by name and password."""
        known = isinstance(data, LoginPassword) and data == LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=known, handled=False)

    @property
    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.got]


class _OnAnyPort(Controller):
    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(settings: Any, **options: Any) -> Iterator[MailServer]:
    """A server that the desk's outbox delivers to; ``options`` are aiosmtpd's, such as a ``tls_context``."""
    handler = MailServer()
    signing_in: dict[str, Any] = {"authenticator": handler.sign_in, "auth_require_tls": False}
    controller = _OnAnyPort(handler, hostname="127.0.0.1", port=0, **(signing_in | options))
    controller.start()
    settings.MAIL_HOST, settings.MAIL_PORT = "127.0.0.1", controller.port
    try:
        yield handler
    finally:
        handler.go_on.set()
        controller.stop()
