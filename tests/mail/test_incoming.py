"""Mail in: kept raw first, counted once, filed once, and never in the way of the next one (D29)."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from supportdesk.mail import incoming
from supportdesk.mail.incoming import AlreadyHandled, claim, fail, read, record, store_raw, unhandled
from supportdesk.mail.models import Outcome, RawMail
from supportdesk.policy import POLICY

pytestmark = pytest.mark.rule("D29")

MAIL = (
    b"From: olive@acme.example\r\nDate: Tue, 1 Dec 2026 10:00:00 -0500\r\nMessage-ID: <1@acme.example>\r\n"
    b"Subject: It stops\r\n\r\nEach night.\r\n"
)


def store(at: datetime, source: bytes = MAIL, **envelope: Any) -> tuple[RawMail, bool]:
    sent = {"mail_from": "olive@acme.example", "rcpt_to": ["support@support.quillmark.example"], "via": "smtp"}
    return store_raw(**{**sent, **envelope}, source=source, at=at)


def boom(*_args: object, **_options: object) -> None:
    raise RuntimeError("boom")


def test_a_mail_is_kept_as_it_came(db: None, at: datetime):
    raw, new = store(at, mail_from="o\r\nx@acme.example")
    assert new
    raw.refresh_from_db()
    assert bytes(raw.source) == MAIL
    assert (raw.message_id, raw.mail_from, raw.outcome) == ("<1@acme.example>", "o x@acme.example", "")
    assert read(raw).text == "Each night.\n"
    assert unhandled(at=at, limit=10) == [raw.pk]


@pytest.mark.parametrize(
    "again", [MAIL, b"Received: by b\r\n" + MAIL, MAIL.replace(b"Message-ID: <1@acme.example>\r\n", b"")]
)
def test_a_second_delivery_is_counted_and_changes_nothing(db: None, at: datetime, again: bytes):
    raw, _new = store(at)
    for _time in range(2):
        assert store(at + timedelta(hours=1), again) == (raw, False)
    raw.refresh_from_db()
    assert (raw.deliveries, raw.received_at) == (3, at)
    assert unhandled(at=at + timedelta(days=1), limit=10) == [raw.pk]
    copies = RawMail.objects.exclude(pk=raw.pk).values_list("outcome", "reason")
    assert list(copies) == ([] if again == MAIL else [("duplicate", str(raw.pk))])


def test_another_mail_with_a_copied_message_id_is_kept(db: None, at: datetime):
    first, _new = store(at)
    other, new = store(at, MAIL.replace(b"Each night", b"Each day"))
    assert new
    assert other != first
    assert other.message_id == first.message_id


def test_one_mail_in_parallel_workers_is_one_mail(fresh_db: str, at: datetime):
    sources = [MAIL, MAIL, *(b"Received: by mx%d\r\n" % n + MAIL for n in range(6))]
    start, seen = threading.Barrier(len(sources)), []

    def work(source: bytes) -> None:
        try:
            start.wait()
            seen.append(store(at, source))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=[source]) for source in sources]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(new for _raw, new in seen) == [False] * 7 + [True]
    assert len(unhandled(at=at, limit=10)) == 1
    # Identical bytes may be told the row of their own copy while its content is still being compared.
    (first,) = RawMail.objects.filter(outcome="")
    assert RawMail.objects.filter(outcome="duplicate", reason=str(first.pk)).count() == RawMail.objects.count() - 1


def test_a_mail_that_the_reader_stumbles_over_is_kept(db: None, at: datetime, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(incoming, "read", boom)
        raw, new = store(at)
    assert new
    assert raw.content_digest is None
    claimed = claim(raw_id=raw.pk, at=at)
    assert claimed is not None
    assert claimed.content_digest
    with monkeypatch.context() as patch:
        patch.setattr(incoming, "read", boom)
        copy, _new = store(at, b"Received: by b\r\n" + MAIL)
    assert claim(raw_id=copy.pk, at=at) is None
    copy.refresh_from_db()
    assert (copy.outcome, copy.reason) == ("duplicate", str(raw.pk))


@pytest.mark.parametrize(
    "source", [b"", b"\x00\xff", b"\r\n" * 1000, b"From: (" * 999, b"Content-Type: multipart/mixed\n\n"]
)
def test_any_bytes_are_kept(db: None, at: datetime, source: bytes):
    raw, new = store(at, source)
    assert new
    raw.refresh_from_db()
    assert bytes(raw.source) == source
    assert raw.content_digest


def test_a_mail_is_filed_once(db: None, at: datetime):
    raw, _new = store(at)
    assert claim(raw_id=raw.pk, at=at) == raw
    assert claim(raw_id=raw.pk, at=at) is None, "it is claimed"
    assert unhandled(at=at, limit=10) == []
    record(raw_id=raw.pk, outcome=Outcome.ADDED, reason="incident:1", at=at)
    with pytest.raises(AlreadyHandled):
        record(raw_id=raw.pk, outcome=Outcome.HELD, reason="late", at=at)
    fail(raw_id=raw.pk, error="late", at=at)
    assert unhandled(at=at + timedelta(days=1), limit=10) == []
    raw.refresh_from_db()
    assert (raw.outcome, raw.reason, raw.handled_at, raw.last_error) == ("added", "incident:1", at, "")


def test_two_workers_with_one_mail_record_it_once(fresh_db: str, at: datetime):
    raw, _new = store(at)
    outcomes: list[str] = []

    def work(reason: str) -> None:
        try:
            with transaction.atomic():
                record(raw_id=raw.pk, outcome=Outcome.DRAFT, reason=reason, at=at)
            outcomes.append(reason)
        except AlreadyHandled:
            pass
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=[str(number)]) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    raw.refresh_from_db()
    assert outcomes == [raw.reason]


def test_what_cannot_be_filed_is_held_with_the_error_and_holds_nobody_up(db: None, at: datetime):
    bad, _new = store(at)
    good, _new = store(at, MAIL + b"2")
    now = at
    for _try in range(POLICY.mail_tries):
        assert claim(raw_id=bad.pk, at=now)
        fail(raw_id=bad.pk, error="KeyError:\nx", at=now)
        assert good.pk in unhandled(at=now, limit=10)
        now += timedelta(minutes=1)
    bad.refresh_from_db()
    assert (bad.outcome, bad.reason, bad.tries) == ("held", "KeyError: x", POLICY.mail_tries)
    assert unhandled(at=now, limit=10) == [good.pk]


def test_a_mail_that_kills_its_worker_is_held_too(db: None, at: datetime):
    raw, _new = store(at)
    now = at
    for _try in range(POLICY.mail_tries):
        assert claim(raw_id=raw.pk, at=now), "the worker dies with it"
        now += incoming.LEASE
    assert claim(raw_id=raw.pk, at=now) is None
    raw.refresh_from_db()
    assert (raw.outcome, raw.reason) == ("held", "gave_up")
