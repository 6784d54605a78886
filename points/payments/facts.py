"""What the provider says, in words of ours. Money is in the smallest unit, currencies are in capitals, times in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    """One refund in the provider's records. ``key`` is the one that we gave it to keep, empty where it is not ours."""

    ref: str
    payment_ref: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    key: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFact:
    """One chargeback, or inquiry that may become one."""

    ref: str
    payment_ref: str
    status: str
    amount_minor: int
    currency: str
    reason: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What the provider keeps of a payment itself.

    ``payment_id``, ``payment_key`` and ``customer_id`` are what we gave it to keep, empty where it is none of ours.
    """

    ref: str
    status: str
    amount_minor: int
    received_minor: int
    currency: str
    payment_id: str = ""
    payment_key: str = ""
    customer_id: str = ""
    paid_at: datetime | None = None
    card_brand: str = ""
    card_last4: str = ""

    @property
    def is_paid(self) -> bool:
        """Whether the money was taken."""
        return self.status == "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that the provider says of one payment at one moment."""

    intent: Intent
    refunds: tuple[RefundFact, ...] = ()
    disputes: tuple[DisputeFact, ...] = ()
