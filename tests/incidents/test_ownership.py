"""Who works on an incident."""

from __future__ import annotations

from datetime import datetime

import pytest

from incidents.models import Incident
from incidents.services import ownership
from incidents.services.common import NotAllowed
from tests.cast import Cast
from tests.incidents_helpers import again, answered, at_once, opened, steps


@pytest.mark.rule("D10")
def test_two_who_take_at_once_are_one_owner_and_one_who_is_told(committed_cast: Cast, at: datetime):
    incident = opened(committed_cast.owner, at=at)
    both = (committed_cast.technician, committed_cast.colleague)
    made = at_once(*[lambda user=user: ownership.take(incident_id=incident.pk, user=user, at=at) for user in both])
    owner = again(incident).owner
    (told,) = [result for result in made if isinstance(result, ownership.TakenBySomeoneElse)]
    assert told.owner == owner
    assert owner in both
    assert sum(isinstance(result, Incident) for result in made) == 1
    assert steps(incident).count("taken") == 1


@pytest.mark.rule("D10")
def test_taking_handing_over_and_taking_again(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at)
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at)
    assert steps(incident).count("taken") == 1, "one's own again changes nothing"
    with pytest.raises(ownership.TakenBySomeoneElse):
        ownership.take(incident_id=incident.pk, user=cast.colleague, at=at)
    ownership.assign(incident_id=incident.pk, to=cast.colleague, user=cast.technician, at=at)
    step = incident.timeline.last()
    assert step is not None
    assert (step.code, step.user, step.data) == (
        "handed_over",
        cast.technician,
        {"from": cast.technician.pk, "to": cast.colleague.pk},
    )
    assert again(incident).owner == cast.colleague
    assert again(incident).status == "new"


@pytest.mark.rule("D22")
def test_only_staff_who_may_sign_in_own_incidents(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    cast.colleague.is_active = False
    cast.colleague.save()
    assert cast.stranger.user
    for nobody in (cast.colleague, cast.stranger.user):
        with pytest.raises(ownership.NotStaff):
            ownership.assign(incident_id=incident.pk, to=nobody, user=cast.technician, at=at)
    assert again(incident).owner is None


@pytest.mark.rule("D10")
def test_nobody_takes_what_is_closed(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    with pytest.raises(NotAllowed):
        ownership.take(incident_id=incident.pk, user=cast.colleague, at=at)
    with pytest.raises(NotAllowed):
        ownership.assign(incident_id=incident.pk, to=cast.colleague, user=cast.technician, at=at)
