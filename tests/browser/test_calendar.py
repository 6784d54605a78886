"""The business calendar for eyes, ears and hands: its pages by axe, and a closure saved without JavaScript (D23)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import Furnished
from tests.browser.driving import Drivers, axe_says, overflow
from tests.journeys.running import ADMIN, TECHNICIAN, RunningDesk, until

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk"), pytest.mark.rule("D23")]
SIZES = (ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844))
MUNICH = "/desk/calendar/?place=DE-BY&zone=Europe/Berlin&year=2027"
FILE = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:fair
DTSTART;VALUE=DATE:20270614
DTEND;VALUE=DATE:20270617
SUMMARY:Trade fair
END:VEVENT
BEGIN:VEVENT
UID:move
DTSTART;VALUE=DATE:20270820
SUMMARY:Moving house
END:VEVENT
END:VCALENDAR
"""


def fill(page: Page, *, name: str, first: str, last: str = "") -> None:
    page.get_by_label("First day").fill(first)
    page.get_by_label("Last day, included").fill(last)
    page.get_by_label("Name").fill(name)


def empty(page: Page) -> None:
    page.goto("/admin/sla/closure/add/")
    page.get_by_role("button", name="See what would move").click()
    page.locator(".error").first.wait_for()


def preview(page: Page) -> None:
    page.goto("/admin/sla/closure/add/")
    fill(page, name="Company outing", first="2026-01-01", last="2026-12-31")
    page.get_by_role("button", name="See what would move").click()
    page.get_by_role("button", name=re.compile("^Save")).wait_for()


def events(page: Page) -> None:
    page.goto("/admin/sla/closure/import/")
    page.get_by_label("Calendar file").set_input_files(
        {"name": "days.ics", "mimeType": "text/calendar", "buffer": FILE.encode()}
    )
    page.get_by_role("button", name="Look at the file").click()
    page.get_by_role("button", name="Import 2 events").wait_for()


def saved(page: Page, *, name: str, first: str, last: str) -> None:
    page.goto("/admin/sla/closure/add/")
    fill(page, name=name, first=first, last=last)
    page.get_by_label("For the place").select_option("FO")
    page.get_by_role("button", name="See what would move").click()
    page.get_by_role("button", name=re.compile("^Save")).click()
    page.get_by_role("heading", name=name).wait_for()


def moving(page: Page) -> None:
    page.goto("/admin/people/customer/")
    page.get_by_role("link", name="Harbour & Heath").click()
    page.get_by_role("link", name="Another place").click()
    page.get_by_label("Country").select_option("NZ")
    page.get_by_label("Subdivision").fill("")
    page.get_by_label("Time zone").select_option("Pacific/Auckland")
    page.get_by_role("button", name="See what would move").click()
    page.get_by_role("button", name=re.compile("^Save")).wait_for()


def moving_nowhere(page: Page) -> None:
    moving(page)
    page.get_by_label("Time zone").select_option("America/Argentina/Buenos_Aires")
    page.get_by_role("button", name="Look again").click()
    page.locator(".error").first.wait_for()


def kept(page: Page) -> None:
    saved(page, name="Harbour feast", first="2031-06-02", last="2031-06-04")
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("link", name="Keep it").wait_for()


def seen(page: Page) -> None:
    saved(page, name="Boats are in", first="2031-09-01", last="2031-09-03")
    page.get_by_role("link", name="Calendar").last.click()
    page.get_by_role("heading", name="Faroe Islands").wait_for()


def at(path: str) -> Callable[[Page], None]:
    def go(page: Page) -> None:
        page.goto(path)

    return go


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "calendar": (TECHNICIAN, at(MUNICH)),
    "calendar-errors": (TECHNICIAN, at("/desk/calendar/?place=DE-XX&zone=Mars&year=1")),
    "queue": (TECHNICIAN, at("/desk/")),
    "add": (ADMIN, at("/admin/sla/closure/add/")),
    "add-errors": (ADMIN, empty),
    "preview": (ADMIN, preview),
    "import": (ADMIN, events),
    "closure": (ADMIN, kept),
    "customer's place": (ADMIN, moving),
    "customer's place-errors": (ADMIN, moving_nowhere),
    "calendar with a closure": (ADMIN, seen),
}


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(drivers: Drivers, name: str) -> None:
    email, go = PAGES[name]
    found = {}
    with drivers.person(email, axe=True) as page:
        go(page)
        for size in SIZES:
            page.set_viewport_size(size)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found[f"{scheme} {size['width']}"] = axe_says(page)
            assert overflow(page) == 0, f"scrolls sideways at {size['width']} px"
    assert {look: lines for look, lines in found.items() if lines} == {}


def test_a_closure_is_previewed_saved_seen_and_taken_back_without_javascript(
    drivers: Drivers, furnished: Furnished, running_desk: RunningDesk
) -> None:
    count = "SELECT count(*) FROM sla_closure WHERE name = 'Stock-taking' AND removed_at IS NULL"
    plain = {"java_script_enabled": False}
    with drivers.person(ADMIN, **plain) as admin, drivers.person(TECHNICIAN, **plain) as technician:
        technician.goto(f"/desk/incidents/{furnished.new}/")
        technician.get_by_role("link", name="Calendar of Harbour & Heath").click()
        expect(technician.get_by_role("heading", name="Harbour & Heath")).to_be_visible()

        admin.goto("/desk/")
        admin.get_by_role("link", name="Closures").click()
        admin.get_by_role("link", name=re.compile("Add closure")).click()
        fill(admin, name="Stock-taking", first="2027-06-07")
        admin.get_by_label("For the place").select_option("DE-BY")
        admin.get_by_role("button", name="See what would move").click()
        expect(admin.get_by_role("heading", name="No open deadline would move")).to_be_visible()
        assert running_desk.rows(count) == [(0,)]
        admin.get_by_role("button", name="Save, no deadline moves").click()
        expect(admin.get_by_role("heading", name="Stock-taking")).to_be_visible()
        assert running_desk.rows(count) == [(1,)]

        technician.goto(MUNICH)
        june = technician.get_by_role("table", name=re.compile("June"))
        expect(june.get_by_role("cell", name="7 Stock-taking, closure")).to_be_visible()

        admin.get_by_role("button", name="Take it back").click()
        admin.get_by_role("button", name="Take it back, no deadline moves").click()
        expect(admin.get_by_text("removed", exact=True)).to_be_visible()
        until(lambda: running_desk.rows(count) == [(0,)], "the closure to be taken back")


def test_a_phone_has_the_named_days_with_their_month(drivers: Drivers) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.goto(MUNICH)
        january = page.locator(".cal-month").first
        all_of_them = page.get_by_role("heading", name="Named days")
        page.set_viewport_size(SIZES[1])
        expect(january.get_by_text("Epiphany", exact=True)).to_be_visible()
        expect(all_of_them).to_be_hidden()
        page.set_viewport_size(SIZES[0])
        expect(january.get_by_text("Epiphany", exact=True)).to_be_hidden()
        expect(all_of_them).to_be_visible()


@pytest.mark.usefixtures("furnished")
def test_the_form_of_a_customers_names_does_not_scroll_sideways(drivers: Drivers) -> None:
    with drivers.person(ADMIN) as page:
        page.goto("/admin/people/customer/")
        page.get_by_role("link", name="Harbour & Heath").click()
        for size in SIZES:
            page.set_viewport_size(size)
            assert overflow(page) == 0, f"scrolls sideways at {size['width']} px"
