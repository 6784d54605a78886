"""Markup in what people write is inert wherever it is shown: portal, desk, admin, the demo's mailbox."""

from __future__ import annotations

import re
from datetime import datetime
from html.parser import HTMLParser

import pytest
from django.test import Client

from incidents.models import Draft, Incident, Product
from incidents.services import conversation, opening
from incidents.services.calls import open_by_phone
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, answered, key, mailed, opened, signed_in

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}{% load i18n %}javascript:alert(3)"
SHORT = "\"'><img src=x onerror=alert(2)>"


class Found(HTMLParser):
    """What of the page a browser would run because somebody wrote it."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.bad += [f"<{tag} {name}>" for name in given if name.startswith("on")]
        self.bad += [f"<{tag}>" for word in ("x",) if tag == "img" and given.get("src") == word]
        self.bad += [f"<{tag} {name}={value}>" for name, value in attrs if (value or "").startswith("javascript:")]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script" and "alert" in data:
            self.bad.append(f"<script>{data}")


def running(page: str) -> list[str]:
    found = Found()
    found.feed(page)
    return found.bad


@pytest.fixture
def evil(cast: Cast, clock_at: datetime) -> Incident:
    """An incident, a draft and held mail whose every text wants to run."""
    for thing in (cast.acme, cast.owner, cast.restricted, cast.technician):
        thing.name = EVIL[:110]
        thing.save()
    cast.acme.place_name = SHORT
    cast.acme.save()
    incident = opened(cast.owner, at=clock_at, subject=EVIL, text=f"{EVIL}\n\n> {EVIL}\n\n-- \n{EVIL}")
    Product.objects.update(name=SHORT)
    answered(incident, cast.technician, at=clock_at, then="waiting", text=EVIL)
    conversation.note(incident_id=incident.pk, text=EVIL, user=cast.technician, at=clock_at, key=key())
    mailed(sender=f'"{SHORT}" <x@strange.example>', at=clock_at, subject=f"{incident.number} {EVIL}", text=EVIL)
    ours = incident.mails.get(mail__kind="incident_answered").mail.message_id
    mailed(sender="olive@acme.example", at=clock_at, text=EVIL, In_Reply_To=ours, Auto_Submitted="auto-replied")
    opening.keep_draft(report=a_report(cast.owner, subject=EVIL, text=EVIL), at=clock_at, key=key())
    asks = opened(cast.owner, at=clock_at, subject=EVIL)
    answered(asks, cast.technician, at=clock_at, then="closed", text=EVIL)
    conversation.customer_message(
        incident_id=asks.pk, contact=cast.owner, text=EVIL, via="mail", at=clock_at, key=key()
    )
    return incident


def test_the_reader_of_this_test_sees_what_runs():
    assert len(running(f"<p title=\"{EVIL}\">{EVIL}<a href='javascript:x'>")) >= 3


def test_the_portal_is_inert(cast: Cast, evil: Incident):
    client, draft = signed_in(cast.owner), Draft.objects.get()
    for path in ("/", f"/incidents/{evil.number}/", f"/drafts/{draft.pk}/", "/report/", "/report/promise/", "/points/"):
        page = client.get(path).content.decode()
        assert running(page) == [], path
        assert "14" not in re.findall(r"\{\{.*?\}\}|(?<=alert\(2\)&gt;)\w+", page), path
    page = client.get(f"/incidents/{evil.number}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page, "shown as it was written"
    bad = client.post("/report/", {"subject": EVIL, "text": EVIL, "kind": EVIL, "release": EVIL, "key": EVIL})
    assert bad.status_code == 422
    assert running(bad.content.decode()) == []


def test_the_desk_is_inert(cast: Cast, evil: Incident):
    client = signed_in(cast.technician)
    number = evil.number
    for path in ("/desk/", "/desk/queue/decide/", f"/desk/incidents/{number}/", "/desk/held/", f"/desk/find/?q={EVIL}"):
        page = client.get(path, follow=True).content.decode()
        assert running(page) == [], path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/desk/held/").content.decode()
    live = client.get("/desk/", headers={"HX-Request": "true"})
    assert running(live.content.decode()) == []
    cast.colleague.name = EVIL[:110]
    cast.colleague.save()
    moved = client.post(f"/desk/incidents/{number}/hand-over/", {"to": cast.colleague.pk}, follow=True)
    assert running(moved.content.decode()) == [], "the flash message names a person"


def test_the_pages_of_calls_are_inert(cast: Cast, evil: Incident, clock_at: datetime):
    client = signed_in(cast.technician)
    call = opening.Report(
        contact=cast.owner, channel="phone", kind="operation", release_id=evil.release_id, subject=EVIL, text=EVIL
    )
    open_by_phone(report=call, answered_text=EVIL, user=cast.technician, at=clock_at, key=key())
    where, house = f"/desk/call/{cast.owner.pk}/", f"/desk/call/new/?customer={cast.acme.pk}&from={EVIL}"
    for path in ("/desk/call/", "/desk/call/?q=script", f"/desk/call/?q={EVIL}&from={EVIL}", where, house):
        page = client.get(path, follow=True).content.decode()
        assert running(page) == [], path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get("/desk/call/").content.decode()
    assert running(client.get(f"/desk/call/logged/{evil.number}/").content.decode()) == []
    for path in (where, house, f"/desk/incidents/{evil.number}/call/"):
        bad = client.post(
            path, {"subject": EVIL, "text": EVIL, "told": EVIL, "name": EVIL, "key": EVIL, "call-text": EVIL}
        )
        assert bad.status_code == 422, path
        assert running(bad.content.decode()) == [], path


def test_the_admin_is_inert(cast: Cast, evil: Incident):
    client = signed_in(cast.admin)
    index = client.get("/admin/").content.decode()
    lists = set(re.findall(r'href="(/admin/\w+/\w+/)"', index))
    assert len(lists) >= 12
    for path in sorted(lists):
        page = client.get(path).content.decode()
        assert running(page) == [], path
        first = re.search(rf'href="({path}\d+/change/)', page)
        if first:
            assert running(client.get(first.group(1)).content.decode()) == [], path
            assert running(client.get(first.group(1).replace("change", "history")).content.decode()) == [], path


@pytest.mark.rule("D31")
def test_the_mails_are_inert(evil: Incident):
    mails = OutgoingMail.objects.all()
    assert mails.count() >= 4
    for mail in mails:
        assert running(mail.html) == [], mail.kind
        assert "\n" not in mail.subject + mail.to_name + mail.to_address


def test_no_page_runs_inline_script_or_style(cast: Cast, evil: Incident):
    for who, path in (
        (None, "/accounts/sign-in/"),
        (cast.owner, f"/incidents/{evil.number}/"),
        (cast.technician, "/desk/"),
        (cast.admin, "/admin/"),
    ):
        answer = signed_in(who).get(path)
        policy = answer["Content-Security-Policy"]
        assert "unsafe-inline" not in policy
        assert "script-src 'self'" in policy
        assert "default-src 'none'" in policy
        page = answer.content.decode()
        if path != "/admin/":
            assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|<style", page), path
        assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")


@pytest.mark.parametrize(
    "query", ["contact__user__password__startswith=p", "customer__contacts__user__password__contains=x"]
)
def test_a_list_is_not_asked_by_foreign_fields(cast: Cast, evil: Incident, query: str):
    """The admin's lists filter by what they offer, and nothing else."""
    client: Client = signed_in(cast.admin)
    client.raise_request_exception = False
    assert client.get(f"/admin/incidents/incident/?{query}").status_code == 400
