"""The payment provider for tests: the demo's own, as a process of its own.

A test that pays takes ``provider``. It starts once a worker, is empty at the start of each test, and the settings
point at it::

    def test_something(provider):
        client = stripe.StripeClient(settings.STRIPE_SECRET_KEY, base_addresses={"api": provider.base})
        intent = client.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
        provider.pay(intent.id)                                  # as the script in a browser does
        provider.pay(intent.id, card="4000002500003155")         # asks for 3-D Secure …
        provider.authenticate(intent.id, success=True)           # … and gets it
        provider.refund(intent.id, 2000)                         # from the dashboard
        provider.next_refund("fails", code="charge_disputed")    # what the desk's next refund call meets
        dispute = provider.dispute(intent.id)                    # then close_dispute(dispute["id"], "won")
        provider.events("payment_intent.succeeded")              # made at once, whether they are sent or not

Events go nowhere until the test says where. ``provider.signed(event)`` gives body and header to post with Django's
client; ``provider.send_events_to(url)`` sends them to a live server by themselves, those that wait first, and again
until a 2xx; ``provider.deliver(*ids, times=3)`` sends now, in this order, each three times at once. ``pause`` and
``resume`` hold them back. Refunds to the two cards that change later wait for ``provider.settle(refund)``.

A desk that runs as processes has its own: ``RunningDesk.provider`` has the same verbs (do not ``reset`` it), and sends
its events to that desk.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project

from supportdesk import children
from supportdesk.demo.provider.client import ProviderClient
from supportdesk.demo.provider.events import signature
from supportdesk.demo.supervisor import ROOT

READY_SECONDS = 30
RETRY_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TestProvider(ProviderClient):
    """The provider of one test."""

    __test__ = False
    webhook_secret: str

    def signed(self, event: dict[str, Any], *, at: int | None = None, secret: str = "") -> tuple[bytes, str]:
        """The raw body of an event and its ``Stripe-Signature``, as a delivery has them."""
        raw = json.dumps({name: value for name, value in event.items() if name != "sending"}).encode()
        return raw, signature(raw, secret or self.webhook_secret, int(time.time()) if at is None else at)


def start_provider(folder: Path, *arguments: str) -> tuple[Any, TestProvider]:
    """A provider in ``folder`` on a free port, with the tests' keys; its process, and the handle."""
    log = folder / "provider.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "supportdesk.demo.provider", "--port", "0", "--folder", str(folder)]
    command += ["--retry-seconds", str(RETRY_SECONDS), *arguments]
    process = children.start_child(command, log=log, env=os.environ, cwd=ROOT)
    until = time.monotonic() + READY_SECONDS
    while not (said := re.search(r"listens on (\S+)\n", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    return process, TestProvider(
        base=said[1],
        secret_key=os.environ["STRIPE_SECRET_KEY"],
        publishable_key=os.environ["STRIPE_PUBLISHABLE_KEY"],
        webhook_secret=os.environ["STRIPE_WEBHOOK_SECRETS"],
    )


@pytest.fixture(scope="session")
def provider_server(request: pytest.FixtureRequest) -> Iterator[TestProvider]:
    """The one provider of this worker. Tests take ``provider``."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw")
    folder = Path(project.DESK_HOME) / f"provider-{worker}"
    shutil.rmtree(folder, ignore_errors=True)
    process, handle = start_provider(folder)
    yield handle
    children.stop_children([process])


@pytest.fixture
def provider(provider_server: TestProvider, settings: Any) -> TestProvider:
    """The provider, empty, with the settings pointing at it."""
    provider_server.reset()
    settings.STRIPE_API_BASE = provider_server.base
    settings.STRIPE_SCRIPT_URL = provider_server.script_url
    settings.STRIPE_FRAME_ORIGINS = [provider_server.base]
    settings.STRIPE_CONNECT_ORIGINS = [provider_server.base]
    return provider_server
