"""Whom an incident's mails go to besides its contact (D38), and what staff are told (D39)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident
from supportdesk.people.models import Contact, User


class Follower(models.Model):
    """A contact of the customer who gets an incident's mails and may answer (D38)."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="followers")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="follows")
    added_at = models.DateTimeField()
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    added_by_contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["added_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "contact"], condition=Q(removed_at=None), name="follows_once_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"follower {self.contact_id} of incident {self.incident_id}"


class NoticeCode(models.TextChoices):
    """What staff are told of (D39)."""

    ASSIGNED = "assigned", _("an incident was handed to me")
    CUSTOMER_WROTE = "customer_wrote", _("the customer of my incident wrote")
    WARNED = "warned", _("a deadline is near")
    BREACHED = "breached", _("a deadline has passed")
    REOPEN_ASKED = "reopen_asked", _("a re-opening is to be decided")
    SPLIT_ACCEPTED = "split_accepted", _("a split was accepted")
    BUG_DETERMINED = "bug_determined", _("a bug of my incident was determined")
    MAIL_HELD = "mail_held", _("mail is held")
    BOUNCE = "bounce", _("a mail on my incident bounced")
    OUTBOX_FAILED = "outbox_failed", _("mail could not be sent")


class Notice(models.Model):
    """One thing that one of the staff is told on their pages: ids and codes only (D34, D39)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    code = models.CharField(max_length=16, choices=NoticeCode)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    key = models.CharField(max_length=80)
    data = models.JSONField(default=dict)
    read_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["user", "-at", "-id"], name="notice_in_order"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="notice_unread"),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="notice_once")]

    def __str__(self) -> str:
        return f"notice {self.pk}"


class NoticeSetting(models.Model):
    """How one of the staff wants to be told of one thing, where they changed it (D39)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notice_settings")
    code = models.CharField(max_length=16, choices=NoticeCode)
    on_page = models.BooleanField()
    by_mail = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "code"], name="notice_setting_once")]

    def __str__(self) -> str:
        return f"{self.code} for {self.user_id}"
