"""What is sold by card: packs and their prices, payments, and what the provider says of them (D32)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from points.currencies import said
from points.models.ledger import Purchase
from supportdesk.people.models import Customer, User
from supportdesk.policy import POLICY


class Pack(models.Model):
    """Points that are sold together (D32). One without a price is not offered."""

    points = models.PositiveIntegerField(_("points"), unique=True)
    active = models.BooleanField(_("offered"), default=True)

    class Meta:
        verbose_name = _("pack")
        verbose_name_plural = _("packs")
        ordering: ClassVar = ["points"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(points__gte=1, points__lte=POLICY.lot_points_max), name="pack_points_in_range"
            )
        ]

    def __str__(self) -> str:
        return f"{self.points} points"


class Price(models.Model):
    """What a pack costs in one currency, in its smallest unit (D32, D37). A payment copies it when it begins."""

    pack = models.ForeignKey(Pack, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(_("currency"), max_length=3, help_text=_("ISO 4217, for example EUR."))
    amount_minor = models.PositiveBigIntegerField(_("price"), help_text=_("In the currency’s smallest unit."))

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering: ClassVar = ["pack__points", "currency"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pack", "currency"], name="price_once_a_currency"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, amount_minor__lte=POLICY.price_minor_max), name="price_in_range"
            ),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="price_currency_is_one"),
        ]

    def __str__(self) -> str:
        return said(self.amount_minor, self.currency)


class Payment(models.Model):
    """One try to buy a pack by card: what was asked for, and whether the provider says that it was paid (D32).

    ``provider_ref`` names the provider's payment intent. Points, amount and currency are those of the moment at
    which it began, so that a price that changes meanwhile changes nothing.
    """

    class State(models.TextChoices):
        OPEN = "open", _("not paid yet")
        PAID = "paid", _("paid")
        CANCELLED = "cancelled", _("given up")
        CONTRADICTED = "contradicted", _("the provider’s record differs")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="payments")
    user = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.PROTECT, related_name="+")
    points = models.PositiveIntegerField(_("points"))
    amount_minor = models.PositiveBigIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.OPEN)
    provider_ref = models.CharField(_("its reference"), max_length=255, unique=True, null=True)  # noqa: DJ001
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    started_at = models.DateTimeField(_("begun"))
    looked_at = models.DateTimeField(_("last looked at"))
    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, null=True, related_name="payment")
    key = models.CharField(max_length=100, unique=True, editable=False)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering: ClassVar = ["-started_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="paid", purchase__isnull=False, provider_ref__isnull=False)
                | (~Q(state="paid") & Q(purchase=None)),
                name="payment_paid_has_its_purchase",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "paid", "cancelled", "contradicted"]), name="payment_state_known"
            ),
            models.CheckConstraint(
                condition=Q(points__gte=1, points__lte=POLICY.lot_points_max, amount_minor__gt=0),
                name="payment_in_range",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["looked_at"], condition=Q(state="open"), name="payment_open"),
            models.Index(fields=["started_at"], condition=Q(state="contradicted"), name="payment_contradicted"),
        ]

    def __str__(self) -> str:
        return f"{self.points} points for {said(self.amount_minor, self.currency)}"


class ProviderEvent(models.Model):
    """That the provider said something happened to a payment: a hint to look, never the fact itself (D32).

    Unique by the provider's own number, so that it counts once whatever order it comes in. The body is not kept:
    what counts is fetched again.
    """

    class Outcome(models.TextChoices):
        WAITING = "", _("not yet handled")
        APPLIED = "applied", _("looked after")
        UNKNOWN = "unknown", _("of no payment of ours")
        IGNORED = "ignored", _("of no interest")
        CONTRADICTS = "contradicts", _("contradicts our records")

    event_ref = models.CharField(_("event"), max_length=255, unique=True)
    kind = models.CharField(_("kind"), max_length=100)
    payment_ref = models.CharField(_("payment"), max_length=255, blank=True, db_index=True)
    received_at = models.DateTimeField(_("received"))
    deliveries = models.PositiveIntegerField(_("deliveries"), default=1)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, blank=True, default=Outcome.WAITING)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    handled_at = models.DateTimeField(_("handled"), null=True)

    class Meta:
        verbose_name = _("payment event")
        verbose_name_plural = _("payment events")
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["next_try_at", "id"], condition=Q(outcome=""), name="provider_event_unhandled")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(outcome="", handled_at=None) | (~Q(outcome="") & Q(handled_at__isnull=False)),
                name="provider_event_handled_when",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_ref}"


class RefusedCall(models.Model):
    """How often in a day somebody called the address of the payment events and was refused, and why.

    Counted, not kept: anybody can call it.
    """

    day = models.DateField(_("day"), help_text="UTC")
    reason = models.CharField(_("reason"), max_length=40)
    times = models.PositiveIntegerField(_("times"), default=1)
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("refused call")
        verbose_name_plural = _("refused calls")
        ordering: ClassVar = ["-day", "reason"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["day", "reason"], name="refused_call_once_a_day")]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.reason}"
