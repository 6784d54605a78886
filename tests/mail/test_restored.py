"""Mail that waited in a restored database goes out when an admin says so, and no earlier (D30)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from incidents.models import Notice, NoticeCode
from incidents.tasks import tell_of_failures
from supportdesk import clock
from supportdesk.mail.models import Outbox, OutgoingMail
from supportdesk.mail.outgoing import retry
from supportdesk.mail.restored import put_aside, put_aside_restored
from supportdesk.mail.status import mail_status
from tests.cast import Cast
from tests.conftest import _drop, _make, _point_at
from tests.incidents_helpers import at_once, signed_in
from tests.mail.smtp import MailServer, mail_server
from tests.mail.test_outgoing import deliver, queue
from tests.mail.test_status import said

pytestmark = pytest.mark.rule("D30")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as running:
        yield running


@pytest.fixture
def restored(committed_cast: Cast, server: MailServer, at: datetime) -> Iterator[str]:
    """A copy, as a restored dump is one, of a desk that has sent one mail, and had two waiting that went out since."""
    queue(at, "sent")
    assert deliver(at) == 1
    queue(at, "a")
    queue(at, "b")
    name = connection.settings_dict["NAME"]
    connection.close()
    _make(f"{name}_restored", template=name)
    assert deliver(at) == 2
    server.got.clear()
    connection.close()
    _point_at(f"{name}_restored")
    yield name
    _point_at(name)
    _drop(f"{name}_restored")


def printed(*args: str) -> str:
    out = StringIO()
    call_command("restored_mail", *args, stdout=out)
    return out.getvalue()


def test_what_waited_there_is_put_aside_and_what_comes_later_goes_out(restored: str, server: MailServer, at: datetime):
    later = at + MINUTE
    assert deliver(later) == 0
    assert server.got == []
    assert [mail.key for mail in put_aside()] == ["a", "b"]
    assert {(mail.state, mail.failed_at, mail.last_error) for mail in put_aside()} == {
        ("failed", later, "The database was restored while this waited: it may have gone out since.")
    }
    fresh = queue(later, "c")
    assert deliver(later) == 1
    assert server.ids == [fresh.message_id]
    with clock.set_to(later):
        assert "2 of the failed waited in a restored database" in said()
        assert not mail_status(at=later).well
        assert tell_of_failures() > 0
        assert Notice.objects.filter(code=NoticeCode.OUTBOX_FAILED).exists()


def test_an_admin_sends_all_of_it_or_leaves_it_by_command(restored: str, server: MailServer, at: datetime):
    deliver(at)
    with clock.set_to(at + MINUTE):
        lines = printed().splitlines()
        waited = list(put_aside())
        assert [mail.message_id in line for mail, line in zip(waited, lines, strict=False)] == [True, True]
        assert retry(mail_id=waited[0].pk, at=at + MINUTE)
        assert printed("--leave") == "1 mails are left as they are.\n"
        assert printed("--send") == "0 mails are tried again.\n"
        assert printed() == "0 mails are put aside.\n"
    assert mail_status(at=at + MINUTE).well
    assert deliver(at + MINUTE) == 1
    assert server.ids == [waited[0].message_id]


def test_all_of_it_goes_out_with_the_message_ids_that_it_had(restored: str, server: MailServer, at: datetime):
    deliver(at)
    with clock.set_to(at + MINUTE):
        assert printed("--send") == "2 mails are tried again.\n"
    assert deliver(at + MINUTE) == 2
    assert server.ids == list(
        OutgoingMail.objects.filter(key__in="ab").values_list("message_id", flat=True).order_by("pk")
    )
    assert mail_status(at=at + MINUTE).well


def test_the_operator_s_page_says_it_and_has_the_buttons(restored: str, committed_cast: Cast, at: datetime):
    deliver(at)
    page = reverse("admin:mail_maildoor_changelist")
    with clock.set_to(at + MINUTE):
        admin = signed_in(committed_cast.admin)
        assert "2 of them waited in a database that was restored since" in admin.get(page).text
        ticked = put_aside()[0]
        admin.post(page, {"mail": str(ticked.pk)})
        assert [mail.key for mail in put_aside()] == ["b"]
        assert "1 mail is left as it is." in admin.post(page, {"leave": "1"}, follow=True).text
        assert "restored since" not in admin.get(page).text
    assert set(OutgoingMail.objects.filter(failed_at=None, sent_at=None).values_list("key", flat=True)) == {"a"}


def test_several_workers_at_once_put_it_aside_once_and_send_nothing(restored: str, server: MailServer, at: datetime):
    assert at_once(*[lambda: deliver(at)] * 4) == [0] * 4
    assert server.got == []
    assert put_aside().count() == 2


def test_nothing_is_put_aside_in_the_database_that_it_was(db: None, at: datetime):
    queue(at)
    assert [put_aside_restored(at=at) for _time in range(2)] == [0, 0]
    assert Outbox.objects.get().restored_at is None
    assert OutgoingMail.objects.get().state == "waiting"
