"""Drafts: a report that could not be paid is not lost, and opens by one click."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from incidents import access
from incidents.models import Draft, Incident
from incidents.services import drafting, merging, opening
from incidents.services.common import KeyReused
from points.models import Charge
from points.services import NotEnoughPoints
from supportdesk.people.scope import scope_of_contact
from tests.cast import Cast
from tests.incidents_helpers import a_release, a_report, opened, with_points

pytestmark = pytest.mark.rule("D8")


@pytest.fixture
def draft(cast: Cast, at: datetime) -> Draft:
    made = opening.report_problem(report=a_report(cast.owner), at=at, key="the form's key")
    assert isinstance(made, Draft)
    return made


def test_a_draft_opens_once_there_are_points(cast: Cast, at: datetime, draft: Draft):
    with pytest.raises(NotEnoughPoints):
        opening.open_draft(draft_id=draft.pk, at=at)
    with_points(cast.acme, 20, at=at)
    later = at + timedelta(days=3)
    incident = opening.open_draft(draft_id=draft.pk, at=later)
    assert (incident.opened_at, incident.subject, incident.contact) == (later, draft.subject, cast.owner)
    assert incident.messages.get().text == draft.text
    assert incident.clocks.get().clock.started_at == later
    assert opening.open_draft(draft_id=draft.pk, at=later) == incident
    assert Charge.objects.count() == 1


def test_after_its_thirty_days_a_draft_is_gone(cast: Cast, at: datetime, draft: Draft):
    with_points(cast.acme, 20, at=at)
    scope = scope_of_contact(cast.owner)
    last = datetime(2027, 1, 1, 4, 59, 59, tzinfo=UTC)
    over = datetime(2027, 1, 1, 5, 0, tzinfo=UTC)
    assert access.drafts_for(scope, at=last).get() == draft
    assert not access.drafts_for(scope, at=over).exists()
    with pytest.raises(opening.DraftGone):
        opening.open_draft(draft_id=draft.pk, at=over)
    assert not Incident.objects.exists()
    assert opening.open_draft(draft_id=draft.pk, at=last)


def test_a_discarded_draft_is_brought_back_until_its_days_are_over(cast: Cast, at: datetime, draft: Draft):
    with_points(cast.acme, 20, at=at)
    over = draft.kept_until
    opening.discard_draft(draft_id=draft.pk, at=at)
    with pytest.raises(opening.DraftGone):
        drafting.bring_back_draft(draft_id=draft.pk, at=over)
    for _twice in range(2):
        back = drafting.bring_back_draft(draft_id=draft.pk, at=at)
        assert (back.discarded_at, back.kept_until) == (None, over)
    incident = opening.open_draft(draft_id=draft.pk, at=at)
    with pytest.raises(drafting.DraftOpened) as opened_already:
        drafting.bring_back_draft(draft_id=draft.pk, at=at)
    assert opened_already.value.number == incident.number


def test_a_discarded_draft_stays_discarded(cast: Cast, at: datetime, draft: Draft):
    with_points(cast.acme, 20, at=at)
    opening.discard_draft(draft_id=draft.pk, at=at)
    with pytest.raises(opening.DraftGone):
        opening.open_draft(draft_id=draft.pk, at=at)
    assert not Incident.objects.exists()


def test_an_opened_draft_cannot_be_discarded(cast: Cast, at: datetime, draft: Draft):
    with_points(cast.acme, 20, at=at)
    opening.open_draft(draft_id=draft.pk, at=at)
    opening.discard_draft(draft_id=draft.pk, at=at)
    draft.refresh_from_db()
    assert draft.discarded_at is None


@pytest.mark.rule("D19")
def test_a_draft_of_a_release_that_ended_since_is_kept(cast: Cast, at: datetime):
    release = a_release(until=date(2026, 12, 1), name="ends today")
    kept = opening.report_problem(report=a_report(cast.owner, release_id=release.pk), at=at, key="k")
    with_points(cast.acme, 20, at=at)
    with pytest.raises(opening.ReleaseNotCurrent):
        opening.open_draft(draft_id=kept.pk, at=at + timedelta(days=1))
    assert Draft.objects.get(pk=kept.pk).discarded_at is None


def test_the_form_sent_again_after_buying_gives_the_same_draft(cast: Cast, at: datetime, draft: Draft):
    """The browser's reload of a form that made a draft: the draft waits for its one click, nothing is spent unasked."""
    with_points(cast.acme, 20, at=at)
    assert opening.report_problem(report=a_report(cast.owner), at=at, key=draft.key) == draft
    assert not Incident.objects.exists()


def test_the_form_sent_again_after_opening_gives_the_incident(cast: Cast, at: datetime, draft: Draft):
    with_points(cast.acme, 20, at=at)
    incident = opening.open_draft(draft_id=draft.pk, at=at)
    assert opening.report_problem(report=a_report(cast.owner), at=at, key=draft.key) == incident


@pytest.mark.parametrize("other", [{"subject": "Another"}, {"text": "Another problem."}, {"kind": "feature"}])
def test_a_drafts_key_is_refused_for_another_report(cast: Cast, at: datetime, draft: Draft, other: dict[str, str]):
    with pytest.raises(KeyReused):
        opening.report_problem(report=a_report(cast.owner, **other), at=at, key=draft.key)
    draft.refresh_from_db()
    assert (draft.subject, draft.text) == ("It stops at night", "Each night at two it stops.")


@pytest.mark.rule("D21")
def test_a_restricted_contact_sees_their_own_drafts_only(cast: Cast, at: datetime, draft: Draft):
    own = opening.report_problem(report=a_report(cast.restricted), at=at, key="own")
    assert list(access.drafts_for(scope_of_contact(cast.restricted), at=at)) == [own]
    assert set(access.drafts_for(scope_of_contact(cast.owner), at=at)) == {own, draft}
    assert not access.drafts_for(scope_of_contact(cast.stranger), at=at).exists()


def test_a_draft_that_was_put_away_is_not_found_again_by_its_form(cast: Cast, at: datetime, draft: Draft):
    opening.discard_draft(draft_id=draft.pk, at=at)
    with pytest.raises(KeyReused):
        opening.report_problem(report=a_report(cast.owner), at=at, key=draft.key)


@pytest.mark.rule("D35")
@pytest.mark.parametrize("as_draft", [False, True])
def test_sent_again_after_a_merge_it_is_still_the_first(cast: Cast, at: datetime, as_draft: bool):
    """Its first message stands in the incident that it was merged into by then."""
    report = a_report(cast.owner)
    if not as_draft:
        with_points(cast.acme, 10, at=at)
    made = opening.report_problem(report=report, at=at, key="one key")
    if as_draft:
        with_points(cast.acme, 10, at=at)
        draft_id, made = made.pk, opening.open_draft(draft_id=made.pk, at=at)
    stays = opened(cast.owner, at=at)
    merging.merge(incident_id=made.pk, into_id=stays.pk, user=cast.technician, at=at)
    if as_draft:
        assert opening.open_draft(draft_id=draft_id, at=at) == made
    assert opening.report_problem(report=report, at=at, key="one key") == made
    with pytest.raises(KeyReused):
        opening.report_problem(report=a_report(cast.owner, text="Another"), at=at, key="one key")
