"""Files that people attach to what they write (D31)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.drafts import Draft
from incidents.models.messages import Message
from supportdesk.markup import reference
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


class Attachment(models.Model):
    """One file: stored under a random name, shown under its own; of a message or a draft, or of nothing yet.

    ``token`` is what a form names an upload by until it is sent; an upload that is of nothing is swept after
    ``POLICY.upload_hours``. Copies in a split's part are rows of their own with the same ``stored``.
    """

    token = models.CharField(max_length=43, unique=True, help_text="Random; names an upload in a form.")
    stored = models.CharField(max_length=80, help_text="Random; where its bytes lie below the folder of files.")
    name = models.CharField(_("name"), max_length=POLICY.file_name_max)
    size = models.PositiveIntegerField(_("size"), help_text="Bytes.")
    picture = models.CharField(max_length=12, blank=True, help_text="png, jpeg, gif or webp, by content; else empty.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of its bytes.")
    content_id = models.CharField(
        max_length=200, blank=True, default="", help_text="By which the HTML of its mail shows it in place."
    )
    quiet = models.BooleanField(
        default=False, help_text="Of a mail: an icon, a signature, a picture of what it quotes, or there before."
    )
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True, related_name="files")
    draft = models.ForeignKey(Draft, on_delete=models.PROTECT, null=True, related_name="files")
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    uploaded_at = models.DateTimeField()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["id"]
        indexes = [
            models.Index(fields=["uploaded_at"], condition=Q(message=None, draft=None), name="attachment_of_nothing"),
            models.Index(fields=["stored"], name="attachment_by_place"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(message=None) | Q(draft=None), name="attachment_of_one_thing"),
            models.CheckConstraint(condition=Q(size__gt=0), name="attachment_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def reference(self) -> str:
        """What a text names this picture by."""
        return reference(self.digest)
