"""Starting, ending and planning anew of response clocks (R6, D12, D13, D23). ``at`` is given by the caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Coalesce

from sla.calendar import Calendar
from sla.calendars import Calendars, planning_calendars
from sla.deadline import instant_before, plan
from sla.models import ENDS_UNANSWERED, Outcome, ResponseClock, Threshold
from supportdesk.places import Place
from supportdesk.policy import POLICY


class BeforeItStarted(ValueError):
    """An answer or end that would lie before the clock's start. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """A clock with its deadlines (UTC) before and after: equal when the plan did not move it (D23)."""

    clock: ResponseClock
    old_due_at: datetime
    new_due_at: datetime

    @property
    def moved(self) -> bool:
        """Whether the deadline changed."""
        return self.old_due_at != self.new_due_at


@transaction.atomic
def start_clock(*, place: Place, at: datetime, customer_id: int | None = None) -> ResponseClock:
    """Promises an answer to what was logged at ``at`` (aware) within four business hours of ``place`` (R6, D12).

    Holidays, closures and open days count as they stand when the transaction ends, those of the customer included
    (D23). Raises ``UnknownPlace``, ``BadInstant`` or ``NoBusinessHours``, and then starts nothing.
    """
    calendars = planning_calendars()
    return ResponseClock.objects.create(
        country=place.country,
        subdivision=place.subdivision,
        zone=place.zone,
        customer_id=customer_id,
        started_at=at,
        minutes=POLICY.response_minutes,
        calendar_number=calendars.stamp,
        **planned(at, minutes=POLICY.response_minutes, calendar=calendars.of(place, customer_id)),
    )


@transaction.atomic
def answer_clock(*, clock_id: int, at: datetime) -> ResponseClock:
    """Records a technician's response at ``at``: met when ``at <= due_at``, else breached (R6, D12).

    The first one counts: on a clock that has ended nothing changes. Raises ``BeforeItStarted``.
    """
    clock = _locked(clock_id)
    if clock.ended_at is None:
        clock.answered_at = at
        _end(clock, at=at, in_time=Outcome.MET)
    return clock


@transaction.atomic
def end_clock(*, clock_id: int, at: datetime, outcome: Outcome) -> ResponseClock:
    """Ends a clock unanswered: withdrawn, declined or merged, but breached when ``at`` is past the deadline (D12, D15).

    A clock that has ended keeps its outcome. Raises ``BeforeItStarted``, and ``ValueError`` for another outcome.
    """
    if outcome not in ENDS_UNANSWERED:
        raise ValueError(f"a clock does not end unanswered as {outcome}")
    clock = _locked(clock_id)
    if clock.ended_at is None:
        _end(clock, at=at, in_time=outcome)
    return clock


@transaction.atomic
def replan_clock(
    *, clock_id: int, place: Place | None = None, started_at: datetime | None = None, restored: bool = False
) -> Replanned:
    """Plans a running clock anew: for a place that changed (D23), or the earlier start of a merge (D12).

    What is not given stays as it is; the calendars that hold now count. A clock that has ended is not touched.
    Warnings sent and breaches announced stay so. For a calendar that changed, see ``sla.replanning``.

    Raises ``UnknownPlace``, ``BadInstant``, ``NoBusinessHours``, and ``ValueError`` for a start later than its own,
    which would dodge a breach, unless it is ``restored``: its own again after an unmerge (D35). Then nothing changes.
    """
    calendars = planning_calendars()
    clock = _locked(clock_id)
    old_due_at = clock.due_at
    if clock.ended_at is None:
        if started_at is not None and started_at > clock.started_at and not restored:
            raise ValueError(f"{started_at.isoformat()} is later than the start of {clock}")
        _replan(clock, calendars, place=place or clock.place, started_at=started_at or clock.started_at)
    return Replanned(clock=clock, old_due_at=old_due_at, new_due_at=clock.due_at)


@transaction.atomic
def resume_clock(*, clock_id: int, place: Place) -> Replanned:
    """Lets a clock that ended unanswered run on from its own start, as if it had not ended (D12, D36).

    Planned for ``place`` by the calendars that hold now. Warnings sent and breaches announced stay so, and are not
    repeated. A clock that was answered, or that runs, is not touched.

    Raises ``UnknownPlace``, ``NoBusinessHours``; then nothing changes.
    """
    calendars = planning_calendars()
    clock = _locked(clock_id)
    old_due_at = clock.due_at
    if clock.ended_at is not None and clock.answered_at is None:
        clock.ended_at, clock.outcome = None, Outcome.RUNNING
        _replan(clock, calendars, place=place, started_at=clock.started_at)
    return Replanned(clock=clock, old_due_at=old_due_at, new_due_at=clock.due_at)


def mark_warned(*, clock_id: int, threshold: Threshold, at: datetime) -> bool:
    """Claims a warning: True for the one caller who is to send it, False for every other (D13).

    The last warning stands for a first one that was missed.
    """
    clocks = ResponseClock.objects.filter(pk=clock_id, ended_at=None, warned_last_at=None, due_at__gte=at)
    if threshold == "last":
        changed = clocks.filter(warn_last_at__lte=at).update(
            warned_last_at=at, warned_first_at=Coalesce("warned_first_at", at)
        )
    else:
        changed = clocks.filter(warned_first_at=None, warn_first_at__lte=at).update(warned_first_at=at)
    return changed == 1


def mark_announced(*, clock_id: int, at: datetime) -> bool:
    """Claims the announcement of a breach: True for the one caller who is to send it, False for every other (D13)."""
    clocks = ResponseClock.objects.filter(pk=clock_id, ended_at=None, breach_announced_at=None, due_at__lt=at)
    return clocks.update(breach_announced_at=at) == 1


def planned(started_at: datetime, *, minutes: int, calendar: Calendar) -> dict[str, Any]:
    """The columns of a clock that follow from its start and a calendar (R6, D13, D24)."""
    found = plan(logged_at=started_at, calendar=calendar, minutes=minutes)
    first, last = (
        instant_before(due_at=found.due_at, minutes=before, calendar=calendar) for before in POLICY.warning_minutes
    )
    return {"due_at": found.due_at, "plan": found.as_data(), "warn_first_at": first, "warn_last_at": last}


def _replan(clock: ResponseClock, calendars: Calendars, *, place: Place, started_at: datetime) -> None:
    calendar = calendars.of(place, clock.customer_id)
    values = {
        "country": place.country,
        "subdivision": place.subdivision,
        "zone": place.zone,
        "started_at": started_at,
        "calendar_number": calendars.stamp,
        **planned(started_at, minutes=clock.minutes, calendar=calendar),
    }
    for name, value in values.items():
        setattr(clock, name, value)
    clock.save(update_fields=[*values, "ended_at", "outcome"])


def _locked(clock_id: int) -> ResponseClock:
    return ResponseClock.objects.select_for_update().get(pk=clock_id)


def _end(clock: ResponseClock, *, at: datetime, in_time: Outcome) -> None:
    if at < clock.started_at:
        raise BeforeItStarted(f"{at.isoformat()} is before the start of {clock}")
    clock.ended_at = at
    clock.outcome = in_time if at <= clock.due_at else Outcome.BREACHED
    clock.save(update_fields=["answered_at", "ended_at", "outcome"])
