"""A report without being signed in: a link by mail, followed once, and no word of who is a customer (D25, D28)."""

from __future__ import annotations

import logging
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft, Incident, VisitorReport
from incidents.services.visiting import VisitGone, digest_of, open_visit, sweep_visits
from points.models import Charge
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact
from supportdesk.people.networks import network_of
from supportdesk.people.signing_in import may_sign_in_by_link
from supportdesk.policy import POLICY
from supportdesk.web_logs import TokenFilter, without_tokens
from tests.cast import Cast
from tests.incidents_helpers import a_release, at_once, signed_in, with_points
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D25")
_WORDS = "CANARY of the visitor"


def sent(email: str, *, ip: str = "203.0.113.7", key: str = "0123456789abcdef", **given: Any) -> Any:
    """The form of a visitor, sent."""
    data = {
        "key": key,
        "email": email,
        "release": a_release().pk,
        "kind": "operation",
        "subject": _WORDS,
        "text": f"Text {_WORDS}",
    }
    return Client().post("/report/", data | given, REMOTE_ADDR=ip)


def link_in(mail: OutgoingMail) -> str:
    """The path of the link in a mail."""
    found = re.search(r"http://testserver(/report/link/\S+)", mail.text)
    assert found is not None
    return found[1]


@pytest.fixture
def link(cast: Cast, clock_at: datetime) -> str:
    with_points(cast.acme, 25, at=clock_at)
    sent("Olive@Acme.example")
    return link_in(OutgoingMail.objects.get())


def test_the_form_is_there_without_signing_in(cast: Cast):
    a_release()
    words = plain(Client().get("/report/").content.decode())
    assert "Your e-mail address" in words
    assert "Mail me the link" in words
    assert "Acme" not in words


@pytest.mark.parametrize(
    ("email", "kind"),
    [
        ("olive@acme.example", "report_link"),
        ("OLIVE@acme.example", "report_link"),
        ("nobody@strange.example", "report_no_customer"),
        ("tess@desk.example", "report_no_customer"),
    ],
)
def test_the_answer_is_the_same_whoever_it_was(cast: Cast, clock_at: datetime, email: str, kind: str):
    answer = sent(email)
    assert (answer.status_code, answer["Location"]) == (302, "/report/sent/")
    mail = OutgoingMail.objects.get()
    assert mail.kind == kind
    assert mail.to_address == email.lower()
    assert "CANARY" not in mail.text + mail.html + mail.subject, "not a word of who may be a stranger"
    assert not Incident.objects.exists()
    assert not Draft.objects.exists()


def test_the_same_work_is_done_for_everybody(cast: Cast, clock_at: datetime):
    sent("warm@up.example", key="warm-up-key")
    counts = []
    for n, email in enumerate(["olive@acme.example", "nobody@strange.example", "tess@desk.example"]):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sent(email, key=f"same-work-{n}")
        counts.append([re.sub(r"'[^']*'|\d+", "?", query["sql"])[:60] for query in queries])
    assert counts[0] == counts[1] == counts[2]


def test_a_removed_contact_is_unknown(cast: Cast, clock_at: datetime):
    cast.owner.removed_at = clock_at
    cast.owner.save()
    sent("olive@acme.example")
    assert OutgoingMail.objects.get().kind == "report_no_customer"


def test_the_token_is_kept_as_its_digest_only(cast: Cast, link: str):
    token = link.rstrip("/").rsplit("/", 1)[1]
    visit = VisitorReport.objects.get()
    assert visit.digest == digest_of(token)
    kept = {field.attname: str(getattr(visit, field.attname)) for field in visit._meta.concrete_fields}
    assert not [name for name, value in kept.items() if token in value]


@pytest.mark.parametrize("email", ["", "olive", "olive@", "a b@acme.example", "x@" + "y" * 300 + ".example"])
def test_what_is_no_address_is_an_error_at_its_field(cast: Cast, clock_at: datetime, email: str):
    answer = sent(email)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["email"]
    assert "Text CANARY" in answer.content.decode()
    assert not VisitorReport.objects.exists()


def test_the_same_form_sent_twice_is_one_mail(cast: Cast, clock_at: datetime):
    for _ in range(2):
        assert sent("olive@acme.example").status_code == 302
    assert OutgoingMail.objects.count() == 1
    answer = sent("olive@acme.example", text="Other words")
    assert "This form was sent before with another text." in answer.content.decode()


@pytest.mark.rule("D28")
@pytest.mark.parametrize("by", ["address", "network"])
def test_the_budget_of_an_hour(cast: Cast, clock_at: datetime, by: str):
    def one(n: int) -> Any:
        email, ip = (
            (f"olive+{n}@acme.example", f"203.0.113.{n}") if by == "address" else (f"n{n}@x.example", "2001:db8::1")
        )
        return sent(email, ip=ip, key=f"budget-key-{n}")

    most = POLICY.unauthenticated_mails_an_hour
    assert {one(n)["Location"] for n in range(most + 3)} == {"/report/sent/"}
    assert OutgoingMail.objects.count() == VisitorReport.objects.count() == most
    with clock.set_to(clock_at + timedelta(minutes=61)):
        one(99)
    assert OutgoingMail.objects.count() == most + 1


@pytest.mark.rule("D28")
def test_the_budget_holds_for_reports_at_once(committed_cast: Cast, at: datetime):
    release = a_release().pk

    def one(n: int) -> Any:
        def send() -> int:
            with clock.set_to(at):
                return sent(f"n{n}@x.example", key=f"at-once-{n}", release=release).status_code  # type: ignore[no-any-return]

        return send

    assert set(at_once(*[one(n) for n in range(14)])) == {302}
    assert VisitorReport.objects.count() == POLICY.unauthenticated_mails_an_hour


@pytest.mark.rule("D28")
def test_networks():
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("203.0.113.7") != network_of("203.0.113.8")


@pytest.mark.rule("R3")
def test_following_shows_it_and_changes_nothing(cast: Cast, link: str):
    for _scanner in range(3):
        page = Client().get(link, follow=True)
        assert page.redirect_chain == [("/report/link/", 302)]
        words = plain(page.content.decode())
        for said in (_WORDS, "10 points of your 25", "A technician answers by", "Send and spend 10 points"):
            assert said in words
        assert "The button signs you in as Olive Owner (olive@acme.example), of Acme Tools." in words
    rows = (Incident.objects.count(), Draft.objects.count(), Charge.objects.count(), OutgoingMail.objects.count())
    assert rows == (0, 0, 0, 1)


def test_no_page_keeps_or_tells_the_token(cast: Cast, link: str):
    token = link.rstrip("/").rsplit("/", 1)[1]
    client = Client()
    first = client.get(link)
    page = client.get("/report/link/")
    for answer in (first, page):
        assert "no-store" in answer["Cache-Control"]
        assert token not in answer.content.decode() + str(answer.headers)
    assert first["Referrer-Policy"] == "no-referrer"
    assert page["Referrer-Policy"] == "same-origin", "where its form is sent from"
    assert token not in str(dict(client.session))


def test_the_button_opens_it_and_signs_in_with_a_new_session(cast: Cast, link: str):
    client = Client()
    client.get(link, follow=True)
    before = client.session.session_key
    answer = client.post("/report/link/", {"contact": cast.owner.pk})
    incident = Incident.objects.get()
    assert answer["Location"] == f"/incidents/{incident.number}/"
    assert (incident.contact, incident.subject) == (cast.owner, _WORDS)
    assert client.session.session_key != before
    assert client.session["_auth_user_id"] == str(cast.owner.user_id)
    assert "We have your report." in plain(client.get(answer["Location"]).content.decode())
    assert Charge.objects.count() == 1


def test_a_link_is_followed_once(cast: Cast, link: str):
    client = Client()
    client.get(link)
    there = client.post("/report/link/")["Location"]
    for again in (client.get("/report/link/"), client.post("/report/link/")):
        assert again["Location"] == there
    late = Client()
    late.get(link)
    for answer in (late.get("/report/link/"), late.post("/report/link/")):
        assert answer["Location"].startswith("/accounts/sign-in/?next=%2Fincidents%2F")
    assert "_auth_user_id" not in late.session
    # Somebody else who is signed in gets what they always get there.
    other = signed_in(cast.stranger)
    assert other.get(link, follow=True).status_code == 404
    assert Incident.objects.count() == 1


def test_two_presses_at_once_make_one_incident(committed_cast: Cast, at: datetime):
    with_points(committed_cast.acme, 40, at=at)
    with clock.set_to(at):
        sent("olive@acme.example")
    digest, contact = VisitorReport.objects.get().digest, committed_cast.owner.pk
    made = at_once(*[lambda: open_visit(digest=digest, contact_id=contact, at=at).pk] * 4)
    assert made == [Incident.objects.get().pk] * 4
    assert Charge.objects.count() == 1


@pytest.mark.rule("D8", "R3")
def test_short_of_points_it_is_kept_as_a_draft(cast: Cast, clock_at: datetime):
    sent("olive@acme.example")
    client = Client()
    page = client.get(link_in(OutgoingMail.objects.get()), follow=True)
    assert "Needs 10 points, 0 on hand." in plain(page.content.decode())
    draft_at = client.post("/report/link/")["Location"]
    assert draft_at == f"/drafts/{Draft.objects.get().pk}/"
    assert client.get(draft_at).status_code == 200
    with_points(cast.acme, 10, at=clock_at)
    client.post(f"{draft_at}open/")
    assert client.get("/report/link/")["Location"] == f"/incidents/{Incident.objects.get().number}/"


@pytest.mark.rule("D19")
def test_a_release_that_is_not_current_any_more_makes_a_draft(cast: Cast, clock_at: datetime):
    with_points(cast.acme, 20, at=clock_at)
    sent("olive@acme.example", release=a_release(name="last", until=date(2026, 12, 1)).pk)
    client = Client()
    with clock.set_to(datetime(2026, 12, 2, 12, 0, tzinfo=UTC)):
        page = client.get(link_in(OutgoingMail.objects.get()), follow=True)
        assert "is not current for you" in plain(page.content.decode())
        assert "/drafts/" in client.post("/report/link/")["Location"]
    assert not Charge.objects.exists()


@pytest.mark.rule("D21")
def test_a_contact_of_several_customers_says_for_which(cast: Cast, link: str):
    second = Contact.objects.create(customer=cast.other, name="Olive Owner", email="olive@acme.example")
    client = Client()
    client.get(link)
    page = client.get("/report/link/", {"contact": second.pk})
    assert "Needs 10 points, 0 on hand" in plain(page.content.decode())
    client.post("/report/link/", {"contact": second.pk})
    assert Draft.objects.get().customer == cast.other


@pytest.mark.rule("D22")
def test_a_contact_of_another_address_is_not_asked_for(cast: Cast, link: str):
    client = Client()
    client.get(link)
    client.post("/report/link/", {"contact": cast.stranger.pk})
    assert Incident.objects.get().contact == cast.owner
    with pytest.raises(VisitGone):
        open_visit(digest=VisitorReport.objects.get().digest, contact_id=cast.stranger.pk, at=clock.now())


@pytest.mark.parametrize("how", ["unknown", "expired", "removed", "staff by now", "no link"])
def test_one_page_for_every_link_that_leads_nowhere(cast: Cast, link: str, clock_at: datetime, how: str):
    client, at = Client(), clock_at
    if how == "expired":
        at += timedelta(hours=POLICY.visitor_report_hours)
    elif how == "removed":
        Contact.objects.filter(pk=cast.owner.pk).update(removed_at=clock_at)
    elif how == "staff by now":
        user = cast.owner.user
        assert user is not None
        user.is_technician = True
        user.save()
    with clock.set_to(at):
        if how != "no link":
            client.get("/report/link/of-nobody/" if how == "unknown" else link)
        answers = [client.get("/report/link/"), client.post("/report/link/")]
    assert [answer.status_code for answer in answers] == [410, 410]
    assert all("This link leads nowhere any more." in answer.content.decode() for answer in answers)
    assert not Incident.objects.exists()
    assert not Draft.objects.exists()


@pytest.mark.rule("D33")
def test_whom_a_link_signs_in(cast: Cast, link: str):
    user = cast.owner.user
    assert user is not None
    assert may_sign_in_by_link(user)
    assert not may_sign_in_by_link(cast.technician)
    assert not may_sign_in_by_link(cast.admin)
    user.is_active = False
    user.save()
    client = Client()
    client.get(link)
    assert "/sign-in/" in client.post("/report/link/")["Location"], "the report is opened, nothing else"
    assert Incident.objects.count() == 1
    assert "_auth_user_id" not in client.session


def test_a_contact_who_never_signed_in_gets_a_sign_in(cast: Cast, clock_at: datetime):
    new = Contact.objects.create(customer=cast.acme, name="Nina New", email="nina@acme.example")
    with_points(cast.acme, 20, at=clock_at)
    sent("nina@acme.example")
    client = Client()
    client.get(link_in(OutgoingMail.objects.get()))
    client.post("/report/link/")
    new.refresh_from_db()
    assert client.session["_auth_user_id"] == str(new.user_id)


@pytest.mark.rule("D34")
def test_reports_by_link_are_swept_some_days_after_their_time(cast: Cast, link: str, clock_at: datetime):
    client = Client()
    client.get(link)
    client.post("/report/link/")
    over = VisitorReport.objects.get().kept_until + timedelta(days=POLICY.visitor_report_swept_days)
    assert sweep_visits(at=over - timedelta(seconds=1)) == 0
    assert sweep_visits(at=over) == 1
    assert not VisitorReport.objects.exists()
    assert Incident.objects.count() == 1


def test_tokens_stay_out_of_the_logs():
    assert without_tokens('"GET /report/link/aB-9_x/ HTTP/1.1" 302 "http://x/report/link/aB-9_x/"').count("aB-9") == 0
    assert without_tokens("/accounts/password/reset/key/4j-abc-def/") == "/accounts/password/reset/key/…/"
    assert without_tokens("/report/link/ /report/") == "/report/link/ /report/"
    record = logging.LogRecord("x", 40, "f", 1, "%s: %s", ("Gone", "/report/link/secret/"), None)
    assert TokenFilter().filter(record)
    assert record.getMessage() == "Gone: /report/link/…/"
