"""Money on its way back to cards: a row first, then a call of the provider (D4, D5)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from points.currencies import said
from points.models.ledger import GiveBack, Purchase


class Refund(models.Model):
    """One leg of a charge that goes back to the card that paid its purchase (D4, D5).

    Written in the transaction that decides it; ``key`` is the provider's idempotency key for ever. ``fence`` counts
    the claims of workers: an outcome of a call is recorded only by the claim that is the latest. The database
    lets a state only go forward: *pending* (not known to the provider, or not known whether), *sent* (on its way),
    *done*, *failed*, which is final and gives the leg back as points; a bank may still send back what was done.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("waiting to be sent")
        SENT = "sent", _("on its way")
        DONE = "done", _("paid back")
        FAILED = "failed", _("refused")

    giveback = models.ForeignKey(GiveBack, on_delete=models.PROTECT, related_name="refunds")
    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="refunds")
    points = models.PositiveIntegerField(_("points"))
    amount_minor = models.PositiveBigIntegerField(_("amount"), help_text=_("In the currency’s smallest unit."))
    currency = models.CharField(_("currency"), max_length=3)
    key = models.CharField(max_length=100, unique=True, editable=False)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.PENDING)
    provider_ref = models.CharField(_("its reference"), max_length=255, unique=True, null=True)  # noqa: DJ001
    word = models.CharField(_("the provider’s word"), max_length=500, blank=True)
    decided_at = models.DateTimeField(_("decided"))
    settled_at = models.DateTimeField(_("settled"), null=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    claimed_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(_("claims"), default=0)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering: ClassVar = ["-decided_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["giveback", "purchase"], name="refund_once_a_leg"),
            models.CheckConstraint(condition=Q(points__gt=0, amount_minor__gt=0), name="refund_has_money"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "sent", "done", "failed"]), name="refund_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "sent"], settled_at=None)
                | Q(state__in=["done", "failed"], settled_at__isnull=False),
                name="refund_settled_when",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "failed"]) | Q(provider_ref__isnull=False),
                name="refund_sent_has_its_reference",
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None) | Q(settled_at__gte=F("decided_at")), name="refund_settled_after"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at", "id"], condition=Q(state__in=["pending", "sent"]), name="refund_due"),
            models.Index(fields=["purchase"], condition=~Q(state="failed"), name="refund_live"),
        ]

    def __str__(self) -> str:
        return said(self.amount_minor, self.currency)
