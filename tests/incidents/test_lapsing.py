"""Drafts and proposals are told of before they lapse, once; proposals lapse by themselves (D8, D14)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents import access
from incidents.mails import lapsing
from incidents.models import Draft, Proposal
from incidents.services import opening
from incidents.services.lapsing import warn_and_lapse
from incidents.tasks import lapse
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.scope import scope_of_contact
from tests.cast import Cast
from tests.incidents.ending import step_of
from tests.incidents_helpers import a_report, at_once, key, opened, steps

pytestmark = pytest.mark.rule("D8")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def a_draft(cast: Cast, at: datetime) -> Draft:
    return opening.keep_draft(report=a_report(cast.owner), at=at, key=key())


def a_proposal(cast: Cast, at: datetime) -> Proposal:
    return Proposal.objects.create(
        key=key(),
        incident=opened(cast.owner, at=at),
        kind=Proposal.Kind.SPLIT,
        made_by=cast.technician,
        made_at=at,
        kept_until=a_draft(cast, at).kept_until,
    )


def told(kind: str) -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(kind=kind))


def test_a_draft_is_told_of_once_at_nine_three_days_before(cast: Cast, at: datetime):
    draft = a_draft(cast, at)
    # Kept through 31 December: at nine on the 29th in New York.
    due = draft.kept_until - 3 * DAY + 9 * HOUR
    assert warn_and_lapse(at=due - TICK) == 0
    assert [warn_and_lapse(at=due) for _time in range(2)] == [1, 0]
    (mail,) = told("draft_lapsing")
    assert mail.to_address == "olive@acme.example"
    for word in ("It stops at night", "kept as a draft through 31 Dec 2026", "takes 10 points", f"/drafts/{draft.pk}/"):
        assert word in " ".join(mail.text.split())
    assert warn_and_lapse(at=draft.kept_until + DAY) == 0
    scope = scope_of_contact(cast.owner)
    assert access.drafts_for(scope, at=draft.kept_until - TICK).exists()
    assert not access.drafts_for(scope, at=draft.kept_until).exists()


def test_one_that_fails_holds_up_no_other(cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch):
    bad, good = a_draft(cast, at), a_draft(cast, at)
    tells = lapsing.draft_lapsing

    def fails(draft: Draft, *, at: datetime) -> OutgoingMail | None:
        if draft.pk == bad.pk:
            raise LookupError
        return tells(draft, at=at)

    monkeypatch.setattr(lapsing, "draft_lapsing", fails)
    assert warn_and_lapse(at=good.kept_until - DAY) == 1
    bad.refresh_from_db()
    assert bad.reminded_at is None
    assert len(told("draft_lapsing")) == 1


def test_what_is_opened_discarded_or_over_is_not_told_of(cast: Cast, at: datetime):
    discarded, over, sent = a_draft(cast, at), a_draft(cast, at - 60 * DAY), a_draft(cast, at)
    opening.discard_draft(draft_id=discarded.pk, at=at)
    sent.incident = opened(cast.owner, at=at)
    sent.save()
    assert warn_and_lapse(at=discarded.kept_until - DAY) == 0
    assert over.kept_until < at
    assert told("draft_lapsing") == []


def test_a_contact_without_an_address_stops_nobody(cast: Cast, at: datetime):
    draft = a_draft(cast, at)
    cast.owner.email, cast.owner.phone = "", "+12125550100"
    cast.owner.save()
    assert [warn_and_lapse(at=draft.kept_until - DAY) for _time in range(2)] == [1, 0]
    assert told("draft_lapsing") == []


@pytest.mark.rule("D14")
def test_a_proposal_is_told_of_and_lapses(cast: Cast, at: datetime):
    proposal = a_proposal(cast, at)
    Draft.objects.update(discarded_at=at)
    due = proposal.kept_until - 3 * DAY + 9 * HOUR
    assert warn_and_lapse(at=due - TICK) == 0
    assert [warn_and_lapse(at=due) for _time in range(2)] == [1, 0]
    (mail,) = told("incident_proposal_lapsing")
    assert "waits for you through 31 Dec 2026" in mail.text
    assert warn_and_lapse(at=proposal.kept_until - TICK) == 0
    assert [warn_and_lapse(at=proposal.kept_until) for _time in range(2)] == [1, 0]
    proposal.refresh_from_db()
    assert (proposal.state, proposal.settled_at) == ("lapsed", proposal.kept_until)
    step = step_of(proposal.incident, "split_lapsed")
    assert (step.user, step.data) == (None, {"proposal": proposal.pk, "kind": "split"})


@pytest.mark.rule("D14")
def test_a_proposal_that_lapses_late_is_not_told_of_any_more(cast: Cast, at: datetime):
    proposal = a_proposal(cast, at)
    Draft.objects.update(discarded_at=at)
    assert warn_and_lapse(at=proposal.kept_until + DAY) == 1
    assert told("incident_proposal_lapsing") == []


@pytest.mark.rule("D14")
def test_a_settled_proposal_stays_as_it_is(cast: Cast, at: datetime):
    proposal = a_proposal(cast, at)
    Draft.objects.update(discarded_at=at)
    Proposal.objects.update(state="withdrawn", settled_at=at)
    assert warn_and_lapse(at=proposal.kept_until + DAY) == 0
    assert "split_lapsed" not in steps(proposal.incident)


def test_four_runs_at_once_tell_once(committed_cast: Cast, at: datetime):
    proposal = a_proposal(committed_cast, at)
    assert sum(at_once(*[lambda: warn_and_lapse(at=proposal.kept_until - DAY)] * 4)) == 2
    assert sum(at_once(*[lambda: warn_and_lapse(at=proposal.kept_until)] * 4)) == 1
    assert (len(told("draft_lapsing")), len(told("incident_proposal_lapsing"))) == (1, 1)
    assert steps(proposal.incident).count("split_lapsed") == 1


def test_the_task_asks_the_one_clock(cast: Cast, at: datetime):
    draft = a_draft(cast, at)
    with clock.set_to(draft.kept_until - DAY):
        assert (lapse(), lapse()) == (1, 0)
