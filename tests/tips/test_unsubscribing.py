"""One click ends the tips, from a mail program or a page, at once and for good (R15, RFC 8058)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.test import Client

from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import LEASE, deliver_due, retry
from supportdesk.tips import sending, services
from supportdesk.tips.models import Delivery, Issue, Subscriber
from supportdesk.tips.tokens import read_unsubscribe_token, unsubscribe_token
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.mail.smtp import MailServer, mail_server
from tests.tips.reading import a_reader, an_issue, link_in, mails_of, readers, started

pytestmark = pytest.mark.rule("R15")
MINUTE = timedelta(minutes=1)
ONE_CLICK: dict[str, Any] = {"data": "List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"}


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as running:
        yield running


@pytest.fixture
def queued(cast: Cast, clock_at: datetime) -> Issue:
    """An issue whose mails wait in the outbox for two readers."""
    for name in ("rita", "rob"):
        a_reader(f"{name}@read.example", at=clock_at)
    issue = started(an_issue(), cast.admin, at=clock_at)
    assert sending.send_due(at=clock_at) == 2
    return issue


def test_as_a_mail_program_does_it(queued: Issue, server: MailServer, clock_at: datetime):
    """By the header of the mail as it arrived: no cookies, no token of a form, no redirect."""
    assert deliver_due(now=lambda: clock_at) == 2
    got = server.got[0]
    assert got["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(got["List-Id"]).endswith("<tips.support.quillmark.example>")
    assert got["Auto-Submitted"] == "auto-generated"
    # On the wire as it is: the library would encode so long a word, and no mail program would find the address.
    address = dict(got.raw_items())["List-Unsubscribe"].strip()
    assert address.startswith("<http://testserver/tips/unsubscribe/")
    path = urlsplit(address.strip("<>")).path
    program = Client(enforce_csrf_checks=True)
    for _time in range(2):
        answer = program.post(path, **ONE_CLICK)
        assert answer.status_code == 200
        assert not answer.cookies
    gone = Subscriber.objects.get(email=str(got["To"]))
    assert gone.unsubscribed_at == clock_at
    assert Subscriber.objects.filter(unsubscribed_at=None).count() == 1


def test_also_as_multipart(queued: Issue, clock_at: datetime):
    path = link_in(mails_of(queued)[0], "unsubscribe")
    assert Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert Subscriber.objects.filter(unsubscribed_at=None).count() == 1


def test_opening_the_link_changes_nothing_and_its_button_ends_it(queued: Issue, clock_at: datetime):
    mail = mails_of(queued)[0]
    path = link_in(mail, "unsubscribe")
    assert path in mail.html
    browser = Client(enforce_csrf_checks=True)
    for method in ("get", "head", "options"):
        assert getattr(browser, method)(path).status_code in (200, 405)
    assert not Subscriber.objects.exclude(unsubscribed_at=None).exists()
    page = browser.get(path)
    assert "Shall the tips stop?" in page.content.decode()
    assert page["Referrer-Policy"] == "no-referrer"
    assert "no longer" in browser.post(path).content.decode()
    assert Subscriber.objects.exclude(unsubscribed_at=None).count() == 1


def test_what_was_not_signed_by_us_ends_nothing(queued: Issue, clock_at: datetime):
    reader, other = Subscriber.objects.order_by("pk")
    mac = unsubscribe_token(reader.pk).partition(".")[2]
    for token in (
        f"{other.pk}.{mac}",
        f"{reader.pk}.{mac[:-1]}",
        f"0{reader.pk}.{mac}",
        str(reader.pk),
        "x",
        "1" * 400,
    ):
        assert Client().post(f"/tips/unsubscribe/{token}/", **ONE_CLICK).status_code == 404
    assert not Subscriber.objects.exclude(unsubscribed_at=None).exists()


def test_links_outlive_a_change_of_keys_and_the_reader(cast: Cast, clock_at: datetime, settings: Any):
    reader = a_reader("rita@read.example", at=clock_at)
    token = unsubscribe_token(reader.pk)
    settings.SECRET_KEY_FALLBACKS = [django_settings.SECRET_KEY]
    settings.SECRET_KEY = "another one, and long enough to be taken for a key"
    assert read_unsubscribe_token(token) == reader.pk
    reader.delete()
    assert Client().post(f"/tips/unsubscribe/{token}/", **ONE_CLICK).status_code == 200


def test_mails_that_wait_are_not_sent_to_who_has_gone(queued: Issue, server: MailServer, clock_at: datetime):
    reader = Subscriber.objects.order_by("pk")[0]
    assert services.unsubscribe(subscriber_id=reader.pk, at=clock_at)
    deliver_due(now=lambda: clock_at)
    assert [str(mail["To"]) for mail in server.got] == ["rob@read.example"]
    left = Delivery.objects.get(subscriber=reader)
    assert (left.mail_id, left.withdrawn_at) == (None, clock_at)
    # Gone is gone: no batch goes back to them, not even once they return.
    services.subscribe_own(email=reader.email, at=clock_at + MINUTE)
    assert sending.send_due(at=clock_at + MINUTE) == 0


def test_a_mail_that_a_worker_holds_is_taken_out_when_it_comes_back(
    queued: Issue, server: MailServer, clock_at: datetime
):
    """Held while its reader went, refused for now by the server: there is no second try."""
    mail = mails_of(queued)[0]
    OutgoingMail.objects.filter(pk=mail.pk).update(claimed_until=clock_at + LEASE)
    reader = Delivery.objects.get(mail=mail).subscriber
    services.unsubscribe(subscriber_id=reader.pk, at=clock_at)
    assert OutgoingMail.objects.filter(pk=mail.pk).exists()
    OutgoingMail.objects.filter(pk=mail.pk).update(claimed_until=None, next_try_at=clock_at + MINUTE)
    sending.send_due(at=clock_at)
    deliver_due(now=lambda: clock_at + MINUTE)
    assert [str(got["To"]) for got in server.got] == ["rob@read.example"]


def test_a_failed_mail_of_who_has_gone_is_not_tried_again(queued: Issue, clock_at: datetime):
    mail = mails_of(queued)[0]
    OutgoingMail.objects.filter(pk=mail.pk).update(failed_at=clock_at)
    services.unsubscribe(subscriber_id=Delivery.objects.get(mail=mail).subscriber_id, at=clock_at)
    assert not retry(mail_id=mail.pk, at=clock_at)


def test_who_goes_while_a_batch_is_made_gets_nothing(committed_cast: Cast, at: datetime):
    with clock.set_to(at):
        readers(60, at=at)
        issue = started(an_issue(), committed_cast.admin, at=at)
    going = list(Subscriber.objects.order_by("-pk")[:4].values_list("pk", flat=True))
    made = at_once(
        lambda: sending.send_due(at=at),
        *[lambda pk=pk: services.unsubscribe(subscriber_id=pk, at=at) for pk in going],
    )
    assert not [one for one in made if isinstance(one, Exception)]
    waiting = Delivery.objects.filter(issue=issue, mail__isnull=False).values_list("subscriber_id", flat=True)
    assert set(waiting).isdisjoint(going)
    assert len(waiting) == 56
    assert OutgoingMail.objects.count() == 56
