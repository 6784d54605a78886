"""Subscribing: a sample first, a link by mail, one button, and no word of who is a reader (R15, D28, D33)."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.policy import POLICY
from supportdesk.tips import services
from supportdesk.tips.access import digest_of, reader_at
from supportdesk.tips.issues import show_as_sample
from supportdesk.tips.models import Asked, Subscriber
from supportdesk.web_logs import TokenFilter, without_tokens
from tests.cast import Cast
from tests.incidents_helpers import at_once, signed_in
from tests.tips.reading import a_reader, an_issue, ask, link_in

pytestmark = pytest.mark.rule("R15")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_page_needs_no_sign_in_and_says_that_there_is_no_sample(db: None, clock_at: datetime):
    words = plain(Client().get("/tips/").content.decode())
    assert "once a quarter" in words
    assert "There is no sample issue to read yet." in words
    assert "/tips/" in Client().get("/").content.decode()


def test_the_sample_is_read_before_subscribing(db: None, clock_at: datetime):
    an_issue("Still a draft", text="Nobody reads this yet.")
    issue = an_issue("Seen", text="# Heading\n\n<script>alert(1)</script> ![x](https://evil.example/x.png) **strong**")
    show_as_sample(issue_id=issue.pk, at=clock_at)
    page = Client().get("/tips/").content.decode()
    assert "<h3>Heading</h3>" in page
    assert "<strong>strong</strong>" in page
    assert "<script>alert" not in page
    assert page.count("evil.example") == 1
    assert '<a href="https://evil.example/x.png" rel="noopener noreferrer">x</a>' in page
    assert "Nobody reads this yet" not in page


def test_one_sample_at_a_time(db: None, clock_at: datetime):
    first, second = an_issue("First"), an_issue("Second")
    show_as_sample(issue_id=first.pk, at=clock_at)
    show_as_sample(issue_id=second.pk, at=clock_at + HOUR)
    show_as_sample(issue_id=second.pk, at=clock_at + DAY)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.is_sample, second.is_sample) == (False, True)
    assert (first.published_at, second.published_at) == (clock_at, clock_at + HOUR)


def test_a_link_and_a_button_subscribe(db: None, clock_at: datetime):
    assert ask(" Rita@Read.Example ")["Location"] == "/tips/asked/"
    mail = OutgoingMail.objects.get()
    assert (mail.to_address, mail.kind, mail.automatic, mail.bulk) == ("rita@read.example", "tips_confirm", True, False)
    assert not Subscriber.objects.exists()
    browser = Client()
    led = browser.get(link_in(mail))
    assert (led.status_code, led["Location"]) == (302, "/tips/confirm/")
    assert "rita@read.example" in browser.get("/tips/confirm/").content.decode()
    assert not Subscriber.objects.exists()
    with clock.set_to(clock_at + HOUR):
        assert browser.post("/tips/confirm/").status_code == 302
    reader = Subscriber.objects.get()
    assert reader.email == "rita@read.example"
    assert (reader.asked_at, reader.confirmed_at) == (clock_at, clock_at + HOUR)
    assert reader.proof == mail.message_id
    assert "This link has subscribed you." in browser.get("/tips/confirm/").content.decode()


@pytest.mark.rule("D33")
def test_the_answer_and_the_work_are_the_same_whoever_asks(db: None, clock_at: datetime):
    a_reader("known@read.example", at=clock_at)
    gone = a_reader("gone@read.example", at=clock_at)
    services.unsubscribe(subscriber_id=gone.pk, at=clock_at)
    seen = []
    ask("warm@up.example", ip="192.0.2.1")
    for place, email in enumerate(("known@read.example", "gone@read.example", "nobody@read.example")):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = ask(email, ip=f"192.0.2.{place + 2}")
        seen.append((answer.status_code, dict(answer.headers), answer.content, len(asked)))
    assert seen[0] == seen[1] == seen[2]
    kinds = OutgoingMail.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["tips_confirm", "tips_already", "tips_confirm", "tips_confirm"]


@pytest.mark.rule("D28")
def test_an_address_gets_a_handful_of_mails_however_often_it_is_named(db: None, clock_at: datetime):
    answers = set()
    for number in range(30):
        answer = ask(f"Victim+{number % 7}@read.example", ip=f"198.51.100.{number}")
        answers.add((answer.status_code, answer["Location"]))
    assert answers == {(302, "/tips/asked/")}
    assert OutgoingMail.objects.count() == POLICY.tips_mails_a_day == Asked.objects.count()
    assert "30" not in OutgoingMail.objects.values_list("subject", flat=True)
    with clock.set_to(clock_at + DAY + HOUR):
        ask("victim@read.example")
    assert OutgoingMail.objects.count() == POLICY.tips_mails_a_day + 1


@pytest.mark.rule("D28")
def test_a_network_asks_ten_times_an_hour(db: None, clock_at: datetime):
    for number in range(12):
        ask(f"one-{number}@read.example", ip=f"2001:db8:1:2::{number + 1:x}")
    assert OutgoingMail.objects.count() == POLICY.unauthenticated_mails_an_hour == 10
    ask("other@read.example", ip="2001:db8:1:3::1")
    assert OutgoingMail.objects.count() == 11
    with clock.set_to(clock_at + HOUR):
        ask("one-11@read.example", ip="2001:db8:1:2::c")
    assert OutgoingMail.objects.count() == 12


@pytest.mark.rule("D28")
def test_many_at_once_get_no_more_than_the_budget(fresh_db: str, at: datetime):
    works = [
        lambda number=number: services.ask(
            email="victim@read.example", network=f"198.51.100.{number}", at=at, key=str(number)
        )
        for number in range(8)
    ]
    made = at_once(*works)
    assert not [one for one in made if isinstance(one, Exception)]
    assert OutgoingMail.objects.count() == POLICY.tips_mails_a_day


def test_the_same_form_twice_mails_once(db: None, clock_at: datetime):
    for _time in range(2):
        ask("rita@read.example", key="a" * 32)
    ask("other@read.example", key="a" * 32)
    assert list(OutgoingMail.objects.order_by("pk").values_list("to_address", flat=True)) == [
        "rita@read.example",
        "other@read.example",
    ]


@pytest.mark.parametrize(
    "email", ["", "rita", "rita@", "a\r\nBcc: x@y.example", '"a b"@read.example', "x" * 300 + "@y.example"]
)
def test_what_is_no_address_is_said_at_the_field(db: None, clock_at: datetime, email: str):
    answer = ask(email)
    assert answer.status_code == 422
    assert 'id="id_email_error"' in answer.content.decode()
    assert not OutgoingMail.objects.exists()


def test_a_form_without_its_key_is_shown_again_and_then_taken(db: None, clock_at: datetime):
    answer = Client().post("/tips/", {"key": "x", "email": "rita@read.example"})
    assert answer.status_code == 422
    key = re.search(r'name="key" value="([0-9a-f]{32})"', answer.content.decode())
    assert key is not None
    assert ask("rita@read.example", key=key[1]).status_code == 302


def test_another_sites_form_is_refused(db: None, clock_at: datetime):
    strict = Client(enforce_csrf_checks=True)
    assert ask("rita@read.example", client=strict).status_code == 403
    assert strict.post("/tips/confirm/").status_code == 403


def test_what_scanners_open_changes_nothing(db: None, clock_at: datetime):
    ask("rita@read.example")
    link = link_in(OutgoingMail.objects.get())
    for method in ("get", "head", "get", "options", "post"):
        scanner = Client()
        getattr(scanner, method)(link)
        for then in ("get", "head"):
            assert getattr(scanner, then)("/tips/confirm/").status_code in (200, 410)
    assert not Subscriber.objects.exists()
    assert Asked.objects.get().confirmed_at is None


def test_the_token_is_on_no_page_and_in_no_log(db: None, clock_at: datetime):
    ask("rita@read.example")
    link = link_in(OutgoingMail.objects.get())
    token = link.split("/")[3]
    browser = Client()
    led = browser.get(link)
    assert led["Referrer-Policy"] == "no-referrer"
    page = browser.get(led["Location"])
    assert token not in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    assert Asked.objects.get().digest == digest_of(token)
    for path in (link, f"/tips/unsubscribe/{token}/"):
        assert token not in without_tokens(f"GET {path} HTTP/1.1")
    record = logging.LogRecord("x", logging.INFO, "x", 1, "GET %s", (link,), None)
    TokenFilter().filter(record)
    assert token not in record.getMessage()


def test_a_link_holds_for_48_hours(db: None, clock_at: datetime):
    ask("rita@read.example")
    link = link_in(OutgoingMail.objects.get())
    browser = Client()
    browser.get(link)
    with clock.set_to(clock_at + timedelta(hours=48)):
        assert browser.get("/tips/confirm/").status_code == 410
        assert browser.post("/tips/confirm/").status_code == 410
    assert not Subscriber.objects.exists()
    with clock.set_to(clock_at + timedelta(hours=48) - timedelta(seconds=1)):
        assert browser.post("/tips/confirm/").status_code == 302
    assert Subscriber.objects.exists()


def test_a_link_subscribes_once_and_brings_nobody_back(db: None, clock_at: datetime):
    ask("rita@read.example")
    ask("rita@read.example")
    first, second = (link_in(mail) for mail in OutgoingMail.objects.order_by("pk"))
    browser = Client()
    browser.get(first)
    browser.post("/tips/confirm/")
    reader = Subscriber.objects.get()
    services.unsubscribe(subscriber_id=reader.pk, at=clock_at + HOUR)
    with clock.set_to(clock_at + 2 * HOUR):
        # The one that was used, and one that was asked for before unsubscribing.
        for link, status in ((first, 302), (second, 410)):
            browser = Client()
            browser.get(link)
            assert browser.post("/tips/confirm/").status_code == status
        reader.refresh_from_db()
        assert reader.unsubscribed_at == clock_at + HOUR
        ask("rita@read.example")
        browser.get(link_in(OutgoingMail.objects.latest("pk")))
        browser.post("/tips/confirm/")
    again = Subscriber.objects.get()
    assert again.pk == reader.pk
    assert (again.unsubscribed_at, again.confirmed_at) == (None, clock_at + 2 * HOUR)


def test_one_address_is_one_reader_however_many_confirm_at_once(fresh_db: str, at: datetime):
    with clock.set_to(at):
        for number in range(3):
            ask("rita@read.example", ip=f"192.0.2.{number}")
    digests = [digest_of(link_in(mail).split("/")[3]) for mail in OutgoingMail.objects.all()]
    made = at_once(*[lambda digest=digest: services.confirm(digest=digest, at=at) for digest in digests * 2])
    assert sum(isinstance(one, services.LinkUsed) for one in made) == 3
    assert Subscriber.objects.count() == 1


def test_who_is_signed_in_with_a_proved_address_has_one_switch(cast: Cast, clock_at: datetime):
    user = cast.owner.user
    assert user is not None
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    browser = signed_in(user)
    assert "You do not get the tips." in browser.get("/tips/").content.decode()
    browser.post("/tips/", {"do": "start"})
    reader = Subscriber.objects.get()
    assert (reader.email, reader.confirmed_at, reader.proof) == ("olive@acme.example", clock_at, "")
    assert "You get the tips." in browser.get("/tips/").content.decode()
    assert "/tips/" in browser.get("/").content.decode()
    browser.post("/tips/", {"do": "stop"})
    assert Subscriber.objects.get().unsubscribed_at == clock_at
    assert not OutgoingMail.objects.exists()


def test_signing_in_by_a_mailed_code_is_the_proof(cast: Cast, clock_at: datetime, settings: Any):
    settings.EMAIL_BACKEND = "supportdesk.mail.backend.OutboxBackend"
    browser = Client()
    browser.post("/accounts/sign-in/code/", {"email": "olive@acme.example"})
    code = re.search(r"^[A-Z0-9-]{6,}$", OutgoingMail.objects.get().text, re.MULTILINE)
    assert code is not None
    browser.post("/accounts/sign-in/code/confirm/", {"code": code[0]})
    browser.post("/tips/", {"do": "start"})
    assert Subscriber.objects.get().email == "olive@acme.example"


def test_who_is_signed_in_without_proof_confirms_by_mail_and_is_told_nothing(cast: Cast, clock_at: datetime):
    a_reader("olive@acme.example", at=clock_at)
    browser = signed_in(cast.owner)
    page = browser.get("/tips/").content.decode()
    assert "You get the tips." not in page
    assert 'value="olive@acme.example"' in page
    browser.post("/tips/", {"do": "stop"})
    assert Subscriber.objects.get().unsubscribed_at is None
    assert ask("olive@acme.example", client=browser)["Location"] == "/tips/asked/"
    assert OutgoingMail.objects.get().kind == "tips_already"


@pytest.mark.rule("D34")
def test_what_was_asked_is_swept_and_readers_stay(db: None, clock_at: datetime):
    a_reader("rita@read.example", at=clock_at)
    ask("other@read.example")
    over = clock_at + timedelta(hours=POLICY.tips_link_hours, days=POLICY.tips_asked_swept_days)
    assert services.sweep_asked(at=over - HOUR) == 0
    assert services.sweep_asked(at=over) == 1
    assert not Asked.objects.exists()
    assert Subscriber.objects.exists()


def test_a_domain_in_its_own_letters_is_the_same_reader(db: None, clock_at: datetime):
    """Mail goes to one mailbox, so one issue goes there, and one click ends it."""
    ask("Rita@Exämple.example")
    client = Client()
    client.get(link_in(OutgoingMail.objects.get()), follow=True)
    client.post("/tips/confirm/")
    reader = Subscriber.objects.get()
    assert reader.email == "rita@xn--exmple-cua.example"
    assert services.subscribe_own(email="rita@exämple.example", at=clock_at) == reader
    assert reader_at("rita@exämple.example") == reader
    for number in range(POLICY.tips_mails_a_day):
        ask(f"rita@{('exämple', 'xn--exmple-cua')[number % 2]}.example")
    assert OutgoingMail.objects.count() == POLICY.tips_mails_a_day
