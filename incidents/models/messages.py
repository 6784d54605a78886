"""What is said in an incident, its files, and the mails that carried it out."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY

models.CharField.register_lookup(Length)
models.TextField.register_lookup(Length)


class MessageKind(models.TextChoices):
    """Who speaks, and to whom (D22): notes never leave the desk."""

    CUSTOMER = "customer", _("customer")
    ANSWER = "answer", _("answer")
    NOTE = "note", _("note")
    AUTOMATIC = "automatic", _("automatic")
    CALL = "call", _("call")


class Via(models.TextChoices):
    """How a message came."""

    FORM = "form", _("in the form")
    MAIL = "mail", _("by mail")
    PORTAL = "portal", _("in the portal")
    DESK = "desk", _("on the desk")
    PHONE = "phone", _("by phone")


class Direction(models.TextChoices):
    """Who called whom."""

    IN = "in", _("from the customer")
    OUT = "out", _("to the customer")


class Message(models.Model):
    """A text in an incident: the customer's, our answer, a note in the house, a logged call, or an automatic mail.

    ``written_on`` is where it was written, once a merge has moved it (D35); ``copied_from`` is what a copy in a
    split's part was made of: a copy is no response (D11, D14).
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=12, choices=MessageKind)
    via = models.CharField(max_length=8, choices=Via)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, blank=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    text = models.TextField(help_text="Of ours: Markdown. Of a customer: plain.")
    html = models.TextField(blank=True, default="", help_text="Of a mail: its HTML, sanitised (D31).")
    rich = models.BooleanField(default=False, help_text="Its HTML shows what its text cannot.")
    left_in_mail = models.PositiveSmallIntegerField(
        default=0, help_text="Files of its mail that were not kept with it: the original has them (D31)."
    )
    at = models.DateTimeField()
    key = models.CharField(max_length=64, unique=True)
    raw_mail = models.OneToOneField(RawMail, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    direction = models.CharField(max_length=3, choices=Direction, blank=True, help_text="Of a call.")
    written_on = models.ForeignKey(Incident, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    copied_from = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="copies")

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["incident", "at", "id"], name="message_in_order")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="customer", contact__isnull=False, user=None)
                | Q(kind__in=("answer", "note"), contact=None, user__isnull=False)
                | Q(kind="automatic", user=None)
                | Q(kind="call", contact__isnull=False, user__isnull=False),
                name="message_has_its_author",
            ),
            models.CheckConstraint(
                condition=Q(kind="call") & ~Q(direction="") | ~Q(kind="call") & Q(direction=""),
                name="message_direction_of_calls",
            ),
            models.CheckConstraint(condition=Q(text__length__lte=POLICY.text_max), name="message_not_over_long"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def author(self) -> Contact | User | None:
        """Who wrote or logged it; nobody for an automatic mail of an unknown sender."""
        return self.user or self.contact


class IncidentMail(models.Model):
    """A mail that went out for an incident, to whom, and the message it carries if it carries one.

    An incoming mail that answers one of these belongs to the incident (D26).
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="mails")
    message = models.ForeignKey(Message, on_delete=models.PROTECT, null=True, related_name="mails")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT)
    mail = models.OneToOneField(OutgoingMail, on_delete=models.PROTECT, related_name="link")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"mail {self.mail_id} of incident {self.incident_id}"
