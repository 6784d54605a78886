"""The tips of the demo: an issue that anybody may read, one that is being written, and who reads them (R15)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from supportdesk.tips.issues import show_as_sample, write_issue
from supportdesk.tips.quarters import quarter_of
from supportdesk.tips.services import subscribe_own, unsubscribe

READERS: Final = (
    "isla.renwick@harbour-heath.example",
    "sigrid@fjordlys.example",
    "wanjiru@kilima.example",
    "postmaster@tidewater-press.example",
)
GONE: Final = "it@larkspur-hotels.example"
SAMPLE: Final = (
    "A backup is what you have restored",
    """\
Most calls about lost mail end well. The ones that don't have one thing in common: the backup had run every night, and
nobody had ever restored from it. This time: three checks of an hour each, and two settings that people ask about.

# Restore one mailbox, every quarter

Pick a mailbox of average size and restore it beside the living one:

    quill restore --mailbox pat@example.com --into pat-restored@example.com --from last-night

Then look at three things, in this order:

1. **The newest message.** It tells how old the backup really is.
2. **A folder with many thousand messages.** If it is short, the run was cut off by its time limit.
3. **A shared calendar.** Its rights are restored last, and are missing first.

Write down how long it took. For a whole server multiply by your data, not by your mailboxes: the index is rebuilt
afterwards, at about 40 GB an hour.

# Keep the queue off the disk of the store

When the disk of the message store is full, Quillmark stops taking mail, and says so to other servers with
`452 try again later`. They do, for days: nothing is lost. If the queue lies on the same disk it cannot be written
either, and then even mail that was already taken waits. Give it 10 GB of its own:

    quill config set queue.path /var/spool/quill
    quill service restart delivery

# Renew certificates before the weekend, not on it

A certificate that ends on a Saturday is noticed on Monday. `quill cert list --ends-within 21d` gives what ends in the
next three weeks; run from a daily job, it mails only when there is something to say. After renewing, send the **whole
chain**: phones from before 2019 do not fetch what is missing.

# Asked often

- *May I copy the store with the service running?* No. Use `quill snapshot`: it holds writing for about a second.
- *Which of two paired servers is upgraded first?* The one that is standing by. Mail flows on meanwhile.
- *Does a larger cache help a slow search?* Hardly. Look first whether the index is whole: `quill index check`.
""",
)
DRAFT: Final = (
    "Before you upgrade to 12.3",
    """\
Still to write: the order of paired servers, the change of the time zone data, and how to go back within an hour.

# Read the zone data first

Release 12.3 brings its own time zone data. Servers whose system has an **older** set send invitations by the newer
one, and show them by the older one. Bring both to the same day:

    quill zones check
""",
)


def load(at: datetime) -> None:
    """Writes it all, once."""
    before = at - timedelta(days=92)
    for (title, text), day in ((SAMPLE, before), (DRAFT, at)):
        quarter = quarter_of(day.date())
        issue = write_issue(issue_id=None, title=title, year=quarter.year, quarter=quarter.number, text=text)
        if title == SAMPLE[0]:
            show_as_sample(issue_id=issue.pk, at=before)
    for number, email in enumerate((*READERS, GONE)):
        reader = subscribe_own(email=email, at=before + timedelta(days=9 * number))
        if email == GONE:
            unsubscribe(subscriber_id=reader.pk, at=at - timedelta(days=20))
