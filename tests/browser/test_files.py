"""Files in a form: picked, dropped, pasted, removed, refused; and without script (D31)."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, expect

from supportdesk.policy import POLICY
from tests.browser.conftest import Furnished
from tests.browser.driving import SECONDS, Drivers, axe_says
from tests.journeys.running import CUSTOMER, TECHNICIAN

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.xdist_group("desk"), pytest.mark.rule("D31")]
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAYAAABytg0kAAAAFElEQVR42mNk+M9QzwAEjDAGNAAAOgQB/Yx3cNkAAAAASUVORK5CYII="
)
_serial = itertools.count(1)
# What a browser hands over when files are dropped or pasted.
TRANSFER = """(files) => { const given = new DataTransfer();
  for (const [name, type, body] of files)
    given.items.add(new File([Uint8Array.from(atob(body), (c) => c.charCodeAt(0))], name, { type }));
  return given; }"""
PASTE = """(box, clipboardData) => box.dispatchEvent(
  new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))"""
LARGE = """(form, size) => { const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(size)], "big.img"));
  form.dispatchEvent(new DragEvent("drop", { dataTransfer })); }"""


def a_file(name: str, body: bytes = b"One line\n", kind: str = "text/plain") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": body}


def transfer(page: Page, *files: FilePayload) -> Any:
    given = [[file["name"], file["mimeType"], base64.b64encode(file["buffer"]).decode()] for file in files]
    return page.evaluate_handle(TRANSFER, given)


def picked(page: Page, name: str) -> Any:
    """The line of a file that has arrived."""
    line = page.locator(".picked > li", has_text=name)
    expect(line.locator("input[type=hidden]")).to_have_count(1)
    return line


def a_text() -> str:
    return f"See the files, {next(_serial)}"


def test_files_are_picked_dropped_and_pasted(drivers: Drivers, furnished: Furnished) -> None:
    text = a_text()
    with drivers.person(CUSTOMER, axe=True) as page:
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_role("button", name="Files").set_input_files(
            [a_file("trace.log"), a_file("shot.png", PNG, "image/png")]
        )
        form = page.locator("form.composer")
        form.dispatch_event("dragover", {"dataTransfer": transfer(page, a_file("dropped.txt"))})
        expect(form).to_have_class("composer over")
        form.dispatch_event("drop", {"dataTransfer": transfer(page, a_file("dropped.txt"))})
        expect(form).to_have_class("composer")
        box = page.get_by_label("Your message")
        box.evaluate(PASTE, transfer(page, a_file("image.png", PNG, "image/png")))
        for name in ("trace.log", "shot.png", "dropped.txt", "image.png"):
            expect(picked(page, name).locator("progress")).to_be_hidden()
        expect(page.locator(".picked").get_by_role("status")).to_have_count(0)
        expect(picked(page, "shot.png").locator("img")).to_have_js_property("naturalWidth", 2)
        assert axe_says(page) == []
        box.fill(text)
        page.get_by_role("button", name="Send message").click()
        message = page.locator(".message", has_text=text)
        expect(message.locator(".files a[download]")).to_have_count(4)
        expect(message.get_by_role("img", name="Picture shot.png")).to_have_js_property("naturalWidth", 2)
        assert axe_says(page) == []
        with page.expect_download() as download:
            message.get_by_role("link", name="trace.log").click()
        assert download.value.suggested_filename == "trace.log"
        expect(page.locator(".picked > li")).to_have_count(0)


def test_a_file_is_removed_by_key(drivers: Drivers, furnished: Furnished) -> None:
    text = a_text()
    with drivers.person(CUSTOMER) as page:
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_role("button", name="Files").set_input_files([a_file("stays.log"), a_file("goes.log")])
        picked(page, "stays.log")
        picked(page, "goes.log")
        page.get_by_role("button", name="Remove goes.log").focus()
        with page.expect_response("**/files/remove/") as gone:
            page.keyboard.press("Enter")
        assert gone.value.status == 204
        expect(page.locator(".picked > li")).to_have_count(1)
        expect(page.get_by_role("button", name="Remove stays.log")).to_be_focused()
        expect(page.locator(".picker [role=status]")).to_have_text("goes.log is removed.")
        page.get_by_label("Your message").fill(text)
        page.get_by_role("button", name="Send message").click()
        expect(page.locator(".message", has_text=text).locator(".files a")).to_have_count(1)


def test_what_cannot_be_sent_is_said_at_the_file(drivers: Drivers, furnished: Furnished) -> None:
    text, large = a_text(), POLICY.file_bytes_max + 1
    with drivers.person(CUSTOMER, axe=True) as page:
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_role("button", name="Files").set_input_files([a_file("nothing.log", b""), a_file("good.log")])
        page.locator("form.composer").evaluate(LARGE, large)
        expect(page.locator(".picked > li", has_text="nothing.log")).to_contain_text("is empty: 0 bytes")
        expect(page.locator(".picked > li", has_text="big.img")).to_contain_text("is larger than 25.0")
        picked(page, "good.log")
        assert axe_says(page) == []
        page.get_by_label("Your message").fill(text)
        page.get_by_role("button", name="Send message").click()
        expect(page.locator(".message", has_text=text).locator(".files a")).to_have_count(1)


def test_too_many_files_are_said_before_they_go_up(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(CUSTOMER) as page:
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_role("button", name="Files").set_input_files(
            [a_file(f"{n}.log") for n in range(POLICY.files_max + 1)]
        )
        expect(page.locator(".picked .error:visible")).to_have_text("is one too many: a message may have 20 files.")
        expect(page.locator(".picked input[type=hidden]")).to_have_count(POLICY.files_max)
        page.evaluate("localStorage.clear()")


def test_sending_waits_for_files_that_are_on_their_way(drivers: Drivers, furnished: Furnished) -> None:
    text = a_text()
    with drivers.person(TECHNICIAN) as page:
        page.goto(f"/desk/incidents/{furnished.waiting}/")
        held: list[Any] = []
        page.route("**/desk/files/", lambda route: held.append(route))
        page.locator("#id_note-files").set_input_files(a_file("slow.log"))
        page.locator("#id_note-text").fill(text)
        page.get_by_role("button", name="Keep note").click()
        expect(page.locator("#note [role=status]")).to_have_text(
            "The files are still on their way. It is sent as soon as they are here."
        )
        held[0].continue_()
        expect(page.locator(".message.note", has_text=text).locator(".files a")).to_have_count(1)


def test_uploads_outlive_a_note_and_a_closed_tab(drivers: Drivers, furnished: Furnished) -> None:
    there, text = f"/desk/incidents/{furnished.waiting}/", a_text()
    with drivers.person(TECHNICIAN) as page:
        page.goto(there)
        page.locator("#id_answer-files").set_input_files(a_file("patch.zip"))
        picked(page, "patch.zip")
        page.locator("#id_note-text").fill(text)
        page.get_by_role("button", name="Keep note").click()
        expect(page.locator(".message.note", has_text=text)).to_be_visible()
        picked(page, "patch.zip")
        other = page.context.new_page()
        page.close()
        other.goto(there)
        picked(other, "patch.zip")
        other.locator("#id_answer-text").fill(text + " answered")
        other.get_by_role("button", name="Send answer").click()
        expect(other.locator(".message.ours", has_text=text).locator(".files a")).to_have_count(1)
        expect(other.locator(".picked > li")).to_have_count(0)
        other.reload()
        expect(other.locator(".picked > li")).to_have_count(0)


def test_a_lost_connection_is_said_at_the_file(drivers: Drivers, furnished: Furnished) -> None:
    with drivers.person(CUSTOMER):
        pass
    # Not one of the drivers' pages: the browser itself complains of the connection, as it should.
    context = drivers.browser.new_context(base_url=drivers.base_url, storage_state=drivers.signed_in[CUSTOMER])
    context.set_default_timeout(SECONDS * 1000)
    try:
        page = context.new_page()
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_label("Your message").fill("Typed")
        context.set_offline(True)
        page.get_by_role("button", name="Files").set_input_files(a_file("trace.log"))
        expect(page.locator(".picked > li")).to_contain_text("did not arrive: the connection was lost.")
        context.set_offline(False)
        context.clear_cookies()
        page.get_by_role("button", name="Files").set_input_files(a_file("second.log"))
        expect(page.locator(".picked > li").last).to_contain_text("did not arrive:")
        expect(page.get_by_label("Your message")).to_have_value("Typed")
    finally:
        context.close()


def test_without_script_files_go_with_the_form(drivers: Drivers, furnished: Furnished) -> None:
    text = a_text()
    with drivers.person(CUSTOMER, java_script_enabled=False) as page:
        page.goto(f"/incidents/{furnished.waiting}/")
        page.get_by_role("button", name="Files").set_input_files([a_file("one.log"), a_file("two.log")])
        page.get_by_role("button", name="Send message").click()
        expect(page.get_by_text("Write something first.")).to_be_visible()
        page.get_by_role("checkbox", name="two.log").uncheck()
        page.get_by_label("Your message").fill(text)
        page.get_by_role("button", name="Send message").click()
        expect(page.locator(".message", has_text=text).locator(".files a")).to_have_text("one.log 9 bytes")
