"""Phone intake by its pages: finding the caller, logging the call, drafts, calls on incidents (R4, R8, D20)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft, Incident, Message
from incidents.numbers import grouped
from incidents.services import reopening
from incidents.services.calls import open_by_phone
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, Customer
from supportdesk.people.services import add_contact
from tests.cast import Cast
from tests.incidents.test_calls import a_call
from tests.incidents_helpers import a_release, again, answered, key, opened, signed_in, with_points
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D20")
NUMBER = "+12125550147"


@pytest.fixture
def desk(cast: Cast, clock_at: datetime) -> Client:
    return signed_in(cast.technician)


@pytest.fixture
def nina(cast: Cast) -> Contact:
    """A contact of Acme's with a number and no address."""
    return add_contact(customer_id=cast.acme.pk, name="Nina New", phone=NUMBER)


def told(answer: Any) -> str:
    return plain(answer.content.decode())


def a_form(**given: str) -> dict[str, str]:
    values = {"key": key(), "release": str(a_release().pk), "kind": "operation", "subject": "It stops at night"}
    return values | {"text": "", "answered": "later", "told": "", "then": "open"} | given


class TestFinding:
    @pytest.mark.parametrize("typed", ["olive", "olive acme", "olive@acme.example"])
    def test_the_only_one_is_led_to(self, cast: Cast, desk: Client, typed: str):
        assert desk.get("/desk/call/", {"q": typed})["Location"] == f"/desk/call/{cast.owner.pk}/"

    def test_as_one_types_there_is_a_list(self, cast: Cast, desk: Client, nina: Contact):
        answer = desk.get("/desk/call/", {"q": "acme"}, headers={"HX-Request": "true"})
        words = told(answer)
        assert "<main" not in answer.content.decode()
        assert "Nina New Acme Tools Enterprise Edition +1 212-555-0147 open, 10:00 New York" in words
        assert "Olive Owner" in words
        assert "Somebody else of Acme Tools" in words
        assert "Nobody is found." in told(desk.get("/desk/call/", {"q": "zzz"}, headers={"HX-Request": "true"}))

    @pytest.mark.rule("D9")
    def test_a_ticket_number_finds_its_caller(self, cast: Cast, desk: Client, at: datetime):
        incident = opened(cast.owner, at=at)
        spaced = f"{incident.number[:3]} {incident.number[3:]}"
        for typed in (incident.number, spaced, grouped(incident.number), f"#{incident.number}"):
            answer = desk.get("/desk/call/", {"q": typed})
            assert "Olive Owner" in told(answer), typed
            assert f"/desk/incidents/{incident.number}/?caller={cast.owner.pk}#id_call-text" in answer.content.decode()

    @pytest.mark.parametrize(
        "query",
        [
            "from=+12125550147",
            "from=%2B12125550147",
            "from=0012125550147",
            "from=0112125550147&from=%2B1%20212%20555%200147",
            "from=2125550147",
            "from=(212)%20555-0147",
            "from=12125550147",
            "from=tel:%2B1-212-555-0147",
            "from=sip:%2B12125550147@pbx.example",
        ],
    )
    def test_a_telephone_system_opens_the_caller(self, desk: Client, nina: Contact, query: str):
        answer = desk.get(f"/desk/call/?{query}")
        assert answer["Location"].startswith(f"/desk/call/{nina.pk}/?from=")
        followed = desk.get(f"/desk/call?{query}", follow=True)
        assert "Nina New" in told(followed)

    def test_a_shared_number_is_chosen_from(self, cast: Cast, desk: Client, nina: Contact):
        Contact.objects.create(customer=cast.other, name="Otto Twice", phone=NUMBER)
        words = told(desk.get("/desk/call/", {"from": NUMBER}))
        assert "Nina New" in words
        assert "Otto Twice" in words

    def test_an_unknown_number_is_ready_for_a_new_contact(self, cast: Cast, desk: Client):
        answer = desk.get("/desk/call/", {"from": "+4930901820"})
        assert "from +49 30 901820" in told(answer)
        assert "Nobody is known by this number." in told(answer)
        listed = desk.get("/desk/call/", {"from": "+4930901820", "q": "acme"}, headers={"HX-Request": "true"})
        link = f"/desk/call/new/?customer={cast.acme.pk}&amp;from=%2B4930901820"
        assert link in listed.content.decode()
        page = desk.get(link.replace("&amp;", "&")).content.decode()
        assert 'value="+4930901820"' in page

    @pytest.mark.parametrize("bad", ["anonymous", "+", "%00", "9" * 500, "<script>", "12", "²³", "🙂", "' OR 1=1"])
    def test_a_number_that_is_none_gets_a_word(self, desk: Client, bad: str):
        answer = desk.get("/desk/call/", {"from": bad})
        assert answer.status_code == 200
        assert "gave no number that can be read" in told(answer)
        assert desk.get("/desk/call/", {"q": bad}).status_code == 200

    def test_an_organisation_that_is_no_customer_is_an_admins(self, cast: Cast, desk: Client):
        assert "is added by an admin" in told(desk.get("/desk/call/", {"q": "zzz"}))
        admins = signed_in(cast.admin).get("/desk/call/", {"q": "zzz"}).content.decode()
        assert "/admin/people/customer/add/" in admins

    def test_as_many_questions_for_many_as_for_one(self, cast: Cast, desk: Client):
        def asked() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert desk.get("/desk/call/", {"q": "acme"}, headers={"HX-Request": "true"}).status_code == 200
            return len(queries)

        few = asked()
        for n in range(15):
            house = Customer.objects.create(name=f"Acme {n}", country="DE", subdivision="BE", zone="Europe/Berlin")
            Contact.objects.create(customer=house, name=f"Person {n}", phone=f"+49309018{n:02}")
        assert asked() == few


@pytest.mark.rule("R8")
class TestLogging:
    def test_the_screen_says_all_that_is_needed(self, cast: Cast, desk: Client, at: datetime):
        with_points(cast.acme, 40, at=at)
        incident = opened(cast.owner, at=at, points=10)
        hidden = opened(cast.owner, at=at, points=10, subject="Of the owner")
        words = told(desk.get(f"/desk/call/{cast.owner.pk}/"))
        for said in (
            "Olive Owner Enterprise Edition open there now",
            "10:00 in New York, 20:30 for you",
            "40 → 10 after this call",
            "They keep 10",
            "Log the call, spend 30 points",
            f"{plain(incident.shown_number)} It stops at night This call is about it It stops at night",
            "Due Tue 1 Dec, 14:00 in New York, Wed 2 Dec, 0:30 for you",
            "open now in New York",
        ):
            assert said in words, said
        restricted = told(desk.get(f"/desk/call/{cast.restricted.pk}/"))
        assert f"{plain(hidden.shown_number)} Of the owner not theirs to see" in restricted

    @pytest.mark.rule("D11")
    def test_answered_during_the_call(self, cast: Cast, desk: Client, at: datetime):
        with_points(cast.acme, 30, at=at)
        form = a_form(answered="now", told="Restart the store.")
        for _time in range(2):
            answer = desk.post(f"/desk/call/{cast.owner.pk}/", form)
            incident = Incident.objects.get()
            assert answer["Location"] == f"/desk/call/logged/{incident.number}/"
        page = desk.get(answer["Location"])
        assert "".join(f"<span>{group}</span> " for group in incident.shown_number.split("\u202f")).strip() in (
            page.content.decode()
        )
        assert "in time answered during the call" in told(page)
        assert (incident.owner, incident.status) == (cast.technician, "open")
        assert incident.messages.order_by("id").first().text == "It stops at night"  # type: ignore[union-attr]
        shown = told(desk.get(f"/desk/incidents/{incident.number}/"))
        assert "Tess Technician on the phone, Olive Owner called call" in shown
        customers = told(signed_in(cast.owner).get(f"/incidents/{incident.number}/"))
        assert "Restart the store." in customers

    def test_to_be_answered_later_says_by_when(self, cast: Cast, desk: Client, at: datetime):
        with_points(cast.acme, 30, at=at)
        page = told(desk.post(f"/desk/call/{cast.owner.pk}/", a_form(), follow=True))
        assert "A technician answers by Tuesday 1 December, 14:00 their time in New York" in page
        assert "The number goes to olive@acme.example as well." in page

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"subject": " "}, "Say in one line what the problem is."),
            ({"kind": "tuning"}, "Choose a kind."),
            ({"release": "0"}, "This release is not on offer"),
            ({"answered": "now"}, "Write at least one sentence"),
            ({"answered": "later", "told": "Kept words"}, "Choose “answered during the call” above"),
            ({"answered": ""}, "Choose one of the two."),
            ({"text": "x" * 100_001}, "a message may have 100,000"),
            ({"key": "x"}, "at least 8"),
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_lost(
        self, cast: Cast, desk: Client, at: datetime, given: dict[str, str], said: str
    ):
        with_points(cast.acme, 30, at=at)
        answer = desk.post(f"/desk/call/{cast.owner.pk}/", a_form(text="The caller’s words") | given)
        assert answer.status_code == 422
        assert said in told(answer)
        assert given.get("told", "The caller’s words" if "text" not in given else "xxx") in told(answer)
        assert not Incident.objects.exists()

    def test_other_words_by_the_same_key(self, cast: Cast, desk: Client, at: datetime):
        with_points(cast.acme, 60, at=at)
        form = a_form()
        desk.post(f"/desk/call/{cast.owner.pk}/", form)
        answer = desk.post(f"/desk/call/{cast.owner.pk}/", form | {"subject": "Another"})
        assert "was sent before with other words" in told(answer)
        assert f'value="{form["key"]}"' not in answer.content.decode()

    @pytest.mark.rule("R4")
    def test_community_is_told_why_and_sent_the_form(self, cast: Cast, desk: Client, at: datetime):
        where = f"/desk/call/{cast.stranger.pk}/"
        page = desk.get(where)
        assert "Community Edition includes incidents by e-mail, 10 points each, and none by phone." in told(page)
        assert 'name="subject"' not in page.content.decode()
        refused = desk.post(where, a_form(text="Their words"))
        assert "Community Edition has e-mail incidents only. Nothing was logged, and nothing lost." in told(refused)
        assert "Their words" in told(refused)
        for _time in range(2):
            sent = desk.post(f"{where}send-form/", {"key": "send-it-once"}, follow=True)
            assert "The form is on its way to otto@other.example." in told(sent)
        assert OutgoingMail.objects.filter(kind="form_link").count() == 1
        Contact.objects.filter(pk=cast.stranger.pk).update(email="", phone="+4930901820")
        assert "Read out where the form is: http://testserver/report/" in told(desk.get(where))
        assert "has no e-mail address" in told(desk.post(f"{where}send-form/", {"key": key()}, follow=True))

    @pytest.mark.rule("D21")
    def test_without_an_address_the_pages_say_so(self, cast: Cast, desk: Client, nina: Contact, at: datetime):
        with_points(cast.acme, 30, at=at)
        assert "none: nothing is mailed" in told(desk.get(f"/desk/call/{nina.pk}/"))
        page = told(desk.post(f"/desk/call/{nina.pk}/", a_form(), follow=True))
        assert "They have no e-mail address: nothing is mailed." in page
        incident = Incident.objects.get()
        assert "No e-mail address: nothing is mailed." in told(desk.get(f"/desk/incidents/{incident.number}/"))
        assert not incident.mails.exists()

    @pytest.mark.parametrize("where", ["0", "999999", "99999999999999999999"])
    def test_nobody_is_not_there(self, desk: Client, where: str):
        assert desk.get(f"/desk/call/{where}/").status_code == 404
        assert desk.get(f"/desk/call/new/?customer={where}").status_code == 404

    def test_who_was_removed_is_not_there(self, cast: Cast, desk: Client, at: datetime):
        Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
        assert desk.get(f"/desk/call/{cast.owner.pk}/").status_code == 404


@pytest.mark.rule("D8")
class TestDrafts:
    def test_from_the_call_to_the_incident(self, cast: Cast, desk: Client, at: datetime):
        with_points(cast.acme, 10, at=at)
        where = f"/desk/call/{cast.owner.pk}/"
        assert "Keep as a draft, no number" in told(desk.get(where))
        kept = told(desk.post(where, a_form(answered="now", told="Restart it."), follow=True))
        assert "Kept as a draft: no ticket number, no charge." in kept
        assert "Needs 30 points, 10 on hand." in kept
        draft = Draft.objects.get()
        assert "Open, spend 30 points" not in kept
        short = desk.post(f"/desk/call/drafts/{draft.pk}/open/", follow=True)
        assert "Needs 30 points, 10 on hand. The draft is kept." in told(short)
        # The customer sees it with its price.
        home = told(signed_in(cast.owner).get("/"))
        assert "draft, no number yet 30 points on sending" in home
        assert "What we told you on the phone Restart it." in told(signed_in(cast.owner).get(f"/drafts/{draft.pk}/"))
        with_points(cast.acme, 20, at=at)
        assert "Open, spend 30 points" in told(signed_in(cast.colleague).get("/desk/call/"))
        for _time in range(2):
            done = desk.post(f"/desk/call/drafts/{draft.pk}/open/")
            assert done["Location"] == f"/desk/call/logged/{Incident.objects.get().number}/"
        assert "wait for points" not in told(desk.get("/desk/call/"))

    def test_it_is_discarded(self, cast: Cast, desk: Client, at: datetime):
        draft = open_by_phone(report=a_call(cast.owner), user=cast.technician, at=at, key=key())
        assert "The draft is discarded." in told(desk.post(f"/desk/call/drafts/{draft.pk}/discard/", follow=True))
        assert desk.post(f"/desk/call/drafts/{draft.pk}/open/").status_code == 404

    @pytest.mark.rule("R4")
    def test_an_edition_that_changed_is_said(self, cast: Cast, desk: Client, at: datetime):
        draft = open_by_phone(report=a_call(cast.owner), user=cast.technician, at=at, key=key())
        with_points(cast.acme, 30, at=at)
        Customer.objects.filter(pk=cast.acme.pk).update(edition="community")
        assert "e-mail incidents only" in told(desk.post(f"/desk/call/drafts/{draft.pk}/open/", follow=True))
        theirs = signed_in(cast.owner).post(f"/drafts/{draft.pk}/open/", follow=True)
        assert "e-mail incidents only" in told(theirs)


class TestANewCaller:
    def test_on_the_line_with_what_was_said(self, cast: Cast, desk: Client):
        where = f"/desk/call/new/?customer={cast.acme.pk}&from=2125550147"
        assert 'value="2125550147"' in desk.get(where).content.decode()
        form = {"key": key(), "name": "Nina New", "phone": "212 555 0147", "email": "", "said": "It is slow."}
        page = desk.post(where, form, follow=True)
        assert "Nina New is a contact of Acme Tools now." in told(page)
        assert "It is slow." in told(page)
        assert Contact.objects.get(name="Nina New").phone == NUMBER
        desk.post(where, form)
        assert Contact.objects.filter(name="Nina New").count() == 1

    def test_who_is_there_already_is_said(self, cast: Cast, desk: Client, nina: Contact):
        where = f"/desk/call/new/?customer={cast.acme.pk}"
        form = {"key": key(), "name": "Noel New", "phone": NUMBER, "email": "", "said": "Kept words"}
        page = desk.post(where, form)
        assert page.status_code == 422
        assert "Nina New has this number already." in told(page)
        assert f"/desk/call/{nina.pk}/" in page.content.decode()
        assert "Kept words" in told(page)
        assert desk.post(where, form | {"shared": "on"}).status_code == 302
        taken = desk.post(where, form | {"phone": "", "email": "olive@acme.example"})
        assert "Olive Owner has this address already." in told(taken)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"name": ""}, "Ask for the name."),
            ({"phone": ""}, "Give a phone number or an e-mail address"),
            ({"phone": "12"}, "is no phone number"),
            ({"email": "nobody@"}, "valid email address"),
        ],
    )
    def test_what_is_wrong_is_said(self, cast: Cast, desk: Client, given: dict[str, str], said: str):
        form = {"key": key(), "name": "Noel New", "phone": NUMBER, "email": "", "said": ""} | given
        page = desk.post(f"/desk/call/new/?customer={cast.acme.pk}", form)
        assert page.status_code == 422
        assert said in told(page)


class TestOnAnIncident:
    def form(self, contact: Contact, **given: str) -> dict[str, str]:
        values = {
            "key": key(),
            "contact": str(contact.pk),
            "direction": "out",
            "text": "Called back.",
            "then": "waiting",
        }
        return {f"call-{name}": value for name, value in (values | given).items()}

    @pytest.mark.rule("D11", "R9")
    def test_a_call_is_logged(self, cast: Cast, desk: Client, at: datetime):
        incident = opened(cast.owner, at=at)
        where = f"/desk/incidents/{incident.number}/"
        form = self.form(cast.owner)
        for _time in range(2):
            page = desk.post(f"{where}call/", form, follow=True)
            assert "The call is logged, as an answer." in told(page)
        assert "Tess Technician called Olive Owner call" in told(page)
        assert Message.objects.filter(kind="call").count() == 1
        assert again(incident).status == "waiting"
        assert "Called back." in told(signed_in(cast.owner).get(f"/incidents/{incident.number}/"))

    @pytest.mark.rule("D16")
    def test_on_a_closed_one(self, cast: Cast, desk: Client, at: datetime):
        incident = opened(cast.owner, at=at)
        answered(incident, cast.technician, at=at, then="closed")
        where = f"/desk/incidents/{incident.number}/"
        assert "They say it is exactly the same problem" in told(desk.get(where))
        kept = desk.post(f"{where}call/", self.form(cast.owner, then="open"), follow=True)
        assert "The call is kept here; the incident stays as it is." in told(kept)
        asked = desk.post(f"{where}call/", self.form(cast.owner, then="open", reopen="on"), follow=True)
        assert "asks to re-open: decide below" in told(asked)
        assert "Olive Owner asked to re-open it" in told(asked)
        reopening.refuse(incident_id=incident.pk, reason="Another.", user=cast.technician, at=at, key="refused-once")
        with clock.set_to(at + timedelta(days=100)):
            late = desk.post(f"{where}call/", self.form(cast.owner, then="open", reopen="on"), follow=True)
        assert "It can no longer be re-opened" in told(late)

    @pytest.mark.rule("D21")
    def test_only_with_those_who_may_see_it(self, cast: Cast, desk: Client, at: datetime):
        incident = opened(cast.owner, at=at)
        for contact in (cast.restricted, cast.stranger):
            page = desk.post(f"/desk/incidents/{incident.number}/call/", self.form(contact, text="Kept words"))
            assert "Choose a contact of this customer who may see this incident." in told(page)
            assert "Kept words" in told(page)

    def test_the_page_of_a_call_leads_here(self, cast: Cast, desk: Client, nina: Contact, at: datetime):
        incident = opened(nina, at=at)
        page = desk.get(f"/desk/incidents/{incident.number}/?caller={cast.owner.pk}").content.decode()
        assert '<details class="fold" id="call" open>' in page
        assert f'<option value="{cast.owner.pk}" selected>' in page
        for bad in ("x", "-1", "9" * 30, ""):
            assert desk.get(f"/desk/incidents/{incident.number}/", {"caller": bad}).status_code == 200
