"""A split that cannot be paid changes nothing and waits as a proposal (D8, D14)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from incidents.dividing import Flaw, Part
from incidents.models import Attachment, Incident, Message, Proposal
from incidents.services import merging, splitting
from incidents.services.common import NotAllowed, set_status
from incidents.statuses import Status
from incidents.stories import say
from points.queries import balance
from points.services import NotEnoughPoints
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.splitting import a_file, divided, first_message, offspring, rows
from tests.incidents_helpers import again, answered, key, opened, signed_in, steps, with_points

pytestmark = pytest.mark.rule("D8", "D14")
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """An incident of a customer who has 15 points left."""
    return opened(cast.owner, at=at, points=25)


@pytest.fixture
def waiting(cast: Cast, incident: Incident, at: datetime) -> Proposal:
    """Two parts that need 20 points, of which 5 are missing."""
    return divided(incident, cast.technician, at=at, kept_subject="Mail is late")


def accepted(proposal: Proposal, cast: Cast, *, at: datetime) -> Proposal:
    return splitting.accept_proposal(proposal_id=proposal.pk, contact=cast.owner, at=at)


@pytest.mark.rule("R3")
def test_fifteen_points_and_two_parts_change_nothing_and_wait(cast: Cast, incident: Incident, at: datetime):
    before = rows()
    proposal = divided(incident, cast.technician, at=at, kept_subject="Mail is late")
    changed = {name: count - before[name] for name, count in rows().items() if count != before[name]}
    assert changed == {"Proposal": 1, "TimelineEntry": 1, "OutgoingMail": 1}
    assert (proposal.state, proposal.settled_at, proposal.made_by) == ("waiting", None, cast.technician)
    # 30 local days: through 31 December in New York.
    assert proposal.kept_until == datetime(2027, 1, 1, 5, 0, tzinfo=UTC)
    assert balance(customer_id=cast.acme.pk, at=at) == 15
    assert again(incident).subject == "It stops at night"
    step = incident.timeline.get(code="split_proposed")
    assert say(step) == "Tess Technician proposed to split off 2 problems: they wait for 20 points"


def test_the_customer_is_told_what_is_missing(waiting: Proposal, incident: Incident):
    mail = OutgoingMail.objects.get(kind="incident_split_proposed")
    assert mail.to_address == "olive@acme.example"
    for text in (mail.text, mail.html):
        for said in ("Mail is late", "Calendars are missing", "Search finds nothing", "10 points", "31 Dec 2026"):
            assert said in text
        assert "That needs 20 points, 15 on hand: 5 more." in text
        assert f"/incidents/{incident.number}/#proposal" in text


@pytest.mark.rule("R3", "R6")
def test_after_buying_one_click_carries_it_out(cast: Cast, incident: Incident, waiting: Proposal, at: datetime):
    then = at + DAY
    with pytest.raises(NotEnoughPoints) as short:
        accepted(waiting, cast, at=then)
    assert (short.value.needed, short.value.on_hand) == (20, 15)
    with_points(cast.acme, 5, at=then)
    done = accepted(waiting, cast, at=then)
    assert (done.state, done.settled_at, done.accepted_by, done.settled_by) == ("accepted", then, cast.owner, None)
    first, second = offspring(incident)
    for part in (first, second):
        assert part.clocks.get().clock.started_at == then
        assert part.charges.get().charge.actor == cast.owner.user
        assert part.owner == cast.technician
    assert balance(customer_id=cast.acme.pk, at=then) == 0
    assert again(incident).subject == "Mail is late"
    numbers = f"{first.shown_number} and {second.shown_number}"
    said = f"Olive Owner accepted the split: {numbers} are incidents of their own"
    assert say(incident.timeline.get(code="split")) == said


def test_a_technician_carries_it_out_when_the_points_are_there(
    cast: Cast, incident: Incident, waiting: Proposal, at: datetime
):
    with_points(cast.acme, 5, at=at)
    done = splitting.accept_proposal(proposal_id=waiting.pk, user=cast.colleague, at=at)
    assert (done.state, done.accepted_by, done.settled_by) == ("accepted", None, cast.colleague)
    assert len(offspring(incident)) == 2


def test_accepting_twice_is_accepting_once(cast: Cast, waiting: Proposal, at: datetime):
    with_points(cast.acme, 50, at=at)
    first = accepted(waiting, cast, at=at)
    before = rows()
    assert accepted(waiting, cast, at=at + DAY) == first
    assert splitting.accept_proposal(proposal_id=waiting.pk, user=cast.technician, at=at) == first
    assert rows() == before


def test_the_same_split_sent_again_still_waits(cast: Cast, incident: Incident, at: datetime):
    first = divided(incident, cast.technician, at=at, key="a key of the form")
    with_points(cast.acme, 50, at=at)
    before = rows()
    again_ = divided(incident, cast.technician, at=at, key="a key of the form")
    assert (again_, again_.state) == (first, "waiting")
    assert rows() == before


def test_one_waits_at_a_time(cast: Cast, incident: Incident, waiting: Proposal, at: datetime):
    with_points(cast.acme, 50, at=at)
    before = rows()
    with pytest.raises(splitting.ProposalWaits):
        divided(incident, cast.colleague, "Something else", at=at)
    assert rows() == before


def test_when_its_days_are_over_it_waits_no_more(cast: Cast, incident: Incident, waiting: Proposal, at: datetime):
    """By the clock: no job has run."""
    with_points(cast.acme, 50, at=at)
    over = waiting.kept_until
    before = rows()
    with pytest.raises(splitting.ProposalLapsed):
        accepted(waiting, cast, at=over)
    with pytest.raises(splitting.ProposalLapsed):
        splitting.withdraw_proposal(proposal_id=waiting.pk, user=cast.technician, at=over)
    with pytest.raises(splitting.ProposalLapsed):
        splitting.decline_proposal(proposal_id=waiting.pk, contact=cast.owner, at=over)
    assert rows() == before
    divided(incident, cast.technician, at=over)
    waiting.refresh_from_db()
    assert waiting.state == "lapsed"
    assert steps(incident)[-3:] == ["split_proposed", "split_lapsed", "split"]
    assert say(incident.timeline.get(code="split_lapsed")) == "Nobody paid for the proposed split: it stays whole"


def test_a_moment_before_its_days_are_over_it_is_carried_out(cast: Cast, waiting: Proposal, at: datetime):
    with_points(cast.acme, 50, at=at)
    assert accepted(waiting, cast, at=waiting.kept_until - timedelta(microseconds=1)).state == "accepted"


def test_a_technician_withdraws_it_and_the_customer_is_told(
    cast: Cast, incident: Incident, waiting: Proposal, at: datetime
):
    done = splitting.withdraw_proposal(proposal_id=waiting.pk, user=cast.colleague, at=at)
    assert (done.state, done.settled_by, done.settled_at) == ("withdrawn", cast.colleague, at)
    assert say(incident.timeline.get(code="split_withdrawn")) == "Carl Colleague withdrew the proposed split"
    mail = OutgoingMail.objects.get(kind="incident_split_withdrawn")
    assert "nothing was spent" in mail.text
    before = rows()
    assert splitting.withdraw_proposal(proposal_id=waiting.pk, user=cast.technician, at=at) == done
    with pytest.raises(splitting.ProposalWithdrawn):
        accepted(waiting, cast, at=at)
    assert rows() == before
    with_points(cast.acme, 50, at=at)
    divided(incident, cast.technician, at=at)


def test_the_customer_leaves_it_whole(cast: Cast, incident: Incident, waiting: Proposal, at: datetime):
    done = splitting.decline_proposal(proposal_id=waiting.pk, contact=cast.owner, at=at)
    assert (done.state, done.settled_by, done.accepted_by) == ("withdrawn", None, None)
    assert say(incident.timeline.get(code="split_withdrawn")) == "Olive Owner leaves it whole"
    before = rows()
    assert splitting.decline_proposal(proposal_id=waiting.pk, contact=cast.owner, at=at) == done
    assert rows() == before
    with pytest.raises(splitting.ProposalWithdrawn):
        accepted(waiting, cast, at=at)


def test_what_was_carried_out_is_not_withdrawn(cast: Cast, waiting: Proposal, at: datetime):
    with_points(cast.acme, 5, at=at)
    accepted(waiting, cast, at=at)
    before = rows()
    with pytest.raises(splitting.ProposalAccepted):
        splitting.withdraw_proposal(proposal_id=waiting.pk, user=cast.technician, at=at)
    with pytest.raises(splitting.ProposalAccepted):
        splitting.decline_proposal(proposal_id=waiting.pk, contact=cast.owner, at=at)
    assert rows() == before


@pytest.mark.parametrize("end", [Status.CLOSED, Status.DECLINED])
def test_it_is_withdrawn_where_the_incident_ends(
    cast: Cast, incident: Incident, waiting: Proposal, at: datetime, end: Status
):
    if end is Status.CLOSED:
        answered(incident, cast.technician, at=at, then="closed")
    else:
        set_status(incident, end, at=at)
        incident.save()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.settled_at) == ("withdrawn", at)
    step = incident.timeline.get(code="split_withdrawn")
    assert (step.user, step.contact) == (None, None)
    assert say(step) == "The proposed split is withdrawn, for the incident has ended"
    with_points(cast.acme, 50, at=at)
    with pytest.raises(splitting.ProposalWithdrawn):
        accepted(waiting, cast, at=at)


def test_what_has_ended_by_any_other_way_is_not_divided(
    cast: Cast, incident: Incident, waiting: Proposal, at: datetime
):
    with_points(cast.acme, 50, at=at)
    Incident.objects.filter(pk=incident.pk).update(status="closed", closed_at=at)
    before = rows()
    with pytest.raises(NotAllowed):
        accepted(waiting, cast, at=at)
    assert rows() == before


@pytest.mark.rule("D35")
def test_messages_that_are_gone_are_skipped(cast: Cast, at: datetime):
    """An unmerge took one of them with it while the split waited."""
    incident, other = opened(cast.owner, at=at), opened(cast.owner, at=at)
    moved, stays = first_message(other), first_message(incident)
    Message.objects.filter(pk=moved.pk).update(incident=incident, written_on=other)
    file = a_file(moved)
    chosen = Part(subject="Calendars", message_ids=(moved.pk, stays.pk), file_ids=(file.pk,))
    proposal = divided(incident, cast.technician, at=at, parts=[chosen])
    Message.objects.filter(pk=moved.pk).update(incident=other, written_on=None)
    with_points(cast.acme, 10, at=at)
    accepted(proposal, cast, at=at)
    (part,) = offspring(incident)
    assert [copy.copied_from for copy in part.messages.all()] == [stays]
    assert not Attachment.objects.filter(message__incident=part).exists()


@pytest.mark.rule("D21")
def test_a_contact_without_an_address_gets_no_mail_and_may_accept_all_the_same(cast: Cast, at: datetime):
    cast.owner.email = ""
    cast.owner.phone = "+12125550100"
    cast.owner.save()
    incident = opened(cast.owner, at=at)
    proposal = divided(incident, cast.technician, at=at)
    assert not OutgoingMail.objects.filter(kind__startswith="incident_").exists()
    with_points(cast.acme, 20, at=at)
    accepted(proposal, cast, at=at)
    assert len(offspring(incident)) == 2


@pytest.mark.rule("D35")
def test_a_part_whose_messages_went_with_a_parting_is_not_made(cast: Cast, incident: Incident, at: datetime):
    other = opened(cast.owner, at=at, points=0)
    merging.merge(incident_id=other.pk, into_id=incident.pk, user=cast.technician, at=at)
    theirs = Message.objects.get(written_on=other)
    parts = [Part(subject=f"Part {number}", message_ids=(theirs.pk,)) for number in range(4)]
    proposal = divided(incident, cast.technician, at=at, parts=parts)
    merging.unmerge(incident_id=other.pk, user=cast.technician, at=at + TICK, key=key())
    with_points(cast.acme, 100, at=at)
    before = rows()
    with pytest.raises(splitting.CannotDivide) as refused:
        accepted(proposal, cast, at=at + DAY)
    assert {problem.flaw for problem in refused.value.problems} == {Flaw.NO_MESSAGE}
    assert rows() == before
    with clock.set_to(at + DAY):
        page = signed_in(cast.owner).post(
            f"/incidents/{incident.number}/proposal/accept/", {"proposal": proposal.pk}, follow=True
        )
        assert "What was to be copied is not here any more" in page.content.decode()
        desk = signed_in(cast.technician).post(
            f"/desk/incidents/{incident.number}/split/carry-out/", {"proposal": proposal.pk}, follow=True
        )
        assert "What was to be copied is not here any more" in desk.content.decode()
