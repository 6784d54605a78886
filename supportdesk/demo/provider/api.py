"""/v1/: who may ask, what is asked, and the answer in Stripe's shape."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from supportdesk.demo.provider import disputes, payments, refunds, trouble
from supportdesk.demo.provider.core import Provider
from supportdesk.demo.provider.errors import ApiError, missing
from supportdesk.demo.provider.idempotency import once
from supportdesk.demo.provider.params import Json, nested, page

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
INTENT, REFUND = "/v1/payment_intents/{id}", "/v1/refunds/{id}"


class Api:
    """The routes of one provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/payment_intents", self.create_intent),
            web.get("/v1/payment_intents", self.list_intents),
            web.get(INTENT, self.show_intent),
            web.post(INTENT, self.change_intent),
            web.post(f"{INTENT}/cancel", self.cancel_intent),
            web.post(f"{INTENT}/confirm", self.confirm_intent),
            web.post(f"{INTENT}/_authenticate", self.authenticate_intent),
            web.get("/v1/charges", self.list_charges),
            web.get("/v1/charges/{id}", self.show_charge),
            web.post("/v1/refunds", self.create_refund),
            web.get("/v1/refunds", self.list_refunds),
            web.get(REFUND, self.show_refund),
            web.post(REFUND, self.change_refund),
            web.get("/v1/disputes", self.list_disputes),
            web.get("/v1/disputes/{id}", self.show_dispute),
            web.get("/v1/events", self.list_events),
            web.get("/v1/events/{id}", self.show_event),
            web.route("*", "/v1/{rest:.*}", self.unknown),
        ]

    # Payment intents

    async def create_intent(self, request: web.Request) -> web.Response:
        params = await self._params(request)
        return await self._change(request, params, lambda: payments.create(self.provider, params))

    async def change_intent(self, request: web.Request) -> web.Response:
        params = await self._params(request)
        intent = self.provider.intent(request.match_info["id"])
        return await self._change(request, params, lambda: payments.update(self.provider, intent, params))

    async def cancel_intent(self, request: web.Request) -> web.Response:
        params = await self._params(request)
        intent = self.provider.intent(request.match_info["id"])
        return await self._change(request, params, lambda: payments.cancel(self.provider, intent, params))

    async def confirm_intent(self, request: web.Request) -> web.Response:
        params, intent = await self._from_browser(request)
        return await self._from_script(request, params, lambda: payments.confirm(self.provider, intent, params))

    async def authenticate_intent(self, request: web.Request) -> web.Response:
        params, intent = await self._from_browser(request)
        return await self._from_script(request, params, lambda: payments.authenticate(self.provider, intent, params))

    async def show_intent(self, request: web.Request) -> web.Response:
        params = nested(request.query.items())
        if "client_secret" in params:
            params, intent = await self._from_browser(request)
            return web.json_response(payments.public(intent))
        self._secret_key(request)
        return self._shown(request, self.provider.intent(request.match_info["id"]))

    async def list_intents(self, request: web.Request) -> web.Response:
        return self._page(request, self.provider.state.intents, {"customer"})

    # Charges, refunds, disputes, events

    async def show_charge(self, request: web.Request) -> web.Response:
        self._secret_key(request)
        return self._shown(request, self.provider.charge(request.match_info["id"]))

    async def list_charges(self, request: web.Request) -> web.Response:
        return self._page(request, self.provider.state.charges, {"payment_intent"})

    async def create_refund(self, request: web.Request) -> web.Response:
        params = await self._params(request)
        met = trouble.take(self.provider, outside=True)
        trouble.refuse_before(met)

        async def work() -> Json:
            inside = trouble.take(self.provider, outside=False)
            trouble.refuse_inside(inside)
            key = request.headers.get("Idempotency-Key")
            return await refunds.create(self.provider, params, key=key, pending=inside is not None)

        return await trouble.after(met, request, await self._change(request, params, work))

    async def change_refund(self, request: web.Request) -> web.Response:
        params = await self._params(request)
        refund = refunds.by_id(self.provider, request.match_info["id"])
        return await self._change(request, params, lambda: refunds.update(self.provider, refund, params))

    async def show_refund(self, request: web.Request) -> web.Response:
        self._secret_key(request)
        return self._shown(request, refunds.by_id(self.provider, request.match_info["id"]))

    async def list_refunds(self, request: web.Request) -> web.Response:
        return self._page(request, self.provider.state.refunds, {"payment_intent", "charge"})

    async def show_dispute(self, request: web.Request) -> web.Response:
        self._secret_key(request)
        return self._shown(request, disputes.by_id(self.provider, request.match_info["id"]))

    async def list_disputes(self, request: web.Request) -> web.Response:
        return self._page(request, self.provider.state.disputes, {"payment_intent", "charge"})

    async def show_event(self, request: web.Request) -> web.Response:
        self._secret_key(request)
        name = request.match_info["id"]
        if name not in self.provider.state.events:
            raise missing("event", name)
        return web.json_response(self.provider.state.events[name])

    async def list_events(self, request: web.Request) -> web.Response:
        return self._page(request, self.provider.state.events, {"type"})

    async def unknown(self, request: web.Request) -> web.Response:
        raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.path}).")

    # What all of them do

    async def _params(self, request: web.Request) -> Json:
        """What is asked, by somebody with the secret key. Raises ApiError."""
        self._secret_key(request)
        return await _sent(request)

    async def _change(self, request: web.Request, params: Json, work: Callable[[], Awaitable[Json]]) -> web.Response:
        async def alone() -> Json:
            async with self.provider.lock:
                try:
                    return self.provider.expanded(await work(), params.get("expand"))
                finally:
                    self.provider.save()

        return await once(self.provider, request, params, alone)

    async def _from_script(
        self, request: web.Request, params: Json, work: Callable[[], Awaitable[Json]]
    ) -> web.Response:
        async def seen() -> Json:
            return payments.public(await work())

        return await self._change(request, params, seen)

    async def _from_browser(self, request: web.Request) -> tuple[Json, Json]:
        """What a browser asks with a publishable key and the intent's client secret. Raises ApiError."""
        params = await _sent(request) if request.method == "POST" else nested(request.query.items())
        key = str(params.get("key") or _key(request))
        if not hmac.compare_digest(key, self.provider.setting.publishable_key):
            raise _no_key(key)
        intent = self.provider.intent(request.match_info["id"])
        if not hmac.compare_digest(str(params.get("client_secret", "")), intent["client_secret"]):
            raise ApiError(
                400,
                "The client_secret provided does not match the client_secret associated with the PaymentIntent.",
                code="payment_intent_invalid_parameter",
                param="client_secret",
            )
        return params, intent

    def _secret_key(self, request: web.Request) -> None:
        key = _key(request)
        if key.startswith("pk_"):
            said = "This API call cannot be made with a publishable API key. Please use a secret API key."
            raise ApiError(401, said, code="secret_key_required")
        if not hmac.compare_digest(key, self.provider.setting.secret_key):
            raise _no_key(key)

    def _shown(self, request: web.Request, found: Json) -> web.Response:
        params = nested(request.query.items())
        return web.json_response(self.provider.expanded(found, params.get("expand")))

    def _page(self, request: web.Request, objects: dict[str, Json], by: set[str]) -> web.Response:
        self._secret_key(request)
        params = nested(request.query.items())
        found = page(objects.values(), params, request.path, by=by)
        return web.json_response(self.provider.expanded(found, params.get("expand")))


async def _sent(request: web.Request) -> Json:
    fields = await request.post()
    return nested((name, value) for name, value in fields.items() if isinstance(value, str))


def _key(request: web.Request) -> str:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Basic":
        try:
            return base64.b64decode(rest).decode().partition(":")[0]
        except ValueError:
            return ""
    return rest if scheme == "Bearer" else ""


def _no_key(key: str) -> ApiError:
    if not key:
        return ApiError(401, "You did not provide an API key.")
    return ApiError(401, f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals as answers; every answer has a request's id."""
    try:
        response = await handler(request)
    except ApiError as refusal:
        response = web.json_response(refusal.body, status=refusal.status)
    if not response.prepared:
        response.headers["Request-Id"] = f"req_{secrets.token_hex(7)}"
    return response
