"""What one types is not lost: by a note sent meanwhile, or a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Furnished
from tests.browser.driving import Drivers
from tests.journeys.running import TECHNICIAN

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]


def test_a_half_written_answer_outlives_a_note_and_a_reload(drivers: Drivers, furnished: Furnished) -> None:
    there = f"/desk/incidents/{furnished.waiting}/"
    with drivers.person(TECHNICIAN) as page:
        page.goto(there)
        page.locator("#id_answer-text").fill("Half written")
        page.locator("#id_note-text").fill("A note in between")
        page.get_by_role("button", name="Keep note").click()
        expect(page.locator(".message.note").last).to_contain_text("A note in between")
        expect(page.locator("#id_answer-text")).to_have_value("Half written")
        expect(page.locator("#id_note-text")).to_have_value("")
        page.reload()
        expect(page.locator("#id_answer-text")).to_have_value("Half written")
