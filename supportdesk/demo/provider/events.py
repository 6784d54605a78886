"""Events: made with every change, signed, sent to the desk until it takes them, and sent again on demand."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import hmac
import json
import secrets
import time
from contextlib import suppress
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from supportdesk.demo.provider.params import Json
from supportdesk.demo.provider.state import Keeper

API_VERSION: Final = "2026-10-28.endive"
SECONDS: Final = 20
LONGEST_PAUSE: Final = 30  # times the first one
TRIES_SHOWN: Final = 20


def signature(raw: bytes, secret: str, at: int) -> str:
    """The header ``Stripe-Signature`` of a body sent at ``at``."""
    signed = hmac.new(secret.encode(), b"%d.%s" % (at, raw), hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class Events:
    """The events of one provider, and their ways to ``url``. Without one they wait."""

    def __init__(self, keeper: Keeper, secret: str, url: str, retry_seconds: float) -> None:
        self.keeper = keeper
        self.secret = secret
        self.url = url
        self.retry_seconds = retry_seconds
        self._session: ClientSession | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Goes on with what had not arrived before a restart."""
        self._session = ClientSession(timeout=ClientTimeout(total=SECONDS))
        self.send_waiting()

    async def stop(self) -> None:
        await self._halt()
        if self._session is not None:
            await self._session.close()

    async def forget(self) -> None:
        """Stops sending, to anywhere."""
        await self._halt()
        self.url = ""

    def emit(self, kind: str, about: Json, *, before: Json | None = None, key: str | None = None) -> None:
        """Makes an event of the object as it is now. ``before``: what it was, of the fields that changed."""
        data: Json = {"object": copy.deepcopy(about)}
        if before is not None:
            data["previous_attributes"] = before
        name = f"evt_{secrets.token_hex(12)}"
        self.keeper.state.events[name] = {
            "id": name,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None if key is None else f"req_{secrets.token_hex(7)}", "idempotency_key": key},
            "type": kind,
        }
        self.keeper.state.sendings[name] = {"arrived": False, "tries": []}
        self._send_later(name)

    def send_waiting(self) -> None:
        """Sends what has not arrived yet, at once, unless events are paused or have nowhere to go."""
        self._wake.set()
        self._wake = asyncio.Event()
        for name, sending in self.keeper.state.sendings.items():
            if not sending["arrived"]:
                self._send_later(name)

    async def deliver(self, names: list[str], *, times: int = 1) -> list[Json]:
        """Sends these events now, in this order, each so many times at once, paused or not. Gives all outcomes."""
        outcomes: list[Json] = []
        for name in names:
            outcomes += await asyncio.gather(*(self._try(name) for _ in range(times)))
        return outcomes

    def _send_later(self, name: str) -> None:
        before = self._sending.get(name)
        if self.url and not self.keeper.state.paused and (before is None or before.done()):
            self._sending[name] = asyncio.get_running_loop().create_task(self._until_it_arrives(name))

    async def _until_it_arrives(self, name: str) -> None:
        pause = self.retry_seconds
        sending = self.keeper.state.sendings[name]
        while self.url and not self.keeper.state.paused and not sending["arrived"]:
            await self._try(name)
            if not sending["arrived"]:
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                    pause = self.retry_seconds
                except TimeoutError:
                    pause = min(2 * pause, LONGEST_PAUSE * self.retry_seconds)

    async def _try(self, name: str) -> Json:
        assert self._session is not None, "started"
        raw = json.dumps(self.keeper.state.events[name], indent=2).encode()
        at = int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(raw, self.secret, at),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        outcome: Json = {"event": name, "at": at, "status": None, "error": ""}
        try:
            async with self._session.post(self.url, data=raw, headers=headers, allow_redirects=False) as response:
                outcome["status"] = response.status
        except (ClientError, TimeoutError, ValueError) as failed:
            outcome["error"] = type(failed).__name__
        sending = self.keeper.state.sendings.get(name)
        if sending is not None:
            sending["tries"] = [*sending["tries"], outcome][-TRIES_SHOWN:]
            if 200 <= (outcome["status"] or 0) < 300:
                sending["arrived"] = True
                self.keeper.state.events[name]["pending_webhooks"] = 0
            self.keeper.save()
        return outcome

    async def _halt(self) -> None:
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._sending.clear()
