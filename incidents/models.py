"""Incidents and what belongs to them (D9, D10, D19)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy as _

from incidents.cases import CreditCase  # noqa: F401 a model of this app
from incidents.numbers import grouped
from incidents.statuses import FINISHED, UNFINISHED, Status
from points.models import Charge
from sla.models import ResponseClock
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact, Customer, User
from supportdesk.policy import POLICY

models.CharField.register_lookup(Length)
models.TextField.register_lookup(Length)


class Channel(models.TextChoices):
    """How an incident began; its price follows (R1)."""

    EMAIL = "email", _("by e-mail")
    PHONE = "phone", _("by phone")


class Kind(models.TextChoices):
    """What an incident may be about (R10)."""

    INSTALLATION = "installation", _("Installation")
    OPERATION = "operation", _("Operation")
    CONFIGURATION = "configuration", _("Configuration")
    FEATURE = "feature", _("Feature request")


class StatusChoice(models.TextChoices):
    """The statuses of ``statuses.py`` with their words (D10)."""

    NEW = Status.NEW.value, _("new")
    OPEN = Status.OPEN.value, _("open")
    WAITING = Status.WAITING.value, _("waiting")
    CLOSED = Status.CLOSED.value, _("closed")
    DECLINED = Status.DECLINED.value, _("declined")


class Product(models.Model):
    """Something the vendor sells and supports."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """A release of a product, current from its release date to its end of support, both days included (D19)."""

    product = models.ForeignKey(Product, verbose_name=_("product"), on_delete=models.PROTECT, related_name="releases")
    name = models.CharField(_("name"), max_length=40)
    released_on = models.DateField(_("released on"))
    supported_until = models.DateField(_("supported until"), null=True, blank=True)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        ordering = ["product__name", "-released_on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["product", "name"], name="release_once_a_product"),
            models.CheckConstraint(
                condition=Q(supported_until=None) | Q(supported_until__gte=F("released_on")),
                name="release_ends_after_it_began",
                violation_error_message=_("The end of support lies before the release date."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.name}"


class Incident(models.Model):
    """Help with one issue, problem or question, however many messages it takes (R9)."""

    number = models.CharField(_("ticket number"), max_length=12, unique=True)
    key = models.CharField(max_length=64, unique=True, help_text="Made before the first try, by the form.")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="incidents")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="incidents")
    channel = models.CharField(_("channel"), max_length=8, choices=Channel)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="incidents")
    subject = models.CharField(_("subject"), max_length=POLICY.subject_max)
    status = models.CharField(_("status"), max_length=8, choices=StatusChoice, default=Status.NEW)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="incidents", null=True, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    # Set while the customer has written last and nobody has answered; what "waiting for us" is ordered by.
    wrote_at = models.DateTimeField(null=True, blank=True)
    # Set while the customer asks to re-open a closed incident and nobody has decided (D16).
    reopen_asked_at = models.DateTimeField(null=True, blank=True)
    first_closed_at = models.DateTimeField(null=True, blank=True, help_text="The original closure (R13).")
    closed_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField(help_text="The last message or act, for lists.")

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=FINISHED, closed_at__isnull=False)
                | Q(status__in=UNFINISHED, closed_at__isnull=True),
                name="incident_closed_at_fits_status",
            ),
            models.CheckConstraint(condition=Q(status__in=Status), name="incident_status_known"),
            models.CheckConstraint(
                condition=Q(reopen_asked_at=None) | Q(status=Status.CLOSED), name="incident_reopening_asked_when_closed"
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at", "id"], condition=Q(status__in=UNFINISHED), name="incident_unfinished"),
            models.Index(
                fields=["reopen_asked_at"], condition=Q(reopen_asked_at__isnull=False), name="incident_decide"
            ),
            models.Index(fields=["customer", "-opened_at", "-id"], name="incident_of_customer"),
            models.Index(fields=["owner", "status"], name="incident_of_owner"),
        ]

    def __str__(self) -> str:
        return f"{grouped(self.number)} {self.subject}"

    @property
    def shown_number(self) -> str:
        """The ticket number in groups (D9)."""
        return grouped(self.number)

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED


class MessageKind(models.TextChoices):
    """Who speaks, and to whom (D22): notes never leave the desk."""

    CUSTOMER = "customer", _("customer")
    ANSWER = "answer", _("answer")
    NOTE = "note", _("note")
    AUTOMATIC = "automatic", _("automatic")


class Via(models.TextChoices):
    """How a message came."""

    FORM = "form", _("in the form")
    MAIL = "mail", _("by mail")
    PORTAL = "portal", _("in the portal")
    DESK = "desk", _("on the desk")


class Message(models.Model):
    """A text in an incident: the customer's, our answer, a note in the house, or an automatic mail."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="messages")
    kind = models.CharField(max_length=12, choices=MessageKind)
    via = models.CharField(max_length=8, choices=Via)
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, blank=True)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    text = models.TextField()
    at = models.DateTimeField()
    key = models.CharField(max_length=64, unique=True)
    raw_mail = models.OneToOneField(RawMail, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["incident", "at", "id"], name="message_in_order")]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="customer", contact__isnull=False, user=None)
                | Q(kind__in=("answer", "note"), contact=None, user__isnull=False)
                | Q(kind="automatic", user=None),
                name="message_has_its_author",
            ),
            models.CheckConstraint(condition=Q(text__length__lte=POLICY.text_max), name="message_not_over_long"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def author(self) -> Contact | User | None:
        """Who wrote it; nobody for an automatic mail of an unknown sender."""
        return self.contact or self.user


class TimelineCode(models.TextChoices):
    """What can have happened to an incident. The words of each are made where it is shown."""

    OPENED = "opened", _("opened")
    NUMBER_MAILED = "number_mailed", _("ticket number mailed")
    TAKEN = "taken", _("taken")
    HANDED_OVER = "handed_over", _("handed over")
    ANSWERED = "answered", _("answered")
    NOTED = "noted", _("noted")
    CUSTOMER_WROTE = "customer_wrote", _("customer wrote")
    STATUS = "status", _("status changed")
    CLOSED = "closed", _("closed")
    REOPEN_ASKED = "reopen_asked", _("re-opening asked for")
    REOPENED = "reopened", _("re-opened")
    REOPEN_REFUSED = "reopen_refused", _("re-opening refused")
    BUG_MARKED = "bug_marked", _("marked as a product failure")
    BUG_ASKED = "bug_asked", _("customer asked: points or card")
    BUG_CHOSEN = "bug_chosen", _("customer chose")
    BUG_SILENCE = "bug_silence", _("no answer, so points")
    BUG_CREDITED = "bug_credited", _("points given back")
    BUG_REFUNDED = "bug_refunded", _("card refunded")
    REFUND_DONE = "refund_done", _("refund paid back")
    REFUND_FAILED = "refund_failed", _("refund failed, points instead")
    BUG_REFUSED = "bug_refused", _("credit refused")
    WARNED = "warned", _("warned")
    BREACHED = "breached", _("breached")
    DEADLINE_MOVED = "deadline_moved", _("deadline moved")


class TimelineEntry(models.Model):
    """One step of an incident: append-only, ids and codes only, no names and no texts (D10, D34)."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="timeline")
    at = models.DateTimeField()
    code = models.CharField(max_length=24, choices=TimelineCode)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    data = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["incident", "at", "id"], name="timeline_in_order")]

    def __str__(self) -> str:
        return f"{self.code} {self.pk}"


class IncidentClock(models.Model):
    """A response clock of an incident: one a re-opening, one of them current (D12)."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="clocks")
    clock = models.OneToOneField(ResponseClock, on_delete=models.PROTECT, related_name="link")
    current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident"], condition=Q(current=True), name="one_current_clock")
        ]

    def __str__(self) -> str:
        return f"clock {self.clock_id} of incident {self.incident_id}"


class IncidentCharge(models.Model):
    """A charge of an incident: an unmerge charges anew (D35), one of them current."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="charges")
    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="link")
    current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident"], condition=Q(current=True), name="one_current_charge")
        ]

    def __str__(self) -> str:
        return f"charge {self.charge_id} of incident {self.incident_id}"


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


class Draft(models.Model):
    """A report that is not opened yet: no number, no clock, no charge (D8). Kept for 30 days."""

    key = models.CharField(max_length=64, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="drafts")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="drafts")
    channel = models.CharField(max_length=8, choices=Channel)
    kind = models.CharField(max_length=16, choices=Kind)
    release = models.ForeignKey(Release, on_delete=models.PROTECT)
    subject = models.CharField(max_length=POLICY.subject_max)
    text = models.TextField()
    created_at = models.DateTimeField()
    kept_until = models.DateTimeField()
    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, null=True, related_name="draft")
    discarded_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(text__length__lte=POLICY.text_max), name="draft_not_over_long")
        ]

    def __str__(self) -> str:
        return self.subject


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
