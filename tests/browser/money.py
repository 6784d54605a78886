"""Money on every page of the running desk: bugs that cards paid, refunds on their way, holds, packs with prices.

Run inside the desk's own process: ``manage.py shell -c "from tests.browser.money import furnish; furnish()"``.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings

from incidents.cases import CreditCase
from incidents.models import Release
from incidents.services import crediting, opening
from points.models import Pack, Payment, Price, ProviderEvent, Refund, RefusedCall
from points.refund_services import RefundWord
from points.sale_services import contradict_payment
from points.setting import ledger_clock_widened
from supportdesk import clock
from supportdesk.people.models import Contact, User
from tests.journeys.running import ADMIN, CUSTOMER, TECHNICIAN
from tests.points.ledger import bought, decided, on_hold

DAY = timedelta(days=1)
WORD = "expired_or_canceled_card"


def furnish() -> None:
    """Makes it all, and prints the ids as JSON."""
    at = clock.now()
    contact = Contact.objects.select_related("customer", "user").get(email=CUSTOMER)
    admin = User.objects.get(email=ADMIN)
    # What is looked at here is a page, not a payment.
    settings.STRIPE_SECRET_KEY = settings.STRIPE_SECRET_KEY or "sk_test_of_nobody"
    with ledger_clock_widened():
        followed = _case(contact, "Mail rules run twice", at=at, days=300)
        crediting.determine(case_id=followed.pk, outcome="refunded", reason="", user=admin, at=at, key=uuid4().hex)
        asked = _case(contact, "Search finds deleted mail", at=at, days=200)
        contested = on_hold(bought(contact.customer, 30, 24510, at=at - 20 * DAY), at=at - DAY)
        done = on_hold(bought(contact.customer, 10, 9900, at=at - 20 * DAY), at=at - DAY, kind="refund")
    decided(done, "written_off", by=admin, at=at, reason="The money went back on the customer’s own wish.")
    pending, failed = Refund.objects.filter(giveback__charge=followed.charge_id).order_by("pk")
    Refund.objects.filter(pk=pending.pk).update(
        tries=3, last_error="The provider did not answer within 10 seconds.", next_try_at=at + timedelta(hours=1)
    )
    crediting.settle_refund(
        refund_id=failed.pk,
        word=RefundWord(state=Refund.State.FAILED, provider_ref=f"re_{failed.pk}", text=WORD),
        at=at,
    )
    pack = Pack.objects.get(points=30)
    for currency, amount in (("EUR", 24510), ("JPY", 38000)):
        Price.objects.get_or_create(pack=pack, currency=currency, defaults={"amount_minor": amount})
    odd = Payment.objects.create(
        customer=contact.customer, user=admin, points=30, amount_minor=24510, currency="EUR", started_at=at,
        looked_at=at, key=f"odd-{at}",
    )  # fmt: skip
    contradict_payment(payment_id=odd.pk, text="asked for EUR 245.10, the provider says EUR 1.00", at=at)
    ProviderEvent.objects.create(
        event_ref=f"evt_{at}", kind="customer.created", received_at=at, next_try_at=at, outcome="ignored", handled_at=at
    )
    RefusedCall.objects.get_or_create(day=at.date(), reason="bad signature", defaults={"last_at": at})
    print(
        json.dumps(
            {
                "followed": followed.pk,
                "followed_number": followed.incident.number,
                "asked": asked.pk,
                "asked_number": asked.incident.number,
                "hold": contested.pk,
                "decided": done.pk,
                "pack": pack.pk,
                "payment": odd.pk,
            }
        )
    )


def _case(contact: Contact, subject: str, *, at: datetime, days: int) -> CreditCase:
    """A bug that two cards paid: lots that end first, so that the incident draws on them."""
    bought(contact.customer, 4, 3200, at=at - days * DAY)
    bought(contact.customer, 6, 600, at=at - days * DAY, currency="JPY")
    incident = opening.open_incident(
        report=opening.Report(
            contact=contact,
            channel="email",
            kind="operation",
            release_id=Release.objects.order_by("-released_on").values_list("pk", flat=True)[0],
            subject=subject,
            text="Since Monday.",
        ),
        at=at,
        key=uuid4().hex,
    )
    technician = User.objects.get(email=TECHNICIAN)
    return crediting.mark_bug(incident_id=incident.pk, reference="QM-7001", user=technician, at=at, key=uuid4().hex)
