"""Closures and open days: how they come, change and go (D23)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, connection, transaction

from sla.calendar import Calendar, Closed
from sla.calendars import calendar_for, current_calendars
from sla.closing import (
    BadClosure,
    ClosureRemoved,
    ClosureThere,
    KeyReused,
    add_closure,
    change_closure,
    remove_closure,
)
from sla.closures import Reach, Rule
from sla.models import CalendarChange, CalendarState, Closure
from sla.services import start_clock
from supportdesk.places import Place, zone_info

pytestmark = [pytest.mark.django_db, pytest.mark.rule("D23")]

AT = datetime(2026, 11, 1, tzinfo=UTC)
NEW_YORK = Place("US", "NY", "America/New_York")
BERLIN, BAVARIA = Place("DE", "BE", "Europe/Berlin"), Place("DE", "BY", "Europe/Berlin")
TUESDAY, SATURDAY = date(2026, 12, 1), date(2026, 12, 5)


def add(first: date = TUESDAY, last: date | None = None, name: str = "Inventory", *, key: str = "", **kw) -> Closure:
    reach = kw.pop("reach", Reach())
    rule = Rule(first, last or first, name, opens=kw.pop("opens", False), reach=reach)
    return add_closure(rule=rule, by=kw.pop("by", None), at=AT, key=key or str(uuid4()), **kw)


def number() -> int:
    return CalendarState.objects.get().number


def test_a_closure_closes_for_whom_it_names():
    add(reach=Reach("DE"), name="Bridge day")
    assert calendar_for(BERLIN).closed(TUESDAY) == Closed("closure", "Bridge day")
    assert calendar_for(NEW_YORK).closed(TUESDAY) is None
    add(reach=Reach("DE", "BY"), opens=True, name="Fair")
    assert calendar_for(BAVARIA).closed(TUESDAY) is None
    assert calendar_for(BERLIN).closed(TUESDAY) == Closed("closure", "Bridge day")


def test_a_customer_has_closures_of_its_own(cast):
    add(reach=Reach(customer_id=cast.acme.pk), name="Works holiday")
    assert calendar_for(NEW_YORK, cast.acme.pk).closed(TUESDAY) == Closed("closure", "Works holiday")
    assert calendar_for(NEW_YORK).closed(TUESDAY) is None
    assert calendar_for(NEW_YORK, cast.other.pk) is calendar_for(NEW_YORK)


@pytest.mark.parametrize(("wide", "narrow"), list(combinations(range(4), 2)))
@pytest.mark.parametrize("opens", [False, True])
def test_the_most_specific_counts(cast, wide, narrow, opens):
    reaches = [Reach(), Reach("DE"), Reach("DE", "BE"), Reach(customer_id=cast.other.pk)]
    for order in ((wide, narrow), (narrow, wide)):
        for n in order:
            add(reach=reaches[n], opens=opens == (n == narrow), name=f"{n}", key=f"{order}{n}")
        closed = calendar_for(BERLIN, cast.other.pk).closed(TUESDAY)
        assert closed == (None if opens else Closed("closure", f"{narrow}"))
        for closure in Closure.objects.filter(removed_at=None):
            remove_closure(closure_id=closure.pk, by=None, at=AT)


def test_an_open_day_opens_weekends_and_holidays():
    thanksgiving = date(2026, 11, 26)
    add(SATURDAY, opens=True, name="Release weekend")
    add(thanksgiving, opens=True, name="Release weekend")
    ours = calendar_for(NEW_YORK)
    hours = ours.hours(SATURDAY)
    assert hours is not None
    assert [edge.astimezone(zone_info("America/New_York")).hour for edge in (hours.start, hours.end)] == [9, 17]
    assert ours.closed(thanksgiving) is None


def test_a_clock_starts_by_the_closures_of_its_place_and_customer(cast):
    add(reach=Reach(customer_id=cast.acme.pk), name="Works holiday")
    logged = datetime(2026, 11, 30, 15, tzinfo=zone_info("America/New_York"))
    started = start_clock(place=NEW_YORK, customer_id=cast.acme.pk, at=logged)
    assert started.due_at == datetime(2026, 12, 2, 11, tzinfo=zone_info("America/New_York"))
    assert start_clock(place=NEW_YORK, at=logged).due_at == datetime(2026, 12, 1, 11, tzinfo=logged.tzinfo)
    assert started.calendar_number == number()


def test_every_act_moves_the_number_and_is_noted(cast):
    before = number()
    closure = add(by=cast.admin)
    change_closure(closure_id=closure.pk, first_day=SATURDAY, last_day=SATURDAY, name="Later", by=cast.admin, at=AT)
    remove_closure(closure_id=closure.pk, by=cast.admin, at=AT)
    assert number() == before + 3
    added, changed, removed = CalendarChange.objects.order_by("number")
    assert [change.what for change in (added, changed, removed)] == ["added", "changed", "removed"]
    assert (changed.first_day, changed.last_day, changed.by) == (TUESDAY, SATURDAY, cast.admin)
    assert changed.data["before"]["name"] == "Inventory"
    assert changed.data["after"]["name"] == "Later"
    closure.refresh_from_db()
    assert (closure.created_by, closure.removed_by, closure.removed_at) == (cast.admin, cast.admin, AT)
    assert calendar_for(NEW_YORK).closed(TUESDAY) is None


def test_twice_is_once():
    closure = add(key="k")
    assert add(key="k") == closure
    moved = number()
    with pytest.raises(KeyReused):
        add(SATURDAY, key="k")
    with pytest.raises(ClosureThere, match="Inventory, Tue 1 Dec 2026 is there already"):
        add(key="other")
    change_closure(closure_id=closure.pk, first_day=TUESDAY, last_day=TUESDAY, name=" Inventory ", by=None, at=AT)
    assert number() == moved
    remove_closure(closure_id=closure.pk, by=None, at=AT)
    remove_closure(closure_id=closure.pk, by=None, at=AT + timedelta(days=1))
    assert number() == moved + 1
    with pytest.raises(ClosureRemoved):
        change_closure(closure_id=closure.pk, first_day=SATURDAY, last_day=SATURDAY, name="x", by=None, at=AT)
    assert add(key="again").pk != closure.pk, "what was removed may come again"


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"name": " "}, "name", "customers read it"),
        ({"last": date(2026, 11, 30)}, "last_day", "before the first day, Tue 1 Dec 2026"),
        ({"last": date(2027, 12, 2)}, "last_day", "At most 366 days"),
        ({"reach": Reach("XX")}, "country", "No holidays are known for “XX”"),
        ({"reach": Reach("DE", "NY")}, "subdivision", "is no subdivision of Germany. Known are: BB, BE"),
        ({"reach": Reach(customer_id=999_999)}, "customer", "no such customer"),
    ],
)
def test_a_bad_closure_is_refused_at_its_field(wrong, field, says):
    before = number()
    with pytest.raises(BadClosure) as refused, transaction.atomic():
        add(**wrong)
    assert list(refused.value.errors) == [field]
    assert says in refused.value.errors[field]
    assert (number(), Closure.objects.count()) == (before, 0)


@pytest.mark.rule("D12")
def test_what_would_close_a_place_for_good_is_refused(cast):
    add(date(2027, 1, 1), date(2027, 12, 31), reach=Reach("DE"), name="Sabbatical")
    with (
        pytest.raises(BadClosure, match="Nothing would be open for 400 days from Fri 1 Jan 2027"),
        transaction.atomic(),
    ):
        add(date(2028, 1, 1), date(2028, 3, 1), reach=Reach("DE"))
    with pytest.raises(BadClosure, match="Nothing would be open"), transaction.atomic():
        add(date(2028, 1, 1), date(2028, 3, 1))
    with pytest.raises(BadClosure, match="Nothing would be open"), transaction.atomic():
        add(date(2028, 1, 1), date(2028, 3, 1), reach=Reach(customer_id=cast.other.pk))
    add(date(2028, 1, 1), date(2028, 3, 1), reach=Reach("US"))
    opened = add(date(2027, 7, 1), opens=True, reach=Reach("DE", "BY"))
    add(date(2028, 1, 1), date(2028, 3, 1), reach=Reach("DE", "BY"))
    with pytest.raises(BadClosure, match="Nothing would be open"), transaction.atomic():
        remove_closure(closure_id=opened.pk, by=None, at=AT)


def test_a_closure_looks_no_further_than_its_days_matter(monkeypatch):
    add(date(2100, 5, 5), name="Far")
    months, month = [], Calendar.month

    def noted(calendar: Calendar, *asked: int) -> Any:
        months.append(asked)
        return month(calendar, *asked)

    monkeypatch.setattr(Calendar, "month", noted)
    add(date(2027, 5, 5), name="Near")
    assert months
    assert max(months) <= (2027, 6), "who opens an incident waits for it"


def test_what_is_rolled_back_is_never_taken_for_what_comes_after():
    with transaction.atomic():
        add(name="Never")
        assert calendar_for(NEW_YORK).closed(TUESDAY) == Closed("closure", "Never")
        transaction.set_rollback(True)
    assert calendar_for(NEW_YORK).closed(TUESDAY) is None
    add(SATURDAY, name="Real")
    assert calendar_for(NEW_YORK).closed(TUESDAY) is None
    assert calendar_for(NEW_YORK).closed(SATURDAY) == Closed("closure", "Real")


def test_calendars_cost_one_query_and_none_for_each_place(django_assert_num_queries):
    add(reach=Reach("DE"))
    calendar_for(NEW_YORK)
    with django_assert_num_queries(1):
        calendars = current_calendars()
        found = [calendars.of(place) for place in (NEW_YORK, BERLIN, BAVARIA)]
    assert found[0] is calendar_for(NEW_YORK)


def test_a_change_elsewhere_makes_no_calendar_anew():
    warm = calendar_for(NEW_YORK)
    add(reach=Reach("DE"))
    assert calendar_for(NEW_YORK) is warm


@pytest.mark.parametrize(
    "wrong",
    [
        {"last_day": date(2026, 11, 30)},
        {"last_day": date(2027, 12, 2)},
        {"first_day": date(1969, 12, 31), "last_day": date(1970, 1, 1)},
        {"first_day": date(2100, 12, 31), "last_day": date(2101, 1, 1)},
        {"name": " "},
        {"kind": "ajar"},
        {"subdivision": "BY"},
        {"removed_at": AT - timedelta(days=1)},
    ],
)
def test_the_database_refuses_what_cannot_be(wrong):
    closure = add()
    with pytest.raises(IntegrityError), transaction.atomic():
        Closure.objects.filter(pk=closure.pk).update(**wrong)


def test_the_database_refuses_a_customer_with_a_place_and_the_same_rule_twice(cast):
    closure = add(reach=Reach("DE"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Closure.objects.filter(pk=closure.pk).update(customer=cast.acme)
    closure.pk, closure.key = None, "other"
    with pytest.raises(IntegrityError), transaction.atomic():
        closure.save(force_insert=True)


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM sla_closure",
        "DELETE FROM sla_calendarchange",
        "DELETE FROM sla_calendarstate",
        "TRUNCATE sla_closure",
        "TRUNCATE sla_calendarstate",
        "UPDATE sla_calendarstate SET number = number - 1, mark = gen_random_uuid()",
        "UPDATE sla_calendarstate SET number = number + 1",
        "INSERT INTO sla_calendarstate (id, number, mark, holidays, tzdata) VALUES (2, 1, gen_random_uuid(), '', '')",
    ],
)
def test_history_and_state_are_kept_against_sql(attack):
    add()
    with (
        pytest.raises((IntegrityError, InternalError, ProgrammingError)),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(attack)
    assert Closure.objects.count() == 1
