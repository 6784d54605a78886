"""Who gets what at every address of the project (D22): one table, and a new address without a row fails.

Each column is a person: nobody signed in, another customer, a restricted colleague, the owner of the
things, a technician, an admin.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from incidents.models import BlockedSender
from points.models import Hold, Lot, Pack, ProviderEvent, Refund, RefusedCall
from sla.models import CalendarChange, Closure
from supportdesk.mail.models import MailDoor
from supportdesk.people.models import ContactAddress
from supportdesk.tips.models import Issue, Subscriber
from tests.cast import Cast
from tests.people.world import INSIDE, MISSING, PEOPLE, THEIRS, Route, World, make_world, routes

pytestmark = pytest.mark.rule("D22")

CODES = ("200", "302", "400", "404", "405", "410", "422", "503")
ALL_200, ALL_302, ALL_400, ALL_404, ALL_405, ALL_410, ALL_422, ALL_503 = (" ".join([code] * 6) for code in CODES)
DESK_PAGE = ("302 404 404 404 200 200", "302 404 404 404 405 405")
DESK_ACT = "302 404 404 404 405 405"
SIGNED_OUT_ONLY = ("200 302 302 302 302 302", "200 302 302 302 302 302")
# Name: what GET gives, and what a POST with nothing in it gives.
TABLE: dict[str, tuple[str, str]] = {
    "healthz": (ALL_200, ALL_200),
    "mail_health": (ALL_200, ALL_200),
    "favicon": (ALL_302, ALL_302),
    "api:payment_events": (ALL_405, ALL_400),
    "demo:mailbox": (ALL_200, ALL_405),
    "demo:new_mail": (ALL_200, ALL_200),
    "demo:mail": (ALL_200, ALL_200),
    "demo:mail_html": (ALL_200, ALL_405),
    # That mail has no file, and no machine answers by a verb that is none.
    "demo:mail_file": (ALL_404, ALL_405),
    "demo:machine": (ALL_405, ALL_404),
    # Nobody listens where the settings of these tests look for the provider.
    "demo:provider": (ALL_503, ALL_405),
    "demo:provider_act": (ALL_405, ALL_302),
    "account_login": SIGNED_OUT_ONLY,
    "account_logout": ("302 200 200 200 200 200", ALL_302),
    "account_request_login_code": SIGNED_OUT_ONLY,
    "account_confirm_login_code": (ALL_302, ALL_302),
    "account_signup": SIGNED_OUT_ONLY,
    "account_inactive": (ALL_200, ALL_405),
    "account_reauthenticate": ("302 200 200 200 200 200", "302 200 200 200 200 200"),
    "account_reset_password": (ALL_200, ALL_200),
    "account_reset_password_done": (ALL_200, ALL_405),
    "account_reset_password_from_key": (ALL_200, ALL_200),
    "account_reset_password_from_key_done": (ALL_200, ALL_405),
    "desk:queue": DESK_PAGE,
    "desk:view": DESK_PAGE,
    "desk:find": ("302 404 404 404 302 302", "302 404 404 404 405 405"),
    "desk:calendar": DESK_PAGE,
    "desk:held": DESK_PAGE,
    "desk:call": DESK_PAGE,
    # Without a customer in the question there is nobody to add a contact to.
    "desk:new_caller": (DESK_ACT.replace("405", "404"), DESK_ACT.replace("405", "404")),
    "desk:caller": ("302 404 404 404 200 200", "302 404 404 404 422 422"),
    "desk:send_form": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:call_logged": DESK_PAGE,
    # The draft of these tests is a report of the form: none of a call.
    "desk:open_draft": (DESK_ACT, "302 404 404 404 404 404"),
    "desk:discard_draft": (DESK_ACT, "302 404 404 404 404 404"),
    "desk:log_call": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:held_discard": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:held_bring_back": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:blocked": ("302 404 404 404 200 200", "302 404 404 404 422 422"),
    "desk:unblock": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:held_one": DESK_PAGE,
    "desk:held_anew": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:held_person": DESK_PAGE,
    # Of nobody: whose it is stands in the form.
    "desk:held_draft": (DESK_ACT, "302 404 404 404 404 404"),
    "desk:held_belongs": (DESK_ACT, "302 404 404 404 404 404"),
    "desk:held_block": (DESK_ACT, "302 404 404 404 302 302"),
    # Without a ticket number there is nothing to show.
    "desk:attach": ("302 404 404 404 422 422", "302 404 404 404 422 422"),
    "desk:discard": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:notices": DESK_PAGE,
    "desk:notices_read": (DESK_ACT, "302 404 404 404 302 302"),
    # Of a technician: an admin's own are others.
    "desk:notice": ("302 404 404 404 302 404", "302 404 404 404 405 405"),
    "desk:notice_settings": ("302 404 404 404 200 200", "302 404 404 404 422 422"),
    "desk:follow": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:unfollow": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:mail_works": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:incident": DESK_PAGE,
    "desk:take": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:hand_over": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:answer": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:note": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:preview": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:mails": DESK_PAGE,
    "desk:mail": DESK_PAGE,
    "desk:mail_html": DESK_PAGE,
    "desk:try_mail_again": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:close": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:decline": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:take_back": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:reopen": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:merge": ("302 404 404 404 200 200", "302 404 404 404 422 422"),
    "desk:part": (DESK_ACT, "302 404 404 404 302 302"),
    "desk:disposition": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:refuse": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:bug": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:upload": (DESK_ACT, "302 404 404 404 422 422"),
    "desk:remove_upload": (DESK_ACT, "302 404 404 404 204 204"),
    "desk:file": DESK_PAGE,
    "desk:as_written": DESK_PAGE,
    "desk:original": DESK_PAGE,
    "desk:download_original": DESK_PAGE,
    "portal:as_written": ("302 404 404 200 404 404", "302 405 405 405 404 404"),
    "portal:upload": ("302 405 405 405 404 404", "302 422 422 422 404 404"),
    "portal:remove_upload": ("302 405 405 405 404 404", "302 204 204 204 404 404"),
    "portal:file": ("302 404 404 200 404 404", "302 405 405 405 404 404"),
    "desk:split": ("302 404 404 404 200 200", "302 404 404 404 422 422"),
    # Nothing waits for points in this world.
    "desk:carry_out_split": (DESK_ACT, "302 404 404 404 404 404"),
    "desk:withdraw_split": (DESK_ACT, "302 404 404 404 404 404"),
    "tips:tips": (ALL_200, ALL_422),
    "tips:asked": (ALL_200, ALL_405),
    # Of nobody's link: it leads on, and then nowhere.
    "tips:follow": (ALL_302, ALL_405),
    "tips:confirm": (ALL_410, ALL_410),
    "tips:unsubscribe": (ALL_404, ALL_404),
    "portal:home": ("200 200 200 200 302 302", ALL_405),
    "portal:report": ("200 200 200 200 404 404", "422 422 422 422 404 404"),
    "portal:releases": (ALL_200, ALL_405),
    "portal:several": (ALL_405, ALL_200),
    "portal:sent": (ALL_200, ALL_405),
    # Whoever has the link is its reader; these have none that leads anywhere.
    "portal:follow_link": (ALL_302, ALL_405),
    "portal:linked": (ALL_410, ALL_410),
    "portal:promise": ("302 200 200 200 404 404", "302 405 405 405 404 404"),
    "portal:incident": ("302 404 404 200 404 404", "302 405 405 405 404 404"),
    "portal:message": ("302 405 405 405 404 404", "302 404 404 422 404 404"),
    "portal:follow": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:unfollow": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:close": ("302 405 405 405 404 404", "302 404 404 422 404 404"),
    "portal:choose": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:accept_proposal": ("302 405 405 405 404 404", "302 404 404 404 404 404"),
    "portal:decline_proposal": ("302 405 405 405 404 404", "302 404 404 404 404 404"),
    "portal:draft": ("302 404 404 200 404 404", "302 405 405 405 404 404"),
    # The draft of these tests is a report of the form: its kind is said already.
    "portal:finish_draft": ("302 404 404 404 404 404", "302 404 404 404 404 404"),
    "portal:change_draft": ("302 404 404 200 404 404", "302 404 404 422 404 404"),
    "portal:open_draft": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:discard_draft": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:bring_back_draft": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:points": ("302 200 404 200 404 404", "302 405 405 405 404 404"),
    "portal:buy": ("302 200 404 200 404 404", "302 422 404 422 404 404"),
    "portal:pay": ("302 404 404 200 404 404", "302 405 405 405 404 404"),
    "portal:paid": ("302 405 405 405 404 404", "302 404 404 302 404 404"),
    "portal:points_statement": ("302 200 404 200 404 404", "302 405 405 405 404 404"),
}
# Django admin sends everybody but admins to its sign-in page, which refuses them (403).
ADMIN: dict[str, tuple[int, int]] = {
    "index": (200, 200),
    "app_list": (200, 200),
    "jsi18n": (200, 405),
    "autocomplete": (403, 405),
    "logout": (405, 302),
    "password_change": (200, 200),
    "password_change_done": (200, 405),
    "auth_user_password_change": (200, 200),
}
LOOK_ONLY = {"changelist": (200, 200), "add": (403, 403), "change": (200, 403), "delete": (403, 403)}
EDITED = {"changelist": (200, 200), "add": (200, 200), "change": (200, 200), "delete": (200, 200)}
ADMIN_MODELS: dict[str, dict[str, tuple[int, int]]] = {
    "people_user": EDITED,
    "people_customer": EDITED | {"delete": (403, 403), "move": (200, 422)},
    "points_purchase": LOOK_ONLY | {"add": (200, 200)},
    "points_lot": LOOK_ONLY,
    "points_charge": LOOK_ONLY,
    "points_entry": LOOK_ONLY,
    "points_pack": EDITED,
    "points_payment": LOOK_ONLY,
    "points_providerevent": LOOK_ONLY,
    "points_refusedcall": LOOK_ONLY,
    "points_hold": LOOK_ONLY | {"change": (200, 422)},
    "points_refund": LOOK_ONLY,
    "incidents_product": EDITED,
    "incidents_incident": LOOK_ONLY,
    "incidents_timelineentry": LOOK_ONLY,
    "incidents_creditcase": LOOK_ONLY | {"change": (200, 422)},
    "incidents_draft": LOOK_ONLY,
    "incidents_heldmail": LOOK_ONLY,
    "incidents_blockedsender": LOOK_ONLY | {"delete": (200, 200)},
    "people_contact": LOOK_ONLY,
    "people_contactaddress": LOOK_ONLY | {"delete": (200, 200)},
    "sla_closure": LOOK_ONLY | {"add": (200, 422), "change": (200, 422), "import": (200, 422)},
    "sla_calendarchange": LOOK_ONLY,
    "mail_outgoingmail": LOOK_ONLY,
    "mail_rawmail": LOOK_ONLY | {"source": (200, 200)},
    "mail_maildoor": LOOK_ONLY | {"changelist": (200, 302)},
    "tips_issue": EDITED | {"page": (200, 302), "mail": (200, 200)},
    "tips_subscriber": LOOK_ONLY,
}
# Addresses of Django admin that are none of the desk's: shut, or of no one object.
ADMIN_OTHER = {"admin:login", "admin:view_on_site", "admin:(<path:object_id>/)", "admin:((?P<url>.*)$)"}
READERS = {"nobody": (INSIDE, THEIRS), "other": (INSIDE, THEIRS), "restricted": (INSIDE, THEIRS), "owner": (INSIDE,)}


@pytest.fixture
def world(cast: Cast, clock_at: datetime, settings: Any, tmp_path: Path) -> World:
    settings.DESK_HOME = tmp_path
    settings.FILES_DIR = tmp_path / "files"
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    return make_world(cast, at=clock_at, folder=tmp_path)


def expected(route: Route, person: str) -> tuple[int, int] | None:
    """What GET and POST of the route give the person; None for a route without a row."""
    if route.name in TABLE:
        place = PEOPLE.index(person)
        get, post = (int(row.split()[place]) for row in TABLE[route.name])
        return get, post
    known = route.name.removeprefix("admin:")
    found = ADMIN.get(known)
    model, _underscore, act = known.rpartition("_")
    if model in ADMIN_MODELS:
        found = {"history": (200, 200), **ADMIN_MODELS[model]}.get(act)
    return None if found is None else found if person == "admin" else (302, 302)


def _pk(route: Route, world: World) -> int:
    if route.name in ("portal:pay", "portal:paid"):
        return world.payment.pk
    if route.name in ("portal:file", "desk:file"):
        return world.file.pk
    if route.name == "desk:unblock":
        return BlockedSender.objects.values_list("pk", flat=True).first() or 0
    if route.name in ("portal:as_written", "desk:as_written"):
        return world.message.pk
    if route.name in ("desk:original", "desk:download_original"):
        return world.held.raw_mail_id
    if route.name == "desk:notice":
        return world.notice.pk
    if route.name in ("desk:mail", "desk:mail_html", "desk:try_mail_again"):
        return world.incident.mails.earliest("pk").mail_id
    if route.name in ("desk:caller", "desk:send_form", "desk:mail_works"):
        return world.cast.owner.pk
    return world.draft.pk if "draft" in route.name and "held" not in route.name else world.held.pk


def values(route: Route, world: World) -> dict[str, Any]:
    """The ids of the owner's own things, as the route takes them."""
    ids: dict[str, Any] = {
        "number": world.incident.number,
        "pk": _pk(route, world),
        "name": world.mail,
        "view": "late",
        "verb": "pause",
        "uidb36": "1",
        "token": "of-nobody",
        "key": "x",
        "app_label": "people",
        "id": world.cast.technician.pk,
        "object_id": 0,
    }
    lot = Lot.objects.get(customer=world.cast.acme)
    objects = {
        "people_user": world.cast.colleague,
        "people_customer": world.cast.acme,
        "points_purchase": lot.purchase,
        "points_lot": lot,
        "points_charge": world.incident.charges.get().charge,
        "points_entry": lot.entries.first(),
        "points_pack": Pack.objects.first(),
        "points_payment": world.payment,
        "points_providerevent": ProviderEvent.objects.get(),
        "points_refusedcall": RefusedCall.objects.get(),
        "points_hold": Hold.objects.get(),
        "points_refund": Refund.objects.get(),
        "incidents_product": world.incident.release.product,
        "incidents_incident": world.incident,
        "incidents_timelineentry": world.incident.timeline.first(),
        "incidents_creditcase": world.case,
        "incidents_draft": world.draft,
        "incidents_heldmail": world.held,
        "incidents_blockedsender": BlockedSender.objects.first(),
        "people_contact": world.cast.owner,
        "people_contactaddress": ContactAddress.objects.get(),
        "sla_calendarchange": CalendarChange.objects.get(),
        "sla_closure": Closure.objects.get(),
        "tips_issue": Issue.objects.get(),
        "tips_subscriber": Subscriber.objects.get(),
        "mail_outgoingmail": world.incident.mails.get(mail__kind="incident_opened").mail,
        "mail_rawmail": world.held.raw_mail,
        "mail_maildoor": MailDoor.objects.get_or_create(name="out")[0],
    }
    model = objects.get(route.name.removeprefix("admin:").rpartition("_")[0])
    return ids | ({"object_id": model.pk} if model is not None else {})


def ask(browser: Client, method: str, path: str, *, follow: bool = False) -> Any:
    """Asks without leaving a trace: what the request changed is rolled back."""
    fresh = Client()
    fresh.cookies.update(browser.cookies)
    point = transaction.savepoint()
    try:
        return getattr(fresh, method)(path, follow=follow)
    finally:
        transaction.savepoint_rollback(point)


def test_every_address_has_a_row():
    missing = {route.name for route in routes() if expected(route, "admin") is None and route.name not in ADMIN_OTHER}
    assert missing == set(), "say in TABLE, ADMIN or ADMIN_MODELS who gets what there"
    names = {route.name for route in routes()}
    assert set(TABLE) - names == set(), "rows of addresses that are no more"
    assert {f"admin:{model}_changelist" for model in ADMIN_MODELS} - names == set()


@pytest.mark.parametrize("person", PEOPLE)
def test_the_table(world: World, person: str):
    """Every address by GET and POST, with the owner's ids: the status of the table, and never a canary."""
    browser = world.browser(person)
    wrong: dict[str, tuple[int, int | None]] = {}
    leaks: list[str] = []
    for route in routes():
        row = expected(route, person)
        if row is None:
            continue
        path = route.path(**values(route, world))
        for method, status in zip(("get", "post"), row, strict=True):
            # Whom the admin turns away it sends to one and the same page, looked at in a test of its own.
            turned_away = person != "admin" and route.name.startswith("admin:")
            response = ask(browser, method, path, follow=not turned_away)
            chain = getattr(response, "redirect_chain", [])
            first = chain[0][1] if chain else response.status_code
            if first != status:
                wrong[f"{method} {route.name}"] = (first, status)
            body = response.getvalue() if response.streaming else response.content
            said = body.decode("utf-8", "replace") + str(response.headers) + str(chain)
            leaks += [f"{method} {route.name}: {word}" for word in READERS.get(person, ()) if word in said]
    assert wrong == {}, "what came, and what the table says"
    assert leaks == []


def test_the_canaries_are_there_for_those_who_may(world: World):
    """Or the table would prove nothing."""
    page = f"/incidents/{world.incident.number}/"
    assert THEIRS in ask(world.browser("owner"), "get", page).content.decode()
    written = f"/messages/{world.message.pk}/as-written/"
    assert THEIRS in ask(world.browser("owner"), "get", written).content.decode()
    for path in (f"/desk{page}", "/desk/held/", f"/desk/mail/{world.held.raw_mail_id}/"):
        assert INSIDE in ask(world.browser("technician"), "get", path).content.decode()


@pytest.mark.parametrize("person", ["other", "restricted", "technician", "admin"])
def test_what_is_not_theirs_is_the_same_as_what_is_not_there(world: World, person: str):
    """404, byte for byte: status, headers and page."""
    browser, compared = world.browser(person), 0
    for route in routes():
        if not set(route.params) & {"number", "pk"} or not route.name.startswith(("portal:", "desk:")):
            continue
        if person in ("technician", "admin") and route.name.startswith("desk:"):
            continue
        for method in ("get", "post"):
            theirs = ask(browser, method, route.path(**values(route, world)))
            nothing = ask(browser, method, route.path(**MISSING))
            assert _whole(theirs) == _whole(nothing), (method, route.name)
            assert theirs.status_code in (404, 405), (method, route.name)
            compared += 1
    assert compared >= 10


def _whole(response: Any) -> tuple[int, dict[str, str], str]:
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    return response.status_code, dict(response.headers), text


@pytest.mark.parametrize("person", ["other", "restricted", "owner", "technician"])
def test_the_sign_in_page_of_the_admin_refuses_who_is_no_admin(world: World, person: str):
    refused = ask(world.browser(person), "get", f"/admin/incidents/incident/{world.incident.pk}/change/", follow=True)
    assert refused.status_code == 403
    assert not any(word in refused.content.decode() for word in READERS.get(person, ()))


def test_an_act_without_its_token_is_refused(world: World):
    """A form of another site: every POST of the portal and the desk wants the token of this one."""
    for person in ("owner", "technician"):
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = world.browser(person).cookies
        for route in routes():
            if route.name.startswith(("portal:", "desk:", "account_")):
                status = strict.post(route.path(**values(route, world))).status_code
                assert status in (403, 405), (person, route.name, status)
