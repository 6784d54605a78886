"""The main way on real parts, and what is left of it while Redis or the worker is dead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from supportdesk.demo.supervisor import LOCAL, ROOT
from tests.journeys.running import CUSTOMER, RunningDesk, number_of, until

pytestmark = [pytest.mark.redis, pytest.mark.xdist_group("desk")]


@pytest.fixture
def mended(running_desk: RunningDesk) -> Iterator[RunningDesk]:
    """The desk, with every part that a test killed started again."""
    yield running_desk
    for name in ("redis", "worker", "beat"):
        if name not in running_desk.children:
            running_desk.start_part(name)


@pytest.mark.rule("R1", "R3", "R6", "R7", "D8", "D10", "D11", "D26", "D29", "D30")
def test_the_whole_way_holds_on_redis_with_a_worker(running_desk: RunningDesk) -> None:
    desk = running_desk
    places = [desk.base_url, str(desk.mails_dir), LOCAL, str(desk.ports.gateway)]
    command = [sys.executable, "-m", "supportdesk.demo.check", *places]

    done = subprocess.run(command, env=desk.env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps held." in done.stdout


@pytest.mark.rule("D6")
def test_the_ledger_agrees_with_itself_afterwards(running_desk: RunningDesk) -> None:
    done = running_desk.manage("check_ledger", "--offline")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing differs" in done.stdout


@pytest.mark.rule("R7", "D30")
def test_a_report_opens_while_redis_is_dead_and_its_mail_goes_out_once_it_is_back(mended: RunningDesk) -> None:
    customer = mended.visitor(CUSTOMER)
    mended.kill_part("redis")

    number = number_of(mended.report(customer, "Opened without Redis"))

    [(message_id,)] = mended.rows(OUTBOX, number)
    mended.start_part("redis")
    until(lambda: mended.mails("Opened without Redis"), "the mail with the ticket number")
    until(lambda: mended.rows(SENT, message_id), "the outbox to say that it went out")
    assert [mail.message_id for mail in mended.mails("Opened without Redis")] == [message_id]


@pytest.mark.rule("D30")
def test_a_mail_of_a_killed_worker_goes_out_by_the_next_one(mended: RunningDesk) -> None:
    customer = mended.visitor(CUSTOMER)
    mended.kill_part("worker")

    number = number_of(mended.report(customer, "Opened without a worker"))

    [(message_id,)] = mended.rows(OUTBOX, number)
    assert not mended.rows(SENT, message_id)
    assert not mended.mails("Opened without a worker")
    mended.start_part("worker")
    until(lambda: mended.mails("Opened without a worker"), "the mail with the ticket number")
    until(lambda: mended.rows(SENT, message_id), "the outbox to say that it went out")
    assert [mail.message_id for mail in mended.mails("Opened without a worker")] == [message_id]


@pytest.mark.rule("D30", "D33")
def test_people_sign_in_while_redis_is_dead(mended: RunningDesk) -> None:
    mended.kill_part("redis")

    mended.visitor(CUSTOMER)


OUTBOX = """SELECT mail.message_id FROM mail_outgoingmail mail
            JOIN incidents_incidentmail link ON link.mail_id = mail.id
            JOIN incidents_incident incident ON incident.id = link.incident_id WHERE incident.number = %s"""
SENT = "SELECT 1 FROM mail_outgoingmail WHERE message_id = %s AND sent_at IS NOT NULL"
