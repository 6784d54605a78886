"""What the next refund calls meet, on command: for demo and tests."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from supportdesk.demo.provider.core import Provider
from supportdesk.demo.provider.errors import ApiError
from supportdesk.demo.provider.params import Json

# mode: what happens
MODES: Final = {
    "fails": "refused for good, with a code; the answer is kept for the key",
    "pending": "begins as pending; succeeds or fails on command",
    "error": "does nothing and answers 500; the answer is kept for the key",
    "unavailable": "does nothing and answers 503; a retry with the same key does it",
    "refused": "too many requests: 429; a retry with the same key does it",
    "hangs": "does it, and answers after some seconds",
    "drops": "does it, and closes the connection without an answer",
}
OUTSIDE: Final = ("refused", "unavailable", "hangs", "drops")  # before or after the keys; these count replays, too


def arm(provider: Provider, sent: Json) -> Json:
    """Sets what the next ``times`` refund calls meet. Raises ApiError."""
    mode = sent.get("mode")
    if mode not in MODES:
        raise ApiError(400, f"mode must be one of {', '.join(MODES)}", param="mode")
    armed = {"mode": mode, "code": sent.get("code") or "charge_disputed", "status": int(sent.get("status") or 400)}
    armed |= {"seconds": float(sent.get("seconds") or 60), "times": int(sent.get("times") or 1)}
    provider.state.armed.append(armed)
    return armed


def take(provider: Provider, *, outside: bool) -> Json | None:
    """What this call meets, if it is its turn at this place."""
    armed = provider.state.armed
    if not armed or (armed[0]["mode"] in OUTSIDE) != outside:
        return None
    first = armed[0]
    first["times"] -= 1
    if first["times"] < 1:
        armed.pop(0)
    provider.save()
    return first


def refuse_before(met: Json | None) -> None:
    """Raises ApiError where a call does not even reach its key."""
    mode = met["mode"] if met else ""
    if mode == "refused":
        raise ApiError(429, "Too many requests hit the API too quickly.", code="rate_limit")
    if mode == "unavailable":
        raise ApiError(503, "The stand-in was told to be unavailable.", kind="api_error")


def refuse_inside(met: Json | None) -> None:
    """Raises ApiError where the work itself goes wrong."""
    mode = met["mode"] if met else ""
    if met and mode == "fails":
        kind = "card_error" if met["status"] == 402 else "invalid_request_error"
        raise ApiError(met["status"], "The stand-in was told to refuse.", kind=kind, code=met["code"], kept=True)
    if mode == "error":
        raise ApiError(500, "The stand-in was told to break.", kind="api_error", kept=True)


async def after(met: Json | None, request: web.Request, response: web.Response) -> web.Response:
    """The answer, late or never."""
    mode = met["mode"] if met else ""
    if met and mode == "hangs":
        await asyncio.sleep(met["seconds"])
    if mode == "drops" and request.transport is not None:
        request.transport.abort()
    return response
