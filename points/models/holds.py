"""Points whose money went back otherwise: they stay in sight and cannot be spent (D32). All append-only."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from points.models.ledger import Purchase
from supportdesk.people.models import User


class Hold(models.Model):
    """A chargeback, or a refund that was made at the provider: what is left of the purchase's lots is held (D32).

    The database marks the lots; it lasts until its decision.
    """

    class Kind(models.TextChoices):
        CHARGEBACK = "chargeback", _("chargeback")
        REFUND = "refund", _("refund at the provider")

    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="holds")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    provider_ref = models.CharField(_("its reference"), max_length=255, unique=True)
    amount_minor = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    reason = models.CharField(_("the provider’s word"), max_length=500, blank=True)
    happened_at = models.DateTimeField(_("happened"))
    placed_at = models.DateTimeField(_("placed"))

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        ordering: ClassVar = ["placed_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=["chargeback", "refund"]), name="hold_kind_known")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider_ref}"


class HoldNews(models.Model):
    """What the provider says of a chargeback or refund later, in its own word ("won", "lost", "failed")."""

    hold = models.ForeignKey(Hold, on_delete=models.PROTECT, related_name="news")
    status = models.CharField(_("status"), max_length=40)
    heard_at = models.DateTimeField(_("heard"))

    class Meta:
        verbose_name = _("news of a hold")
        verbose_name_plural = _("news of holds")
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["hold", "status"], name="hold_news_once")]

    def __str__(self) -> str:
        return self.status


class HoldDecision(models.Model):
    """What an admin made of a hold: the points are free again, or written off (D32)."""

    class Outcome(models.TextChoices):
        RELEASED = "released", _("released")
        WRITTEN_OFF = "written_off", _("written off")

    hold = models.OneToOneField(Hold, on_delete=models.PROTECT, related_name="decision")
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome)
    points = models.PositiveIntegerField(_("points"), help_text=_("How many were left of it then."))
    reason = models.CharField(_("reason"), max_length=500)
    actor = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(_("decided"))
    key = models.CharField(max_length=100, unique=True)

    class Meta:
        verbose_name = _("decision on a hold")
        verbose_name_plural = _("decisions on holds")
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(reason=""), name="hold_decision_has_a_reason"),
            models.CheckConstraint(condition=Q(outcome__in=["released", "written_off"]), name="hold_outcome_known"),
        ]

    def __str__(self) -> str:
        return self.outcome
