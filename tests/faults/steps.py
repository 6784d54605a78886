"""The steps of mail in and out at which a process can die, by the function that begins or ends with them.

The desk's code holds none of this: a process that runs with ``tests.killed_settings`` has one function replaced by one
that sends SIGKILL (or SIGSTOP) to its own process. A step that is renamed fails the tests, it is never passed over.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Step:
    """``before`` or ``after`` a call of ``name`` as ``module`` knows it; the ``nth`` one, where not the test says."""

    module: str
    name: str
    when: Literal["before", "after"]
    nth: int = 1


_SMTP = "smtplib"
_OUT = "supportdesk.mail.outgoing"
_FILER = "incidents.inbound.carrying"
_PIPE = "incidents.management.commands.receive_mail"

STEPS = {
    # In
    "gateway: before anything is stored": Step("supportdesk.mail.gateway", "store_raw", "before"),
    "gateway: committed, 250 not said": Step("supportdesk.mail.gateway", "store_raw", "after"),
    # Alone, the row is one statement, which is there or not; the fetcher writes its UID in the same transaction.
    "fetcher: inserted, not committed": Step("supportdesk.mail.models", "RawMail.save", "after"),
    "fetcher: stored, not put away": Step("supportdesk.mail.fetching", "_store", "after"),
    # Asked first for what is known and was not put away, so the second time is that of new mail.
    "fetcher: put away": Step("supportdesk.mail.imap", "Folder.put_away", "after", nth=2),
    "pipe: stored, not filed": Step(_PIPE, "file_mail", "before"),
    "pipe: filed, nothing said": Step(_PIPE, "file_mail", "after"),
    "filer: claimed": Step(_FILER, "_file", "before"),
    "filer: files written, not their message": Step(_FILER, "keep_files", "after"),
    "filer: message written, no outcome": Step(_FILER, "record", "before"),
    "filer: outcome written, not committed": Step(_FILER, "record", "after"),
    "filer: committed": Step(_FILER, "_file", "after"),
    "filer: held, its answer queued, not committed": Step(_FILER, "answer_held", "after"),
    "filer: draft written, its answer queued, not committed": Step(_FILER, "draft_of_mail", "after"),
    # A run looks for such ones first.
    "filer: given up, not yet held": Step(_FILER, "hold_given_up", "before"),
    # Out
    "web: mail queued, not committed": Step("incidents.mails.sending", "queue_mail", "after"),
    "web: committed, nobody woken": Step(_OUT, "wake", "before"),
    "outbox: claimed, not connected": Step(_OUT, "_connect", "before"),
    "outbox: connected": Step(_OUT, "_send", "before"),
    # Answers are read to the greeting, EHLO, MAIL, RCPT, DATA and the end of the mail.
    "outbox: DATA begun": Step(_SMTP, "SMTP.getreply", "after", nth=5),
    "outbox: mail sent, answer not read": Step(_SMTP, "SMTP.getreply", "before", nth=6),
    "outbox: mail taken, not recorded": Step(_OUT, "_send", "after"),
    "outbox: recorded": Step(_OUT, "_record", "after"),
    "tips: in the middle of a batch": Step("supportdesk.tips.mails", "send_issue", "after", nth=3),
    "tips: batch committed, nobody woken": Step("supportdesk.tips.sending", "wake_deliverer", "before"),
}


def arm(step: str, *, nth: int, mark: str) -> None:
    """Replaces the step's function by one that dies there: once, for ``mark`` is a file that is made first.

    ``nth`` 0 is the step's own. With ``KILLED_BY`` another signal than SIGKILL is sent.
    """
    place = STEPS[step]
    *path, name = place.name.split(".")
    holder: Any = import_module(place.module)
    for part in path:
        holder = getattr(holder, part)
    setattr(holder, name, _dying(getattr(holder, name), place, nth=nth or place.nth, mark=Path(mark)))


def _dying(call: Callable[..., Any], step: Step, *, nth: int, mark: Path) -> Callable[..., Any]:
    number = getattr(signal, os.environ.get("KILLED_BY", "SIGKILL"))
    calls = 0

    def die() -> None:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), number)

    @wraps(call)
    def dying(*args: Any, **given: Any) -> Any:
        nonlocal calls
        calls += 1
        mine = calls == nth
        if mine and step.when == "before":
            die()
        result = call(*args, **given)
        if mine and step.when == "after":
            die()
        return result

    return dying
