"""The reporting form: the price before sending, and every error at its field with nothing lost."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from incidents.models import Draft, Incident, Message
from points.models import Charge
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.people.services import sign_in_for
from tests.cast import Cast
from tests.incidents_helpers import a_release, at_once, signed_in, with_points

TEXT = "Each night at two it stops. <b>Help</b> & thanks"


def filled(cast: Cast, **given: Any) -> dict[str, Any]:
    """A form as it should be, and what is given otherwise; None leaves a field out."""
    data = {
        "key": "0123456789abcdef",
        "contact": cast.owner.pk,
        "release": a_release().pk,
        "kind": "operation",
        "subject": "It stops",
        "text": TEXT,
    } | given
    return {name: value for name, value in data.items() if value is not None}


@pytest.fixture
def owner(cast: Cast, clock_at: datetime) -> Client:
    with_points(cast.acme, 25, at=clock_at)
    return signed_in(cast.owner)


def plain(html: str) -> str:
    """The words of a page, without tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.mark.rule("R1", "R3", "R6", "D24")
def test_the_price_and_the_deadline_stand_before_the_button(cast: Cast, owner: Client, clock_at: datetime):
    with_points(cast.acme, 3, at=clock_at - timedelta(days=200))
    words = plain(owner.get("/report/").content.decode())
    assert "10 points of your 28" in words
    assert "From the lot until 15 May 2027 3 From the lot until 1 Dec 2027 7 You keep 18" in words
    assert "A technician answers by Tuesday 1 December, 14:00 your time in New York (America/New_York)" in words
    assert "Send and spend 10 points" in words
    assert "Call +1 866-722-5492 , 30 points" in words
    with clock.set_to(datetime(2026, 12, 24, 20, 0, tzinfo=UTC)):
        words = plain(owner.get("/report/promise/").content.decode())
    assert "Monday 28 December, 11:00" in words
    assert "Fri 25 Dec Christmas Day, not counted" in words
    assert "Sat, Sun weekend, not counted" in words
    assert "<html" not in owner.get("/report/promise/").content.decode()


@pytest.mark.rule("D8")
def test_what_is_missing_is_said_before_sending(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 4, at=clock_at)
    words = plain(signed_in(cast.owner).get("/report/").content.decode())
    assert "Needs 10 points, 4 on hand. Sending keeps the report as a draft for 30 days" in words
    assert "Keep as a draft" in words
    assert "spend" not in words


@pytest.mark.rule("R7", "D9")
def test_sending_opens_it_and_shows_the_number_once(cast: Cast, owner: Client):
    answer = owner.post("/report/", filled(cast), follow=True)
    incident = Incident.objects.get()
    assert answer.redirect_chain == [(f"/incidents/{incident.number}/", 302)]
    words = plain(answer.content.decode())
    assert f"We have your report. {' '.join(incident.shown_number.split())}" in words
    assert TEXT in words
    assert "We have your report" not in owner.get(f"/incidents/{incident.number}/").content.decode()


@pytest.mark.rule("R3")
def test_the_same_form_sent_again_leads_to_the_same_incident(cast: Cast, owner: Client):
    first = owner.post("/report/", filled(cast))
    second = owner.post("/report/", filled(cast))
    assert first["Location"] == second["Location"]
    counts = (Incident.objects.count(), Charge.objects.count(), OutgoingMail.objects.count())
    assert counts == (1, 1, 1)


@pytest.mark.rule("R3")
def test_the_form_sent_by_two_clicks_at_once_is_one_incident(committed_cast: Cast, at: datetime):
    with_points(committed_cast.acme, 30, at=at)
    client, data = signed_in(committed_cast.owner), filled(committed_cast)

    def send() -> str:
        fresh = Client()
        fresh.cookies.update(client.cookies)
        with clock.set_to(at):
            return fresh.post("/report/", data)["Location"]

    places = at_once(*[send] * 4)
    assert set(places) == {f"/incidents/{Incident.objects.get().number}/"}
    assert Charge.objects.count() == 1


@pytest.mark.parametrize("other", [{"subject": "Another"}, {"text": "Another text"}, {"kind": "feature"}])
def test_a_form_sent_again_with_another_text_is_kept_and_said(cast: Cast, owner: Client, other: dict[str, str]):
    owner.post("/report/", filled(cast))
    answer = owner.post("/report/", filled(cast, **other))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "This form was sent before with another text." in page
    form = answer.context["form"]
    for name in ("subject", "text", "kind"):
        assert form[name].value() == filled(cast, **other)[name]
    assert other.get("text", TEXT) in unescape(page)
    assert Incident.objects.count() == 1
    # With the key of the page that came it is a second report.
    answer = owner.post("/report/", filled(cast, **other, key=form["key"].value()))
    assert answer.status_code == 302
    assert Incident.objects.count() == 2


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"subject": ""}, "subject", "Say in one line what the problem is."),
    ({"subject": " \t "}, "subject", "Say in one line what the problem is."),
    ({"subject": None}, "subject", "Say in one line what the problem is."),
    ({"subject": "x" * 201}, "subject", "at most 200 characters"),
    ({"subject": "a\x00b"}, "subject", "Null characters are not allowed."),
    ({"text": ""}, "text", "Describe the problem: a few sentences will do."),
    ({"text": "x" * 200_000}, "text", "This is 200,000 characters long; a message may have 100,000."),
    ({"kind": "tuning"}, "anyway", "Tick this to send it all the same, or choose another kind above."),
    ({"kind": "magic"}, "kind", "Choose one of these."),
    ({"kind": None}, "kind", "Choose what it is."),
    ({"release": 4_000_000}, "release", "This release is not on offer"),
    ({"release": "x"}, "release", "This release is not on offer"),
    ({"release": "9" * 40}, "release", "This release is not on offer"),
    ({"release": ""}, "product", "Choose the product it happens with."),
    ({"release": "", "product": 4_000_000}, "product", "We have no such product. Choose another."),
    ({"release": "", "product": "x"}, "product", "We have no such product. Choose another."),
    ({"contact": "x"}, "contact", "You are no contact of this customer."),
    ({"contact": 4_000_000}, "contact", "You are no contact of this customer."),
    ({"key": ""}, "key", "This field is required."),
    ({"key": "k" * 64}, "key", "at most 50 characters"),
    ({"key": "open:0123456789"}, "key", "Enter a valid value."),
    ({"key": "raw:00000123"}, "key", "Enter a valid value."),
]


@pytest.mark.parametrize(
    ("given", "field", "said"), BAD, ids=[f"{next(iter(case[0]))}-{n}" for n, case in enumerate(BAD)]
)
def test_bad_input_is_an_error_at_its_field(cast: Cast, owner: Client, given: dict[str, Any], field: str, said: str):
    answer = owner.post("/report/", filled(cast, **given))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    page = answer.content.decode()
    assert re.search(rf'class="error" id="id_{field}_error">[^<]*{re.escape(said)}', page), "said on the page"
    assert "Nothing was sent, and nothing was lost." in page
    assert filled(cast, **given)["text"] in unescape(page)
    if field == "key":
        assert re.fullmatch("[0-9a-f]{32}", answer.context["form"]["key"].value()), "the next try has a good one"
    rows = (Incident.objects.count(), Draft.objects.count(), Message.objects.count(), Charge.objects.count())
    assert rows == (0, 0, 0, 0)


@pytest.mark.rule("D22", "D21")
@pytest.mark.parametrize("whose", ["stranger", "restricted"])
def test_a_forged_contact_is_an_error_at_its_field(cast: Cast, owner: Client, whose: str):
    with_points(cast.other, 20, at=datetime(2026, 12, 1, 12, 0, tzinfo=UTC))
    answer = owner.post("/report/", filled(cast, contact=getattr(cast, whose).pk))
    assert list(answer.context["form"].errors) == ["contact"]
    assert f'name="contact" value="{cast.owner.pk}"' in answer.content.decode(), "the next try is their own"
    assert "Otto" not in answer.content.decode()
    assert not Incident.objects.exists()
    assert "Other Works" not in owner.get("/report/promise/", {"contact": cast.stranger.pk}).content.decode()


@pytest.mark.rule("R10")
@pytest.mark.parametrize("kind", ["installation", "operation", "configuration", "feature"])
def test_the_kinds_that_are_accepted(cast: Cast, owner: Client, kind: str):
    page = owner.get("/report/").content.decode()
    assert re.findall(r'name="kind" value="(\w+)"', page)[:4] == [
        "installation",
        "operation",
        "configuration",
        "feature",
    ]
    owner.post("/report/", filled(cast, kind=kind))
    assert Incident.objects.get().kind == kind


@pytest.mark.rule("R12", "D19")
def test_only_current_releases_are_offered_and_taken(cast: Cast, owner: Client):
    ended = a_release(name="ended", until=date(2026, 11, 30))
    coming = a_release(name="coming", since=date(2026, 12, 2))
    today = a_release(name="last day", until=date(2026, 12, 1))
    page = owner.get("/report/").content.decode().split('<select name="release"')[1]
    offered = {release: f'<option value="{release.pk}">' in page for release in (ended, coming, today)}
    assert offered == {ended: False, coming: False, today: True}
    why = {
        ended: "Support of Quillmark Server ended ended on 30 Nov 2026.",
        coming: "Quillmark Server coming comes out on 2 Dec 2026.",
    }
    for release, said in why.items():
        errors = owner.post("/report/", filled(cast, release=release.pk)).context["form"].errors
        assert list(errors) == ["release"]
        assert said in str(errors)
    assert owner.post("/report/", filled(cast, release=today.pk)).status_code == 302


@pytest.mark.rule("D21")
def test_a_reseller_says_for_whom(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 25, at=clock_at)
    own = [Contact.objects.create(customer=of, name="Rea", email="rea@x.example") for of in (cast.acme, cast.other)]
    for contact in own:
        sign_in_for(contact=contact)
    client = signed_in(own[0])
    words = plain(client.get("/report/").content.decode())
    assert "For --------- Acme Tools Other Works" in words
    assert "Needs 10 points, 0 on hand" in plain(
        client.get("/report/promise/", {"contact": own[1].pk}).content.decode()
    )
    client.post("/report/", filled(cast, contact=own[0].pk))
    assert Incident.objects.get().customer == cast.acme
    client.post("/report/", filled(cast, contact=own[1].pk, key="another-key"))
    assert Draft.objects.get().customer == cast.other


@pytest.mark.rule("D8")
def test_a_draft_says_what_is_missing_opens_by_one_click_and_can_be_put_away(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 4, at=clock_at)
    client = signed_in(cast.owner)
    answer = client.post("/report/", filled(cast), follow=True)
    draft = Draft.objects.get()
    words = plain(answer.content.decode())
    assert "Needs 10 points, 4 on hand." in words
    assert "Kept through 31 Dec 2026" in words
    assert "It stops" in client.get("/").content.decode()
    there = f"/drafts/{draft.pk}/"
    answer = client.post(f"{there}open/", follow=True)
    assert answer.redirect_chain == [(there, 302)]
    assert "Needs 10 points, 4 on hand. The draft is kept." in plain(answer.content.decode())

    with_points(cast.acme, 20, at=clock_at)
    assert "Send and spend 10 points" in client.get(there).content.decode()
    opened = client.post(f"{there}open/")
    incident = Incident.objects.get()
    for again in (client.post(f"{there}open/"), client.get(there)):
        assert again["Location"] == opened["Location"] == f"/incidents/{incident.number}/"
    assert Charge.objects.count() == 1

    client.post("/report/", filled(cast, key="another-key"))
    client.post("/report/", filled(cast, key="a-third-key"))
    other = Draft.objects.latest("id")
    assert client.post(f"/drafts/{other.pk}/discard/")["Location"] == "/"
    assert client.get(f"/drafts/{other.pk}/").status_code == 404
    assert client.post(f"/drafts/{other.pk}/open/").status_code == 404
