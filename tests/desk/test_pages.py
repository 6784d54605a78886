"""One incident on the desk, finding one, and held mail: what is said when something does not go."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from incidents.models import HeldMail, Incident, Message
from incidents.numbers import grouped
from incidents.services import conversation
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail, RawMail
from tests.cast import Cast
from tests.incidents_helpers import again, answered, at_once, delivered, key, mailed, opened, signed_in
from tests.portal.test_report import plain

HOUR = timedelta(hours=1)


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def there(incident: Incident, act: str = "") -> str:
    return f"/desk/incidents/{incident.number}/{act}"


def told(answer: object) -> str:
    """The words of a page that was led to."""
    return plain(answer.content.decode())  # type: ignore[attr-defined]


@pytest.mark.rule("D9")
@pytest.mark.parametrize("typed", ["{0}", " {0} ", "#{0}", "{1}", "{2}", "[{1}]", "ticket {0}", "{0}\x00"])
def test_a_ticket_number_is_found_however_it_is_typed(incident: Incident, desk: Client, typed: str):
    spaced = f"{incident.number[:3]}-{incident.number[3:]}"
    query = typed.format(incident.number, grouped(incident.number), spaced)
    assert desk.get("/desk/find/", {"q": query})["Location"] == there(incident)


@pytest.mark.rule("D9")
@pytest.mark.parametrize("wrong", ["", "x", "995", "1" * 200, "<b>", "٣"])
def test_a_number_that_is_none_is_said_to_be_none(incident: Incident, desk: Client, wrong: str):
    answer = desk.get("/desk/find/", {"q": wrong}, follow=True)
    assert answer.redirect_chain == [("/desk/", 302)]
    said = "No incident has the ticket number" if any(c in "0123456789" for c in wrong) else "Type a ticket number"
    assert said in told(answer)
    off_by_one = incident.number[:-1] + str((int(incident.number[-1]) + 1) % 10)
    assert "a single wrong one is never another number" in told(desk.get("/desk/find/", {"q": off_by_one}, follow=True))


@pytest.mark.parametrize("number", ["995", "0", "x", "%00", "104%20826", "9" * 400, "-1"])
def test_numbers_that_are_none_are_not_there(incident: Incident, desk: Client, number: str):
    assert desk.get(f"/desk/incidents/{number}/").status_code == 404
    for act in ("take", "hand-over", "answer", "note", "close", "reopen", "refuse"):
        assert desk.post(f"/desk/incidents/{number}/{act}/").status_code == 404


@pytest.mark.rule("D21", "D24")
def test_the_page_says_both_times_points_and_the_customer(cast: Cast, incident: Incident, desk: Client):
    words = told(desk.get(there(incident)))
    assert "due 14:00 in New York, Wed 0:30 for you" in words
    assert "Due in New York Tue 1 Dec, 14:00 Due for you Wed 2 Dec, 0:30 in Kolkata" in words
    assert "0 on hand" in words
    assert "Olive Owner E-mail olive@acme.example Edition Enterprise Edition Owner nobody" in words


@pytest.mark.rule("D11")
def test_an_answer_by_the_page(cast: Cast, incident: Incident, desk: Client):
    form = {"answer-key": "0123456789", "answer-text": "Try this.", "answer-then": "waiting"}
    for _time in range(2):
        assert "The answer is on its way." in told(desk.post(there(incident, "answer/"), form, follow=True))
    assert incident.messages.filter(kind="answer").count() == 1
    assert again(incident).owner == cast.technician
    assert "on its way to olive@acme.example" in told(desk.get(there(incident)))
    answer = desk.post(there(incident, "answer/"), form | {"answer-text": "Try that."})
    assert answer.status_code == 422
    assert "This form was sent before with other content." in told(answer)
    assert "Try that." in answer.content.decode()


@pytest.mark.parametrize(
    ("form", "given", "field", "said"),
    [
        ("answer", {"text": ""}, "text", "Write the answer first."),
        ("answer", {"text": "x" * 200_000}, "text", "200,000 characters long"),
        ("answer", {"text": "a\x00b"}, "text", "Null characters are not allowed."),
        ("answer", {"then": "declined"}, "then", "Select a valid choice."),
        ("answer", {"then": ""}, "then", "This field is required."),
        ("answer", {"key": "raw:00000001"}, "key", "Enter a valid value."),
        ("note", {"text": ""}, "text", "Write the note first."),
        ("note", {"text": "x" * 200_000}, "text", "200,000 characters long"),
        ("note", {"key": ""}, "key", "This field is required."),
        ("refuse", {"text": ""}, "text", "Say why: the customer reads it."),
        ("refuse", {"key": ""}, "key", "This field is required."),
    ],
)
def test_bad_input_is_said_at_its_field_and_stays(
    cast: Cast,
    clock_at: datetime,
    incident: Incident,
    desk: Client,
    form: str,
    given: dict[str, str],
    field: str,
    said: str,
):
    if form == "refuse":
        _asked(cast, incident, at=clock_at)
    before = (Message.objects.count(), OutgoingMail.objects.count())
    data = {"key": "0123456789", "text": "What I wrote", "then": "waiting"} | given
    answer = desk.post(there(incident, f"{form}/"), {f"{form}-{name}": value for name, value in data.items()})
    assert answer.status_code == 422
    assert list(answer.context[f"{form}_form"].errors) == [field]
    assert said in plain(answer.content.decode())
    assert data["text"] in answer.content.decode()
    assert (Message.objects.count(), OutgoingMail.objects.count()) == before


@pytest.mark.rule("D10", "D11")
def test_acts_that_came_too_late_say_so(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    assert "The customer waits for an answer." in told(desk.post(there(incident, "close/"), follow=True))
    answered(incident, cast.colleague, at=clock_at, then="closed")
    for act, said in (
        ("take/", "This incident is closed: nobody takes it."),
        ("close/", "This incident is closed by now; nothing was sent."),
        ("reopen/", "Nobody asks to re-open this incident any more: somebody else has decided."),
    ):
        assert said in told(desk.post(there(incident, act), follow=True))
    assert again(incident).status == "closed"


def test_what_was_written_too_late_is_not_lost(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    answered(incident, cast.colleague, at=clock_at, then="closed")
    form = {"answer-key": "0123456789", "answer-text": "My long answer", "answer-then": "waiting"}
    page = desk.post(there(incident, "answer/"), form).content.decode()
    assert "My long answer" in page
    assert "This incident is closed by now; nothing was sent." in page
    page = desk.post(
        there(incident, "refuse/"), {"refuse-key": "0123456789", "refuse-text": "My reason"}
    ).content.decode()
    assert "My reason" in page
    assert "Nobody asks to re-open this incident any more" in page


@pytest.mark.rule("D10")
def test_taking_what_somebody_has(cast: Cast, incident: Incident, desk: Client):
    signed_in(cast.colleague).post(there(incident, "take/"))
    assert "Carl Colleague was faster and has it now." in told(desk.post(there(incident, "take/"), follow=True))
    assert again(incident).owner == cast.colleague
    desk.post(there(incident, "take/"), {"to": cast.technician.pk})
    assert again(incident).owner == cast.technician
    assert "Carl Colleague has it now." in told(
        desk.post(there(incident, "hand-over/"), {"to": cast.colleague.pk}, follow=True)
    )


@pytest.mark.rule("D22")
@pytest.mark.parametrize("to", ["", "x", "0", "4000000", "9" * 30, "9" * 5000, "-1", "customer"])
def test_handing_over_to_nobody(cast: Cast, incident: Incident, desk: Client, to: str):
    wanted = cast.stranger.user_id if to == "customer" else to
    assert desk.post(there(incident, "hand-over/"), {"to": wanted}).status_code == (404 if wanted else 302)
    assert again(incident).owner is None


@pytest.mark.rule("D10")
def test_two_clicks_at_once_are_one_owner(committed_cast: Cast, at: datetime):
    incident = opened(committed_cast.owner, at=at)
    clients = [signed_in(committed_cast.technician), signed_in(committed_cast.colleague)]

    def take(client: Client) -> str:
        with clock.set_to(at):
            return told(client.post(there(incident, "take/"), follow=True))

    said = at_once(*[lambda client=client: take(client) for client in clients])
    assert sum("was faster and has it now." in words for words in said) == 1


def _asked(cast: Cast, incident: Incident, *, at: datetime) -> None:
    answered(incident, cast.technician, at=at, then="closed")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Back", via="mail", at=at, key=key()
    )


@pytest.mark.rule("D16")
def test_deciding_on_a_reopening_by_the_page(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    _asked(cast, incident, at=clock_at)
    assert "Re-open it?" in told(desk.get(there(incident)))
    form = {"refuse-key": "0123456789", "refuse-text": "Another disk"}
    for _time in range(2):
        assert "It stays closed, and the customer is told why." in told(
            desk.post(there(incident, "refuse/"), form, follow=True)
        )
    assert OutgoingMail.objects.filter(kind="incident_reopening_refused").count() == 1
    other = opened(cast.owner, at=clock_at)
    _asked(cast, other, at=clock_at)
    assert desk.post(there(other, "refuse/"), form | {"refuse-text": "And another"}).status_code == 422
    desk.post(there(other, "reopen/"))
    assert again(other).status == "open"


@pytest.mark.rule("D26")
def test_held_mail_is_attached_by_its_number_or_put_away(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    def held(text: str) -> HeldMail:
        return HeldMail.objects.get(raw_mail=mailed(sender="x@strange.example", at=clock_at, text=text))

    mail = held("From my private address")
    page = told(desk.get("/desk/held/"))
    assert "From my private address" in page
    assert "no contact has this address" in page
    attach = f"/desk/held/{mail.pk}/attach/"
    for wrong in ("", "995", "x", "9" * 300, "\x00"):
        missed = desk.post(attach, {"number": wrong})
        assert missed.status_code == 422
        assert "No incident has this ticket number. The mail is still held." in told(missed)
        assert f'value="{wrong[:100]}"' in missed.content.decode() or "\0" in wrong
    answer = desk.post(attach, {"number": f"#{grouped(incident.number)} ", "confirmed": "1"}, follow=True)
    assert "Attached to" in told(answer)
    assert incident.messages.filter(text="From my private address").count() == 1
    again = desk.post(attach, {"number": incident.number}, follow=True)
    assert "Tess Technician has attached this mail meanwhile. Nothing was changed." in told(again)

    empty = held("")
    words = told(desk.post(f"/desk/held/{empty.pk}/attach/", {"number": incident.number, "confirmed": "1"}))
    assert "The mail has no text that could be attached. It is still held." in words
    words = told(desk.post(f"/desk/held/{empty.pk}/discard/", follow=True))
    assert "its source stays stored" in words
    assert "No mail is held." in words
    assert RawMail.objects.count() == 2


def test_held_mail_of_any_bytes_can_be_looked_at(cast: Cast, clock_at: datetime, desk: Client):
    for source in (b"", b"\x00\xff", b"From: (" * 999, b"Content-Type: multipart/mixed\n\n"):
        delivered(source, at=clock_at)
    answer = desk.get("/desk/held/")
    assert answer.status_code == 200
    assert answer.content.decode().count('name="mail"') == HeldMail.objects.count() >= 3
    for mail in HeldMail.objects.all():
        assert desk.get(f"/desk/held/{mail.pk}/").status_code == 200
