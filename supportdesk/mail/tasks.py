"""What the worker does for mail: safe twice, safe late."""

from __future__ import annotations

from celery import shared_task

from supportdesk import clock
from supportdesk.mail.outgoing import deliver_due


@shared_task(name="mail.deliver", ignore_result=True)
def deliver() -> int:
    """Delivers what is due in the outbox; gives how many mails went out (D30)."""
    return deliver_due(now=clock.now)
