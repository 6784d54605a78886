"""The provider's events: signed, sent again until they are taken, in any order and number; and its doors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import stripe

from supportdesk.demo.provider.events import API_VERSION
from tests.provider import TestProvider

pytestmark = pytest.mark.rule("D32")
WAIT_SECONDS = 20


@dataclass
class Inbox:
    """A desk that writes down what comes, and answers what it is told: 200 once that is used up."""

    got: list[tuple[bytes, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""

    def wait(self, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not ready():
            assert time.monotonic() < until, self.got
            time.sleep(0.01)

    def ids(self) -> list[str]:
        return [json.loads(raw)["id"] for raw, _ in self.got]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            status = inbox.answers.pop(0) if inbox.answers else 200
            inbox.got.append((raw, self.headers["Stripe-Signature"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/events/"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield inbox
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def paid(provider: TestProvider) -> str:
    client = stripe.StripeClient(provider.secret_key, base_addresses={"api": provider.base})
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "eur"})
    provider.pay(intent.id)
    return intent.id


def test_an_event_bears_a_signature_that_the_library_accepts(provider: TestProvider, paid: str, inbox: Inbox) -> None:
    provider.send_events_to(inbox.url)
    inbox.wait(lambda: len(inbox.got) == 2)

    kinds = {}
    for raw, signed in inbox.got:
        event = stripe.Webhook.construct_event(raw, signed, provider.webhook_secret)
        kinds[event.type] = event.data.object.id
        assert (event.object, event.livemode, event.api_version) == ("event", False, API_VERSION)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(raw, signed, "whsec_other")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(raw + b" ", signed, provider.webhook_secret)
    assert kinds["payment_intent.succeeded"] == paid


def test_the_events_are_of_the_version_that_the_library_speaks() -> None:
    assert stripe.api_version == API_VERSION


def test_a_signed_body_for_a_test_client_is_accepted_and_an_old_one_is_not(provider: TestProvider, paid: str) -> None:
    [event] = provider.events("payment_intent.succeeded")

    raw, signed = provider.signed(event)
    old = provider.signed(event, at=1_700_000_000)

    assert stripe.Webhook.construct_event(raw, signed, provider.webhook_secret).id == event["id"]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*old, provider.webhook_secret)


def test_an_event_comes_again_until_it_is_taken(provider: TestProvider, paid: str, inbox: Inbox) -> None:
    inbox.answers += [500, 302, 404, 503]
    provider.send_events_to(inbox.url)

    inbox.wait(lambda: all(event["sending"]["arrived"] for event in provider.events()))

    assert len(inbox.got) == 6
    tries = [one["status"] for event in provider.events() for one in event["sending"]["tries"]]
    assert sorted(tries) == [200, 200, 302, 404, 500, 503]


def test_a_desk_that_is_away_gets_it_once_it_is_back(provider: TestProvider, paid: str, inbox: Inbox) -> None:
    provider.send_events_to("http://127.0.0.1:9/")
    inbox.wait(lambda: any(event["sending"]["tries"] for event in provider.events()))

    provider.send_events_to(inbox.url)

    inbox.wait(lambda: len(inbox.got) == 2)
    assert provider.events()[0]["sending"]["tries"][0]["error"] == "ClientConnectorError"


def test_paused_events_wait_and_go_out_of_order_on_demand(provider: TestProvider, paid: str, inbox: Inbox) -> None:
    provider.pause()
    provider.send_events_to(inbox.url)
    provider.refund(paid, 100)
    names = [event["id"] for event in provider.events()]
    assert (len(names), inbox.got) == (4, [])

    outcomes = provider.deliver(*reversed(names))
    provider.resume()

    assert inbox.ids() == names[::-1]
    assert [one["status"] for one in outcomes] == [200] * 4


def test_an_event_goes_out_many_times_at_once(provider: TestProvider, paid: str, inbox: Inbox) -> None:
    provider.pause()
    provider.send_events_to(inbox.url)
    [event] = provider.events("payment_intent.succeeded")

    outcomes = provider.deliver(event["id"], times=8)
    provider.deliver(event["id"])

    assert [one["status"] for one in outcomes] == [200] * 8
    assert inbox.ids() == [event["id"]] * 9


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Host": "evil.example"}],
)
def test_no_foreign_page_moves_anything(provider: TestProvider, headers: dict[str, str]) -> None:
    with pytest.raises(HTTPError) as refused, refused_body(provider, headers):
        pass

    assert refused.value.code == 403
    refused.value.close()


def refused_body(provider: TestProvider, headers: dict[str, str]) -> Any:
    return urlopen(Request(f"{provider.base}/_desk/reset", b"{}", headers))


@pytest.mark.parametrize("name", ["", "card.html", "card.js", "challenge.html", "challenge.js", "frame.css"])
def test_the_script_and_its_frames_are_there_and_nothing_else(provider: TestProvider, name: str) -> None:
    with urlopen(f"{provider.base}/v3/{name}") as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    with pytest.raises(HTTPError) as missing:
        urlopen(f"{provider.base}/v3/..%2f__main__.py")
    assert missing.value.code == 404
    missing.value.close()
