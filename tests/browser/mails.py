"""Pictures of all mails of an incident: ``python -m tests.browser.mails FOLDER``, light, dark and on a phone.

The mails are those of tests/incidents/test_mail_pictures.py, written by a run of it on a database of the tests.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.driving import launch

WIDE = {"width": 760, "height": 800}
PHONE = {"width": 390, "height": 844}
LOOKS = (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("phone", PHONE, "light"))


def pictured(browser: Browser, mail: Path) -> None:
    """One mail in each look, and as a program shows it that drops the style element."""
    for name, size, scheme in LOOKS:
        page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]  # both are literals
        page.goto(mail.as_uri())
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        print(f"{mail.stem} {name}{': wider than the window' if wide else ''}")
        page.screenshot(path=mail.with_name(f"{mail.stem}-{name}.png"), full_page=True)
        page.evaluate("document.querySelector('style').remove()")
        if name == "light":
            page.screenshot(path=mail.with_name(f"{mail.stem}-bare.png"), full_page=True)
        page.close()


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["MAILS_TO"] = str(folder)
    failed = pytest.main(["-q", "-p", "no:cacheprovider", "tests/incidents/test_mail_pictures.py"])
    if failed:
        return int(failed)
    with sync_playwright() as playwright, launch(playwright) as browser:
        for mail in sorted(folder.glob("*.html")):
            pictured(browser, mail)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
