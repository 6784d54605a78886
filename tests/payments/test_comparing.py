"""``check_ledger`` compares with the provider's records: every difference is a line, and what agrees is none (D6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import stripe
from django.core.management import call_command

from points.models import HoldNews, Payment, ProviderEvent, Refund
from points.payments import provider as provider_module
from points.payments.facts import Intent
from supportdesk import clock
from tests.cast import Cast
from tests.payments.money import as_if_ours, begun, bought, foreign, hear, ref_of, refunding, send, stripe_client, take
from tests.points import ledger
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D5", "D6", "D32")
LATER = timedelta(days=1)
FAILING_CARD = "4000000000005126"


def told(at: datetime, *, offline: bool = False) -> tuple[list[str], str, int]:
    """The lines of differences, the verdict, and the exit status."""
    out = StringIO()
    status = 0
    with clock.set_to(at):
        try:
            call_command("check_ledger", *(["--offline"] if offline else []), stdout=out)
        except SystemExit as end:
            status = int(str(end.code))
    *lines, verdict = out.getvalue().splitlines()
    return lines, verdict, status


def test_what_was_kept_agrees(provider: TestProvider, cast: Cast, at: datetime):
    """A purchase with a refund, one with a refund by hand and a dispute, one begun, one of something else."""
    refunding(provider, cast, at=at)
    send(at)
    payment = bought(provider, cast.owner, at=at)
    provider.refund(ref_of(payment), 1000)
    provider.dispute(ref_of(payment))
    begun(cast.owner, at=at)
    foreign = stripe_client().v1.payment_intents.create({"amount": 700, "currency": "eur"})
    provider.pay(foreign.id)
    hear(provider, at=at)
    lines, verdict, status = told(at + LATER)
    assert (lines, status) == ([], 0)
    assert verdict.startswith("Compared with the payment provider. 2 purchases")


def purchase_not_there(provider: TestProvider, cast: Cast, at: datetime) -> None:
    ledger.bought(cast.acme, at=at)


def taken_and_nothing_bought(provider: TestProvider, cast: Cast, at: datetime) -> None:
    provider.pay(ref_of(begun(cast.owner, at=at)))


def contradicted(provider: TestProvider, cast: Cast, at: datetime) -> None:
    payment = begun(cast.owner, at=at, started=False)
    ref = foreign(provider, as_if_ours(payment), amount=23999)
    Payment.objects.filter(pk=payment.pk).update(provider_ref=ref)
    hear(provider, at=at)


def refund_that_failed_unheard(provider: TestProvider, cast: Cast, at: datetime) -> None:
    refunding(provider, cast, at=at, card=FAILING_CARD)
    send(at)
    provider.settle(str(Refund.objects.get().provider_ref))


def refund_by_hand_unheard(provider: TestProvider, cast: Cast, at: datetime) -> None:
    provider.refund(ref_of(bought(provider, cast.owner, at=at)), 500)


def dispute_unheard(provider: TestProvider, cast: Cast, at: datetime) -> None:
    provider.dispute(ref_of(bought(provider, cast.owner, at=at)))


def points_and_money_both(provider: TestProvider, cast: Cast, at: datetime) -> None:
    refund = refunding(provider, cast, at=at)
    provider.next_refund("fails")
    send(at)
    stripe_client().v1.refunds.create(
        {"payment_intent": refund.purchase.provider_ref, "amount": 8000, "metadata": {"refund": refund.key}}
    )


PLANTED: dict[str, tuple[Callable[[TestProvider, Cast, datetime], None], str]] = {
    "a purchase that it has not": (purchase_not_there, "the provider has no payment pi_"),
    "money that bought nothing": (taken_and_nothing_bought, "the provider took 24000 EUR as pi_"),
    "a payment that contradicts": (contradicted, "the provider took 23999 EUR as pi_"),
    "a refund that failed": (refund_that_failed_unheard, "is failed at the provider"),
    "a refund by hand": (refund_by_hand_unheard, "of 500 EUR is not known here"),
    "a dispute": (dispute_unheard, "of 24000 EUR holds nothing here"),
    "points and money both": (points_and_money_both, "of 8000 EUR is not known here"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_of_difference_is_found_and_told(provider: TestProvider, cast: Cast, at: datetime, kind: str):
    plant, says = PLANTED[kind]
    plant(provider, cast, at)
    lines, verdict, status = told(at + LATER)
    assert (len(lines), status) == (1, 1)
    assert says in lines[0]
    assert verdict.endswith(": 1 differences")
    assert told(at + LATER, offline=True)[0::2] == ([], 0)


def test_another_amount_or_state_of_the_payment_is_told(
    provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Neither can come about at the provider: only what it says is changed on its way."""
    bought(provider, cast.owner, at=at)
    (intent,) = provider_module.all_intents()
    values = {name: getattr(intent, name) for name in ("ref", "amount_minor", "payment_id", "paid_at")}
    for changed, says in (
        ({"status": "canceled", "received_minor": 24000, "currency": "EUR"}, "is canceled at the provider"),
        ({"status": "succeeded", "received_minor": 23000, "currency": "EUR"}, "the provider took 23000 EUR"),
        ({"status": "succeeded", "received_minor": 24000, "currency": "USD"}, "the provider took 24000 USD"),
    ):
        said = Intent(**(values | changed))
        monkeypatch.setattr(provider_module, "all_intents", lambda said=said: iter([said]))
        (line,) = told(at + LATER)[0]
        assert says in line


def test_what_happened_just_now_is_no_difference_yet(provider: TestProvider, cast: Cast, at: datetime):
    """A desk that works meanwhile: paid, refunded by hand and disputed within the last minutes."""
    taken_and_nothing_bought(provider, cast, at)
    payment = bought(provider, cast.owner, at=at)
    provider.refund(ref_of(payment), 500)
    provider.dispute(ref_of(payment))
    assert told(at)[0::2] == ([], 0)


def test_what_the_desk_has_heard_and_not_looked_at_is_no_difference_yet(
    provider: TestProvider, cast: Cast, at: datetime
):
    refund_that_failed_unheard(provider, cast, at)
    take(provider, provider.events("refund.failed")[0], at=at)
    assert told(at + LATER)[0] == []
    ProviderEvent.objects.update(outcome="ignored", handled_at=at)
    assert len(told(at + LATER)[0]) == 1


def test_a_contradiction_that_was_paid_back_by_hand_is_over(provider: TestProvider, cast: Cast, at: datetime):
    contradicted(provider, cast, at)
    provider.refund(ref_of(Payment.objects.get()))
    assert told(at + LATER)[0] == []


def test_a_dispute_that_was_won_needs_no_hold(provider: TestProvider, cast: Cast, at: datetime):
    payment = bought(provider, cast.owner, at=at)
    provider.close_dispute(provider.dispute(ref_of(payment))["id"], "won")
    hear(provider, at=at)
    assert (told(at + LATER)[0], HoldNews.objects.count()) == ([], 0)


def test_a_provider_without_an_answer_is_told(provider: TestProvider, cast: Cast, at: datetime, settings: Any):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    lines, _verdict, status = told(at)
    assert (lines, status) == (
        ["The payment provider’s records could not be compared: no answer: ConnectionError"],
        1,
    )


def test_without_a_provider_it_says_that_nothing_was_compared(db: None, at: datetime, settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    lines, verdict, status = told(at)
    assert (lines, status) == ([], 0)
    assert verdict.startswith("Not compared with the payment provider. ")


def test_it_asks_by_pages_not_by_purchases(
    provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(provider_module, "PAGE", 2)
    for _time in range(5):
        provider.dispute(ref_of(bought(provider, cast.owner, at=at)))
    hear(provider, at=at)
    asked: list[str] = []
    request = stripe.RequestsClient.request

    def counted(client: stripe.RequestsClient, method: str, url: str, *rest: Any, **more: Any) -> Any:
        asked.append(url)
        return request(client, method, url, *rest, **more)

    monkeypatch.setattr(stripe.RequestsClient, "request", counted)
    assert told(at + LATER)[0] == []
    assert len(asked) == 3 + 1 + 3, "payments, refunds and disputes, two a page"
