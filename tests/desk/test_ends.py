"""Declining and taking back on the desk; what a declined customer writes stays in sight (R11, D15, D36)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from incidents import queue as queues
from incidents.models import Incident
from incidents.services import conversation
from incidents.services.silence import remind_and_close
from supportdesk import clock
from supportdesk.people.scope import scope_of
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents.crediting import decide, marked
from tests.incidents.ending import closed_by, declined, step_of, taken_back, wrote
from tests.incidents_helpers import again, answered, key, opened, signed_in, steps, with_points
from tests.portal.test_lists import queries
from tests.portal.test_report import plain

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.rule("D15", "D36")


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def form(**given: str) -> dict[str, str]:
    values = {"key": "0123456789", "reason": "tuning", "text": "This is tuning."} | given
    return {f"decline-{name}": value for name, value in values.items()}


def number(incident: Incident) -> str:
    """The ticket number as ``plain`` shows it."""
    return plain(incident.shown_number)


# Declining


@pytest.mark.rule("R11", "D3")
def test_the_page_says_what_comes_back_and_offers_the_usual_words(cast: Cast, incident: Incident, desk: Client):
    answer = desk.get(there(incident))
    assert "What comes back 10 points, valid until 1 Dec 2027 Decline and give back 10 points" in told(answer)
    body = answer.content.decode()
    words = re.findall(r'name="decline-reason" value="(\w+)" data-words="([^"]*)"', body)
    assert [kind for kind, _said in words] == ["tuning", "architecture", "capacity", "other_vendor", "other"]
    assert all(bool(said) == (kind != "other") for kind, said in words)


def test_declining_by_the_page(cast: Cast, incident: Incident, desk: Client):
    for _time in range(2):
        answer = desk.post(there(incident, "decline/"), form(), follow=True)
        assert "It is declined, and the customer is told where to turn." in told(answer)
    assert steps(incident).count("declined") == 1
    said = told(answer)
    assert "Tess Technician declined it: Performance tuning. 10 points went back to the customer." in said
    assert "declined it and gave back 10 points: Performance tuning" in said
    assert "Take the decline back, spend 10 points again A mistake is taken back for 60 more minutes." in said
    assert "Decline and give back" not in said


def test_without_words_the_usual_ones_are_shown_before_they_are_sent(cast: Cast, incident: Incident, desk: Client):
    answer = desk.post(there(incident, "decline/"), form(text=" "))
    assert answer.status_code == 422
    assert "General and incremental performance tuning" in answer.context["decline_form"]["text"].value()
    assert "These are the usual words." in told(answer)
    assert again(incident).status == "new"
    assert "Say why: the customer reads it." in told(
        desk.post(there(incident, "decline/"), form(text="", reason="other"))
    )


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"reason": ""}, "reason", "Choose what it is declined as."),
        ({"reason": "feature"}, "reason", "Choose what it is declined as."),
        ({"text": "x" * 100_001}, "text", "100,001 characters long"),
        ({"key": "raw:00000001"}, "key", "Enter a valid value."),
    ],
)
def test_bad_input_is_said_at_its_field(
    cast: Cast, incident: Incident, desk: Client, given: dict[str, str], field: str, said: str
):
    answer = desk.post(there(incident, "decline/"), form(**given))
    assert answer.status_code == 422
    assert list(answer.context["decline_form"].errors) == [field]
    assert said in told(answer)
    assert again(incident).status == "new"


def test_a_stale_page_stops_and_keeps_what_was_typed(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    seen = str(incident.messages.get().pk)
    wrote(cast.owner, incident, at=clock_at, text="Oh, and it crashes.")
    answer = desk.post(there(incident, "decline/"), form(seen=seen))
    assert answer.status_code == 422
    assert "Olive Owner wrote while you did" in told(answer)
    assert "This is tuning." in answer.content.decode()
    again_ = dict(re.findall(r'name="(decline-\w+)" value="([^"]*)"', answer.content.decode()))
    assert desk.post(there(incident, "decline/"), form(seen=again_["decline-seen"])).status_code == 302


@pytest.mark.rule("D17")
def test_refusals_have_words(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    case = marked(incident, cast, at=clock_at)
    assert "the bug QM-4518: an admin decides" in told(desk.post(there(incident, "decline/"), form()))
    decide(case, cast, at=clock_at)
    said = told(desk.get(there(incident)))
    assert "What it cost was given back before: nothing comes back a second time." in said
    answered(incident, cast.colleague, at=clock_at, then="closed")
    answer = desk.post(there(incident, "decline/"), form())
    assert "This incident is closed by now; nothing was sent." in told(answer)
    assert "This is tuning." in answer.content.decode()


def test_a_contact_without_an_address_is_to_be_called(cast: Cast, incident: Incident, desk: Client):
    cast.owner.email, cast.owner.phone = "", "+12125550100"
    cast.owner.save()
    assert "tell them on the phone" in told(desk.post(there(incident, "decline/"), form(), follow=True))


# Taking back


def test_taking_back_by_the_page(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    answered(incident, cast.technician, at=clock_at, then="closed")
    with clock.set_to(clock_at + 17 * MINUTE):
        answer = desk.get(there(incident))
        assert "Take the closure back A mistake is taken back for 43 more minutes." in told(answer)
        (step,) = re.findall(r'name="step" value="(\d+)"', answer.content.decode())
        for _time in range(2):
            answer = desk.post(there(incident, "take-back/"), {"step": step}, follow=True)
            assert "Taken back: it is as before, and the customer is told." in told(answer)
    assert steps(incident).count("taken_back") == 1
    assert "Tess Technician took the closure back: it was a mistake" in told(answer)


def test_the_button_is_there_for_an_hour(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    closed_by(cast.owner, incident, at=clock_at)
    step = str(step_of(incident, "customer_closed").pk)
    with clock.set_to(clock_at + HOUR):
        assert "for less than a minute more" in told(desk.get(there(incident)))
    with clock.set_to(clock_at + HOUR + timedelta(microseconds=1)):
        assert "Take the closure back" not in told(desk.get(there(incident)))
        answer = desk.post(there(incident, "take-back/"), {"step": step}, follow=True)
        assert "The hour in which a mistake is taken back is over." in told(answer)
    assert again(incident).status == "closed"


@pytest.mark.parametrize("step", ["", "x", "-1", "9" * 40, "0"])
def test_a_step_that_is_none_takes_nothing_back(cast: Cast, clock_at: datetime, incident: Incident, desk: Client, step):
    answered(incident, cast.technician, at=clock_at, then="closed")
    answer = desk.post(there(incident, "take-back/"), {"step": step}, follow=True)
    assert "it is not taken back any more" in told(answer)


@pytest.mark.rule("R3")
def test_missing_points_are_named(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    declined(incident, cast.technician, at=clock_at)
    opened(cast.owner, at=clock_at, points=0)
    with_points(cast.acme, 4, at=clock_at)
    step = str(step_of(incident, "declined").pk)
    answer = desk.post(there(incident, "take-back/"), {"step": step}, follow=True)
    assert "Needs 10 points, 4 on hand. Nothing was changed." in told(answer)


def test_undo_after_closing(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    answered(incident, cast.technician, at=clock_at)
    answer = desk.post(there(incident, "close/"), follow=True)
    assert f"{number(incident)} is closed. Undo" in told(answer)
    toast = re.search(r'class="toast".*?action="([^"]+)".*?name="step" value="(\d+)"', answer.content.decode(), re.S)
    assert toast is not None
    assert "Undo" not in told(desk.get("/desk/")), "once"
    desk.post(toast[1], {"step": toast[2]})
    assert again(incident).status == "waiting"


# What became of it


@pytest.mark.rule("D10", "D12", "D35")
def test_the_page_says_how_it_ended(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    other = opened(cast.owner, at=clock_at)
    answered(other, cast.technician, at=clock_at)
    closed_by(cast.owner, incident, at=clock_at)
    assert "Olive Owner, the customer, closed it." in told(desk.get(there(incident)))
    remind_and_close(at=clock_at + timedelta(days=7))
    with clock.set_to(clock_at + timedelta(days=7)):
        assert "The customer was reminded" in told(desk.get(there(other)))
    remind_and_close(at=clock_at + timedelta(days=14))
    assert "the customer was silent for 10 business days" in told(desk.get(there(other)))
    Incident.objects.filter(pk=incident.pk).update(merged_into=other, merged_at=clock_at)
    led = desk.get(there(incident), follow=True)
    assert led.redirect_chain == [(there(other), 302)]
    assert f"{number(incident)} was merged into this incident." in told(led)


@pytest.mark.rule("D10", "D16")
def test_what_a_declined_customer_writes_is_in_the_queue_until_somebody_notes_it(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    scope = scope_of(cast.technician)
    declined(incident, cast.technician, at=clock_at)
    assert queues.counts(scope, at=clock_at).all == 0
    wrote(cast.owner, incident, at=clock_at + MINUTE)
    asks = opened(cast.owner, at=clock_at)
    answered(asks, cast.technician, at=clock_at, then="closed")
    wrote(cast.owner, asks, at=clock_at + 2 * MINUTE)
    with clock.set_to(clock_at + 3 * MINUTE):
        numbers = queues.counts(scope, at=clock_at + 3 * MINUTE)
        assert (numbers.all, numbers.decide, numbers.us) == (2, 2, 0)
        (group,) = queues.queue(scope, view="decide", at=clock_at + 3 * MINUTE, numbers=numbers)
        assert [row.incident for row in group.rows] == [incident, asks], "by how long they wait"
        said = told(desk.get("/desk/queue/decide/"))
        assert f"wrote 0:02 ago {number(incident)} declined" in said
        assert f"asked 0:01 ago {number(asks)} re-open" in said
        assert "The customer wrote since." in told(desk.get(there(incident)))
    conversation.note(incident_id=incident.pk, text="Called them.", user=cast.technician, at=clock_at, key=key())
    assert queues.counts(scope, at=clock_at).decide == 1
    assert again(incident).status == "declined"


@pytest.mark.rule("D10")
def test_a_note_on_what_is_open_leaves_the_customer_waiting(cast: Cast, clock_at: datetime, incident: Incident):
    answered(incident, cast.technician, at=clock_at)
    wrote(cast.owner, incident, at=clock_at)
    conversation.note(incident_id=incident.pk, text="Hm.", user=cast.technician, at=clock_at, key=key())
    assert again(incident).wrote_at == clock_at


def test_taking_back_takes_it_out_of_what_is_to_decide(cast: Cast, clock_at: datetime, incident: Incident):
    declined(incident, cast.technician, at=clock_at)
    wrote(cast.owner, incident, at=clock_at)
    taken_back(incident, cast.technician, at=clock_at)
    numbers = queues.counts(scope_of(cast.technician), at=clock_at)
    assert (numbers.decide, numbers.all) == (0, 1)


def test_the_queue_needs_as_many_queries_for_many_as_for_one(cast: Cast, clock_at: datetime, desk: Client):
    def more(times: int) -> None:
        for _time in range(times):
            made = opened(cast.owner, at=clock_at)
            declined(made, cast.technician, at=clock_at)
            wrote(cast.owner, made, at=clock_at)

    more(1)
    desk.get("/desk/")  # the session is made by the first page
    one = queries(desk, "/desk/")
    more(10)
    assert queries(desk, "/desk/") == one


def test_words_on_declined_incidents_are_found_by_an_index(cast: Cast, clock_at: datetime):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        found = Incident.objects.filter(queues.ASKED | queues.OBJECTED)
        plan = found.explain()
    assert "incident_objected" in plan
    assert "incident_decide" in plan
