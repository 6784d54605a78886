"""What the page of a payment needs of the provider (D32). Nothing here runs in a transaction of the caller's."""

from __future__ import annotations

from datetime import datetime

from points.models import Payment
from points.payments import provider
from points.payments.provider import ProviderDown, ProviderRefused, ready
from points.sale_services import name_payment, note_look

__all__ = ["ready", "secret", "start"]


def start(*, payment: Payment, at: datetime) -> None:
    """Has the provider make the payment intent, and keeps its name; safe to call again.

    Raises ProviderDown, ProviderRefused; then the payment stays open without a name, and may be started again.
    """
    if payment.provider_ref is not None or payment.state != Payment.State.OPEN:
        return
    try:
        ref = provider.begin(payment)
    except (ProviderDown, ProviderRefused) as error:
        note_look(payment_id=payment.pk, at=at, error=str(error))
        raise
    _name(payment, ref)


def secret(payment: Payment) -> str:
    """What the customer's browser pays with; it opens this one payment and nothing else.

    Asking begins nothing: a payment that has no name yet is begun by choosing the pack again. Raises ProviderDown,
    ProviderRefused.
    """
    if payment.provider_ref is None:
        raise ProviderDown("this payment has not begun at the provider")
    return provider.secret_of(payment.provider_ref)


def _name(payment: Payment, ref: str) -> None:
    name_payment(payment_id=payment.pk, provider_ref=ref)
    payment.refresh_from_db(fields=["provider_ref", "last_error"])
