"""The reporting form for hands and eyes: on a phone in the dark, without a script, and without being signed in."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Furnished
from tests.browser.driving import PHONE, Drivers, overflow
from tests.browser.test_main_way import SEND
from tests.journeys.running import CUSTOMER, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
TWO = "1. The search stops at 71 %.\n2. The calendar lost its colours."
ANYWAY = "Send it all the same"


@pytest.mark.rule("R11")
@pytest.mark.parametrize("script", [True, False])
def test_a_declined_kind_is_explained_once_it_is_chosen(drivers: Drivers, furnished: Furnished, script: bool) -> None:
    with drivers.person(CUSTOMER, java_script_enabled=script, viewport=PHONE, color_scheme="dark") as page:
        page.goto("/report/")
        expect(page.get_by_label(ANYWAY)).to_be_hidden()
        page.get_by_label("Performance tuning").check()
        expect(page.get_by_label(ANYWAY)).to_be_visible()
        expect(page.get_by_role("link", name="Professional Services")).to_be_visible()
        assert overflow(page) == 0
        _fill(page, "Faster, please")
        page.get_by_role("button", name=SEND).click()
        expect(page.locator("#id_anyway_error")).to_contain_text("Tick this to send it all the same")
        page.get_by_label("Operation").check()
        expect(page.get_by_label(ANYWAY)).to_be_hidden()


@pytest.mark.rule("R9", "R12")
def test_the_page_helps_while_one_types(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(CUSTOMER) as page:
        page.goto("/report/")
        page.get_by_label("Operation").check()
        page.get_by_label("Product", exact=True).select_option(label="Quillmark Server")
        expect(page.get_by_label("Release").locator("option")).to_have_text(["Choose", "12.3", "12.2"])
        page.get_by_label("Release").select_option(label="12.2")
        page.get_by_label("Product", exact=True).select_option(label="Quillmark Sync")
        expect(page.get_by_text("The only current release")).to_be_visible()
        page.get_by_label("In one line").fill("Two of them")
        page.get_by_label("What happens").fill(TWO)
        expect(page.get_by_text("It reads like 2 problems")).to_be_visible()
        # Who has seen the question is not asked a second time.
        page.get_by_role("button", name=SEND).click()
        page.wait_for_url("**/incidents/*/")
        expect(page.get_by_text("Quillmark Sync 4.1")).to_be_visible()


@pytest.mark.rule("R9")
def test_without_a_script_it_is_asked_once_on_sending(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(CUSTOMER, java_script_enabled=False) as page:
        page.goto("/report/")
        page.get_by_label("Operation").check()
        _fill(page, "Two without a script", TWO)
        page.get_by_role("button", name=SEND).click()
        expect(page.get_by_text("It reads like 2 problems")).to_be_visible()
        page.get_by_role("button", name=SEND).click()
        page.wait_for_url("**/incidents/*/")


@pytest.mark.rule("D25", "R7")
@pytest.mark.parametrize("script", [True, False])
def test_a_visitor_reports_by_a_link(
    drivers: Drivers, furnished: Furnished, running_desk: RunningDesk, script: bool
) -> None:
    subject = f"Reported by a visitor, {script}"
    with drivers.person(java_script_enabled=script, viewport=PHONE) as page:
        before = len(running_desk.mails("The link to your report"))
        page.goto("/")
        page.get_by_role("link", name="Report a problem").first.click()
        page.get_by_label("Your e-mail address").fill(CUSTOMER)
        page.get_by_label("Operation").check()
        _fill(page, subject)
        page.get_by_role("button", name="Mail me the link").click()
        expect(page.get_by_role("heading", name="Now look into your mail.")).to_be_visible()
        mails = until(lambda: running_desk.mails("The link to your report")[: -before or None], "the link")
        link = re.search(r"https?://\S+/report/link/\S+", mails[0].text)
        assert link is not None
        page.goto(link[0])
        assert page.url.endswith("/report/link/"), "without the token"
        expect(page.get_by_role("heading", name=subject)).to_be_visible()
        assert overflow(page) == 0
        page.get_by_role("button", name=SEND).click()
        page.wait_for_url("**/incidents/*/")
        expect(page.get_by_text("We have your report.")).to_be_visible()
        page.goto(link[0])
        page.wait_for_url("**/incidents/*/")
    token = link[0].rstrip("/").rsplit("/", 1)[1]
    told = "".join(log.read_text(errors="replace") for log in (running_desk.home / "logs").glob("*.log"))
    assert "/report/link/…" in told
    assert token not in told


def _fill(page: Page, subject: str, text: str = "Since Monday.") -> None:
    page.get_by_label("Release").select_option(label="Quillmark Server 12.3")
    page.get_by_label("In one line").fill(subject)
    page.get_by_label("What happens").fill(text)
