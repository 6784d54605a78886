"""Followers on the desk, and who gets an answer: seen before it is sent, each left out at will (D38)."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client

from incidents.models import Follower, Incident
from incidents.services import conversation, following
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents.told import a_mate, follows, mailed_to
from tests.incidents_helpers import answered, key, opened, signed_in

pytestmark = pytest.mark.rule("D38")
OLIVE, MIA = "olive@acme.example", "mia@acme.example"


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def mate(cast: Cast) -> Contact:
    return a_mate(cast.acme)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def _form(desk: Client, incident: Incident, prefix: str = "answer") -> dict[str, list[str]]:
    """Who is shown and ticked on the page, as a browser sends it."""
    page = desk.get(there(incident)).content.decode()
    return _fields(page, prefix)


def _fields(page: str, prefix: str = "answer") -> dict[str, list[str]]:
    shown = re.findall(rf'name="{prefix}-shown" value="(\d+)"', page)
    ticked = re.findall(rf'name="{prefix}-to" value="(\d+)" checked', page)
    return {f"{prefix}-shown": shown, f"{prefix}-to": ticked}


def _answer(desk: Client, incident: Incident, fields: dict[str, list[str]], **given: str) -> str:
    form = {"answer-key": key(), "answer-text": "Try this.", "answer-then": "waiting", **given, **fields}
    return told(desk.post(there(incident, "answer/"), form, follow=True))


def test_a_technician_adds_and_takes_off(cast: Cast, incident: Incident, mate: Contact, desk: Client):
    page = told(desk.get(there(incident)))
    assert "Nobody besides the contact gets its mails." in page
    assert "Choose Mia Mate Rufus Restricted" in page
    assert "Otto" not in page
    added = told(desk.post(there(incident, "followers/"), {"contact": mate.pk}, follow=True))
    assert "Mia Mate follows it, and is told so by mail." in added
    assert "Tess Technician added Mia Mate: they follow it" in added
    removed = told(desk.post(there(incident, "followers/remove/"), {"contact": mate.pk}, follow=True))
    assert "Mia Mate does not follow it any more." in removed


@pytest.mark.rule("D22")
def test_what_cannot_follow_is_refused_in_words(cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
    for wrong, words in (
        ("", "Choose who follows it."),
        ("x", "no contact of the incident’s customer"),
        (str(cast.stranger.pk), "no contact of the incident’s customer"),
        (str(cast.owner.pk), "they get its mails anyway"),
    ):
        assert words in told(desk.post(there(incident, "followers/"), {"contact": wrong}, follow=True))
    for n in range(POLICY.followers_max):
        contact = Contact.objects.create(customer=cast.acme, name=f"M{n}", email=f"m{n}@acme.example")
        follows(incident, contact, cast, at=clock_at)
    more = desk.post(there(incident, "followers/"), {"contact": cast.restricted.pk}, follow=True)
    assert "50 contacts follow this incident: that is the most." in told(more)
    assert Follower.objects.count() == POLICY.followers_max


def test_the_sender_sees_who_gets_it_and_leaves_out_at_will(
    cast: Cast, incident: Incident, mate: Contact, desk: Client, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    fields = _form(desk, incident)
    both = [str(cast.owner.pk), str(mate.pk)]
    assert fields == {"answer-shown": both, "answer-to": both}, "all are ticked"
    assert "Olive Owner olive@acme.example Mia Mate mia@acme.example, follows" in told(desk.get(there(incident)))
    assert "on its way" in _answer(desk, incident, {**fields, "answer-to": both[:1]})
    assert mailed_to("answered") == [OLIVE]
    said = _answer(desk, incident, {**fields, "answer-to": []})
    assert "The answer is kept here; nobody was mailed." in said
    assert mailed_to("answered") == [OLIVE]
    _answer(desk, incident, _form(desk, incident))
    assert mailed_to("answered") == [OLIVE, OLIVE, MIA]
    _answer(desk, incident, {**fields, "answer-to": both[1:]}, **{"answer-then": "closed", "answer-text": ""})
    assert mailed_to("closed") == [MIA]


def test_a_form_that_was_not_taken_keeps_who_was_left_out(
    cast: Cast, incident: Incident, mate: Contact, desk: Client, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    fields = _form(desk, incident)
    form = {"answer-key": key(), "answer-text": "", "answer-then": "waiting", **fields, "answer-to": [str(mate.pk)]}
    refused = desk.post(there(incident, "answer/"), form)
    assert refused.status_code == 422
    assert _fields(refused.content.decode()) == {**fields, "answer-to": [str(mate.pk)]}


def test_who_follows_since_the_page_was_made_is_seen_before_it_is_sent(
    cast: Cast, incident: Incident, mate: Contact, desk: Client, clock_at: datetime
):
    fields = _form(desk, incident)
    follows(incident, mate, cast, at=clock_at)
    form = {"answer-key": key(), "answer-text": "For Olive’s eyes", "answer-then": "waiting", **fields}
    stopped = desk.post(there(incident, "answer/"), form)
    assert stopped.status_code == 422
    page = stopped.content.decode()
    assert "Mia Mate gets this mail, too, since a moment ago." in told(stopped)
    assert "For Olive’s eyes" in page
    assert mailed_to("answered") == []
    shown = _fields(page)
    assert shown["answer-to"] == [str(cast.owner.pk), str(mate.pk)]
    _answer(desk, incident, {**shown, "answer-to": [str(cast.owner.pk)]})
    assert mailed_to("answered") == [OLIVE]


def test_who_was_taken_off_meanwhile_gets_nothing(
    cast: Cast, incident: Incident, mate: Contact, desk: Client, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    fields = _form(desk, incident)
    following.remove_follower(incident_id=incident.pk, contact_id=mate.pk, by=mate, at=clock_at)
    assert "on its way" in _answer(desk, incident, fields)
    assert mailed_to("answered") == [OLIVE]


@pytest.mark.parametrize("odd", ["x", "-1", "9" * 400, "\x00", "4000000", "<b>"])
def test_odd_ids_reach_nobody(cast: Cast, incident: Incident, desk: Client, odd: str):
    strange = [odd, str(cast.stranger.pk)]
    shown = [str(cast.owner.pk), *strange]
    assert "on its way" in _answer(desk, incident, {"answer-shown": shown, "answer-to": shown})
    assert mailed_to("answered") == [OLIVE]


def test_a_refused_re_opening_is_mailed_to_who_is_ticked(
    cast: Cast, incident: Incident, mate: Contact, desk: Client, clock_at: datetime
):
    follows(incident, mate, cast, at=clock_at)
    answered(incident, cast.technician, at=clock_at, then="closed")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Back", via="portal", at=clock_at, key=key()
    )
    assert "mailed to Olive Owner, Mia Mate" in told(desk.get(there(incident)))
    fields = _form(desk, incident, "refuse")
    form = {"refuse-key": key(), "refuse-text": "Another one", **fields, "refuse-to": [str(cast.owner.pk)]}
    desk.post(there(incident, "refuse/"), form)
    assert mailed_to("reopening_refused") == [OLIVE]


def test_where_no_mail_reaches_anybody_the_page_says_so(cast: Cast, desk: Client, clock_at: datetime):
    caller = a_mate(cast.acme, "Cal Caller", email="")
    incident = opened(caller, at=clock_at)
    assert "nothing is mailed, it stands on their page only" in told(desk.get(there(incident)))
    assert "nobody was mailed" in _answer(desk, incident, {})
