"""Every page for every eye: axe-core finds nothing, in light, in dark and on a phone, and nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import POOR, Furnished
from tests.browser.driving import PHONE, WIDE, Drivers, axe_says, overflow
from tests.journeys.running import CUSTOMER, TECHNICIAN

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk")]


def at(path: str) -> Callable[[Page, Furnished], None]:
    def go(page: Page, furnished: Furnished) -> None:
        page.goto(path.format(furnished=furnished))

    return go


def opened(path: str, fold: str) -> Callable[[Page, Furnished], None]:
    def go(page: Page, furnished: Furnished) -> None:
        page.goto(path.format(furnished=furnished))
        page.get_by_text(fold).click()

    return go


def sent_empty(path: str, button: str, **values: str) -> Callable[[Page, Furnished], None]:
    def go(page: Page, furnished: Furnished) -> None:
        page.goto(path.format(furnished=furnished))
        for label, value in values.items():
            page.get_by_label(label).fill(value)
        page.get_by_role("button", name=button).click()
        page.locator(".error, [role=alert]").first.wait_for()

    return go


def declined(page: Page, furnished: Furnished) -> None:
    page.goto("/report/")
    page.get_by_label("Architecture advice").check()
    page.get_by_label("Product", exact=True).select_option(label="Quillmark Sync")
    page.get_by_label("What happens").fill("1. The search stops at 71 %.\n2. The calendar lost its colours.")
    page.get_by_text("It reads like 2 problems").wait_for()
    page.get_by_text("The only current release").wait_for()


PAGES: dict[str, tuple[str, Callable[[Page, Furnished], None]]] = {
    "landing": ("", at("/")),
    "sign-in": ("", at("/accounts/sign-in/")),
    "sign-in refused": ("", sent_empty("/accounts/sign-in/", "Sign in", Email="x@nobody.example", Password="wrong")),
    "sign-in empty": ("", sent_empty("/accounts/sign-in/", "Sign in")),
    "sign-in by code": ("", at("/accounts/sign-in/code/")),
    "password reset": ("", at("/accounts/password/reset/")),
    "home": (CUSTOMER, at("/")),
    "sign-out": (CUSTOMER, at("/accounts/sign-out/")),
    "report": (CUSTOMER, at("/report/")),
    "report with errors": (CUSTOMER, sent_empty("/report/", "Send and spend")),
    "report without points": (POOR, at("/report/")),
    "split": (TECHNICIAN, at("/desk/incidents/{furnished.new}/split/")),
    "split with errors": (TECHNICIAN, sent_empty("/desk/incidents/{furnished.new}/split/", "Split and spend")),
    "split, proposed": (TECHNICIAN, at("/desk/incidents/{furnished.proposed}/")),
    "proposal": (POOR, at("/incidents/{furnished.proposed}/")),
    "home with a proposal": (POOR, at("/")),
    "report, asked about": (CUSTOMER, declined),
    "report of a visitor": ("", at("/report/")),
    "report of a visitor with errors": ("", sent_empty("/report/", "Mail me the link")),
    "report sent by a visitor": ("", at("/report/sent/")),
    "link that leads nowhere": ("", at("/report/link/of-nobody/")),
    "draft, changed": (POOR, at("{furnished.draft}change/")),
    "incident, new": (CUSTOMER, at("/incidents/{furnished.new}/")),
    "incident, waiting": (CUSTOMER, at("/incidents/{furnished.waiting}/")),
    "incident with errors": (CUSTOMER, sent_empty("/incidents/{furnished.waiting}/", "Send message")),
    "incident, closed": (CUSTOMER, at("/incidents/{furnished.closed}/")),
    "points": (CUSTOMER, at("/points/")),
    "points with its table": (CUSTOMER, opened("/points/", "The picture as a table")),
    "points of few": (POOR, at("/points/")),
    "draft": (POOR, at("{furnished.draft}")),
    "queue": (TECHNICIAN, at("/desk/")),
    "queue, waiting": (TECHNICIAN, at("/desk/queue/waiting/")),
    "desk incident, new": (TECHNICIAN, at("/desk/incidents/{furnished.new}/")),
    "desk incident, to decide": (TECHNICIAN, at("/desk/incidents/{furnished.asked}/")),
    "desk incident with errors": (TECHNICIAN, sent_empty("/desk/incidents/{furnished.new}/", "Send answer")),
    "desk incident not found": (TECHNICIAN, at("/desk/find/?q=11")),
    "held mail": (TECHNICIAN, at("/desk/held/")),
    "desk incident with followers": (TECHNICIAN, at("/desk/incidents/{furnished.waiting}/")),
    "notices": (TECHNICIAN, at("/desk/notices/")),
    "how I am told": (TECHNICIAN, at("/desk/notices/settings/")),
    "mailbox": ("", at("/demo/mailbox/")),
    "mail": ("", at("{furnished.mail}")),
    "new mail": ("", at("/demo/mailbox/new/")),
    "payments": ("", at("/demo/provider/")),
    "404": ("", at("/nowhere/")),
    "404 of somebody": (CUSTOMER, at("/incidents/12345/")),
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(drivers: Drivers, furnished: Furnished, name: str) -> None:
    email, go = PAGES[name]
    found = {}
    with drivers.person(email, axe=True) as page:
        go(page, furnished)
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


def test_fields_with_errors_name_them_to_ears(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(CUSTOMER) as page:
        PAGES["report with errors"][1](page, furnished)
        for name in ("product", "subject", "text"):
            wrong = page.locator(f"[name={name}]")
            assert wrong.get_attribute("aria-invalid") == "true"
            assert _said(page, wrong.get_attribute("aria-describedby")), name
        assert _said(page, page.locator("fieldset").get_attribute("aria-describedby"))


@pytest.mark.parametrize(
    "act",
    [
        "document.head.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "document.body.setAttribute('style', 'color: red')",
        "setTimeout(() => nothing())",
        "fetch('/nowhere.js')",
    ],
)
def test_what_the_console_says_against_a_page_is_heard(drivers: Drivers, act: str) -> None:
    """The policy holds, and the other tests here are not deaf."""
    with pytest.raises(AssertionError, match="localhost"):
        _heard(drivers, act)


def _heard(drivers: Drivers, act: str) -> None:
    with drivers.person() as page:
        page.goto("/")
        with page.expect_event("pageerror" if "nothing" in act else "console"):
            page.evaluate(f"() => {{ {act} }}")


def _said(page: Page, ids: str | None) -> str:
    return " ".join(page.locator(f"#{one}").inner_text() for one in (ids or "").split())
