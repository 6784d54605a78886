"""A duplicate: merged into the incident that stays, and parted from it again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.models import Follower, Incident, Message
from incidents.services import conversation, crediting, merging, reopening
from incidents.services.common import BugUndecided, NotAllowed
from incidents.services.places import move_customer
from points.models import GiveBack
from points.queries import balance
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.ending import declined, taken_back
from tests.incidents.merging import DAY, HOUR, a_duplicate, clock_of, merge, unmerge, wrote
from tests.incidents_helpers import (
    again,
    answered,
    at_once,
    key,
    mailed,
    opened,
    signed_in,
    steps,
    with_points,
)

pytestmark = pytest.mark.rule("D35")


@pytest.fixture
def two(cast: Cast, at: datetime) -> tuple[Incident, Incident]:
    return a_duplicate(cast, at=at)


@pytest.mark.rule("D4", "D12")
def test_the_conversation_joins_and_the_charge_comes_back(cast: Cast, at: datetime, two):
    source, target = two
    assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 0
    merge(source, target, cast, at=at + 2 * HOUR)
    merged, stays = again(source), again(target)
    assert (merged.status, merged.merged_into, merged.merged_at) == ("closed", target, at + 2 * HOUR)
    assert [message.written_on for message in stays.messages.order_by("at")] == [source, None]
    assert not merged.messages.exists()
    assert balance(customer_id=cast.acme.pk, at=at + 2 * HOUR) == 10
    assert GiveBack.objects.get().charge.link.incident == source
    assert steps(source)[-1] == "merged"
    assert steps(target)[-1] == "merged_in"
    assert OutgoingMail.objects.get(kind="incident_merged").to_address == "olive@acme.example"
    assert clock_of(source).outcome == "merged"


@pytest.mark.rule("D12")
def test_the_one_that_stays_is_due_by_the_earlier_of_the_two(cast: Cast, at: datetime, two):
    source, target = two
    due = clock_of(source).due_at
    assert clock_of(target).due_at == due + HOUR
    merge(source, target, cast, at=at + 2 * HOUR)
    assert (clock_of(target).due_at, clock_of(target).started_at) == (due, at)


@pytest.mark.rule("D12")
@pytest.mark.parametrize("answered_first", ["source", "target"])
def test_an_answered_clock_neither_gives_nor_takes_a_start(cast: Cast, at: datetime, two, answered_first: str):
    source, target = two
    answered(source if answered_first == "source" else target, cast.technician, at=at + HOUR)
    before = clock_of(target).due_at
    merge(source, target, cast, at=at + 2 * HOUR)
    assert clock_of(target).due_at == before
    assert clock_of(source).outcome == ("met" if answered_first == "source" else "merged")


@pytest.mark.rule("D12")
def test_merging_late_does_not_dodge_the_breach(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=clock_of(source).due_at + timedelta(microseconds=1))
    assert clock_of(source).outcome == "breached"
    assert clock_of(target).due_at < at + 5 * HOUR


def test_what_is_written_to_the_merged_number_is_written_where_it_leads(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + 2 * HOUR)
    added = conversation.customer_message(
        incident_id=source.pk, contact=cast.owner, text="And now?", via="portal", at=at + 3 * HOUR, key=key()
    )
    assert (added.message.incident, added.outcome) == (target, "added")


@pytest.mark.rule("D26")
def test_a_mail_that_names_both_numbers_names_one_incident(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + 2 * HOUR)
    subject = f"Re: {source.number} and {target.number}"
    mailed(sender="olive@acme.example", subject=subject, text="Still there.", at=at + 3 * HOUR)
    assert Message.objects.get(text="Still there.").incident == target


@pytest.mark.rule("D38")
def test_the_other_contact_follows_the_one_that_stays(cast: Cast, at: datetime):
    source = opened(cast.restricted, at=at)
    target = opened(cast.owner, at=at)
    merge(source, target, cast, at=at + HOUR)
    assert Follower.objects.get(removed_at=None).contact == cast.restricted
    unmerge(source, cast, at=at + 2 * HOUR)
    assert not Follower.objects.filter(removed_at=None).exists()


def test_an_unanswered_word_takes_the_waiting_off_the_one_that_stays(cast: Cast, at: datetime, two):
    source, target = two
    answered(target, cast.technician, at=at + HOUR, then="waiting")
    answered(source, cast.technician, at=at + HOUR, then="open")
    conversation.customer_message(
        incident_id=source.pk, contact=cast.owner, text="No.", via="portal", at=at + 2 * HOUR, key=key()
    )
    merge(source, target, cast, at=at + 3 * HOUR)
    stays = again(target)
    assert (stays.status, stays.wrote_at) == ("open", at + 2 * HOUR)


@pytest.mark.rule("R6", "D10")
def test_a_report_that_nobody_has_answered_takes_the_waiting_off_the_one_that_stays(cast: Cast, at: datetime, two):
    source, target = two
    answered(target, cast.technician, at=at + HOUR, then="waiting")
    merge(source, target, cast, at=at + 2 * HOUR)
    stays = again(target)
    assert (stays.status, stays.waits_since, stays.wrote_at) == ("open", None, at)
    with pytest.raises(conversation.NoAnswerYet):
        conversation.close(incident_id=target.pk, user=cast.technician, at=at + 3 * HOUR)
    unmerge(source, cast, at=at + 4 * HOUR)
    assert (again(target).wrote_at, again(source).wrote_at) == (None, None)
    assert (again(source).status, clock_of(source).outcome) == ("new", "running")


@pytest.mark.rule("D12", "D16", "D36")
@pytest.mark.parametrize("way", ["re-opened", "taken back"])
def test_what_began_between_the_click_and_the_lock_is_merged_from_then_on(cast: Cast, at: datetime, two, way: str):
    source, target = two
    if way == "re-opened":
        answered(source, cast.technician, at=at + HOUR, then="closed")
        wrote(source, cast, at=at + 2 * HOUR)
        reopening.accept(incident_id=source.pk, user=cast.technician, at=at + 3 * HOUR)
    else:
        declined(source, cast.technician, at=at + 2 * HOUR)
        taken_back(source, cast.technician, at=at + 3 * HOUR)
    merge(source, target, cast, at=at + 3 * HOUR - timedelta(seconds=1))
    assert again(source).merged_at == at + 3 * HOUR
    assert clock_of(source).outcome == "merged"


def test_refusals_change_nothing(cast: Cast, at: datetime, two):
    source, target = two
    foreign = opened(cast.stranger, at=at)
    closed = opened(cast.owner, at=at)
    answered(closed, cast.technician, at=at + HOUR, then="closed")
    third = opened(cast.owner, at=at)
    merge(third, target, cast, at=at + HOUR)
    before = list(Incident.objects.order_by("pk").values())
    for one, other, refusal in (
        (source, source, merging.IntoItself),
        (source, foreign, merging.AnotherCustomers),
        (source, third, merging.MergedAlready),
        (third, source, merging.MergedAlready),
        (source, closed, NotAllowed),
        (closed, target, NotAllowed),
    ):
        with pytest.raises(refusal):
            merge(one, other, cast, at=at + 2 * HOUR)
    with pytest.raises(merging.MergedAlready) as circle:
        merge(target, third, cast, at=at + 2 * HOUR)
    assert circle.value.into == target
    assert list(Incident.objects.order_by("pk").values()) == before


@pytest.mark.rule("D17")
def test_a_credit_is_determined_before_the_charge_goes_back_otherwise(cast: Cast, at: datetime, two):
    source, target = two
    crediting.mark_bug(incident_id=source.pk, reference="QM-1", user=cast.technician, at=at + HOUR, key=key())
    with pytest.raises(BugUndecided):
        merge(source, target, cast, at=at + 2 * HOUR)
    case = source.credit_cases.get()
    crediting.determine(case_id=case.pk, outcome="credited", reason="", user=cast.admin, at=at + 2 * HOUR, key=key())
    merge(source, target, cast, at=at + 3 * HOUR)
    assert GiveBack.objects.count() == 1, "given back once (D4)"


def test_merging_twice_merges_once(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + 2 * HOUR)
    merge(source, target, cast, at=at + 3 * HOUR)
    assert GiveBack.objects.count() == 1
    assert again(source).merged_at == at + 2 * HOUR


@pytest.mark.rule("D12")
def test_parted_they_are_as_they_were(cast: Cast, at: datetime, two):
    source, target = two
    clocks = [(clock_of(one).started_at, clock_of(one).due_at) for one in two]
    answer = answered(source, cast.technician, at=at + HOUR, then="waiting")
    merge(source, target, cast, at=at + 2 * HOUR)
    unmerge(source, cast, at=at + 3 * HOUR)
    parted, stays = again(source), again(target)
    assert (parted.status, parted.merged_into, parted.first_closed_at) == ("waiting", None, None)
    assert {message.pk for message in parted.messages.all()} >= {answer.pk}
    assert parted.messages.count() == 2
    assert stays.messages.count() == 1
    assert [(clock_of(one).started_at, clock_of(one).due_at) for one in two] == clocks
    assert clock_of(parted).outcome == "met"
    assert balance(customer_id=cast.acme.pk, at=at + 3 * HOUR) == 0
    assert parted.charges.count() == 2
    assert steps(source)[-1] == "unmerged"
    assert steps(target)[-1] == "unmerged_from"


@pytest.mark.rule("D12")
def test_parted_a_clock_that_the_merge_ended_runs_with_its_own_deadline(cast: Cast, at: datetime, two):
    source, target = two
    clocks = [(clock_of(one).started_at, clock_of(one).due_at) for one in two]
    merge(source, target, cast, at=at + 2 * HOUR)
    unmerge(source, cast, at=at + 20 * HOUR)
    assert [(clock_of(one).started_at, clock_of(one).due_at) for one in two] == clocks
    assert clock_of(source).outcome == "running"
    assert clock_of(source).due_at < at + 20 * HOUR, "merging dodged nothing"


@pytest.mark.rule("D23")
def test_parted_after_the_customer_moved_the_timeline_keeps_both_deadlines(cast: Cast, at: datetime, two):
    source, target = two
    old = clock_of(source).due_at
    merge(source, target, cast, at=at + 2 * HOUR)
    move_customer(
        customer_id=cast.acme.pk,
        country="US",
        subdivision="CA",
        zone="America/Los_Angeles",
        place_name="",
        user=cast.admin,
        at=at + 2 * HOUR,
    )
    unmerge(source, cast, at=at + 3 * HOUR)
    step = source.timeline.get(code="deadline_moved")
    assert (step.data["why"], step.data["old"]) == ("place", old.isoformat())
    assert step.data["new"] == clock_of(source).due_at.isoformat() != step.data["old"]


def test_a_chain_is_parted_one_by_one(cast: Cast, at: datetime, two):
    source, target = two
    last = opened(cast.owner, at=at + HOUR)
    merge(source, target, cast, at=at + 2 * HOUR)
    merge(target, last, cast, at=at + 3 * HOUR)
    assert again(last).messages.count() == 3
    with pytest.raises(merging.MergedAlready):
        unmerge(source, cast, at=at + 4 * HOUR)
    unmerge(target, cast, at=at + 4 * HOUR)
    assert again(target).messages.count() == 2
    unmerge(source, cast, at=at + 5 * HOUR)
    assert [again(one).messages.count() for one in (source, target, last)] == [1, 1, 1]


def test_24_hours_to_the_microsecond(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at)
    with pytest.raises(merging.TooLateToPart):
        unmerge(source, cast, at=at + DAY)
    unmerge(source, cast, at=at + DAY - timedelta(microseconds=1))
    with pytest.raises(merging.NotMerged):
        unmerge(source, cast, at=at + DAY)


@pytest.mark.rule("D8")
def test_short_of_points_the_parting_waits_for_them(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + HOUR)
    opened(cast.owner, at=at + 2 * HOUR, points=0)
    waiting = unmerge(source, cast, at=at + 3 * HOUR, key_="one key")
    assert waiting.state == "waiting"
    assert again(source).merged_into == target
    assert OutgoingMail.objects.filter(kind="incident_part_proposed").count() == 1
    assert unmerge(source, cast, at=at + 4 * HOUR, key_="one key") == waiting
    with pytest.raises(merging.PartingWaits):
        unmerge(source, cast, at=at + 4 * HOUR)
    with_points(cast.acme, 10, at=at + 40 * HOUR)
    merging.accept_parting(proposal_id=waiting.pk, contact=cast.owner, at=at + 40 * HOUR)
    merging.accept_parting(proposal_id=waiting.pk, contact=cast.owner, at=at + 41 * HOUR)
    assert again(source).merged_into is None
    assert balance(customer_id=cast.acme.pk, at=at + 41 * HOUR) == 0


def test_a_merge_and_an_answer_at_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    source, target = opened(cast.owner, at=at), opened(cast.owner, at=at)
    results = at_once(
        lambda: merge(source, target, cast, at=at + HOUR),
        lambda: answered(source, cast.technician, at=at + HOUR),
    )
    refused = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(result, NotAllowed) for result in refused)
    assert again(target).messages.count() == (2 if refused else 3)
    assert GiveBack.objects.count() == 1


def test_two_that_are_merged_into_each_other_at_once(committed_cast: Cast, at: datetime):
    cast = committed_cast
    one, other = opened(cast.owner, at=at), opened(cast.owner, at=at)
    results = at_once(lambda: merge(one, other, cast, at=at + HOUR), lambda: merge(other, one, cast, at=at + HOUR))
    assert sum(isinstance(result, merging.MergedAlready) for result in results) == 1
    assert GiveBack.objects.count() == 1


def test_the_page_shows_what_it_does_and_does_it_once(cast: Cast, at: datetime, two):
    with clock.set_to(at + 2 * HOUR):
        the_page_merges_and_parts(cast, two)


def the_page_merges_and_parts(cast: Cast, two) -> None:
    source, target = two
    desk = signed_in(cast.technician)
    page = desk.get(f"/desk/incidents/{source.number}/merge/")
    assert "Merge and give back 10 points" in page.content.decode()
    refused = desk.post(f"/desk/incidents/{source.number}/merge/", {"into": "123"})
    assert refused.status_code == 422
    assert "Duplicates are of one customer" in refused.content.decode()
    done = desk.post(f"/desk/incidents/{source.number}/merge/", {"picked": target.number}, follow=True)
    assert "Part them and spend 10 points" in done.content.decode()
    led = desk.get(f"/desk/incidents/{source.number}/")
    assert led["Location"] == f"/desk/incidents/{target.number}/"
    assert signed_in(cast.owner).get(f"/incidents/{source.number}/")["Location"] == f"/incidents/{target.number}/"
    desk.post(f"/desk/incidents/{source.number}/part/", {"key": "a-key-of-it"})
    assert again(source).merged_into is None


@pytest.mark.rule("D22")
def test_another_customers_number_is_not_there(cast: Cast, at: datetime, two):
    source, _target = two
    foreign = opened(cast.stranger, at=at, subject="A secret of Other Works")
    with clock.set_to(at + 2 * HOUR):
        page = signed_in(cast.technician).post(f"/desk/incidents/{source.number}/merge/", {"into": foreign.number})
    assert "A secret" not in page.content.decode()
