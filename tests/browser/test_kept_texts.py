"""What one types is not lost: by a note sent meanwhile, a closed tab, a lost connection; and it stays one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from supportdesk.policy import POLICY
from tests.browser.conftest import POOR, Furnished
from tests.browser.driving import SECONDS, Drivers, sign_in
from tests.journeys.running import ADMIN, CUSTOMER, TECHNICIAN

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]
KEPT = "Object.entries(localStorage).filter(([name]) => name.startsWith('keep:'))"


@pytest.fixture
def machine(drivers: Drivers) -> Iterator[BrowserContext]:
    """A browser that several people use: its console may speak of a connection that is lost on purpose."""
    context = drivers.browser.new_context(base_url=drivers.base_url)
    context.set_default_timeout(SECONDS * 1000)
    yield context
    context.close()


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


def test_an_answer_that_was_sent_does_not_stand_there_again_by_going_back(
    drivers: Drivers, furnished: Furnished
) -> None:
    with drivers.person(TECHNICIAN) as page:
        page.goto(f"/desk/incidents/{furnished.waiting}/")
        page.locator("#id_answer-text").fill("Said once")
        page.get_by_role("button", name="Send answer").click()
        expect(page.locator(".message").last).to_contain_text("Said once")
        page.go_back()
        expect(page.locator("#id_answer-text")).to_have_value("")


@pytest.mark.usefixtures("furnished")
def test_a_report_outlives_its_tab_with_its_choices(drivers: Drivers) -> None:
    with drivers.person(CUSTOMER) as page:
        page.goto("/report/")
        page.get_by_label("Product", exact=True).select_option("Quillmark Server")
        # The releases of that product take the place of the list that stood there.
        expect(page.get_by_label("Release", exact=True).locator("optgroup")).to_have_count(0)
        page.get_by_label("Release", exact=True).select_option(index=1)
        chosen = page.get_by_label("Release", exact=True).input_value()
        page.locator("[name=kind][value=configuration]").check()
        page.get_by_label("In one line").fill("The tab was closed")
        page.get_by_label("What happens").fill("Half an hour of typing")
        context = page.context
        context.new_page()
        page.close()
        page = context.new_page()
        page.goto("/report/")
        expect(page.get_by_label("Release", exact=True)).to_have_value(chosen)
        expect(page.locator("[name=kind][value=configuration]")).to_be_checked()
        expect(page.get_by_label("In one line")).to_have_value("The tab was closed")
        expect(page.get_by_label("What happens")).to_have_value("Half an hour of typing")

        page.get_by_role("button", name="Send and spend").click()
        page.wait_for_url("**/incidents/*/")
        page.goto("/report/")
        expect(page.get_by_label("What happens")).to_have_value("")
        expect(page.get_by_label("Release", exact=True)).to_have_value("")
        expect(page.locator("[name=kind]:checked")).to_have_count(0)


def test_a_connection_that_is_lost_on_sending_loses_nothing(machine: BrowserContext, furnished: Furnished) -> None:
    page, there = machine.new_page(), f"/incidents/{furnished.waiting}/"
    sign_in(page, CUSTOMER)
    page.goto(there)
    page.get_by_label("Your message").fill("Sent into the void")
    machine.set_offline(True)
    page.get_by_role("button", name="Send message").click()
    page.wait_for_url("chrome-error://**")
    machine.set_offline(False)
    page.goto(there)
    expect(page.get_by_label("Your message")).to_have_value("Sent into the void")
    page.get_by_role("button", name="Send message").click()
    expect(page.locator(".message").last).to_contain_text("Sent into the void")
    expect(page.get_by_label("Your message")).to_have_value("")


@pytest.mark.usefixtures("furnished")
@pytest.mark.rule("D22")
def test_a_lost_session_loses_nothing_and_shows_it_to_nobody_else(machine: BrowserContext) -> None:
    page = machine.new_page()
    sign_in(page, CUSTOMER)
    page.goto("/report/")
    page.get_by_label("What happens").fill("CANARY of the first")
    machine.clear_cookies()
    sign_in(page, POOR)
    page.goto("/report/")
    expect(page.get_by_label("What happens")).to_have_value("")
    page.get_by_label("What happens").fill("Of the second")
    machine.clear_cookies()
    sign_in(page, CUSTOMER)
    page.goto("/report/")
    expect(page.get_by_label("What happens")).to_have_value("CANARY of the first")

    page.goto("/accounts/sign-out/")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url(lambda url: "sign-out" not in url)
    left = json.dumps(page.evaluate(KEPT))
    assert "CANARY" not in left
    assert "Of the second" in left, "another's is theirs to forget"
    sign_in(page, CUSTOMER)
    page.goto("/report/")
    expect(page.get_by_label("What happens")).to_have_value("")


@pytest.mark.usefixtures("furnished")
def test_signing_out_of_the_administration_forgets_too(machine: BrowserContext) -> None:
    page = machine.new_page()
    sign_in(page, ADMIN)
    page.goto("/desk/")
    page.locator("tr[data-number] a").first.click()
    page.locator("#id_note-text").fill("CANARY of the admin")
    page.goto("/admin/")
    assert "CANARY" in json.dumps(page.evaluate(KEPT))
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(lambda url: "/admin/" not in url or "logout" in url)
    assert page.evaluate(KEPT) == []


@pytest.mark.usefixtures("furnished")
def test_what_is_old_or_broken_is_swept(drivers: Drivers) -> None:
    aged = f"""(text) => {{ for (const [name, value] of {KEPT}) {{ const kept = JSON.parse(value);
      kept.at -= {POLICY.kept_text_days} * 86400000 + 1000; localStorage.setItem(name, JSON.stringify(kept)); }}
      localStorage.setItem("keep:1:/x/:y", "not JSON"); localStorage.setItem("another", "stays"); }}"""
    with drivers.person(CUSTOMER) as page:
        page.goto("/report/")
        page.get_by_label("What happens").fill("A month ago")
        page.evaluate(aged, "")
        page.reload()
        expect(page.get_by_label("What happens")).to_have_value("")
        assert page.evaluate(KEPT) == []
        assert page.evaluate("localStorage.getItem('another')") == "stays"


@pytest.mark.usefixtures("furnished")
def test_what_a_refused_page_shows_stands(drivers: Drivers) -> None:
    """Two tabs of one form: what was sent is what is shown again, not what the other tab holds."""
    with drivers.person(CUSTOMER) as page:
        page.goto("/report/")
        page.get_by_label("What happens").fill("Of the first tab")
        other = page.context.new_page()
        other.goto("/report/")
        other.get_by_label("What happens").fill("Of the second tab")
        page.get_by_role("button", name="Send and spend").click()
        expect(page.get_by_text("Choose the product it happens with")).to_be_visible()
        expect(page.get_by_label("What happens")).to_have_value("Of the first tab")
