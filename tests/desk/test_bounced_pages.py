"""That mail to somebody comes back, where people write to them, call them, and sign in (D28)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import HeldMail, Incident
from incidents.services.bouncing import came_back
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.reports import Bounce
from supportdesk.people.models import Contact
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents.told import a_mate, follows
from tests.incidents_helpers import mailed, opened, signed_in

pytestmark = pytest.mark.rule("D28")
HOUR = timedelta(hours=1)
MARK = "mail comes back"
BACK = "come back to us"


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    """Whose ticket number came back."""
    Contact.objects.filter(pk=cast.owner.pk).update(phone="+12125550142")
    incident = opened(Contact.objects.get(pk=cast.owner.pk), at=clock_at)
    mail = OutgoingMail.objects.get(kind="incident_opened")
    full = Bounce(address=mail.to_address, status="5.2.2", diagnostic="552 5.2.2 <script>Over</script> quota")
    came_back(mail_id=mail.pk, bounce=full, at=clock_at)
    return incident


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def _words(page: str) -> str:
    return " ".join(page.split())


class TestOnTheDesk:
    def test_with_the_customer_and_before_sending(self, cast: Cast, incident: Incident, desk: Client):
        page = _words(told(desk.get(there(incident))))
        assert page.count(f"{MARK} since") == 2
        assert page.count("the mailbox is full") == 2, "the customer's card, and whom the answer is mailed to"
        assert "call +1 212-555-0142" in page
        assert "A mail to Olive Owner came back" in page
        assert "<script>Over" not in desk.get(there(incident)).content.decode()

    def test_a_reason_that_nobody_has_words_for_is_the_servers(self, cast: Cast, incident: Incident, desk: Client):
        Contact.objects.filter(pk=cast.owner.pk).update(bounce="5.3.0 <b>Odd</b>")
        page = desk.get(there(incident)).content.decode()
        assert "5.3.0 &lt;b&gt;Odd&lt;/b&gt;" in page

    @pytest.mark.rule("D38")
    def test_a_follower(self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
        mate = a_mate(cast.acme)
        follows(incident, mate, cast, at=clock_at)
        before = _words(told(desk.get(there(incident)))).count(MARK)
        Contact.objects.filter(pk=mate.pk).update(bounced_at=clock_at, bounce="5.1.1 No")
        page = _words(told(desk.get(there(incident))))
        assert page.count(MARK) == before + 2, "among the followers, and whom the answer is mailed to"
        assert "no such address" in page

    @pytest.mark.parametrize(
        "address", ["/desk/", "/desk/call/?q=acme", "/desk/call/{owner}/", "/desk/held/{held}/person/?q=olive"]
    )
    def test_in_lists_of_people_and_incidents_at_no_further_query(
        self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime, address: str
    ):
        mailed(sender="who@strange.example", at=clock_at)
        path = address.format(owner=cast.owner.pk, held=_held())
        desk.get(path)
        with CaptureQueriesContext(connection) as marked:
            assert MARK in told(desk.get(path))
        Contact.objects.update(bounced_at=None, bounce="")
        with CaptureQueriesContext(connection) as unmarked:
            assert MARK not in told(desk.get(path))
        assert len(marked) == len(unmarked)

    def test_it_works_again(self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
        where = f"/desk/contacts/{cast.owner.pk}/mail-works/"
        assert f'action="{where}"' in desk.get(there(incident)).content.decode()
        given = {"seen": clock_at.isoformat(), "number": incident.number}
        Contact.objects.filter(pk=cast.owner.pk).update(bounced_at=clock_at + HOUR)
        assert "Another mail has come back since" in told(desk.post(where, given, follow=True))
        given["seen"] = (clock_at + HOUR).isoformat()
        answer = desk.post(where, given, follow=True)
        assert answer.redirect_chain == [(there(incident), 302)]
        assert "Mail to olive@acme.example counts as arriving again." in told(answer)
        assert MARK not in told(desk.get(there(incident)))
        assert desk.post(where, given).status_code == 302, "twice is once"

    @pytest.mark.parametrize("seen", ["", "yesterday", "2026-12-01T10:00:00", "9" * 400, "\x00"])
    def test_nonsense_clears_nothing(self, cast: Cast, incident: Incident, desk: Client, seen: str):
        answer = desk.post(f"/desk/contacts/{cast.owner.pk}/mail-works/", {"seen": seen, "number": "x"}, follow=True)
        assert answer.redirect_chain[0][0] == f"/desk/call/{cast.owner.pk}/"
        assert Contact.objects.get(pk=cast.owner.pk).bounced_at is not None

    @pytest.mark.rule("D22")
    def test_only_the_desk_clears_it(self, cast: Cast, incident: Incident, clock_at: datetime):
        where = f"/desk/contacts/{cast.owner.pk}/mail-works/"
        assert signed_in(cast.owner).post(where, {"seen": clock_at.isoformat()}).status_code == 404
        assert Contact.objects.get(pk=cast.owner.pk).bounced_at is not None

    @pytest.mark.rule("D39")
    def test_the_notice_leads_to_the_incident(self, cast: Cast, incident: Incident, desk: Client):
        page = desk.get("/desk/notices/")
        assert "A mail to the customer came back" in told(page)


def _held() -> int:
    return HeldMail.objects.latest("id").pk


class TestInThePortal:
    def test_they_are_told_themselves_and_nobody_else_is(self, cast: Cast, incident: Incident):
        page = signed_in(cast.owner).get("/")
        assert BACK in told(page)
        assert "olive@acme.example" in told(page)
        assert "quota" not in told(page), "what a server said is the desk's affair"
        assert BACK not in told(signed_in(cast.restricted).get("/"))
        assert BACK not in told(signed_in(cast.stranger).get("/"))

    @pytest.mark.rule("D21")
    def test_once_an_address_however_many_customers(self, cast: Cast, incident: Incident, clock_at: datetime):
        Contact.objects.create(
            customer=cast.other, name="Olive", email=cast.owner.email, user=cast.owner.user, bounced_at=clock_at
        )
        assert told(signed_in(cast.owner).get("/")).count(BACK) == 1

    def test_the_timeline_there_says_nothing(self, cast: Cast, incident: Incident):
        page = told(signed_in(cast.owner).get(f"/incidents/{incident.number}/"))
        assert "came back" not in page
        assert MARK not in page


class TestInTheAdmin:
    @pytest.fixture
    def admin(self, cast: Cast) -> Client:
        return signed_in(cast.admin)

    def test_a_list_of_those_whose_mail_comes_back(self, cast: Cast, incident: Incident, admin: Client):
        page = told(admin.get("/admin/people/contact/?mail=back"))
        assert "olive@acme.example" in page
        assert "rufus@acme.example" not in page
        page = told(admin.get("/admin/people/contact/?mail=arrives"))
        assert "rufus@acme.example" in page
        assert "olive@acme.example" not in page
        one = told(admin.get(f"/admin/people/contact/{cast.owner.pk}/change/"))
        assert "5.2.2" in one
        assert "Acme Tools" in one

    @pytest.mark.parametrize("email", ["olive@acme.example", "olive@new.example"])
    def test_another_address_has_not_bounced(self, cast: Cast, incident: Incident, admin: Client, email: str):
        contacts = Contact.objects.filter(customer=cast.acme).order_by("name", "pk")
        data = {
            "name": cast.acme.name,
            "edition": cast.acme.edition,
            "country": cast.acme.country,
            "subdivision": cast.acme.subdivision,
            "zone": cast.acme.zone,
            "place_name": cast.acme.place_name,
            "contacts-TOTAL_FORMS": str(len(contacts)),
            "contacts-INITIAL_FORMS": str(len(contacts)),
        }
        for number, one in enumerate(contacts):
            row = {"id": str(one.pk), "customer": str(cast.acme.pk), "name": one.name, "phone": one.phone}
            row["email"] = email if one.pk == cast.owner.pk else one.email
            row |= {"restricted": "on"} if one.restricted else {}
            data |= {f"contacts-{number}-{name}": value for name, value in row.items()}
        answer = admin.post(f"/admin/people/customer/{cast.acme.pk}/change/", data)
        assert answer.status_code == 302
        marked = Contact.objects.get(pk=cast.owner.pk)
        assert marked.email == email
        assert (marked.bounced_at is None) == (email != cast.owner.email)
        assert (marked.bounce == "") == (email != cast.owner.email)
