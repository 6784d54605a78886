"""/_desk/: what somebody does at the provider by hand, for demo and tests, from this machine alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from supportdesk.demo.provider import disputes, refunds, trouble
from supportdesk.demo.provider.core import Provider
from supportdesk.demo.provider.errors import ApiError, missing
from supportdesk.demo.provider.params import Json

HOSTS: Final = ("localhost", "127.0.0.1")
MOST_TIMES: Final = 50
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_ours(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No page of another site moves anything here: its browser may not send JSON, and another name is refused."""
    if request.path.startswith("/_desk/"):
        is_json = request.method == "GET" or request.content_type == "application/json"
        if request.url.host not in HOSTS or not is_json:
            raise ApiError(403, "Only programs on this machine talk to this, in JSON.")
    return await handler(request)


class Control:
    """The routes of one provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_desk/everything", self.everything),
            web.post("/_desk/reset", self.reset),
            web.post("/_desk/refund", self.refund),
            web.post("/_desk/settle", self.settle),
            web.post("/_desk/next_refund", self.next_refund),
            web.post("/_desk/dispute", self.dispute),
            web.post("/_desk/close_dispute", self.close_dispute),
            web.post("/_desk/events/to", self.events_to),
            web.post("/_desk/events/pause", self.pause),
            web.post("/_desk/events/resume", self.resume),
            web.post("/_desk/events/deliver", self.deliver),
        ]

    async def everything(self, request: web.Request) -> web.Response:
        """All objects in the order in which they were made, and how the events fared."""
        state = self.provider.state
        return web.json_response(
            {
                "payments": list(state.intents.values()),
                "charges": list(state.charges.values()),
                "refunds": list(state.refunds.values()),
                "disputes": list(state.disputes.values()),
                "events": [event | {"sending": state.sendings[name]} for name, event in state.events.items()],
                "armed": state.armed,
                "paused": state.paused,
                "url": self.provider.events.url,
            }
        )

    async def reset(self, request: web.Request) -> web.Response:
        await self.provider.reset()
        return web.json_response({})

    async def refund(self, request: web.Request) -> web.Response:
        """A refund from the dashboard: what is armed for the desk's own calls does not touch it."""
        sent = await _json(request)
        params = {name: str(value) for name, value in sent.items() if value is not None}
        async with self.provider.lock:
            made = await refunds.create(self.provider, params)
            self.provider.save()
        return web.json_response(made)

    async def settle(self, request: web.Request) -> web.Response:
        """{"refund", "outcome"}: what becomes of a refund. Without an outcome: what its card has in store."""
        sent = await _json(request)
        async with self.provider.lock:
            found = refunds.by_id(self.provider, str(sent.get("refund")))
            outcome = sent.get("outcome") or self.provider.state.plans.get(found["id"], "")
            refunds.settle(self.provider, found, str(outcome))
            self.provider.save()
        return web.json_response(found)

    async def next_refund(self, request: web.Request) -> web.Response:
        """{"mode", "code", "status", "seconds", "times"}: see ``trouble``."""
        armed = trouble.arm(self.provider, await _json(request))
        self.provider.save()
        return web.json_response(armed)

    async def dispute(self, request: web.Request) -> web.Response:
        """{"payment_intent", "reason", "amount"}: a customer disputes a payment."""
        sent = await _json(request)
        async with self.provider.lock:
            intent = self.provider.intent(str(sent.get("payment_intent")), param="payment_intent")
            charge = self.provider.charge(intent["latest_charge"] or "", param="payment_intent")
            reason = str(sent.get("reason") or "fraudulent")
            made = disputes.open_dispute(self.provider, charge, reason=reason, amount=sent.get("amount"))
            self.provider.save()
        return web.json_response(made)

    async def close_dispute(self, request: web.Request) -> web.Response:
        """{"dispute", "outcome": "won" or "lost"}."""
        sent = await _json(request)
        async with self.provider.lock:
            found = disputes.close(self.provider, str(sent.get("dispute")), str(sent.get("outcome")))
            self.provider.save()
        return web.json_response(found)

    async def events_to(self, request: web.Request) -> web.Response:
        """{"url"}: where events go; what waits is sent there. Empty: nowhere."""
        self.provider.events.url = str((await _json(request)).get("url", ""))
        self.provider.events.send_waiting()
        return web.json_response({})

    async def pause(self, request: web.Request) -> web.Response:
        self.provider.state.paused = True
        self.provider.save()
        return web.json_response({})

    async def resume(self, request: web.Request) -> web.Response:
        self.provider.state.paused = False
        self.provider.save()
        self.provider.events.send_waiting()
        return web.json_response({})

    async def deliver(self, request: web.Request) -> web.Response:
        """{"events": [ids], "times"}: now, in this order, each so many times at once. Gives all outcomes."""
        sent = await _json(request)
        names = [str(name) for name in sent.get("events", [])]
        for name in names:
            if name not in self.provider.state.events:
                raise missing("event", name)
        times = int(sent.get("times") or 1)
        if not 1 <= times <= MOST_TIMES:
            raise ApiError(400, f"times must be between 1 and {MOST_TIMES}", param="times")
        return web.json_response({"outcomes": await self.provider.events.deliver(names, times=times)})


async def _json(request: web.Request) -> Json:
    try:
        sent = await request.json()
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise ApiError(400, "A JSON object is wanted.")
    return sent
