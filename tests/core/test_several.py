"""Whether a report reads like several problems (R9): a table of cases, and linear time."""

from __future__ import annotations

import pytest

from incidents import several
from incidents.several import problems_in

pytestmark = pytest.mark.rule("R9")

SEVERAL = {
    "numbered": ("1. The search stops at 71 %.\n2. The calendar lost its colours.\n3. Mail is not delivered.", 3),
    "numbered in a line": ("1. The search fails. 2. Invitations arrive one hour late.", 2),
    "in brackets": ("(1) The search fails since Monday.\n(2) The calendar is blank.", 2),
    "letters": ("a) Backups stop at 3 percent\nb) Users cannot sign in", 2),
    "after a greeting": ("Hello,\n\n- The search is broken\n- The calendar is not shown\n\nThanks", 2),
    "bullets": ("- Outlook asks for the password\n  every hour, which is wrong\n- Restoring a mailbox fails", 2),
    "announced": (
        "We have three problems:\n* upgrade of the server\n* sync of phones fails\n* colours of calendars",
        3,
    ),
    "questions": ("Two questions:\n- How do we move a mailbox?\n- Which port does Sync need?", 2),
    "another": ("The search stops at 71 %.\n\nAlso, another problem: the calendar lost its colours.", 2),
    "another in a line": ("The search stops. Another issue is that mail is late.", 2),
    "second": ("The search stops. We also have a second problem with calendars.", 2),
    "two more": ("Search stops.\nA second issue: mail is late.\nA third issue: no backup.", 3),
    "counted": ("Problem 1: search stops.\nProblem 2: mail is late.", 2),
    "unrelated": ("The search stops. Unrelated, the calendar is blank.", 2),
    "secondly": ("Firstly the search fails. Secondly the calendar is blank.", 2),
    "German": ("Erstens geht die Suche nicht. Zweitens fehlt der Kalender.", 2),
    "German list": ("Wir haben zwei Probleme:\n- Die Suche bricht ab\n- Der Kalender ist leer", 2),
    "German further": ("Die Suche bricht ab. Ein weiteres Problem ist der Kalender.", 2),
}
ONE = {
    "nothing": "",
    "a sentence": "Each night at two it stops. Help, please.",
    "steps": "Steps to reproduce:\n1. Open the calendar\n2. Click on a day\n3. It fails with an error",
    "steps without a word": "1. Open the calendar\n2. Click on a day\n3. The page does not load\n4. Error 500",
    "steps in a line": "To see it: 1. Open the calendar. 2. It does not load. 3. Reload it, the error comes again.",
    "steps that we took": "1. We opened the calendar and it was not shown\n2. We restarted the server, no change",
    "steps in German": "Schritte:\n1. Kalender öffnen\n2. Auf einen Tag klicken\n3. Es kommt ein Fehler",
    "imperatives in German": "1. Öffne den Kalender\n2. Klicke auf einen Tag\n3. Der Tag wird nicht gezeigt",
    "tried": "We have tried:\n- a restart, which did not help\n- an older release, not better either",
    "tried, counted": "First we restarted it. Secondly we cleared the cache. It still fails.",
    "tried in German": "Erstens haben wir neu gestartet. Zweitens haben wir den Speicher geleert, es geht nicht.",
    "symptoms": "Since Monday delivery stops after the backup:\n- no mail is delivered\n- the queue is not served",
    "symptoms by name": "Symptoms:\n1. The queue does not shrink.\n2. No mail is delivered.",
    "a log": "\n".join(f"- {n} ERROR delivery failed for one mailbox" for n in range(40)),
    "a short log": "- 02:00:01 delivery failed again\n- 02:00:07 delivery failed again",
    "an environment": "It stops at night.\n\n- Debian 12\n- 16 GB of memory\n- Quillmark Server 12.3",
    "a shopping list": "We use these:\n1. Quillmark Server 12.3\n2. Quillmark Sync 4.1",
    "a version": "Since 12. 3 of our 7 servers fail. 2.1 was fine.",
    "a date": "On 1. December and on 2. December it did not start.",
    "also": "The search stops. Also, the log shows errors.",
    "another of other things": "It stops on another server, too. Another restart did not help.",
    "not another": "This is not another problem, it is the one of last week.",
    "a signature": "It stops.\n\n-- \nIsla Renwick\nHarbour & Heath",
    "a dash in a sentence": "It stops - we do not know why - and it does not start.",
    "one item": "- The search fails each night",
    "an answer": "> 1. Does it fail at night?\n> 2. Is the disk full?\nYes.",
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_problems_are_seen(name: str):
    text, count = SEVERAL[name]
    assert problems_in(text) == count
    assert problems_in(text.replace("\n", "\r\n")) == count


@pytest.mark.parametrize("name", ONE)
def test_one_problem_is_left_alone(name: str):
    assert problems_in(ONE[name]) == 1


@pytest.mark.parametrize(
    "piece", ["1. ", "- x not\n", "and also ", "another problem ", "(1) a fails ", "\n", "? ", "a) "]
)
def test_the_work_grows_with_the_text_and_no_faster(piece: str):
    """Counted, not timed: no line is looked at beyond its first characters, and each once."""
    longest = max((len(line) for line in several._lines(piece * 30_000)), default=0)
    assert longest <= several.LINE_LOOKED_AT
    assert 1 <= problems_in(piece * 30_000) <= several.PROBLEMS_MAX
