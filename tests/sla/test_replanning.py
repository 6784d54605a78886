"""A calendar that changes: running clocks are planned anew, and what was done stays done (D23)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.db import connection

from sla import holidays, queries, replanning, services
from sla.closing import add_closure, change_closure, remove_closure
from sla.closures import Reach, Rule
from sla.holidays import Libraries, libraries
from sla.models import CalendarChange, CalendarState, Closure, Outcome, ResponseClock
from sla.replanning import (
    Batch,
    PackagesOutdated,
    adopt_libraries,
    clocks_in_time_after_all,
    pending_changes,
    preview_change,
    replan_batch,
    touched,
)
from sla.services import Replanned
from supportdesk.places import Place, zone_info

pytestmark = [pytest.mark.django_db, pytest.mark.rule("D23")]

NEW_YORK = Place("US", "NY", "America/New_York")
BERLIN = Place("DE", "BE", "Europe/Berlin")
AT = datetime(2026, 12, 7, 21, tzinfo=UTC)
MONDAY, TUESDAY, WEDNESDAY = date(2026, 12, 7), date(2026, 12, 8), date(2026, 12, 9)
EVERYONE = Reach()


def local(text: str, zone: str = "America/New_York") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_info(zone))


def started(text: str = "2026-12-07T15:00", place: Place = NEW_YORK, **kw) -> ResponseClock:
    return services.start_clock(place=place, at=local(text, place.zone), **kw)


def rule(day: date = TUESDAY, last: date | None = None, *, name: str = "Stocktaking", **kw) -> Rule:
    return Rule(day, last or day, name, **kw)


def close(*args, **kw) -> Closure:
    return add_closure(rule=rule(*args, **kw), by=None, at=AT, key=str(uuid4()))


def fresh(clock: ResponseClock) -> ResponseClock:
    return ResponseClock.objects.get(pk=clock.pk)


def replan_all() -> list[Replanned]:
    found: list[Replanned] = []
    batch = Batch(more=True)
    while batch.more:
        batch = replan_batch(at=AT, previous=batch)
        found += batch.replanned
    return found


def test_a_calendar_that_changes_moves_running_clocks_only():
    running, answered = started(), started()
    services.answer_clock(clock_id=answered.pk, at=local("2026-12-07T15:30"))
    close()
    (moved,) = replan_all()
    assert (moved.clock.pk, moved.old_due_at, moved.new_due_at) == (
        running.pk,
        local("2026-12-08T11:00"),
        local("2026-12-09T11:00"),
    )
    assert fresh(running).due_at == local("2026-12-09T11:00")
    assert (fresh(running).warn_first_at, fresh(running).warn_last_at) == (
        local("2026-12-09T10:00"),
        local("2026-12-09T10:45"),
    )
    assert [row.kind for row in queries.explain_clock(fresh(running))] == ["counted", "closure", "counted"]
    assert fresh(answered).due_at == local("2026-12-08T11:00")
    assert fresh(answered).outcome == Outcome.MET


def test_what_was_sent_stays_sent_when_a_deadline_moves():
    clock = started()
    late = local("2026-12-08T11:01")
    services.mark_warned(clock_id=clock.pk, threshold="last", at=local("2026-12-08T10:50"))
    services.mark_announced(clock_id=clock.pk, at=late)
    assert not clocks_in_time_after_all(late).exists()
    close()
    replan_all()
    assert fresh(clock).breach_announced_at == late
    assert fresh(clock).announced_but_in_time(late)
    assert list(clocks_in_time_after_all(late)) == [clock]
    assert not queries.clocks_to_warn(local("2026-12-09T10:50")).exists()
    assert not queries.clocks_to_announce(local("2026-12-09T12:00")).exists()
    services.answer_clock(clock_id=clock.pk, at=local("2026-12-09T10:55"))
    assert list(clocks_in_time_after_all(local("2027-01-01T00:00"))) == [clock]


def test_a_second_run_finds_nothing_and_batches_go_on_where_they_stopped():
    clocks = [started() for _ in range(5)]
    close()
    sizes = []
    while True:
        batch = replan_batch(at=AT, limit=2)
        sizes.append(len(batch.replanned))
        if not batch.more:
            break
    assert sizes == [2, 2, 1]
    assert replan_batch(at=AT).replanned == ()
    change = CalendarChange.objects.get()
    assert (change.replanned_at, pending_changes().exists()) == (AT, False)
    assert {fresh(clock).calendar_number for clock in clocks} == {change.number}


def test_several_changes_plan_each_clock_once():
    started()
    close()
    close(WEDNESDAY, name="Move")
    assert [one.new_due_at for one in replan_all()] == [local("2026-12-10T11:00")]
    assert not pending_changes().exists()


def test_only_whom_a_change_names_is_looked_at(cast):
    here, there, theirs = started(), started(place=BERLIN), started(customer_id=cast.acme.pk)
    close(reach=Reach("DE"))
    assert [one.clock for one in replan_all()] == [there]
    close(reach=Reach("DE", "BY"))
    assert replan_all() == []
    close(reach=Reach(customer_id=cast.acme.pk))
    assert [one.clock for one in replan_all()] == [theirs]
    close()
    assert {one.clock.pk for one in replan_all()} == {here.pk, there.pk, theirs.pk}


@pytest.mark.parametrize(
    ("day", "touches"),
    [(date(2026, 12, 3), False), (MONDAY, True), (TUESDAY, True), (date(2026, 12, 11), False)],
)
def test_days_outside_a_clock_touch_nothing(day, touches):
    started()  # Monday to Tuesday
    close(day)
    assert bool(replan_all()) == touches


def test_taking_back_and_changing_move_deadlines_back():
    clock = started()
    closure = close()
    replan_all()
    change_closure(closure_id=closure.pk, first_day=WEDNESDAY, last_day=WEDNESDAY, name="Later", by=None, at=AT)
    assert [one.new_due_at for one in replan_all()] == [local("2026-12-08T11:00")]
    close(date(2026, 12, 8), name="Again")
    assert [one.new_due_at for one in replan_all()] == [local("2026-12-10T11:00")]
    remove_closure(closure_id=closure.pk, by=None, at=AT)
    assert [one.new_due_at for one in replan_all()] == [local("2026-12-09T11:00")]
    assert fresh(clock).plan["skipped"] == [["2026-12-08", "closure", "Again"]]


def test_an_open_saturday_brings_a_deadline_forward():
    clock = started("2026-12-11T15:00")
    close(date(2026, 12, 12), opens=True, name="Release")
    (moved,) = replan_all()
    assert (moved.old_due_at, moved.new_due_at) == (local("2026-12-14T11:00"), local("2026-12-12T11:00"))
    assert [row.kind for row in queries.explain_clock(fresh(clock))] == ["counted", "counted"]


def test_a_place_that_is_known_no_longer_keeps_its_deadline(caplog):
    clock = started()
    ResponseClock.objects.filter(pk=clock.pk).update(zone="America/Gotham")
    close()
    (one,) = replan_all()
    assert not one.moved
    assert f"Clock {clock.pk} keeps its deadline" in caplog.text
    assert not pending_changes().exists()


def test_a_preview_says_what_would_move_and_writes_nothing():
    running, other = started(), started(place=BERLIN)
    before = (CalendarState.objects.get().number, Closure.objects.count())
    found = preview_change(add=[rule(reach=Reach("US"))])
    assert (found.touched, found.looked_at, found.moved, found.closed, found.is_whole) == (1, 1, 1, 0, True)
    (row,) = found.rows
    assert (row.clock, row.old_due_at, row.new_due_at) == (
        running,
        local("2026-12-08T11:00"),
        local("2026-12-09T11:00"),
    )
    assert (CalendarState.objects.get().number, Closure.objects.count()) == before
    assert fresh(running).due_at == local("2026-12-08T11:00")
    assert preview_change(add=[rule(date(2026, 12, 24))]).touched == 0
    assert preview_change().touched == 0
    closure = close()
    replan_all()
    back = preview_change(remove_id=closure.pk)
    assert {row.clock for row in back.rows} == {running, other}
    assert {row.new_due_at for row in back.rows} == {local("2026-12-08T11:00"), local("2026-12-08T11:00", BERLIN.zone)}
    assert preview_change(add=[rule(name="Renamed")], remove_id=closure.pk).moved == 0


def test_a_preview_is_bounded(monkeypatch):
    for _ in range(4):
        started()
    monkeypatch.setattr(replanning, "SAMPLE", 2)
    found = preview_change(add=[rule()])
    assert (found.moved, len(found.rows)) == (4, 2)


def test_a_preview_of_several_rules_is_of_all_at_once_with_the_same_queries(django_assert_num_queries):
    clock, elsewhere = started(), started(place=BERLIN)
    rules = [rule(), rule(WEDNESDAY, name="Move"), rule(date(2027, 5, 5), name="Later")]
    preview_change()  # the calendars are loaded once a process
    for count in (1, 3):
        with django_assert_num_queries(3):
            found = preview_change(add=rules[:count])
    assert (found.touched, found.moved) == (2, 2)
    by_clock = {row.clock: row.new_due_at for row in found.rows}
    assert by_clock == {clock: local("2026-12-10T11:00"), elsewhere: local("2026-12-10T11:00", BERLIN.zone)}
    assert preview_change(add=[rule(reach=Reach("DE")), rule(WEDNESDAY, reach=Reach("US"))]).moved == 1


def test_days_far_apart_do_not_touch_what_runs_between():
    started()
    before, after = date(2026, 11, 2), date(2027, 2, 1)
    assert preview_change(add=[rule(before), rule(after)]).touched == 0
    assert preview_change(add=[rule(before), rule(after), rule(TUESDAY)]).touched == 1
    near = [date(2026, 12, 3), date(2026, 12, 12)]
    for days in ([near[0]], [near[1]], near):
        together = preview_change(add=[rule(day) for day in days]).touched
        assert together == max(touched(EVERYONE, day, day).count() for day in days)


def test_the_mark_of_a_preview_is_of_its_moves():
    started()
    one = preview_change(add=[rule()])
    assert preview_change(add=[rule(name="Other words")]).mark == one.mark
    assert preview_change(add=[rule(), rule(WEDNESDAY)]).mark != one.mark
    started("2026-12-07T15:30")
    assert preview_change(add=[rule()]).mark != one.mark
    assert preview_change().mark == preview_change(add=[rule(date(2027, 5, 5))]).mark


def test_pending_changes_take_turns():
    many, few = [started() for _ in range(6)], [started(place=BERLIN)]
    close(reach=Reach("US"))
    close(reach=Reach("DE"))
    turns = []
    batch = Batch(more=True)
    while batch.more:
        batch = replan_batch(at=AT, previous=batch, limit=2)
        turns.append([one.clock for one in batch.replanned])
    assert turns == [many[:2], few, many[2:4], many[4:]]
    assert replan_batch(at=AT) == Batch()


@pytest.mark.parametrize("broken", ["plan", "row"])
def test_a_clock_that_fails_keeps_its_deadline_and_the_others_move(broken, monkeypatch, caplog):
    clocks = [started() for _ in range(3)]
    bad = clocks[1]
    ResponseClock.objects.filter(pk=bad.pk).update(minutes=241)

    def failing(started_at, *, minutes, calendar):
        found = services.planned(started_at, minutes=minutes, calendar=calendar)
        if minutes != 241:
            return found
        if broken == "plan":
            raise ZeroDivisionError
        return found | {"warn_last_at": found["due_at"]}  # refused by the table

    monkeypatch.setattr(replanning, "planned", failing)
    close()
    assert {one.clock.pk for one in replan_all() if one.moved} == {clocks[0].pk, clocks[2].pk}
    assert fresh(bad).due_at == bad.due_at
    assert f"Clock {bad.pk} keeps its deadline" in caplog.text
    change = CalendarChange.objects.get()
    assert (change.data["kept"], change.replanned_at) == ({"count": 1, "clocks": [bad.pk]}, AT)
    assert replan_all() == [], "a second run finds nothing"
    assert CalendarChange.objects.get().data == change.data


def test_new_packages_plan_everything_anew(monkeypatch):
    assert adopt_libraries(at=AT)
    assert not adopt_libraries(at=AT)
    replan_all()
    clock = started()
    monkeypatch.setattr(replanning, "libraries", lambda: Libraries("99.1", libraries().tzdata))
    assert adopt_libraries(at=AT)
    assert [one.clock for one in replan_all()] == [clock]
    assert CalendarChange.objects.latest("number").data["after"]["holidays"] == "99.1"


def test_a_process_with_older_packages_plans_what_is_planned_anew(monkeypatch):
    CalendarState.objects.update(number=2, mark=uuid4(), holidays="99.1", tzdata="2099.1")
    clock = started()
    assert clock.calendar_number == 0
    CalendarChange.objects.create(
        number=2, what="libraries", first_day=MONDAY, last_day=TUESDAY, at=AT, replanned_at=AT
    )
    assert not adopt_libraries(at=AT), "older ones are not adopted by themselves"
    assert pending_changes().count() == 1
    with pytest.raises(PackagesOutdated):
        replan_batch(at=AT)
    monkeypatch.setattr(replanning, "libraries", lambda: Libraries("99.1", "2099.1"))
    assert [one.clock for one in replan_all()] == [clock]
    assert fresh(clock).calendar_number == 2
    monkeypatch.undo()
    assert adopt_libraries(at=AT, older=True)
    assert CalendarState.objects.get().libraries == libraries()


@pytest.mark.parametrize(
    ("mine", "theirs", "older"),
    [
        (("0.109", "2026.6"), ("0.109", "2026.6"), False),
        (("0.99", "2026.6"), ("0.109", "2026.6"), True),
        (("0.110", "2026.6"), ("0.109", "2026.6"), False),
        (("0.110", "2026.5"), ("0.109", "2026.6"), True),
        (("0.109", "2026.6"), ("", ""), False),
    ],
)
def test_releases_are_compared_by_their_numbers(mine, theirs, older):
    assert Libraries(*mine).older_than(Libraries(*theirs)) == older


def test_a_batch_costs_the_same_number_of_queries_whatever_its_size(django_assert_num_queries):
    for count in (1, 30):
        for _ in range(count):
            started()
        close(name=f"With {count}")
        with django_assert_num_queries(11):
            assert len(replan_batch(at=AT).replanned) >= count


def many_ended(count: int) -> None:
    """Clocks that were answered long ago, beside the few that run."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO sla_responseclock (country, subdivision, zone, started_at, minutes, due_at, plan,
                   answered_at, ended_at, outcome, warn_first_at, warn_last_at, calendar_number)
               SELECT 'US', 'NY', 'America/New_York', t, 240, t + interval '4 hours', '{}', t + interval '1 hour',
                   t + interval '1 hour', 'met', t + interval '3 hours', t + interval '225 minutes', 1
               FROM (SELECT timestamptz '2020-01-01' + n * interval '1 minute' AS t FROM generate_series(1, %s) n) s""",
            [count],
        )


def test_packages_are_those_that_are_installed():
    assert holidays.libraries() == libraries()
    assert all(libraries())
