"""Django's way of sending mail, ending in the outbox: what frameworks send is delivered like everything else."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction

from supportdesk import clock
from supportdesk.mail.outgoing import queue_mail


class OutboxBackend(BaseEmailBackend):
    """Queues each message, one mail a recipient, in the transaction around it (D30). Its sender is always the desk."""

    @transaction.atomic
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        at = clock.now()
        for message in email_messages:
            if message.attachments:
                raise ValueError("The outbox carries no attachments.")
            text, html = str(message.body), ""
            if message.content_subtype == "html":
                text, html = "", text
            if isinstance(message, EmailMultiAlternatives):
                html = next(
                    (str(content) for content, mimetype in message.alternatives if mimetype == "text/html"), html
                )
            for address in message.recipients():
                queue_mail(
                    to_address=address,
                    to_name="",
                    subject=str(message.subject),
                    text=text,
                    html=html,
                    at=at,
                    kind="framework",
                    key=f"framework:{uuid.uuid4()}",
                )
        return len(email_messages)
