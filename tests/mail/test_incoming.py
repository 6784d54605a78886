"""Mail in: kept raw first, counted once, filed once, and never in the way of the next one (D29)."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from supportdesk.mail import incoming
from supportdesk.mail.incoming import AlreadyHandled, claim, claim_next, fail, identify, read, record, store_raw
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


def waiting(at: datetime) -> list[int]:
    """The mails that a worker would take now, in its order."""
    due = RawMail.objects.filter(outcome=Outcome.WAITING, next_try_at__lte=at).order_by("next_try_at", "id")
    return list(due.values_list("pk", flat=True))


def first(raw: RawMail, at: datetime) -> bool:
    """Whether the mail counts, once it is read."""
    with transaction.atomic():
        return identify(raw=raw, mail=read(raw), at=at)


def boom(*_args: object, **_options: object) -> None:
    raise RuntimeError("boom")


def test_a_mail_is_kept_as_it_came(db: None, at: datetime):
    raw, new = store(at, mail_from="o\r\nx@acme.example")
    assert new
    raw.refresh_from_db()
    assert bytes(raw.source) == MAIL
    assert (raw.mail_from, raw.outcome, raw.content_digest) == ("o x@acme.example", "", None)
    assert read(raw).text == "Each night.\n"
    assert waiting(at) == [raw.pk]


@pytest.mark.parametrize(
    "again", [MAIL, b"Received: by b\r\n" + MAIL, MAIL.replace(b"Message-ID: <1@acme.example>\r\n", b"")]
)
def test_a_second_delivery_is_counted_and_changes_nothing(db: None, at: datetime, again: bytes):
    raw, _new = store(at)
    assert first(raw, at)
    for time in range(2):
        copy, new = store(at + timedelta(hours=1), again)
        # Bytes that are not known yet are compared by their content, once they are read.
        assert new is (again != MAIL and not time)
        assert (copy == raw) is not new
        assert not new or not first(copy, at)
    raw.refresh_from_db()
    assert (raw.deliveries, raw.received_at, raw.message_id) == (3, at, "<1@acme.example>")
    assert waiting(at + timedelta(days=1)) == [raw.pk]
    copies = RawMail.objects.exclude(pk=raw.pk).values_list("outcome", "reason")
    assert list(copies) == ([] if again == MAIL else [("duplicate", str(raw.pk))])


def test_another_mail_with_a_copied_message_id_is_kept(db: None, at: datetime):
    one, _new = store(at)
    other, new = store(at, MAIL.replace(b"Each night", b"Each day"))
    assert new
    assert other != one
    assert first(one, at)
    assert first(other, at)
    assert other.message_id == one.message_id


def test_one_mail_in_parallel_workers_is_one_mail(fresh_db: str, at: datetime):
    sources = [MAIL, MAIL, *(b"Received: by mx%d\r\n" % n + MAIL for n in range(6))]
    start, seen = threading.Barrier(len(sources)), []

    def work(source: bytes) -> None:
        try:
            start.wait()
            raw, new = store(at, source)
            try:
                seen.append(new and first(raw, at))
            except IntegrityError:  # the other one was first in this moment, and shows now
                seen.append(first(raw, at))
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work, args=[source]) for source in sources]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(seen) == [False] * 7 + [True]
    assert len(waiting(at)) == 1
    (one,) = RawMail.objects.filter(outcome="")
    assert RawMail.objects.filter(outcome="duplicate", reason=str(one.pk)).count() == RawMail.objects.count() - 1


def test_nothing_is_read_before_a_mail_is_safe(db: None, at: datetime, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(incoming, "read", boom)
    monkeypatch.setattr(incoming, "parse", boom)
    raw, new = store(at)
    assert new
    assert bytes(RawMail.objects.get(pk=raw.pk).source) == MAIL


def test_workers_take_the_longest_due_each_another(fresh_db: str, at: datetime):
    mails = [store(at + timedelta(seconds=n), MAIL + b"%d" % n)[0].pk for n in (2, 1, 0)]
    now, taken = at + timedelta(minutes=1), []

    def work() -> None:
        try:
            raw = claim_next(at=now)
            assert raw is not None
            taken.append(raw.pk)
        finally:
            connections.close_all()

    with transaction.atomic():
        RawMail.objects.select_for_update().get(pk=mails[0])
        for worker in [threading.Thread(target=work) for _n in range(2)]:
            worker.start()
            worker.join()
    assert taken == [mails[2], mails[1]], "what is locked holds nobody up"
    last = claim_next(at=now)
    assert last is not None
    assert last.pk == mails[0]
    assert claim_next(at=now) is None
    assert set(RawMail.objects.values_list("tries", flat=True)) == {1}


@pytest.mark.parametrize(
    "source", [b"", b"\x00\xff", b"\r\n" * 1000, b"From: (" * 999, b"Content-Type: multipart/mixed\n\n"]
)
def test_any_bytes_are_kept(db: None, at: datetime, source: bytes):
    raw, new = store(at, source)
    assert new
    raw.refresh_from_db()
    assert bytes(raw.source) == source
    assert first(raw, at)
    raw.refresh_from_db()
    assert raw.content_digest


@pytest.mark.rule("D26", "D28")
def test_what_is_claimed_is_what_was_stored(db: None, at: datetime):
    raw, _new = store_raw(source=b"", mail_from="", rcpt_to=["a@desk.example", "b@desk.example"], at=at, via="lmtp")
    claimed = claim(raw_id=raw.pk, at=at)
    assert claimed is not None
    stored = RawMail.objects.get(pk=raw.pk)
    for field in RawMail._meta.concrete_fields:
        assert getattr(claimed, field.attname) == getattr(stored, field.attname), field.name
    assert claimed.rcpt_to == ["a@desk.example", "b@desk.example"]


def test_a_mail_is_filed_once(db: None, at: datetime):
    raw, _new = store(at)
    assert claim(raw_id=raw.pk, at=at) == raw
    assert claim(raw_id=raw.pk, at=at) is None, "it is claimed"
    assert waiting(at) == []
    record(raw_id=raw.pk, outcome=Outcome.ADDED, reason="incident:1", at=at)
    with pytest.raises(AlreadyHandled):
        record(raw_id=raw.pk, outcome=Outcome.HELD, reason="late", at=at)
    fail(raw_id=raw.pk, error="late", at=at)
    assert waiting(at + timedelta(days=1)) == []
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
        assert good.pk in waiting(now)
        now += timedelta(minutes=1)
    bad.refresh_from_db()
    assert (bad.outcome, bad.reason, bad.tries) == ("held", "KeyError: x", POLICY.mail_tries)
    assert waiting(now) == [good.pk]


def test_a_mail_that_kills_its_worker_is_held_too(db: None, at: datetime):
    raw, _new = store(at)
    now = at
    for _try in range(POLICY.mail_tries):
        assert claim(raw_id=raw.pk, at=now), "the worker dies with it"
        now += incoming.LEASE
    assert claim(raw_id=raw.pk, at=now) is None
    raw.refresh_from_db()
    assert (raw.outcome, raw.reason) == ("held", "gave_up")
