"""localstripe, seen from the stand-in: its process and its HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from supportdesk.demo.provider.errors import ApiError
from supportdesk.demo.provider.params import Json

HERE: Final = Path(__file__).resolve().parent
LOCAL: Final = "127.0.0.1"
PAYS: Final = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2098, "cvc": "123"}


class Inner:
    """A running localstripe that keeps its store in ``file``."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.base = ""
        self.process: asyncio.subprocess.Process | None = None
        self.session: ClientSession | None = None

    async def start(self) -> None:
        """Starts it. Its socket listens already, so that the first request simply waits until it is there."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as listening:
            listening.bind((LOCAL, 0))
            listening.listen(64)
            self.base = f"http://{LOCAL}:{listening.getsockname()[1]}"
            command = [sys.executable, str(HERE / "behind.py"), str(listening.fileno()), str(self.file)]
            self.process = await asyncio.create_subprocess_exec(*command, pass_fds=[listening.fileno()])
        self.session = ClientSession(headers={"Authorization": "Bearer sk_test_behind"})
        await self.get("/v1/refunds")

    async def stop(self) -> None:
        """Ends it; it writes its store with every change."""
        if self.session is not None:
            await self.session.close()
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def get(self, path: str) -> Json:
        return await self._ask("GET", path, None)

    async def post(self, path: str, **sent: Any) -> Json:
        return await self._ask("POST", path, sent)

    async def flush(self) -> None:
        """Forgets everything."""
        await self._ask("DELETE", "/_config/data", None)

    async def pay(self, intent: str) -> Json:
        """Pays an intent with a card that pays; gives its charge, as localstripe has it."""
        method = await self.post("/v1/payment_methods", type="card", card=dict(PAYS))
        await self.post(f"/v1/payment_intents/{intent}", payment_method=method["id"])
        paid = await self.post(f"/v1/payment_intents/{intent}/confirm")
        charge: Json = paid["latest_charge"]
        return charge

    async def _ask(self, method: str, path: str, sent: Json | None) -> Json:
        assert self.session is not None, "started"
        try:
            async with self.session.request(method, self.base + path, json=sent) as response:
                raw = await response.text()
        except ClientError as gone:
            raise ApiError(500, f"localstripe does not answer: {gone}", kind="api_error") from gone
        body: Json = json.loads(raw) if raw else {}
        if response.status >= 300:
            raise ApiError(500, f"localstripe refused {method} {path}: {raw}", kind="api_error")
        return body
