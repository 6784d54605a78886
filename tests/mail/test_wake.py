"""A dead broker costs nobody anything: the row is there, the schedule finds it (D30)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from supportdesk.celery import app
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.tasks import deliver
from supportdesk.mail.wake import _Waker
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
    assert len(tried) == 1


@pytest.mark.usefixtures("no_broker")
def test_a_request_does_not_notice_a_dead_broker(fresh_db: str, at: datetime):
    with transaction.atomic():
        queue(at)
    assert OutgoingMail.objects.count() == 1


def test_the_task_has_the_name_that_the_schedule_calls():
    assert deliver.name == "mail.deliver"
