"""Closures from a calendar file: all of them or none, each once (D23)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import get_args

import pytest
from django.db import transaction

from sla.calendar import Closed
from sla.calendars import calendar_for
from sla.closing import BadClosure, KeyReused, remove_closure
from sla.closures import Reach
from sla.ics import BadCalendar, Code, Event
from sla.importing import WORDS, import_closures, look_at, words_of
from sla.models import CalendarChange, CalendarState, Closure
from supportdesk.places import Place

pytestmark = [pytest.mark.django_db, pytest.mark.rule("D23")]

AT = datetime(2026, 11, 1, tzinfo=UTC)
BERLIN = Place("DE", "BE", "Europe/Berlin")
GERMANY = Reach("DE")


def event(day: int, name: str = "Break", *, uid: str = "") -> Event:
    return Event(line=1, uid=uid, name=name, first_day=date(2027, 3, day), last_day=date(2027, 3, day))


def take(*events: Event, key: str = "k", reach: Reach = GERMANY, **kw) -> list[str]:
    return [one.state for one in import_closures(events=events, reach=reach, key=key, by=None, at=AT, **kw)]


def test_events_become_closures_by_one_change():
    before = CalendarState.objects.get().number
    assert take(event(1), event(3, uid="a")) == ["new", "new"]
    assert calendar_for(BERLIN).closed(date(2027, 3, 3)) == Closed("closure", "Break")
    change = CalendarChange.objects.get()
    assert (change.number, change.what, change.reach) == (before + 1, "imported", GERMANY)
    assert (change.first_day, change.last_day) == (date(2027, 3, 1), date(2027, 3, 3))
    assert list(Closure.objects.values_list("uid", flat=True)) == ["", "a"]


def test_open_days_are_imported_too():
    take(event(6, "Release"), opens=True)  # a Saturday
    assert calendar_for(BERLIN).closed(date(2027, 3, 6)) is None


def test_what_is_there_is_recognised_and_said():
    take(event(1, uid="a"), event(2))
    number = CalendarState.objects.get().number
    again = take(event(1, uid="a"), event(2, uid="new"), event(4, uid="a"), event(4, "Other", uid="a"), key="k2")
    assert again == ["known", "known", "again", "again"]
    assert CalendarState.objects.get().number == number, "nothing new is no change"
    assert [one.state for one in look_at([event(4, uid="a")], reach=GERMANY)] == ["changed"]
    (changed,) = look_at([event(4, uid="a")], reach=GERMANY)
    assert changed.closure is not None
    assert changed.closure.first_day == date(2027, 3, 1)
    assert take(event(5), event(5), key="k3") == ["new", "again"]
    assert take(event(1, uid="a"), key="k4", reach=Reach("AT")) == ["new"], "other people, another closure"


def test_what_was_removed_may_come_again():
    take(event(1, uid="a"))
    remove_closure(closure_id=Closure.objects.get().pk, by=None, at=AT)
    assert take(event(1, uid="a"), key="k2") == ["new"]


def test_twice_is_once_and_a_key_is_for_one_file():
    take(event(1), event(2))
    assert take(event(1), event(2)) == ["known", "known"]
    assert Closure.objects.count() == 2
    for other in ([event(1)], [event(1), event(2), event(3)]):
        with pytest.raises(KeyReused), transaction.atomic():
            take(*other)
    assert Closure.objects.count() == 2


@pytest.mark.parametrize(
    ("events", "reach", "field"),
    [
        ([event(1), event(2, " ")], GERMANY, "name"),
        ([event(1), event(2)], Reach("QQ"), "country"),
        ([event(1)], Reach(customer_id=999_999), "customer"),
        ([], GERMANY, "file"),
    ],
)
def test_all_or_none(events, reach, field):
    before = CalendarState.objects.get().number
    with pytest.raises(BadClosure) as refused, transaction.atomic():
        take(*events, reach=reach)
    assert list(refused.value.errors) == [field]
    assert (Closure.objects.count(), CalendarState.objects.get().number) == (0, before)


def test_every_refusal_has_words_with_its_line():
    assert set(WORDS) == set(get_args(Code))
    for code in get_args(Code):
        assert words_of(BadCalendar(7, code, "X")).startswith("Line 7: ")
    assert words_of(BadCalendar(0, "empty")) == "There is no event in this file."
