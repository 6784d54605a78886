"""A case is divided: each further problem is an incident of its own, all or nothing (R9, D14)."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents import access
from incidents.dividing import Flaw, Part
from incidents.mails import sending, splits
from incidents.models import Attachment, Release
from incidents.numbers import typed
from incidents.services import conversation, parts, splitting
from incidents.services.common import KeyReused, NotAllowed
from incidents.stories import say
from points.models import Charge, Lot
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Edition
from supportdesk.people.scope import scope_of_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.splitting import a_file, divided, first_message, offspring, parts_of, rows
from tests.incidents_helpers import again, answered, key, opened, steps, with_points

pytestmark = pytest.mark.rule("R9", "D14")
LATER = timedelta(minutes=30)


@pytest.mark.rule("R1", "R3", "R6", "D9")
def test_each_part_is_an_incident_of_its_own(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=44)
    then = at + LATER
    proposal = divided(incident, cast.technician, at=then, kept_subject="Mail is late")

    assert (proposal.state, proposal.settled_by, proposal.accepted_by) == ("accepted", cast.technician, None)
    kept = again(incident)
    assert (kept.subject, kept.status, kept.number) == ("Mail is late", "new", incident.number)
    assert kept.clocks.get().clock.started_at == at
    first, second = offspring(incident)
    assert [part.subject for part in (first, second)] == ["Calendars are missing", "Search finds nothing"]
    assert len({incident.number, first.number, second.number}) == 3
    for part in (first, second):
        assert (part.customer, part.contact, part.channel, part.kind) == (cast.acme, cast.owner, "email", incident.kind)
        assert (part.release, part.status, part.owner) == (incident.release, "new", cast.technician)
        assert (part.origin, part.origin_kind) == (incident, "split")
        charge, clock = part.charges.get(current=True).charge, part.clocks.get(current=True).clock
        assert (charge.points, charge.reference, charge.channel) == (10, part.number, "email")
        assert (clock.started_at, clock.due_at, clock.outcome) == (then, then + timedelta(hours=4), "running")
    assert balance(customer_id=cast.acme.pk, at=then) == 14
    assert list(proposal.parts.values_list("position", "incident")) == [(0, None), (1, first.pk), (2, second.pk)]


def test_the_steps_lead_both_ways(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=30)
    divided(incident, cast.technician, at=at, kept_subject="Mail is late")
    first, second = offspring(incident)
    step = incident.timeline.get(code="split")
    assert step.data["parts"] == [first.pk, second.pk]
    assert step.data["renamed"] is True
    said = f"Tess Technician split it: {first.shown_number} and {second.shown_number} are incidents of their own"
    assert say(step) == said
    assert steps(first) == ["split_off", "number_mailed"]
    stored = json.dumps([list(one.timeline.values_list("data")) for one in (incident, first)])
    for word in ("Mail", "Calendars", "stops", "Tess", "Olive"):
        assert word not in stored
    assert say(first.timeline.get(code="split_off")) == f"Tess Technician split it off {incident.shown_number}"


@pytest.mark.rule("R7", "D11")
def test_one_mail_a_part_and_one_that_names_all(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=30)
    OutgoingMail.objects.update(sent_at=at)
    divided(incident, cast.technician, at=at)
    first, second = offspring(incident)
    own = OutgoingMail.objects.filter(kind="incident_split_off").order_by("pk")
    assert [mail.to_address for mail in own] == ["olive@acme.example"] * 2
    assert first.number in typed(own[0].subject)
    assert "Calendars are missing" in own[0].subject
    for text in (own[0].text, own[0].html):
        assert f"A part of {incident.shown_number} is an incident of its own now." in text
        assert "Tuesday 1 December, 14:00" in text
        assert "10 spent, 10 left" in text
    assert "10 spent, 0 left" in own[1].text
    whole = OutgoingMail.objects.get(kind="incident_split")
    for text in (whole.text, whole.html):
        for part in (incident, first, second):
            assert part.shown_number in text
            assert part.subject in text
            assert f"/incidents/{part.number}/" in text
    assert again(incident).clocks.get().clock.answered_at is None
    assert incident.clocks.get().clock.outcome == "running"


@pytest.mark.rule("D11", "D22")
def test_copies_keep_author_time_and_kind_and_are_no_response(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=20)
    conversation.note(incident_id=incident.pk, text="In the house", user=cast.colleague, at=at, key=key())
    answered(incident, cast.colleague, at=at + LATER, text="Which calendars?")
    stays = conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Of the mail alone", via="portal", at=at + LATER, key=key()
    ).message
    report, note, answer, _stays = incident.messages.order_by("pk")
    asked = Part(subject="Calendars", message_ids=(answer.pk, note.pk, report.pk))
    divided(incident, cast.technician, at=at + 2 * LATER, parts=[asked])

    (part,) = offspring(incident)
    kept = ("kind", "via", "contact", "user", "text", "at")
    copies = list(part.messages.order_by("at", "pk"))
    assert [copy.copied_from for copy in copies] == [report, note, answer]
    for copy, message in zip(copies, (report, note, answer), strict=True):
        assert [getattr(copy, name) for name in kept] == [getattr(message, name) for name in kept]
        assert (copy.raw_mail, copy.written_on) == (None, None)
    assert incident.messages.count() == 4
    assert not stays.copies.exists()
    # The note is a note there, too: no customer reads it.
    assert note.text not in [message.text for message in access.messages_for(scope_of_contact(cast.owner), part)]
    clock = part.clocks.get().clock
    assert (part.status, clock.answered_at, clock.outcome) == ("new", None, "running")
    assert (part.owner, part.wrote_at) == (cast.colleague, None)


def test_files_are_copied_as_rows_of_their_own(cast: Cast, at: datetime):
    incident = opened(cast.restricted, at=at, points=30)
    message = first_message(incident)
    inline, log = a_file(message, name="shot.png", picture="png"), a_file(message)
    chosen = Part(subject="Calendars", message_ids=(message.pk,), file_ids=(inline.pk,))
    divided(incident, cast.technician, at=at, parts=[chosen, *parts_of(incident, "Search")])

    first, second = offspring(incident)
    copy = Attachment.objects.get(message__incident=first)
    assert (copy.stored, copy.name, copy.size, copy.picture) == (inline.stored, "shot.png", 7, "png")
    assert (copy.digest, copy.contact, copy.uploaded_at) == (inline.digest, cast.restricted, inline.uploaded_at)
    assert copy.token != inline.token
    assert copy.message is not None
    assert copy.message.copied_from == message
    assert not Attachment.objects.filter(message__incident=second).exists()
    assert list(message.files.all()) == [inline, log]


@pytest.mark.rule("D21")
def test_the_parts_of_a_restricted_contact_are_theirs(cast: Cast, at: datetime):
    incident = opened(cast.restricted, at=at, points=20)
    divided(incident, cast.technician, "Calendars", at=at)
    (part,) = offspring(incident)
    assert part.contact == cast.restricted
    assert part in access.incidents_for(scope_of_contact(cast.restricted))
    assert part not in access.incidents_for(scope_of_contact(cast.stranger))
    told = OutgoingMail.objects.filter(kind__startswith="incident_").values_list("to_address", flat=True)
    assert set(told) == {"rufus@acme.example"}


@pytest.mark.rule("R1")
def test_parts_of_a_call_cost_what_a_call_costs(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=65, channel="phone")
    divided(incident, cast.technician, "Calendars", at=at)
    (part,) = offspring(incident)
    assert (part.channel, part.charges.get().charge.points) == ("phone", 30)
    assert balance(customer_id=cast.acme.pk, at=at) == 5


@pytest.mark.rule("D2")
def test_the_lots_that_end_first_pay_the_first_part(cast: Cast, at: datetime):
    with_points(cast.acme, 14, at=at - timedelta(days=100))
    incident = opened(cast.owner, at=at, points=16)
    divided(incident, cast.technician, at=at)
    drawn = [
        list(part.charges.get().charge.entries.order_by("pk").values_list("points", flat=True))
        for part in offspring(incident)
    ]
    assert drawn == [[-4, -6], [-10]]


@pytest.mark.rule("R4", "R12", "D19")
def test_what_was_opened_in_time_is_divided_in_time(cast: Cast, at: datetime):
    """The release went out of support, and the customer to the Community Edition: the case was there before."""
    incident = opened(cast.owner, at=at, points=60, channel="phone")
    Release.objects.filter(pk=incident.release_id).update(supported_until=date(2026, 12, 1))
    cast.acme.edition = Edition.COMMUNITY
    cast.acme.save()
    divided(incident, cast.technician, "Calendars", at=at + timedelta(days=3))
    (part,) = offspring(incident)
    assert (part.release, part.channel) == (incident.release, "phone")


def test_who_has_left_works_on_no_part(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=30)
    type(incident).objects.filter(pk=incident.pk).update(owner=cast.colleague)
    cast.colleague.is_active = False
    cast.colleague.save()
    divided(incident, cast.technician, "Calendars", at=at)
    assert [part.owner for part in offspring(incident)] == [cast.technician]


@pytest.mark.rule("R14", "D17")
def test_credits_are_decided_one_by_one(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=30)
    divided(incident, cast.technician, at=at)
    first, second = offspring(incident)
    decide(marked(first, cast, at=at), cast, at=at + LATER)
    credit = Lot.objects.get(origin="credit")
    assert (credit.points, credit.from_charge) == (10, first.charges.get().charge)
    assert balance(customer_id=cast.acme.pk, at=at + LATER) == 10
    for other in (incident, second):
        assert not other.credit_cases.exists()


# All or nothing


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("where", "broken", "at_call"),
    [
        (parts, "begin", 2),
        (parts, "_copy", 2),
        (splits, "send", 2),
        (sending, "queue_mail", 3),
        (splitting, "settle", 1),
    ],
)
def test_a_fault_halfway_leaves_nothing(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, where: ModuleType, broken: str, at_call: int
):
    incident = opened(cast.owner, at=at, points=30)
    before = (rows(), list(type(incident).objects.values()), list(Lot.objects.values()))
    real, calls = getattr(where, broken), iter(range(1, 100))

    def fail(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == at_call:
            raise RuntimeError("it fails halfway")
        return real(*args, **kwargs)

    monkeypatch.setattr(where, broken, fail)
    with pytest.raises(RuntimeError):
        divided(incident, cast.technician, at=at, kept_subject="Another")
    assert (rows(), list(type(incident).objects.values()), list(Lot.objects.values())) == before


def test_the_same_split_sent_again_is_the_same(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=60)
    first = divided(incident, cast.technician, at=at, key="a key of the form")
    before = rows()
    assert divided(incident, cast.technician, at=at + LATER, key="a key of the form") == first
    assert rows() == before
    for given in (
        {"kept_subject": "Another"},
        {"parts": parts_of(incident, "Calendars are missing")},
        {"parts": parts_of(incident, "Calendars are missing", "Something else")},
        {"parts": [Part(subject="Calendars are missing"), Part(subject="Search finds nothing")]},
    ):
        with pytest.raises(KeyReused):
            divided(incident, cast.technician, at=at, key="a key of the form", **given)
    assert rows() == before


def test_a_part_can_be_divided_again_and_so_can_the_rest(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=60)
    divided(incident, cast.technician, "Calendars", at=at)
    (part,) = offspring(incident)
    divided(part, cast.technician, "Calendars of phones", at=at)
    divided(incident, cast.technician, "Search", at=at)
    assert [child.subject for child in offspring(incident)] == ["Calendars", "Search"]
    assert [child.subject for child in offspring(part)] == ["Calendars of phones"]


@pytest.mark.parametrize("end", ["closed", "declined", "merged"])
def test_what_has_ended_is_not_divided(cast: Cast, at: datetime, end: str):
    incident = opened(cast.owner, at=at, points=60)
    if end == "closed":
        answered(incident, cast.technician, at=at, then="closed")
    else:
        values: dict[str, Any] = {"status": "declined", "closed_at": at}
        if end == "merged":
            other = opened(cast.owner, at=at)
            values = {"status": "closed", "closed_at": at, "merged_into": other, "merged_at": at}
        type(incident).objects.filter(pk=incident.pk).update(**values)
    before = rows()
    with pytest.raises(NotAllowed):
        divided(incident, cast.technician, at=at)
    assert rows() == before


@pytest.mark.rule("D10")
def test_a_page_that_is_stale_divides_nothing(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=60)
    seen = incident.timeline.order_by("pk").values_list("pk", flat=True).last()
    conversation.note(incident_id=incident.pk, text="In the house", user=cast.colleague, at=at, key=key())
    written = conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="And one more", via="portal", at=at, key=key()
    ).message
    before = rows()
    with pytest.raises(splitting.Overtaken) as overtaken:
        divided(incident, cast.technician, at=at, seen=seen)
    assert [(step.code, step.data["message"]) for step in overtaken.value.steps] == [("customer_wrote", written.pk)]
    assert rows() == before
    divided(incident, cast.technician, at=at, seen=overtaken.value.steps[-1].pk)


# What cannot be divided like that


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({"parts": []}, [(0, Flaw.NO_PARTS)]),
        ({"kept_subject": " "}, [(0, Flaw.NO_TITLE)]),
        ({"kept_subject": "x" * 201}, [(0, Flaw.LONG_TITLE)]),
        ({"kept_subject": "calendars are MISSING"}, [(1, Flaw.SAME_TITLE)]),
    ],
)
def test_what_is_wrong_with_the_whole(
    cast: Cast, at: datetime, given: dict[str, Any], problems: list[tuple[int, Flaw]]
):
    incident = opened(cast.owner, at=at, points=60)
    before = rows()
    with pytest.raises(splitting.CannotDivide) as refused:
        divided(incident, cast.technician, at=at, **given)
    assert [(problem.position, problem.flaw) for problem in refused.value.problems] == problems
    assert rows() == before


def test_all_that_is_wrong_with_the_parts_is_said_at_once(cast: Cast, at: datetime):
    incident, other = opened(cast.owner, at=at, points=60), opened(cast.stranger, at=at)
    note = conversation.note(incident_id=incident.pk, text="In the house", user=cast.colleague, at=at, key=key())
    mine, theirs = first_message(incident), first_message(other)
    file = a_file(mine)
    asked = [
        Part(subject="", message_ids=(mine.pk,)),
        Part(subject="x" * 201, message_ids=()),
        Part(subject="Search", message_ids=(mine.pk, theirs.pk)),
        Part(subject="SEARCH", message_ids=(note.pk,)),
        Part(subject="A file alone", message_ids=(note.pk,), file_ids=(file.pk,)),
        Part(subject="A file of another", message_ids=(mine.pk,), file_ids=(a_file(theirs).pk,)),
    ]
    before = rows()
    with pytest.raises(splitting.CannotDivide) as refused:
        divided(incident, cast.technician, at=at, parts=asked)
    assert {(problem.position, problem.flaw) for problem in refused.value.problems} == {
        (1, Flaw.NO_TITLE),
        (2, Flaw.LONG_TITLE),
        (2, Flaw.NO_MESSAGE),
        (3, Flaw.NOT_ITS_MESSAGE),
        (4, Flaw.SAME_TITLE),
        (4, Flaw.NO_MESSAGE),
        (5, Flaw.NO_MESSAGE),
        (5, Flaw.FILE_ALONE),
        (6, Flaw.NOT_ITS_FILE),
    }
    assert rows() == before


def test_more_parts_than_a_slip_of_the_hand_makes(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=200)
    most = [f"Problem {n}" for n in range(POLICY.split_parts_max + 1)]
    with pytest.raises(splitting.CannotDivide) as refused:
        divided(incident, cast.technician, *most, at=at)
    assert [problem.flaw for problem in refused.value.problems] == [Flaw.TOO_MANY]
    divided(incident, cast.technician, *most[1:], at=at)
    assert len(offspring(incident)) == POLICY.split_parts_max
    assert Charge.objects.count() == POLICY.split_parts_max + 1


# The cost


def test_the_number_of_queries_is_the_same_whatever_the_history(cast: Cast, at: datetime):
    with_points(cast.acme, 3_000, at=at)

    def queries(count: int) -> int:
        incident = opened(cast.owner, at=at, points=0)
        asked = [f"Problem {n}" for n in range(count)]
        with CaptureQueriesContext(connection) as seen:
            divided(incident, cast.technician, *asked, at=at)
        return len(seen)

    two, three, four = queries(2), queries(3), queries(4)
    assert four - three == three - two, "each part costs the same"
    long = opened(cast.owner, at=at, points=0)
    for _time in range(30):
        divided(long, cast.technician, f"Problem {key()}", at=at)
        conversation.note(incident_id=long.pk, text="In the house", user=cast.colleague, at=at, key=key())
    assert queries(2) == two
    assert three - two < 45
