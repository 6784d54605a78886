"""What waits for the customer's points: seen with its price, accepted or left by one click (D8, D14, D21)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from lxml import html

from incidents.models import Incident, Proposal
from incidents.services import splitting
from points.models import Payment
from supportdesk.people.models import User
from supportdesk.portal import buying
from tests.cast import Cast
from tests.incidents.splitting import divided, offspring
from tests.incidents_helpers import answered, key, opened, signed_in, with_points

pytestmark = pytest.mark.rule("D8", "D14")


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.restricted, at=clock_at, points=25)


@pytest.fixture
def waiting(cast: Cast, incident: Incident, clock_at: datetime) -> Proposal:
    return divided(incident, cast.technician, at=clock_at, kept_subject="Mail is late")


@pytest.fixture
def browser(cast: Cast) -> Client:
    return signed_in(cast.owner)


def said(page: Any) -> str:
    return " ".join(html.fromstring(page.content.decode()).find(".//main").text_content().split())


def act(browser: Client, proposal: Proposal, verb: str, **extra: Any) -> Any:
    path = f"/incidents/{proposal.incident.number}/proposal/{verb}/"
    return browser.post(path, {"proposal": proposal.pk}, **{"follow": True, **extra})


def test_it_shows_parts_price_and_what_is_missing(browser: Client, incident: Incident, waiting: Proposal):
    page = browser.get(f"/incidents/{incident.number}/")
    text = said(page)
    for words in (
        "These are several problems. Each is an incident of its own.",
        "Tess Technician would like to divide this incident",
        "Mail is latestays here, paid already",
        "Calendars are missing10 points",
        "Search finds nothing10 points",
        "20 points, 15 on hand",
        "5 points missing. Nothing has changed yet",
        "Leave it whole",
        "Kept through 31 Dec 2026",
        "Tess Technician proposed to split off 2 problems",
    ):
        assert words in text
    assert "Accept and spend" not in text
    assert f"/points/buy/?customer={incident.customer_id}&amp;incident={incident.number}" in page.content.decode()


def test_home_says_that_it_waits(browser: Client, cast: Cast, incident: Incident, waiting: Proposal):
    page = browser.get("/")
    text = said(page)
    assert "Proposals that wait for you" in text
    assert "1 waits for you" in text
    assert f'href="/incidents/{incident.number}/#proposal"' in page.content.decode()
    assert "Proposals that wait" not in said(signed_in(cast.stranger).get("/"))
    splitting.decline_proposal(proposal_id=waiting.pk, contact=cast.owner, at=waiting.made_at)
    assert "Proposals that wait" not in said(browser.get("/"))


def test_home_of_staff_who_are_contacts_shows_their_own_alone(cast: Cast, clock_at: datetime):
    divided(opened(cast.owner, at=clock_at), cast.technician, at=clock_at)
    assert cast.stranger.user is not None
    User.objects.filter(pk=cast.stranger.user.pk).update(is_technician=True)
    assert "Proposals that wait" not in said(signed_in(cast.stranger).get("/"))


@pytest.mark.rule("R3")
def test_one_click_accepts(browser: Client, cast: Cast, incident: Incident, waiting: Proposal, clock_at: datetime):
    short = act(browser, waiting, "accept")
    assert "Needs 20 points, 15 on hand. The proposal is kept." in said(short)
    assert short.redirect_chain == [(f"/incidents/{incident.number}/#proposal", 302)]
    with_points(cast.acme, 5, at=clock_at)
    page = browser.get(f"/incidents/{incident.number}/")
    assert "Accept and spend 20 points" in said(page)
    assert "Tuesday 1 December, 14:00" in said(page)
    done = act(browser, waiting, "accept")
    first, second = offspring(incident)
    numbers = " ".join(f"{first.shown_number} and {second.shown_number}".split())
    assert f"Each problem has its own ticket number now: {numbers}." in said(done)
    assert "These are several problems" not in said(done)
    again = act(browser, waiting, "accept")
    assert "Each problem has its own ticket number now" in said(again)
    assert len(offspring(incident)) == 2
    assert "It was carried out already." in said(act(browser, waiting, "decline"))


@pytest.mark.rule("D21")
def test_a_restricted_contact_accepts_for_their_own(
    cast: Cast, incident: Incident, waiting: Proposal, clock_at: datetime
):
    browser = signed_in(cast.restricted)
    page = browser.get(f"/incidents/{incident.number}/")
    assert "20 points, 15 on hand" in said(page)
    assert "/points/buy/" not in page.content.decode()
    assert "Buy points from the vendor" in said(page)
    with_points(cast.acme, 5, at=clock_at)
    act(browser, waiting, "accept")
    assert [part.contact for part in offspring(incident)] == [cast.restricted] * 2


@pytest.mark.rule("D21", "D22")
def test_nobody_accepts_what_they_do_not_see(cast: Cast, clock_at: datetime):
    proposal = divided(opened(cast.owner, at=clock_at), cast.technician, at=clock_at)
    with_points(cast.acme, 100, at=clock_at)
    for contact in (cast.restricted, cast.stranger):
        for verb in ("accept", "decline"):
            assert act(signed_in(contact), proposal, verb).status_code == 404
    own = opened(cast.stranger, at=clock_at)
    path = f"/incidents/{own.number}/proposal/accept/"
    for odd in (proposal.pk, "", "x", "9" * 30):
        assert signed_in(cast.stranger).post(path, {"proposal": odd}).status_code == 404
    proposal.refresh_from_db()
    assert proposal.state == "waiting"


def test_leaving_it_whole(browser: Client, incident: Incident, waiting: Proposal):
    done = act(browser, waiting, "decline")
    assert "It stays as it is. Nothing was spent." in said(done)
    assert "Olive Owner leaves it whole" in said(done)
    assert "The proposal was withdrawn meanwhile." in said(act(browser, waiting, "accept"))


def test_what_is_over_is_said(browser: Client, cast: Cast, incident: Incident, waiting: Proposal, clock_at: datetime):
    Proposal.objects.update(kept_until=clock_at)
    assert "These are several problems" not in said(browser.get(f"/incidents/{incident.number}/"))
    assert "The days of this proposal are over." in said(act(browser, waiting, "accept"))
    answered(incident, cast.technician, at=clock_at, then="closed")
    assert "The proposal was withdrawn meanwhile." in said(act(browser, waiting, "accept"))


def test_an_unmerge_waits_in_its_own_words(browser: Client, incident: Incident, waiting: Proposal):
    """Its verbs come with merging: until then nobody can press them."""
    Proposal.objects.update(kind="unmerge")
    waiting.parts.all().delete()
    text = said(browser.get(f"/incidents/{incident.number}/"))
    assert "This was merged by mistake." in text
    assert "points of your 15" in text


def test_after_buying_one_is_back_at_the_proposal(
    browser: Client,
    cast: Cast,
    incident: Incident,
    waiting: Proposal,
    clock_at: datetime,
    monkeypatch: pytest.MonkeyPatch,
):
    browser.get(f"/points/buy/?customer={cast.acme.pk}&incident={incident.number}")
    assert cast.owner.user is not None
    payment = Payment.objects.create(
        customer=cast.acme,
        user=cast.owner.user,
        points=10,
        amount_minor=8400,
        currency="EUR",
        state=Payment.State.OPEN,
        started_at=clock_at,
        looked_at=clock_at,
        key=key(),
    )

    def looked_at(**_given: object) -> Payment:
        payment.state = Payment.State.PAID
        return payment

    monkeypatch.setattr(buying, "look_at_payment", looked_at)
    there = browser.post(f"/points/buy/{payment.pk}/paid/")
    assert there.headers["Location"] == f"/incidents/{incident.number}/#proposal"
    assert browser.post(f"/points/buy/{payment.pk}/paid/").headers["Location"] == "/points/"


def test_home_takes_as_many_queries_for_five_as_for_one(browser: Client, cast: Cast, clock_at: datetime):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            browser.get("/")
        return len(seen)

    divided(opened(cast.owner, at=clock_at), cast.technician, at=clock_at)
    queries()
    one = queries()
    for _time in range(4):
        divided(opened(cast.owner, at=clock_at), cast.technician, at=clock_at)
    assert queries() == one
