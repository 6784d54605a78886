"""Incidents from first word to last, by hand, with the mails that they send: split and credited, called, refused."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from incidents.numbers import grouped, typed
from supportdesk.policy import POLICY
from tests.browser.conftest import POOR
from tests.browser.driving import Drivers
from tests.browser.test_main_way import SEND, fill_in, mail_with, reload_until, the_number
from tests.browser.test_money_way import decide, mark
from tests.journeys.running import ADMIN, TECHNICIAN, RunningDesk, number_of, says, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
COLLEAGUE = "jonas.feld@quillmark.example"
# Customers whose points no other file spends: what their pages say of points is known.
SPLITTING, CALLING = "d.marsh@prairie-lantern.example", "okabe@juniper-ridge.example"
COST, CALL = POLICY.email_points, POLICY.phone_points
WHOLE, PART = "Invitations and search are both broken", "Search finds nothing since the update"


@pytest.mark.rule("R7", "R9", "R14", "D8", "D14", "D17", "D26")
def test_split_in_two_each_answered_and_one_credited(drivers: Drivers, running_desk: RunningDesk) -> None:
    desk = running_desk
    with (
        drivers.person(SPLITTING) as customer,
        drivers.person(TECHNICIAN) as technician,
        drivers.person(ADMIN) as admin,
    ):
        before = on_hand(customer)
        customer.goto("/report/")
        fill_in(customer, WHOLE)
        customer.get_by_role("button", name=SEND).click()
        whole = the_number(customer)
        assert whole in typed(desk.mail_to(SPLITTING, whole, "We have your report.").text)

        technician.goto(f"/desk/incidents/{whole}/split/")
        technician.locator("#id_part-1-subject").fill(PART)
        technician.locator("[name=part-1-messages]").first.check()
        technician.get_by_role("button", name=f"Split and spend {COST} points").click()
        technician.get_by_role("link", name=re.compile(PART)).first.click()
        expect(technician.get_by_role("heading", level=1)).to_have_text(PART)
        part = technician.url.rstrip("/").rsplit("/", 1)[1]

        divided = desk.mail_to(SPLITTING, whole, "What you reported are several problems")
        assert grouped(part) in divided.text
        assert f"/incidents/{part}/" in divided.text
        own = desk.mail_to(SPLITTING, part, "is an incident of its own now")
        assert f"A part of {grouped(whole)}" in own.text
        assert f"{COST} spent, {before - 2 * COST} left" in own.text
        assert on_hand(customer) == before - 2 * COST

        for number, words in ((whole, "Invitations come right after a restart."), (part, "Search is our mistake.")):
            answer(technician, number, words)
            expect(technician.get_by_text("in time").first).to_be_visible()
            desk.mail_to(SPLITTING, number, words)
        # Each mail leads its answer to the incident that it is of.
        mail = mail_with(desk, customer, part, text="Search is our mistake.")
        mail.get_by_role("textbox", name="Text").fill("So we thought.")
        mail.get_by_role("button", name="Send answer").click()
        reload_until(technician, "So we thought.")
        technician.goto(f"/desk/incidents/{whole}/")
        expect(technician.get_by_text("So we thought.")).to_have_count(0)

        mark(technician, part, "QM-4700")
        desk.mail_to(SPLITTING, part, "We think that this is a bug of ours.")
        customer.goto(f"/incidents/{part}/")
        customer.get_by_role("button", name=f"I want the {COST} points back").click()
        expect(customer.get_by_text("Chosen by")).to_be_visible()
        decide(admin, "QM-4700", f"Give back {COST} points")
        back = desk.mail_to(SPLITTING, part, "the points that it cost are back")
        assert "valid until" in back.text

        assert on_hand(customer) == before - COST
        credit = customer.locator(".ledger tr", has_text="Credited: what incident").first
        expect(credit).to_contain_text(grouped(part))
        expect(credit).to_contain_text(f"+{COST}")
        told = [mail for mail in desk.mails(WHOLE) if says(mail, "the points that it cost are back")]
        assert not told, "the parts are decided one by one"


@pytest.mark.rule("R8", "R9", "D9", "D11", "D20")
def test_a_call_is_answered_and_goes_on_under_its_number_to_the_end(
    drivers: Drivers, running_desk: RunningDesk
) -> None:
    desk = running_desk
    with drivers.person(CALLING) as customer, drivers.person(TECHNICIAN) as technician:
        before = on_hand(customer)
        technician.goto("/desk/call/?from=%2B19165550171")
        expect(technician.get_by_role("heading", level=1)).to_have_text("Tom Okabe")
        technician.get_by_label("In one line").fill("The proxy drops the session")
        technician.get_by_label("Product and release").select_option(index=1)
        technician.get_by_label("Kind of problem").select_option("operation")
        technician.get_by_label("Answered during the call").check()
        technician.get_by_label("What you told the caller").fill("Set the timeout to an hour.")
        technician.get_by_role("button", name=f"Log the call, spend {CALL} points").click()
        expect(technician.get_by_text("Read this number to Tom Okabe")).to_be_visible()
        expect(technician.get_by_text("answered during the call")).to_be_visible()
        number = typed(technician.locator(".readout").inner_text())
        opened = desk.mail_to(CALLING, number, "We have logged your call.")
        assert "Set the timeout to an hour." in opened.text
        assert f"{CALL} spent, {before - CALL} left" in opened.text

        # They write under it, and call again and say it.
        mail = mail_with(desk, customer, number, text="Set the timeout")
        mail.get_by_role("textbox", name="Text").fill("An hour is better, not good.")
        mail.get_by_role("button", name="Send answer").click()
        expect(mail.get_by_role("status")).to_contain_text("The answer was sent")
        technician.get_by_role("link", name="Next call").click()
        technician.get_by_label("Who is calling?").fill(f"{number[:3]} {number[3:]}")
        technician.get_by_role("link", name="The proxy drops the session").click()
        technician.wait_for_url(f"**/desk/incidents/{number}/**")
        reload_until(technician, "An hour is better, not good.")
        call = technician.locator("#call")
        call.get_by_label("What was said").fill("Keep-alive was off; now it is on.")
        call.get_by_label("Send this as a mail, too").check()
        call.get_by_role("button", name="Log the call").click()
        expect(technician.locator(".message.ours").last).to_contain_text("Keep-alive was off")
        desk.mail_to(CALLING, number, "Keep-alive was off")

        answer(technician, number, "Then it is solved.", then="closed")
        desk.mail_to(CALLING, number, "This incident is closed.")
        customer.goto(f"/incidents/{number}/")
        expect(customer.get_by_text("This incident is closed")).to_be_visible()
        for words in ("Set the timeout", "An hour is better", "Keep-alive was off", "Then it is solved."):
            expect(customer.locator(".message", has_text=words).first).to_be_visible()
        assert on_hand(customer) == before - CALL, "only opening costs"


@pytest.mark.rule("R4", "D20")
def test_community_edition_is_by_mail_only_and_says_why(drivers: Drivers, running_desk: RunningDesk) -> None:
    only = "incidents are reported in the form, not by telephone: those come with Enterprise Edition."
    with drivers.person(POOR) as customer, drivers.person(TECHNICIAN) as technician:
        customer.goto("/")
        expect(customer.get_by_text(only)).to_be_visible()
        expect(customer.locator("a[href^='tel:']")).to_have_count(0)
        customer.goto("/report/")
        expect(customer.get_by_text("With Community Edition incidents are reported here, not by tele")).to_be_visible()
        expect(customer.locator("a[href^='tel:']")).to_have_count(0)

        technician.goto("/desk/call/")
        technician.get_by_label("Who is calling?").fill("davi")
        technician.get_by_role("link", name="Davi Prado").click()
        expect(technician.get_by_role("heading", name="E-mail incidents only")).to_be_visible()
        expect(technician.get_by_text("Community Edition includes incidents by e-mail")).to_be_visible()
        expect(technician.get_by_role("button", name=re.compile("Log the call|Keep as a draft"))).to_have_count(0)
        technician.get_by_role("button", name=f"Send the form to {POOR}").click()
        expect(technician.get_by_role("status").filter(has_text="The form is on its way")).to_be_visible()

        [sent] = until(lambda: running_desk.mails("The form for your report"), "the form by mail")
        assert sent.recipients == (POOR,)
        assert "Community Edition includes incidents by e-mail" in sent.text
        link = re.search(r"https?://\S+/report/", sent.text)
        assert link is not None
        customer.goto(link[0])
        expect(customer.get_by_role("heading", name="Report a problem", level=1)).to_be_visible()
    by_phone = "SELECT count(*) FROM incidents_incident i JOIN people_contact c ON c.id = i.contact_id"
    assert running_desk.rows(f"{by_phone} WHERE c.email = %s AND i.channel = 'phone'", POOR) == [(0,)]


@pytest.mark.rule("D10", "D11")
def test_two_technicians_on_one_incident(drivers: Drivers, running_desk: RunningDesk) -> None:
    number = number_of(running_desk.report(running_desk.visitor(CALLING), "Two of us on it"))
    with drivers.person(TECHNICIAN) as maya, drivers.person(COLLEAGUE) as jonas:
        for page in (maya, jonas):
            page.goto(f"/desk/incidents/{number}/")
        maya.get_by_role("button", name="Take").click()
        expect(maya.get_by_role("button", name="Take", exact=False)).to_have_count(0)
        jonas.get_by_role("button", name="Take").click()
        expect(jonas.get_by_text("Maya Okafor was faster and has it now.")).to_be_visible()
        expect(jonas.get_by_role("button", name="Take over")).to_be_visible()

        jonas.locator("#id_answer-text").fill("It is the cache, clear it.")
        answer(maya, number, "It is the index, rebuild it.")
        jonas.get_by_role("button", name="Send answer").click()
        expect(jonas.locator("#answer .error")).to_contain_text("Maya Okafor answered meanwhile")
        expect(jonas.locator(".message.ours")).to_contain_text("It is the index, rebuild it.")
        expect(jonas.locator("#id_answer-text")).to_have_value("It is the cache, clear it.")
        assert not running_desk.rows("SELECT 1 FROM incidents_message WHERE text = 'It is the cache, clear it.'")
        # Having read it, they may still say it.
        jonas.get_by_role("button", name="Send answer").click()
        expect(jonas.locator(".message.ours")).to_have_count(2)
    owner = "SELECT u.email FROM incidents_incident i JOIN people_user u ON u.id = i.owner_id WHERE i.number = %s"
    assert running_desk.rows(owner, number) == [(TECHNICIAN,)]


def answer(page: Page, number: str, text: str, *, then: str = "waiting") -> None:
    """Writes to the customer on the incident's page."""
    page.goto(f"/desk/incidents/{number}/")
    page.locator("#id_answer-text").fill(text)
    page.locator("#id_answer-then").select_option(then)
    page.get_by_role("button", name="Send answer").click()
    expect(page.locator(".message.ours").last).to_contain_text(text)


def on_hand(page: Page) -> int:
    """The customer's points, as their page says."""
    page.goto("/points/")
    return int(page.locator(".figure").first.inner_text().split()[0])
