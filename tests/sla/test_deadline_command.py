"""`manage.py deadline`: the promise for JSON lines (R6, D12, D24)."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.management import reading
from sla.management.commands import deadline

pytestmark = [pytest.mark.rule("R6", "D12", "D24"), pytest.mark.django_db]

GOOD = {"logged_at": "2026-12-01T13:00:01-05:00", "zone": "America/New_York", "country": "US", "subdivision": "NY"}


def answers(text: str | bytes, *, fails: str = "") -> list[dict[str, Any]]:
    """What the command writes for ``text`` on standard input, a line each."""
    out = StringIO()
    stdin = BytesIO(text) if isinstance(text, bytes) else StringIO(text)
    if fails:
        with pytest.raises(CommandError, match=fails) as caught:
            call_command("deadline", stdin=stdin, stdout=out)
        assert caught.value.returncode == 1
    else:
        call_command("deadline", stdin=stdin, stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def line(**changes) -> str:
    return json.dumps(GOOD | changes) + "\n"


def test_a_line_is_answered_with_its_explanation():
    assert answers(line()) == [
        {
            "due_at": "2026-12-02T14:00:01Z",
            "due_local": "2026-12-02T09:00:01-05:00",
            "counted": [
                {
                    "day": "2026-12-01",
                    "start": "2026-12-01T13:00:01-05:00",
                    "end": "2026-12-01T17:00:00-05:00",
                    "minutes": 239.98,
                },
                {
                    "day": "2026-12-02",
                    "start": "2026-12-02T09:00:00-05:00",
                    "end": "2026-12-02T09:00:01-05:00",
                    "minutes": 0.02,
                },
            ],
            "skipped": [],
        }
    ]


def test_skipped_days_have_names():
    (answer,) = answers(line(logged_at="2026-11-25T21:00:00Z"))
    assert answer["due_at"] == "2026-11-27T17:00:00Z"
    assert [part["minutes"] for part in answer["counted"]] == [60, 180]
    assert answer["skipped"] == [{"day": "2026-11-26", "kind": "holiday", "reason": "Thanksgiving Day"}]
    (answer,) = answers(line(logged_at="2026-12-05T12:00:00Z"))
    assert [day["reason"] for day in answer["skipped"]] == ["Saturday", "Sunday"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subdivision": "US-NY"},
        {"subdivision": ""},
        {"subdivision": None},
        {"zone": "US/Eastern"},
        {"country": "CA", "subdivision": "ON"},
    ],
)
def test_what_is_let_pass(changes):
    assert answers(line(**changes))[0]["due_at"] == "2026-12-02T14:00:01Z"


def test_a_subdivision_may_be_left_out():
    text = json.dumps({key: value for key, value in GOOD.items() if key != "subdivision"})
    assert "due_at" in answers(text)[0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("nonsense\n", "not JSON"),
        ("[" * 50_000 + "\n", "not JSON"),
        ("9" * 5_000 + "\n", "not JSON"),
        ("[1]\n", "not a JSON object"),
        ("null\n", "not a JSON object"),
        ('{"zone": "UTC"}\n', "logged_at: missing"),
        (line(zome="UTC"), '"zome" is no field'),
        (line(logged_at=1764612001), "logged_at: must be a string"),
        (line(zone=None), "zone: must be a string"),
        (line(country=["US"]), "country: must be a string"),
        (line(subdivision=0), "subdivision: must be a string"),
        (line(logged_at="2026-12-01T13:00:01"), "logged_at: 2026-12-01T13:00:01 has no offset"),
        (line(logged_at="2026-12-01"), "has no offset"),
        (line(logged_at="yesterday"), 'logged_at: "yesterday" is no ISO 8601 time'),
        (line(logged_at="2026-02-30T10:00:00Z"), "is no ISO 8601 time"),
        (line(logged_at=""), "is no ISO 8601 time"),
        (line(logged_at="\ud800"), "is no ISO 8601 time"),
        (line(logged_at="1969-12-31T23:59:59Z"), "outside the years 1970 to 2100"),
        (line(logged_at="0001-01-01T00:00:00+14:00"), "outside the years"),
        (line(logged_at="9999-12-31T23:59:59-14:00"), "outside the years"),
        (line(zone="America/Gotham"), 'zone: "America/Gotham" is no IANA time zone'),
        (line(zone="/etc/passwd"), "zone: "),
        (line(zone="\ud800"), "zone: "),
        (line(zone="Z" * 500), "…"),
        (line(country="USA"), 'country: "USA" is no ISO 3166 country code'),
        (line(subdivision="BY"), 'subdivision: "BY" is no subdivision of the country'),
        (line(country="QQ", zone="X"), "zone: "),
        (line(zone="Z" * 10_000_000), "longer than 65536 bytes"),
    ],
)
def test_a_bad_line_says_why_and_the_rest_goes_on(bad, why):
    first, second, third = answers(line() + bad + line(), fails="1 of 3 lines")
    assert second["line"] == 2
    assert why in second["error"]
    assert len(second["error"]) < 200
    assert first == third
    assert "due_at" in first


def test_bytes_that_are_no_text_are_one_bad_line():
    good = line().encode()
    _first, second, third = answers(good + b'{"zone": "\xff"}\n' + good, fails="1 of 3 lines")
    assert second == {"line": 2, "error": "not UTF-8"}
    assert "due_at" in third


def test_empty_lines_and_a_missing_last_line_end_are_no_fault():
    assert len(answers("\n" + line() + "  \n" + line().rstrip())) == 2
    assert answers("") == []
    assert len(answers(b"\xef\xbb\xbf" + line().encode())) == 1


def test_it_streams():
    class Endless:
        """A gigabyte of one line, and then a good one."""

        left = 1000

        def readline(self, size: int) -> str:
            self.left -= 1
            if self.left < -1:
                return ""
            return "x" * min(size, 1_000_000) if self.left > 0 else ("\n" if self.left == 0 else line())

    out = StringIO()
    tracemalloc.start()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("deadline", stdin=Endless(), stdout=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert len(out.getvalue().splitlines()) == 2


def test_a_file_is_read_too(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text(line() + line())
    out = StringIO()
    call_command("deadline", str(path), stdout=out)
    assert len(out.getvalue().splitlines()) == 2
    with pytest.raises(CommandError, match="No such file"):
        call_command("deadline", str(tmp_path / "none"))


@pytest.mark.rule("D23")
def test_closures_count():
    day = date(2026, 12, 2)
    add_closure(
        rule=Rule(day, day, "Inventory", reach=Reach("US")), by=None, at=datetime(2026, 1, 1, tzinfo=UTC), key="1"
    )
    (answer,) = answers(line())
    assert answer["due_at"] == "2026-12-03T14:00:01Z"
    assert answer["skipped"] == [{"day": "2026-12-02", "kind": "closure", "reason": "Inventory"}]


def test_without_a_database_it_says_so_and_goes_on(monkeypatch):
    def unreachable():
        raise OperationalError("connection refused")

    monkeypatch.setattr(reading, "current_calendars", unreachable)
    out, err = StringIO(), StringIO()
    call_command("deadline", stdin=StringIO(line()), stdout=out, stderr=err)
    assert json.loads(out.getvalue())["due_at"] == "2026-12-02T14:00:01Z"
    assert "closures and open days do not count" in err.getvalue()
    out, err = StringIO(), StringIO()
    call_command("business_hours", "IN", "--year", "2027", stdout=out, stderr=err)
    assert "250 open" in out.getvalue()
    assert "closures and open days do not count" in err.getvalue()


def test_it_needs_no_checks():
    assert deadline.Command.requires_system_checks == ()
    assert deadline.Command.requires_migrations_checks is False


def test_with_words_the_days_are_said_as_on_pages():
    rule = Rule(date(2026, 12, 21), date(2027, 1, 3), "Closed for the holidays")
    add_closure(rule=rule, by=None, at=datetime(2026, 11, 1, tzinfo=UTC), key="words")
    out = StringIO()
    call_command("deadline", "--words", stdin=StringIO(line(logged_at="2026-12-18T21:30:00Z")), stdout=out)
    answer = json.loads(out.getvalue())
    assert len(answer["skipped"]) == 16, "data has each day"
    assert answer["words"] == [
        "Fri 18 Dec 16:30–17:00, 0:30",
        "Sat, Sun: weekend, not counted",
        "Mon 21 Dec – Sun 3 Jan 2027: Closed for the holidays, not counted",
        "Mon 4 Jan 2027 9:00–12:30, 3:30",
    ]
