"""The statement as a file: every line, harmless in a spreadsheet, for its own customer only, in constant memory."""

from __future__ import annotations

import csv
import tracemalloc
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.db import connection

from points.queries import balance, every_line
from supportdesk import clock
from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.services import sign_in_for
from supportdesk.portal.statement_file import inert, statement_file
from tests.cast import Cast
from tests.incidents_helpers import signed_in, with_points
from tests.portal.test_points_page import NOW, bought, on, sample, spent

__all__ = ["sample"]
THERE = "/points/statement.csv"
HEAD = ["Instant", "Time zone", "What", "Ticket number", "Lot of", "Points", "Balance"]


def asked(who: User | Contact | None, *, at: datetime = NOW, **query: Any) -> Any:
    with clock.set_to(at):
        return signed_in(who).get(THERE, query)


def rows(response: Any) -> list[list[str]]:
    text = response.getvalue().decode("utf-8-sig")
    assert text.endswith("\r\n")
    return list(csv.reader(StringIO(text, newline="")))


@pytest.mark.rule("D6")
def test_every_line_stands_in_the_file_oldest_first(sample: Cast):
    response = asked(sample.owner, customer=sample.acme.pk)
    zone = "America/New_York"
    assert rows(response) == [
        HEAD,
        ["2025-11-20T07:00:00-05:00", zone, "Invoice: no. 4711, GBP 240.00", "", "2025-11-20", "30", "30"],
        ["2026-01-15T07:00:00-05:00", zone, "Granted: we answered 102 116 late", "", "2026-01-15", "4", "34"],
        [
            *("2026-03-02T07:00:00-05:00", zone, "Incident 104826 by e-mail, lot of 20 Nov 2025"),
            *("104826", "2025-11-20", "-10", "24"),
        ],
        [
            *("2026-05-18T08:00:00-04:00", zone, "Incident 103414 by e-mail, lot of 20 Nov 2025"),
            *("103414", "2025-11-20", "-10", "14"),
        ],
        ["2026-06-03T08:00:00-04:00", zone, "Invoice: no. 4905, GBP 240.00", "", "2026-06-03", "30", "44"],
        ["2026-10-12T08:00:00-04:00", zone, "Credited: what incident 104826 cost", "104826", "2025-11-20", "10", "54"],
        [
            *("2026-11-21T00:00:00-05:00", zone, "Expired: what was left of the lot of 20 Nov 2025"),
            *("", "2025-11-20", "-10", "44"),
        ],
    ]


def test_how_the_file_is_sent(sample: Cast):
    response = asked(sample.owner, customer=sample.acme.pk)
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="points-{sample.acme.pk}-2026-11-27.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert response.getvalue().startswith(b"\xef\xbb\xbfInstant,")


def test_the_file_is_named_by_the_customers_day(cast: Cast):
    response = asked(cast.stranger, at=datetime.fromisoformat("2026-12-31T23:30:00+00:00"))
    assert response["Content-Disposition"].endswith('-2027-01-01.csv"')
    assert rows(response) == [HEAD]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_a_cell_that_a_spreadsheet_would_run_is_a_text(first: str):
    assert inert(f"{first}cmd|' /C calc'!A0") == f"'{first}cmd|' /C calc'!A0"


@pytest.mark.parametrize("text", ["", "Granted: =1+1", "104826", "'=1", "1-1", " x"])
def test_a_harmless_cell_stays_as_it_is(text: str):
    assert inert(text) == text


def test_no_cell_of_the_file_is_run_and_numbers_stay_numbers(cast: Cast):
    bought(cast.acme, 30, on(2026, 11, 1), '=HYPERLINK("http://x.example";"y"),\r\n@SUM(1)')
    spent(cast.acme, 10, on(2026, 11, 2), "=1+1")
    response = asked(cast.owner)
    _head, first, second = rows(response)
    assert first[2] == 'Granted: =HYPERLINK("http://x.example";"y"),\r\n@SUM(1)'
    assert (second[2], second[3]) == ("Incident =1+1 by e-mail, lot of 1 Nov 2026", "'=1+1")
    assert (second[5], second[6]) == ("-10", "20")
    for line in (first, second):
        assert not [cell for cell in line[:5] if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.rule("D1")
def test_what_expired_stands_in_it_whether_a_job_wrote_it_or_not(cast: Cast):
    lot = bought(cast.acme, 8, on(2025, 11, 1), "For the test")
    before = asked(cast.owner, at=lot.expires_at - timedelta(seconds=1))
    assert [line[5] for line in rows(before)[1:]] == ["8"]
    after = asked(cast.owner, at=lot.expires_at)
    assert [line[5:] for line in rows(after)[1:]] == [["8", "8"], ["-8", "0"]]


@pytest.mark.rule("D21", "D22")
def test_who_gets_which_file(sample: Cast):
    ours, theirs = sample.acme.pk, sample.other.pk
    assert asked(sample.owner).status_code == asked(sample.owner, customer=ours).status_code == 200
    for query in (theirs, 0, -1, 4_000_000, "x", f"{ours} ", f"0{ours}", "٣", "9" * 400, "\x00"):
        assert asked(sample.owner, customer=query).status_code == 404, query
    for who in (sample.restricted, sample.technician, sample.admin):
        assert asked(who, customer=ours).status_code == 404
        assert asked(who).status_code == 404
    assert asked(None, customer=ours).status_code == 302
    assert asked(sample.stranger, customer=ours).status_code == 404
    with clock.set_to(NOW):
        assert signed_in(sample.owner).post(THERE).status_code == 405


@pytest.mark.rule("D21")
def test_a_contact_of_several_customers_says_which(cast: Cast):
    people = [
        Contact.objects.create(customer=customer, name="Rea", email="rea@x.example", restricted=restricted)
        for customer, restricted in ((cast.acme, False), (cast.other, False), (a_third(), True))
    ]
    for contact in people:
        sign_in_for(contact=contact)
    rea = Contact.objects.get(pk=people[0].pk)
    bought(cast.acme, 11, on(2026, 11, 1), "For the test")
    bought(cast.other, 22, on(2026, 11, 1), "For the test")
    assert asked(rea).status_code == 404
    assert [rows(asked(rea, customer=c.pk))[1][5] for c in (cast.acme, cast.other)] == ["11", "22"]
    assert asked(rea, customer=people[2].customer_id).status_code == 404, "where they are restricted"


def a_third() -> Customer:
    return Customer.objects.create(name="Third", country="DE", zone="Europe/Berlin", place_name="Berlin")


def many(customer: Customer, count: int, at: datetime) -> None:
    """A long history in a few statements."""
    with_points(customer, count, at=at)
    charge = spent(customer, 1, at, "104826")
    lot = customer.lots.get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO points_charge (customer_id, points, channel, reference, charged_at, key)"
            " SELECT customer_id, 1, 'email', reference, charged_at + n * interval '1 second', 'many-' || n"
            " FROM points_charge, generate_series(1, %s) n WHERE id = %s",
            [count - 1, charge.pk],
        )
        cursor.execute(
            "INSERT INTO points_entry (customer_id, lot_id, charge_id, cause, points, at, key)"
            " SELECT customer_id, %s, id, 'charge', -1, charged_at, 'entry-' || key"
            " FROM points_charge WHERE key LIKE 'many-%%'",
            [lot.pk],
        )


def test_a_long_file_is_held_in_pieces(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    """What is held is one fetch of the cursor and one piece of the file, whatever their number."""
    many(cast.acme, 4_000, on(2026, 11, 1))
    monkeypatch.setattr("points.queries.CHUNK", 100)
    response = statement_file(cast.acme, at=NOW)
    tracemalloc.start()
    try:
        pieces = [len(piece) for piece in response]
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pieces) == 9
    assert sum(pieces) > 400_000
    assert peak < 1_000_000


def test_a_reader_who_goes_away_leaves_the_connection_well(cast: Cast):
    many(cast.acme, 50, on(2026, 11, 1))
    lines = every_line(customer_id=cast.acme.pk, at=NOW)
    assert next(lines).balance == 50
    lines.close()  # type: ignore[attr-defined]
    *_rest, last = every_line(customer_id=cast.acme.pk, at=NOW)
    assert last.balance == balance(customer_id=cast.acme.pk, at=NOW) == 0
