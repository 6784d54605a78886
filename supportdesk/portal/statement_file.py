"""The statement as a file for spreadsheets: every line, streamed, and no cell that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime
from io import StringIO

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _

from points.queries import PlainLine, every_line
from supportdesk.people.models import Customer
from supportdesk.places import zone_info
from supportdesk.portal.saying import cause

BOM = "\ufeff"  # without it spreadsheets take the file for one in an old code page
LINES_AT_ONCE = 500
# What makes a spreadsheet take a text for a formula, the wide forms that some of them read as well among it.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def inert(text: str) -> str:
    """A text that a spreadsheet shows and never runs.

    >>> inert("=1+1"), inert("Granted: =1+1")
    ("'=1+1", 'Granted: =1+1')
    """
    return f"'{text}" if text.startswith(DANGEROUS) else text


def statement_file(customer: Customer, *, at: datetime) -> StreamingHttpResponse:
    """The whole statement, oldest line first, in constant memory. Nobody keeps a copy on the way."""
    day = at.astimezone(zone_info(customer.zone)).date()
    response = StreamingHttpResponse(_chunks(customer, at=at), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="points-{customer.pk}-{day:%Y-%m-%d}.csv"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _chunks(customer: Customer, *, at: datetime) -> Iterator[str]:
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write(BOM)
    head = (_("Instant"), _("Time zone"), _("What"), _("Ticket number"), _("Lot of"), _("Points"), _("Balance"))
    writer.writerow([inert(text) for text in head])
    for n, line in enumerate(every_line(customer_id=customer.pk, at=at), 1):
        writer.writerow(_cells(line, customer.zone))
        if n % LINES_AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cells(line: PlainLine, zone: str) -> list[str | int]:
    """One line: texts are inert, numbers are numbers."""
    there, story = zone_info(zone), line.story
    said = cause(story, zone)
    return [
        line.at.astimezone(there).isoformat(timespec="seconds"),
        inert(zone),
        inert(f"{said.before}{said.ticket}{said.after}"),
        inert(said.ticket),
        story.lot_bought_at.astimezone(there).date().isoformat(),
        line.points,
        line.balance,
    ]
