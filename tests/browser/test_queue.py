"""The queue under keys, and while it refreshes itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Furnished
from tests.browser.driving import Drivers, move_to, overflow
from tests.journeys.running import CUSTOMER, TECHNICIAN, RunningDesk, number_of

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
CUT = """() => [...document.querySelectorAll('.queue td, .queue td *')]
  .filter(part => part.offsetParent && !part.closest('.aside') && part.scrollWidth > part.clientWidth + 1)
  .filter(part => getComputedStyle(part).display !== 'inline').map(part => part.innerText)"""
ROWS, CURSOR = "tr[data-number]", "tr[aria-selected='true']"


@pytest.mark.usefixtures("furnished")
def test_j_and_k_move_enter_opens_and_escape_goes_back(drivers: Drivers) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/")
        numbers = page.locator(ROWS).evaluate_all("rows => rows.map(row => row.dataset.number)")
        for key, place in (("k", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
            page.keyboard.press(key)
            expect(page.locator(CURSOR)).to_have_attribute("data-number", numbers[place])
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/desk/incidents/{numbers[1]}/")
        page.keyboard.press("j")
        page.wait_for_url(f"**/desk/incidents/{numbers[2]}/")
        page.keyboard.press("k")
        page.wait_for_url(f"**/desk/incidents/{numbers[1]}/")
        page.keyboard.press("Escape")
        page.wait_for_url("**/desk/")


def test_keys_rest_while_one_types_and_slash_finds(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/")
        page.keyboard.press("/")
        page.keyboard.type("jk")
        expect(page.locator(CURSOR)).to_have_count(0)
        page.get_by_label("Ticket number").fill(furnished.new)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/desk/incidents/{furnished.new}/")


@pytest.mark.parametrize(("key", "place"), [("r", "#id_answer-text"), ("n", "#id_note-text"), ("a", "[data-key=a]")])
def test_a_key_in_the_queue_opens_the_incident_at_its_place(
    drivers: Drivers, furnished: Furnished, key: str, place: str
) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/")
        move_to(page, furnished.new)
        page.keyboard.press(key)
        page.wait_for_url(f"**/desk/incidents/{furnished.new}/**")
        expect(page.locator(place)).to_be_focused()
        expect(page.locator(place)).to_be_in_viewport()


@pytest.mark.usefixtures("furnished")
def test_the_queue_refreshes_itself_and_keeps_the_cursor(drivers: Drivers, running_desk: RunningDesk) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.clock.install()
        page.goto("/desk/")
        page.keyboard.press("j")
        page.keyboard.press("j")
        here = str(page.locator(CURSOR).get_attribute("data-number"))
        new = number_of(running_desk.report(running_desk.visitor(CUSTOMER), "Came while the queue was open"))
        expect(page.locator(f"tr[data-number='{new}']")).to_have_count(0)

        page.clock.fast_forward("00:21")

        expect(page.locator(f"tr[data-number='{new}']")).to_have_count(1)
        expect(page.locator(CURSOR)).to_have_attribute("data-number", here)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/desk/incidents/{here}/")


@pytest.mark.usefixtures("furnished")
def test_nothing_of_a_row_is_cut_at_any_width(drivers: Drivers, running_desk: RunningDesk) -> None:
    long = "Each of our three hundred and forty mailboxes asks for its password again every hour since Tuesday morning"
    running_desk.report(running_desk.visitor(CUSTOMER), long)
    with drivers.person(TECHNICIAN) as page:
        page.goto("/desk/")
        for width in (1920, 1440, 1280, 1100, 1024, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(CUT) == [], f"cut at {width} px"
            assert overflow(page) == 0, f"scrolls sideways at {width} px"
