"""Until when lots are said to live, once their customer has moved (D1, D24)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incidents.services import opening
from incidents.services.places import move_customer
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, key, opened, signed_in, with_points
from tests.portal.test_report import filled, plain

pytestmark = [pytest.mark.rule("D1"), pytest.mark.django_db]
BOUGHT = datetime(2026, 11, 24, 21, tzinfo=UTC)  # the 25th in Auckland, the 24th in Honolulu
NOW = datetime(2026, 11, 30, 21, tzinfo=UTC)


def moved(cast: Cast, country: str, subdivision: str, zone: str, at: datetime) -> None:
    move_customer(customer_id=cast.acme.pk, country=country, subdivision=subdivision, zone=zone, user=cast.admin, at=at)
    cast.acme.refresh_from_db()


def test_one_end_in_all_places_after_a_move(cast: Cast):
    moved(cast, "NZ", "AUK", "Pacific/Auckland", BOUGHT)
    with_points(cast.acme, 30, at=BOUGHT)
    with clock.set_to(NOW):
        before = plain(signed_in(cast.owner).get("/").content.decode())
    assert "30 until 25 Nov 2027 " in before

    moved(cast, "US", "HI", "Pacific/Honolulu", NOW)
    # The 25th of Auckland is over when Honolulu's has begun: a day alone would promise 23 hours too many.
    ends = "25 Nov 2027, 1:00"
    draft = opening.keep_draft(report=a_report(cast.owner), at=NOW, key=key())
    incident = opened(cast.owner, at=NOW, points=0)
    with clock.set_to(NOW):
        portal, desk = signed_in(cast.owner), signed_in(cast.technician)
        assert f"20 until {ends}" in plain(portal.get("/").content.decode())
        quote = plain(portal.get("/report/", filled(cast)).content.decode())
        assert f"From the lot until {ends}" in quote
        assert f"From the lot until {ends}" in plain(portal.get(f"/drafts/{draft.pk}/").content.decode())
        assert f"From the lot until {ends}" in plain(portal.get(f"/incidents/{incident.number}/").content.decode())
        assert ends in plain(desk.get(f"/desk/incidents/{incident.number}/").content.decode())
        assert f"until {ends}" in plain(portal.get("/points/").content.decode())
    mail = OutgoingMail.objects.get(kind="incident_opened")
    for shown in (mail.text, plain(mail.html)):
        assert f"10 from the lot until {ends}" in shown


@pytest.mark.rule("D24")
def test_the_home_says_a_far_deadline_with_its_time(cast: Cast):
    with_points(cast.acme, 30, at=NOW)
    at = datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
    opened(cast.owner, at=at, points=0)
    with clock.set_to(at.replace(day=28)):
        text = plain(signed_in(cast.owner).get("/").content.decode())
    assert "Mon 4 Jan 2027, 12:30" in text
