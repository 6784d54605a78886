"""Where the payment provider's word reaches incidents: refunds have effects in their timelines and mails (D5, D32).

The looking and sending is the ledger's own (``points.payments``); here it gets the service that records a refund.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from incidents.services.crediting import settle_refund
from points.models import Payment
from points.payments import looking, provider, sending


def handle_events(*, now: Callable[[], datetime]) -> int:
    """Looks at the payments that events speak of; gives how many events were handled (D32)."""
    return _if_ready(partial(looking.handle_events, now=now, settle=settle_refund))


def send_refunds(*, now: Callable[[], datetime]) -> int:
    """Sends refunds that are due, and looks at those on their way; gives how many moved on (D5)."""
    return _if_ready(partial(sending.send_due, now=now, settle=settle_refund))


def look_at_payments(*, now: Callable[[], datetime]) -> int:
    """Looks at payments that are open for long, and gives up the oldest; gives how many are settled (D32)."""
    return _if_ready(partial(looking.look_at_open, now=now, settle=settle_refund))


def look_at_payment(*, payment_id: int, at: datetime) -> Payment:
    """Asks the provider about one payment now, applies what it says, and gives the payment as it is then (D32).

    Raises ProviderDown, ProviderRefused; then nothing has changed.
    """
    return looking.look(payment_id=payment_id, at=at, settle=settle_refund)


def _if_ready(work: Callable[[], int]) -> int:
    return work() if provider.ready() else 0
