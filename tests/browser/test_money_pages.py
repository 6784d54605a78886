"""The pages of packs, refunds and holds for every eye: axe-core, light, dark, a phone; by keys and without scripts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.driving import PHONE, WIDE, Drivers, axe_says, overflow
from tests.journeys.running import ADMIN, CUSTOMER, TECHNICIAN, RunningDesk

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk"), pytest.mark.rule("D4", "D32")]

PAGES = {
    "credit, refunds followed": (ADMIN, "/admin/incidents/creditcase/{followed}/change/"),
    "credit to determine": (ADMIN, "/admin/incidents/creditcase/{asked}/change/"),
    "hold to decide": (ADMIN, "/admin/points/hold/{hold}/change/"),
    "hold decided": (ADMIN, "/admin/points/hold/{decided}/change/"),
    "desk incident with refunds": (TECHNICIAN, "/desk/incidents/{followed_number}/"),
    "incident with refunds": (CUSTOMER, "/incidents/{followed_number}/"),
    "incident, points or card": (CUSTOMER, "/incidents/{asked_number}/"),
    "points on hold": (CUSTOMER, "/points/"),
}
# Django's own frame: that nothing scrolls sideways is ours to keep.
FRAMED = (
    "/admin/",
    "/admin/points/pack/{pack}/change/",
    "/admin/points/pack/add/",
    "/admin/points/purchase/add/",
    "/admin/points/payment/{payment}/change/",
)


@pytest.fixture(scope="session")
def money(running_desk: RunningDesk) -> dict[str, Any]:
    """Where there is something to see."""
    done = running_desk.manage("shell", "-v", "0", "-c", "from tests.browser.money import furnish; furnish()")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(drivers: Drivers, money: dict[str, Any], name: str) -> None:
    email, path = PAGES[name]
    found = {}
    with drivers.person(email, axe=True) as page:
        page.goto(path.format(**money))
        found["light"] = axe_says(page)
        page.emulate_media(color_scheme="dark")
        found["dark"] = axe_says(page)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(PHONE)
        found["phone"] = axe_says(page)
        assert overflow(page) == 0, "scrolls sideways at 360 px"
        page.set_viewport_size(WIDE)
        assert overflow(page) == 0, "scrolls sideways at 1440 px"
    assert {look: lines for look, lines in found.items() if lines} == {}


@pytest.mark.parametrize("path", FRAMED)
def test_nothing_of_the_admin_scrolls_sideways(drivers: Drivers, money: dict[str, Any], path: str) -> None:
    with drivers.person(ADMIN, viewport={"width": 390, "height": 844}) as page:
        page.goto(path.format(**money))
        assert overflow(page) == 0


def test_a_hold_is_decided_by_keys_without_scripts(drivers: Drivers, money: dict[str, Any]) -> None:
    with drivers.person(ADMIN, java_script_enabled=False) as admin, drivers.person(CUSTOMER) as customer:
        customer.goto("/points/")
        expect(customer.get_by_text("30 points on hold: the payment of EUR 245.10")).to_be_visible()

        admin.goto("/admin/")
        admin.get_by_role("link", name=re.compile("holds? to decide")).click()
        admin.goto(PAGES["hold to decide"][1].format(**money))
        admin.get_by_role("button", name="Release 30 points").press("Enter")
        expect(admin.get_by_role("alert")).to_contain_text("Nothing is decided yet.")
        expect(admin.get_by_text("Say why: the customer reads it")).to_be_visible()
        assert admin.locator("[name=reason]").get_attribute("aria-invalid") == "true"
        admin.get_by_label("Reason, in words for the customer").fill("The bank decided for us.")
        admin.get_by_role("button", name="Release 30 points").press("Enter")
        expect(admin.get_by_role("status")).to_contain_text("the customer is told")
        expect(admin.get_by_role("heading", name=re.compile("Decided by"))).to_be_visible()

        customer.reload()
        expect(customer.get_by_text("points on hold:")).to_have_count(0)


def test_a_pack_is_priced_as_one_writes_it(drivers: Drivers, money: dict[str, Any]) -> None:
    with drivers.person(ADMIN) as admin:
        admin.goto(f"/admin/points/pack/{money['pack']}/change/")
        admin.locator("[name=prices-2-currency]").select_option("KWD")
        admin.locator("[name=prices-2-amount]").fill("24.0055")
        admin.get_by_role("button", name="Save and continue editing").click()
        expect(admin.get_by_text("KWD has 3 decimals, not more.")).to_be_visible()
        admin.locator("[name=prices-2-amount]").fill("24.000")
        admin.get_by_role("button", name="Save and continue editing").click()
        expect(admin.get_by_text("30 points, KWD 24.000")).to_be_visible()
