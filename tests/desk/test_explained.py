"""A deadline explained where a technician works, in the customer's time and in the reader's (D23, D24)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from incidents import mails
from incidents.models import NoticeCode
from incidents.services.noticing import notify
from sla.closing import add_closure
from sla.closures import Reach, Rule
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D23", "D24")
# A Friday, half an hour before New York closes.
NOW = datetime(2026, 12, 4, 21, 30, tzinfo=UTC)


def test_the_days_stand_in_both_times_with_what_was_skipped_by_name(cast: Cast):
    rule = Rule(date(2026, 12, 7), date(2026, 12, 7), "Stock-taking", reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=rule, by=cast.admin, at=NOW, key=key())
    incident = opened(cast.owner, at=NOW)
    with clock.set_to(NOW):
        page = plain(signed_in(cast.technician).get(f"/desk/incidents/{incident.number}/").content.decode())
        theirs = plain(signed_in(cast.owner.user).get(f"/incidents/{incident.number}/").content.decode())
    assert "Fri 4 Dec 16:30–17:00, 0:30 Sat 5 Dec, 3:00 – 3:30 for you" in page
    assert "Tue 8 Dec 9:00–12:30, 3:30 Tue 8 Dec, 19:30 – 23:00 for you" in page
    mail = OutgoingMail.objects.get(kind="incident_opened")
    for shown in (page, theirs, plain(mail.text), plain(mail.html)):
        assert "Fri 4 Dec 16:30–17:00" in shown
        assert "weekend, not counted" in shown
        assert "Stock-taking, not counted" in shown
        assert "Tue 8 Dec 9:00–12:30" in shown
    assert "for you" not in plain(mail.text)
    assert "19:30" not in theirs


def test_a_customer_who_is_closed_now_says_when_it_opens_and_why(cast: Cast):
    rule = Rule(date(2026, 12, 7), date(2026, 12, 7), "Stock-taking", reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=rule, by=cast.admin, at=NOW, key=key())
    incident = opened(cast.owner, at=NOW)
    said = "opens in 45 h: Tue 8 Dec, 9:00 in New York, Tue 8 Dec, 19:30 for you; closed: Stock-taking"
    with clock.set_to(datetime(2026, 12, 6, 17, 0, tzinfo=UTC)):
        desk = signed_in(cast.technician)
        page = desk.get(f"/desk/incidents/{incident.number}/").content.decode()
        assert f"closed there now {said}" in plain(page)
        assert f'title="{said}"' in desk.get("/desk/").content.decode()
    with clock.set_to(NOW):
        assert "closed there now" not in desk.get(f"/desk/incidents/{incident.number}/").content.decode()


def test_late_says_since_when(cast: Cast):
    incident = opened(cast.owner, at=NOW)
    with clock.set_to(datetime(2026, 12, 7, 18, 0, tzinfo=UTC)):
        page = plain(signed_in(cast.technician).get(f"/desk/incidents/{incident.number}/").content.decode())
    assert "late since 12:30 in New York, 23:00 for you" in page


def test_a_long_closure_is_one_line_and_a_far_day_has_its_year(cast: Cast):
    at = datetime(2026, 12, 18, 21, 30, tzinfo=UTC)
    rule = Rule(date(2026, 12, 21), date(2027, 1, 3), "Closed for the holidays", reach=Reach("US"))
    add_closure(rule=rule, by=cast.admin, at=at, key=key())
    incident = opened(cast.owner, at=at)
    with clock.set_to(at):
        page = plain(signed_in(cast.technician).get(f"/desk/incidents/{incident.number}/").content.decode())
        theirs = plain(signed_in(cast.owner.user).get(f"/incidents/{incident.number}/").content.decode())
    mail = OutgoingMail.objects.get(kind="incident_opened")
    for shown in (page, theirs, plain(mail.text), plain(mail.html)):
        assert shown.count("Closed for the holidays") == 1
        assert "Sat, Sun" in shown
        assert re.search("Mon 21 Dec – Sun 3 Jan 2027:? Closed for the holidays, not counted", shown)
        assert "Mon 4 Jan 2027 9:00–12:30, 3:30" in shown
    assert "Monday 4 January 2027, 12:30, your time in New York" in plain(mail.text)
    assert "Monday 4 January 2027, 12:30" in theirs


def test_a_mail_to_staff_names_the_year_of_a_far_deadline(cast: Cast):
    at = datetime(2026, 12, 30, 21, 30, tzinfo=UTC)
    rule = Rule(date(2026, 12, 31), date(2026, 12, 31), "Stock-taking", reach=Reach("US"))
    add_closure(rule=rule, by=cast.admin, at=at, key=key())
    incident = opened(cast.owner, at=at)
    clock_ = incident.clocks.get(current=True).clock
    data = {"clock": clock_.pk}
    notify(NoticeCode.BREACHED, to=[cast.technician], incident=incident, at=at, key="breached", data=data)
    for mail in OutgoingMail.objects.filter(kind="staff_breached"):
        said = "Monday 4 January 2027, 12:30 in New York, Monday 4 January 2027, 23:00 for you in Kolkata"
        assert said in plain(mail.text)
        assert said in plain(mail.html)
    assert OutgoingMail.objects.filter(kind="staff_breached").exists()


def test_a_re_opening_is_explained_in_its_mail(cast: Cast):
    incident = opened(cast.owner, at=NOW)
    mails.reopened(incident, clock=incident.clocks.get(current=True).clock, at=NOW)
    mail = OutgoingMail.objects.get(kind="incident_reopened")
    for shown in (plain(mail.text), plain(mail.html)):
        assert "Fri 4 Dec 16:30–17:00, 0:30 Sat, Sun: weekend, not counted Mon 7 Dec 9:00–12:30, 3:30" in shown
