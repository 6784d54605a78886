"""Looks at payments: because an event says so, because they are open for long, or because a page asks (D32).

``settle`` records the provider's word on a refund with all that it causes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value

from points.models import Payment, ProviderEvent
from points.payments import provider
from points.payments.events import claim_events, mark_handled, put_off
from points.payments.provider import NotThere, ProviderDown, ProviderRefused
from points.payments.syncing import Outcome, Settle, apply
from points.sale_services import give_up_payment, note_look
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

BATCH: Final = 100
# An event comes within seconds: an open payment is looked at after this, then each time after twice as long.
FIRST_LOOK: Final = timedelta(minutes=5)


def handle_events(*, now: Callable[[], datetime], settle: Settle, limit: int = BATCH) -> int:
    """Looks at the payments of the events that wait; gives how many events were handled (D32).

    What they cause and that they were handled is one transaction. Where the provider is down the rest waits.
    """
    handled = 0
    for _turn in range(limit):
        events = claim_events(at=now())
        if not events:
            break
        try:
            _handle(events, now=now, settle=settle)
            handled += len(events)
        except ProviderDown as error:
            put_off(events, error=str(error), at=now())
            logger.warning("%s events wait for the provider: %s", len(events), error)
            if not isinstance(error, NotThere):  # of that one alone the provider knows nothing
                break
        except Exception as error:  # whatever one payment has, the others are looked at
            logger.exception("Events of %s could not be handled", events[0].payment_ref)
            put_off(events, error=f"{type(error).__name__}: {error}", at=now())
    return handled


def _handle(events: list[ProviderEvent], *, now: Callable[[], datetime], settle: Settle) -> None:
    """Raises ProviderDown, also where a payment of ours is not there: then the key is of another account."""
    try:
        snapshot = provider.snapshot(events[0].payment_ref)
    except NotThere:
        if Payment.objects.filter(provider_ref=events[0].payment_ref).exists():
            raise
        mark_handled(events, outcome=Outcome.UNKNOWN, text="", at=now())
        return
    at = now()
    with transaction.atomic():
        outcome, text = apply(snapshot, at=at, settle=settle)
        mark_handled(events, outcome=outcome, text=text, at=at)
    if outcome == Outcome.CONTRADICTS:
        logger.error("The provider contradicts our records: %s", text)


def look_at_open(*, now: Callable[[], datetime], settle: Settle, limit: int = BATCH) -> int:
    """Looks at payments that are open for long, should their event be lost; gives how many are settled now (D32).

    After ``POLICY.payment_hours`` they are given up, at the provider first: what was paid all the same counts.
    """
    settled = 0
    for payment_id in _open_for_long(now())[:limit]:
        at = now()
        try:
            payment = look(payment_id=payment_id, at=at, settle=settle)
            if payment.state == Payment.State.OPEN and at >= payment.started_at + _patience():
                payment = _give_up(payment, now=now, settle=settle)
            settled += payment.state != Payment.State.OPEN
        except ProviderDown as error:
            note_look(payment_id=payment_id, at=at, error=str(error))
            logger.warning("Payments wait for the provider: %s", error)
            if not isinstance(error, NotThere):  # of that one alone the provider knows nothing
                break
        except Exception as error:  # whatever one payment has, the others are looked at
            logger.exception("Payment %s could not be looked at", payment_id)
            note_look(payment_id=payment_id, at=at, error=f"{type(error).__name__}: {error}")
    return settled


def _patience() -> timedelta:
    return timedelta(hours=POLICY.payment_hours)


def _open_for_long(at: datetime) -> list[int]:
    """Open payments whose turn it is, what was looked at longest ago coming first."""
    until_then = ExpressionWrapper(F("looked_at") - F("started_at"), DurationField())
    since_then = ExpressionWrapper(Value(at, DateTimeField()) - F("looked_at"), DurationField())
    found = Payment.objects.filter(state=Payment.State.OPEN, looked_at__lte=at - FIRST_LOOK)
    found = found.annotate(until_then=until_then, since_then=since_then).filter(
        Q(started_at__lte=at - _patience()) | Q(since_then__gte=F("until_then"))
    )
    return list(found.order_by("looked_at", "pk").values_list("pk", flat=True))


def look(*, payment_id: int, at: datetime, settle: Settle) -> Payment:
    """Fetches what the provider says of a payment and applies it; gives the payment as it is then.

    One that the provider was never asked to make cannot have been paid. Raises ProviderDown, ProviderRefused.
    """
    payment = Payment.objects.get(pk=payment_id)
    if payment.provider_ref is None:
        note_look(payment_id=payment_id, at=at, error=payment.last_error)
    else:
        outcome, text = apply(provider.snapshot(payment.provider_ref), at=at, settle=settle)
        if outcome == Outcome.CONTRADICTS:
            logger.error("The provider contradicts our records: %s", text)
    payment.refresh_from_db()
    return payment


def _give_up(payment: Payment, *, now: Callable[[], datetime], settle: Settle) -> Payment:
    """Cancels a payment at the provider, then here; one that is being paid just now stays open. Raises ProviderDown."""
    if payment.provider_ref is None:
        give_up_payment(payment_id=payment.pk, at=now())
    else:
        try:
            provider.cancel(payment.provider_ref)
        except ProviderRefused as refusal:
            logger.info("Payment %s is not given up: %s", payment.pk, refusal)
        # Whatever was refused, or came about meanwhile, is in the provider's record.
        return look(payment_id=payment.pk, at=now(), settle=settle)
    payment.refresh_from_db()
    return payment
