"""Product failures and what becomes of their charges (R14, D17). Part of ``incidents.models``, which knows it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from points.models import Charge
from supportdesk.people.models import Contact, User

REFERENCE_MAX = 120
REASON_MAX = 500


class CaseState(models.TextChoices):
    """How far a product failure is (D17)."""

    MARKED = "marked", _("marked")
    ASKED = "asked", _("customer asked")
    DETERMINED = "determined", _("determined")


class Choice(models.TextChoices):
    """How the customer wants the charge back."""

    POINTS = "points", _("points")
    CARD = "card", _("card")


class CaseOutcome(models.TextChoices):
    """What an admin made of it."""

    CREDITED = "credited", _("points given back")
    REFUNDED = "refunded", _("to the card")
    REFUSED = "refused", _("credit refused")


class CreditCase(models.Model):
    """An incident that turned out to be a product failure: its charge is to be given back, once (R14, D4, D17)."""

    incident = models.ForeignKey("incidents.Incident", on_delete=models.PROTECT, related_name="credit_cases")
    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="credit_case")
    reference = models.CharField(_("reference of the bug"), max_length=REFERENCE_MAX)
    state = models.CharField(_("state"), max_length=12, choices=CaseState, default=CaseState.MARKED)
    marked_by = models.ForeignKey(User, verbose_name=_("marked by"), on_delete=models.PROTECT, related_name="+")
    marked_at = models.DateTimeField(_("marked"))
    key = models.CharField(max_length=64, unique=True, help_text="Made before the first try, by the form.")
    asked_at = models.DateTimeField(_("asked"), null=True)
    answer_due = models.DateTimeField(_("answer by"), null=True, help_text="From then on silence means points.")
    choice = models.CharField(_("customer wants"), max_length=8, choices=Choice, blank=True)
    # Nobody where silence chose.
    chosen_by = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    chosen_at = models.DateTimeField(null=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=CaseOutcome, blank=True)
    reason = models.CharField(_("reason"), max_length=REASON_MAX, blank=True)
    later_until = models.DateTimeField(null=True, help_text="A later expiry of the credits, granted with the reason.")
    determined_by = models.ForeignKey(
        User, verbose_name=_("determined by"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    determined_at = models.DateTimeField(_("determined"), null=True)
    decision_key = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 unique where there is one

    class Meta:
        verbose_name = _("credit")
        verbose_name_plural = _("credits")
        ordering = ["marked_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(reference=""), name="case_has_a_reference"),
            models.CheckConstraint(condition=Q(state__in=CaseState), name="case_state_known"),
            models.CheckConstraint(
                condition=Q(asked_at=None, answer_due=None) | Q(asked_at__isnull=False, answer_due__isnull=False),
                name="case_asked_until",
            ),
            models.CheckConstraint(condition=~Q(state="marked") | Q(asked_at=None), name="case_marked_is_not_asked"),
            models.CheckConstraint(condition=~Q(state="asked") | Q(asked_at__isnull=False), name="case_asked_when"),
            models.CheckConstraint(
                condition=Q(choice="", chosen_at=None, chosen_by=None)
                | Q(choice__in=["points", "card"], chosen_at__isnull=False),
                name="case_chosen_when",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="determined",
                    outcome__in=["credited", "refunded", "refused"],
                    determined_by__isnull=False,
                    determined_at__isnull=False,
                    decision_key__isnull=False,
                )
                | (
                    ~Q(state="determined")
                    & Q(outcome="", determined_by=None, determined_at=None, decision_key=None, later_until=None)
                ),
                name="case_determined_whole",
            ),
            models.CheckConstraint(
                condition=(~Q(outcome="refused") & Q(later_until=None)) | ~Q(reason=""), name="case_says_why"
            ),
        ]
        indexes = [
            models.Index(fields=["marked_at", "id"], condition=~Q(state="determined"), name="case_open"),
            models.Index(fields=["answer_due"], condition=Q(state="asked", choice=""), name="case_unanswered"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_open(self) -> bool:
        """True until an admin has determined it."""
        return self.state != CaseState.DETERMINED
