"""SMTP and LMTP as they are spoken here: what aiosmtpd's server leaves open to whoever connects is closed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from aiosmtpd.smtp import SMTP

logger = logging.getLogger(__name__)

# How much is read at once. A line of a mail may be longer, one of a command not.
PIECE_BYTES: Final = 64 * 1024
# How long one mail may take to come, however slowly its sender writes.
MAIL_SECONDS: Final = 600
# A mail that is too large is read to its end, for only then can it be refused; one that has none is cut off.
READ_TIMES: Final = 4
BUSY: Final = b"421 4.3.2 Too many connections, please come again\r\n"


class ServerProtocol(SMTP):
    """One connection. After a mail LMTP has an answer for each recipient (RFC 2033), SMTP one."""

    line_length_limit = PIECE_BYTES

    def __init__(
        self, handler: Any, *, lmtp: bool, connections_max: int, too_big: str, try_again: str, **options: Any
    ) -> None:
        self.lmtp = lmtp
        self.connections_max = connections_max
        self.too_big = too_big
        self.try_again = try_again
        self.turned_away = False
        super().__init__(handler, **options)

    # More connections than there may be are told so, and never reach the library.

    def connection_made(self, transport: Any) -> None:
        if self.event_handler.connections >= self.connections_max:
            self.turned_away = True
            logger.warning("A connection was turned away: %d are open", self.event_handler.connections)
            transport.write(BUSY)
            transport.close()
            return
        self.event_handler.connections += 1
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.turned_away:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return False if self.turned_away else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.turned_away:
            self.event_handler.connections -= 1
            super().connection_lost(error)

    # The greeting tells which of the two protocols it is.

    async def smtp_LHLO(self, arg: str) -> None:
        await (super().smtp_EHLO(arg) if self.lmtp else self.push("500 5.5.1 This is SMTP: EHLO"))

    async def smtp_EHLO(self, arg: str) -> None:
        await (self.push("500 5.5.1 This is LMTP: LHLO") if self.lmtp else super().smtp_EHLO(arg))

    async def smtp_HELO(self, arg: str) -> None:
        await (self.push("500 5.5.1 This is LMTP: LHLO") if self.lmtp else super().smtp_HELO(arg))

    async def push(self, status: Any) -> None:
        # The library's own words do not name the limit.
        too_big = status[:4] in ("552 ", b"552 ")
        await super().push(self.too_big if too_big else status)

    async def handle_exception(self, error: Exception) -> str:
        logger.error("The gateway stumbled", exc_info=error)
        return self.try_again

    async def smtp_DATA(self, arg: str) -> None:
        """Takes a mail. The library's own reading keeps a line without an end in memory for as long as it comes."""
        if await self.check_helo_needed("LHLO" if self.lmtp else "EHLO"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self._reset_timeout(MAIL_SECONDS)
        source = await self._read_mail()
        self._reset_timeout()
        if source is None:
            status = self.too_big
        else:
            self.envelope.content = self.envelope.original_content = source
            status = await self._call_handler_hook("DATA")
        answers = len(self.envelope.rcpt_tos) if self.lmtp else 1
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await super().push("\r\n".join([status] * answers))

    async def _read_mail(self) -> bytes | None:
        """The mail up to CR LF, dot, CR LF, and to no other end; None where it is too large, with nothing kept of it.

        A bare CR or LF is a letter like any other, so a dot between such ends nothing: no second mail is smuggled in.
        """
        assert self.data_size_limit is not None
        kept, size, begins = bytearray(), 0, True
        while True:
            try:
                piece, ends = await self._reader.readuntil(b"\r\n"), True
            except asyncio.LimitOverrunError as long:
                piece, ends = await self._reader.read(long.consumed), False
            if begins and piece == b".\r\n":
                return bytes(kept) if size <= self.data_size_limit else None
            if begins and piece.startswith(b"."):
                piece = piece[1:]
            size += len(piece)
            if size <= self.data_size_limit:
                kept += piece
            else:
                kept.clear()
            begins = ends
            if size > READ_TIMES * self.data_size_limit:
                await self._cut_off()

    async def _cut_off(self) -> None:
        """Says why, and ends the connection of a sender who does not end."""
        await self.push(self.too_big)
        assert self.transport is not None
        self.transport.close()
        raise asyncio.CancelledError
