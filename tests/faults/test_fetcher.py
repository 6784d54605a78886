"""The fetcher, killed between its two steps: what is stored is stored once, and put away by the next one (D29)."""

from __future__ import annotations

import pytest

from supportdesk.mail import fetching
from supportdesk.mail.models import Fetched, Outcome, RawMail
from tests.faults.running import MANAGE, Processes, full_but
from tests.mail.dovecot import PASSWORD, Dovecot
from tests.mail.dovecot import dovecot as dovecot
from tests.mail.test_fetching import fetch, numbered

pytestmark = pytest.mark.rule("D29")

MAILS = 25
# The mail of a lot at which it dies; how many are stored then, and how many are marked.
STEPS = {
    "fetcher: inserted, not committed": (3, 2, 0),
    "fetcher: stored, not put away": (fetching.AT_ONCE, fetching.AT_ONCE, 0),
    "fetcher: put away": (0, fetching.AT_ONCE, fetching.AT_ONCE),
}


@pytest.mark.parametrize("step", full_but(STEPS, "fetcher: stored, not put away"))
def test_a_fetcher_that_is_killed_stores_nothing_twice(processes: Processes, dovecot: Dovecot, step: str):
    dovecot.put(*[numbered(n) for n in range(MAILS)])
    nth, stored, marked = STEPS[step]
    url = f"imap://desk@127.0.0.1:{dovecot.port}/INBOX?tls=none"
    command = [*MANAGE, "fetch_mail", "--once"]
    processes.killed(command, at=step, nth=nth, IMAP_URL=url, IMAP_PASSWORD=PASSWORD)
    assert RawMail.objects.count() == Fetched.objects.count() == stored
    assert dovecot.flags().count([b"\\Seen"]) == marked
    assert fetch(dovecot.mailbox())
    assert list(RawMail.objects.values_list("deliveries", "outcome")) == [(1, Outcome.WAITING)] * MAILS
    assert dovecot.flags() == [[b"\\Seen"]] * MAILS
