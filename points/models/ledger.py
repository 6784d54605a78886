"""The ledger: purchases, lots, charges, entries (D1–D6).

Entries are the truth. A lot's ``remaining`` is moved by the database alone, when an entry is inserted;
rows are never changed or deleted, by the application or by SQL (see the migration ``ledger``).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from supportdesk.people.models import Customer, User
from supportdesk.policy import POLICY


class PurchaseKind(models.TextChoices):
    """How points came to a customer (D32)."""

    CARD = "card", _("card")
    INVOICE = "invoice", _("invoice")
    GRANT = "grant", _("grant")


class Purchase(models.Model):
    """Points bought at once, or granted: what was paid for them, and the local date that counts (D1, D5, D32)."""

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="purchases"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=PurchaseKind)
    points = models.PositiveIntegerField(_("points"))
    amount_minor = models.PositiveBigIntegerField(
        _("amount"), default=0, help_text=_("In the currency’s smallest unit.")
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, help_text=_("ISO 4217, for example EUR."))
    bought_at = models.DateTimeField(_("bought"))
    bought_on = models.DateField(_("bought on"), help_text=_("The customer’s local date."))
    zone = models.CharField(_("time zone then"), max_length=64)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    actor = models.ForeignKey(User, verbose_name=_("by"), on_delete=models.PROTECT, null=True, related_name="+")
    provider = models.CharField(_("payment provider"), max_length=16, blank=True)
    provider_ref = models.CharField(_("its reference"), max_length=255, blank=True)
    card_brand = models.CharField(_("card"), max_length=20, blank=True, db_default="")
    card_last4 = models.CharField(_("card ends in"), max_length=4, blank=True, db_default="")
    key = models.CharField(max_length=100, unique=True, editable=False)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering: ClassVar = ["-bought_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(points__gte=1, points__lte=POLICY.lot_points_max), name="purchase_points_in_range"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor=0, currency="") | Q(amount_minor__gt=0, currency__regex=r"^[A-Z]{3}$"),
                name="purchase_money_has_its_currency",
            ),
            models.CheckConstraint(condition=Q(kind="card") | ~Q(reason=""), name="purchase_by_hand_has_a_reason"),
            models.CheckConstraint(condition=Q(kind__in=PurchaseKind.values), name="purchase_kind_known"),
            models.CheckConstraint(condition=~Q(kind="grant") | Q(amount_minor=0), name="purchase_grant_is_free"),
            models.CheckConstraint(
                condition=(Q(kind="card", amount_minor__gt=0) & ~Q(provider="") & ~Q(provider_ref=""))
                | (~Q(kind="card") & Q(provider="", provider_ref="", card_last4="")),
                name="purchase_by_card_has_its_payment",
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_ref"], condition=~Q(provider=""), name="purchase_once_a_payment"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} points, {self.bought_on:%Y-%m-%d}"


class Lot(models.Model):
    """Points that were bought, or credited, together, and expire together (D1, D3)."""

    class Origin(models.TextChoices):
        PURCHASE = "purchase", _("purchase")
        CREDIT = "credit", _("credit")

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="lots")
    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="lots")
    origin = models.CharField(_("origin"), max_length=8, choices=Origin, default=Origin.PURCHASE)
    # Of a credit: the lot that the charge drew on, and the charge (D3).
    from_lot = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="credits")
    from_charge = models.ForeignKey("Charge", on_delete=models.PROTECT, null=True, related_name="credits")
    points = models.PositiveIntegerField(_("points"))
    remaining = models.PositiveIntegerField(_("left"), default=0, help_text=_("Kept by the database alone."))
    held = models.BooleanField(_("on hold"), db_default=False, help_text=_("Kept by the database alone."))
    bought_at = models.DateTimeField(_("bought"))
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("lot")
        verbose_name_plural = _("lots")
        ordering: ClassVar = ["expires_at", "bought_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(points__gt=0), name="lot_has_points"),
            models.CheckConstraint(condition=Q(remaining__gte=0, remaining__lte=F("points")), name="lot_not_overspent"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("bought_at")), name="lot_lives"),
            models.CheckConstraint(
                condition=Q(origin="purchase", from_lot=None, from_charge=None)
                | Q(origin="credit", from_lot__isnull=False, from_charge__isnull=False),
                name="lot_credit_has_its_lot",
            ),
            models.UniqueConstraint(fields=["from_charge", "from_lot"], name="lot_credited_once_a_leg"),
            models.UniqueConstraint(fields=["purchase"], condition=Q(origin="purchase"), name="lot_of_a_purchase_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["customer", "expires_at", "bought_at", "id"], condition=Q(remaining__gt=0), name="lot_on_hand"
            ),
            models.Index(fields=["expires_at"], condition=Q(remaining__gt=0), name="lot_to_expire"),
        ]

    def __str__(self) -> str:
        return f"lot {self.pk}"


class Charge(models.Model):
    """What opening one incident cost (R1, R3). ``reference`` is its ticket number; it knows no incident."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="charges")
    points = models.PositiveIntegerField(_("points"))
    channel = models.CharField(_("channel"), max_length=8)
    reference = models.CharField(_("ticket number"), max_length=32, db_index=True)
    charged_at = models.DateTimeField(_("charged"))
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    key = models.CharField(max_length=100, unique=True)

    class Meta:
        verbose_name = _("charge")
        verbose_name_plural = _("charges")
        ordering: ClassVar = ["-charged_at", "-id"]
        constraints: ClassVar = [models.CheckConstraint(condition=Q(points__gt=0), name="charge_has_points")]

    def __str__(self) -> str:
        return f"{self.points} points for {self.reference}"


class GiveBack(models.Model):
    """That a charge was given back: once, by points or by money, in full (D4).

    Its credits name the charge. ``expires_at`` is a later expiry than the rule gives them, granted with the
    reason (D3).
    """

    class Means(models.TextChoices):
        POINTS = "points", _("points")
        CARD = "card", _("card")

    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, related_name="given_back")
    means = models.CharField(_("by"), max_length=8, choices=Means)
    at = models.DateTimeField(_("given back"))
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(_("reason"), max_length=500)
    expires_at = models.DateTimeField(_("granted until"), null=True)
    key = models.CharField(max_length=100, unique=True)

    class Meta:
        verbose_name = _("charge given back")
        verbose_name_plural = _("charges given back")
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(reason=""), name="giveback_has_a_reason"),
            models.CheckConstraint(condition=Q(means__in=["points", "card"]), name="giveback_means_known"),
            models.CheckConstraint(
                condition=Q(means="points") | Q(expires_at=None), name="giveback_of_money_expires_never"
            ),
        ]

    def __str__(self) -> str:
        return f"charge {self.charge_id} by {self.means}"


class Cause(models.TextChoices):
    """Why a balance changed (D6)."""

    PURCHASE = "purchase", _("Bought or granted")
    CREDIT = "credit", _("Credited")
    CHARGE = "charge", _("Incident")
    EXPIRY = "expiry", _("Expired")
    WRITEOFF = "writeoff", _("Written off")


OPENING = (Cause.PURCHASE, Cause.CREDIT)


class Entry(models.Model):
    """One change of one lot: append-only (D6).

    ``at`` is the instant at which it counts (an expiry at its lot's), ``recorded_at`` the one at which it was
    written, by the database's clock.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="entries")
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="entries", db_index=False)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT, null=True, related_name="entries")
    cause = models.CharField(_("cause"), max_length=8, choices=Cause)
    points = models.IntegerField(_("points"))
    at = models.DateTimeField(_("counts at"))
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now())
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    key = models.CharField(max_length=120, unique=True)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering: ClassVar = ["-at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(cause__in=OPENING, points__gt=0) | (~Q(cause__in=OPENING) & Q(points__lt=0)),
                name="entry_sign_fits_cause",
            ),
            models.CheckConstraint(condition=Q(cause__in=Cause.values), name="entry_cause_known"),
            models.CheckConstraint(
                condition=~Q(cause=Cause.CHARGE) | Q(charge__isnull=False), name="entry_of_a_charge_names_it"
            ),
            models.UniqueConstraint(fields=["lot"], condition=Q(cause__in=OPENING), name="entry_opens_a_lot_once"),
            models.UniqueConstraint(fields=["lot"], condition=Q(cause=Cause.EXPIRY), name="entry_expires_a_lot_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["customer", "-at", "-id"], name="entry_statement"),
            models.Index(fields=["lot", "-at"], name="entry_latest_of_a_lot"),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.points:+d}"


class Tally(models.Model):
    """What the entries of one customer and cause come to that count in one hour, or in a quarter of one (D6).

    Kept by the database alone, when entries are inserted, so that the picture of a year reads no more than its
    hours, however many entries there are. In all zones a day begins with a quarter, in most with an hour.
    """

    HOUR, QUARTER = 60, 15

    pk = models.CompositePrimaryKey("customer_id", "minutes", "begins", "cause")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    minutes = models.PositiveSmallIntegerField(_("minutes"))
    begins = models.DateTimeField(_("since"))
    cause = models.CharField(_("cause"), max_length=8, choices=Cause)
    points = models.IntegerField(_("points"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")

    def __str__(self) -> str:
        return f"{self.cause} {self.points:+d}"


class ExpiryWarning(models.Model):
    """That the customer was warned of a lot's expiry, so many days before it: once each, append-only (D7)."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="warnings")
    days = models.PositiveSmallIntegerField(_("days before"))
    warned_at = models.DateTimeField(_("warned"))

    class Meta:
        verbose_name = _("expiry warning")
        verbose_name_plural = _("expiry warnings")
        ordering: ClassVar = ["-warned_at", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["lot", "days"], name="expiry_warned_once")]

    def __str__(self) -> str:
        return f"lot {self.lot_id}, {self.days} days"


class LowBalance(models.Model):
    """That a balance fell under the price of the cheapest incident, and the customer was told: append-only (D7).

    ``fell_at`` is the instant of the fall: a charge's, or without ``charge`` that of an expiry.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="low_balances")
    charge = models.OneToOneField(Charge, on_delete=models.PROTECT, null=True, related_name="low_balance")
    fell_at = models.DateTimeField(_("fell"))
    on_hand = models.PositiveIntegerField(_("left"))
    warned_at = models.DateTimeField(_("warned"))

    class Meta:
        verbose_name = _("low balance")
        verbose_name_plural = _("low balances")
        ordering: ClassVar = ["-fell_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["customer", "fell_at"], condition=Q(charge=None), name="low_balance_by_expiry_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["customer", "-fell_at"], name="low_balance_latest")]

    def __str__(self) -> str:
        return f"{self.on_hand} points left"


class LedgerSetting(models.Model):
    """One row that only the owner's role may write: how far an entry may be off the database's clock (D40)."""

    clock_tolerance = models.DurationField(default=POLICY.clock_tolerance)

    def __str__(self) -> str:
        return "ledger setting"
