"""Makes the pictures of docs/screens: ``python -m tests.browser.screens BASE_URL`` of a demo that runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from supportdesk.demo.people import SIGN_INS
from supportdesk.demo.supervisor import ROOT
from tests.browser.driving import Drivers, launch

CUSTOMER, TECHNICIAN = (email for _role, email, _password in SIGN_INS[:2])
FOLDER = ROOT / "docs" / "screens"
PHONE = {"width": 390, "height": 844}
MAILED = "Shared calendar lost its colours"
ANSWER = """Hello Delia,

we can see it: the server sends **its own** zone, not the organiser’s. Please run this on both servers:

```
quill zones check
```

- It takes a minute and changes nothing.
- Send us what it says; then we know *which* of them is ahead.
"""
SUBJECT = "Invitations arrive one hour late after 12.3"
# File, who, where, light or dark, on a phone
SHOTS = (
    ("queue", TECHNICIAN, "/desk/", "light", False),
    ("queue-dark", TECHNICIAN, "/desk/", "dark", False),
    ("incident", TECHNICIAN, "", "light", False),
    ("report", CUSTOMER, "/report/", "light", False),
    ("report-phone", CUSTOMER, "/report/", "light", True),
    ("split", TECHNICIAN, "split", "light", False),
    ("call", TECHNICIAN, "call", "light", False),
    ("points", CUSTOMER, "/points/", "light", False),
    ("conversation", TECHNICIAN, "conversation", "light", False),
    ("preview", TECHNICIAN, "preview", "light", False),
    ("mail", "", "mail", "light", False),
    ("mailbox", "", f"/demo/mailbox/?to={CUSTOMER}", "light", False),
    ("mailbox-phone", "", "mail", "light", True),
    ("held", TECHNICIAN, "/desk/held/", "light", False),
    ("held-one", TECHNICIAN, "held-one", "light", False),
    ("tips", "", "/tips/", "light", False),
)

# What stands at the top of the picture, where that is not the top of the page
SHOWN = {"conversation": ".message:has(.folds)", "preview": ".composer", "mail": "article"}


def main(base_url: str, folder: Path = FOLDER) -> None:
    """Takes all pictures, at the present moment of the desk."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, launch(playwright) as browser:
        drivers = Drivers(browser, base_url)
        for name, email, path, scheme, phone in SHOTS:
            size: dict[str, Any] = {"viewport": PHONE, "device_scale_factor": 2} if phone else {}
            with drivers.person(email, color_scheme=scheme, **size) as page:
                _open(page, path)
                page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
                if path in SHOWN:
                    page.locator(SHOWN[path]).first.evaluate("seen => seen.scrollIntoView()")
                page.screenshot(path=folder / f"{name}.png")


def _open(page: Page, path: str) -> None:
    if path == "call":
        page.goto("/desk/call/?q=delia")
        page.wait_for_url("**/desk/call/*/")
        return
    if path == "mail":
        page.goto(f"/demo/mailbox/?to={CUSTOMER}")
        page.get_by_role("link", name=MAILED).click()
        page.wait_for_url("**/mailbox/*-*/")
        page.frame_locator("article iframe").get_by_role("img").wait_for()
        return
    if path == "held-one":
        page.goto("/desk/held/")
        page.get_by_role("link", name=f"] {MAILED}").click()
        page.wait_for_url("**/held/*/")
        return
    on_incident = ("", "split", "preview", "conversation")
    page.goto("/desk/" if path in on_incident else path)
    if path in on_incident:
        page.get_by_role("link", name=MAILED if path == "conversation" else SUBJECT).click()
        page.wait_for_url("**/incidents/*/")
    if path == "preview":
        page.get_by_role("textbox", name="Answer").fill(ANSWER)
        page.get_by_text("Preview").first.click()
        page.get_by_text("Please answer above this line.").wait_for()
    if path == "split":
        page.goto(f"{page.url}split/")
    if "report" in path:
        page.get_by_label("Operation").check()
        page.get_by_label("Product", exact=True).select_option(label="Quillmark Server")
        page.get_by_label("Release").select_option(label="12.3")
        page.get_by_label("In one line").fill("Search index rebuild stops at 71 %")
        page.get_by_label("What happens").fill(
            "The rebuild has stopped twice at 71 %, at the same folder. The log shows nothing after “batch 8812”."
        )


if __name__ == "__main__":
    main(sys.argv[1])
