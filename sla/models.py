"""Response clocks: when an answer was due, and what became of it (R6, D12, D13)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from supportdesk.places import Place

Threshold = Literal["first", "last"]


class Outcome(models.TextChoices):
    """What became of a clock; only the first has no end yet (D12)."""

    RUNNING = "running", _("running")
    MET = "met", _("in time")
    BREACHED = "breached", _("late")
    WITHDRAWN = "withdrawn", _("withdrawn")
    DECLINED = "declined", _("declined")
    MERGED = "merged", _("merged")


ENDS_UNANSWERED = frozenset({Outcome.WITHDRAWN, Outcome.DECLINED, Outcome.MERGED})


class ResponseClock(models.Model):
    """One promise of an answer: runs from ``started_at``, never pauses, ends once (R6, D12).

    All instants are UTC. The place is the one that the deadline was planned for, and ``plan`` the days that made it
    (``sla.deadline.Plan.as_data``), so that the deadline stays explained when the calendar changes later (D24).
    It knows nothing of incidents: they point here.
    """

    country = models.CharField(_("country"), max_length=2)
    subdivision = models.CharField(_("subdivision"), max_length=40, blank=True)
    zone = models.CharField(_("time zone"), max_length=64)

    started_at = models.DateTimeField(_("logged at"))
    minutes = models.PositiveIntegerField(_("business minutes"))
    due_at = models.DateTimeField(_("due at"))
    plan = models.JSONField(_("days that counted"))

    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=9, choices=Outcome.choices, default=Outcome.RUNNING)

    # Planned and done, so that the sweep is a look into an index.
    warn_first_at = models.DateTimeField(_("first warning planned for"))
    warn_last_at = models.DateTimeField(_("last warning planned for"))
    warned_first_at = models.DateTimeField(_("first warned at"), null=True, blank=True)
    warned_last_at = models.DateTimeField(_("last warned at"), null=True, blank=True)
    breach_announced_at = models.DateTimeField(_("announced as late at"), null=True, blank=True)

    class Meta:
        verbose_name = _("response clock")
        verbose_name_plural = _("response clocks")
        indexes: ClassVar = [
            models.Index(
                fields=["warn_first_at"],
                name="sla_clock_warn_first",
                condition=Q(ended_at=None, warned_first_at=None),
            ),
            models.Index(
                fields=["warn_last_at"],
                name="sla_clock_warn_last",
                condition=Q(ended_at=None, warned_last_at=None),
            ),
            models.Index(
                fields=["due_at"],
                name="sla_clock_announce",
                condition=Q(ended_at=None, breach_announced_at=None),
            ),
            models.Index(fields=["country", "due_at"], name="sla_clock_running", condition=Q(ended_at=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(name="sla_clock_due_after_start", condition=Q(due_at__gt=F("started_at"))),
            models.CheckConstraint(name="sla_clock_minutes_positive", condition=Q(minutes__gt=0)),
            models.CheckConstraint(
                name="sla_clock_warned_in_order",
                condition=Q(warn_first_at__lte=F("warn_last_at"), warn_last_at__lt=F("due_at")),
            ),
            models.CheckConstraint(
                name="sla_clock_ends_after_start",
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")),
            ),
            models.CheckConstraint(
                name="sla_clock_answer_ends_it",
                condition=Q(answered_at=None) | Q(ended_at=F("answered_at")),
            ),
            # The outcome says nothing that the instants do not (D13). Each branch says what may be null: a comparison
            # with NULL would pass the check.
            models.CheckConstraint(
                name="sla_clock_outcome_is_fact",
                condition=Q(outcome=Outcome.RUNNING, ended_at__isnull=True, answered_at__isnull=True)
                | Q(outcome=Outcome.MET, answered_at__isnull=False, ended_at__isnull=False, ended_at__lte=F("due_at"))
                | Q(outcome=Outcome.BREACHED, ended_at__isnull=False, ended_at__gt=F("due_at"))
                | Q(
                    outcome__in=sorted(ENDS_UNANSWERED),
                    answered_at__isnull=True,
                    ended_at__isnull=False,
                    ended_at__lte=F("due_at"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"clock {self.pk}: {self.outcome}, due {self.due_at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def place(self) -> Place:
        """The place whose calendar the deadline was planned by (D23)."""
        return Place(country=self.country, subdivision=self.subdivision, zone=self.zone)

    def is_late(self, at: datetime) -> bool:
        """Whether the promise is broken at ``at``: it ended, or still runs, past its deadline (D12, D13)."""
        return (self.ended_at or at) > self.due_at

    def warning_due(self, at: datetime) -> Threshold | None:
        """Which warning is to be sent at ``at``; when both are, only the last (D13)."""
        if self.ended_at is not None or at > self.due_at or self.warned_last_at is not None:
            return None
        if self.warn_last_at <= at:
            return "last"
        return "first" if self.warned_first_at is None and self.warn_first_at <= at else None

    def announced_but_in_time(self, at: datetime) -> bool:
        """Whether it was announced as late and by a later calendar is not (D23)."""
        return self.breach_announced_at is not None and not self.is_late(at)
