"""Chromium on the running desk, and a desk with something on every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

import pytest
import stripe
from playwright.sync_api import expect, sync_playwright

from supportdesk.demo.client import Visitor
from tests.browser.driving import SECONDS, Drivers, launch
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, number_of, shared_desk, until

POOR = "davi@casa-almendro.example"


@pytest.fixture(scope="session")
def running_desk(request: pytest.FixtureRequest) -> Iterator[RunningDesk]:
    """The same desk as the journeys'."""
    with shared_desk(request) as desk:
        yield desk


# Not for the whole session: while it is open, a loop runs in this thread, and Django refuses its database.
@pytest.fixture(scope="package")
def drivers(running_desk: RunningDesk) -> Iterator[Drivers]:
    """Chromium with nobody in it yet."""
    expect.set_options(timeout=SECONDS * 1000)  # a busy machine is no reason to fail
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield Drivers(browser, running_desk.base_url)


@dataclass(frozen=True, slots=True)
class Furnished:
    """Where there is something to see."""

    new: str
    waiting: str
    proposed: str
    closed: str
    asked: str
    draft: str
    mail: str


@pytest.fixture(scope="session")
def furnished(running_desk: RunningDesk) -> Furnished:
    """Points for the customer, a draft, a held mail; and where the sample's incidents are."""
    desk = running_desk
    desk.grant("Harbour & Heath", 300)
    poor = desk.visitor(POOR)
    page = desk.report(poor, "Third of three")
    while "/drafts/" not in page.url:
        page = desk.report(poor, "Third of three")
    stranger = EmailMessage()
    stranger["From"], stranger["To"] = "somebody@elsewhere.example", "support@support.quillmark.example"
    stranger["Subject"], stranger["Message-ID"] = "Is anybody there?", make_msgid(domain="elsewhere.example")
    stranger.set_content("We have bought nothing yet, and would like to know.")
    desk.post(stranger)
    technician = desk.visitor(TECHNICIAN)
    until(lambda: "Is anybody there?" in technician.get("/desk/held/").text, "the stranger's mail to be held")
    proposed = _number(desk, "Outlook asks for the password every hour")
    _propose(technician, proposed)
    fresh = number_of(desk.report(desk.visitor(CUSTOMER), "Opened for the pages"))
    found = until(lambda: desk.mails("Opened for the pages"), "a mail")
    _pay(desk)
    return Furnished(
        new=fresh,
        waiting=_number(desk, "Shared calendar lost its colours"),
        proposed=proposed,
        closed=_number(desk, "Certificate chain refused by old phones"),
        asked=_number(desk, "Calendar colours are lost again"),
        draft=page.url.removeprefix(desk.base_url),
        mail=f"/demo/mailbox/{found[0].name}/",
    )


def _propose(technician: Visitor, number: str) -> None:
    """A split that its customer cannot pay for yet."""
    page = technician.get(f"/desk/incidents/{number}/split/")
    message = str(page.first("//input[@name='part-1-messages']/@value"))
    typed = {"part-1-subject": "Certificate warnings on phones", "part-1-messages": message}
    assert "A split waits for points" in technician.send(page, "", **typed).text


def _pay(desk: RunningDesk) -> None:
    """Payments at the provider: one with a refund that is pending, one that is disputed."""
    at = stripe.StripeClient(desk.provider.secret_key, base_addresses={"api": desk.provider_url})
    for card in ("4000000000007726", "4000000000000259"):
        made = at.v1.payment_intents.create({"amount": 5000, "currency": "usd", "description": "100 points"})
        desk.provider.pay(made.id, card)
    desk.provider.refund(at.v1.payment_intents.list().data[1].id, 2000)


def _number(desk: RunningDesk, subject: str) -> str:
    [(number,)] = desk.rows("SELECT number FROM incidents_incident WHERE subject = %s", subject)
    return str(number)
