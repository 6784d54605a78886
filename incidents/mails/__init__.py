"""The mails of an incident, one function each. They are rows of the outbox, written with what causes them (D30).

Mail goes to stored addresses of contacts only; a contact without one gets none (D21, D26).
"""

from incidents.mails.conversation import answered, closed, opened, reopened, reopening_refused, reopening_too_late
from incidents.mails.credits import bug_determined, bug_marked, refund_failed
from incidents.mails.staff import breached, warned
from incidents.mails.strangers import NOT_FILED, not_filed

__all__ = [
    "NOT_FILED",
    "answered",
    "breached",
    "bug_determined",
    "bug_marked",
    "closed",
    "not_filed",
    "opened",
    "refund_failed",
    "reopened",
    "reopening_refused",
    "reopening_too_late",
    "warned",
]
