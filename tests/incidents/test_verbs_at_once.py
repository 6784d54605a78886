"""Two verbs on one incident at the same instant: the second follows the first or says why not; nothing doubles."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.models import Incident, Message, Proposal
from incidents.services import conversation, declining, merging, reopening, splitting
from incidents.services.common import NotAllowed
from incidents.services.silence import remind_and_close
from points.models import Charge, GiveBack
from points.queries import balance
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.ending import clock_of, closed_by, declined, taken_back, wrote
from tests.incidents.splitting import divided, offspring
from tests.incidents_helpers import again, answered, at_once, key, opened, steps, with_points

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TIMES = pytest.mark.parametrize("time", range(3))


def asked(cast: Cast, at: datetime) -> Incident:
    """A closed incident that its customer asks to re-open."""
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    wrote(cast.owner, incident, at=at)
    return incident


@TIMES
@pytest.mark.rule("D16", "D12")
def test_a_re_opening_and_the_customers_closure(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = asked(cast, at)
    anew, closed = at_once(
        lambda: reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + HOUR),
        lambda: closed_by(cast.owner, incident, at=at + HOUR),
    )
    assert isinstance(anew, Incident)
    now = again(incident)
    assert (now.first_closed_at, now.reopen_asked_at, incident.clocks.count()) == (at, None, 2)
    if isinstance(closed, NotAllowed):
        assert (now.status, clock_of(incident).outcome) == ("open", "running")
    else:
        assert (now.status, clock_of(incident).outcome) == ("closed", "withdrawn")


@TIMES
@pytest.mark.rule("D16", "D11")
def test_a_re_opening_and_a_closing_answer(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = asked(cast, at)
    anew, said = at_once(
        lambda: reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + HOUR),
        lambda: answered(incident, cast.colleague, at=at + HOUR, then="closed"),
    )
    assert isinstance(anew, Incident)
    if isinstance(said, NotAllowed):
        assert (again(incident).status, clock_of(incident).outcome) == ("open", "running")
    else:
        assert (again(incident).status, clock_of(incident).outcome) == ("closed", "met")


@TIMES
@pytest.mark.rule("D16", "R6")
def test_a_re_opening_is_never_closed_without_a_word(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = asked(cast, at)
    _anew, closed = at_once(
        lambda: reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + HOUR),
        lambda: conversation.close(incident_id=incident.pk, user=cast.colleague, at=at + HOUR),
    )
    assert isinstance(closed, (NotAllowed, conversation.NoAnswerYet))
    assert again(incident).status == "open"


@TIMES
@pytest.mark.rule("D15", "D16")
def test_a_decline_and_a_message_of_the_customer(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    said, added = at_once(
        lambda: declined(incident, cast.technician, at=at + HOUR),
        lambda: wrote(cast.owner, incident, at=at + HOUR),
    )
    assert isinstance(said, Message)
    assert added.outcome == "added"
    now, order = again(incident), [code for code in steps(incident) if code in ("declined", "customer_wrote")]
    # What was written before it is answered by the decline; what came after it waits for somebody to read it.
    assert (now.status, now.wrote_at) == ("declined", at + HOUR if order[-1] == "customer_wrote" else None)
    assert (GiveBack.objects.count(), balance(customer_id=cast.acme.pk, at=at + HOUR)) == (1, 10)


@TIMES
@pytest.mark.rule("D15", "D12")
def test_a_decline_and_the_customers_closure(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    said, closed = at_once(
        lambda: declined(incident, cast.technician, at=at + HOUR),
        lambda: closed_by(cast.owner, incident, at=at + HOUR),
    )
    status = again(incident).status
    if status == "declined":
        assert [type(said), type(closed)] == [Message, NotAllowed]
    else:
        assert (type(said), type(closed), status) == (NotAllowed, Incident, "closed")
    assert GiveBack.objects.count() == (status == "declined")


@TIMES
@pytest.mark.rule("D15", "D35", "D4")
def test_a_decline_and_a_merge_give_back_once(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident, other = opened(cast.owner, at=at), opened(cast.owner, at=at)
    said, into = at_once(
        lambda: declined(incident, cast.technician, at=at + HOUR),
        lambda: merging.merge(incident_id=incident.pk, into_id=other.pk, user=cast.colleague, at=at + HOUR),
    )
    assert sorted([type(said), type(into)], key=str) in (
        sorted([Message, NotAllowed], key=str),
        sorted([NotAllowed, Incident], key=str),
    )
    assert (GiveBack.objects.count(), balance(customer_id=cast.acme.pk, at=at + HOUR)) == (1, 10)


@TIMES
@pytest.mark.rule("D36", "D12")
def test_taking_back_and_the_customers_message(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    back, added = at_once(
        lambda: taken_back(incident, cast.technician, at=at + HOUR),
        lambda: wrote(cast.owner, incident, at=at + HOUR),
    )
    assert isinstance(back, Incident)
    now = again(incident)
    assert added.outcome in ("added", "request")
    assert (now.status, now.wrote_at, now.reopen_asked_at) == ("open", at + HOUR, None)


@TIMES
@pytest.mark.rule("D14", "D8")
@pytest.mark.parametrize("by", ["customer", "technician", "decline"])
def test_a_proposal_accepted_and_the_incident_ended(committed_cast: Cast, at: datetime, time: int, by: str):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    proposal = divided(incident, cast.technician, at=at)
    with_points(cast.acme, 20, at=at)
    ends = {
        "customer": lambda: closed_by(cast.owner, incident, at=at + HOUR),
        "technician": lambda: answered(incident, cast.technician, at=at + HOUR, then="closed"),
        "decline": lambda: declined(incident, cast.technician, at=at + HOUR),
    }
    accept, end = at_once(
        lambda: splitting.accept_proposal(proposal_id=proposal.pk, contact=cast.owner, at=at + HOUR), ends[by]
    )
    assert not isinstance(end, Exception)
    assert again(incident).is_finished
    back = 10 if by == "decline" else 0
    if isinstance(accept, splitting.ProposalWithdrawn):
        assert (offspring(incident), Charge.objects.count()) == ([], 1)
        assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 20 + back
    else:
        assert (accept.state, len(offspring(incident))) == ("accepted", 2)
        assert balance(customer_id=cast.acme.pk, at=at + HOUR) == back
    assert Proposal.objects.filter(state="waiting").count() == 0


@TIMES
@pytest.mark.rule("D35")
def test_a_parting_and_a_merge_on(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    source, target, third = (opened(cast.owner, at=at) for _number in range(3))
    merging.merge(incident_id=source.pk, into_id=target.pk, user=cast.technician, at=at)
    parted, merged = at_once(
        lambda: merging.unmerge(incident_id=source.pk, user=cast.technician, at=at + HOUR, key=key()),
        lambda: merging.merge(incident_id=target.pk, into_id=third.pk, user=cast.colleague, at=at + HOUR),
    )
    assert isinstance(merged, Incident)
    if isinstance(parted, merging.MergedAlready):
        assert (again(source).merged_into, source.messages.count(), third.messages.count()) == (target, 0, 3)
        assert not Proposal.objects.exists()
    else:
        assert (again(source).merged_into, source.messages.count(), third.messages.count()) == (None, 1, 2)
    assert Message.objects.count() == 3


@TIMES
@pytest.mark.rule("D35", "R3")
def test_four_who_part_at_once_part_once(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    source, target = opened(cast.owner, at=at), opened(cast.owner, at=at)
    with_points(cast.acme, 90, at=at)
    merging.merge(incident_id=source.pk, into_id=target.pk, user=cast.technician, at=at)
    once = key()
    made = at_once(
        *[lambda: merging.unmerge(incident_id=source.pk, user=cast.technician, at=at + HOUR, key=once)] * 2,
        *[lambda: merging.unmerge(incident_id=source.pk, user=cast.colleague, at=at + HOUR, key=key())] * 2,
    )
    assert {type(one) for one in made} <= {Proposal, merging.NotMerged}
    assert (Proposal.objects.count(), Charge.objects.count()) == (1, 3)
    assert balance(customer_id=cast.acme.pk, at=at + HOUR) == 90


@TIMES
@pytest.mark.rule("D10")
def test_the_end_of_a_silence_and_a_message_of_the_customer(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at)
    remind_and_close(at=at + 7 * DAY)
    closed, added = at_once(
        lambda: remind_and_close(at=at + 14 * DAY), lambda: wrote(cast.owner, incident, at=at + 14 * DAY)
    )
    now = again(incident)
    if closed:
        assert (now.status, added.outcome, now.reopen_asked_at) == ("closed", "request", at + 14 * DAY)
    else:
        assert (now.status, added.outcome, now.wrote_at) == ("open", "added", at + 14 * DAY)
    assert OutgoingMail.objects.filter(kind="incident_closed_silence").count() == closed


@TIMES
@pytest.mark.rule("D15", "D17", "D4")
def test_a_decline_of_what_was_closed_meanwhile_is_refused_by_name(committed_cast: Cast, at: datetime, time: int):
    cast = committed_cast
    incident = asked(cast, at)
    anew, said = at_once(
        lambda: reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + HOUR),
        lambda: declined(incident, cast.colleague, at=at + HOUR),
    )
    assert isinstance(anew, Incident)
    assert isinstance(said, (NotAllowed, declining.ClosedBefore))
    assert not GiveBack.objects.exists()
