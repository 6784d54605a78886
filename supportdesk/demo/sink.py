"""The mail server of the demo's people: takes every mail for everybody into one folder. ``sink HOST PORT FOLDER``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from supportdesk.demo.mailbox import store
from supportdesk.policy import POLICY


class Keep:
    """aiosmtpd's handler: a mail is accepted once its file is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        name = await asyncio.to_thread(store, self.folder, raw, envelope.rcpt_tos, envelope.mail_from or "")
        return f"250 kept as {name}"


async def serve(host: str, port: int, folder: Path) -> None:
    """Listens until the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = Keep(folder)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            handler,
            data_size_limit=2 * POLICY.mail_bytes_max,  # attachments grow by base64
            enable_SMTPUTF8=True,
            decode_data=False,
            hostname="mailbox.example",
        ),
        host,
        port,
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
