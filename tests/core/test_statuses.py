"""The table of statuses, and the window of a re-opening (D10, D16)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from incidents.statuses import (
    ALLOWED,
    Act,
    Status,
    after_answer,
    after_customer_message,
    after_take_back,
    allows,
)
from incidents.windows import may_reopen, may_take_back, reopen_until


@pytest.mark.rule("D10")
def test_the_table_knows_every_status():
    assert set(ALLOWED) == set(Status)


@pytest.mark.rule("D10")
@pytest.mark.parametrize(
    ("status", "after"),
    [("new", "new"), ("open", "open"), ("waiting", "open"), ("closed", "closed"), ("declined", "declined")],
)
def test_a_customers_message_opens_only_what_waits(status, after):
    assert after_customer_message(status) == after


@pytest.mark.rule("D10")
def test_a_customers_message_is_kept_whatever_the_status():
    assert all(allows(status, Act.CUSTOMER_MESSAGE) for status in Status)


def test_nothing_is_answered_or_closed_twice():
    assert not allows("closed", Act.ANSWER)
    assert not allows("closed", Act.CLOSE)
    assert not allows("declined", Act.REOPEN)


@pytest.mark.parametrize("then", ["new", "declined", "gone"])
def test_an_answer_leaves_an_incident_open_waiting_or_closed(then):
    with pytest.raises(ValueError, match=r"declined|new|gone"):
        after_answer(then=then)


@pytest.mark.rule("R13", "D16")
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland", "America/Havana", "Africa/Cairo"])
def test_the_window_ends_with_the_90th_local_day(zone):
    closed = datetime(2026, 8, 28, 3, 30, tzinfo=UTC)
    until = reopen_until(first_closed_at=closed, zone=zone)
    last = until.astimezone(ZoneInfo(zone)) - timedelta(seconds=1)
    assert (last.date() - closed.astimezone(ZoneInfo(zone)).date()).days == 90
    assert may_reopen(first_closed_at=closed, zone=zone, at=until - timedelta(microseconds=1))
    assert not may_reopen(first_closed_at=closed, zone=zone, at=until)


@pytest.mark.rule("D36")
@pytest.mark.parametrize(
    ("was", "answered", "wrote_since", "status"),
    [
        ("new", False, False, "new"),
        ("new", False, True, "new"),
        ("new", True, False, "open"),
        ("open", True, False, "open"),
        ("waiting", True, False, "waiting"),
        ("waiting", True, True, "open"),
    ],
)
def test_what_is_taken_back_stands_as_before_as_far_as_that_is_true(was, answered, wrote_since, status):
    assert after_take_back(was=was, answered=answered, wrote_since=wrote_since) == status


@pytest.mark.rule("D36")
def test_the_hour_ends_to_the_microsecond():
    ended = datetime(2026, 12, 1, 15, tzinfo=UTC)
    assert may_take_back(ended_at=ended, at=ended)
    assert may_take_back(ended_at=ended, at=ended + timedelta(hours=1))
    assert not may_take_back(ended_at=ended, at=ended + timedelta(hours=1, microseconds=1))
