"""What commands that only read have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.exceptions import ObjectDoesNotExist
from django.core.management.base import OutputWrapper
from django.db import DatabaseError

from sla.calendars import Calendars, current_calendars, public_calendars


def calendars_at_hand(complain: OutputWrapper) -> Calendars:
    """The calendars that hold now; where the database does not answer or has no tables yet, the public ones."""
    try:
        return current_calendars()
    except (DatabaseError, ObjectDoesNotExist):
        complain.write("The database does not answer: closures and open days do not count here.")
        return public_calendars()


CUT_OFF: Final = 141  # as of a program that the signal of a broken pipe ends


@contextmanager
def read_to_its_end(out: OutputWrapper) -> Iterator[None]:
    """Ends the command without a word where the reader of its output has seen enough, as ``head`` has."""
    try:
        try:
            yield
        finally:
            out.flush()
    except BrokenPipeError:
        # What is still in the buffer is written once more at the end: into nothing, or that fails aloud.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(CUT_OFF)
