"""Driving Chromium: people who are signed in, pages that must keep quiet, and axe-core."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, ViewportSize

from supportdesk.demo.people import PASSWORD

AXE = Path(__file__).with_name("vendor") / "axe-4.14.1.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=360, height=740)
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SECONDS = 20


def launch(playwright: Playwright) -> Browser:
    """The system's own Chromium."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)


@dataclass
class Drivers:
    """Contexts of one browser on the desk at ``base_url``; each person signs in once, by the form."""

    browser: Browser
    base_url: str
    signed_in: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def person(self, email: str = "", *, axe: bool = False, **options: Any) -> Iterator[Page]:
        """A page of somebody, or of a stranger. Whatever its console said against us fails at the end."""
        if email and email not in self.signed_in:
            with self._context() as context:
                page = context.new_page()
                sign_in(page, email)
                self.signed_in[email] = context.storage_state()
        with self._context(storage_state=self.signed_in.get(email), **options) as context:
            if axe:
                # Not a script tag: the desk's policy refuses those, as it should.
                context.add_init_script(path=AXE)
            page = context.new_page()
            complaints = listen(page)
            yield page
            assert not complaints, "\n".join(complaints)

    @contextmanager
    def _context(self, **options: Any) -> Iterator[BrowserContext]:
        asked = {"base_url": self.base_url, "viewport": WIDE, "locale": "en-GB"} | options
        context = self.browser.new_context(**asked)
        context.set_default_timeout(SECONDS * 1000)
        try:
            yield context
        finally:
            context.close()


def sign_in(page: Page, email: str) -> None:
    """Signs in by password, by clicks."""
    page.goto("/accounts/sign-in/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)


def move_to(page: Page, number: str) -> None:
    """Moves the cursor down the queue, by key, to a ticket."""
    for _ in range(page.locator("tr[data-number]").count()):
        page.keyboard.press("j")
        if page.locator("tr[aria-selected]").get_attribute("data-number") == number:
            return
    raise AssertionError(f"{number} is not in the queue")


def listen(page: Page) -> list[str]:
    """Script errors, console errors and refusals by the policy, as they come."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # A page that is itself answered with 404 or 422 is what was asked for; a part that is missing is not.
        is_page = "Failed to load resource" in message.text and message.location["url"] == page.url
        # A declined card is an answer of the provider's, which the browser counts among what did not load.
        is_declined = "status of 402" in message.text
        if message.type in ("error", "warning") and not is_page and not is_declined:
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    return complaints


def axe_says(page: Page) -> list[str]:
    """What axe-core finds, one line each."""
    options = {"runOnly": {"type": "tag", "values": TAGS}, "iframes": False, "resultTypes": ["violations"]}
    found = page.evaluate(f"axe.run(document, {json.dumps(options)})")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}\n    {node['html'][:200]}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels the document is wider than the window."""
    return int(page.evaluate("Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"))
