"""Mail that belongs nowhere yet (D26)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from incidents.models.drafts import Draft
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
    TOO_BIG = "too_big", _("the mail is larger than the desk takes")
    ENCRYPTED = "encrypted", _("it is encrypted, and the desk has no key")
    BLOCKED = "blocked", _("its sender is blocked")
    TOO_MANY = "too_many", _("its sender has sent too many that name no incident")


class Settled(models.TextChoices):
    """What a technician made of a held mail (D26)."""

    ATTACHED = "attached", _("attached to an incident")
    DRAFT = "draft", _("made a draft")
    DISCARDED = "discarded", _("discarded")
    BLOCKED = "blocked", _("put away, its sender is blocked")


class HeldMail(models.Model):
    """Mail that belongs nowhere yet (D26): a technician attaches it, makes a draft of it or discards it."""

    raw_mail = models.OneToOneField(RawMail, on_delete=models.PROTECT, related_name="held")
    reason = models.CharField(max_length=20, choices=HeldReason)
    sender = models.CharField(max_length=320, blank=True)
    subject = models.CharField(max_length=400, blank=True)
    text = models.TextField(blank=True, help_text="As much of it as a technician needs to decide.")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, help_text="What it seems to mean.")
    held_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    settled_as = models.CharField(max_length=10, choices=Settled, blank=True, default="")
    attached_to = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, related_name="+")
    # Several mails may have been added to one draft.
    draft = models.ForeignKey(Draft, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("held mail")
        verbose_name_plural = _("held mail")
        ordering = ["held_at", "id"]
        indexes = [
            models.Index(fields=["held_at", "id"], condition=Q(settled_at=None), name="held_mail_open"),
            models.Index(fields=["reason", "held_at", "id"], condition=Q(settled_at=None), name="held_mail_by_reason"),
            models.Index(
                fields=["-settled_at", "-id"], condition=Q(settled_at__isnull=False), name="held_mail_settled"
            ),
            models.Index(
                fields=["settled_as", "-settled_at", "-id"],
                condition=Q(settled_at__isnull=False),
                name="held_mail_by_end",
            ),
            models.Index(Lower("sender"), name="held_mail_by_sender"),
        ]

    def __str__(self) -> str:
        return self.subject


class BlockedSender(models.Model):
    """An address, or a domain as ``@example.org``, whose mails are put away unseen and never answered."""

    address = models.CharField(_("address or @domain"), max_length=254, unique=True, help_text=_("In lower case."))
    blocked_at = models.DateTimeField(_("blocked"))
    blocked_by = models.ForeignKey(
        User, verbose_name=_("blocked by"), on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("blocked sender")
        verbose_name_plural = _("blocked senders")
        ordering = ["address"]

    def __str__(self) -> str:
        return self.address
