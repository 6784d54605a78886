"""Closures in Django admin: previewed, saved, changed, taken back, imported (D23)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from incidents.models import Incident
from incidents.replanning import replan_due
from sla import replanning
from sla.calendar import NoBusinessHours
from sla.calendars import current_calendars
from sla.closing import add_closure, change_closure, remove_closure
from sla.closures import Reach, Rule
from sla.models import CalendarChange, CalendarState, Closure
from supportdesk import words
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D23")
ADD = "/admin/sla/closure/add/"
LIST = "/admin/sla/closure/"
IMPORT = "/admin/sla/closure/import/"


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(cast.admin)


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


def told(answer: Any) -> str:
    return plain(answer.content.decode())


def hidden(answer: Any, *names: str) -> dict[str, str]:
    """What the form of a page carries unseen."""
    body = answer.content.decode()
    found = {}
    for name in names:
        match = re.search(rf'<input type="hidden" name="{name}"(?: value="([^"]*)")?', body)
        found[name] = (match[1] or "") if match else ""
    return found


def fields(day: date, **given: str) -> dict[str, str]:
    return {
        "kind": "closed",
        "place": "",
        "customer": "",
        "first_day": day.isoformat(),
        "last_day": "",
        "name": "Staff outing",
    } | given


def previewed(browser: Client, path: str, **given: str) -> tuple[dict[str, str], Any]:
    """The form as its preview carries it on, and that answer."""
    sent = hidden(browser.get(path), "key") | given | {"do": "preview"}
    answer = browser.post(path, sent)
    return {**sent, **hidden(answer, "previewed"), "do": "save"}, answer


def closed(cast: Cast, at: datetime, *, name: str = "Closed", day: date, **reach: Any) -> Closure:
    return add_closure(rule=Rule(day, day, name, reach=Reach(**reach)), by=cast.admin, at=at, key=key())


def day_of(incident: Incident) -> date:
    link = incident.clocks.select_related("clock").get(current=True)
    return link.clock.due_at.date()


# Adding


def test_the_preview_shows_what_would_move_and_saves_nothing(admin: Client, incident: Incident):
    before = CalendarState.objects.get()
    _form, answer = previewed(admin, ADD, **fields(day_of(incident)))
    text = told(answer)
    assert answer.status_code == 200
    assert "1 open deadline would move" in text
    assert plain(incident.shown_number) in text
    assert "Acme Tools , New York" in text
    assert "Save and move 1 deadline" in text
    assert re.search(r"\w{3} \d+ \w{3}, \d+:\d\d → \w{3} \d+ \w{3}, \d+:\d\d", text)
    assert not Closure.objects.exists()
    after = CalendarState.objects.get()
    assert (after.number, after.mark) == (before.number, before.mark)


def test_saved_after_the_preview_once(admin: Client, cast: Cast, incident: Incident):
    form, _answer = previewed(admin, ADD, **fields(day_of(incident)))
    answer = admin.post(ADD, form, follow=True)
    closure = Closure.objects.get()
    assert answer.redirect_chain == [(reverse("admin:sla_closure_change", args=[closure.pk]), 302)]
    assert (closure.first_day, closure.last_day, closure.created_by) == (day_of(incident),) * 2 + (cast.admin,)
    assert "planned anew by themselves" in told(answer)
    admin.post(ADD, form)
    assert Closure.objects.count() == 1


def test_a_form_that_is_sent_again_after_its_closure_was_taken_back_does_not_say_saved(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    form, _answer = previewed(admin, ADD, **fields(day_of(incident)))
    told(admin.post(ADD, form, follow=True))
    remove_closure(closure_id=Closure.objects.get().pk, by=cast.admin, at=clock_at)
    text = told(admin.post(ADD, form, follow=True))
    assert "was saved before, and taken back since. Nothing was changed." in text
    assert "is saved." not in text
    assert not Closure.objects.filter(removed_at=None).exists()


def test_what_was_not_previewed_is_not_saved(admin: Client, incident: Incident):
    day = day_of(incident)
    form, _answer = previewed(admin, ADD, **fields(day))
    other = admin.post(ADD, form | {"name": "Something else"})
    assert "would move" in told(other)
    assert not Closure.objects.exists()
    blind = admin.post(ADD, form | {"previewed": ""})
    assert "would move" in told(blind)
    assert not Closure.objects.exists()


def test_nothing_would_move(admin: Client, incident: Incident):
    _form, answer = previewed(admin, ADD, **fields(day_of(incident), place="DE-BY"))
    assert "No open deadline would move" in told(answer)
    assert "Save, no deadline moves" in told(answer)


def test_a_preview_that_did_not_look_at_all_says_so(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    opened(cast.owner, at=clock_at)
    monkeypatch.setattr(replanning, "POLICY", replace(POLICY, preview_clocks_max=1))
    _form, answer = previewed(admin, ADD, **fields(day_of(incident)))
    assert "2 running clocks were looked at" in told(answer)
    assert "Only the first 1 by deadline were looked at: more may move" in told(answer)


def test_fifty_rows_are_shown_and_all_are_counted(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    opened(cast.owner, at=clock_at)
    monkeypatch.setattr(replanning, "SAMPLE", 1)
    _form, answer = previewed(admin, ADD, **fields(day_of(incident)))
    assert "2 open deadlines would move" in told(answer)
    assert "The first 1 are shown" in told(answer)


def test_each_change_is_listed_for_admins(admin: Client, cast: Cast, clock_at: datetime):
    closed(cast, clock_at, day=date(2028, 5, 5), country="DE", subdivision="BY")
    text = told(admin.get("/admin/sla/calendarchange/"))
    assert "added" in text
    assert "Bayern, Germany" in text


def test_for_one_customer_by_name_or_number(admin: Client, cast: Cast, incident: Incident):
    form, answer = previewed(admin, ADD, **fields(day_of(incident), customer="acme tools"))
    assert "1 open deadline would move" in told(answer)
    admin.post(ADD, form)
    assert Closure.objects.get().customer == cast.acme
    cast.other.name = "Acme Tools"
    cast.other.save()
    _form, answer = previewed(admin, ADD, **fields(day_of(incident), customer="Acme Tools"))
    assert f"Acme Tools ({cast.other.pk})" in told(answer)
    form, _answer = previewed(admin, ADD, **fields(day_of(incident), customer=f"Acme Tools ({cast.other.pk})"))
    admin.post(ADD, form)
    assert Closure.objects.filter(customer=cast.other).exists()


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"first_day": "2027-05-05", "last_day": "2027-05-04"}, "last_day", "before the first day"),
        ({"first_day": "2027-05-05", "last_day": "2028-05-05"}, "last_day", "At most 366 days"),
        ({"first_day": "1969-12-31"}, "first_day", "1970 to 2100"),
        ({"first_day": "2101-01-01"}, "first_day", "1970 to 2100"),
        ({"first_day": "soon"}, "first_day", "year, month and day"),
        ({"first_day": ""}, "first_day", "Give the first day"),
        ({"name": " "}, "name", "Give a name"),
        ({"name": "x" * 121}, "name", "at most 120"),
        ({"place": "XX"}, "place", "no country code"),
        ({"place": "DE-XX"}, "place", "no subdivision of Germany"),
        ({"customer": "Nobody Ltd"}, "customer", "No customer is called"),
        ({"customer": "Nobody (99999)"}, "customer", "No customer is called"),
        ({"customer": "Acme Tools", "place": "DE"}, "customer", "Choose one"),
        ({"kind": "half"}, "kind", "closed, or opened"),
    ],
)
def test_errors_stand_at_their_field(admin: Client, given: dict[str, str], field: str, said: str):
    _form, answer = previewed(admin, ADD, **(fields(date(2027, 5, 5)) | given))
    assert answer.status_code == 422
    (error,) = re.findall(rf'id="id_{field}_error">([^<]*)', answer.content.decode())
    assert said in error
    assert not Closure.objects.exists()


def test_all_days_closed_is_refused_in_the_preview(admin: Client, cast: Cast, clock_at: datetime):
    add_closure(rule=Rule(date(2027, 1, 1), date(2027, 12, 31), "First year"), by=cast.admin, at=clock_at, key=key())
    year = fields(date(2028, 1, 1), last_day="2028-12-31", name="Second year")
    _form, answer = previewed(admin, ADD, **year)
    assert answer.status_code == 422
    assert "no deadline can be promised" in told(answer)
    assert Closure.objects.count() == 1


def test_the_same_days_twice(admin: Client, cast: Cast, clock_at: datetime):
    closed(cast, clock_at, name="Staff outing", day=date(2027, 5, 5))
    _form, answer = previewed(admin, ADD, **fields(date(2027, 5, 5)))
    assert answer.status_code == 422
    assert "there already" in told(answer)


OTHER = "What was shown is different by now, so nothing was saved."


def test_a_closure_saved_in_between_is_shown_before_anything_is_saved(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    day = day_of(incident)
    form, _answer = previewed(admin, ADD, **fields(day))
    closed(cast, clock_at, name="Fair", day=day)
    answer = admin.post(ADD, form)
    assert OTHER not in told(answer)
    assert Closure.objects.count() == 2, "the same day closed by another name moves the same"

    form, _answer = previewed(admin, ADD, **fields(day, name="Third"))
    replan_due(at=clock_at)
    later = day_of(incident)
    assert later > day
    answer = admin.post(ADD, form)
    assert (OTHER in told(answer), Closure.objects.count()) == (True, 2)
    assert "No open deadline would move" in told(answer)
    admin.post(ADD, form | hidden(answer, "previewed"))
    assert Closure.objects.count() == 3


def test_another_closure_that_takes_a_move_away_is_shown(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    day = day_of(incident)
    form, answer = previewed(admin, ADD, **fields(day))
    assert "1 open deadline would move" in told(answer)
    days = Rule(day, day, "We work", opens=True, reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=days, by=cast.admin, at=clock_at, key=key())
    before = CalendarState.objects.get()
    answer = admin.post(ADD, form)
    text = told(answer)
    assert OTHER in text
    assert "No open deadline would move" in text
    assert Closure.objects.get().name == "We work"
    after = CalendarState.objects.get()
    assert (after.number, after.mark) == (before.number, before.mark)


def test_a_new_incident_that_would_move_is_shown(admin: Client, cast: Cast, clock_at: datetime, incident: Incident):
    form, _answer = previewed(admin, ADD, **fields(day_of(incident)))
    opened(cast.owner, at=clock_at)
    answer = admin.post(ADD, form)
    assert OTHER in told(answer)
    assert "2 open deadlines would move" in told(answer)
    assert not Closure.objects.exists()
    form |= hidden(answer, "previewed")
    opened(cast.stranger, at=clock_at)
    other = admin.post(ADD, form | {"place": "FR"})
    assert OTHER not in told(other), "another question, and so its first answer"
    assert not Closure.objects.exists()


def test_a_removal_goes_by_what_was_shown_too(admin: Client, cast: Cast, clock_at: datetime, incident: Incident):
    closure = closed(cast, clock_at, day=day_of(incident))
    replan_due(at=clock_at)
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    answer = admin.post(page, {"do": "preview_remove"})
    assert "Take it back and move 1 deadline" in told(answer)
    closed(cast, clock_at, name="Fair", day=closure.first_day)
    answer = admin.post(page, {"do": "remove", **hidden(answer, "removal-previewed")})
    assert OTHER in told(answer)
    assert "Take it back, no deadline moves" in told(answer)
    closure.refresh_from_db()
    assert closure.removed_at is None
    admin.post(page, {"do": "remove", **hidden(answer, "removal-previewed")})
    closure.refresh_from_db()
    assert closure.removed_at is not None


def test_a_deadline_that_cannot_be_planned_anew_is_named_on_the_closures_page(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_given: Any, **_named: Any) -> Any:
        raise NoBusinessHours

    monkeypatch.setattr(replanning, "planned", fails)
    closure = closed(cast, clock_at, day=day_of(incident))
    replan_due(at=clock_at)
    text = told(admin.get(reverse("admin:sla_closure_change", args=[closure.pk])))
    assert f"could not be planned anew and keep their deadlines: {plain(incident.shown_number)}" in text
    assert "could not be planned" in told(admin.get("/admin/sla/calendarchange/")).lower()


def test_one_day_is_said_once(admin: Client):
    form, _answer = previewed(admin, ADD, **fields(date(2026, 11, 26)))
    assert "Staff outing, Thu 26 Nov 2026 is saved." in told(admin.post(ADD, form, follow=True))
    form, _answer = previewed(admin, ADD, **fields(date(2026, 11, 30), last_day="2026-12-01"))
    assert "Staff outing, Mon 30 Nov 2026 – Tue 1 Dec 2026 is saved." in told(admin.post(ADD, form, follow=True))


# Changing and taking back


def test_changed_after_a_preview(admin: Client, cast: Cast, clock_at: datetime, incident: Incident):
    closure = closed(cast, clock_at, day=date(2028, 5, 5))
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    day = day_of(incident).isoformat()
    form, answer = previewed(admin, page, first_day=day, last_day=day, name="Moved")
    assert "1 open deadline would move" in told(answer)
    assert Closure.objects.get().name == "Closed"
    text = told(admin.post(page, form, follow=True))
    assert Closure.objects.get().name == "Moved"
    said = words.dates(day_of(incident), day_of(incident))
    assert f"changed, Ada Admin: Closed, Fri 5 May 2028 → Moved, {said}" in text
    assert "added, Ada Admin: Closed, Fri 5 May 2028" in text


@pytest.mark.parametrize("do", ["save", "remove"])
def test_days_that_somebody_else_changed_since_are_shown_before_they_are_lost(
    admin: Client, cast: Cast, clock_at: datetime, do: str
):
    closure = closed(cast, clock_at, day=date(2028, 5, 5))
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    asked = {"first_day": "2028-05-05", "last_day": "2028-05-05", "name": "Fair"} if do == "save" else {}
    name = "previewed" if do == "save" else "removal-previewed"
    shown = admin.post(page, asked | {"do": "preview" if do == "save" else "preview_remove"})
    last = date(2028, 5, 9)
    change_closure(
        closure_id=closure.pk, first_day=closure.first_day, last_day=last, name="Closed", by=cast.admin, at=clock_at
    )
    answer = admin.post(page, asked | hidden(shown, name) | {"do": do})
    assert OTHER in told(answer)
    assert "Fri 5 May 2028 – Tue 9 May 2028" in told(answer)
    closure.refresh_from_db()
    assert (closure.name, closure.last_day, closure.removed_at) == ("Closed", last, None)
    admin.post(page, asked | hidden(answer, name) | {"do": do})
    closure.refresh_from_db()
    assert closure.removed_at is not None if do == "remove" else closure.name == "Fair"


@pytest.mark.parametrize("mark", ["\x00", ".", "a.b"])
def test_a_mark_that_is_none_is_previewed(admin: Client, cast: Cast, clock_at: datetime, mark: str):
    closure = closed(cast, clock_at, day=date(2028, 5, 5))
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    answer = admin.post(page, {"do": "remove", "removal-previewed": mark})
    assert "Take it back, no deadline moves" in told(answer)
    closure.refresh_from_db()
    assert closure.removed_at is None


def test_what_is_so_already_says_so(admin: Client, cast: Cast, clock_at: datetime):
    closure = closed(cast, clock_at, day=date(2028, 5, 5))
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    _form, answer = previewed(admin, page, first_day="2028-05-05", last_day="", name="Closed")
    assert "nothing would change" in told(answer)


def test_taken_back_after_a_preview_and_never_deleted(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    closure = closed(cast, clock_at, day=date(2028, 5, 5))
    page = reverse("admin:sla_closure_change", args=[closure.pk])
    answer = admin.post(page, {"do": "preview_remove"})
    assert "Take it back, no deadline moves" in told(answer)
    assert Closure.objects.get().removed_at is None
    admin.post(page, {"do": "remove"})
    assert Closure.objects.get().removed_at is None, "only what was shown"
    text = told(admin.post(page, {"do": "remove", **hidden(answer, "removal-previewed")}, follow=True))
    closure.refresh_from_db()
    assert closure.removed_by == cast.admin
    assert "removed, Ada Admin: Closed, Fri 5 May 2028" in text
    assert "Take it back" not in text
    assert admin.post(reverse("admin:sla_closure_delete", args=[closure.pk]), {"post": "yes"}).status_code == 403
    admin.post(page, {"do": "save", "first_day": "2028-05-06", "name": "Back"})
    assert Closure.objects.get().name == "Closed"


# The list


def test_the_list_has_what_is_coming_first(admin: Client, cast: Cast, clock_at: datetime):
    closed(cast, clock_at, name="Long ago", day=date(2020, 5, 5))
    closed(cast, clock_at, name="Later", day=date(2099, 5, 5), country="DE")
    closed(cast, clock_at, name="Sooner", day=date(2098, 5, 5), country="DE", subdivision="BY")
    gone = closed(cast, clock_at, name="Gone", day=date(2097, 5, 5), customer_id=cast.acme.pk)
    remove_closure(closure_id=gone.pk, by=cast.admin, at=clock_at)

    def names(**asked: str) -> list[str]:
        body = admin.get(LIST, asked).content.decode()
        return re.findall(r'field-name"><a[^>]*>([^<]*)', body)

    assert names() == ["Sooner", "Later", "Long ago", "Gone"]
    assert names(time="coming") == ["Sooner", "Later"]
    assert names(time="past") == ["Long ago"]
    assert names(time="removed") == ["Gone"]
    assert names(whom="everyone") == ["Long ago"]
    assert names(whom="country") == ["Later"]
    assert names(whom="subdivision") == ["Sooner"]
    assert names(whom="customer") == ["Gone"]
    text = told(admin.get(LIST))
    assert "Bayern, Germany" in text
    assert "Import a calendar file" in text


def test_the_preview_asks_the_same_number_of_queries_for_one_row_and_for_many(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    def asked() -> int:
        form = hidden(admin.get(ADD), "key") | fields(day_of(incident)) | {"do": "preview"}
        current_calendars()  # loaded once a change
        with CaptureQueriesContext(connection) as queries:
            assert "would move" in told(admin.post(ADD, form))
        return len(queries)

    one = asked()
    for _ in range(4):
        opened(cast.owner, at=clock_at)
    assert asked() == one


# Importing


def a_file(*events: tuple[str, str, str], text: str = "") -> SimpleUploadedFile:
    body = "".join(
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;VALUE=DATE:{day}\r\nSUMMARY:{name}\r\nEND:VEVENT\r\n"
        for uid, day, name in events
    )
    whole = text or f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}END:VCALENDAR\r\n"
    return SimpleUploadedFile("days.ics", whole.encode(), "text/calendar")


def look(browser: Client, file: Any, **given: str) -> tuple[dict[str, str], Any]:
    sent = hidden(browser.get(IMPORT), "key") | {"kind": "closed", "place": "DE"} | given
    answer = browser.post(IMPORT, sent | {"do": "preview", "file": file})
    carried = hidden(answer, "previewed", "source")
    # As a browser sends it.
    carried["source"] = re.sub(r"\r\n?|\n", "\r\n", carried["source"])
    return sent | carried | {"do": "save"}, answer


def test_a_file_is_looked_at_and_imported_as_a_whole(admin: Client, cast: Cast, clock_at: datetime):
    add_closure(
        rule=Rule(date(2027, 5, 6), date(2027, 5, 6), "There", reach=Reach("DE")),
        by=cast.admin,
        at=clock_at,
        key=key(),
        uid="old",
    )
    file = a_file(
        ("a", "20270505", "One"), ("b", "20270506", "There"), ("old", "20270601", "Moved"), ("a", "20270505", "One")
    )
    form, answer = look(admin, file)
    text = told(answer)
    assert "4 events" in text
    assert "1 new, 1 known already, 1 changed: not imported, 1 in the file twice" in text
    assert "Import 1 event" in text
    assert Closure.objects.count() == 1
    done = admin.post(IMPORT, form, follow=True)
    assert "1 imported, 1 known already, 1 changed: not imported, 1 in the file twice." in told(done)
    assert "planned anew by themselves" in told(done)
    closure = Closure.objects.get(name="One")
    assert (closure.country, closure.uid) == ("DE", "a")
    assert CalendarChange.objects.filter(what="imported").count() == 1
    page = told(admin.get(reverse("admin:sla_closure_change", args=[closure.pk])))
    assert "imported, Ada Admin" in page
    admin.post(IMPORT, form)
    assert Closure.objects.count() == 2


def test_a_file_whose_lines_end_in_cr_alone_is_imported_as_shown(admin: Client):
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART:20270505", "SUMMARY:One", "END:VEVENT", "END:VCALENDAR", "")
    form, answer = look(admin, a_file(text="\r".join(lines)))
    assert "Import 1 event" in told(answer)
    admin.post(IMPORT, form)
    assert Closure.objects.get().name == "One"


def test_an_import_for_other_people_than_previewed_is_previewed_again(admin: Client):
    form, _answer = look(admin, a_file(("a", "20270505", "One")))
    answer = admin.post(IMPORT, form | {"place": "FR"})
    assert "Import 1 event" in told(answer)
    assert not Closure.objects.exists()


def test_a_file_shows_what_it_would_move_all_events_together(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    day = day_of(incident)
    days = [day, day + timedelta(days=1), date(2031, 5, 5)]
    file = [(str(number), f"{one:%Y%m%d}", f"Day {number}") for number, one in enumerate(days)]
    form, answer = look(admin, a_file(*file), place="")
    text = told(answer)
    assert "1 open deadline would move" in text
    assert "Import 3 events and move 1 deadline" in text
    assert plain(incident.shown_number) in text
    (row,) = answer.context["preview"].rows
    assert row.new_due_at.date() >= day + timedelta(days=2)
    assert not Closure.objects.exists()

    opened(cast.owner, at=clock_at)
    answer = admin.post(IMPORT, form)
    assert OTHER in told(answer)
    assert "Import 3 events and move 2 deadlines" in told(answer)
    assert not Closure.objects.exists()

    form |= hidden(answer, "previewed")
    closed(cast, clock_at, name="Day 2", day=days[2])
    answer = admin.post(IMPORT, form)
    assert OTHER in told(answer), "what becomes of each event was shown as well"
    assert Closure.objects.count() == 1
    form |= hidden(answer, "previewed")
    assert "2 imported, 1 known already" in told(admin.post(IMPORT, form, follow=True))
    replan_due(at=clock_at)
    assert "2 imported" not in told(admin.post(IMPORT, form, follow=True)), "sent twice is once"
    assert Closure.objects.count() == 3
    assert day_of(incident) == row.new_due_at.date()


def test_a_file_with_nothing_new_moves_nothing(admin: Client, cast: Cast, clock_at: datetime, incident: Incident):
    day = day_of(incident)
    closed(cast, clock_at, name="Day", day=day, country="DE")
    _form, answer = look(admin, a_file(("a", f"{day:%Y%m%d}", "Day")))
    assert "There is nothing new in it" in told(answer)
    assert "would move" not in told(answer)


def test_looking_at_a_file_asks_the_same_number_of_queries_however_many_events_and_deadlines(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident
):
    def asked(count: int) -> int:
        first = day_of(incident)
        days = [first + timedelta(days=14 * number) for number in range(count)]
        file = a_file(*((f"{one}", f"{one:%Y%m%d}", f"{one}") for one in days))
        sent = hidden(admin.get(IMPORT), "key") | {"kind": "closed", "place": "US", "do": "preview", "file": file}
        current_calendars()  # loaded once a change
        with CaptureQueriesContext(connection) as queries:
            answer = admin.post(IMPORT, sent)
        assert f"Import {count} event" in told(answer)
        assert "would move" in told(answer)
        return len(queries)

    one = asked(1)
    for _ in range(4):
        opened(cast.owner, at=clock_at)
    assert asked(100) == one


def test_fifty_moves_of_a_file_are_shown_and_all_are_counted(
    admin: Client, cast: Cast, clock_at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    opened(cast.owner, at=clock_at)
    monkeypatch.setattr(replanning, "SAMPLE", 1)
    _form, answer = look(admin, a_file(("a", f"{day_of(incident):%Y%m%d}", "One")), place="US")
    assert "2 open deadlines would move" in told(answer)
    assert "The first 1 are shown" in told(answer)


def test_a_file_for_a_place_that_is_none_is_refused_at_that_field(admin: Client):
    _form, answer = look(admin, a_file(("a", "20270505", "One")), place="DE-XX")
    assert answer.status_code == 422
    (error,) = re.findall(r'id="id_place_error">([^<]*)', answer.content.decode())
    assert "is no subdivision of Germany" in error
    assert not Closure.objects.exists()


RECURRING = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20270505\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n"
TEN_YEARS = (
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20270505\nDTEND;VALUE=DATE:20370505\nSUMMARY:Long\n"
    "END:VEVENT\nEND:VCALENDAR\n"
)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (a_file(text=RECURRING), "Line 4: RRULE: events that repeat are not imported"),
        (a_file(text=TEN_YEARS), "Line 4: At most 366 days at once"),
        (SimpleUploadedFile("x.ics", b"BEGIN:VCALENDAR\n" * 640_000), "larger than 256 KB"),
        (a_file(("a", "20271305", "One")), "Line 5: “20271305” is no date"),
        (a_file(text="Dear all"), "Line 1"),
        (a_file(), "There is no event in this file"),
        (SimpleUploadedFile("x.ics", b"BEGIN:VCALENDAR\r\n\xff\xfe"), "Line 2: This is not UTF-8"),
        (SimpleUploadedFile("x.ics", b"x" * (256 * 1024 + 1)), "larger than 256 KB"),
        (SimpleUploadedFile("x.ics", b""), "There is no event"),
        ("", "Choose a file"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(admin: Client, file: Any, said: str):
    _form, answer = look(admin, file)
    assert answer.status_code == 422
    (error,) = re.findall(r'id="id_file_error">([^<]*)', answer.content.decode())
    assert said in error
    assert not Closure.objects.exists()


def test_an_import_that_closes_all_days_is_refused(admin: Client):
    body = "".join(
        f"BEGIN:VEVENT\r\nUID:{year}\r\nDTSTART;VALUE=DATE:{year}0101\r\nDTEND;VALUE=DATE:{year + 1}0101\r\n"
        f"SUMMARY:{year}\r\nEND:VEVENT\r\n"
        for year in (2027, 2028)
    )
    _form, answer = look(admin, a_file(text=f"BEGIN:VCALENDAR\r\n{body}END:VCALENDAR\r\n"))
    assert answer.status_code == 422
    assert "no deadline can be promised" in told(answer)
