"""From a bare mail to a ticket number: the mail, its answer's link, signing in, what it is about, one click."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import formatdate

import pytest
from playwright.sync_api import expect

from supportdesk.demo.mailbox import Mail
from supportdesk.demo.people import PASSWORD
from tests.browser.driving import Drivers, axe_says, overflow
from tests.browser.test_main_way import SEND, the_number
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
MESSAGE_ID, ANSWER_ID = "<bare-1@harbour-heath.example>", "<bare-2@harbour-heath.example>"
DESK = "support@support.quillmark.example"


def written(text: str, *, message_id: str, subject: str, answers: str = "") -> EmailMessage:
    """A mail as a program of the customer writes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Isla Renwick <{CUSTOMER}>", DESK, subject
    mail["Date"], mail["Message-ID"] = formatdate(), message_id
    if answers:
        mail["In-Reply-To"] = mail["References"] = answers
    mail.set_content(text)
    return mail


def answers_to(desk: RunningDesk, message_id: str) -> list[Mail]:
    told = desk.mails("Your mail is with us as a draft")
    return [mail for mail in told if header(mail, "In-Reply-To") == message_id]


def header(mail: Mail, name: str) -> str:
    return " ".join(str(message_from_bytes(mail.raw)[name]).split())


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("R3", "R7", "D25", "D26", "D27")
def test_a_bare_mail_becomes_an_incident_by_its_link(drivers: Drivers, running_desk: RunningDesk) -> None:
    desk = running_desk
    desk.post(written("The printer hums at night.", message_id=MESSAGE_ID, subject="It hums"))
    (told,) = until(lambda: answers_to(desk, MESSAGE_ID), "the mail with the draft's link")
    assert told.recipients == (CUSTOMER,)
    link = re.search(r"http\S+/drafts/\d+/", told.text)
    assert link is not None

    with drivers.person(axe=True) as page:
        page.goto(link[0])
        page.get_by_label("Email").fill(CUSTOMER)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/drafts/*/finish/")
        expect(page.get_by_role("heading", level=1)).to_have_text("It hums")
        expect(page.get_by_text("The printer hums at night.")).to_be_visible()
        assert axe_says(page) == []
        assert overflow(page) == 0

        page.get_by_role("button", name="Show its price").click()
        expect(page.get_by_role("alert")).to_contain_text("Something below wants another look")
        page.get_by_label("Operation").check()
        page.get_by_label("Release").select_option(index=1)
        page.get_by_role("button", name="Show its price").click()
        expect(page.get_by_text("A technician answers by")).to_be_visible()
        page.get_by_role("button", name=SEND).click()
        number = the_number(page)

        opened = desk.mail_to(CUSTOMER, number, "It hums")
        assert header(opened, "In-Reply-To") == MESSAGE_ID
        assert MESSAGE_ID in header(opened, "References")

        desk.post(written("It hums louder.", message_id=ANSWER_ID, subject="Re: It hums", answers=MESSAGE_ID))
        with drivers.person(TECHNICIAN) as technician:

            def there() -> bool:
                technician.goto(f"/desk/incidents/{number}/")
                return technician.get_by_text("It hums louder.").count() > 0

            until(there, "the answer to the first mail")
            expect(technician.locator(".message").first).to_contain_text("The printer hums at night.")
