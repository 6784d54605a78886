"""The customer's home and incidents: right numbers, the same number of queries for one row and for fifty."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft
from incidents.services import conversation, opening
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
    assert said.index("Yours") < said.index("our answer by Tue 1 Dec, 14:00") < said.index("Tue 1 Dec, 15:00")
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


@pytest.mark.rule("D22")
def test_the_home_of_each(cast: Cast, clock_at: datetime):
    assert "Help with one problem at a time" in Client().get("/").content.decode()
    assert signed_in(cast.technician).get("/")["Location"] == "/desk/"
    Draft.objects.all().delete()
    assert "Nothing is open." in signed_in(cast.stranger).get("/").content.decode()
