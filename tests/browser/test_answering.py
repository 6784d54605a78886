"""An answer in the browser: Write and Preview by keys, a pasted picture, the mail that leaves (D31, D38)."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import Drivers, axe_says, overflow
from tests.incidents.mail_walk import PNG
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, number_of

PASTED = re.compile(r"\*\*Look\*\* here:\n!\[setting  1 \.png\]\(file:[0-9a-f]{16}\)\n")
PASTE = """([field, body]) => {
  const bytes = Uint8Array.from(atob(body), (one) => one.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "setting [1].png", { type: "image/png" }));
  const pasted = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
  document.getElementById(field).dispatchEvent(pasted);
}"""


def at_incident(page: Page, desk: RunningDesk, subject: str) -> str:
    number = number_of(desk.report(desk.visitor(CUSTOMER), subject))
    page.goto(f"/desk/incidents/{number}/")
    return number


@pytest.mark.rule("D31", "D38")
def test_a_pasted_picture_is_previewed_and_goes_out_with_the_mail(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person(TECHNICIAN, axe=True) as page:
        number = at_incident(page, running_desk, "A picture says more")
        text = page.get_by_label("Answer", exact=True)
        text.fill("**Look** here:")
        page.evaluate(PASTE, ["id_answer-text", b64encode(PNG).decode()])
        expect(text).to_have_value(PASTED)
        text.focus()
        page.keyboard.press("Control+Shift+P")
        preview = page.locator("#answer .preview")
        expect(preview.locator("strong").first).to_have_text("Look")
        expect(text).to_be_hidden()
        picture = preview.locator("img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 900
        assert not axe_says(page)
        assert not overflow(page)
        page.keyboard.press("Control+Shift+P")
        expect(text).to_be_focused()
        page.locator("#answer").get_by_role("button", name="Preview").click()
        page.locator("#answer").get_by_role("button", name="Write").click()
        expect(text).to_be_visible()
        text.focus()
        page.keyboard.press("Control+Shift+P")
        expect(preview).to_be_focused()
        page.keyboard.press("Control+Enter")
        answer = page.locator(".message.ours").last
        expect(answer.locator(".written img")).to_be_visible()
        mail = running_desk.mail_to(CUSTOMER, number, "**Look** here:")
        assert b"multipart/related" in mail.raw
        answer.locator("details.delivery > summary").click()
        answer.get_by_role("link", name="Show the mail").first.click()
        frame = page.frame_locator("iframe.mail")
        expect(frame.locator("img")).to_be_visible()
        assert frame.locator("img").evaluate("image => image.naturalWidth") == 900
        assert not axe_says(page)


@pytest.mark.rule("D31")
def test_without_script_the_preview_is_a_page(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person(TECHNICIAN, java_script_enabled=False) as page:
        at_incident(page, running_desk, "No script here")
        page.get_by_label("Internal note").fill("`code` and *more*")
        page.locator("#note").get_by_role("button", name="Preview").click()
        expect(page.locator("#note .preview code")).to_have_text("code")
        expect(page.get_by_label("Internal note")).to_have_value("`code` and *more*")
        page.get_by_role("button", name="Keep note").click()
        expect(page.locator(".message.note em")).to_have_text("more")
