"""Makes the installed releases of holidays and tzdata those of the desk's calendars (D23)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from sla.holidays import libraries
from sla.replanning import adopt_libraries
from supportdesk import clock


class Command(BaseCommand):
    """Newer releases are adopted by themselves; this is for older ones, once an upgrade was taken back."""

    help = "Makes the installed releases of holidays and tzdata those of the calendars; running clocks are replanned."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older", action="store_true", help="also where the calendars were made from newer ones")

    def handle(self, *, older: bool, **options: Any) -> None:
        mine = libraries()
        if adopt_libraries(at=clock.now(), older=older):
            self.stdout.write(f"Adopted holidays {mine.holidays} and tzdata {mine.tzdata}; running clocks will follow.")
        else:
            self.stdout.write(f"Nothing to adopt. Installed are holidays {mine.holidays} and tzdata {mine.tzdata}.")
