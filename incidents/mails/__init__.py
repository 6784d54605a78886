"""The mails of an incident, one function each. They are rows of the outbox, written with what causes them (D30).

Mail goes to stored addresses of contacts only; a contact without one gets none (D21, D26).
"""

from incidents.mails.conversation import (
    answered,
    closed,
    follower_added,
    opened,
    reopened,
    reopening_refused,
    reopening_too_late,
)
from incidents.mails.credits import bug_determined, bug_marked, refund_failed
from incidents.mails.drafts import can_be_told, draft_made
from incidents.mails.staff import kind_of, staff_notices
from incidents.mails.strangers import NOT_FILED, TOO_BIG, VISITED, not_filed, too_big, visited

__all__ = [
    "NOT_FILED",
    "TOO_BIG",
    "VISITED",
    "answered",
    "bug_determined",
    "bug_marked",
    "can_be_told",
    "closed",
    "draft_made",
    "follower_added",
    "kind_of",
    "not_filed",
    "opened",
    "refund_failed",
    "reopened",
    "reopening_refused",
    "reopening_too_late",
    "staff_notices",
    "too_big",
    "visited",
]
