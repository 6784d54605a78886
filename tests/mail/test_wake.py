"""A dead broker costs nobody anything: the row is there, the schedule finds it (D30)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from supportdesk.celery import app
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.tasks import deliver
from supportdesk.mail.wake import _Bell, _Waker
from tests.mail.test_outgoing import queue

pytestmark = pytest.mark.rule("D30")


@pytest.fixture(params=["refuses", "is silent"])
def no_broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socket.socket() as redis:
        redis.bind(("127.0.0.1", 0))
        if request.param == "is silent":
            redis.listen()
        monkeypatch.setattr(app.conf, "broker_write_url", f"redis://127.0.0.1:{redis.getsockname()[1]}/0")
        yield


@pytest.mark.usefixtures("no_broker")
def test_a_dead_broker_is_told_of_once_and_then_left_alone(monkeypatch: pytest.MonkeyPatch):
    waker, tried, real = _Waker(), [], app.send_task

    def send(*args: Any, **options: Any) -> None:
        tried.append(args)
        real(*args, **options)

    monkeypatch.setattr(app, "send_task", send)
    assert not waker("mail.deliver")
    assert not waker("mail.deliver")
    assert tried.count(("mail.deliver",)) == 1


@pytest.mark.usefixtures("no_broker")
def test_a_request_does_not_notice_a_dead_broker(fresh_db: str, at: datetime):
    with transaction.atomic():
        queue(at)
    assert OutgoingMail.objects.count() == 1


def test_the_task_has_the_name_that_the_schedule_calls():
    assert deliver.name == "mail.deliver"


def test_what_is_woken_many_times_at_once_is_woken_once(monkeypatch: pytest.MonkeyPatch):
    waker = _Waker()
    sent: list[str] = []
    monkeypatch.setattr(waker, "_send", sent.append)
    with waker.gathering():
        for _time in range(3):
            waker("mail.deliver")
            with waker.gathering():
                waker("incidents.file_mail")
        assert sent == []
    assert sent == ["mail.deliver", "incidents.file_mail"]
    waker("mail.deliver")
    assert sent[2:] == ["mail.deliver"]


def test_who_rings_waits_for_no_broker_and_every_ring_is_answered():
    asleep = threading.Event()
    sent: list[str] = []

    def send(task: str) -> bool:
        asleep.wait(10)
        sent.append(task)
        return True

    bell = _Bell(send)
    bell("mail.deliver")
    for _time in range(50):
        bell("incidents.file_mail")
    assert sent == []
    asleep.set()
    until = time.monotonic() + 10
    while "incidents.file_mail" not in sent and time.monotonic() < until:
        time.sleep(0.01)
    assert "incidents.file_mail" in sent
    assert len(sent) <= 3
