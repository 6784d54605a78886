"""Where the payment provider says that something happened (D32). It is kept and answered; looking comes after."""

from __future__ import annotations

import logging

from django.http import Http404, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from points.payments.events import BODY_MAX, CallRefused, read_event, refuse_call, take_event
from points.payments.provider import ready
from supportdesk.people.doors import DeskRequest, door

logger = logging.getLogger(__name__)


@csrf_exempt
@door("anyone")
def events(request: DeskRequest) -> JsonResponse:
    """Keeps a signed event, once, and wakes a worker. Nothing of an unsigned body is read, kept or logged.

    Rule: D32.
    """
    if not ready():
        raise Http404
    if request.method != "POST":
        return JsonResponse({"error": "only POST"}, status=405, headers={"Allow": "POST"})
    try:
        if _announced(request) > BODY_MAX:
            raise CallRefused("too large")
        note = read_event(body=request.body, signature=request.headers.get("Stripe-Signature", ""))
    except CallRefused as refused:
        refuse_call(refused.reason, at=request.at)
        logger.warning("A payment event was refused: %s", refused.reason)
        return JsonResponse({"error": refused.reason}, status=400)
    is_new = take_event(note, at=request.at)
    logger.info("Payment event %s (%s) %s", note.event_ref, note.kind, "came" if is_new else "came again")
    return JsonResponse({"outcome": "stored"})


def _announced(request: DeskRequest) -> int:
    """How long the body is said to be: a longer one is not even read."""
    said = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(said) if said.isdecimal() and len(said) < 18 else 0
