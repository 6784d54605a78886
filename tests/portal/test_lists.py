"""The customer's home and points: right numbers, the same number of queries for one row and for fifty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft
from incidents.services import conversation, opening
from points.services import charge
from supportdesk import clock
from supportdesk.people.models import Contact
from supportdesk.people.services import sign_in_for
from tests.cast import Cast
from tests.incidents_helpers import a_report, answered, key, opened, signed_in, with_points
from tests.portal.test_report import plain

HOUR = timedelta(hours=1)


def queries(client: Client, path: str) -> int:
    """How many a page needs, sessions and all."""
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def test_the_home_needs_as_many_queries_for_fifty_as_for_one(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)

    def more(times: int) -> None:
        for _time in range(times):
            opened(cast.owner, at=clock_at)
            waits = opened(cast.restricted, at=clock_at)
            answered(waits, cast.technician, at=clock_at, then="waiting")
            answered(opened(cast.owner, at=clock_at), cast.technician, at=clock_at, then="closed")
            asks = opened(cast.owner, at=clock_at)
            answered(asks, cast.technician, at=clock_at, then="closed")
            conversation.customer_message(
                incident_id=asks.pk, contact=cast.owner, text="Back", via="portal", at=clock_at, key=key()
            )
            opening.keep_draft(report=a_report(cast.owner), at=clock_at, key=key())

    more(1)
    one = queries(client, "/")
    more(10)
    assert queries(client, "/") == one
    assert one <= 20


def test_the_points_page_needs_as_many_queries_for_fifty_as_for_one(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    opened(cast.owner, at=clock_at)
    one = queries(client, "/points/")
    for number in range(50):
        if number % 5 == 0:
            opened(cast.owner, at=clock_at)
        with_points(cast.acme, 1, at=clock_at)
    assert queries(client, "/points/") == one
    assert one <= 15


def test_the_incident_page_needs_as_many_queries_for_fifty_messages_as_for_one(cast: Cast, clock_at: datetime):
    client, incident = signed_in(cast.owner), opened(cast.owner, at=clock_at)

    def more(times: int) -> None:
        for _time in range(times):
            answered(incident, cast.technician, at=clock_at, then="waiting")
            conversation.customer_message(
                incident_id=incident.pk, contact=cast.owner, text="> old\n\nnew", via="mail", at=clock_at, key=key()
            )

    more(1)
    there = f"/incidents/{incident.number}/"
    one = queries(client, there)
    more(25)
    assert queries(client, there) == one
    assert one <= 20


@pytest.mark.rule("D21", "D10")
def test_the_home_says_whose_turn_it_is_when_and_how_many_points(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 7, at=clock_at)
    first = opened(cast.owner, at=clock_at, subject="Due first")
    later = opened(cast.owner, at=clock_at + HOUR, subject="Due later")
    answered(opened(cast.restricted, at=clock_at, subject="Yours"), cast.technician, at=clock_at, then="waiting")
    said = plain(signed_in(cast.owner).get("/").content.decode())
    assert "Whose turn is it? 1 waits for you 2 are with us." in said
    assert "When is the next answer due? 14:00 your time in New York Due first" in said
    assert "How many points are left? 7 points on hand" in said
    assert said.index("Yours") < said.index("first answer by Tue 1 Dec, 14:00") < said.index("Tue 1 Dec, 15:00")
    assert [first.pk, later.pk] == sorted([first.pk, later.pk])


@pytest.mark.rule("D21", "D22")
def test_a_restricted_contact_sees_their_own_and_no_points(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 37, at=clock_at)
    opened(cast.owner, at=clock_at, subject="CANARY")
    opened(cast.restricted, at=clock_at, subject="Of Rufus")
    opening.keep_draft(report=a_report(cast.owner, subject="CANARY draft"), at=clock_at, key=key())
    client = signed_in(cast.restricted)
    page = client.get("/").content.decode()
    assert "Of Rufus" in page
    assert "CANARY" not in page
    assert "How many points" not in page
    assert "/points/" not in page
    assert "0 wait for you 1 is with us." in plain(page)
    assert client.get("/points/").status_code == 404


@pytest.mark.rule("D1", "D2", "D6")
def test_the_points_page_adds_up(cast: Cast, clock_at: datetime):
    bought = datetime(2025, 12, 1, 15, 0, tzinfo=UTC)
    with_points(cast.acme, 8, at=bought)
    with_points(cast.acme, 30, at=clock_at - timedelta(days=200))
    incident = opened(cast.owner, at=clock_at, points=0)
    client = signed_in(cast.owner)
    said = plain(client.get("/points/").content.decode())
    assert "On hand 28 points" in said
    assert "Next to expire 28 after 15 May 2027 spent first, by themselves" in said
    number = " ".join(incident.shown_number.split())
    assert f"Incident {number} , lot of 15 May 2026 −2 balance 28" in said
    assert f"Incident {number} , lot of 1 Dec 2025 −8 balance 30" in said
    assert "lot of 1 Dec 2025 +8 balance 8" in said
    assert "15 May 2026 15 May 2027 28 of 30" in said


@pytest.mark.rule("D1")
def test_expired_points_are_gone_on_the_page_at_once(cast: Cast, at: datetime):
    with_points(cast.acme, 8, at=datetime(2025, 12, 1, 15, 0, tzinfo=UTC))
    client = signed_in(cast.owner)
    for instant, left in (
        (datetime(2026, 12, 2, 4, 59, 59, tzinfo=UTC), 8),
        (datetime(2026, 12, 2, 5, 0, tzinfo=UTC), 0),
    ):
        with clock.set_to(instant):
            said = plain(client.get("/points/").content.decode())
        assert f"On hand {left} points" in said
    assert "Expired, lot of 1 Dec 2025 −8 balance 0" in said.replace(" ,", ",")


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "2", "9" * 9, "1e3", "٣", "1.5"])
def test_any_page_number_is_a_page(cast: Cast, clock_at: datetime, page: str):
    with_points(cast.acme, 8, at=clock_at)
    answer = signed_in(cast.owner).get("/points/", {"page": page})
    assert answer.status_code == 200
    assert "On hand 8 points" in plain(answer.content.decode())


def test_a_long_statement_has_pages(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 600, at=clock_at)
    for number in range(55):
        charge(
            customer_id=cast.acme.pk,
            points=10,
            channel="email",
            reference=f"REF{number}",
            at=clock_at + number * timedelta(minutes=1),
            actor=None,
            key=f"charge {number}",
        )
    client = signed_in(cast.owner)
    first, second = (plain(client.get("/points/", {"page": n}).content.decode()) for n in (1, 2))
    assert "Older lines" in first
    assert "REF54 , lot of 1 Dec 2026 −10 balance 50" in first
    assert "REF4 " not in first
    assert "REF4 , lot of 1 Dec 2026 −10 balance 550" in second
    assert "+600 balance 600" in second
    assert "Newest lines" in second
    assert "Older lines" not in second


@pytest.mark.rule("D21")
def test_a_reseller_sees_each_customers_points_apart(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 11, at=clock_at)
    with_points(cast.other, 22, at=clock_at)
    for customer in (cast.acme, cast.other):
        sign_in_for(contact=Contact.objects.create(customer=customer, name="Rea", email="rea@x.example"))
    client = signed_in(Contact.objects.filter(name="Rea").first())
    assert "Acme Tools On hand 11 points" in plain(client.get("/points/").content.decode())
    assert "Other Works On hand 22 points" in plain(client.get("/points/").content.decode())
    assert "11 Acme Tools" in plain(client.get("/").content.decode())


@pytest.mark.rule("D22")
def test_the_home_of_each(cast: Cast, clock_at: datetime):
    assert "Help with one problem at a time" in Client().get("/").content.decode()
    assert signed_in(cast.technician).get("/")["Location"] == "/desk/"
    Draft.objects.all().delete()
    assert "Nothing is open." in signed_in(cast.stranger).get("/").content.decode()
