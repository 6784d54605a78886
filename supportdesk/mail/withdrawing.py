"""Taking mail out of the outbox again that nobody wants any more (R15)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from supportdesk.mail.models import OutgoingMail


@transaction.atomic
def withdraw(*, mail_ids: Collection[int], at: datetime) -> set[int]:
    """Deletes those of the mails that have not gone out, and that no worker holds; gives which.

    What a worker holds is on its way: it goes out, or waits again and can be withdrawn then.
    """
    free = Q(claimed_until=None) | Q(claimed_until__lte=at)
    rows = OutgoingMail.objects.select_for_update(skip_locked=True).filter(free, pk__in=mail_ids, sent_at=None)
    found = set(rows.values_list("pk", flat=True))
    if found:
        OutgoingMail.objects.filter(pk__in=found).delete()
    return found
