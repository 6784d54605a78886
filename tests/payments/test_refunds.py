"""Refunds reach the card once, whatever the provider, the network or a worker does meanwhile (D4, D5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents import paying
from incidents.services import crediting
from points import refund_services
from points.models import Hold, Lot, Refund
from points.payments import provider as provider_module
from points.payments.facts import RefundFact
from points.payments.sending import LONGEST_WAIT
from points.refund_services import try_again
from tests.cast import Cast
from tests.incidents_helpers import key, opened, steps
from tests.payments.money import (
    again,
    at_provider,
    bought,
    hear,
    incident_of,
    mails,
    on_hand,
    ref_of,
    refunding,
    send,
    stripe_client,
)
from tests.points.ledger import checked
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D5")
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PENDING_CARD, FAILING_CARD = "4000000000007726", "4000000000005126"


@pytest.fixture
def refund(provider: TestProvider, cast: Cast, at: datetime) -> Refund:
    """EUR 80.00 of 240.00, decided and not sent."""
    return refunding(provider, cast, at=at)


def test_a_refund_is_paid_back_and_told(provider: TestProvider, refund: Refund, cast: Cast, at: datetime):
    assert send(at) == 1
    (there,) = at_provider(provider)
    assert (there["amount"], there["currency"], there["metadata"]) == (8000, "eur", {"refund": refund.key})
    now = again(refund)
    assert (now.state, now.provider_ref, now.settled_at, now.tries) == ("done", there["id"], at, 1)
    assert (now.claimed_until, now.last_error) == (None, "")
    assert steps(incident_of(refund))[-1] == "refund_done"
    assert (send(at + DAY), on_hand(cast, at)) == (0, 20)
    assert "nothing differs" in checked()


def test_its_key_is_the_providers_key(provider: TestProvider, refund: Refund, at: datetime):
    send(at)
    (event,) = provider.events("refund.created")
    assert event["request"]["idempotency_key"] == refund.key


def test_its_own_events_change_nothing_more(provider: TestProvider, refund: Refund, at: datetime):
    send(at)
    before = (again(refund), steps(incident_of(refund)))
    hear(provider, at=at)
    assert (again(refund), steps(incident_of(refund))) == before
    assert not Hold.objects.exists()


def test_deciding_wakes_the_sender(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    woken: list[str] = []
    monkeypatch.setattr(refund_services, "wake", woken.append)
    refund = refunding(provider, committed_cast, at=at)
    assert woken == ["incidents.send_refunds"]
    try_again(refund_id=refund.pk, at=at)
    assert woken == ["incidents.send_refunds"] * 2


# The provider in trouble


@pytest.mark.parametrize("mode", ["drops", "hangs"])
def test_an_answer_that_is_lost_after_paying_pays_once(
    provider: TestProvider, refund: Refund, at: datetime, settings: Any, mode: str
):
    """What was done and not heard of is found by its key, and not asked for again."""
    settings.STRIPE_TIMEOUT_SECONDS = 1
    provider.next_refund(mode, seconds=3)
    assert send(at) == 0
    waiting = again(refund)
    assert (waiting.state, waiting.tries, waiting.next_try_at) == ("pending", 1, at + MINUTE)
    assert waiting.last_error.startswith("no answer: ")
    assert len(at_provider(provider)) == 1
    assert send(at + MINUTE - SECOND) == 0
    assert again(refund).tries == 1
    assert send(at + MINUTE) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)


def test_what_was_paid_is_found_also_when_the_key_is_forgotten_there(
    provider: TestProvider, refund: Refund, at: datetime
):
    """The provider keeps a key for a day or so: after that the same key would pay again."""
    stripe_client().v1.refunds.create(
        {"payment_intent": refund.purchase.provider_ref, "amount": 8000, "metadata": {"refund": refund.key}}
    )
    Refund.objects.update(tries=1)
    assert send(at + 3 * DAY) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)


@pytest.mark.parametrize(("mode", "said"), [("unavailable", "503"), ("refused", "429")])
def test_trouble_of_the_moment_is_waited_for(
    provider: TestProvider, refund: Refund, at: datetime, mode: str, said: str
):
    provider.next_refund(mode, times=3)
    now = at
    for wait in (1, 2, 4):
        assert send(now) == 0
        waiting = again(refund)
        assert (waiting.state, waiting.next_try_at) == ("pending", now + wait * MINUTE)
        assert said in waiting.last_error
        now = waiting.next_try_at
    assert send(now) == 1
    done = again(refund)
    assert (done.state, done.last_error, done.tries, len(at_provider(provider))) == ("done", "", 4, 1)


def test_an_error_that_the_provider_keeps_with_the_key_pays_nothing_and_stays_in_sight(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    """A 500 may be said again until the key is forgotten; it never is a refusal, and no second key is made."""
    provider.next_refund("error")
    now = at
    for _time in range(4):
        assert send(now) == 0
        now = again(refund).next_try_at
    assert (again(refund).state, again(refund).last_error[:3], at_provider(provider)) == ("pending", "500", [])
    assert on_hand(cast, at) == 20


def test_days_without_the_provider_lose_nothing(provider: TestProvider, refund: Refund, at: datetime, settings: Any):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    now, waits = at, []
    while now < at + 5 * DAY:
        assert send(now) == 0
        waits.append(again(refund).next_try_at - now)
        now = again(refund).next_try_at
    assert waits[:9] == [n * MINUTE for n in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
    assert set(waits[9:]) == {LONGEST_WAIT}, "no end, and never longer"
    settings.STRIPE_API_BASE = provider.base
    assert send(now) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)


@pytest.mark.parametrize("changed", ["STRIPE_SECRET_KEY", "STRIPE_API_BASE"])
def test_a_set_up_that_is_wrong_refuses_no_refund(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime, settings: Any, changed: str
):
    """Another account's key, or a provider that doesn't know the payment: points don't come back for that."""
    if changed == "STRIPE_SECRET_KEY":
        settings.STRIPE_SECRET_KEY = "sk_test_other"
    else:
        provider.reset()
    assert send(at) == 0
    waiting = again(refund)
    assert (waiting.state, on_hand(cast, at), "sk_test_other" in waiting.last_error) == ("pending", 20, False)
    assert waiting.last_error


def test_one_in_trouble_keeps_no_other_waiting_for_long(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    incident = opened(cast.owner, at=at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="QM-2", user=cast.technician, at=at, key=key())
    crediting.determine(case_id=case.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
    provider.next_refund("unavailable")
    assert send(at) == 0
    assert send(at) == 1
    assert sorted(Refund.objects.values_list("state", flat=True)) == ["done", "pending"]


def test_a_bug_of_ours_with_one_refund_keeps_no_other_waiting(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    incident = opened(cast.owner, at=at, points=0)
    case = crediting.mark_bug(incident_id=incident.pk, reference="QM-2", user=cast.technician, at=at, key=key())
    crediting.determine(case_id=case.pk, outcome="refunded", reason="", user=cast.admin, at=at, key=key())
    ask = provider_module.send_refund

    def breaks(asked: Refund) -> RefundFact:
        if asked.pk == refund.pk:
            raise KeyError("status")
        return ask(asked)

    monkeypatch.setattr(provider_module, "send_refund", breaks)
    assert send(at) == 1
    assert (again(refund).state, again(refund).last_error) == ("pending", "KeyError: 'status'")


# Refused, on its way, sent back


@pytest.mark.rule("D4")
def test_refused_for_good_gives_the_points_back_once_and_tells(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    provider.next_refund("fails", code="charge_disputed")
    assert send(at) == 1
    failed = again(refund)
    assert (failed.state, failed.provider_ref, failed.settled_at) == ("failed", None, at)
    assert failed.word.startswith("charge_disputed: ")
    assert (on_hand(cast, at), mails("incident_refund_failed")) == (30, 1)
    assert steps(incident_of(refund))[-1] == "refund_failed"
    assert (send(at + DAY), hear(provider, at=at + DAY)) == (0, 2)
    assert (on_hand(cast, at), mails("incident_refund_failed"), at_provider(provider)) == (30, 1, [])
    assert "nothing differs" in checked()


@pytest.mark.parametrize("code", ["parameter_unknown", "url_invalid", "something_new"])
def test_a_refusal_that_says_nothing_of_the_refund_waits(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime, code: str
):
    """A fault of the set-up, perhaps: points that came back would not go away again."""
    provider.next_refund("fails", code=code)
    assert send(at) == 0
    waiting = again(refund)
    assert (waiting.state, on_hand(cast, at)) == ("pending", 20)
    assert waiting.last_error.startswith(f"{code}: ")


@pytest.mark.rule("D32")
def test_money_that_went_back_meanwhile_is_not_sent_a_second_time(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    """An admin refunds by hand because ours hangs: the points come back, on hold as all of that purchase."""
    provider.refund(str(refund.purchase.provider_ref), 8000)
    hear(provider, at=at)
    assert send(at) == 1
    failed = again(refund)
    assert (failed.state, on_hand(cast, at)) == ("failed", 0)
    assert failed.word.startswith("Not sent: ")
    assert len(at_provider(provider)) == 1


def test_money_that_went_back_under_a_refused_key_holds_the_points(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    """Somebody refunds by hand what the provider refused, with our key beside it: not points and money both."""
    provider.next_refund("fails")
    send(at)
    stripe_client().v1.refunds.create(
        {"payment_intent": refund.purchase.provider_ref, "amount": 8000, "metadata": {"refund": refund.key}}
    )
    hear(provider, "refund.created", at=at)
    assert (again(refund).state, Hold.objects.get().kind, on_hand(cast, at)) == ("failed", "refund", 0)


@pytest.mark.parametrize("how", ["event", "look"])
def test_on_its_way_then_paid_back(provider: TestProvider, cast: Cast, at: datetime, how: str):
    refund = refunding(provider, cast, at=at, card=PENDING_CARD)
    assert send(at) == 1
    sent = again(refund)
    assert (sent.state, sent.settled_at, sent.next_try_at) == ("sent", None, at + HOUR)
    assert "refund_done" not in steps(incident_of(refund))
    provider.settle(str(sent.provider_ref))
    if how == "event":
        hear(provider, "refund.updated", at=at + MINUTE)
    else:
        assert send(at + HOUR - SECOND) == 0
        assert send(at + HOUR) == 1
    assert (again(refund).state, len(at_provider(provider))) == ("done", 1)
    assert steps(incident_of(refund))[-1] == "refund_done"


def test_what_is_on_its_way_for_long_is_looked_at_daily(provider: TestProvider, cast: Cast, at: datetime):
    refund = refunding(provider, cast, at=at, card=PENDING_CARD)
    now, looks = at, []
    while now < at + 4 * DAY:
        send(now)
        looks.append(again(refund).next_try_at - now)
        now = again(refund).next_try_at
    assert looks == [HOUR] * 24 + [DAY] * (len(looks) - 24)
    assert (again(refund).state, again(refund).last_error) == ("sent", "")


@pytest.mark.rule("D4")
def test_what_the_bank_sends_back_later_comes_back_as_points(provider: TestProvider, cast: Cast, at: datetime):
    refund = refunding(provider, cast, at=at, card=FAILING_CARD)
    send(at)
    assert again(refund).state == "done"
    provider.settle(str(again(refund).provider_ref))
    for _time in range(2):
        hear(provider, at=at + 3 * DAY)
    failed = again(refund)
    assert (failed.state, failed.word, on_hand(cast, at + 3 * DAY)) == ("failed", "expired_or_canceled_card", 30)
    assert (mails("incident_refund_failed"), Hold.objects.count()) == (1, 0)
    assert steps(incident_of(refund)).count("refund_failed") == 1
    assert "nothing differs" in checked()


def test_its_event_may_come_before_the_worker_s_answer(
    provider: TestProvider, refund: Refund, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    ask = provider_module.send_refund

    def slow(asked: Refund) -> RefundFact:
        fact = ask(asked)
        hear(provider, at=at)
        return fact

    monkeypatch.setattr(provider_module, "send_refund", slow)
    assert send(at) == 0, "nothing new any more"
    done = again(refund)
    assert (done.state, done.claimed_until, Hold.objects.count()) == ("done", None, 0)
    assert steps(incident_of(refund)).count("refund_done") == 1


def test_a_refund_with_our_key_and_other_money_is_not_ours_and_is_not_added_to(
    provider: TestProvider, refund: Refund, at: datetime
):
    stripe_client().v1.refunds.create(
        {"payment_intent": refund.purchase.provider_ref, "amount": 7000, "metadata": {"refund": refund.key}}
    )
    Refund.objects.update(tries=1)
    assert send(at) == 0
    assert (again(refund).state, len(at_provider(provider))) == ("pending", 1)
    assert "7000 EUR" in again(refund).last_error
    hear(provider, "refund.created", at=at)
    assert Hold.objects.get().amount_minor == 7000


# Workers


def test_without_a_provider_nothing_is_tried(provider: TestProvider, refund: Refund, at: datetime, settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    assert (send(at), again(refund).tries) == (0, 0)
    assert paying.handle_events(now=lambda: at) == 0


def test_a_refund_by_hand_before_ours_leaves_too_little_for_it(
    provider: TestProvider, refund: Refund, cast: Cast, at: datetime
):
    """The provider refuses ours for good, and what went back by hand holds what is left."""
    provider.refund(str(refund.purchase.provider_ref), 20000)
    assert send(at) == 1
    hear(provider, at=at)
    assert (again(refund).state, Hold.objects.get().amount_minor, on_hand(cast, at)) == ("failed", 20000, 0)
    assert Lot.objects.filter(held=True).count() == 2


def test_looking_at_a_payment_raises_what_the_page_can_say(
    provider: TestProvider, cast: Cast, at: datetime, settings: Any
):
    payment = bought(provider, cast.owner, at=at)
    assert (payment.state, ref_of(payment)[:3]) == ("paid", "pi_")
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(provider_module.ProviderDown):
        paying.look_at_payment(payment_id=payment.pk, at=at)
