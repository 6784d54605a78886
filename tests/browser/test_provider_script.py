"""The provider's script in Chromium, on a page with the desk's own policy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe
from csp.utils import build_policy
from django.conf import settings as project
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.driving import AXE, TAGS, Drivers, listen
from tests.provider import TestProvider

pytestmark = [pytest.mark.browser, pytest.mark.rule("D32")]
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Buy points</title><link rel="stylesheet" href="/desk.css"><script src="{script}"></script>
<script src="/page.js" defer></script></head>
<body><main class="room stack"><h1>Buy points</h1><label for="name">Name</label><input class="input" id="name">
<div id="card"></div><p id="error" role="alert"></p><button class="button primary" id="pay">Pay</button>
<p id="paid"></p></main></body></html>"""
SCRIPT = """
const stripe = Stripe("{key}");
const card = stripe.elements({{ locale: "en" }}).create("card", {{ hidePostalCode: true }});
window.heard = [];
card.on("ready", () => {{ document.body.dataset.ready = "yes"; }});
const said = document.getElementById("error");
card.on("change", (event) => {{
  heard.push(event);
  if (event.error || !event.empty) said.textContent = event.error?.message ?? "";
}});
card.mount("#card");
document.getElementById("pay").addEventListener("click", async () => {{
  const method = {{ card, billing_details: {{ name: "Isla" }} }};
  const result = await stripe.confirmCardPayment("{secret}", {{ payment_method: method }});
  window.result = result;
  said.textContent = result.error?.message ?? "";
  document.getElementById("paid").textContent = result.paymentIntent?.status ?? "";
}});
window.card = card;
window.stripe_ = stripe;
"""


@pytest.fixture
def browser(drivers: Drivers) -> Browser:
    """The one that the desk's pages are looked at with: two of them at once do not go together."""
    return drivers.browser


@pytest.fixture
def intent(provider: TestProvider) -> Any:
    client = stripe.StripeClient(provider.secret_key, base_addresses={"api": provider.base})
    return client.v1.payment_intents.create({"amount": 5000, "currency": "usd"})


@pytest.fixture(params=[{"width": 1280, "height": 800}], ids=["wide"])
def page(browser: Browser, provider: TestProvider, intent: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    policy = build_policy(
        update={
            "script-src": [project.STRIPE_SCRIPT_URL],
            "frame-src": project.STRIPE_FRAME_ORIGINS,
            "connect-src": project.STRIPE_CONNECT_ORIGINS,
        }
    )
    bodies = {
        "/": ("text/html", PAGE.format(script=provider.script_url)),
        "/page.js": ("text/javascript", SCRIPT.format(key=provider.publishable_key, secret=intent.client_secret)),
        "/desk.css": ("text/css", (project.BASE_DIR / "static" / "desk.css").read_text("utf-8")),
    }

    # A page that Playwright answers itself is a stranger to Chromium, and must not load from this machine.
    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = bodies.get(self.path, ("text/plain", ""))
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = browser.new_context(viewport=request.param)
    context.add_init_script(path=AXE)
    page = context.new_page()
    complaints = listen(page)
    page.goto(f"http://localhost:{server.server_port}/")
    expect(page.locator("body")).to_have_attribute("data-ready", "yes")
    yield page
    context.close()
    server.shutdown()
    server.server_close()
    thread.join()
    assert [one for one in complaints if "402" not in one] == []


def fields(page: Page) -> FrameLocator:
    return page.frame_locator("[data-provider=card]")


def fill(page: Page, number: str, expiry: str = "1240", cvc: str = "123") -> None:
    """By the keyboard alone, from the field before the frame on."""
    page.get_by_label("Name").focus()
    for label, text in zip(("Card number", "Expiry date", "Security code"), (number, expiry, cvc), strict=True):
        page.keyboard.press("Tab")
        expect(fields(page).get_by_label(label)).to_be_focused()
        page.keyboard.type(text)


def test_a_card_pays_by_the_keyboard_and_the_page_never_sees_its_number(page: Page, provider: TestProvider) -> None:
    fill(page, "4242424242424242")
    expect(fields(page).get_by_label("Card number")).to_have_value("4242 4242 4242 4242")
    expect(fields(page).get_by_label("Expiry date")).to_have_value("12 / 40")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Pay")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("#paid")).to_have_text("succeeded")
    heard = page.evaluate("heard")
    assert (heard[0]["complete"], heard[-1]["complete"], heard[-1]["empty"]) == (False, True, False)
    assert "4242" not in str(heard)
    assert page.evaluate("document.querySelector('iframe').contentDocument") is None
    assert provider.everything()["charges"][0]["billing_details"]["name"] == "Isla"


@pytest.mark.parametrize(
    ("number", "message", "decline"),
    [
        ("4000000000000002", "Your card was declined.", "generic_decline"),
        ("4000000000009995", "Your card has insufficient funds.", "insufficient_funds"),
    ],
)
def test_a_declined_card_says_why_and_another_one_pays(page: Page, number: str, message: str, decline: str) -> None:
    fill(page, number)
    page.get_by_role("button", name="Pay").click()
    expect(page.locator("#error")).to_have_text(message)
    error = page.evaluate("result.error")

    page.evaluate("card.clear()")
    fill(page, "5555555555554444")
    page.get_by_role("button", name="Pay").click()

    expect(page.locator("#paid")).to_have_text("succeeded")
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", "card_declined", decline)
    assert error["payment_intent"]["status"] == "requires_payment_method"


@pytest.mark.parametrize(("choice", "paid", "error"), [("Complete", "succeeded", ""), ("Fail", "", "unable")])
def test_three_d_secure_is_a_box_over_the_page(page: Page, choice: str, paid: str, error: str) -> None:
    fill(page, "4000002500003155")
    page.get_by_role("button", name="Pay").click()
    box = page.frame_locator("[data-provider=challenge]")
    expect(box.get_by_role("button", name="Complete")).to_be_focused()
    expect(box.get_by_text("$50.00")).to_be_visible()
    assert page.locator("main").evaluate("one => one.inert")

    # Later, from the page itself: who clicks or types waits for an answer of the frame, which goes with the click.
    box.get_by_role("button", name=choice).evaluate("button => { setTimeout(() => button.click(), 50); }")

    expect(page.locator("#paid")).to_have_text(paid)
    expect(page.locator("#error")).to_contain_text(error)
    assert not page.locator("main").evaluate("one => one.inert")
    expect(page.locator("[data-provider=challenge]")).to_have_count(0)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (("424242424242", "1240", "123"), "incomplete_number"),
        (("4242424242424241", "1240", "123"), "invalid_number"),
        (("4242424242424242", "1220", "123"), "invalid_expiry_year_past"),
        (("4242424242424242", "1340", "123"), "invalid_expiry_month"),
        (("4242424242424242", "12", "123"), "incomplete_expiry"),
        (("4242424242424242", "1240", "12"), "incomplete_cvc"),
        (("378282246310005", "1240", "123"), "incomplete_cvc"),
        (("", "", ""), "incomplete_number"),
    ],
)
def test_what_is_wrong_with_the_fields_is_said_and_nothing_is_sent(
    page: Page, provider: TestProvider, typed: tuple[str, str, str], code: str
) -> None:
    fill(page, *typed)
    page.get_by_role("button", name="Pay").click()

    page.wait_for_function("window.result")
    error = page.evaluate("result.error")
    assert (error["type"], error["code"]) == ("validation_error", code)
    expect(page.locator("#error")).to_have_text(error["message"])
    assert not provider.everything()["charges"]


def test_a_field_that_was_not_left_is_not_told_that_it_is_incomplete(page: Page) -> None:
    page.get_by_label("Name").focus()
    page.keyboard.press("Tab")
    expect(fields(page).get_by_label("Card number")).to_be_focused()
    page.keyboard.type("4242")
    page.wait_for_function("heard.length >= 4")
    early = page.evaluate("heard.at(-1).error")
    page.keyboard.press("Tab")

    page.wait_for_function("heard.at(-1).error")
    assert early is None
    assert page.evaluate("heard.at(-1).error.code") == "incomplete_number"


def test_an_intent_is_found_again_without_what_the_desk_wrote_beside_it(page: Page, intent: Any) -> None:
    found = page.evaluate("secret => stripe_.retrievePaymentIntent(secret)", intent.client_secret)

    assert found["paymentIntent"]["id"] == intent.id
    assert "metadata" not in found["paymentIntent"]


def test_an_unmounted_field_is_gone(page: Page) -> None:
    page.evaluate("card.destroy()")

    expect(page.locator("iframe")).to_have_count(0)


@pytest.mark.parametrize("page", [{"width": 320, "height": 640}], indirect=True, ids=["320"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_every_light_and_width(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    fill(page, "4000002500003155")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    card = page.frames[1]
    assert card.evaluate("document.documentElement.scrollHeight <= innerHeight + 1")
    assert card.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check(card, but_not="color-contrast" if scheme == "dark" else "")  # it cannot see the page below
    page.get_by_role("button", name="Pay").click()
    expect(page.frame_locator("[data-provider=challenge]").get_by_role("button", name="Fail")).to_be_visible()
    check(page.frames[-1])


def check(frame: Any, *, but_not: str = "") -> None:
    """No page of its own: rules about a page's landmarks and heading are the desk's page's."""
    names = ["region", "landmark-one-main", "page-has-heading-one", but_not]
    rules = {name: {"enabled": False} for name in names if name}
    options = {"runOnly": {"type": "tag", "values": TAGS}, "rules": rules}
    found = frame.evaluate("async options => (await axe.run(document, options)).violations", options)
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
