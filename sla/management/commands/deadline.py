"""Deadlines for JSON lines, one line each: the promise tried without an incident (R6, D12, D23, D24)."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO, Any, Final

from django.core.management.base import BaseCommand, CommandError

from sla.calendar import Calendar, NoBusinessHours
from sla.deadline import BadInstant, Plan, plan
from sla.explain import rows
from sla.holidays import UnknownPlace, public_calendar_for
from sla.management.reading import calendars_at_hand, read_to_its_end
from sla.saying import line as in_words
from supportdesk.places import Place

LINE_MAX: Final = 64 * 1024  # bytes or characters; a place and a time need two hundred
REQUIRED: Final = ("logged_at", "zone", "country")
KNOWN: Final = (*REQUIRED, "subdivision")
REASONS: Final = {
    "unknown_country": "is no ISO 3166 country code",
    "no_holiday_data": "has no holidays that are known",
    "unknown_subdivision": "is no subdivision of the country",
    "unknown_zone": "is no IANA time zone",
}


class BadLine(Exception):
    """A line that cannot be answered; the text says which field and why."""


class Command(BaseCommand):
    """Reads ``{"logged_at", "zone", "country", "subdivision"}``, writes the deadline and the days that made it.

    Closures and open days of everyone and of the place count; where the database does not answer, the command says so
    and goes by the public holidays alone.

    A bad line is answered by ``{"line", "error"}``, the rest goes on, and the exit code is 1.
    """

    help = "Prints when an answer is due, and why, for each JSON line of a file or of standard input."
    requires_system_checks = ()
    stealth_options = ("stdin",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="a file of JSON lines; - or none is standard input")
        parser.add_argument(
            "--words", action="store_true", help="also the explanation as people read it, a line a day or run of days"
        )

    def handle(self, *, file: str, words: bool = False, stdin: IO[Any] | None = None, **options: Any) -> None:
        with read_to_its_end(self.stdout):
            self._read(file, words=words, stdin=stdin)

    def _read(self, file: str, *, words: bool, stdin: IO[Any] | None) -> None:
        if file != "-":
            try:
                with Path(file).open("rb") as stream:
                    self._answer(stream, words=words)
            except BrokenPipeError:
                raise  # of the output, not of the file
            except OSError as error:
                raise CommandError(f"{file}: {error.strerror}") from error
        else:
            source = stdin or sys.stdin
            self._answer(getattr(source, "buffer", source), words=words)

    def _answer(self, stream: IO[Any], *, words: bool) -> None:
        total = failed = 0
        calendar_of = calendars_at_hand(self.stderr).of
        for number, line in enumerate(_lines(stream), start=1):
            if line is not None and not line.strip():
                continue
            total += 1
            try:
                answer = deadline_of(line, calendar_of=calendar_of, words=words)
            except BadLine as error:
                failed += 1
                answer = {"line": number, "error": str(error)}
            self.stdout.write(json.dumps(answer))
        if failed:
            raise CommandError(f"{failed} of {total} lines have no deadline.", returncode=1)


def deadline_of(
    line: str | bytes | None, *, calendar_of: Callable[[Place], Calendar] = public_calendar_for, words: bool = False
) -> dict[str, Any]:
    """The answer to one line of input; None stands for one that was too long. Raises ``BadLine``.

    With ``words`` it also says its days as people read them, at the time it was logged (D24).
    """
    asked = _parsed(line)
    place = Place(
        country=asked["country"],
        subdivision=asked["subdivision"].removeprefix(f"{asked['country']}-"),
        zone=asked["zone"],
    )
    try:
        calendar = calendar_of(place)
        logged_at = datetime.fromisoformat(asked["logged_at"])
        found = plan(logged_at=logged_at, calendar=calendar)
        answer = _answered(found, calendar.zone)
        if words:
            answer["words"] = [in_words(row, at=logged_at) for row in rows(found, zone=calendar.zone)]
        return answer
    except UnknownPlace as error:
        problems = (f"{p.field}: {_shown(asked[p.field])} {REASONS[p.code]}" for p in error.problems)
        raise BadLine("; ".join(problems)) from error
    except BadInstant as error:
        raise BadLine(f"logged_at: {error}") from error
    except ValueError as error:
        raise BadLine(f"logged_at: {_shown(asked['logged_at'])} is no ISO 8601 time") from error
    except NoBusinessHours as error:
        raise BadLine(str(error)) from error


def _parsed(line: str | bytes | None) -> dict[str, str]:
    if line is None:
        raise BadLine(f"longer than {LINE_MAX} bytes")
    try:
        asked = json.loads(line.decode("utf-8-sig") if isinstance(line, bytes) else line)
    except UnicodeDecodeError as error:
        raise BadLine("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise BadLine("not JSON") from error
    if not isinstance(asked, dict):
        raise BadLine("not a JSON object")
    if unknown := sorted(asked.keys() - set(KNOWN)):
        raise BadLine(f"{_shown(unknown[0])} is no field; known are {', '.join(KNOWN)}")
    if asked.get("subdivision") is None:
        asked["subdivision"] = ""
    for name in KNOWN:
        if name not in asked:
            raise BadLine(f"{name}: missing")
        if not isinstance(asked[name], str):
            raise BadLine(f"{name}: must be a string")
    return asked


def _answered(found: Plan, zone: tzinfo) -> dict[str, Any]:
    return {
        "due_at": found.due_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "due_local": found.due_at.astimezone(zone).isoformat(),
        "counted": [
            {
                "day": part.day.isoformat(),
                "start": part.start.astimezone(zone).isoformat(),
                "end": part.end.astimezone(zone).isoformat(),
                "minutes": int(part.minutes) if part.minutes.is_integer() else round(part.minutes, 2),
            }
            for part in found.counted
        ],
        "skipped": [{"day": part.day.isoformat(), "kind": part.kind, "reason": part.name} for part in found.skipped],
    }


def _shown(value: str) -> str:
    """The value as JSON, short enough for a message."""
    return json.dumps(value[:60]) + ("…" if len(value) > 60 else "")


def _lines(stream: IO[Any]) -> Iterator[str | bytes | None]:
    """The lines of a stream, never more of one than ``LINE_MAX`` in memory; None for a longer one."""
    while line := stream.readline(LINE_MAX + 1):
        if len(line) <= LINE_MAX or _ends(line):
            yield line
            continue
        while line and not _ends(line):
            line = stream.readline(LINE_MAX)
        yield None


def _ends(line: str | bytes) -> bool:
    return line[-1:] in ("\n", b"\n")
