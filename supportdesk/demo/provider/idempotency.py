"""``Idempotency-Key``: the first answer again, to the same request.

As documented: an answer is kept once the work began, errors and 500 included; what fails before that (a wrong
parameter, a rate limit, another request with the key under way) is not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from supportdesk.demo.provider.core import Provider
from supportdesk.demo.provider.errors import ApiError
from supportdesk.demo.provider.params import Json

LONGEST_KEY = 255


async def once(
    provider: Provider, request: web.Request, params: Json, work: Callable[[], Awaitable[Json]]
) -> web.Response:
    """The answer to a POST: of ``work``, or the one that the key's first request got. Raises ApiError."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return web.json_response(await work())
    if len(key) > LONGEST_KEY:
        raise ApiError(400, f"Idempotency keys are up to {LONGEST_KEY} characters long.", kind="idempotency_error")
    print_ = _fingerprint(request, params)
    if key in provider.under_way:
        raise ApiError(
            409,
            "There is currently another in-progress request using this Idempotent Key (that probably means you "
            f"submitted twice, and the other request is still going through): {key}. Please try again later.",
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    kept = provider.state.answers.get(key)
    if kept is not None:
        if kept["print"] != print_:
            raise ApiError(
                400,
                "Keys for idempotent requests can only be used with the same endpoint and parameters they were first "
                f"used with. Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return web.json_response(kept["body"], status=kept["status"], headers={"Idempotent-Replayed": "true"})
    provider.under_way.add(key)
    try:
        status, body = 200, await work()
    except ApiError as refusal:
        if not refusal.kept:
            raise
        status, body = refusal.status, refusal.body
    finally:
        provider.under_way.discard(key)
    # Written out at once: the object changes later, the answer does not.
    provider.state.answers[key] = {"print": print_, "status": status, "body": json.loads(json.dumps(body))}
    provider.save()
    return web.json_response(body, status=status)


def _fingerprint(request: web.Request, params: Json) -> str:
    said = json.dumps([request.path, params], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
