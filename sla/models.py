"""Response clocks: when an answer was due, and what became of it (R6, D12, D13). Closures and open days (D23)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import ClassVar, Literal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from sla.closures import FIRST_YEAR, LAST_YEAR, Reach, Rule
from sla.holidays import Libraries
from supportdesk import words
from supportdesk.people.models import Customer, User
from supportdesk.places import Place
from supportdesk.policy import POLICY

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
    customer = models.ForeignKey(
        Customer,
        verbose_name=_("customer"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,  # only running clocks are looked for by customer
        help_text=_("Whose own closures count; nobody’s where empty."),
    )
    calendar_number = models.PositiveBigIntegerField(
        _("calendar"), default=0, help_text=_("The state of the calendars that the deadline was planned by.")
    )

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
            # The order in which a change of the calendars is worked off: what is done leaves the front.
            models.Index(fields=["calendar_number", "id"], name="sla_clock_replan", condition=Q(ended_at=None)),
            models.Index(
                fields=["customer", "due_at"],
                name="sla_clock_customer",
                condition=Q(ended_at=None, customer__isnull=False),
            ),
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


class ClosureKind(models.TextChoices):
    """Whether a rule closes days or opens them (D23)."""

    CLOSED = "closed", _("closure")
    OPEN = "open", _("open day")


def _reach_is_one() -> Q:
    """Everyone, a country, a subdivision of it, or one customer."""
    return Q(customer__isnull=True) & (Q(subdivision="") | ~Q(country="")) | Q(country="", subdivision="")


class Closure(models.Model):
    """Whole local days that an admin closes, or opens from 9 to 17, for everyone, a place or one customer (D23).

    Written by ``sla.closing`` alone, which moves the calendars' number in the same transaction. What is taken back
    stays, with ``removed_at``.
    """

    kind = models.CharField(_("kind"), max_length=6, choices=ClosureKind, default=ClosureKind.CLOSED)
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"), help_text=_("Included."))
    name = models.CharField(
        _("name"), max_length=POLICY.closure_name_max, help_text=_("Customers read it where a deadline is explained.")
    )
    country = models.CharField(_("country"), max_length=2, blank=True, help_text=_("Empty: every country."))
    subdivision = models.CharField(
        _("subdivision"), max_length=40, blank=True, help_text=_("Empty: all of the country.")
    )
    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    uid = models.CharField(_("UID"), max_length=255, blank=True, help_text=_("Of the event that it was read from."))
    key = models.CharField(max_length=100, unique=True, editable=False)
    created_at = models.DateTimeField(_("made at"))
    created_by = models.ForeignKey(
        User, verbose_name=_("made by"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    removed_at = models.DateTimeField(_("removed at"), null=True, blank=True)
    removed_by = models.ForeignKey(
        User, verbose_name=_("removed by"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("closure or open day")
        verbose_name_plural = _("closures and open days")
        ordering: ClassVar = ["first_day", "id"]
        indexes: ClassVar = [
            models.Index(fields=["first_day", "id"], name="sla_closure_in_force", condition=Q(removed_at=None))
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=ClosureKind.values), name="sla_closure_kind_known"),
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="sla_closure_days_in_order"),
            models.CheckConstraint(
                condition=Q(last_day__lt=F("first_day") + timedelta(days=POLICY.closure_days_max)),
                name="sla_closure_within_a_year",
            ),
            models.CheckConstraint(
                condition=Q(first_day__gte=date(FIRST_YEAR, 1, 1), last_day__lte=date(LAST_YEAR, 12, 31)),
                name="sla_closure_in_the_years",
            ),
            models.CheckConstraint(condition=Q(name__regex=r"\S"), name="sla_closure_has_a_name"),
            models.CheckConstraint(condition=_reach_is_one(), name="sla_closure_reach_is_one"),
            models.CheckConstraint(
                condition=Q(removed_at=None, removed_by=None) | Q(removed_at__gte=F("created_at")),
                name="sla_closure_removed_after_made",
            ),
            models.UniqueConstraint(
                fields=["kind", "country", "subdivision", "customer", "first_day", "last_day", "name"],
                condition=Q(removed_at=None),
                nulls_distinct=False,
                name="sla_closure_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {words.dates(self.first_day, self.last_day)}"

    @property
    def reach(self) -> Reach:
        """Whom it is for."""
        return Reach(country=self.country, subdivision=self.subdivision, customer_id=self.customer_id)

    @property
    def rule(self) -> Rule:
        """What it says."""
        return Rule(self.first_day, self.last_day, self.name, opens=self.kind == ClosureKind.OPEN, reach=self.reach)


class CalendarState(models.Model):
    """The one row that says which calendars hold: ``number`` grows with each change, ``mark`` is never used twice.

    Who plans a deadline holds a share of this row until the transaction ends, who changes calendars has it alone. So
    no deadline is planned by calendars that are changed before it is committed (D23).
    """

    ONLY: ClassVar = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.PositiveBigIntegerField(_("number"), default=1)
    mark = models.UUIDField(_("mark"))
    holidays = models.CharField(_("release of holidays"), max_length=32, blank=True)
    tzdata = models.CharField(_("release of tzdata"), max_length=32, blank=True)

    class Meta:
        verbose_name = _("state of the calendars")
        verbose_name_plural = _("states of the calendars")
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="sla_calendarstate_is_one")]

    def __str__(self) -> str:
        return f"calendars {self.number}"

    @property
    def libraries(self) -> Libraries:
        """The packages that the calendars are made from."""
        return Libraries(holidays=self.holidays, tzdata=self.tzdata)


class CalendarChange(models.Model):
    """One change of the calendars: whom and which days it touches, and when all running clocks were planned anew (D23).

    ``number`` is the state that it led to; a clock that it touches is out of date while its own number is lower.
    """

    number = models.PositiveBigIntegerField(_("number"), primary_key=True)
    what = models.CharField(
        _("what"),
        max_length=10,
        choices=[
            ("added", _("added")),
            ("changed", _("changed")),
            ("removed", _("removed")),
            ("imported", _("imported")),
            ("libraries", _("new holidays or time zones")),
        ],
    )
    country = models.CharField(_("country"), max_length=2, blank=True)
    subdivision = models.CharField(_("subdivision"), max_length=40, blank=True)
    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    data = models.JSONField(_("before and after"), default=dict)
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.PROTECT, null=True, related_name="+")
    replanned_at = models.DateTimeField(_("clocks planned anew at"), null=True, blank=True)

    class Meta:
        verbose_name = _("change of the calendars")
        verbose_name_plural = _("changes of the calendars")
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [models.Index(fields=["number"], name="sla_change_pending", condition=Q(replanned_at=None))]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="sla_change_days_in_order"),
            models.CheckConstraint(condition=_reach_is_one(), name="sla_change_reach_is_one"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.what}"

    @property
    def reach(self) -> Reach:
        """Whom it touches."""
        return Reach(country=self.country, subdivision=self.subdivision, customer_id=self.customer_id)
