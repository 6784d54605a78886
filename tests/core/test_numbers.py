"""Ticket numbers (D9)."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents import numbers
from incidents.numbers import grouped, is_number, number_of, numbers_in, typed

SERIALS = st.integers(min_value=1000, max_value=99_999_999)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.rule("D9")
@given(SERIALS)
def test_a_number_of_a_serial_is_one(serial):
    assert is_number(number_of(serial))


@pytest.mark.rule("D9")
@given(SERIALS, st.data())
def test_a_single_wrong_digit_is_never_another_number(serial, data):
    number = number_of(serial)
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert not is_number(number[:place] + wrong + number[place + 1 :])


@pytest.mark.rule("D9")
@given(SERIALS, st.data())
def test_swapped_neighbours_are_never_another_number(serial, data):
    number = number_of(serial)
    place = data.draw(st.integers(0, len(number) - 2))
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert swapped == number or not is_number(swapped)


@given(SERIALS)
def test_what_is_shown_in_groups_is_read_back(serial):
    number = number_of(serial)
    assert typed(grouped(number)) == number
    assert numbers_in(f"Re: [{grouped(number)}] Calendar") == (number,)


@pytest.mark.rule("D26")
@pytest.mark.parametrize(
    "text",
    [
        "Ticket #732: received",
        "Call me: +1 866 722 5492",
        "1-866-722-5492",
        "Fax 030/104826",
        "Order 104826-7 of 2026-11-25",
        "104.826 mails",
        "version 1.104826",
        "104827",
        "",
        "٣٤٥٦٧",
        "1048261048261048261048261048",
    ],
)
def test_what_is_no_ticket_number(text):
    assert numbers_in(text) == ()


def test_a_text_of_digits_takes_linear_time():
    assert numbers_in("1 " * 200_000) == ()
    assert numbers_in("1" * 200_000) == ()
