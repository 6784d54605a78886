"""What the room keeps: the ledger, what is sold, what is paid back to cards, and what is on hold."""

from points.models.holds import Hold, HoldDecision, HoldNews
from points.models.ledger import (
    OPENING,
    Cause,
    Charge,
    Entry,
    ExpiryWarning,
    GiveBack,
    LedgerSetting,
    Lot,
    LowBalance,
    Purchase,
    PurchaseKind,
    Tally,
)
from points.models.refunds import Refund
from points.models.sales import Pack, Payment, Price, ProviderEvent, RefusedCall

__all__ = [
    "OPENING",
    "Cause",
    "Charge",
    "Entry",
    "ExpiryWarning",
    "GiveBack",
    "Hold",
    "HoldDecision",
    "HoldNews",
    "LedgerSetting",
    "Lot",
    "LowBalance",
    "Pack",
    "Payment",
    "Price",
    "ProviderEvent",
    "Purchase",
    "PurchaseKind",
    "Refund",
    "RefusedCall",
    "Tally",
]
