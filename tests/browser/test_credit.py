"""A bug of ours by clicks, without JavaScript: marked, chosen, given back (R14, D17)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from supportdesk.demo.mailbox import Mail
from supportdesk.policy import POLICY
from tests.browser.driving import Drivers
from tests.browser.test_main_way import SEND, fill_in, the_number
from tests.journeys.running import ADMIN, CUSTOMER, TECHNICIAN, RunningDesk, says, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
BACK = f"{POLICY.email_points} points"


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R14", "D3", "D17")
def test_a_bug_gives_the_points_back(drivers: Drivers, running_desk: RunningDesk) -> None:
    plain = {"java_script_enabled": False}
    with (
        drivers.person(CUSTOMER, **plain) as customer,
        drivers.person(TECHNICIAN, **plain) as technician,
        drivers.person(ADMIN, **plain) as admin,
    ):
        customer.goto("/report/")
        fill_in(customer, "Delegates lose rights")
        customer.get_by_role("button", name=SEND).click()
        number = the_number(customer)

        technician.goto(f"/desk/incidents/{number}/")
        technician.locator("summary", has_text="Mark as bug").click()
        technician.get_by_label("Reference of the bug").fill("QM-4518")
        technician.get_by_role("button", name="Mark as bug").click()
        expect(technician.get_by_text("bug QM-4518, customer asked")).to_be_visible()

        customer.goto("/")
        customer.get_by_role("link", name="Delegates lose rights").first.click()
        expect(customer.get_by_text("Not possible: not all of these points were paid by card")).to_be_visible()
        customer.get_by_role("button", name=f"I want the {BACK} back").click()
        expect(customer.get_by_text("Chosen by")).to_be_visible()

        admin.goto("/desk/")
        admin.get_by_role("link", name="Credits").click()
        admin.get_by_role("link", name="QM-4518").click()
        expect(admin.get_by_text("customer prefers points")).to_be_visible()
        admin.get_by_role("button", name=f"Give back {BACK}").click()
        expect(admin.get_by_role("status")).to_contain_text("the customer is told")
        expect(admin.get_by_role("heading", name=re.compile("Determined by"))).to_be_visible()

        customer.reload()
        expect(customer.get_by_text(f"It was a bug of ours: {BACK} are back")).to_be_visible()
        mails = until(lambda: credit_mails(running_desk), "the mail about the credit")
        assert "valid until" in mails[0].text


def credit_mails(desk: RunningDesk) -> list[Mail]:
    return [mail for mail in desk.mails("Delegates lose rights") if says(mail, "the points that it cost are back")]
