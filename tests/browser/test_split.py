"""Splitting by keys alone, with the preview alive; without a script; and a proposal accepted by one click."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Furnished
from tests.browser.driving import Drivers
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, number_of, says

pytestmark = [
    *(pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")),
    pytest.mark.rule("R9", "D14"),
]


def reported(desk: RunningDesk, subject: str) -> str:
    return number_of(desk.report(desk.visitor(CUSTOMER), subject))


def title(page: Page, position: int) -> str:
    return f"#id_part-{position}-subject"


@pytest.mark.usefixtures("furnished")
def test_by_keys_alone(drivers: Drivers, running_desk: RunningDesk) -> None:
    number = reported(running_desk, "Three problems in one")
    with drivers.person(TECHNICIAN) as page:
        page.goto(f"/desk/incidents/{number}/")
        page.keyboard.press("s")
        page.wait_for_url(f"**/desk/incidents/{number}/split/")
        expect(page.locator(title(page, 1))).to_be_focused()
        page.keyboard.type("Calendars are missing")
        # Enter looks again; it spends nothing.
        with page.expect_response(f"**/desk/incidents/{number}/split/"):
            page.keyboard.press("Enter")
        expect(page.locator(title(page, 1))).to_be_focused()
        expect(page.locator("#send")).to_contain_text("Split and spend 10 points")
        expect(page.locator(title(page, 1))).to_have_value("Calendars are missing")
        page.keyboard.press("Escape")
        page.keyboard.press("p")
        expect(page.locator(title(page, 2))).to_be_focused()
        expect(page.locator("#send")).to_contain_text("Split and spend 20 points")
        expect(page.locator("#what")).to_contain_text("2 × 10 = 20")
        expect(page.locator(title(page, 1))).to_have_value("Calendars are missing")
        page.keyboard.type("Search finds nothing")
        for position in (1, 2):
            page.locator(f"[name=part-{position}-messages]").first.focus()
            page.keyboard.press("Space")
        page.keyboard.press("Control+Enter")
        page.wait_for_url(f"**/desk/incidents/{number}/")
        expect(page.get_by_role("status").filter(has_text="are incidents of their own")).to_be_visible()
    [(parts,)] = running_desk.rows(
        "SELECT count(*) FROM incidents_incident part JOIN incidents_incident origin ON part.origin_id = origin.id"
        " WHERE origin.number = %s",
        number,
    )
    assert parts == 2


@pytest.mark.usefixtures("furnished")
def test_what_is_wrong_keeps_all_that_was_typed(drivers: Drivers, running_desk: RunningDesk) -> None:
    number = reported(running_desk, "Typed and kept")
    with drivers.person(TECHNICIAN) as page:
        page.goto(f"/desk/incidents/{number}/split/")
        page.get_by_role("button", name="Add a part").click()
        page.locator(title(page, 2)).fill("Search finds nothing")
        page.locator("#send").click()
        expect(page.locator(".error").first).to_be_visible()
        expect(page.locator(title(page, 2))).to_have_value("Search finds nothing")
        page.get_by_role("button", name="Remove part 2").click()
        expect(page.locator(title(page, 1))).to_have_value("Search finds nothing")
        expect(page.locator(title(page, 2))).to_have_count(0)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.wait_for_url(f"**/desk/incidents/{number}/")


@pytest.mark.usefixtures("furnished")
def test_without_javascript(drivers: Drivers, running_desk: RunningDesk) -> None:
    number = reported(running_desk, "Split without JavaScript")
    with drivers.person(TECHNICIAN, java_script_enabled=False) as page:
        page.goto(f"/desk/incidents/{number}/")
        page.get_by_role("link", name="Split").click()
        page.locator(title(page, 1)).fill("Calendars are missing")
        page.get_by_role("button", name="Add a part").click()
        page.locator(title(page, 2)).fill("Search finds nothing")
        for position in (1, 2):
            page.locator(f"[name=part-{position}-messages]").first.check()
        page.get_by_role("button", name="Split and spend 20 points").click()
        page.wait_for_url(f"**/desk/incidents/{number}/")
        expect(page.get_by_role("status").filter(has_text="are incidents of their own")).to_be_visible()


@pytest.mark.rule("D8")
def test_the_customer_reads_the_mail_and_sees_what_waits(
    drivers: Drivers, furnished: Furnished, running_desk: RunningDesk
) -> None:
    (mail,) = [one for one in running_desk.mails("") if says(one, "would like to divide this incident")]
    assert f"/incidents/{furnished.proposed}/#proposal" in mail.text
    with drivers.person(mail.recipients[0]) as page:
        page.goto("/")
        page.locator(f"a[href='/incidents/{furnished.proposed}/#proposal']").click()
        expect(page.locator("#proposal")).to_be_in_viewport()
        expect(page.locator("#proposal")).to_contain_text("Certificate warnings on phones")
        expect(page.get_by_role("button", name="Leave it whole")).to_be_visible()
