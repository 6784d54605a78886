"""Doors: every view of the project has one, and a view without one is shut."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client, override_settings

from supportdesk.people.doors import GUARDED_ELSEWHERE
from tests.cast import Cast
from tests.incidents_helpers import signed_in
from tests.people.world import routes

pytestmark = pytest.mark.rule("D22")


def test_every_view_has_a_door_or_guards_itself():
    open_to_all = {
        route.name
        for route in routes()
        if getattr(route.view, "door", None) is None and not route.view.__module__.startswith(GUARDED_ELSEWHERE)
    }
    # Django's jump to an object's own page, which nothing here has, and its addresses of before 2015: both shut.
    assert open_to_all == {"admin:view_on_site", "admin:(<path:object_id>/)"}
    ours = [route for route in routes() if route.view.__module__.startswith("supportdesk.")]
    assert {route.view.door for route in ours} == {"anyone", "contact", "technician", "admin"}


@override_settings(ROOT_URLCONF="tests.people.doorless")
def test_a_view_without_a_door_is_shut_for_everybody(cast: Cast):
    for who in (None, cast.owner, cast.technician, cast.admin):
        client = signed_in(who)
        shut, nothing = client.get("/forgotten/"), client.get("/nothing-here/")
        assert shut.status_code == 404
        assert shut.content == nothing.content


@override_settings(ROOT_URLCONF="tests.people.doorless")
def test_a_door_gives_the_scope_and_the_instant(cast: Cast, clock_at: datetime):
    answer = signed_in(cast.technician).get("/shut/")
    assert answer.content.decode() == f"CANARY {clock_at.isoformat()} True"
    assert answer["Cache-Control"] == "private, no-store"


def test_a_stranger_signs_in_first_and_comes_back(db: None):
    answer = Client().get("/desk/held/?page=2")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/sign-in/?next=/desk/held/%3Fpage%3D2")


def test_who_may_not_sign_in_any_more_is_a_stranger_at_once(cast: Cast):
    client = signed_in(cast.technician)
    assert client.get("/desk/").status_code == 200
    cast.technician.is_active = False
    cast.technician.save()
    assert client.get("/desk/").status_code == 302


def test_a_contact_who_left_sees_nothing_at_once(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    assert client.get("/points/").status_code == 200
    cast.owner.removed_at = clock_at
    cast.owner.save()
    assert client.get("/points/").status_code == 404
