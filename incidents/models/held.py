"""Mail that belongs nowhere yet (D26)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident
from supportdesk.mail.models import RawMail
from supportdesk.people.models import User


class HeldReason(models.TextChoices):
    """Why a mail was held for a technician (D26)."""

    UNKNOWN_SENDER = "unknown_sender", _("no contact has this address")
    NOT_THEIRS = "not_theirs", _("the sender may not see the incident it names")
    NO_INCIDENT = "no_incident", _("it names no incident")
    BODY_NUMBER = "body_number", _("the ticket number stands in the text only")
    TWO_INCIDENTS = "two_incidents", _("it names two different incidents")
    STAFF = "staff", _("staff answer on the desk, not by mail")
    DMARC = "dmarc", _("the mail server says that the sender is forged")
    SEVERAL_SENDERS = "several_senders", _("it has no sender, or several")
    NO_TEXT = "no_text", _("it has no text; what files it has are kept with its source")
    UNREADABLE = "unreadable", _("it could not be read")
    AUTOMATIC = "automatic", _("an automatic mail that belongs to no incident")
    TOO_LONG = "too_long", _("its text is longer than a message may be")


class HeldMail(models.Model):
    """Mail that belongs nowhere yet (D26): a technician attaches it or discards it."""

    raw_mail = models.OneToOneField(RawMail, on_delete=models.PROTECT, related_name="held")
    reason = models.CharField(max_length=20, choices=HeldReason)
    sender = models.CharField(max_length=320, blank=True)
    subject = models.CharField(max_length=400, blank=True)
    text = models.TextField(blank=True, help_text="As much of it as a technician needs to decide.")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, help_text="What it seems to mean.")
    held_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    attached_to = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("held mail")
        verbose_name_plural = _("held mail")
        ordering = ["held_at", "id"]
        indexes = [models.Index(fields=["held_at"], condition=Q(settled_at=None), name="held_mail_open")]

    def __str__(self) -> str:
        return self.subject
