"""Reports that are not opened yet (D8, D25)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Channel, Incident, Kind
from incidents.models.products import Release
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact, Customer, User
from supportdesk.policy import POLICY


class Draft(models.Model):
    """A report that is not opened yet: no number, no clock, no charge (D8). Kept for 30 days.

    One that was made of a mail (D27) has neither kind nor release until somebody says them.
    """

    key = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="drafts")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="drafts")
    channel = models.CharField(max_length=8, choices=Channel)
    kind = models.CharField(max_length=16, choices=Kind, blank=True)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True)
    subject = models.CharField(max_length=POLICY.subject_max)
    text = models.TextField()
    html = models.TextField(
        blank=True,
        default="",
        help_text="Of the mail it was made of: its HTML, sanitised, while the text is that mail’s.",
    )
    raw_mail = models.OneToOneField(
        RawMail, on_delete=models.PROTECT, null=True, related_name="+", help_text="The mail it was made of (D27)."
    )
    created_at = models.DateTimeField()
    kept_until = models.DateTimeField()
    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, null=True, related_name="draft")
    discarded_at = models.DateTimeField(null=True)
    # The technician who took the call: they open it when the points arrive (D20).
    logged_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    answer = models.TextField(blank=True, default="", help_text="What they said during the call.")
    origin = models.ForeignKey(
        Incident, on_delete=models.PROTECT, null=True, related_name="+", help_text="What it is reported anew from."
    )
    reminded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["kept_until"], condition=Q(incident=None, discarded_at=None), name="draft_ages"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(text__length__lte=POLICY.text_max), name="draft_not_over_long")
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_finished(self) -> bool:
        """False for one of a mail, until somebody has said what it is about (D27)."""
        return bool(self.kind) and self.release_id is not None


class DraftMail(models.Model):
    """A mail that came for a draft, or went out about it: an answer to one of them belongs to the draft (D27)."""

    draft = models.ForeignKey(Draft, on_delete=models.PROTECT, related_name="mails")
    came = models.OneToOneField(RawMail, on_delete=models.PROTECT, null=True, related_name="+")
    sent = models.OneToOneField(OutgoingMail, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(came=None, sent__isnull=False) | Q(came__isnull=False, sent=None), name="draft_mail_is_one"
            )
        ]

    def __str__(self) -> str:
        return f"mail {self.came_id or self.sent_id} of draft {self.draft_id}"


class VisitorReport(models.Model):
    """A report of somebody who is not signed in: a link to it was mailed to the address they gave (D25).

    Nobody's until the link is followed and its button pressed; whose it may become is asked then, of the address.
    """

    key = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, unique=True, help_text="Of the link's token, which is kept nowhere.")
    email = models.EmailField()
    network = models.CharField(max_length=64, help_text="Where it came from, for the budget (D28).")
    kind = models.CharField(max_length=16, choices=Kind)
    release = models.ForeignKey(Release, on_delete=models.PROTECT)
    subject = models.CharField(max_length=POLICY.subject_max)
    text = models.TextField()
    created_at = models.DateTimeField()
    kept_until = models.DateTimeField()
    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, null=True, related_name="+")
    draft = models.OneToOneField(Draft, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("report by link")
        verbose_name_plural = _("reports by link")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["email", "created_at"], name="visitor_report_by_address"),
            models.Index(fields=["network", "created_at"], name="visitor_report_by_network"),
            models.Index(fields=["kept_until"], name="visitor_report_ages"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(text__length__lte=POLICY.text_max), name="visitor_report_not_over_long")
        ]

    def __str__(self) -> str:
        return self.subject
