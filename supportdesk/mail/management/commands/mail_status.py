"""``manage.py mail_status``: what waits, what failed, and which ways of mail work (D30, D39)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from supportdesk import clock
from supportdesk.mail.status import DoorState, MailStatus, mail_status


class Command(BaseCommand):
    help = (
        "Says how mail is doing: the outbox, what came in, and each way. "
        "Exit status 1 where a way fails, something has waited for a quarter of an hour, or a restore put mail aside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for a monitoring program")
        parser.add_argument("--door", default="", help='only the ways whose name begins so, such as "imap:"')

    def handle(self, *args: Any, **options: Any) -> None:
        status = mail_status(at=clock.now())
        if options["door"]:
            self._doors([door for door in status.doors if door.name.startswith(options["door"])])
            return
        if options["json"]:
            self.stdout.write(json.dumps(status.as_json(), ensure_ascii=False))
        else:
            for line in _lines(status):
                self.stdout.write(line)
        if not status.well:
            raise CommandError("Mail is not well.")

    def _doors(self, chosen: list[DoorState]) -> None:
        for door in chosen:
            self.stdout.write(_line(door))
        if not chosen or any(door.is_trouble for door in chosen):
            raise CommandError("Mail is not well there." if chosen else "There is no such way of mail.")


def _lines(status: MailStatus) -> list[str]:
    out, came = _age(status.seconds(status.out_oldest)), _age(status.seconds(status.in_oldest))
    return [
        f"Out: {status.out_waiting} waiting{out}, {status.out_tried} of them tried before; {status.out_failed} failed",
        *_aside(status.out_aside),
        f"In: {status.in_unhandled} not handled{came}, {status.in_trouble} of them in trouble; "
        f"{status.in_held} held in 30 days",
        *(_line(door) for door in status.doors),
    ]


def _aside(count: int) -> list[str]:
    if not count:
        return []
    return [f"Out: {count} of the failed waited in a restored database: ./desk manage restored_mail says what to do"]


def _age(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return f" (the oldest for {seconds} s)" if seconds < 600 else f" (the oldest for {seconds // 60} min)"


def _line(door: DoorState) -> str:
    match door.state:
        case "fails":
            return f"{door.name}: fails since {_instant(door.failing_since)}: {door.error}"
        case "silent":
            heard = f"since {_instant(door.worked_at)}" if door.worked_at else "yet"
            return f"{door.name}: nothing heard {heard}: does fetch_mail run?"
        case "works":
            return f"{door.name}: works, last seen {_instant(door.worked_at)}"
    return f"{door.name}: nothing went through yet"


def _instant(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
