"""The way of an incident to its end and back, by hand: declined with the usual words, taken back, closed, undone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page

from tests.browser.driving import PHONE, WIDE, Drivers, axe_says, overflow
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, number_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.redis,
    pytest.mark.xdist_group("desk"),
    pytest.mark.rule("D12", "D15", "D36"),
]


def looks_right(page: Page, name: str) -> None:
    """Nothing for axe to say, in light, in dark and on a phone, and nothing scrolls sideways."""
    found = {"light": axe_says(page), "wide": overflow(page)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = axe_says(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    found |= {"phone": axe_says(page), "narrow": overflow(page)}
    if folder := os.environ.get("SCREENS"):
        page.screenshot(path=Path(folder) / f"{name}-phone.png", full_page=True)
    page.set_viewport_size(WIDE)
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert not any(found.values()), found


@pytest.mark.rule("R11")
def test_declined_taken_back_closed_and_undone(drivers: Drivers, running_desk: RunningDesk) -> None:
    running_desk.grant("Harbour & Heath", 30)
    number = number_of(running_desk.report(running_desk.visitor(CUSTOMER), "Make it faster in general"))
    with drivers.person(TECHNICIAN, axe=True) as page:
        page.goto(f"/desk/incidents/{number}/")
        page.locator("#decline summary").click()
        text = page.get_by_label("What the customer reads")
        page.get_by_label("Capacity or performance planning").check()
        assert "Planning of capacity" in text.input_value()
        page.get_by_label("Performance tuning").check()
        assert "General and incremental" in text.input_value(), "untouched words follow the reason"
        text.fill(text.input_value() + "\n\nAda knows your systems.")
        page.get_by_label("Architecture advice").check()
        assert text.input_value().endswith("Ada knows your systems."), "one's own words stay"
        page.get_by_label("Performance tuning").check()
        looks_right(page, "desk-decline")
        page.get_by_role("button", name="Decline and give back 10 points").click()
        page.get_by_role("button", name="Take the decline back, spend 10 points again").wait_for()
        looks_right(page, "desk-declined")
    declined = running_desk.mail_to(CUSTOMER, number, "This incident is declined.")
    assert "Ada knows your systems." in declined.text
    assert "Where to turn:" in declined.text
    assert f"Professional Services: {settings.TURN_TO_SERVICES}" in declined.text
    assert "Points back: 10 points" in declined.text
    with drivers.person(CUSTOMER, axe=True) as page:
        page.goto(f"/incidents/{number}/")
        page.get_by_role("heading", name="Declined: Performance tuning").wait_for()
        looks_right(page, "portal-declined")
        assert on_the_statement(page, number) == (10, -10)
        page.goto(f"/incidents/{number}/")
        page.get_by_label("Write again").fill("It is one query that is slow, see the log.")
        page.get_by_role("button", name="Send message").click()
        page.get_by_text("Your message is with us.").wait_for()
    with drivers.person(TECHNICIAN, axe=True) as page:
        page.goto("/desk/queue/decide/")
        looks_right(page, "desk-to-decide")
        page.get_by_role("link", name="Make it faster in general").click()
        page.get_by_text("The customer wrote since.").wait_for()
        page.get_by_role("button", name="Take the decline back").click()
        page.get_by_text("Taken back: it is as before").wait_for()
        taken_back = running_desk.mail_to(CUSTOMER, number, "it is open again, as before")
        assert "The 10 points that came back are spent on it again." in taken_back.text
        page.get_by_label("Answer", exact=True).fill("Then let us look at the query.")
        page.locator("#answer").get_by_label("then").select_option("closed")
        page.get_by_role("button", name="Send answer").click()
        page.get_by_role("button", name="Undo").wait_for()
        looks_right(page, "desk-undo")
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Taken back: it is as before").wait_for()
    with drivers.person(CUSTOMER, axe=True) as page:
        page.goto(f"/incidents/{number}/")
        page.get_by_text("No help needed any more?").click()
        looks_right(page, "portal-close")
        page.get_by_label("A last word, if you like").fill("The index did it. Thank you.")
        page.get_by_role("button", name="Close the incident").click()
        page.get_by_text("closed this incident.").wait_for()
        looks_right(page, "portal-closed")
        assert on_the_statement(page, number) == (10, -20)


def on_the_statement(page: Page, number: str) -> tuple[int, int]:
    """What came back for a ticket number and what was spent on it, by the lines that name it; lots may share both."""
    page.goto("/points/")
    cells = page.locator(f".ledger tr:has(a[href='/incidents/{number}/']) td:nth-child(3)").all_inner_texts()
    points = [int(cell.replace("−", "-")) for cell in cells]
    return sum(n for n in points if n > 0), sum(n for n in points if n < 0)
