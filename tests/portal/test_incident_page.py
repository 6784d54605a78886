"""One incident as its customer sees it: the conversation, the deadline and why, what it cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from incidents.models import Incident, Message
from incidents.services import conversation, opening, reopening
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, again, answered, key, opened, signed_in, with_points
from tests.portal.test_report import plain

HOUR = timedelta(hours=1)


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


def words(cast: Cast, incident: Incident, at: datetime) -> str:
    with clock.set_to(at):
        return plain(signed_in(cast.owner).get(f"/incidents/{incident.number}/").content.decode())


@pytest.mark.rule("R6", "D12", "D24")
def test_the_page_says_by_when_and_what_became_of_it(cast: Cast, at: datetime, incident: Incident):
    said = words(cast, incident, at)
    assert "A technician answers by Tuesday 1 December, 14:00 your time in New York" in said
    assert "Tue 1 Dec 10:00–14:00, 4:00" in said
    assert "10 spent From the lot until 1 Dec 2027 10" in said
    assert "late We owe you an answer since Tue 1 Dec, 14:00" in words(cast, incident, at + 5 * HOUR)
    answered(incident, cast.technician, at=at + 2 * HOUR)
    assert "in time answered Tue 1 Dec, 12:00" in words(cast, incident, at + 5 * HOUR)
    assert "your turn" in words(cast, incident, at + 5 * HOUR)


@pytest.mark.rule("D10")
def test_a_message_goes_in_once_and_bad_input_stays_in_the_page(cast: Cast, at: datetime, incident: Incident):
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    for text, said in (("", "Write something first."), ("x" * 200_000, "200,000 characters long")):
        answer = client.post(there, {"key": "0123456789", "text": text})
        assert answer.status_code == 422
        assert said in answer.content.decode()
        assert text in answer.content.decode()
    for given in ({"key": "open:0123456789"}, {"key": ""}):
        assert client.post(there, {"text": "Hello", **given}).status_code == 422
    for _time in range(2):
        assert client.post(there, {"key": "0123456789", "text": "More of it"}).status_code == 302
    answer = client.post(there, {"key": "0123456789", "text": "Something else"})
    assert answer.status_code == 422
    assert "This was sent before with another text." in answer.content.decode()
    assert "Something else" in answer.content.decode()
    assert [message.text for message in incident.messages.all()][1:] == ["More of it"]


@pytest.mark.rule("R13", "D16")
def test_a_closed_incident_is_asked_to_reopen_within_its_window(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    said = words(cast, incident, at + 2 * HOUR)
    assert "That is possible through 1 Mar 2027." in said
    assert "Ask to re-open" in said
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    last = datetime(2027, 3, 2, 4, 59, 59, tzinfo=UTC)
    with clock.set_to(last):
        answer = client.post(there, {"key": "0123456789", "text": "It is back"}, follow=True)
    assert "You asked to re-open it; a technician decides." in plain(answer.content.decode())
    assert again(incident).reopen_asked_at == last
    reopening.refuse(incident_id=incident.pk, reason="Another one", user=cast.technician, at=last, key=key())

    over = last + timedelta(seconds=1)
    said = words(cast, incident, over)
    assert "The 90 days in which it could be re-opened are over." in said
    assert "Ask to re-open" not in said
    with clock.set_to(over):
        answer = client.post(there, {"key": "9876543210", "text": "It is back again"}, follow=True)
    assert "this can no longer be re-opened. Please make a new report." in plain(answer.content.decode())
    assert Message.objects.filter(text="It is back again").exists(), "kept all the same"
    assert again(incident).reopen_asked_at is None


@pytest.mark.rule("D16")
def test_a_late_message_sent_twice_is_told_the_same_twice(cast: Cast, at: datetime, incident: Incident):
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    for _time in range(2):
        with clock.set_to(at + timedelta(days=100)):
            answer = client.post(there, {"key": "9876543210", "text": "It is back"}, follow=True)
        assert "Please make a new report." in plain(answer.content.decode())
        assert "Your message is with us." not in plain(answer.content.decode())
    assert OutgoingMail.objects.filter(kind="incident_reopening_too_late").count() == 1


@pytest.mark.rule("D22")
def test_steps_of_the_house_are_not_told(cast: Cast, at: datetime, incident: Incident):
    conversation.note(incident_id=incident.pk, text="CANARY", user=cast.technician, at=at, key=key())
    said = words(cast, incident, at + HOUR)
    for inside in ("CANARY", "took it", "note", "Warning", "Tess"):
        assert inside not in said
    answered(incident, cast.technician, at=at + HOUR)
    assert "Tess Technician" in words(cast, incident, at + HOUR)


@pytest.mark.parametrize("number", ["995", "0", "x", "%00", "104%20826", "٣٤٥٦٧", "9" * 400, "-1", "1e5"])
def test_numbers_that_are_none_are_not_there(cast: Cast, incident: Incident, number: str):
    client = signed_in(cast.owner)
    assert client.get(f"/incidents/{number}/").status_code == 404
    assert client.post(f"/incidents/{number}/message/", {"key": "0123456789", "text": "x"}).status_code == 404


@pytest.mark.parametrize("pk", ["0", "4000000", "9" * 30, "-1", "x", "%00"])
def test_drafts_that_are_none_are_not_there(cast: Cast, pk: str):
    client = signed_in(cast.owner)
    assert client.get(f"/drafts/{pk}/").status_code == 404
    assert client.post(f"/drafts/{pk}/open/").status_code == 404


@pytest.mark.rule("D8")
def test_a_draft_that_somebody_puts_away_meanwhile_is_not_there(
    cast: Cast, clock_at: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Two tabs: discarded between the look and the click."""
    draft = opening.report_problem(report=a_report(cast.owner), at=clock_at, key=key())
    with_points(cast.acme, 10, at=clock_at)
    real = opening.open_draft

    def late(**given):
        opening.discard_draft(draft_id=draft.pk, at=clock_at)
        return real(**given)

    monkeypatch.setattr(opening, "open_draft", late)
    assert signed_in(cast.owner).post(f"/drafts/{draft.pk}/open/").status_code == 404
    assert not Incident.objects.exists()
