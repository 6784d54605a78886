"""A mail as it was written: it runs nothing and asks for nothing, and shows the pictures that came with it (D31)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import make_msgid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.conftest import Furnished
from tests.browser.driving import PHONE, Drivers, axe_says, overflow
from tests.browser.test_files import PNG
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk"), pytest.mark.rule("D31")]
TEXT = "The table says it, by mail"
HOSTILE = """<p style="color:#a00;background:url(http://elsewhere.example/a.png)" onclick="top.ran=1">
It is <b>red</b></p>
<table border=1 background="http://elsewhere.example/b.png"><tr><td>one<td>two</table>
<img src="cid:shot@mail.example" alt="The screen"><img src="http://elsewhere.example/logo.png" alt="Logo">
<img src="http://elsewhere.example/t.gif" width=1 height=1><img src=x onerror="top.ran=1">
<script>top.ran=1</script><script src="http://elsewhere.example/x.js"></script>
<link rel=stylesheet href="http://elsewhere.example/x.css"><style>@import url(http://elsewhere.example/y.css)</style>
<meta http-equiv=refresh content="0;url=http://elsewhere.example/"><base href="http://elsewhere.example/">
<iframe src="http://elsewhere.example/"></iframe><object data="http://elsewhere.example/"></object>
<svg onload="top.ran=1"><image href="http://elsewhere.example/s.png"/></svg>
<form action="http://elsewhere.example/"><button>Send</button></form>
<a href="javascript:top.ran=1">bad</a> <a href="https://elsewhere.example/page">good</a>
<video src="http://elsewhere.example/v.mp4" autoplay></video>"""


@pytest.fixture(scope="module")
def mailed(running_desk: RunningDesk, furnished: Furnished) -> str:
    """The number of an incident to which its customer has sent a hostile mail."""
    mail = EmailMessage()
    mail["From"], mail["To"] = CUSTOMER, "support@support.quillmark.example"
    mail["Subject"], mail["Message-ID"] = f"Re: {furnished.waiting}", make_msgid(domain="mail.example")
    mail.set_content(TEXT)
    mail.add_alternative(HOSTILE, subtype="html")
    mail.get_payload()[1].add_related(PNG, "image", "png", cid="<shot@mail.example>", filename="shot.png")  # type: ignore
    running_desk.post(mail)
    found = "SELECT 1 FROM incidents_message WHERE text LIKE %s"
    until(lambda: running_desk.rows(found, f"{TEXT}%"), "the mail to be filed")
    return furnished.waiting


def asked(page: Page) -> list[str]:
    """The addresses that the page and its frames ask for from now on."""
    addresses: list[str] = []

    def on_request(request: Request) -> None:
        addresses.append(request.url)

    page.on("request", on_request)
    return addresses


@pytest.mark.parametrize(("person", "desk"), [(CUSTOMER, ""), (TECHNICIAN, "/desk")])
def test_it_shows_what_came_with_it_and_nothing_else(drivers: Drivers, mailed: str, person: str, desk: str) -> None:
    with drivers.person(person, axe=True) as page:
        addresses = asked(page)
        page.goto(f"{desk}/incidents/{mailed}/")
        message = page.locator(".message", has_text=TEXT)
        expect(message.get_by_text("Show as it was written")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert not [address for address in addresses if "as-written" in address], "asked for before it is opened"
        message.get_by_text("Show as it was written").click()
        frame = message.frame_locator("iframe")
        expect(frame.get_by_text("red")).to_be_visible()
        expect(frame.get_by_role("cell", name="two")).to_be_visible()
        expect(frame.get_by_alt_text("The screen")).to_have_js_property("naturalWidth", 2)
        expect(frame.get_by_text("A picture from elsewhere, not loaded. Logo")).to_be_visible()
        assert frame.locator("img").count() == 1
        assert frame.locator("script, form, iframe, svg, video, link, base").count() == 0
        expect(frame.get_by_role("link", name="good")).to_have_attribute("rel", "noopener noreferrer nofollow")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.ran === undefined")
        strange = [address for address in addresses if not address.startswith((drivers.base_url, "data:"))]
        assert strange == []
        assert axe_says(page) == []


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A server that is not the desk's, and what it was asked for."""
    asked_for: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked_for.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is to be read of it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked_for
        server.shutdown()


def test_the_frame_itself_runs_and_loads_nothing(
    drivers: Drivers, mailed: str, elsewhere: tuple[str, list[str]]
) -> None:
    """Were something to slip through: with the raw HTML in it, the policy of the frame stops it all."""
    server, asked_for = elsewhere
    html = f"<!doctype html>{HOSTILE.replace('http://elsewhere.example', server)}"

    def raw(route: Route) -> None:
        route.fulfill(response=route.fetch(), body=html)

    # Its console is full of what was refused: no page for ``person``, which lets nobody say anything.
    with drivers.person(CUSTOMER):
        known = drivers.signed_in[CUSTOMER]
    with drivers.browser.new_context(base_url=drivers.base_url, storage_state=known) as context:
        page = context.new_page()
        page.route("**/as-written/", raw)
        page.goto(f"/incidents/{mailed}/")
        message = page.locator(".message", has_text=TEXT)
        message.get_by_text("Show as it was written").click()
        expect(message.frame_locator("iframe").get_by_text("red")).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.ran === undefined")
        assert asked_for == []
        context.request.get(f"{server}/there")
        assert asked_for == ["/there"], "it would have answered"


def test_the_original_is_one_click_away(drivers: Drivers, mailed: str) -> None:
    with drivers.person(TECHNICIAN, axe=True) as page:
        page.goto(f"/desk/incidents/{mailed}/")
        page.locator(".message", has_text=TEXT).get_by_role("link", name="Original mail").click()
        expect(page.get_by_role("heading", name="Original mail")).to_be_visible()
        page.get_by_text("Show the source").click()
        expect(page.locator("pre.source")).to_contain_text("Content-Type: multipart/alternative")
        assert axe_says(page) == []
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as .eml").click()
        assert download.value.suggested_filename.endswith(".eml")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_white_paper_in_the_dark(drivers: Drivers, mailed: str, scheme: str) -> None:
    with drivers.person(TECHNICIAN, axe=True, viewport=PHONE, color_scheme=scheme) as page:
        page.goto(f"/desk/incidents/{mailed}/")
        message = page.locator(".message", has_text=TEXT)
        message.get_by_text("Show as it was written").click()
        frame = message.frame_locator("iframe")
        expect(frame.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
        assert overflow(page) == 0
        assert axe_says(page) == []
        message.get_by_role("link", name="Original mail").click()
        assert overflow(page) == 0
        assert axe_says(page) == []


def test_the_parts_of_the_original_are_read_on_a_phone_without_scrolling(drivers: Drivers, mailed: str) -> None:
    with drivers.person(TECHNICIAN, axe=True, viewport=PHONE) as page:
        page.goto(f"/desk/incidents/{mailed}/")
        page.locator(".message", has_text=TEXT).get_by_role("link", name="Original mail").click()
        cells = page.get_by_role("table", name="Parts of the mail").get_by_role("cell")
        expect(cells.filter(has_text="shot.png")).to_be_visible()
        ends = cells.evaluate_all("all => all.map(cell => cell.getBoundingClientRect().right)")
        assert max(ends) <= PHONE["width"]
        assert cells.evaluate_all("all => all.every(cell => cell.scrollWidth <= cell.clientWidth)")
        assert overflow(page) == 0
        assert axe_says(page) == []
