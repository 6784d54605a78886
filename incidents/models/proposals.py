"""Splits, and what waits for points (D8, D14, D35)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from incidents.models.files import Attachment
from incidents.models.incident import Incident
from incidents.models.messages import Message
from supportdesk.people.models import Contact, User
from supportdesk.policy import POLICY


class Proposal(models.Model):
    """What a technician wants done to an incident, and the points for it: carried out at once, or waiting (D8).

    A split that could be paid is ``accepted`` from the start; one that could not waits for the customer's click.
    """

    class Kind(models.TextChoices):
        SPLIT = "split", _("split")
        UNMERGE = "unmerge", _("part what was merged")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        ACCEPTED = "accepted", _("carried out")
        WITHDRAWN = "withdrawn", _("withdrawn")
        LAPSED = "lapsed", _("lapsed")

    key = models.CharField(max_length=64, unique=True, help_text="Made before the first try, by the form.")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="proposals")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    kept_until = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    accepted_by = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ["-made_at", "-id"]
        indexes = [models.Index(fields=["kept_until"], condition=Q(state="waiting"), name="proposal_ages")]
        constraints = [
            models.UniqueConstraint(fields=["incident"], condition=Q(state="waiting"), name="one_proposal_waits"),
            models.CheckConstraint(
                condition=Q(state="waiting", settled_at=None) | ~Q(state="waiting") & Q(settled_at__isnull=False),
                name="proposal_settled_fits_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def last_instant(self) -> datetime:
        """An instant of the last local day on which it can be carried out."""
        return self.kept_until - timedelta(microseconds=1)


class ProposalPart(models.Model):
    """One problem of a split, and the incident that it became; at place 0 what stays, with its title (D14)."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="parts")
    position = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=POLICY.subject_max)
    messages = models.ManyToManyField(Message, related_name="+")
    files = models.ManyToManyField(Attachment, related_name="+")
    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, null=True, related_name="part")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["proposal", "position"], name="part_has_its_place")]

    def __str__(self) -> str:
        return self.subject
