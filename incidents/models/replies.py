"""What was replied to mail that nobody vouches for, for its budget (D28)."""

from __future__ import annotations

from django.db import models

from supportdesk.mail.models import OutgoingMail


class Reply(models.Model):
    """That the desk replied by itself: counted by the sender's address and by the network it came from (D28)."""

    mail = models.OneToOneField(OutgoingMail, on_delete=models.PROTECT, related_name="+")
    mark = models.CharField(max_length=60, help_text="Of the address, whatever stands behind a +.")
    network = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["mark", "at"], name="reply_by_address"),
            models.Index(fields=["network", "at"], name="reply_by_network"),
        ]

    def __str__(self) -> str:
        return f"reply by mail {self.mail_id}"
