"""The queue: groups, their order, business minutes left, counts; the rows alone for a page that stays open."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents import queue as queues
from incidents.models import Incident
from incidents.services import conversation, ownership
from supportdesk import clock
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents_helpers import answered, key, mailed, opened, signed_in
from tests.portal.test_lists import queries
from tests.portal.test_report import plain

HOUR = timedelta(hours=1)
# A Tuesday, 15:00 in New York, 21:00 in Berlin.
NOW = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)


def _wrote(incident: Incident, *, at: datetime) -> None:
    conversation.customer_message(
        incident_id=incident.pk, contact=incident.contact, text="Hello?", via="mail", at=at, key=key()
    )


@pytest.fixture
def day(cast: Cast) -> dict[str, Incident]:
    """One or two incidents of every group, as of NOW."""
    made = {
        "late": opened(cast.owner, at=NOW - 5 * HOUR, subject="late"),
        "very late": opened(cast.owner, at=NOW - 24 * HOUR, subject="very late"),
        "soon": opened(cast.owner, at=NOW - 3.5 * HOUR, subject="soon"),
        "today": opened(cast.owner, at=NOW - 2.5 * HOUR, subject="today"),
        "tomorrow": opened(cast.owner, at=NOW - HOUR, subject="tomorrow"),
        "berlin": opened(cast.stranger, at=NOW - HOUR, subject="berlin"),
    }
    for name, then in (("us", "waiting"), ("decide", "closed"), ("work", "open"), ("customer", "waiting")):
        made[name] = opened(cast.owner, at=NOW - 30 * HOUR, subject=name)
        answered(made[name], cast.technician, at=NOW - 29 * HOUR, then=then)
    _wrote(made["us"], at=NOW - 3 * HOUR)
    _wrote(made["decide"], at=NOW - 2 * HOUR)
    closed = opened(cast.owner, at=NOW - 30 * HOUR, subject="closed")
    answered(closed, cast.technician, at=NOW - 29 * HOUR, then="closed")
    ownership.take(incident_id=made["late"].pk, user=cast.colleague, at=NOW)
    return made


def _groups(cast: Cast, view: str = "all") -> list[tuple[str, int, list[str]]]:
    scope = scope_of(cast.technician)
    numbers = queues.counts(scope, at=NOW)
    return [
        (group.code, group.count, [row.incident.subject for row in group.rows])
        for group in queues.queue(scope, view=view, at=NOW, numbers=numbers)
    ]


@pytest.mark.rule("D12", "D13")
def test_the_groups_and_their_order(cast: Cast, day: dict[str, Incident]):
    assert _groups(cast) == [
        ("late", 2, ["very late", "late"]),
        ("today", 2, ["soon", "today"]),
        # Berlin's four hours begin tomorrow at nine, and end there before New York opens.
        ("later", 2, ["berlin", "tomorrow"]),
        ("us", 1, ["us"]),
        ("decide", 1, ["decide"]),
        ("work", 1, ["work"]),
        ("customer", 1, ["customer"]),
    ]


@pytest.mark.rule("D10")
@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("late", ["very late", "late"]),
        ("today", ["soon", "today"]),
        ("waiting", ["customer"]),
        ("decide", ["decide"]),
        ("mine", ["us", "decide", "work", "customer"]),
    ],
)
def test_the_views(cast: Cast, day: dict[str, Incident], view: str, shown: list[str]):
    assert [subject for _code, _count, subjects in _groups(cast, view) for subject in subjects] == shown


def test_the_counts(cast: Cast, day: dict[str, Incident]):
    with clock.set_to(NOW):
        mailed(sender="nobody@strange.example", at=NOW)
    counts = queues.counts(scope_of(cast.technician), at=NOW)
    assert counts == queues.Counts(
        all=10, mine=4, late=2, today=2, later=2, us=1, work=1, customer=1, decide=1, held=1, notices=3
    )
    assert queues.counts(scope_of(cast.colleague), at=NOW).mine == 1


@pytest.mark.rule("D22")
def test_a_contact_counts_their_own_alone(cast: Cast, day: dict[str, Incident]):
    assert queues.counts(scope_of_contact(cast.stranger), at=NOW).all == 1
    assert queues.counts(scope_of_contact(cast.restricted), at=NOW).all == 0
    assert queues.counts(scope_of_contact(cast.stranger), at=NOW).held == 0


@pytest.mark.rule("D12")
def test_the_page_shows_business_time(cast: Cast, day: dict[str, Incident]):
    with clock.set_to(NOW):
        page = signed_in(cast.technician).get("/desk/").content.decode()
    shown = {
        subject: plain(re.sub(r"<svg.*?</svg>", "", row))
        for row in re.findall(r'<tr role="row"[^>]*data-number.*?</tr>', page, re.DOTALL)
        for subject in re.findall(r'title="([^"]*)"', row)
    }
    assert shown["soon"].startswith("0:30 0 h 30 min left")
    assert shown["today"].startswith("1:30 1 h 30 min left")
    assert shown["tomorrow"].startswith("3:00 3 h 0 min left")
    assert shown["late"].startswith("−1:00 1 h 0 min late")
    # Due on Tuesday at 11:00: late since four of Tuesday's business hours.
    assert shown["very late"].startswith("−4:00 4 h 0 min late")
    assert shown["us"].startswith("wrote 3:00 ago")
    assert shown["decide"].startswith("asked 2:00 ago")
    assert "15:00 New York" in shown["soon"]
    assert "opens in 12 h, Wed 9:00 Berlin" in shown["berlin"]
    assert "30 business minutes left, due Tue" in page
    assert "late since Tue" in page
    assert re.search(r"opens in 12 h: Wed 2 Dec, 9:00 in Berlin, Wed 2 Dec, 13:30 for you", page)
    assert "Carl Colleague" in shown["late"]
    assert "You" in shown["us"]
    tones = re.findall(r'class="clock" data-tone="(\w+)"', page)
    assert tones == ["breached", "breached", "soon", "calm", "calm", "calm", "waiting", "waiting"]
    assert "10 open, 2 late, 2 due today" in plain(page)


def test_a_page_that_stays_open_asks_for_the_rows_alone(cast: Cast, clock_at: datetime):
    opened(cast.owner, at=clock_at)
    client = signed_in(cast.technician)
    whole = client.get("/desk/queue/today/")
    part = client.get("/desk/queue/today/", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert "<html" in whole.content.decode()
    page = part.content.decode()
    assert "<html" not in page
    assert "It stops at night" in page
    assert 'id="places" hx-swap-oob="true"' in page
    assert 'id="status" hx-swap-oob="true"' in page
    assert 'aria-current="page"' in page


def test_a_view_that_is_none_is_not_there(cast: Cast):
    client = signed_in(cast.technician)
    for view in ("later", "x", "all-of-them"):
        assert client.get(f"/desk/queue/{view}/").status_code == 404


def test_an_empty_desk_says_so(cast: Cast, clock_at: datetime):
    client = signed_in(cast.technician)
    assert "Nothing waits for us." in client.get("/desk/").content.decode()
    assert "Nothing here." in client.get("/desk/queue/late/").content.decode()


def test_a_long_group_is_cut_and_says_so(cast: Cast, clock_at: datetime):
    for _time in range(52):
        opened(cast.owner, at=clock_at)
    said = plain(signed_in(cast.technician).get("/desk/").content.decode())
    assert "Due today 52" in said
    assert "the first 50 are shown" in said


def _more(cast: Cast, times: int, *, at: datetime) -> None:
    """Of every group some, of two customers."""
    for _time in range(times):
        for contact in (cast.owner, cast.stranger):
            opened(contact, at=at)
            for then in ("waiting", "closed", "open"):
                answered(opened(contact, at=at), cast.technician, at=at, then=then)
            wrote = opened(contact, at=at)
            answered(wrote, cast.technician, at=at, then="waiting")
            _wrote(wrote, at=at)


def test_the_queue_needs_as_many_queries_for_fifty_as_for_one(cast: Cast, clock_at: datetime):
    client = signed_in(cast.technician)
    client.get("/desk/")
    _more(cast, 1, at=clock_at)
    paths = ("/desk/", "/desk/queue/mine/", "/desk/queue/waiting/")
    with clock.set_to(clock_at + HOUR):
        one = {path: queries(client, path) for path in paths}
        one["again"] = queries(client, "/desk/")
        _more(cast, 5, at=clock_at)
        assert {path: queries(client, path) for path in paths} | {"again": queries(client, "/desk/")} == one
    assert max(one.values()) <= 22


def test_the_incident_needs_as_many_queries_with_a_long_queue_and_history(cast: Cast, clock_at: datetime):
    client, incident = signed_in(cast.technician), opened(cast.owner, at=clock_at)
    there = f"/desk/incidents/{incident.number}/"
    _more(cast, 1, at=clock_at)
    answered(incident, cast.technician, at=clock_at, then="waiting")
    one = queries(client, there)
    _more(cast, 2, at=clock_at)
    for _time in range(25):
        answered(incident, cast.technician, at=clock_at, then="waiting")
        conversation.note(incident_id=incident.pk, text="Note", user=cast.colleague, at=clock_at, key=key())
    assert queries(client, there) == one
    assert one <= 46


def test_held_mail_needs_as_many_queries_for_fifty_as_for_one(cast: Cast, clock_at: datetime):
    client, incident = signed_in(cast.technician), opened(cast.owner, at=clock_at)

    def more(times: int) -> None:
        for number in range(times):
            mailed(sender=f"x{number}@strange.example", at=clock_at, subject=f"{incident.number} {key()}")

    more(1)
    one = queries(client, "/desk/held/")
    more(49)
    assert queries(client, "/desk/held/") == one
    assert one <= 15


def test_no_list_asks_once_a_row(cast: Cast, clock_at: datetime):
    """The admin's lists, too."""
    client: Client = signed_in(cast.admin)
    lists = (
        *("incidents/incident", "incidents/timelineentry", "incidents/draft", "incidents/heldmail"),
        *("points/lot", "points/entry", "points/charge", "points/purchase", "people/customer"),
    )
    _more(cast, 1, at=clock_at)
    mailed(sender="x@strange.example", at=clock_at)

    def count() -> dict[str, int]:
        found = {}
        for name in lists:
            with CaptureQueriesContext(connection) as seen:
                assert client.get(f"/admin/{name}/").status_code == 200
            found[name] = len(seen)
        return found

    one = count()
    _more(cast, 2, at=clock_at)
    for number in range(3):
        mailed(sender=f"x{number}@strange.example", at=clock_at)
    assert count() == one
