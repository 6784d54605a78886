"""What one mail costs: a bounded number of statements and of rows, with few incidents and with many (D26, D29)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.inbound import file_waiting
from incidents.models import IncidentMail
from incidents.services.ownership import take
from supportdesk.mail.incoming import store_raw
from tests.bench.many import copies
from tests.cast import Cast
from tests.incidents_helpers import DESK, opened, raw_mail

pytestmark = pytest.mark.rule("D29")

OLIVE = "olive@acme.example"
# Storing is one; of filing two look for what was given up, one tells the time twice, two are the transaction's.
STORED, FILED = 1, 31
MORE = 3_000


def test_a_mail_is_stored_by_one_statement(cast: Cast, at: datetime):
    with CaptureQueriesContext(connection) as asked:
        store_raw(source=raw_mail(sender=OLIVE, at=at), mail_from=OLIVE, rcpt_to=[DESK], at=at, via="smtp")
    # Inside a test's own transaction there is a savepoint around it.
    assert len([one for one in asked if "SAVEPOINT" not in one["sql"]]) == STORED


def test_filing_a_mail_asks_and_reads_the_same_with_few_incidents_and_with_many(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    take(incident_id=incident.pk, user=cast.technician, at=at)
    answered = IncidentMail.objects.filter(incident=incident).values_list("mail__message_id", flat=True).first()
    costs = []
    for round_ in range(3):
        if round_ == 2:
            copies(incident, MORE, contacts=[cast.owner, cast.restricted, cast.stranger], round_=1)
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")
        source = raw_mail(
            sender=OLIVE,
            at=at + timedelta(minutes=round_),
            subject=f"Re: {incident.number}",
            In_Reply_To=answered or "",
        )
        store_raw(source=source, mail_from=OLIVE, rcpt_to=[DESK], at=at, via="smtp")
        costs.append(_cost(at + timedelta(hours=1)))
    assert incident.messages.filter(via="mail").count() == 3
    _first, few, many = costs
    assert few == many, "statements, rows"
    assert few[0] <= FILED


def _cost(at: datetime) -> tuple[int, int]:
    """Statements of filing what waits, and rows that they read, where each question may use its index."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    before = _rows_read()
    with CaptureQueriesContext(connection) as asked:
        assert file_waiting(now=lambda: at, limit=10) == (1, 1)
    return len(asked), _rows_read() - before


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
        )
        return int(cursor.fetchone()[0])
