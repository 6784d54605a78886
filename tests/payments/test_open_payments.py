"""A payment that no event speaks of: looked at, settled, or given up, and what is paid all the same counts (D32)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from incidents import paying
from points.models import Lot, Payment
from points.payments import buying, looking, syncing
from points.payments import provider as provider_module
from points.payments.provider import ProviderDown, ProviderRefused
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.payments.money import begun, hear, look, mails, nothing_bought, ref_of
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D32")
MINUTE = timedelta(minutes=1)
PATIENCE = timedelta(hours=POLICY.payment_hours)


@pytest.fixture
def payment(provider: TestProvider, cast: Cast, at: datetime) -> Payment:
    return begun(cast.owner, at=at)


def again(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


def there(provider: TestProvider) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = provider.everything()["payments"]
    return found


# Beginning


def test_starting_makes_one_intent_that_says_whose_it_is(provider: TestProvider, payment: Payment, at: datetime):
    buying.start(payment=payment, at=at)
    buying.start(payment=Payment(pk=payment.pk, **_as_before_its_name(payment)), at=at)
    (intent,) = there(provider)
    assert (intent["id"], intent["amount"], intent["currency"]) == (payment.provider_ref, 24000, "eur")
    assert intent["payment_method_types"] == ["card"]
    assert intent["metadata"] == {
        "payment": str(payment.pk),
        "payment_key": payment.key,
        "customer": str(payment.customer_id),
    }
    assert buying.secret(payment) == intent["client_secret"]


def _as_before_its_name(payment: Payment) -> dict[str, Any]:
    """The row as a request had it that died before the name was written down."""
    fields = ("customer_id", "user_id", "points", "amount_minor", "currency", "state", "key", "started_at")
    return {name: getattr(payment, name) for name in fields}


def test_starting_at_once_makes_one_intent(provider: TestProvider, committed_cast: Cast, at: datetime):
    payment = begun(committed_cast.owner, at=at, started=False)
    done = at_once(*[partial(buying.start, payment=Payment.objects.get(pk=payment.pk), at=at) for _ in range(4)])
    # Who comes while the first is under way is told to try again.
    assert all(result is None or isinstance(result, ProviderDown) for result in done)
    assert [intent["id"] for intent in there(provider)] == [again(payment).provider_ref]


def test_a_payment_that_could_not_be_started_stays_and_can_be_started_again(
    provider: TestProvider, cast: Cast, at: datetime, settings: Any
):
    payment = begun(cast.owner, at=at, started=False)
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    with pytest.raises(ProviderDown, match="no answer"):
        buying.start(payment=payment, at=at)
    with pytest.raises(ProviderDown, match="has not begun"):  # asking begins nothing
        buying.secret(payment)
    assert (again(payment).state, again(payment).provider_ref) == ("open", None)
    assert again(payment).last_error == "no answer: ConnectionError"
    settings.STRIPE_API_BASE = provider.base
    buying.start(payment=payment, at=at)
    assert buying.secret(payment).startswith(f"{again(payment).provider_ref}_secret_")
    assert again(payment).last_error == ""


def test_an_amount_that_the_provider_does_not_take_is_refused_with_its_word(
    provider: TestProvider, cast: Cast, at: datetime
):
    payment = begun(cast.owner, at=at, started=False)
    payment.amount_minor = 1
    with pytest.raises(ProviderRefused) as refused:
        buying.start(payment=payment, at=at)
    assert refused.value.code == "amount_too_small"
    assert "amount_too_small" in again(payment).last_error


def test_what_is_over_is_not_started(provider: TestProvider, cast: Cast, at: datetime):
    payment = begun(cast.owner, at=at, started=False)
    payment.state = Payment.State.CANCELLED
    buying.start(payment=payment, at=at)
    assert there(provider) == []


# Looking


def test_without_any_event_it_is_found_paid(provider: TestProvider, payment: Payment, at: datetime):
    provider.pay(ref_of(payment))
    assert look(at + 4 * MINUTE) == 0
    assert look(at + 5 * MINUTE) == 1
    assert (again(payment).state, Lot.objects.count(), mails("points_bought")) == ("paid", 1, 1)
    assert look(at + PATIENCE) == 0


def test_it_is_looked_at_less_and_less_often(provider: TestProvider, payment: Payment, at: datetime):
    looks: list[int] = []
    for minute in range(24 * 60):
        now = at + minute * MINUTE
        look(now)
        if again(payment).looked_at == now and minute:
            looks.append(minute)
    assert looks == [5, 10, 20, 40, 80, 160, 320, 640, 1280]


def test_it_is_given_up_at_the_provider_first(provider: TestProvider, payment: Payment, at: datetime):
    look(at + PATIENCE - MINUTE)
    assert again(payment).state == "open"
    assert look(at + PATIENCE + 5 * MINUTE) == 1
    assert (again(payment).state, there(provider)[0]["status"]) == ("cancelled", "canceled")
    assert there(provider)[0]["cancellation_reason"] == "abandoned"
    with pytest.raises(Exception, match="canceled"):
        provider.pay(ref_of(payment))
    hear(provider, "payment_intent.canceled", at=at + PATIENCE)
    assert (again(payment).state, nothing_bought()) == ("cancelled", True)


def test_paid_in_the_last_minute_it_counts(provider: TestProvider, payment: Payment, at: datetime):
    provider.pay(ref_of(payment))
    assert look(at + 2 * PATIENCE) == 1
    assert (again(payment).state, there(provider)[0]["status"]) == ("paid", "succeeded")


def test_paid_between_the_look_and_the_giving_up_it_counts(
    provider: TestProvider, payment: Payment, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    cancel = provider_module.cancel

    def too_late(ref: str) -> None:
        provider.pay(ref)
        cancel(ref)

    monkeypatch.setattr(provider_module, "cancel", too_late)
    assert look(at + PATIENCE) == 1
    assert (again(payment).state, Lot.objects.count()) == ("paid", 1)


def test_given_up_here_and_paid_all_the_same_it_counts(provider: TestProvider, payment: Payment, at: datetime):
    """Given up while the provider said nothing of it: money that was taken always gets its points."""
    Payment.objects.update(state=Payment.State.CANCELLED)
    provider.pay(ref_of(payment))
    hear(provider, "payment_intent.succeeded", at=at)
    assert (again(payment).state, Lot.objects.count(), mails("points_bought")) == ("paid", 1, 1)


def test_what_waits_for_the_bank_is_given_up_once_it_can_be(provider: TestProvider, payment: Payment, at: datetime):
    provider.pay(ref_of(payment), "4000002500003155")
    assert look(at + 5 * MINUTE) == 0
    provider.authenticate(ref_of(payment))
    assert look(at + 10 * MINUTE) == 1
    assert again(payment).state == "paid"


def test_cancelled_at_the_provider_it_is_given_up_here(provider: TestProvider, payment: Payment, at: datetime):
    provider_module.cancel(ref_of(payment))
    hear(provider, "payment_intent.canceled", at=at)
    assert again(payment).state == "cancelled"


def test_what_was_never_made_there_is_given_up_without_asking(
    provider: TestProvider, cast: Cast, at: datetime, settings: Any
):
    payment = begun(cast.owner, at=at, started=False)
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    assert look(at + PATIENCE) == 1
    assert again(payment).state == "cancelled"


def test_while_the_provider_is_down_nothing_is_given_up(
    provider: TestProvider, payment: Payment, at: datetime, settings: Any
):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    for day in range(1, 4):
        assert look(at + day * PATIENCE) == 0
        waiting = again(payment)
        assert (waiting.state, waiting.last_error) == ("open", "no answer: ConnectionError")
        assert waiting.looked_at == at + day * PATIENCE
    settings.STRIPE_API_BASE = provider.base
    provider.pay(ref_of(payment))
    assert look(at + 4 * PATIENCE) == 1
    assert again(payment).state == "paid"


def test_one_in_trouble_keeps_no_other_from_being_looked_at(
    provider: TestProvider, payment: Payment, cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    other = begun(cast.owner, at=at)
    provider.pay(ref_of(other))
    apply = syncing.apply

    def breaks(snapshot: Any, **given: Any) -> Any:
        if snapshot.intent.ref == payment.provider_ref:
            raise RuntimeError("a bug of ours")
        return apply(snapshot, **given)

    monkeypatch.setattr(looking, "apply", breaks)
    assert look(at + 5 * MINUTE) == 1
    assert (again(other).state, again(payment).last_error) == ("paid", "RuntimeError: a bug of ours")


def test_the_page_after_paying_has_it_at_once(provider: TestProvider, payment: Payment, at: datetime):
    assert paying.look_at_payment(payment_id=payment.pk, at=at).state == "open"
    provider.pay(ref_of(payment))
    now = paying.look_at_payment(payment_id=payment.pk, at=at)
    assert (now.state, now.purchase_id) == ("paid", Lot.objects.get().purchase_id)
    hear(provider, at=at)
    assert (Lot.objects.count(), mails("points_bought")) == (1, 1)
