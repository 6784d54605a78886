"""An incident, its clocks and its charges (R9, D9, D10)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from incidents.models.products import Release
from incidents.numbers import grouped
from incidents.statuses import FINISHED, UNFINISHED, Act, Status, allows
from points.models import Charge
from sla.models import ResponseClock
from supportdesk.people.models import Contact, Customer, User
from supportdesk.policy import POLICY


class Channel(models.TextChoices):
    """How an incident began; its price follows (R1)."""

    EMAIL = "email", _("by e-mail")
    PHONE = "phone", _("by phone")


class Kind(models.TextChoices):
    """What an incident may be about (R10); those of ``DECLINED_KINDS`` are generally declined (R11)."""

    INSTALLATION = "installation", _("Installation")
    OPERATION = "operation", _("Operation")
    CONFIGURATION = "configuration", _("Configuration")
    FEATURE = "feature", _("Feature request")
    TUNING = "tuning", _("Performance tuning")
    ARCHITECTURE = "architecture", _("Architecture advice")
    CAPACITY = "capacity", _("Capacity or performance planning")
    OTHER_VENDOR = "other_vendor", _("Another vendor’s software")


DECLINED_KINDS = (Kind.TUNING, Kind.ARCHITECTURE, Kind.CAPACITY, Kind.OTHER_VENDOR)
ACCEPTED_KINDS = tuple(kind for kind in Kind if kind not in DECLINED_KINDS)


class Disposition(models.TextChoices):
    """What becomes of a feature request (D18)."""

    RECEIVED = "received", _("received")
    REVIEWED = "reviewed", _("under review")
    PLANNED = "planned", _("planned")
    RELEASED = "released", _("released")
    NOT_PLANNED = "not_planned", _("not planned")


class OriginKind(models.TextChoices):
    """Why an incident came of another one."""

    SPLIT = "split", _("split off")  # D14
    ANEW = "anew", _("reported anew")  # D16


class StatusChoice(models.TextChoices):
    """The statuses of ``statuses.py`` with their words (D10)."""

    NEW = Status.NEW.value, _("new")
    OPEN = Status.OPEN.value, _("open")
    WAITING = Status.WAITING.value, _("waiting")
    CLOSED = Status.CLOSED.value, _("closed")
    DECLINED = Status.DECLINED.value, _("declined")


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
    # Set while the incident waits for the customer; what reminders and silent closures count from (D10).
    waits_since = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    decline_reason = models.CharField(_("declined as"), max_length=16, choices=Kind, blank=True)
    disposition = models.CharField(_("disposition"), max_length=12, choices=Disposition, blank=True)
    origin = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="offspring")
    origin_kind = models.CharField(max_length=8, choices=OriginKind, blank=True)
    # The incident that this one was merged into; its number leads there (D35).
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged")
    merged_at = models.DateTimeField(null=True, blank=True)

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
            models.CheckConstraint(
                condition=Q(merged_into=None, merged_at=None)
                | Q(merged_into__isnull=False, merged_at__isnull=False, status=Status.CLOSED) & ~Q(merged_into=F("id")),
                name="incident_merged_is_closed",
            ),
            models.CheckConstraint(
                condition=Q(origin=None, origin_kind="") | Q(origin__isnull=False) & ~Q(origin_kind=""),
                name="incident_origin_says_why",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.WAITING, waits_since__isnull=False)
                | ~Q(status=Status.WAITING) & Q(waits_since=None),
                name="incident_waits_since_fits_status",
            ),
        ]
        indexes = [
            models.Index(fields=["opened_at", "id"], condition=Q(status__in=UNFINISHED), name="incident_unfinished"),
            models.Index(
                fields=["reopen_asked_at"], condition=Q(reopen_asked_at__isnull=False), name="incident_decide"
            ),
            models.Index(
                fields=["wrote_at"],
                condition=Q(status=Status.DECLINED, wrote_at__isnull=False),
                name="incident_objected",
            ),
            models.Index(fields=["customer", "-opened_at", "-id"], name="incident_of_customer"),
            models.Index(fields=["owner", "status"], name="incident_of_owner"),
            models.Index(
                fields=["waits_since"], condition=Q(waits_since__isnull=False), name="incident_waits_for_customer"
            ),
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

    def allows(self, act: Act) -> bool:
        """Whether its status lets one do that; a merged one is asked of another row of the table (D10, D35)."""
        return allows(self.status, act, merged=self.merged_into_id is not None)


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
