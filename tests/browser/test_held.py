"""Held mail worked off by keys: many discarded and brought back, one attached (D26)."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import make_msgid

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Furnished
from tests.browser.driving import PHONE, Drivers, axe_says, overflow
from tests.journeys.running import TECHNICIAN, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk"), pytest.mark.rule("D26")]
CURSOR = "tr[aria-selected='true']"


def come(desk: RunningDesk, mark: str, *subjects: str) -> None:
    """Mails of a stranger whose address has the mark, until all are held."""
    for subject in subjects:
        mail = EmailMessage()
        mail["From"], mail["To"] = f"{mark}@elsewhere.example", "support@support.quillmark.example"
        mail["Subject"], mail["Message-ID"] = subject, make_msgid(domain="elsewhere.example")
        mail.set_content(f"{subject}: it does not start.\n\nOn Monday Maya wrote:\n> Does it start?\n")
        mail.add_attachment(b"a line of a log\n" * 200, maintype="text", subtype="plain", filename="start.log")
        desk.post(mail)
    until(
        lambda: (
            desk.rows("SELECT count(*) FROM incidents_heldmail WHERE sender LIKE %s", f"{mark}@%")[0][0]
            == len(subjects)
        ),
        "the mails to be held",
    )


@pytest.mark.usefixtures("furnished")
def test_many_are_marked_and_discarded_by_keys_and_brought_back(drivers: Drivers, running_desk: RunningDesk) -> None:
    come(running_desk, "bulk", "First of three", "Second of three", "Third of three")
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/held/?q=bulk")
        expect(page.locator("tbody tr")).to_have_count(3)
        for key in ("j", "x", "j", "j", "x"):
            page.keyboard.press(key)
        expect(page.get_by_text("2 marked")).to_be_visible()
        page.keyboard.press("d")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_text("2 mails are put away")).to_be_visible()
        assert page.url.endswith("?q=bulk"), "the filter stays"
        page.keyboard.press("z")
        expect(page.get_by_text("2 mails wait here again")).to_be_visible()
        page.goto("/desk/held/?q=bulk")
        page.get_by_label("all 3 of this page").check()
        expect(page.get_by_text("3 marked")).to_be_visible()
        page.keyboard.press("d")
        expect(page.get_by_role("heading", name="No mail fits.")).to_be_visible()
        page.goto("/desk/held/?view=settled&q=bulk")
        expect(page.get_by_text("discarded", exact=True)).to_have_count(4)  # three rows, and the filter


def test_one_is_opened_and_attached_by_keys(drivers: Drivers, running_desk: RunningDesk, furnished: Furnished) -> None:
    come(running_desk, "single", "From my other address")
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/held/?q=single")
        page.keyboard.press("j")
        expect(page.locator(CURSOR)).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk/held/*/")
        expect(page.get_by_text("start.log")).to_be_visible()
        page.keyboard.press("a")
        expect(page.locator("#id_number")).to_be_focused()
        page.keyboard.type(f"#{furnished.new[:3]} {furnished.new[3:]}")
        page.keyboard.press("Enter")
        page.wait_for_url("**/attach/?number=*")
        expect(page.get_by_text("attached by Maya Okafor, from single@elsewhere.example")).to_be_visible()
        expect(page.get_by_role("button", name="Attach to")).to_be_focused()
        page.get_by_role("checkbox", name="may read this mail").check()
        page.get_by_role("button", name="Attach to").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk/held/")
        page.goto(f"/desk/incidents/{furnished.new}/")
        expect(page.get_by_text("attached by Maya Okafor, from single@elsewhere.example")).to_be_visible()


def test_its_pages_are_readable_by_all(drivers: Drivers, running_desk: RunningDesk, furnished: Furnished) -> None:
    come(running_desk, "pages", f"About {furnished.new}, from elsewhere")
    pk = running_desk.rows("SELECT id FROM incidents_heldmail WHERE sender LIKE 'pages@%%'")[0][0]
    there = f"/desk/held/{pk}/"
    ways = ("", "attach/?number=" + furnished.new, "person/?q=harbour")
    with drivers.person(TECHNICIAN, axe=True) as page:
        for path in ("/desk/held/", "/desk/held/?view=settled", "/desk/held/blocked/", *(there + way for way in ways)):
            page.goto(path)
            assert axe_says(page) == []
            page.emulate_media(color_scheme="dark")
            assert axe_says(page) == []
            page.set_viewport_size(PHONE)
            assert overflow(page) == 0, path
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 1440, "height": 900})
