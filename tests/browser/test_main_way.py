"""The main way by clicks and keys, as customer and technician; and by a browser without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from supportdesk.policy import POLICY
from tests.browser.driving import SECONDS, Drivers, move_to, sign_in
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
SEND = f"Send and spend {POLICY.email_points} points"


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R3", "R7", "D10", "D11", "D22", "D30")
def test_the_main_way(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person() as customer, drivers.person(TECHNICIAN) as technician:
        sign_in(customer, CUSTOMER)
        customer.get_by_role("link", name="Report a problem").first.click()
        expect(customer.get_by_text("A technician answers by")).to_be_visible()
        expect(customer.locator("aside .due time")).to_have_attribute("datetime", re.compile(r"^20\d\d-"))
        fill_in(customer, "The index grows by the hour")
        customer.get_by_role("button", name=SEND).click()
        number = the_number(customer)

        mail = mail_with(running_desk, customer, number)
        expect(mail.get_by_role("heading", level=1)).to_contain_text("The index grows by the hour")

        technician.goto("/desk/")
        move_to(technician, number)
        technician.keyboard.press("Enter")
        technician.wait_for_url(f"**/desk/incidents/{number}/")
        with technician.expect_navigation():
            technician.keyboard.press("a")
        expect(technician.get_by_role("button", name="Take", exact=False)).to_have_count(0)
        write(technician, "n", "id_note-text", "canary-note")
        expect(technician.locator(".message.note")).to_contain_text("canary-note")
        write(technician, "r", "id_answer-text", "Please send us the log.")
        expect(technician.locator(".message.ours")).to_contain_text("Please send us the log.")
        expect(technician.get_by_role("status").filter(has_text="on its way")).to_be_visible()
        expect(technician.get_by_text("in time").first).to_be_visible()

        answered = mail_with(running_desk, customer, number, text="Please send us the log.")
        answered.get_by_role("textbox", name="Text").fill("Here is the log, by mail.")
        answered.get_by_role("button", name="Send answer").click()
        expect(answered.get_by_role("status")).to_contain_text("The answer was sent")

        reload_until(technician, "Here is the log, by mail.")
        # The customer wrote last, so closing wants a word: the key leads to it, with "close" chosen.
        write(technician, "e", "id_answer-text", "Then it is solved.")
        expect(technician.get_by_text("closed it")).to_be_visible()

        customer.goto(f"/incidents/{number}/")
        expect(customer.get_by_text("This incident is closed")).to_be_visible()
        expect(customer.get_by_text("Here is the log, by mail.")).to_be_visible()
        assert "canary-note" not in customer.content()


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R3")
def test_two_clicks_on_send_make_one_incident(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person(CUSTOMER) as page:
        page.goto("/report/")
        fill_in(page, "Sent by two clicks")
        page.get_by_role("button", name=SEND).dblclick()
        number = the_number(page)
    found = running_desk.rows("SELECT number FROM incidents_incident WHERE subject = 'Sent by two clicks'")
    assert found == [(number,)]


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R7")
def test_without_javascript_a_report_becomes_an_incident_that_is_answered(drivers: Drivers) -> None:
    plain = {"java_script_enabled": False}
    with drivers.person(CUSTOMER, **plain) as customer, drivers.person(TECHNICIAN, **plain) as technician:
        customer.goto("/report/")
        customer.get_by_role("button", name=SEND).click()
        expect(customer.get_by_role("alert")).to_contain_text("Something below wants another look")
        fill_in(customer, "Sent without JavaScript")
        customer.get_by_role("button", name=SEND).click()
        number = the_number(customer)

        technician.goto("/desk/")
        technician.locator(f"tr[data-number='{number}'] a").click()
        technician.get_by_role("button", name="Take").click()
        technician.get_by_role("link", name="Answer").click()
        technician.locator("#id_answer-text").fill("We have seen it.")
        technician.get_by_role("button", name="Send answer").click()
        expect(technician.locator(".message.ours")).to_contain_text("We have seen it.")

        customer.reload()
        expect(customer.locator(".message.ours")).to_contain_text("We have seen it.")


def fill_in(page: Page, subject: str) -> None:
    page.get_by_label("Release").select_option(index=1)
    page.get_by_label("Operation").check()
    page.get_by_label("In one line").fill(subject)
    page.get_by_label("What happens").fill("It began on Monday, after the update.")


def the_number(page: Page) -> str:
    """The ticket number on the page that follows a report."""
    page.wait_for_url("**/incidents/*/")
    shown = page.locator(".readout.number").inner_text()
    number = page.url.rstrip("/").rsplit("/", 1)[1]
    assert re.sub(r"\D", "", shown) == number
    return number


def mail_with(desk: RunningDesk, page: Page, number: str, *, text: str = "") -> Page:
    """Opens the newest mail about a ticket in the mailbox's pages, by its link in the list."""

    def arrived() -> bool:
        return any(text in mail.text for mail in desk.mails(number) or desk.mails(grouped(number)))

    until(arrived, f"a mail about {number} with “{text}”")
    page.goto("/demo/mailbox/")
    page.get_by_role("link", name=re.compile(rf"{number}|{grouped(number)}")).first.click()
    page.wait_for_url("**/demo/mailbox/*-*/")
    return page


def grouped(number: str) -> str:
    return f"{number[:3]} {number[3:]}"


def write(page: Page, key: str, field: str, text: str) -> None:
    """A key that goes to the field, words, and the keys that send them."""
    page.wait_for_load_state()  # before that, no key is heard
    page.keyboard.press(key)
    expect(page.locator(f"#{field}")).to_be_focused()
    page.keyboard.type(text)
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")


def reload_until(page: Page, text: str) -> None:
    def there() -> bool:
        page.reload()
        return page.get_by_text(text).count() > 0

    until(there, f"“{text}” on {page.url}", seconds=SECONDS + 10)
