"""What commands that only read have in common."""

from __future__ import annotations

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
