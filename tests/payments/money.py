"""Makers of payments, purchases and refunds at the provider that the tests run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import stripe
from django.conf import settings

from incidents import paying
from incidents.models import Incident
from incidents.services import crediting
from points.models import Entry, Lot, Pack, Payment, Price, ProviderEvent, Refund
from points.payments import buying
from points.payments.events import read_event, take_event
from points.queries import balance
from points.sale_services import begin_payment
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from tests.cast import Cast
from tests.incidents_helpers import key, opened
from tests.provider import TestProvider

PRICE = 24000


def a_price(points: int = 30, amount_minor: int = PRICE, currency: str = "EUR") -> Pack:
    pack = Pack.objects.get(points=points)
    Price.objects.get_or_create(pack=pack, currency=currency, defaults={"amount_minor": amount_minor})
    return pack


def begun(buyer: Contact, *, at: datetime, points: int = 30, started: bool = True) -> Payment:
    """A payment that waits for its card."""
    assert buyer.user is not None
    pack = a_price(points)
    payment = begin_payment(
        customer=buyer.customer,
        user=buyer.user,
        pack_id=pack.pk,
        amount_minor=pack.prices.get(currency="EUR").amount_minor,
        currency="EUR",
        at=at,
        key=key(),
    )
    if started:
        buying.start(payment=payment, at=at)
    return payment


def ref_of(payment: Payment) -> str:
    assert payment.provider_ref is not None
    return payment.provider_ref


def bought(provider: TestProvider, buyer: Contact, *, at: datetime, card: str = "4242424242424242") -> Payment:
    """Thirty points for EUR 240.00, paid and settled."""
    payment = begun(buyer, at=at)
    provider.pay(ref_of(payment), card)
    return paying.look_at_payment(payment_id=payment.pk, at=at)


def refunding(provider: TestProvider, cast: Cast, *, at: datetime, card: str = "4242424242424242") -> Refund:
    """A refund of ten of thirty points that were paid by card: EUR 80.00, decided and not sent."""
    bought(provider, cast.owner, at=at, card=card)
    incident = opened(cast.owner, at=at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="QM-1", user=cast.technician, at=at, key=key())
    crediting.determine(case_id=case.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
    return Refund.objects.get()


def incident_of(refund: Refund) -> Incident:
    return Incident.objects.get(charges__charge=refund.giveback.charge_id)


def again(refund: Refund) -> Refund:
    return Refund.objects.select_related("purchase", "giveback").get(pk=refund.pk)


def send(at: datetime) -> int:
    return paying.send_refunds(now=lambda: at)


def handle(at: datetime) -> int:
    return paying.handle_events(now=lambda: at)


def look(at: datetime) -> int:
    return paying.look_at_payments(now=lambda: at)


def take(provider: TestProvider, event: dict[str, Any], *, at: datetime) -> bool:
    """The event as the address for it takes it."""
    body, signature = provider.signed(event)
    return take_event(read_event(body=body, signature=signature), at=at)


def hear(provider: TestProvider, kind: str = "", *, at: datetime) -> int:
    """Takes all the events of a kind, in the order in which they were made, and handles them."""
    for event in provider.events(kind):
        take(provider, event, at=at)
    return handle(at)


def outcomes() -> list[str]:
    return list(ProviderEvent.objects.order_by("pk").values_list("outcome", flat=True))


def mails(kind: str) -> int:
    return OutgoingMail.objects.filter(kind=kind).count()


def on_hand(cast: Cast, at: datetime) -> int:
    return balance(customer_id=cast.acme.pk, at=at)


def nothing_bought() -> bool:
    return not Lot.objects.exists() and not Entry.objects.exists()


def stripe_client() -> stripe.StripeClient:
    """The provider as somebody sees it who has the keys, and not the desk's manners."""
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY, base_addresses={"api": settings.STRIPE_API_BASE}, max_network_retries=0
    )


def foreign(provider: TestProvider, metadata: dict[str, str], *, amount: int = 24000, currency: str = "eur") -> str:
    """An intent that somebody made at the provider by hand, and that is paid."""
    intent = stripe_client().v1.payment_intents.create({"amount": amount, "currency": currency, "metadata": metadata})
    provider.pay(intent.id)
    return intent.id


def as_if_ours(payment: Payment) -> dict[str, str]:
    return {"payment": str(payment.pk), "payment_key": payment.key, "customer": str(payment.customer_id)}


def at_provider(provider: TestProvider) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = provider.everything()["refunds"]
    return found
