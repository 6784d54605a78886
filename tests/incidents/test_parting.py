"""What parting leaves behind: the one that stays as the others leave it, and steps that say so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.models import Follower, Incident
from incidents.services import conversation, lapsing, merging, reopening
from incidents.services.common import KeyReused
from incidents.stories import say
from tests.cast import Cast
from tests.incidents.merging import HOUR, a_duplicate, clock_of, merge, unmerge
from tests.incidents.splitting import divided
from tests.incidents_helpers import again, answered, key, opened, steps

pytestmark = pytest.mark.rule("D35")


@pytest.fixture
def two(cast: Cast, at: datetime) -> tuple[Incident, Incident]:
    return a_duplicate(cast, at=at)


@pytest.fixture
def three(cast: Cast, at: datetime) -> tuple[Incident, Incident, Incident]:
    """Two duplicates, logged one and two hours before the one that stays, and merged into it."""
    first, second = (opened(cast.restricted, at=at + n * HOUR) for n in (0, 1))
    target = opened(cast.owner, at=at + 2 * HOUR)
    return first, second, target


@pytest.mark.rule("D12")
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("left", [0, 1])
def test_parted_from_one_of_two_the_clock_keeps_the_start_of_the_other(
    cast: Cast, at: datetime, three, order: tuple[int, int], left: int
):
    for number in order:
        merge(three[number], three[2], cast, at=at + 3 * HOUR + timedelta(minutes=number))
    assert clock_of(three[2]).started_at == at
    unmerge(three[left], cast, at=at + 4 * HOUR)
    assert clock_of(three[2]).started_at == at + (1 - left) * HOUR, "the earlier of those that are one"
    unmerge(three[1 - left], cast, at=at + 5 * HOUR)
    assert clock_of(three[2]).started_at == at + 2 * HOUR


@pytest.mark.rule("D38")
def test_parted_from_one_of_two_the_contact_of_the_other_still_follows(cast: Cast, at: datetime, three):
    first, second, target = three
    merge(first, target, cast, at=at + 3 * HOUR)
    merge(second, target, cast, at=at + 4 * HOUR)
    unmerge(first, cast, at=at + 5 * HOUR)
    assert Follower.objects.get(removed_at=None).contact == cast.restricted
    unmerge(second, cast, at=at + 6 * HOUR)
    assert not Follower.objects.filter(removed_at=None).exists()


@pytest.mark.rule("D10")
@pytest.mark.parametrize("more", [False, True])
def test_a_word_that_goes_with_the_parting_is_not_waited_for(cast: Cast, at: datetime, two, more: bool):
    source, target = two
    for one in two:
        answered(one, cast.technician, at=at + HOUR)
    wrote(source, cast, at=at + 2 * HOUR)
    merge(source, target, cast, at=at + 3 * HOUR)
    assert again(target).wrote_at == at + 2 * HOUR
    assert steps(target)[-2:] == ["status", "merged_in"], "every change of a status is a step"
    if more:
        wrote(target, cast, at=at + 4 * HOUR)
    unmerge(source, cast, at=at + 5 * HOUR)
    assert again(target).wrote_at == (at + 4 * HOUR if more else None)
    assert again(source).wrote_at == at + 2 * HOUR


def wrote(incident: Incident, cast: Cast, *, at: datetime) -> None:
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="No.", via="portal", at=at, key=key()
    )


def test_a_key_that_made_something_else_parts_nothing(cast: Cast, at: datetime, two):
    source, target = two
    split = divided(target, cast.technician, at=at + 2 * HOUR)
    own = divided(source, cast.technician, at=at + 2 * HOUR)
    merge(source, target, cast, at=at + 3 * HOUR)
    for proposal in (split, own):
        with pytest.raises(KeyReused):
            unmerge(source, cast, at=at + 4 * HOUR, key_=proposal.key)
    assert again(source).merged_into == target


@pytest.mark.rule("D8", "D10")
def test_a_parting_that_waits_is_a_step(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + HOUR)
    opened(cast.owner, at=at + 2 * HOUR, points=0)
    waiting = unmerge(source, cast, at=at + 3 * HOUR)
    lapsing.warn_and_lapse(at=waiting.kept_until)
    proposed, lapsed = source.timeline.order_by("id")[3:]
    assert say(proposed) == "Tess Technician proposed to part it again: it waits for 10 points"
    assert say(lapsed) == "Nobody paid for parting it: it stays merged"


@pytest.mark.rule("D8", "D10")
def test_a_parting_that_the_customer_leaves_is_said(cast: Cast, at: datetime, two):
    source, target = two
    merge(source, target, cast, at=at + HOUR)
    opened(cast.owner, at=at + 2 * HOUR, points=0)
    waiting = unmerge(source, cast, at=at + 3 * HOUR)
    merging.leave_merged(proposal_id=waiting.pk, contact=cast.owner, at=at + 4 * HOUR)
    assert say(source.timeline.latest("id")) == "Olive Owner leaves it merged"


@pytest.mark.rule("D12", "D16")
def test_a_re_opening_between_the_click_and_the_lock_is_merged_all_the_same(cast: Cast, at: datetime, two):
    source, target = two
    answered(source, cast.technician, at=at + HOUR, then="closed")
    wrote(source, cast, at=at + HOUR)
    reopening.accept(incident_id=source.pk, user=cast.colleague, at=at + 2 * HOUR)
    merge(source, target, cast, at=at + 2 * HOUR - timedelta(microseconds=1))
    assert (clock_of(source).outcome, again(source).merged_at) == ("merged", at + 2 * HOUR)
