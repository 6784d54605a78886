"""Readers of the tips, issues, and which reader got which issue (R15)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from supportdesk.tips.quarters import Act, Quarter, State, allows


class Asked(models.Model):
    """That somebody asked for the tips at an address: its link confirms it, once, within its time (R15).

    Of the link's token only the digest is kept. Swept some days after its time.
    """

    key = models.CharField(max_length=64, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    email = models.EmailField(_("e-mail address"))
    network = models.CharField(_("asked from"), max_length=64)
    asked_at = models.DateTimeField(_("asked"))
    kept_until = models.DateTimeField(_("until"))
    message_id = models.CharField(_("mail"), max_length=250)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["network", "asked_at"], name="tips_asked_by_network"),
            models.Index(fields=["kept_until"], name="tips_asked_by_end"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SubscriberQuerySet(models.QuerySet["Subscriber"]):
    def reading(self) -> SubscriberQuerySet:
        """Those who get the tips."""
        return self.filter(unsubscribed_at=None, bounced_at=None)


class Subscriber(models.Model):
    """An address that confirmed it wants the tips; it stays when it wants them no longer, so that none are sent.

    ``proof`` is the Message-ID of the mail whose link was followed; none where they were signed in with the address.
    """

    email = models.EmailField(_("e-mail address"), unique=True)
    asked_at = models.DateTimeField(_("asked"))
    confirmed_at = models.DateTimeField(_("confirmed"))
    proof = models.CharField(_("by the link in"), max_length=250, blank=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True, blank=True)
    # Its server refused an issue for good, or a delivery report came back (D28); none once it confirms anew.
    bounced_at = models.DateTimeField(_("mail bounced"), null=True, blank=True)

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        verbose_name = _("reader of the tips")
        verbose_name_plural = _("readers of the tips")
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="tips_subscriber_in_lower_case"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["id"], condition=models.Q(unsubscribed_at=None, bounced_at=None), name="tips_subscriber_reading"
            ),
            models.Index(fields=["id"], condition=~models.Q(unsubscribed_at=None), name="tips_subscriber_gone"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_reading(self) -> bool:
        """Whether the next issue goes there."""
        return self.unsubscribed_at is None and self.bounced_at is None


class Issue(models.Model):
    """One issue of the tips. From its start on the database refuses to change what it says, or to begin it anew.

    ``reached`` is the reader whom the latest batch ended with: batches go by number, ever forward, so that whatever
    is run again goes on behind it. ``readers`` is how many there were at the start.
    """

    title = models.CharField(_("title"), max_length=120, help_text=_("The subject of the mail."))
    year = models.PositiveSmallIntegerField(_("year"))
    quarter = models.PositiveSmallIntegerField(
        _("quarter"), choices=[(1, _("first")), (2, _("second")), (3, _("third")), (4, _("fourth"))]
    )
    text = models.TextField(_("text"), help_text=_("Markdown: # heading, **strong**, [words](https://…), lists, code."))
    published_at = models.DateTimeField(_("published"), null=True, editable=False)
    is_sample = models.BooleanField(_("is the sample"), default=False, editable=False)
    started_at = models.DateTimeField(_("sent from"), null=True, editable=False)
    started_by = models.ForeignKey(
        User, verbose_name=_("sent by"), on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )
    readers = models.PositiveIntegerField(_("readers"), default=0, editable=False)
    reached = models.BigIntegerField(default=0, editable=False)
    next_batch_at = models.DateTimeField(null=True, editable=False)
    paused_at = models.DateTimeField(_("paused"), null=True, editable=False)
    # The database that it is sent from: in a restored one nobody knows how far it got since the dump.
    sent_from = models.CharField(max_length=100, default="", editable=False)
    # It rested for long, or a backup was restored: somebody has to look first.
    rested = models.BooleanField(default=False, editable=False)
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    class Meta:
        verbose_name = _("issue of the tips")
        verbose_name_plural = _("issues of the tips")
        ordering: ClassVar[list[str]] = ["-year", "-quarter", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(quarter__range=(1, 4)), name="tips_issue_quarter"),
            models.UniqueConstraint(
                fields=["is_sample"], condition=models.Q(is_sample=True), name="tips_issue_one_sample"
            ),
            models.CheckConstraint(
                condition=models.Q(is_sample=False) | ~models.Q(published_at=None), name="tips_issue_sample_published"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_batch_at"],
                condition=models.Q(paused_at=None, cancelled_at=None, finished_at=None),
                name="tips_issue_due",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def of(self) -> Quarter:
        return Quarter(self.year, self.quarter)

    @property
    def state(self) -> State:
        """Where it stands, by its instants."""
        if self.started_at is None:
            return State.DRAFT if self.published_at is None else State.PUBLISHED
        if self.cancelled_at is not None:
            return State.CANCELLED
        if self.finished_at is not None:
            return State.SENT
        return State.SENDING if self.paused_at is None else State.PAUSED

    def allows(self, act: Act) -> bool:
        return allows(self.state, act)


class Delivery(models.Model):
    """That an issue was put into the outbox for a reader: once, whatever dies or runs twice (R15).

    Without a ``mail`` it was taken out of the outbox again, at ``withdrawn_at``.
    """

    issue = models.ForeignKey(Issue, on_delete=models.PROTECT, related_name="deliveries")
    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="deliveries")
    mail = models.OneToOneField(OutgoingMail, on_delete=models.SET_NULL, null=True, related_name="tips_delivery")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["issue", "subscriber"], name="tips_delivery_once"),
        ]

    def __str__(self) -> str:
        return f"{self.issue_id} → {self.subscriber_id}"
