"""The steps of an incident, append-only (D10)."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from incidents.models.incident import Incident
from supportdesk.people.models import Contact, User


class TimelineCode(models.TextChoices):
    """What can have happened to an incident. The words of each are made where it is shown."""

    OPENED = "opened", _("opened")
    NUMBER_MAILED = "number_mailed", _("ticket number mailed")
    TAKEN = "taken", _("taken")
    HANDED_OVER = "handed_over", _("handed over")
    ANSWERED = "answered", _("answered")
    NOTED = "noted", _("noted")
    CUSTOMER_WROTE = "customer_wrote", _("customer wrote")
    STATUS = "status", _("status changed")
    CLOSED = "closed", _("closed")
    REOPEN_ASKED = "reopen_asked", _("re-opening asked for")
    REOPENED = "reopened", _("re-opened")
    REOPEN_REFUSED = "reopen_refused", _("re-opening refused")
    BUG_MARKED = "bug_marked", _("marked as a product failure")
    BUG_ASKED = "bug_asked", _("customer asked: points or card")
    BUG_CHOSEN = "bug_chosen", _("customer chose")
    BUG_SILENCE = "bug_silence", _("no answer, so points")
    BUG_CREDITED = "bug_credited", _("points given back")
    BUG_REFUNDED = "bug_refunded", _("card refunded")
    REFUND_DONE = "refund_done", _("refund paid back")
    REFUND_FAILED = "refund_failed", _("refund failed, points instead")
    BUG_REFUSED = "bug_refused", _("credit refused")
    WARNED = "warned", _("warned")
    BREACHED = "breached", _("breached")
    DEADLINE_MOVED = "deadline_moved", _("deadline moved")
    CALLED = "called", _("call logged")
    CUSTOMER_CLOSED = "customer_closed", _("closed by the customer")
    REMINDED = "reminded", _("customer reminded")
    CLOSED_SILENCE = "closed_silence", _("closed after silence")
    TAKEN_BACK = "taken_back", _("closure or decline taken back")
    DECLINED = "declined", _("declined")
    SPLIT_PROPOSED = "split_proposed", _("split proposed")
    SPLIT = "split", _("split")
    SPLIT_OFF = "split_off", _("split off another incident")
    SPLIT_WITHDRAWN = "split_withdrawn", _("proposed split withdrawn")
    SPLIT_LAPSED = "split_lapsed", _("proposed split lapsed")
    MERGED = "merged", _("merged into another incident")
    MERGED_IN = "merged_in", _("another incident merged into it")
    UNMERGED = "unmerged", _("parted from the other incident")
    UNMERGED_FROM = "unmerged_from", _("another incident parted from it")
    DISPOSED = "disposed", _("disposition set")
    FOLLOWER_ADDED = "follower_added", _("follower added")
    FOLLOWER_REMOVED = "follower_removed", _("follower removed")
    REPORTED_ANEW = "reported_anew", _("reported anew")
    FILES_ADDED = "files_added", _("files added")
    MAIL_BOUNCED = "mail_bounced", _("mail came back")


class TimelineEntry(models.Model):
    """One step of an incident: append-only, ids and codes only, no names and no texts (D10, D34)."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="timeline")
    at = models.DateTimeField()
    code = models.CharField(max_length=24, choices=TimelineCode)
    user = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, null=True, related_name="+")
    data = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("timeline entry")
        verbose_name_plural = _("timeline")
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["incident", "at", "id"], name="timeline_in_order")]

    def __str__(self) -> str:
        return f"{self.code} {self.pk}"
