"""How an incident ended, for its customer, and their own way to end it (D12, D15, D22)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.models import Incident
from incidents.services.silence import remind_and_close
from tests.cast import Cast
from tests.incidents.ending import closed_by, declined, taken_back
from tests.incidents_helpers import again, answered, opened, signed_in, steps
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D12")


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


def number(incident: Incident) -> str:
    """The ticket number as ``plain`` shows it."""
    return plain(incident.shown_number)


def there(incident: Incident, act: str = "") -> str:
    return f"/incidents/{incident.number}/{act}"


def said(cast: Cast, incident: Incident) -> str:
    return plain(signed_in(cast.owner).get(there(incident)).content.decode())


def test_closing_by_the_page(cast: Cast, incident: Incident):
    client = signed_in(cast.owner)
    words = plain(client.get(there(incident)).content.decode())
    assert "The points stay spent. If exactly the same problem comes back" in words
    for _time in range(2):
        answer = client.post(there(incident, "close/"), {"close-key": "0123456789", "close-text": ""}, follow=True)
        assert "The incident is closed." in plain(answer.content.decode())
    assert steps(incident).count("customer_closed") == 1
    assert "Olive Owner closed this incident." in plain(answer.content.decode())
    assert "No help needed any more?" not in plain(answer.content.decode())


def test_bad_input_stays_in_the_page(cast: Cast, clock_at: datetime, incident: Incident):
    client = signed_in(cast.owner)
    for given, words in (
        ({"close-key": "0123456789", "close-text": "x" * 100_001}, "100,001 characters long"),
        ({"close-key": "", "close-text": "Bye"}, "This field is required."),
        ({"close-key": "raw:00000001", "close-text": "Bye"}, "Enter a valid value."),
    ):
        answer = client.post(there(incident, "close/"), given)
        assert answer.status_code == 422
        assert words in plain(answer.content.decode())
        assert given["close-text"] in answer.content.decode()
    declined(incident, cast.technician, at=clock_at)
    answer = client.post(there(incident, "close/"), {"close-key": "0123456789", "close-text": "Bye"})
    assert answer.status_code == 422
    assert "This incident is declined by now. Your word is kept here" in plain(answer.content.decode())
    assert ">Bye</textarea>" in answer.content.decode().replace("\n", "")


@pytest.mark.rule("D21", "D22")
def test_nobody_closes_what_is_not_theirs(cast: Cast, incident: Incident):
    for who in (cast.restricted, cast.stranger, cast.technician):
        answer = signed_in(who).post(there(incident, "close/"), {"close-key": "0123456789"})
        assert answer.status_code == 404
    assert again(incident).status == "new"


@pytest.mark.rule("R11", "D15", "D3")
def test_a_declined_one_says_why_where_to_turn_and_what_is_back(cast: Cast, clock_at: datetime, incident: Incident):
    declined(incident, cast.technician, at=clock_at)
    words = said(cast, incident)
    assert "Declined: Performance tuning" in words
    assert "Professional Services" in words
    assert "10 points came back to you. 10 points, valid until 1 Dec 2027" in words
    assert "This is tuning." in words
    client = signed_in(cast.owner)
    client.post(there(incident, "message/"), {"key": "0123456789", "text": "It is a bug."})
    assert again(incident).messages.filter(text="It is a bug.").exists()


@pytest.mark.rule("D36")
def test_a_decline_that_was_taken_back_is_not_shown_as_one(cast: Cast, clock_at: datetime, incident: Incident):
    declined(incident, cast.technician, at=clock_at)
    taken_back(incident, cast.technician, at=clock_at)
    words = said(cast, incident)
    assert "Declined: Performance tuning" not in words
    assert "took the decline back: it was a mistake, and 10 points are spent again" in words


@pytest.mark.rule("D10")
def test_one_that_silence_closed_says_so(cast: Cast, clock_at: datetime, incident: Incident):
    answered(incident, cast.technician, at=clock_at)
    for days in (7, 14):
        remind_and_close(at=clock_at + timedelta(days=days))
    assert "We heard nothing for 10 business days, so this incident is closed." in said(cast, incident)


@pytest.mark.rule("D22", "D35")
def test_a_merged_one_leads_on_only_where_the_reader_may_go(cast: Cast, clock_at: datetime):
    mine, other = opened(cast.restricted, at=clock_at), opened(cast.owner, at=clock_at)
    closed_by(cast.restricted, mine, at=clock_at)
    Incident.objects.filter(pk=mine.pk).update(merged_into=other, merged_at=clock_at)
    led = signed_in(cast.owner).get(there(mine), follow=True)
    assert led.redirect_chain == [(there(other), 302)]
    assert f"{number(mine)} was merged into this incident" in plain(led.content.decode())
    words = plain(signed_in(cast.restricted).get(there(mine)).content.decode())
    assert "another one of your organisation" in words
    assert number(other) not in words
