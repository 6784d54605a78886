"""Followers in the portal: who sees whom, who may add and take off (D38)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from incidents.models import Follower, Incident
from incidents.services import opening
from supportdesk.people.models import Contact
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.ending import declined, taken_back
from tests.incidents.told import a_mate, follows, mailed_to
from tests.incidents_helpers import a_report, again, answered, key, opened, signed_in
from tests.portal.test_lists import queries
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D38")


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def mate(cast: Cast) -> Contact:
    return a_mate(cast.acme)


def there(incident: Incident, act: str = "") -> str:
    return f"/incidents/{incident.number}/{act}"


def said(answer: Any) -> str:
    return plain(answer.content.decode())


def offered(page: str) -> list[str]:
    """Who can be chosen as a follower."""
    found = re.search(r'<select class="input" id="follow".*?</select>', page, re.DOTALL)
    return re.findall(r'<option value="\d+">([^<]*)', found.group()) if found else []


def test_a_contact_adds_a_colleague_and_takes_them_off(cast: Cast, incident: Incident, mate: Contact):
    browser = signed_in(cast.owner)
    page = browser.get(there(incident)).content.decode()
    assert offered(page) == ["Mia Mate", "Rufus Restricted"]
    assert "Our technicians read it. Their answers are mailed to Olive Owner." in plain(page)
    added = browser.post(there(incident, "followers/"), {"contact": mate.pk}, follow=True)
    assert "Mia Mate follows it, and is told so by mail." in said(added)
    assert "Their answers are mailed to Olive Owner, Mia Mate." in said(added)
    assert offered(added.content.decode()) == ["Rufus Restricted"]
    assert "Olive Owner added Mia Mate: they follow it" in said(added)
    for _time in range(2):
        gone = browser.post(there(incident, "followers/remove/"), {"contact": mate.pk}, follow=True)
        assert "Mia Mate does not follow it any more." in said(gone)
    assert not Follower.objects.filter(removed_at=None).exists()


def test_a_colleague_follows_and_stops(cast: Cast, incident: Incident, mate: Contact):
    browser = signed_in(mate)
    assert offered(browser.get(there(incident)).content.decode()) == ["Mia Mate (you)", "Rufus Restricted"]
    followed = browser.post(there(incident, "followers/"), {"contact": mate.pk}, follow=True)
    assert "You follow it: you get our answers by mail." in said(followed)
    assert "Stop following" in said(followed)
    assert mailed_to("follower_added") == []
    stopped = browser.post(there(incident, "followers/remove/"), {"contact": mate.pk}, follow=True)
    assert "You do not follow it any more" in said(stopped)
    assert stopped.redirect_chain == [(there(incident), 302)]


@pytest.mark.rule("D22")
@pytest.mark.parametrize("wrong", ["", "x", "-1", "0", "4000000", "9" * 400, "\x00", "stranger", "left"])
def test_a_choice_that_is_none_changes_nothing(cast: Cast, incident: Incident, mate: Contact, wrong: str):
    mate.removed_at = incident.opened_at
    mate.save()
    value = {"stranger": str(cast.stranger.pk), "left": str(mate.pk)}.get(wrong, wrong)
    answer = signed_in(cast.owner).post(there(incident, "followers/"), {"contact": value}, follow=True)
    words = {"": "Choose who follows it.", "\x00": "Null characters are not allowed."}
    assert words.get(wrong, "This is no contact of the incident’s customer") in said(answer)
    assert not Follower.objects.exists()


@pytest.mark.rule("D21", "D22")
def test_a_restricted_contact_sees_no_list_adds_nobody_and_may_stop(
    cast: Cast, incident: Incident, mate: Contact, clock_at: datetime
):
    Contact.objects.create(customer=cast.acme, name="Hidden Helen", email="helen@acme.example")
    browser = signed_in(cast.restricted)
    assert browser.get(there(incident)).status_code == 404
    assert browser.post(there(incident, "followers/"), {"contact": cast.restricted.pk}).status_code == 404
    follows(incident, cast.restricted, cast, at=clock_at)
    follows(incident, mate, cast, at=clock_at)
    page = browser.get(there(incident)).content.decode()
    assert "Hidden Helen" not in page
    assert offered(page) == []
    assert "Stop following" in page
    assert page.count("followers/remove/") == 1, "their own alone"
    home = said(browser.get("/"))
    assert incident.subject in home
    for act, contact in (("followers/", mate), ("followers/", cast.restricted), ("followers/remove/", mate)):
        browser.post(there(incident, act), {"contact": contact.pk}, follow=True)
    assert Follower.objects.filter(removed_at=None).count() == 2
    left = browser.post(there(incident, "followers/remove/"), {"contact": cast.restricted.pk}, follow=True)
    assert left.redirect_chain == [("/", 302)]
    assert "no further mail of it goes to you" in said(left)
    assert incident.subject not in said(left)
    assert browser.get(there(incident)).status_code == 404


@pytest.mark.rule("D21")
def test_a_restricted_follower_sees_nothing_of_points_and_decides_nothing(
    cast: Cast, incident: Incident, clock_at: datetime
):
    case = marked(incident, cast, at=clock_at)
    follows(incident, cast.restricted, cast, at=clock_at)
    draft = opening.report_problem(report=a_report(cast.owner, subject="Draft of Olive"), at=clock_at, key=key())
    browser = signed_in(cast.restricted)
    page = said(browser.get(there(incident)))
    for word in ("10 spent", "From the lot", "QM-4518", "points"):
        assert word not in page
        assert word in said(signed_in(cast.owner).get(there(incident))) or word == "points"
    assert browser.post(there(incident, "credit/"), {"choice": "card"}).status_code == 404
    assert "Draft of Olive" not in said(browser.get("/"))
    assert browser.get(f"/drafts/{draft.pk}/").status_code == 404
    decide(case, cast, at=clock_at)
    assert "gave back" not in said(browser.get(there(incident)))
    assert "gave back" in said(signed_in(cast.owner).get(there(incident)))


@pytest.mark.rule("D15", "D21")
def test_a_restricted_follower_of_a_declined_one_sees_no_points(cast: Cast, incident: Incident, clock_at: datetime):
    follows(incident, cast.restricted, cast, at=clock_at)
    declined(incident, cast.technician, at=clock_at)
    assert "came back to you" in said(signed_in(cast.owner).get(there(incident)))
    page = said(signed_in(cast.restricted).get(there(incident)))
    assert "came back to you" not in page
    assert "valid until" not in page


@pytest.mark.rule("D15", "D36")
def test_a_restricted_follower_reads_what_happened_and_not_what_it_gave_back(
    cast: Cast, incident: Incident, clock_at: datetime
):
    follows(incident, cast.restricted, cast, at=clock_at)
    declined(incident, cast.technician, at=clock_at)
    taken_back(incident, cast.technician, at=clock_at)
    theirs, all_of_it = (said(signed_in(who).get(there(incident))) for who in (cast.restricted, cast.owner))
    assert "gave back 10 points" in all_of_it
    assert "10 points are spent again" in all_of_it
    assert "Tess Technician declined it" in theirs
    assert "took the decline back" in theirs
    assert "10 points" not in theirs


def test_a_follower_answers_in_the_portal(cast: Cast, incident: Incident, clock_at: datetime):
    follows(incident, cast.restricted, cast, at=clock_at)
    answered(incident, cast.technician, at=clock_at)
    browser = signed_in(cast.restricted)
    wrote = browser.post(there(incident, "message/"), {"key": "0123456789", "text": "I saw it, too."}, follow=True)
    assert "I saw it, too." in said(wrote)
    assert again(incident).status == "open"
    assert incident.messages.latest("id").contact == cast.restricted


@pytest.mark.rule("D35")
def test_a_follower_of_a_number_that_leads_elsewhere_may_still_stop(
    cast: Cast, incident: Incident, mate: Contact, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    answered(incident, cast.technician, at=clock_at, then="closed")
    other = opened(cast.owner, at=clock_at)
    Incident.objects.filter(pk=incident.pk).update(merged_into=other, merged_at=clock_at)
    signed_in(mate).post(there(incident, "followers/"), {"contact": cast.restricted.pk})
    assert Follower.objects.filter(removed_at=None).count() == 1
    signed_in(mate).post(there(incident, "followers/remove/"), {"contact": mate.pk})
    assert not Follower.objects.filter(removed_at=None).exists()


def test_the_page_needs_as_many_queries_for_thirty_followers_as_for_one(
    cast: Cast, incident: Incident, mate: Contact, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    signed = {there(incident): signed_in(cast.owner), f"/desk{there(incident)}": signed_in(cast.technician)}
    one = {path: queries(browser, path) for path, browser in signed.items()}
    for n in range(30):
        contact = Contact.objects.create(customer=cast.acme, name=f"M{n}", email=f"m{n}@acme.example")
        follows(incident, contact, cast, at=clock_at)
    assert {path: queries(browser, path) for path, browser in signed.items()} == one
