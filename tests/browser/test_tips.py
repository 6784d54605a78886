"""The tips for hands and eyes: a sample, a link by mail, one button; an issue by an admin; one click, and they stop."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import PHONE, WIDE, Drivers, axe_says, overflow
from tests.journeys.running import ADMIN, CUSTOMER, RunningDesk, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.redis,
    pytest.mark.xdist_group("desk"),
    pytest.mark.rule("R15"),
]


def look(page: Page, name: str) -> None:
    """Nothing against the eyes, in light, in dark and on a phone; pictures where somebody wants to see them."""
    folder = os.environ.get("PICTURES")
    for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", PHONE), ("dark", PHONE)):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.set_viewport_size(size)
        assert axe_says(page) == [], (name, scheme, size)
        assert overflow(page) == 0, (name, scheme, size)
        if folder:
            page.screenshot(path=Path(folder) / f"{name}-{scheme}-{size['width']}.png", full_page=True)
    page.set_viewport_size(WIDE)


def _link(desk: RunningDesk, reader: str, subject: str, what: str) -> str:
    mails = until(lambda: [mail for mail in desk.mails(subject) if reader in mail.recipients], subject)
    found = re.search(rf"https?://\S+/tips/{what}/\S+", mails[0].text)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("script", [True, False])
def test_from_the_sample_to_one_click(drivers: Drivers, running_desk: RunningDesk, script: bool) -> None:
    """The whole way, with a script and without one."""
    desk, reader = running_desk, f"rita-{script}@tidewater-press.example".lower()
    with drivers.person(axe=script, java_script_enabled=script) as page:
        page.goto("/")
        page.get_by_role("link", name="Tips by e-mail").click()
        expect(page.get_by_role("heading", name="A backup is what you have restored")).to_be_visible()
        if script:
            look(page, "tips")
        page.get_by_role("button", name="Mail me the link").click()
        expect(page.get_by_text("Give the address")).to_be_visible()
        page.get_by_label("Your e-mail address").fill(reader)
        page.get_by_role("button", name="Mail me the link").click()
        expect(page.get_by_role("heading", name="Now look into your mail.")).to_be_visible()
        if script:
            look(page, "asked")
        page.goto(_link(desk, reader, "One click, and you get the tips", "confirm"))
        assert page.url.endswith("/tips/confirm/"), "without the token"
        if script:
            look(page, "confirm")
        page.get_by_role("button", name="Send me the tips").click()
        expect(page.get_by_role("heading", name="This link has subscribed you.")).to_be_visible()
    title = f"Written in the browser, {script}"
    with drivers.person(ADMIN, axe=script) as page:
        _write_and_send(page, title, script)
    link = _link(desk, reader, title, "unsubscribe")
    with drivers.person(axe=script, java_script_enabled=script) as page:
        page.goto(link)
        if script:
            look(page, "unsubscribe")
        page.get_by_role("button", name="Stop the tips").click()
        expect(page.get_by_role("heading", name="You get the tips no longer.")).to_be_visible()
    # As a mail program does it: no cookies, a body of its own.
    with urllib.request.urlopen(link, data=b"List-Unsubscribe=One-Click") as answer:
        assert (answer.status, answer.url) == (200, link)


def _write_and_send(page: Page, title: str, script: bool) -> None:
    page.goto("/admin/tips/issue/add/")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Text").fill("# Backups\n\n- Restore **one** mailbox.\n- [More](https://www.quillmark.example/)")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Not sent yet")).to_be_visible()
    expect(page.frame_locator("iframe").get_by_role("heading", name="Backups")).to_be_visible()
    if script:
        look(page, "issue")
    page.get_by_role("button", name="Send to").click()
    if page.get_by_label("A second issue this quarter").is_visible():
        page.get_by_label("A second issue this quarter").check()
    if script:
        look(page, "issue-asked")
    page.get_by_role("button", name="Send to").click()
    expect(page.get_by_role("heading", name="How far it is")).to_be_visible()
    until(lambda: page.reload() and page.locator(".figure", has_text=re.compile(r"^[1-9]")).count(), "the first mails")
    if script:
        look(page, "issue-sent")


def test_the_switch_of_who_is_signed_in(drivers: Drivers, running_desk: RunningDesk) -> None:
    """A sign-in by password proves no address: the form is filled in, and the link goes by mail."""
    with drivers.person(CUSTOMER, axe=True) as page:
        page.goto("/")
        page.get_by_role("link", name="Tips by e-mail").click()
        expect(page.get_by_label("Your e-mail address")).to_have_value(CUSTOMER)
        look(page, "tips-signed-in")
