"""Money by clicks: bought by card, spent, and given back as points and to the card, each with its mail (D17, D32)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from supportdesk.demo.mailbox import Mail
from supportdesk.policy import POLICY
from tests.browser.conftest import POOR
from tests.browser.driving import Drivers, axe_says, overflow
from tests.browser.test_main_way import SEND, fill_in, the_number
from tests.journeys.running import ADMIN, TECHNICIAN, RunningDesk, says, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
COST = POLICY.email_points


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("D4", "D5", "D8", "D17", "D32", "R14")
def test_buy_report_bug_credit_and_refund(drivers: Drivers, running_desk: RunningDesk, furnished) -> None:
    with (
        drivers.person(POOR, axe=True) as customer,
        drivers.person(TECHNICIAN) as technician,
        drivers.person(ADMIN) as admin,
    ):
        customer.goto(furnished.draft)
        expect(customer.get_by_text(f"Needs {COST} points, ")).to_be_visible()
        expect(customer.get_by_role("button", name=SEND)).to_have_count(0)
        customer.get_by_role("link", name="Buy points").click()
        expect(customer.get_by_role("heading", name="Buy points")).to_be_visible()
        looks_right(customer)
        customer.get_by_role("button", name="Buy for EUR 249.00").click()
        customer.wait_for_url("**/points/buy/*/")
        pay(customer, "4000000000000002")
        expect(customer.locator("#card-error")).to_contain_text("declined")
        looks_right(customer)
        pay(customer, "4242424242424242")
        customer.wait_for_url("**/drafts/*/")
        expect(customer.get_by_role("status").first).to_contain_text("30 points added")
        receipt = until(lambda: mails_to(running_desk, "30 points added"), "the receipt")
        assert "EUR 249.00" in receipt[0].text
        assert "4242" in receipt[0].text

        customer.get_by_role("button", name=SEND).click()
        first = the_number(customer)
        assert "We have your report." in running_desk.mail_to(POOR, first, "We have your report.").text
        second = report(customer, "Synchronisation eats appointments")

        # As points.
        mark(technician, first, "QM-4600")
        customer.goto(f"/incidents/{first}/")
        customer.get_by_role("button", name=f"I want the {COST} points back").click()
        decide(admin, "QM-4600", f"Give back {COST} points")
        back = until(
            lambda: mails_to(running_desk, "", "the points that it cost are back"), "the mail about the credit"
        )
        assert "valid until" in back[0].text

        # To the card.
        mark(technician, second, "QM-4601")
        asked = until(lambda: mails_to(running_desk, "Synchronisation eats appointments", "4242"), "the question")
        assert "EUR 83.00" in asked[0].text
        customer.goto(f"/incidents/{second}/")
        customer.get_by_role("button", name="I want EUR 83.00 back").click()
        looks_right(customer)
        decide(admin, "QM-4601", "Refund EUR 83.00")
        told = until(
            lambda: mails_to(running_desk, "", "what it cost goes back to your card"), "the mail about the refund"
        )
        assert "EUR 83.00" in told[0].text
        assert "4242" in told[0].text
        done = "SELECT amount_minor FROM points_refund WHERE state = 'done'"
        until(lambda: running_desk.rows(done), "the refund to be done", seconds=200)
        assert running_desk.rows(done) == [(8300,)]
        admin.reload()
        expect(admin.get_by_text("paid back").first).to_be_visible()
        customer.reload()
        expect(customer.get_by_text("EUR 83.00").first).to_be_visible()
        customer.goto("/points/")
        looks_right(customer)
    # Other tests of this desk enter payments that the provider knows nothing of: this one it does.
    [(ref,)] = running_desk.rows(
        "SELECT provider_ref FROM points_purchase WHERE amount_minor = 24900 AND kind = 'card'"
    )
    compared = running_desk.manage("check_ledger").stdout
    assert "Compared with the payment provider." in compared
    assert ref not in compared
    alone = running_desk.manage("check_ledger", "--offline")
    assert alone.returncode == 0, alone.stdout + alone.stderr


def pay(page: Page, number: str) -> None:
    """Fills the provider's fields and pays, as a person does."""
    fields = page.frame_locator("#card iframe")
    fields.get_by_label("Card number").fill(number)
    fields.get_by_label("Expiry date").fill("12 / 39")
    fields.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay EUR 249.00").click()


def report(page: Page, subject: str) -> str:
    page.goto("/report/")
    fill_in(page, subject)
    page.get_by_role("button", name=SEND).click()
    return the_number(page)


def mark(page: Page, number: str, reference: str) -> None:
    page.goto(f"/desk/incidents/{number}/")
    page.locator("summary", has_text="Mark as bug").click()
    page.get_by_label("Reference of the bug").fill(reference)
    page.get_by_role("button", name="Mark as bug").click()
    expect(page.get_by_text(f"bug {reference}, customer asked")).to_be_visible()


def decide(page: Page, reference: str, button: str) -> None:
    page.goto("/admin/incidents/creditcase/")
    page.get_by_role("link", name=reference).click()
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("status").first).to_contain_text("the customer is told")


def mails_to(desk: RunningDesk, words: str, text: str = "") -> list[Mail]:
    return [mail for mail in desk.mails(words) if POOR in mail.recipients and says(mail, text)]


def looks_right(page: Page) -> None:
    page.wait_for_load_state()
    assert axe_says(page) == []
    assert overflow(page) == 0
