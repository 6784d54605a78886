"""What runs by itself, and time (D8, D10, D13, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import rule

from incidents.announcing import announce_due
from incidents.services import crediting, lapsing, silence
from sla.deadline import business_days_after, instant_before
from tests.incidents.life_rows import HOUR, Life
from tests.incidents.machine.playing import Played, places
from tests.points.ledger import DAY, TICK


class Time(Played):
    """Silence, lapsing, warnings; instants just before, at and after what is due."""

    @rule()
    def silence_is_ended(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            due = self.silent_until(life)
            if due is not None and due <= self.at:
                self.model.ends_silence(life, self.at)
        silence.remind_and_close(at=self.at)
        self.repeats(lambda: silence.remind_and_close(at=self.at))

    def silent_until(self, life: Life) -> datetime | None:
        if life.waits is None or life.clock.ended is None:
            return None
        after = business_days_after(at=life.waits, days=10 if life.reminded else 5, calendar=self.calendar)
        if life.reminded is None:
            return after
        return max(after, business_days_after(at=life.reminded, days=5, calendar=self.calendar))

    @rule()
    def what_waited_lapses(self) -> None:
        self.at += TICK
        self.model.lapses(self.at)
        lapsing.warn_and_lapse(at=self.at)
        self.repeats(lambda: lapsing.warn_and_lapse(at=self.at))

    @rule()
    def what_is_late_is_announced(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            clock = life.clock
            first, last = (instant_before(due_at=clock.due, minutes=n, calendar=self.calendar) for n in (60, 15))
            if clock.ended is None and clock.due < self.at and not clock.announced:
                clock.announced = True
                life.steps.append("breached")
            elif clock.ended is None and clock.due >= self.at:
                warned = 2 if last <= self.at else 1 if first <= self.at else 0
                if warned > clock.warned:
                    clock.warned = warned
                    life.steps.append("warned")
        announce_due(at=self.at)
        self.repeats(lambda: announce_due(at=self.at))

    @rule()
    def silence_means_points(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            for case in life.cases.values():
                if case.state == "asked" and not case.choice and case.due <= self.at:
                    case.choice = "points"
                    life.steps.append("bug_silence")
        crediting.record_silence(at=self.at)
        self.repeats(lambda: crediting.record_silence(at=self.at))

    # Time goes by

    @rule(ahead=st.sampled_from([TICK, timedelta(minutes=20), HOUR, 5 * HOUR, DAY, 7 * DAY, 31 * DAY]))
    def time_passes(self, ahead: timedelta) -> None:
        self.at += ahead

    @rule(place=places, late=st.sampled_from([-TICK, timedelta(0), TICK]))
    def time_passes_until_something_is_due(self, place: int, late: timedelta) -> None:
        """The verb that follows comes a microsecond before, at, or after the instant."""
        edges: set[datetime | None] = {until for _pk, until, _content in self.drafts}
        edges |= {proposal.until for proposal in self.model.plans.values()}
        for life in self.model.lives.values():
            edges |= {life.clock.due, self.silent_until(life)}
            edges |= {life.end.at + HOUR} if life.end else set()
            edges |= {life.merged_at + 24 * HOUR} if life.merged_at else set()
            edges |= {self.model.after_days(life.first, 90)} if life.first else set()
            edges |= {case.due for case in life.cases.values()}
        ahead = sorted(edge for edge in edges if edge is not None and edge + late - TICK > self.at)
        if ahead:
            self.at = ahead[place % min(len(ahead), 3)] + late - TICK
