"""Re-opening on the last moment of day 90 and on the first of day 91, in a browser, on a desk whose clock is moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler
from playwright.sync_api import Page, expect, sync_playwright

from incidents.models import Incident
from points.models import Charge
from points.queries import balance
from sla.models import Outcome
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from supportdesk.policy import POLICY
from tests.browser.driving import Drivers, launch
from tests.cast import Cast
from tests.incidents_helpers import again, answered, opened, signed_in, with_points

# Closed on 1 December in New York: day 90 is 1 March, and ends at midnight there.
LAST = datetime(2027, 3, 2, 4, 59, 59, tzinfo=UTC)
FIRST = LAST + timedelta(seconds=1)
MORNING = datetime(2027, 3, 2, 15, 0, tzinfo=UTC)


@dataclass
class MovedDesk:
    """The desk's pages on a server of their own; each request is answered at ``at`` (D40)."""

    at: datetime
    server: ThreadedWSGIServer

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with clock.set_to(self.at):
            return self.pages(environ, start_response)

    def __post_init__(self) -> None:
        self.pages = WSGIHandler()
        self.server.set_app(self)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def moved_desk(at: datetime) -> Iterator[MovedDesk]:
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietWSGIRequestHandler)
    desk = MovedDesk(at, server)
    running = Thread(target=server.serve_forever, daemon=True)
    running.start()
    try:
        yield desk
    finally:
        server.shutdown()
        running.join()
        server.server_close()


def session_of(user: User | None, base_url: str) -> dict[str, Any]:
    """What a browser keeps of somebody who has signed in."""
    [cookie] = signed_in(user).cookies.values()
    return {"cookies": [{"name": cookie.key, "value": cookie.value, "url": base_url}]}


@pytest.mark.browser
@pytest.mark.rule("R13", "D12", "D16", "D40")
def test_day_90_and_day_91(committed_cast: Cast, at: datetime, settings: Any) -> None:
    cast = committed_cast
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    with_points(cast.acme, 3 * POLICY.email_points, at=at)
    in_time, too_late = (opened(cast.owner, at=at, points=0, subject=words) for words in ("In time", "Too late"))
    for incident in (in_time, too_late):
        answered(incident, cast.technician, at=at, then="closed")

    with moved_desk(LAST) as desk:
        people = {user.email: session_of(user, desk.base_url) for user in (cast.owner.user, cast.technician) if user}
        with sync_playwright() as playwright, launch(playwright) as browser:
            drivers = Drivers(browser, desk.base_url, signed_in=people)
            with drivers.person(cast.owner.email) as customer, drivers.person(cast.technician.email) as technician:
                new = walk(desk, customer, technician, in_time.number, too_late.number)

    in_time, too_late, anew = (again(incident) for incident in (in_time, too_late, Incident.objects.get(number=new)))
    assert (in_time.status, too_late.status, anew.status) == ("open", "closed", "new")
    fresh = in_time.clocks.get(current=True).clock
    assert (fresh.started_at, fresh.due_at) == (MORNING, MORNING + timedelta(hours=4))
    assert [link.clock.outcome for link in in_time.clocks.order_by("pk")] == [Outcome.MET, Outcome.RUNNING]
    assert too_late.messages.filter(text="Is it too late now?").count() == 1, "kept in every case"
    assert anew.origin == too_late
    # Two of them, and the new report; the re-opening was free.
    assert Charge.objects.count() == 3
    assert balance(customer_id=cast.acme.pk, at=MORNING) == 0
    late = OutgoingMail.objects.get(about=f"incident:{too_late.pk}", kind="incident_reopening_too_late")
    assert "until 1 Mar 2027 only" in late.text


def walk(desk: MovedDesk, customer: Page, technician: Page, in_time: str, too_late: str) -> str:
    """The way through the pages; gives the number of the new report."""
    customer.goto(f"/incidents/{in_time}/")
    expect(customer.get_by_text("That is possible through 1 Mar 2027")).to_be_visible()
    customer.get_by_label("Write again").fill("Exactly the same is back.")
    customer.get_by_role("button", name="Ask to re-open").click()
    expect(customer.get_by_text("You asked to re-open this incident.")).to_be_visible()
    # A page that was loaded on day 90, and is sent a second later.
    customer.goto(f"/incidents/{too_late}/")
    customer.get_by_label("Write again").fill("Is it too late now?")
    desk.at = FIRST
    customer.get_by_role("button", name="Ask to re-open").click()
    expect(customer.get_by_text("The 90 days in which it could be re-opened are over.")).to_be_visible()
    expect(customer.get_by_role("button", name="Ask to re-open")).to_have_count(0)

    # What was asked in time is decided in time, however late.
    desk.at = MORNING
    technician.goto("/desk/queue/decide/")
    expect(technician.get_by_role("link", name="Too late")).to_have_count(0)
    technician.get_by_role("link", name="In time").click()
    technician.get_by_role("button", name="Same problem, re-open").click()
    expect(technician.get_by_text("of four business hours left")).to_be_visible()
    customer.goto(f"/incidents/{in_time}/")
    expect(customer.get_by_role("heading", name="Answer after re-opening")).to_be_visible()

    customer.goto(f"/incidents/{too_late}/")
    customer.get_by_role("link", name="Make a new report of it").click()
    expect(customer.get_by_label("What happens")).to_have_value("Is it too late now?")
    customer.get_by_role("button", name=f"Send and spend {POLICY.email_points} points").click()
    expect(customer.get_by_text("We have your report.")).to_be_visible()
    return customer.url.rstrip("/").rsplit("/", 1)[1]
