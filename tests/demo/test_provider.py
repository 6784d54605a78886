"""The demo's payment provider by the real library: payments, refunds, disputes, errors, keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]  # comes without types
import pytest
import stripe

from supportdesk.demo.provider.client import NotDone
from tests.provider import TestProvider, start_provider

pytestmark = pytest.mark.rule("D32")


def client_of(provider: TestProvider, key: str = "", *, seconds: float = 20) -> stripe.StripeClient:
    return stripe.StripeClient(
        key or provider.secret_key,
        base_addresses={"api": provider.base},
        http_client=stripe.RequestsClient(timeout=seconds),
        max_network_retries=0,
    )


@pytest.fixture
def client(provider: TestProvider) -> stripe.StripeClient:
    return client_of(provider)


def make(client: stripe.StripeClient, amount: int = 5000, currency: str = "usd", **more: Any) -> Any:
    sent: Any = {"amount": amount, "currency": currency, **more}
    return client.v1.payment_intents.create(sent)


@pytest.fixture
def paid(client: stripe.StripeClient, provider: TestProvider) -> Any:
    intent = make(client, metadata={"purchase": "7"}, description="100 points")
    provider.pay(intent.id)
    return client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})


# Payments


def test_an_intent_keeps_what_was_written_beside_it(client: stripe.StripeClient) -> None:
    made = make(
        client, metadata={"purchase": "7", "1": "x"}, description="100 points", allowed_payment_method_types=["card"]
    )

    found = client.v1.payment_intents.retrieve(made.id)

    assert (found.status, found.amount, found.currency) == ("requires_payment_method", 5000, "usd")
    assert (found.metadata.to_dict(), found.description) == ({"purchase": "7", "1": "x"}, "100 points")
    assert (found.client_secret or "").startswith(f"{made.id}_secret_")
    assert found.latest_charge is None


def test_a_paid_intent_has_a_charge_with_its_card(paid: Any) -> None:
    charge = paid.latest_charge

    assert (paid.status, paid.amount_received) == ("succeeded", 5000)
    assert (charge.paid, charge.captured, charge.refunded, charge.disputed) == (True, True, False, False)
    assert (charge.amount, charge.amount_refunded) == (5000, 0)
    assert (charge.payment_method_details.card.brand, charge.payment_method_details.card.last4) == ("visa", "4242")
    assert charge.metadata.to_dict() == {"purchase": "7"}
    assert charge.created >= paid.created


def test_without_being_asked_the_charge_is_an_id(client: stripe.StripeClient, paid: Any) -> None:
    assert client.v1.payment_intents.retrieve(paid.id).latest_charge == paid.latest_charge.id


@pytest.mark.parametrize(
    ("card", "code", "decline"),
    [
        ("4000000000000002", "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4111111111111111", "card_declined", "test_mode_live_card"),
        ("4242424242424241", "incorrect_number", None),
    ],
)
def test_a_card_that_does_not_pay_leaves_the_intent_to_be_paid(
    client: stripe.StripeClient, provider: TestProvider, card: str, code: str, decline: str | None
) -> None:
    intent = make(client)

    with pytest.raises(NotDone) as refused:
        provider.pay(intent.id, card)

    assert (refused.value.error["type"], refused.value.error["code"]) == ("card_error", code)
    assert refused.value.error.get("decline_code") == decline
    provider.pay(intent.id)
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_decline_is_told_by_an_event_and_by_the_intent(client: stripe.StripeClient, provider: TestProvider) -> None:
    intent = make(client)
    with pytest.raises(NotDone):
        provider.pay(intent.id, "4000000000009995")

    found = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    [event] = provider.events("payment_intent.payment_failed")

    assert found.status == "requires_payment_method"
    assert found.last_payment_error is not None
    assert found.last_payment_error.decline_code == "insufficient_funds"
    assert isinstance(found.latest_charge, stripe.Charge)
    assert not found.latest_charge.paid
    assert event["data"]["object"]["id"] == intent.id


@pytest.mark.parametrize(("success", "status"), [(True, "succeeded"), (False, "requires_payment_method")])
def test_three_d_secure(client: stripe.StripeClient, provider: TestProvider, success: bool, status: str) -> None:
    intent = make(client)
    assert provider.pay(intent.id, "4000002500003155")["status"] == "requires_action"
    assert not provider.events("payment_intent.succeeded")

    provider.authenticate(intent.id, success=success)

    assert client.v1.payment_intents.retrieve(intent.id).status == status
    assert len(provider.events("payment_intent.succeeded")) == success
    assert len(provider.events("payment_intent.payment_failed")) == (not success)


def test_nobody_pays_twice_and_nothing_paid_is_cancelled(
    client: stripe.StripeClient, provider: TestProvider, paid: Any
) -> None:
    with pytest.raises(NotDone) as again:
        provider.pay(paid.id)
    with pytest.raises(stripe.InvalidRequestError) as late:
        client.v1.payment_intents.cancel(paid.id)
    other = make(client)
    client.v1.payment_intents.cancel(other.id, {"cancellation_reason": "abandoned"})
    with pytest.raises(NotDone) as cancelled:
        provider.pay(other.id)

    assert again.value.error["code"] == late.value.code == "payment_intent_unexpected_state"
    assert cancelled.value.error["code"] == "payment_intent_unexpected_state"
    assert len(provider.events("payment_intent.succeeded")) == 1


@pytest.mark.parametrize(
    ("amount", "currency", "code", "param"),
    [
        (49, "usd", "amount_too_small", "amount"),
        (49, "jpy", "amount_too_small", "amount"),
        (100_000_000, "usd", "amount_too_large", "amount"),
        (0, "usd", "parameter_invalid_integer", "amount"),
        (1001, "kwd", "invalid_charge_amount", "amount"),
        (5000, "xau", None, "currency"),
    ],
)
def test_amounts_and_currencies_have_limits(
    client: stripe.StripeClient, amount: int, currency: str, code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        make(client, amount, currency)

    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_what_the_stand_in_does_not_know_is_refused(client: stripe.StripeClient) -> None:
    for more in ({"customer": "cus_1"}, {"allowed_payment_method_types": ["sepa_debit"]}, {"capture_method": "manual"}):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            make(client, **more)
        assert refused.value.code == "parameter_unknown"


@pytest.mark.parametrize("key", ["sk_test_other", "pk_test_desk"])
def test_a_wrong_key_is_401(provider: TestProvider, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        make(client_of(provider, key))

    assert refused.value.http_status == 401


def test_what_is_not_there_is_404(client: stripe.StripeClient) -> None:
    asks: list[Any] = [client.v1.payment_intents, client.v1.refunds, client.v1.disputes, client.v1.charges]
    for ask in asks:
        with pytest.raises(stripe.InvalidRequestError) as refused:
            ask.retrieve("xx_1")
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_a_list_comes_in_pages_newest_first(client: stripe.StripeClient) -> None:
    made = [make(client).id for _ in range(5)]

    first = client.v1.payment_intents.list({"limit": 2})
    second = client.v1.payment_intents.list({"limit": 2, "starting_after": first.data[-1].id})
    everything = [intent.id for intent in client.v1.payment_intents.list({"limit": 2}).auto_paging_iter()]

    assert ([one.id for one in first.data], first.has_more) == (made[:-3:-1], True)
    assert [one.id for one in second.data] == [made[2], made[1]]
    assert everything == made[::-1]
    assert not client.v1.payment_intents.list({"created": {"gt": 4_000_000_000}}).data


# Refunds


def test_a_refund_in_parts_ends_where_nothing_is_left(client: stripe.StripeClient, paid: Any) -> None:
    first = client.v1.refunds.create({"payment_intent": paid.id, "amount": 2000, "metadata": {"leg": "1"}})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 3001})
    rest = client.v1.refunds.create({"charge": paid.latest_charge.id, "reason": "requested_by_customer"})
    with pytest.raises(stripe.InvalidRequestError) as over:
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 1})
    charge = client.v1.charges.retrieve(paid.latest_charge.id)
    found = client.v1.refunds.list({"payment_intent": paid.id})

    assert (first.status, first.amount, rest.amount) == ("succeeded", 2000, 3000)
    assert first.metadata is not None
    assert first.metadata.to_dict() == {"leg": "1"}
    assert over.value.code == "charge_already_refunded"
    assert (charge.amount_refunded, charge.refunded) == (5000, True)
    assert [one.id for one in found.data] == [rest.id, first.id]


def test_an_intent_that_nobody_paid_has_nothing_to_refund(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": make(client).id})


@pytest.mark.parametrize(
    ("card", "begins", "ends"),
    [("4000000000007726", "pending", "succeeded"), ("4000000000005126", "succeeded", "failed")],
)
def test_the_cards_whose_refunds_change_later(
    client: stripe.StripeClient, provider: TestProvider, card: str, begins: str, ends: str
) -> None:
    intent = make(client)
    provider.pay(intent.id, card)

    refund = client.v1.refunds.create({"payment_intent": intent.id})
    provider.settle(refund.id)
    later = client.v1.refunds.retrieve(refund.id, {"expand": ["charge"]})

    assert (refund.status, later.status) == (begins, ends)
    assert isinstance(later.charge, stripe.Charge)
    assert later.charge.amount_refunded == (0 if ends == "failed" else 5000)
    assert [event["data"]["object"]["status"] for event in provider.events("refund.updated")] == [ends]
    assert len(provider.events("refund.failed")) == (ends == "failed")


def test_a_refund_from_the_dashboard_is_told_of_by_events(provider: TestProvider, paid: Any) -> None:
    provider.refund(paid.id, 1500)

    [created], [refunded] = provider.events("refund.created"), provider.events("charge.refunded")
    assert (created["data"]["object"]["amount"], created["request"]["idempotency_key"]) == (1500, None)
    assert refunded["data"]["object"]["amount_refunded"] == 1500
    assert refunded["data"]["previous_attributes"] == {"amount_refunded": 0}


# What the next refund meets


def test_the_next_refund_is_refused_for_good(client: stripe.StripeClient, provider: TestProvider, paid: Any) -> None:
    provider.next_refund("fails", code="charge_disputed")

    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "leg-1"})
        assert refused.value.code == "charge_disputed"
    assert client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "leg-2"}).status == "succeeded"


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_the_next_refund_is_pending(
    client: stripe.StripeClient, provider: TestProvider, paid: Any, outcome: str
) -> None:
    provider.next_refund("pending")
    refund = client.v1.refunds.create({"payment_intent": paid.id})

    provider.settle(refund.id, outcome)

    assert refund.status == "pending"
    assert client.v1.refunds.retrieve(refund.id).status == outcome


@pytest.mark.parametrize(("mode", "error"), [("error", stripe.APIError), ("refused", stripe.RateLimitError)])
def test_the_next_refund_does_nothing(
    client: stripe.StripeClient, provider: TestProvider, paid: Any, mode: str, error: type[Exception]
) -> None:
    provider.next_refund(mode)

    with pytest.raises(error):
        client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "leg-1"})

    assert not client.v1.refunds.list({"payment_intent": paid.id}).data
    if mode == "refused":
        assert client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "leg-1"}).amount == 5000
    else:
        with pytest.raises(error):
            client.v1.refunds.create({"payment_intent": paid.id}, {"idempotency_key": "leg-1"})


@pytest.mark.parametrize("mode", ["drops", "hangs"])
def test_a_refund_that_was_made_without_an_answer_is_found_by_its_key(
    provider: TestProvider, paid: Any, mode: str
) -> None:
    client = client_of(provider, seconds=1)
    provider.next_refund(mode, seconds=30)

    with pytest.raises(stripe.APIConnectionError):
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 100}, {"idempotency_key": "leg-1"})
    again = client.v1.refunds.create({"payment_intent": paid.id, "amount": 100}, {"idempotency_key": "leg-1"})

    assert [one.id for one in client.v1.refunds.list({"payment_intent": paid.id}).data] == [again.id]


# Disputes


def test_a_disputed_payment_is_not_refunded_until_it_is_won(
    client: stripe.StripeClient, provider: TestProvider, paid: Any
) -> None:
    opened = provider.dispute(paid.id, reason="product_not_received")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": paid.id})
    provider.close_dispute(opened["id"], "won")

    [found] = client.v1.disputes.list({"payment_intent": paid.id}).data
    assert refused.value.code == "charge_disputed"
    assert (found.id, found.status, found.amount, found.reason) == (
        *(opened["id"], "won", 5000, "product_not_received"),
    )
    assert (found.charge, found.payment_intent) == (paid.latest_charge.id, paid.id)
    assert client.v1.charges.retrieve(paid.latest_charge.id).disputed
    assert client.v1.refunds.create({"payment_intent": paid.id}).status == "succeeded"
    assert [event["data"]["object"]["status"] for event in provider.events() if ".dispute." in event["type"]] == [
        "needs_response",
        "won",
    ]


def test_a_lost_dispute_stays_lost(client: stripe.StripeClient, provider: TestProvider) -> None:
    intent = make(client)
    provider.pay(intent.id, "4000000000000259")
    [opened] = client.v1.disputes.list({"payment_intent": intent.id}).data

    provider.close_dispute(opened.id, "lost")

    with pytest.raises(NotDone):
        provider.close_dispute(opened.id, "won")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(NotDone):
        provider.dispute(intent.id)


# Keys


def test_a_key_gives_the_first_answer_again(client: stripe.StripeClient, paid: Any) -> None:
    first = client.v1.refunds.create({"payment_intent": paid.id, "amount": 100}, {"idempotency_key": "leg-1"})
    again = client.v1.refunds.create({"payment_intent": paid.id, "amount": 100}, {"idempotency_key": "leg-1"})
    with pytest.raises(stripe.IdempotencyError) as other:
        client.v1.refunds.create({"payment_intent": paid.id, "amount": 200}, {"idempotency_key": "leg-1"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create({"amount": 100, "currency": "usd"}, {"idempotency_key": "leg-1"})

    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert other.value.http_status == 400
    assert len(client.v1.refunds.list({"payment_intent": paid.id}).data) == 1


def test_a_wrong_parameter_does_not_use_up_the_key(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.create({"amount": 1, "currency": "usd"}, {"idempotency_key": "p-1"})

    assert client.v1.payment_intents.create({"amount": 100, "currency": "usd"}, {"idempotency_key": "p-1"}).id


def test_one_key_at_once_makes_one_refund(provider: TestProvider, client: stripe.StripeClient, paid: Any) -> None:
    def refund(_: int) -> str:
        try:
            made = client.v1.refunds.create({"payment_intent": paid.id, "amount": 100}, {"idempotency_key": "leg-1"})
        except stripe.APIError as in_use:
            return str(in_use.http_status)
        return made.id

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(refund, range(16))) - {"409"}

    assert len(seen) == 1
    assert [one.id for one in client.v1.refunds.list({"payment_intent": paid.id}).data] == list(seen)


def test_refunds_at_once_do_not_exceed_the_payment(client: stripe.StripeClient, paid: Any) -> None:
    def refund(_: int) -> int:
        try:
            return client.v1.refunds.create({"payment_intent": paid.id, "amount": 1500}).amount
        except stripe.InvalidRequestError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        refunded = sum(pool.map(refund, range(8)))

    assert refunded == client.v1.charges.retrieve(paid.latest_charge.id).amount_refunded == 4500


# Restart


def test_a_restart_forgets_nothing(tmp_path: Any) -> None:
    first, provider = start_provider(tmp_path)
    try:
        client = client_of(provider)
        intent = make(client)
        provider.pay(intent.id, "4000000000007726")
        refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "leg-1"})
    finally:
        stop(first)
    second, provider = start_provider(tmp_path)
    try:
        client = client_of(provider)
        again = client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}, {"idempotency_key": "leg-1"})
        provider.settle(refund.id)
        client.v1.refunds.create({"payment_intent": intent.id})
        assert again.id == refund.id
        assert client.v1.refunds.retrieve(refund.id).status == "succeeded"
        assert len(provider.events("refund.created")) == 2
    finally:
        stop(second)


def stop(process: Any) -> None:
    process.terminate()
    assert process.wait(10) == 0


def test_without_localstripe_the_provider_ends_and_says_so_by_its_code(tmp_path: Any) -> None:
    process, _provider = start_provider(tmp_path)
    [behind] = psutil.Process(process.pid).children()

    behind.kill()

    assert process.wait(10) == 1


def test_both_listen_on_this_machine_alone(tmp_path: Any) -> None:
    process, _provider = start_provider(tmp_path)
    try:
        [behind] = psutil.Process(process.pid).children()
        listening = [
            one.laddr.ip
            for part in (psutil.Process(process.pid), behind)
            for one in part.net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        ]
    finally:
        stop(process)

    assert listening == ["127.0.0.1", "127.0.0.1"]
