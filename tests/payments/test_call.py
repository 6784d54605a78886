"""The address of the provider's events: what is taken, what is refused, and that a refusal leaves a number only."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from points.models import ProviderEvent, RefusedCall
from points.payments.events import BODY_MAX, refuse_call
from supportdesk.demo.provider.events import signature
from tests.provider import TestProvider

pytestmark = [pytest.mark.rule("D32"), pytest.mark.django_db]
PATH = "/api/payments/events/"
SECRET = "whsec_desk"


def an_event(**changed: Any) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
        **changed,
    }


def post(event: Any, *, secret: str = SECRET, at: int | None = None, header: str | None = None) -> Any:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = signature(body, secret, int(time.time()) if at is None else at) if header is None else header
    headers = {"Stripe-Signature": signed} if signed else {}
    # As the provider calls: no cookie, no token.
    return Client(enforce_csrf_checks=True).post(PATH, body, "application/json", headers=headers)


def test_an_event_is_kept_once_and_its_deliveries_are_counted():
    for _time in range(3):
        response = post(an_event())
        assert (response.status_code, response.json()) == (200, {"outcome": "stored"})
    event = ProviderEvent.objects.get()
    assert (event.event_ref, event.kind, event.payment_ref) == ("evt_1", "payment_intent.succeeded", "pi_1")
    assert (event.deliveries, event.outcome, event.tries) == (3, "", 0)


@pytest.mark.parametrize(
    ("about", "payment"),
    [
        ({"object": "charge", "id": "ch_1", "payment_intent": "pi_2"}, "pi_2"),
        ({"object": "dispute", "id": "dp_1", "payment_intent": {"id": "pi_3", "object": "payment_intent"}}, "pi_3"),
        ({"object": "refund", "id": "re_1", "payment_intent": None}, ""),
    ],
)
def test_whatever_it_is_about_names_its_payment(about: dict[str, Any], payment: str):
    assert post(an_event(type="charge.refunded", data={"object": about})).status_code == 200
    event = ProviderEvent.objects.get()
    assert (event.payment_ref, event.outcome) == (payment, "" if payment else "ignored")


def test_what_is_of_no_interest_is_kept_and_not_looked_after():
    assert post(an_event(type="customer.created", data={"object": {"object": "customer"}})).status_code == 200
    event = ProviderEvent.objects.get()
    assert (event.outcome, event.handled_at is None) == ("ignored", False)


def test_each_of_several_secrets_is_good_while_they_are_changed(settings: Any):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]
    assert [post(an_event(), secret=secret).status_code for secret in ("whsec_new", SECRET, "whsec_x")] == [
        200,
        200,
        400,
    ]


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no header": (lambda: post(an_event(), header=""), "no signature"),
    "another secret": (lambda: post(an_event(), secret="whsec_other"), "signature does not fit"),
    "no signature in it": (lambda: post(an_event(), header="t=1"), "signature does not fit"),
    "nonsense": (lambda: post(an_event(), header="x" * 5000), "signature does not fit"),
    "other letters": (lambda: post(an_event(), header="t=1,v1=é"), "signature does not fit"),
    "not UTF-8": (lambda: post(b"\xff\xfe{}", header="t=1,v1=00"), "signature does not fit"),
    "six minutes old": (lambda: post(an_event(), at=int(time.time()) - 360), "signature too old"),
    "a megabyte": (lambda: post(b"x" * 1024 * 1024), "too large"),
    "a little too long": (lambda: post(b"x" * (BODY_MAX + 1)), "too large"),
    "no JSON": (lambda: post(b"{"), "not JSON"),
    "deep JSON": (lambda: post(b"[" * 100_000), "not JSON"),
    "a list": (lambda: post([]), "not an event"),
    "a number with a zero byte": (lambda: post(an_event(id="evt\x00")), "not an event"),
    "a thin event": (lambda: post(an_event(object="v2.core.event")), "not an event"),
    "another account": (lambda: post(an_event(account="acct_1")), "other account"),
    "real money": (lambda: post(an_event(livemode=True)), "live event at a test desk"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused_says_why_and_leaves_a_number(case: str, caplog: pytest.LogCaptureFixture):
    call, reason = BAD[case]
    with caplog.at_level(logging.DEBUG):
        for _time in range(2):
            response = call()
            assert (response.status_code, response.json()) == (400, {"error": reason})
    assert list(RefusedCall.objects.values_list("reason", "times")) == [(reason, 2)]
    assert not ProviderEvent.objects.exists()
    said = " ".join(record.getMessage() for record in caplog.records)
    assert reason in said
    assert "evt_" not in said
    assert "whsec" not in said


def test_a_test_event_at_a_desk_with_real_money_is_refused(settings: Any):
    settings.STRIPE_SECRET_KEY = "sk_live_desk"
    assert post(an_event()).json() == {"error": "test event at a live desk"}
    assert post(an_event(livemode=True)).status_code == 200


def test_refusals_are_counted_a_day_and_a_reason(at: datetime):
    refuse_call("no signature", at=at.replace(year=2026, month=3, day=1, hour=23))
    refuse_call("no signature", at=at.replace(year=2026, month=3, day=2, hour=0))
    refuse_call("no signature", at=at.replace(year=2026, month=3, day=2, hour=1))
    assert list(RefusedCall.objects.order_by("day").values_list("times", flat=True)) == [1, 2]


def test_nobody_looks_there():
    response = Client().get(PATH)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert Client().put(PATH).status_code == 405


def test_without_a_provider_there_is_no_such_address(settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    assert post(an_event()).status_code == 404


@pytest.mark.parametrize("header", [None, ""])
def test_a_call_costs_two_queries(header: str | None):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        post(an_event(), header=header)
    assert len(queries) == 2, "the clock and one row"


def test_the_providers_own_signature_is_taken(provider: TestProvider):
    body, signed = provider.signed(an_event())
    assert post(body, header=signed).status_code == 200
