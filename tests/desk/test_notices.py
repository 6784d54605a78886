"""The page of notices, its settings, and the count beside the queue (D39)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from incidents.models import Incident, Notice, NoticeCode, NoticeSetting
from incidents.notices import DEFAULTS
from incidents.services import noticing, ownership
from supportdesk import clock
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents.told import by_mail, on_page
from tests.incidents_helpers import mailed, opened, signed_in
from tests.portal.test_lists import queries

pytestmark = pytest.mark.rule("D39")


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def _handed_over(cast: Cast, *, at: datetime, times: int = 1, **given: Any) -> list[Incident]:
    made = [opened(cast.owner, at=at, **given) for _time in range(times)]
    for incident in made:
        ownership.assign(incident_id=incident.pk, to=cast.technician, user=cast.colleague, at=at)
    return made


def _count(page: str) -> int:
    found = re.search(r'notices/"[^>]*>Notices<span class="count"[^>]*>(\d+)', page)
    assert found
    return int(found[1])


def test_empty_says_when_that_changes(desk: Client, clock_at: datetime):
    page = desk.get("/desk/notices/")
    assert "Nothing to tell you. When an incident is handed to you" in told(page)
    assert _count(page.content.decode()) == 0
    assert "Mark all read" not in told(page)


def test_newest_first_in_words_and_read_by_opening(cast: Cast, desk: Client, clock_at: datetime):
    incident = _handed_over(cast, at=clock_at, subject="It <b>stops</b>")[0]
    with clock.set_to(clock_at + timedelta(hours=1)):
        mailed(sender="nobody@strange.example", at=clock_at + timedelta(hours=1))
        page = desk.get("/desk/notices/").content.decode()
        assert "It &lt;b&gt;stops&lt;/b&gt;" in page
        words = told(desk.get("/desk/notices/"))
        assert words.index("Mail is held") < words.index("Handed over to you")
        assert _count(page) == 2
        held, handed = (int(pk) for pk in re.findall(r'href="/desk/notices/(\d+)/"', page))
        assert desk.get(f"/desk/notices/{handed}/")["Location"] == there(incident)
        assert desk.get(f"/desk/notices/{held}/")["Location"] == "/desk/held/"
        assert _count(desk.get("/desk/notices/").content.decode()) == 0
    assert Notice.objects.get(pk=handed).read_at == clock_at + timedelta(hours=1)


def test_looking_at_it_is_reading_it(cast: Cast, desk: Client, clock_at: datetime):
    first, second = _handed_over(cast, at=clock_at, times=2)
    desk.get(there(first))
    mailed(sender="nobody@strange.example", at=clock_at)
    desk.get("/desk/held/")
    unread = Notice.objects.filter(user=cast.technician, read_at=None)
    assert [notice.incident for notice in unread] == [second]
    signed_in(cast.admin).get(there(second))
    assert unread.count() == 1, "read by its reader alone"


def test_all_read_are_those_that_the_page_showed(cast: Cast, desk: Client, clock_at: datetime):
    _handed_over(cast, at=clock_at, times=3)
    page = desk.get("/desk/notices/").content.decode()
    through = re.search(r'name="through" value="(\d+)"', page)
    assert through
    later = _handed_over(cast, at=clock_at)[0]
    assert desk.post("/desk/notices/read/", {"through": through[1]})["Location"] == "/desk/notices/"
    assert [notice.incident for notice in Notice.objects.filter(read_at=None)] == [later]
    for odd in ("", "x", "-1", "9" * 400):
        assert desk.post("/desk/notices/read/", {"through": odd}).status_code == 302
    assert Notice.objects.filter(read_at=None).count() == 1


@pytest.mark.rule("D22")
def test_notices_of_somebody_else_are_not_there(cast: Cast, clock_at: datetime):
    incident = _handed_over(cast, at=clock_at)[0]
    pk = Notice.objects.get().pk
    for who in (cast.colleague, cast.admin, cast.owner, cast.restricted):
        browser = signed_in(who)
        assert browser.get(f"/desk/notices/{pk}/").status_code == 404
        assert incident.subject not in browser.get("/desk/notices/").content.decode()
        browser.post("/desk/notices/read/", {"through": str(pk)})
    assert Notice.objects.get().read_at is None
    for path in ("", "settings/"):
        assert signed_in(cast.owner).get(f"/desk/notices/{path}").status_code == 404


def test_pages_and_as_many_queries_for_many_as_for_one(cast: Cast, desk: Client, clock_at: datetime):
    incident = _handed_over(cast, at=clock_at)[0]
    desk.get("/desk/notices/")
    one = queries(desk, "/desk/notices/")
    Notice.objects.bulk_create(
        Notice(user=cast.technician, code="assigned", incident=incident, at=clock_at, key=f"k{n}") for n in range(120)
    )
    assert queries(desk, "/desk/notices/") == one
    lines = [len(re.findall("<li class=.unread", desk.get(f"/desk/notices/?page={n}").content.decode())) for n in "123"]
    assert lines == [50, 50, 21]
    for odd in ("0", "x", "99", "-1", "9" * 400):
        assert desk.get("/desk/notices/", {"page": odd}).status_code == 200


def test_the_queue_that_stays_open_shows_the_count(cast: Cast, desk: Client, clock_at: datetime):
    def live() -> str:
        return desk.get("/desk/", headers={"HX-Request": "true"}).content.decode()

    assert _count(live()) == 0
    _handed_over(cast, at=clock_at)
    assert _count(live()) == 1


def test_each_chooses_page_mail_or_both(cast: Cast, desk: Client, clock_at: datetime):
    page = desk.get("/desk/notices/settings/").content.decode()
    fields = dict.fromkeys(re.findall(r'name="(\w+)" checked', page), "on")
    assert "mail_held_page" in fields
    assert "mail_held_mail" not in fields
    assert "outbox_failed" not in page, "the admins' alone"
    assert "outbox_failed_page" in signed_in(cast.admin).get("/desk/notices/settings/").content.decode()
    del fields["assigned_page"]
    kept = desk.post("/desk/notices/settings/", fields | {"outbox_failed_page": "on"}, follow=True)
    assert "Kept: you are told like this from now on." in told(kept)
    assert 'name="assigned_page" checked' not in kept.content.decode()
    _handed_over(cast, at=clock_at)
    assert (on_page(cast.technician), by_mail(cast.technician)) == ([], ["assigned"])
    assert not NoticeSetting.objects.filter(code="outbox_failed").exists()


def test_nothing_at_all_is_no_choice(cast: Cast, desk: Client):
    page = desk.get("/desk/notices/settings/").content.decode()
    fields = dict.fromkeys(re.findall(r'name="(\w+)" checked', page), "on")
    del fields["breached_page"], fields["breached_mail"]
    refused = desk.post("/desk/notices/settings/", fields)
    assert refused.status_code == 422
    assert told(refused).count("Choose the page, mail, or both. Nothing was changed.") == 1
    assert NoticeSetting.objects.count() == 0


def test_the_settings_need_as_many_queries_once_they_are_changed(cast: Cast, desk: Client, clock_at: datetime):
    one = queries(desk, "/desk/notices/settings/")
    noticing.choose_ways(
        user=cast.technician, chosen={code: way for code, way in DEFAULTS.items() if code != NoticeCode.OUTBOX_FAILED}
    )
    assert queries(desk, "/desk/notices/settings/") == one
