"""A call from ring to ticket number, by keyboard; and by a browser without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import PHONE, Drivers, axe_says, overflow
from tests.journeys.running import TECHNICIAN, RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R8", "D11", "D20")
def test_a_phone_incident_answered_during_the_call_by_keyboard(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person(TECHNICIAN) as page:
        keys = page.keyboard
        page.goto("/desk/")
        page.wait_for_load_state()
        with page.expect_navigation():
            keys.press("c")
        expect(page.get_by_label("Who is calling?")).to_be_focused()
        keys.type("isla ren")
        expect(page.get_by_role("link", name="Isla Renwick")).to_be_visible()
        with page.expect_navigation():
            keys.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Isla Renwick")
        page.wait_for_load_state()
        tab_to(page, "In one line")
        keys.type("Said on the phone")
        tab_to(page, "Product and release")
        keys.press("ArrowDown")
        tab_to(page, "Kind of problem")
        keys.press("ArrowDown")
        tab_to(page, "We call or write back")
        keys.press("ArrowUp")
        tab_to(page, "What you told the caller")
        keys.type("Restart the store.")
        with page.expect_navigation():
            keys.press("Control+Enter")
        number = page.url.rstrip("/").rsplit("/", 1)[1]
        assert re.sub(r"\D", "", page.locator(".readout").inner_text()) == number
        expect(page.get_by_text("answered during the call")).to_be_visible()
        page.wait_for_load_state()
        with page.expect_navigation():
            keys.press("o")
        expect(page.locator(".message.ours")).to_contain_text("Restart the store.")
        page.wait_for_load_state()
        keys.press("p")
        expect(page.locator("#id_call-text")).to_be_focused()
        keys.type("They called again, it works.")
        with page.expect_navigation():
            keys.press("Control+Enter")
        expect(page.locator(".message.ours")).to_have_count(2)
    [(outcome, owner)] = running_desk.rows(
        """SELECT c.outcome, u.email FROM incidents_incident i JOIN people_user u ON u.id = i.owner_id
           JOIN incidents_incidentclock l ON l.incident_id = i.id JOIN sla_responseclock c ON c.id = l.clock_id
           WHERE i.number = %s""",
        number,
    )
    assert (outcome, owner) == ("met", TECHNICIAN)


@pytest.mark.usefixtures("furnished")
def test_without_javascript(drivers: Drivers) -> None:
    with drivers.person(TECHNICIAN, java_script_enabled=False) as page:
        page.goto("/desk/call/?from=0131%20496%200123")
        expect(page.get_by_role("heading", level=1)).to_have_text("Isla Renwick")
        page.get_by_role("link", name="Log a call").first.click()
        page.get_by_label("Who is calling?").fill("renwick")
        page.get_by_role("button", name="Find").click()
        page.get_by_label("In one line").fill("Without a script")
        page.get_by_label("Product and release").select_option(index=1)
        page.get_by_label("Kind of problem").select_option("operation")
        page.get_by_role("button", name="Log the call").click()
        expect(page.locator(".readout")).to_be_visible()
        page.get_by_role("link", name="Open the incident").click()
        page.locator("#call summary").click()
        page.get_by_label("What was said").fill("Called back.")
        page.locator("#call").get_by_role("button", name="Log the call").click()
        expect(page.locator(".message.ours")).to_contain_text("Called back.")


@pytest.mark.rule("D20")
def test_the_pages_of_a_call_are_for_everybody(drivers: Drivers, furnished: object, running_desk: RunningDesk) -> None:
    """axe-core finds nothing, and a phone shows no page wider than it is."""
    pk, poor = (
        running_desk.rows("SELECT id FROM people_contact WHERE name = %s", name)[0][0]
        for name in ("Isla Renwick", "Davi Prado")
    )
    house = running_desk.rows("SELECT customer_id FROM people_contact WHERE id = %s", pk)[0][0]
    paths = [
        *("/desk/call/", "/desk/call/?q=ma", "/desk/call/?q=zzz", "/desk/call/?from=%2B4930901820"),
        *(f"/desk/call/{pk}/", f"/desk/call/{poor}/", f"/desk/call/new/?customer={house}"),
        f"/desk/call/logged/{furnished.new}/",  # type: ignore[attr-defined]
    ]
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE}):
        with drivers.person(TECHNICIAN, axe=True, **options) as page:
            for path in paths:
                page.goto(path)
                assert axe_says(page) == [], path
                assert overflow(page) == 0, path


def tab_to(page: Page, label: str) -> None:
    """Goes on by the tabulator to the field of that label."""
    wanted = page.get_by_label(label)
    for _ in range(20):
        if wanted.evaluate("field => field === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no tabulator leads to “{label}”")
