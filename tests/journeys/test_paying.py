"""Money on real parts: the provider's signed event by HTTP, a worker that looks, a lot, a mail (D32)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.running import RunningDesk, until

pytestmark = [pytest.mark.redis, pytest.mark.xdist_group("desk")]

# A look that fails once on a busy machine is repeated after a minute or two: no reason to fail.
SETTLED, PATIENT = "the payment to be settled", 200
# What the page for buying does, without the page.
BEGIN = """
from points.models import Pack, Price
from points.payments import buying
from points.sale_services import begin_payment
from supportdesk import clock
from supportdesk.people.models import Contact
contact = Contact.objects.filter(is_administrator=True, user__isnull=False).first()
pack = Pack.objects.get(points=100)
price, _made = Price.objects.get_or_create(pack=pack, currency="EUR", defaults={"amount_minor": 70000})
payment = begin_payment(
    customer=contact.customer,
    user=contact.user,
    pack_id=pack.pk,
    amount_minor=price.amount_minor,
    currency="EUR",
    at=clock.now(),
    key=KEY,
)
buying.start(payment=payment, at=clock.now())
print(payment.provider_ref)
"""
STATE = "SELECT state FROM points_payment WHERE provider_ref = %s AND state = 'paid'"
HANDLED = "SELECT kind FROM points_providerevent WHERE payment_ref = %s AND outcome = 'applied'"
LOTS = (
    "SELECT lot.points FROM points_lot lot JOIN points_purchase bought ON bought.id = lot.purchase_id"
    " WHERE bought.provider_ref = %s"
)


@pytest.fixture
def mended(running_desk: RunningDesk) -> Iterator[RunningDesk]:
    """The desk, with every part that a test killed started again."""
    yield running_desk
    for name in ("web", "worker"):
        if name not in running_desk.children:
            running_desk.start_part(name)


def begun(desk: RunningDesk, key: str) -> str:
    done = desk.manage("shell", "-v", "0", "-c", f"KEY = {key!r}\n{BEGIN}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.rule("D32")
def test_a_payment_is_a_lot_within_moments(running_desk: RunningDesk) -> None:
    ref = begun(running_desk, "journey-1")
    running_desk.provider.pay(ref)
    until(lambda: running_desk.rows(STATE, ref), SETTLED, seconds=PATIENT)
    assert running_desk.rows(LOTS, ref) == [(100,)]
    assert "payment_intent.succeeded" in [kind for (kind,) in running_desk.rows(HANDLED, ref)]


@pytest.mark.rule("D32")
def test_paid_while_web_and_worker_are_dead_it_is_a_lot_once_they_are_back(mended: RunningDesk) -> None:
    ref = begun(mended, "journey-2")
    mended.kill_part("worker")
    mended.kill_part("web")
    mended.provider.pay(ref)
    assert mended.rows(LOTS, ref) == []
    for name in ("web", "worker"):
        mended.start_part(name)
    until(lambda: mended.rows(STATE, ref), SETTLED, seconds=PATIENT)
    event = next(event for event in mended.provider.events("payment_intent.succeeded"))
    mended.provider.deliver(event["id"], times=5)
    assert mended.rows(LOTS, ref) == [(100,)]


@pytest.mark.rule("D5", "D6")
def test_the_ledger_agrees_with_the_provider_afterwards(running_desk: RunningDesk) -> None:
    """Tests of pages enter payments of their own there: of those that were paid here nothing differs."""
    ref = begun(running_desk, "journey-3")
    running_desk.provider.pay(ref)
    until(lambda: running_desk.rows(STATE, ref), SETTLED, seconds=PATIENT)
    done = running_desk.manage("check_ledger")
    assert "Compared with the payment provider." in done.stdout, done.stderr
    assert ref not in done.stdout
