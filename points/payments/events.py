"""The provider's events: hints to look at a payment, each kept once (D32). Their bodies are not kept."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from points.models import ProviderEvent
from points.payments import provider
from supportdesk.mail.texts import one_line
from supportdesk.mail.wake import wake

BODY_MAX: Final = 256 * 1024
# Longer than a look at a payment: past it the worker is taken for dead. Two that look at once do no harm.
LEASE: Final = timedelta(minutes=5)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=1)
ERROR_MAX: Final = 500
_NAME = re.compile(r"[A-Za-z0-9_.]{1,255}")
_OF_INTEREST: Final = ("payment_intent.", "charge.", "refund.")
Outcome = ProviderEvent.Outcome


class CallRefused(Exception):
    """Somebody called the address of the events with what is none of ours; ``reason`` is counted and said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is kept of an event: its number, its kind, and the payment that it is about, if any."""

    event_ref: str
    kind: str
    payment_ref: str


def read_event(*, body: bytes, signature: str) -> Note:
    """What a signed body says. Raises CallRefused before anything of an unsigned one is read.

    Rule: D32.
    """
    if len(body) > BODY_MAX:
        raise CallRefused("too large")
    if not signature:
        raise CallRefused("no signature")
    secrets: list[str] = settings.STRIPE_WEBHOOK_SECRETS
    verdicts = {provider.signature_verdict(body=body, header=signature, secret=secret) for secret in secrets}
    if "fits" not in verdicts:
        raise CallRefused("signature too old" if "too old" in verdicts else "signature does not fit")
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise CallRefused("not JSON") from None
    note = _note(event)
    if note is None:
        raise CallRefused("not an event")
    if event.get("account"):
        raise CallRefused("other account")
    if bool(event.get("livemode")) != provider.is_live():
        raise CallRefused("live event at a test desk" if event.get("livemode") else "test event at a live desk")
    return note


def _note(event: Any) -> Note | None:
    if not isinstance(event, dict) or event.get("object") != "event":
        return None
    names = (event.get("id"), event.get("type"))
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names) or len(event["type"]) > 100:
        return None
    data = event.get("data")
    about = data.get("object") if isinstance(data, dict) else None
    named = _payment_ref(about) if event["type"].startswith(_OF_INTEREST) and isinstance(about, dict) else ""
    return Note(event_ref=event["id"], kind=event["type"], payment_ref=named)


def _payment_ref(about: dict[str, Any]) -> str:
    named: Any = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
    if isinstance(named, dict):
        named = named.get("id")
    return named if isinstance(named, str) and _NAME.fullmatch(named) else ""


_KEEP = """
INSERT INTO points_providerevent
    (event_ref, kind, payment_ref, received_at, deliveries, outcome, tries, next_try_at, last_error, handled_at)
VALUES (%s, %s, %s, %s, 1, %s, 0, %s, '', %s)
ON CONFLICT (event_ref) DO UPDATE SET deliveries = points_providerevent.deliveries + 1
RETURNING deliveries
"""


def take_event(note: Note, *, at: datetime) -> bool:
    """Keeps an event and wakes a worker; one that came before only counts as delivered again. One query.

    Rule: D32.
    """
    outcome = Outcome.WAITING if note.payment_ref else Outcome.IGNORED
    handled = None if note.payment_ref else at
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [note.event_ref, note.kind, note.payment_ref, at, outcome.value, at, handled])
        deliveries: int = cursor.fetchone()[0]
    is_new = deliveries == 1
    if is_new and handled is None:
        transaction.on_commit(wake_handler, robust=True)
    return is_new


def wake_handler() -> None:
    """Tells a worker that the provider said something; the schedule finds it anyhow."""
    wake("incidents.handle_payment_events")


_COUNT = """
INSERT INTO points_refusedcall (day, reason, times, last_at) VALUES (%s, %s, 1, %s)
ON CONFLICT (day, reason) DO UPDATE SET times = points_refusedcall.times + 1, last_at = excluded.last_at
"""


def refuse_call(reason: str, *, at: datetime) -> None:
    """Counts a call that was refused: anybody can call, so no more than a number a day is kept. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [at.astimezone(UTC).date(), reason[:40], at])


@transaction.atomic(durable=True)
def claim_events(*, at: datetime) -> list[ProviderEvent]:
    """The events of the payment that has been due longest, for the time of a lease; empty where nothing is due.

    All that are due of one payment are answered by one look at it.
    """
    due = ProviderEvent.objects.filter(outcome=Outcome.WAITING, next_try_at__lte=at).order_by("next_try_at", "id")
    first = due.select_for_update(skip_locked=True).first()
    if first is None:
        return []
    claimed = list(due.select_for_update(skip_locked=True).filter(payment_ref=first.payment_ref))
    ProviderEvent.objects.filter(pk__in=[event.pk for event in claimed]).update(
        tries=F("tries") + 1, next_try_at=at + LEASE
    )
    return claimed


def mark_handled(events: Sequence[ProviderEvent], *, outcome: Outcome, text: str, at: datetime) -> None:
    """Keeps what became of events; belongs into the transaction of what they caused."""
    waiting = ProviderEvent.objects.filter(pk__in=[event.pk for event in events], outcome=Outcome.WAITING)
    waiting.update(outcome=outcome, handled_at=at, last_error=one_line(text, ERROR_MAX))


def put_off(events: Sequence[ProviderEvent], *, error: str, at: datetime) -> None:
    """Keeps that the provider could not be asked: each wait is twice as long, up to an hour, without an end."""
    for event in events:
        wait = min(FIRST_WAIT * 2 ** min(event.tries, 10), LONGEST_WAIT)
        ProviderEvent.objects.filter(pk=event.pk, outcome=Outcome.WAITING).update(
            next_try_at=at + wait, last_error=one_line(error, ERROR_MAX)
        )
