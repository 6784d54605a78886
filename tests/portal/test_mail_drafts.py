"""A draft of a mail in the portal: said what it is about in one step, then its price, then one click (D27)."""

from __future__ import annotations

from datetime import datetime
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft, Incident
from points.models import Charge
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.people.services import sign_in_for
from tests.cast import Cast
from tests.incidents_helpers import a_release, mailed, signed_in, with_points
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D27")


@pytest.fixture
def draft(cast: Cast, clock_at: datetime) -> Draft:
    with_points(cast.acme, 25, at=clock_at)
    mailed(
        sender="olive@acme.example",
        at=clock_at,
        subject="It <b>stops</b>",
        text="Since Monday.\n\nOn Monday Tess wrote:\n> old\n> older\n",
    )
    return Draft.objects.get()


def said(draft: Draft, **given: object) -> dict[str, object]:
    """The form of what it is about, as the page shows it."""
    from_page = {"key": "0123456789abcdef", "seen": "", "contact": draft.contact_id}
    return from_page | {"kind": "operation", "release": a_release().pk} | given


def seen_on(page: str) -> str:
    return page.split('name="seen" value="')[1].split('"')[0]


def test_from_the_mail_to_the_ticket_number(cast: Cast, clock_at: datetime, draft: Draft):
    client = signed_in(cast.owner)
    (mail,) = OutgoingMail.objects.filter(kind="draft_made")
    link = next(line for line in mail.text.splitlines() if line.startswith("http")).removeprefix("http://testserver")
    assert link == f"/drafts/{draft.pk}/"
    assert "Say what it is about</a>" in client.get("/").content.decode()
    asked = client.get(link)
    assert (asked.status_code, asked["Location"]) == (302, f"{link}finish/")
    page = client.get(f"{link}finish/").content.decode()
    words = plain(page)
    for word in ("It <b>stops</b>", "Since Monday.", "quoted line", "Your mail, not opened yet", "by mail"):
        assert word in unescape(words)
    assert "<b>stops</b>" not in page
    answer = client.post(f"{link}finish/", said(draft, seen=seen_on(page)))
    assert (answer.status_code, answer["Location"]) == (302, link)
    assert not Charge.objects.exists()
    assert "Send and spend 10 points" in plain(client.get(link).content.decode())
    opened = client.post(f"{link}open/")
    incident = Incident.objects.get()
    assert opened["Location"] == f"/incidents/{incident.number}/"
    assert "by mail" in plain(client.get(opened["Location"]).content.decode())
    assert client.get(f"{link}finish/")["Location"] == opened["Location"]


def test_it_is_not_opened_before_it_is_finished(cast: Cast, draft: Draft):
    client = signed_in(cast.owner)
    answer = client.post(f"/drafts/{draft.pk}/open/", follow=True)
    assert "Say first what it is about. Nothing was opened, and nothing charged." in plain(answer.content.decode())
    for method in (client.get, client.post):
        assert method(f"/drafts/{draft.pk}/change/")["Location"] == f"/drafts/{draft.pk}/finish/"
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"kind": ""}, "Choose what it is."),
        ({"kind": "tuning"}, "Tick this to send it all the same, or choose another kind above."),
        ({"release": ""}, "Choose the product it happens with."),
        ({"release": "4000000"}, "This release is not on offer."),
        ({"contact": "4000000"}, "You are no contact of this customer."),
    ],
)
def test_what_is_missing_is_said_at_its_field(cast: Cast, draft: Draft, given: dict[str, str], error: str):
    client = signed_in(cast.owner)
    answer = client.post(f"/drafts/{draft.pk}/finish/", said(draft, **given))
    assert answer.status_code == 422
    assert error in plain(answer.content.decode())
    draft.refresh_from_db()
    assert not draft.is_finished


def test_another_mail_meanwhile_is_shown_before_it_is_finished(cast: Cast, clock_at: datetime, draft: Draft):
    client = signed_in(cast.owner)
    seen = seen_on(client.get(f"/drafts/{draft.pk}/finish/").content.decode())
    ours = OutgoingMail.objects.get(kind="draft_made").message_id
    mailed(sender="olive@acme.example", at=clock_at, text="And at noon.", In_Reply_To=ours)
    answer = client.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "And at noon." in page
    assert client.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen_on(page))).status_code == 302


@pytest.mark.rule("R9")
def test_what_reads_like_several_problems_is_asked_about_once(cast: Cast, clock_at: datetime):
    several = "1. The search stops at 71 %.\n2. The calendar lost its colours.\n3. Mail is not delivered."
    mailed(sender="olive@acme.example", at=clock_at, text=several)
    draft = Draft.objects.get()
    client = signed_in(cast.owner)
    seen = seen_on(client.get(f"/drafts/{draft.pk}/finish/").content.decode())
    answer = client.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen))
    assert (answer.status_code, "It reads like 3 problems" in plain(answer.content.decode())) == (422, True)
    assert client.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen, asked="1")).status_code == 302


@pytest.mark.rule("D21", "D22")
def test_a_colleague_sees_it_once_it_is_finished(cast: Cast, clock_at: datetime):
    mailed(sender="rufus@acme.example", at=clock_at)
    draft = Draft.objects.get()
    colleague, own = signed_in(cast.owner), signed_in(cast.restricted)
    for path in ("", "finish/", "change/"):
        assert colleague.get(f"/drafts/{draft.pk}/{path}").status_code == 404
    assert f"/drafts/{draft.pk}/" not in colleague.get("/").content.decode()
    seen = seen_on(own.get(f"/drafts/{draft.pk}/finish/").content.decode())
    own.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen))
    assert colleague.get(f"/drafts/{draft.pk}/").status_code == 200
    assert colleague.get(f"/drafts/{draft.pk}/finish/").status_code == 404, "of which customer, only its writer says"


@pytest.mark.rule("D21")
def test_a_reseller_says_for_which_customer(cast: Cast, clock_at: datetime):
    contacts = [
        Contact.objects.create(customer=customer, name="Rea Seller", email="rea@reseller.example")
        for customer in (cast.acme, cast.other)
    ]
    for contact in contacts:
        sign_in_for(contact=contact)
    with_points(cast.other, 10, at=clock_at)
    mailed(sender="rea@reseller.example", at=clock_at)
    draft = Draft.objects.get()
    client = signed_in(contacts[1])
    page = client.get(f"/drafts/{draft.pk}/finish/").content.decode()
    assert "Acme Tools" in page
    assert "Other Works" in page
    client.post(f"/drafts/{draft.pk}/finish/", said(draft, seen=seen_on(page), contact=contacts[1].pk))
    shown = plain(client.get(f"/drafts/{draft.pk}/").content.decode())
    assert "Not for Other Works? Choose the customer" in shown
    client.post(f"/drafts/{draft.pk}/open/")
    assert Incident.objects.get().customer == cast.other


def test_the_page_asks_as_much_however_many_mails_it_has(cast: Cast, clock_at: datetime, draft: Draft):
    client = signed_in(cast.owner)
    ours = OutgoingMail.objects.get(kind="draft_made").message_id
    counts = []
    for _time in range(2):
        client.get(f"/drafts/{draft.pk}/finish/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(f"/drafts/{draft.pk}/finish/")
        counts.append(len(queries))
        for more in range(5):
            mailed(sender="olive@acme.example", at=clock_at, text=f"More {more}", In_Reply_To=ours)
    assert counts[0] == counts[1]


@pytest.mark.rule("D8")
def test_a_draft_that_was_discarded_by_a_press_too_many_comes_back(cast: Cast, clock_at: datetime, draft: Draft):
    client = signed_in(cast.owner)
    there = f"/drafts/{draft.pk}/"
    page = client.post(f"{there}discard/", follow=True).content.decode()
    assert "The draft “It &lt;b&gt;stops&lt;/b&gt;” is discarded." in page
    assert f'action="{there}bring-back/"' in page
    assert "bring-back" not in client.get("/").content.decode(), "it is offered once"
    assert signed_in(cast.stranger).post(f"{there}bring-back/").status_code == 404
    assert client.get(f"{there}bring-back/").status_code == 405
    for _twice in range(2):
        assert "The draft is here again." in client.post(f"{there}bring-back/", follow=True).content.decode()
    assert "Since Monday." in client.get(f"{there}finish/").content.decode()
    client.post(f"{there}discard/")
    Draft.objects.filter(pk=draft.pk).update(kept_until=clock_at)
    page = client.post(f"{there}bring-back/", follow=True).content.decode()
    assert "The 30 days of this draft are over: it cannot be brought back." in page
