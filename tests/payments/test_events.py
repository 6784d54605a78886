"""Events count once, in any order and number, whatever dies in between (D32)."""

from __future__ import annotations

import itertools
import random
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import F

from incidents import paying
from points.models import Hold, HoldNews, Lot, Payment, ProviderEvent, Purchase
from points.payments import events as events_module
from points.payments import looking, syncing
from points.payments import provider as provider_module
from points.payments.events import LEASE
from points.payments.facts import Snapshot
from points.sale_services import begin_payment
from tests.cast import Cast
from tests.incidents_helpers import at_once, key
from tests.payments.money import (
    a_price,
    as_if_ours,
    begun,
    bought,
    foreign,
    handle,
    hear,
    mails,
    nothing_bought,
    on_hand,
    outcomes,
    ref_of,
    stripe_client,
    take,
)
from tests.points.ledger import checked
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D32")
SECOND = timedelta(seconds=1)


@pytest.mark.rule("D1")
def test_a_paid_event_makes_the_lot_dated_by_the_payment(provider: TestProvider, cast: Cast, at: datetime):
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment), "5555555555554444")
    later = at + timedelta(days=3)
    assert hear(provider, "payment_intent.succeeded", at=later) == 1
    lot = Lot.objects.select_related("purchase").get()
    payment.refresh_from_db()
    assert (payment.state, payment.purchase_id, lot.points) == ("paid", lot.purchase_id, 30)
    bought_ = lot.purchase
    assert (bought_.amount_minor, bought_.currency, bought_.provider_ref) == (24000, "EUR", payment.provider_ref)
    assert (bought_.card_brand, bought_.card_last4) == ("mastercard", "4444")
    assert abs(bought_.bought_at - at) < timedelta(minutes=5), "not when we heard of it"
    assert (mails("points_bought"), outcomes()) == (1, ["applied"])
    assert "nothing differs" in checked()


def test_one_event_ten_times_in_threads_is_one_lot_and_one_mail(
    provider: TestProvider, committed_cast: Cast, at: datetime
):
    payment = begun(committed_cast.owner, at=at)
    provider.pay(ref_of(payment))
    (event,) = provider.events("payment_intent.succeeded")
    new = at_once(*[partial(take, provider, event, at=at)] * 10)
    assert sorted(new) == [False] * 9 + [True]
    handled = at_once(*[partial(handle, at)] * 5)
    assert sum(handled) == 1
    assert (Lot.objects.count(), mails("points_bought")) == (1, 1)
    assert list(ProviderEvent.objects.values_list("deliveries", "outcome", "tries")) == [(10, "applied", 1)]


def test_looks_at_one_payment_at_once_from_all_sides_make_one_lot(
    provider: TestProvider, committed_cast: Cast, at: datetime
):
    """Two events, the page after paying and the look at open payments, all at the same moment."""
    payment = begun(committed_cast.owner, at=at)
    provider.pay(ref_of(payment))
    for event in provider.events():
        take(provider, event, at=at)
    page = partial(paying.look_at_payment, payment_id=payment.pk, at=at)
    late = partial(paying.look_at_payments, now=lambda: at + timedelta(hours=1))
    done = at_once(*[page] * 3, *[partial(handle, at)] * 2, *[late] * 2)
    assert not [result for result in done if isinstance(result, Exception)]
    assert (Lot.objects.count(), mails("points_bought")) == (1, 1)


def test_in_every_order_the_same_comes_out(provider: TestProvider, cast: Cast, at: datetime):
    """Paid, refunded at the provider, disputed, won: the events of it in twelve orders, each some times."""
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment))
    provider.refund(ref_of(payment), 2000)
    dispute = provider.dispute(ref_of(payment))
    provider.close_dispute(dispute["id"], "lost")
    made = provider.events()
    shuffled = random.Random(5)
    for turn in range(12):
        order = made if turn == 0 else list(reversed(made)) if turn == 1 else shuffled.sample(made, len(made))
        for event in itertools.chain(order, order[:2]):
            # A number of its own a turn, or it would count as delivered again.
            take(provider, event | {"id": f"{event['id']}x{turn}"}, at=at)
            handle(at)
        held = Hold.objects.order_by("kind").values_list("kind", "amount_minor")
        assert list(held) == [("chargeback", 24000), ("refund", 2000)]
        assert (Lot.objects.count(), on_hand(cast, at)) == (1, 0)
    assert set(outcomes()) == {"applied"}
    assert (mails("points_bought"), mails("points_held")) == (1, 1), "the second hold held nothing more"


@pytest.mark.parametrize("kind", ["refund.created", "charge.refunded", "charge.dispute.created"])
def test_news_before_the_payment_s_own_event_settles_the_payment_first(
    provider: TestProvider, cast: Cast, at: datetime, kind: str
):
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment))
    if kind == "charge.dispute.created":
        provider.dispute(ref_of(payment))
    else:
        provider.refund(ref_of(payment))
    assert hear(provider, kind, at=at) == 1
    assert (Lot.objects.get().held, Hold.objects.count(), on_hand(cast, at)) == (True, 1, 0)
    hear(provider, at=at)
    assert (Lot.objects.count(), Hold.objects.count(), mails("points_bought")) == (1, 1, 1)


def test_a_dispute_that_is_won_is_kept_as_news_and_frees_nothing_by_itself(
    provider: TestProvider, cast: Cast, at: datetime
):
    payment = bought(provider, cast.owner, at=at)
    dispute = provider.dispute(ref_of(payment), amount=9000)
    hear(provider, "charge.dispute.created", at=at)
    provider.close_dispute(dispute["id"], "won")
    hear(provider, "charge.dispute.closed", at=at)
    hold = Hold.objects.get()
    assert (hold.kind, hold.amount_minor, hold.reason, hold.provider_ref) == (
        "chargeback",
        9000,
        "fraudulent",
        dispute["id"],
    )
    assert list(HoldNews.objects.values_list("status", flat=True)) == ["needs_response", "won"]
    assert Lot.objects.get().held


def test_a_dispute_that_was_won_before_we_heard_of_it_holds_nothing(provider: TestProvider, cast: Cast, at: datetime):
    payment = bought(provider, cast.owner, at=at)
    dispute = provider.dispute(ref_of(payment))
    provider.close_dispute(dispute["id"], "won")
    hear(provider, at=at)
    assert (Hold.objects.count(), on_hand(cast, at)) == (0, 30)


# What dies in between


def test_a_crash_between_the_lot_and_the_event_leaves_neither(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    payment = begun(committed_cast.owner, at=at)
    provider.pay(ref_of(payment))

    def dies(*_given: Any, **_more: Any) -> None:
        assert Lot.objects.count() == 1, "it dies after the lot was made"
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(looking, "mark_handled", dies)
        with pytest.raises(KeyboardInterrupt):
            hear(provider, "payment_intent.succeeded", at=at)
    assert nothing_bought()
    assert mails("points_bought") == 0
    assert handle(at + LEASE - SECOND) == 0, "still claimed by the one that died"
    assert handle(at + LEASE) == 1
    assert (Lot.objects.count(), mails("points_bought"), outcomes()) == (1, 1, ["applied"])


def test_one_event_that_breaks_keeps_no_other_from_being_handled(
    provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    broken, good = (begun(cast.owner, at=at) for _ in range(2))
    for payment in (broken, good):
        provider.pay(ref_of(payment))
    apply = syncing.apply

    def breaks(snapshot: Any, **given: Any) -> Any:
        if snapshot.intent.ref == broken.provider_ref:
            raise RuntimeError("a bug of ours")
        return apply(snapshot, **given)

    with monkeypatch.context() as patched:
        patched.setattr(looking, "apply", breaks)
        assert hear(provider, "payment_intent.succeeded", at=at) == 1
    assert (outcomes(), Lot.objects.count()) == (["", "applied"], 1)
    assert ProviderEvent.objects.get(outcome="").last_error == "RuntimeError: a bug of ours"
    assert handle(at + timedelta(minutes=5)) == 1
    assert Lot.objects.count() == 2


def test_while_the_provider_is_down_events_wait_and_none_is_lost(
    provider: TestProvider, cast: Cast, at: datetime, settings: Any
):
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment))
    take(provider, provider.events("payment_intent.succeeded")[0], at=at)
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    now, waits = at, []
    while now < at + timedelta(days=3):
        assert handle(now) == 0
        event = ProviderEvent.objects.get()
        waits.append((event.next_try_at - now) // timedelta(minutes=1))
        now = event.next_try_at
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (event.outcome, event.last_error) == ("", "no answer: ConnectionError")
    settings.STRIPE_API_BASE = provider.base
    assert handle(now) == 1
    assert Lot.objects.get().points == 30


def test_all_that_waits_of_one_payment_is_one_look(
    provider: TestProvider, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment))
    provider.refund(ref_of(payment), 100)
    looks: list[str] = []
    snapshot = provider_module.snapshot

    def counted(ref: str) -> Snapshot:
        looks.append(ref)
        return snapshot(ref)

    monkeypatch.setattr(provider_module, "snapshot", counted)
    assert hear(provider, at=at) == len(provider.events()) > 3
    assert looks == [payment.provider_ref]


def test_a_wake_tells_a_worker_once_a_new_event(
    provider: TestProvider, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    woken: list[str] = []
    monkeypatch.setattr(events_module, "wake", woken.append)
    payment = begun(committed_cast.owner, at=at)
    provider.pay(ref_of(payment))
    for _time in range(3):
        take(provider, provider.events("payment_intent.succeeded")[0], at=at)
    assert woken == ["incidents.handle_payment_events"]


# What is not ours, or contradicts


def test_a_payment_of_something_else_is_unknown(provider: TestProvider, cast: Cast, at: datetime):
    foreign(provider, {"invoice": "7"})
    assert hear(provider, "payment_intent.succeeded", at=at) == 1
    assert (outcomes(), nothing_bought()) == (["unknown"], True)


def test_a_payment_that_the_provider_does_not_have_is_unknown(provider: TestProvider, cast: Cast, at: datetime):
    foreign(provider, {})
    event = provider.events("payment_intent.succeeded")[0]
    provider.reset()
    take(provider, event, at=at)
    assert handle(at) == 1
    assert outcomes() == ["unknown"]


def test_one_of_ours_that_the_provider_does_not_have_waits_the_key_is_of_another_account(
    provider: TestProvider, cast: Cast, at: datetime
):
    payment = begun(cast.owner, at=at)
    provider.pay(ref_of(payment))
    event = provider.events("payment_intent.succeeded")[0]
    provider.reset()
    take(provider, event, at=at)
    assert handle(at) == 0
    assert "No such payment_intent" in ProviderEvent.objects.get(outcome="").last_error


@pytest.mark.parametrize("number", ["", "x", "9" * 30, "-1", "4000000", "²"])
def test_a_number_that_is_none_of_ours_is_unknown(provider: TestProvider, cast: Cast, at: datetime, number: str):
    foreign(provider, {"payment": number} if number else {})
    hear(provider, "payment_intent.succeeded", at=at)
    assert outcomes() == ["unknown"]


def test_a_payment_whose_name_was_not_written_down_any_more_is_known_by_what_it_keeps(
    provider: TestProvider, cast: Cast, at: datetime
):
    """The desk died between the provider's answer and the row."""
    payment = begun(cast.owner, at=at, started=False)
    foreign(provider, as_if_ours(payment))
    assert hear(provider, "payment_intent.succeeded", at=at) == 1
    payment.refresh_from_db()
    assert (payment.state, payment.provider_ref) == ("paid", Purchase.objects.get().provider_ref)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": 23999}, "23999"),
        ({"currency": "usd"}, "USD"),
        ({"metadata": {"customer": "1234567"}}, "1234567"),
    ],
)
def test_what_contradicts_makes_no_lot_and_is_shown(
    provider: TestProvider, cast: Cast, at: datetime, changed: dict[str, Any], said: str
):
    payment = begun(cast.owner, at=at, started=False)
    metadata = as_if_ours(payment) | changed.get("metadata", {})
    ref = foreign(provider, **(changed | {"metadata": metadata}))
    provider.dispute(ref)
    hear(provider, at=at)
    payment.refresh_from_db()
    assert (payment.state, set(outcomes()), nothing_bought()) == ("contradicted", {"contradicts"}, True)
    assert not Hold.objects.exists()
    assert mails("points_bought") == 0
    for shown in (payment.last_error, ProviderEvent.objects.first().last_error):  # type: ignore[union-attr]
        assert said in shown


def test_an_intent_that_names_another_payment_contradicts(provider: TestProvider, cast: Cast, at: datetime):
    """Ours by the provider's name, and another one's by what it keeps."""
    payment, other = (begun(cast.owner, at=at, started=False) for _ in range(2))
    ref = foreign(provider, as_if_ours(other))
    Payment.objects.filter(pk=payment.pk).update(provider_ref=ref)
    hear(provider, "payment_intent.succeeded", at=at)
    assert (outcomes(), nothing_bought()) == (["contradicts"], True)
    assert set(Payment.objects.values_list("pk", "state")) == {(payment.pk, "contradicted"), (other.pk, "open")}


def test_a_second_intent_for_one_payment_contradicts_and_leaves_the_payment_alone(
    provider: TestProvider, cast: Cast, at: datetime
):
    payment = begun(cast.owner, at=at)
    foreign(provider, as_if_ours(payment))
    hear(provider, "payment_intent.succeeded", at=at)
    assert (outcomes(), nothing_bought()) == (["contradicts"], True)
    assert str(payment.provider_ref) in ProviderEvent.objects.get().last_error
    provider.pay(ref_of(payment))
    hear(provider, "payment_intent.succeeded", at=at)
    payment.refresh_from_db()
    assert (payment.state, Lot.objects.count()) == ("paid", 1)


def test_a_number_of_ours_without_its_key_is_unknown(provider: TestProvider, cast: Cast, at: datetime):
    """A desk that shares the account, or that was restored from a backup, counts its payments as we do."""
    payment = begun(cast.owner, at=at, started=False)
    foreign(provider, as_if_ours(payment) | {"payment_key": "another"})
    hear(provider, "payment_intent.succeeded", at=at)
    assert (outcomes(), nothing_bought()) == (["unknown"], True)


def test_a_declined_card_changes_nothing(provider: TestProvider, cast: Cast, at: datetime):
    payment = begun(cast.owner, at=at)
    with pytest.raises(Exception, match="declined"):
        provider.pay(ref_of(payment), "4000000000000002")
    assert hear(provider, "payment_intent.payment_failed", at=at) == 1
    payment.refresh_from_db()
    assert (payment.state, nothing_bought()) == ("open", True)
    provider.pay(ref_of(payment))
    hear(provider, "payment_intent.succeeded", at=at)
    assert Lot.objects.count() == 1


def test_metadata_that_is_edited_after_the_purchase_hides_no_dispute(provider: TestProvider, cast: Cast, at: datetime):
    payment = bought(provider, cast.owner, at=at)
    stripe_client().v1.payment_intents.update(ref_of(payment), {"metadata": {"payment": "", "customer": "x"}})
    provider.dispute(ref_of(payment))
    hear(provider, at=at)
    assert (set(outcomes()), Hold.objects.count()) == ({"applied"}, 1)


def test_a_price_that_changes_meanwhile_changes_nothing(provider: TestProvider, cast: Cast, at: datetime):
    payment = begun(cast.owner, at=at)
    pack = a_price()
    pack.prices.update(amount_minor=F("amount_minor") * 2)
    provider.pay(ref_of(payment))
    hear(provider, "payment_intent.succeeded", at=at)
    assert Purchase.objects.get().amount_minor == 24000
    assert cast.owner.user is not None
    dearer = begin_payment(
        customer=cast.acme, user=cast.owner.user, pack_id=pack.pk, amount_minor=48000, currency="EUR", at=at, key=key()
    )
    assert dearer.amount_minor == 48000
