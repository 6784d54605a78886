"""Warnings and breaches: each told once, by business time, and never of what has ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from incidents import announcing
from incidents.announcing import announce_due
from incidents.models import TimelineEntry
from incidents.services import noticing
from incidents.tasks import announce_clocks
from supportdesk import clock
from tests.cast import Cast
from tests.incidents_helpers import answered, at_once, opened

pytestmark = pytest.mark.rule("D13")
SECOND = timedelta(seconds=1)


def _told() -> list[tuple[str, int | None]]:
    told = TimelineEntry.objects.filter(code__in=("warned", "breached")).order_by("id")
    return [(step.code, step.data.get("minutes")) for step in told]


def _utc(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 12, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("logged", "first", "last", "due"),
    [
        # Friday 12:30 in New York, due at 16:30: warned at 15:30 and 16:15.
        (_utc(4, 17, 30), _utc(4, 20, 30), _utc(4, 21, 15), _utc(4, 21, 30)),
        # Friday 14:15, due on Monday at 10:15: warned on Monday at 9:15 and 10:00.
        (_utc(4, 19, 15), _utc(7, 14, 15), _utc(7, 15, 0), _utc(7, 15, 15)),
    ],
)
def test_warned_60_and_15_business_minutes_before_and_told_once_when_late(
    cast: Cast, logged: datetime, first: datetime, last: datetime, due: datetime
):
    opened(cast.owner, at=logged)
    expected: list[tuple[str, int | None]] = []
    for instant, step in ((first, ("warned", 60)), (last, ("warned", 15)), (due + SECOND, ("breached", None))):
        announce_due(at=instant - SECOND)
        assert _told() == expected
        expected.append(step)
        assert announce_due(at=instant) == 1
        assert announce_due(at=instant) == 0
        assert _told() == expected
    announce_due(at=due + timedelta(days=9))
    assert _told() == expected


def test_at_the_deadline_itself_nothing_is_late(cast: Cast, at: datetime):
    opened(cast.owner, at=at)
    announce_due(at=at + timedelta(hours=4))
    assert ("breached", None) not in _told()


def test_a_job_that_slept_tells_what_is_true_now(cast: Cast, at: datetime):
    opened(cast.owner, at=at)
    assert announce_due(at=at + timedelta(hours=3, minutes=50)) == 1
    assert _told() == [("warned", 15)], "the last warning stands for the first"
    announce_due(at=at + timedelta(days=30))
    assert _told() == [("warned", 15), ("breached", None)]


@pytest.mark.parametrize("answer_after", [timedelta(hours=2), timedelta(hours=5)])
def test_no_alert_once_it_has_ended(cast: Cast, at: datetime, answer_after: timedelta):
    incident = opened(cast.owner, at=at)
    answered(incident, cast.technician, at=at + answer_after)
    for hours in (3, 4, 6, 99):
        assert announce_due(at=at + timedelta(hours=hours)) == 0
    # Answered late is late all the same: a fact of two instants, whoever told it.
    assert incident.clocks.get().clock.outcome == ("breached" if answer_after > timedelta(hours=4) else "met")


def test_what_cannot_be_told_holds_up_no_other(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    bad, late, near = (opened(cast.owner, at=at + timedelta(minutes=n)) for n in (0, 1, 30))
    tell = noticing.notify

    def refuses_one(code: Any, *, incident: Any, **kw: Any) -> None:
        if incident.pk == bad.pk:
            raise ValueError("no mail of this one")
        tell(code, incident=incident, **kw)

    monkeypatch.setattr(announcing, "notify", refuses_one)
    when = at + timedelta(hours=4, minutes=5)
    assert announce_due(at=when) == 2
    told = TimelineEntry.objects.filter(code__in=("warned", "breached")).order_by("id")
    assert [(step.incident_id, step.code) for step in told] == [(late.pk, "breached"), (near.pk, "warned")]
    assert f"Clock {bad.clocks.get().clock_id}" in caplog.text

    monkeypatch.setattr(announcing, "notify", tell)
    assert announce_due(at=when) == 1, "it is told of once it can be"
    assert announce_due(at=when) == 0


def test_two_runs_at_once_tell_once(committed_cast: Cast, at: datetime):
    for _time in range(3):
        opened(committed_cast.owner, at=at)
    made = at_once(*[lambda: announce_due(at=at + timedelta(hours=9))] * 4)
    assert sum(made) == 3
    assert _told() == [("breached", None)] * 3


def test_the_task_asks_the_one_clock(cast: Cast, at: datetime):
    opened(cast.owner, at=at)
    with clock.set_to(at + timedelta(hours=9)):
        assert announce_clocks() == 1
        assert announce_clocks() == 0
