"""Mail as rows: what shall go out, and what came in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _


class OutgoingMail(models.Model):
    """A mail that goes out, written in the transaction that causes it (D30).

    Its ``message_id`` is made once, so each try carries the same one. ``key`` names the cause: the same
    cause queues one mail. ``about`` is a text reference ("incident:12"), for this room knows no incidents.
    ``fence`` counts the claims: an outcome is recorded only by the claim that is the latest.
    """

    message_id = models.CharField(_("Message-ID"), max_length=250, unique=True, editable=False)
    key = models.CharField(_("key"), max_length=200, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=60)
    about = models.CharField(_("about"), max_length=60, blank=True, db_index=True)
    to_address = models.CharField(_("to"), max_length=254, db_index=True)
    to_name = models.CharField(_("name"), max_length=120, blank=True)
    reply_to = models.CharField(_("answers go to"), max_length=254, blank=True)
    subject = models.CharField(_("subject"), max_length=400)
    text = models.TextField(_("text"))
    html = models.TextField(_("HTML"), blank=True)
    in_reply_to = models.CharField(_("in reply to"), max_length=250, blank=True)
    references = models.TextField(_("references"), blank=True)
    automatic = models.BooleanField(
        _("automatic"), default=True, help_text=_("Sent as Auto-Submitted: nobody’s machine answers it.")
    )
    queued_at = models.DateTimeField(_("queued"))
    next_try_at = models.DateTimeField(_("next try"))
    give_up_at = models.DateTimeField(_("given up"))
    tries = models.PositiveIntegerField(_("tries"), default=0)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    fence = models.PositiveIntegerField(_("claims"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    # It left us and came back, as a delivery report said later; or its recipient's server refused the address for
    # good: then `bounce` says why from the start, and `bounced_at` when it was told (D28).
    bounced_at = models.DateTimeField(_("bounced"), null=True, blank=True)
    bounce = models.CharField(_("why it bounced"), max_length=500, blank=True)
    # Where one click ends what the mail belongs to (RFC 8058).
    unsubscribe_url = models.CharField(_("unsubscribes at"), max_length=400, blank=True)
    list_id = models.CharField(_("list"), max_length=200, blank=True)
    # Of many alike: what people wait for goes out before it.
    bulk = models.BooleanField(_("of many"), default=False)

    class Meta:
        verbose_name = _("outgoing mail")
        verbose_name_plural = _("outgoing mail")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                "bulk",
                "next_try_at",
                "id",
                condition=models.Q(sent_at=None, failed_at=None),
                name="outgoing_mail_to_do",
            ),
            models.Index("failed_at", condition=~models.Q(failed_at=None), name="outgoing_mail_failed"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(sent_at=None) | models.Q(failed_at=None), name="outgoing_mail_sent_or_failed"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.to_address}"

    @property
    def state(self) -> str:
        """What became of it: waiting, trying again, sent, failed, or bounced after it was sent."""
        if self.failed_at:
            return "failed"
        if self.bounced_at or self.sent_at:
            return "bounced" if self.bounced_at else "sent"
        return "trying" if self.last_error else "waiting"


class OutgoingFile(models.Model):
    """A file that goes out with a mail; ``stored`` names its bytes below ``settings.FILES_DIR``.

    With a ``content_id`` it is shown in place by the HTML, otherwise it is attached.
    """

    mail = models.ForeignKey(OutgoingMail, on_delete=models.CASCADE, related_name="files")
    stored = models.CharField(max_length=80)
    name = models.CharField(_("name"), max_length=200)
    size = models.PositiveIntegerField(_("size"), help_text="Bytes.")
    content_type = models.CharField(max_length=100)
    content_id = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["stored"], name="outgoing_file_by_place")]

    def __str__(self) -> str:
        return self.name


class Outbox(models.Model):
    """The one row that says in which database the outbox last delivered: another one is a restored copy (D30).

    ``restored_at`` is when that was noticed and mails were put aside, until an admin has settled them.
    """

    database = models.CharField(max_length=100)
    restored_at = models.DateTimeField(_("restored"), null=True, blank=True)

    class Meta:
        verbose_name = _("outbox")
        verbose_name_plural = _("outboxes")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(pk=1), name="outbox_is_one")
        ]

    def __str__(self) -> str:
        return self.database


class Outcome(models.TextChoices):
    """What became of a mail that came in."""

    WAITING = "", _("not yet handled")
    ADDED = "added", _("added to its incident")
    DRAFT = "draft", _("made a draft")
    REQUEST = "request", _("asks for re-opening")
    HELD = "held", _("held")
    AUTOMATIC = "automatic", _("automatic, kept")
    DUPLICATE = "duplicate", _("came before")


class RawMail(models.Model):
    """A mail as it came in, stored before anything is done with it (D29).

    ``digest`` is that of the bytes, unique from the first moment. ``content_digest`` leaves out what each
    delivery adds on its way; it is unique, too, and set as soon as the mail could be read.
    """

    source = models.BinaryField(_("source"))
    digest = models.CharField(_("digest"), max_length=64, unique=True)
    content_digest = models.CharField(_("digest of the content"), max_length=64, unique=True, null=True)  # noqa: DJ001
    message_id = models.CharField(_("Message-ID"), max_length=250, blank=True, db_index=True)
    mail_from = models.CharField(_("envelope sender"), max_length=320, blank=True)
    rcpt_to = models.JSONField(_("envelope recipients"), default=list)
    received_at = models.DateTimeField(_("received"))
    via = models.CharField(
        _("came by"), max_length=8, choices={"smtp": "SMTP", "lmtp": "LMTP", "imap": "IMAP", "pipe": _("pipe")}
    )
    # What our own server says of where it came from: for the budget by network (D28).
    peer = models.CharField(_("sent from"), max_length=64, blank=True)
    # Of a mail too large to be taken: its size. Only its headers are stored then.
    refused_bytes = models.PositiveBigIntegerField(_("refused at"), null=True, blank=True)
    deliveries = models.PositiveIntegerField(_("deliveries"), default=1)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, blank=True, default=Outcome.WAITING)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)

    class Meta:
        verbose_name = _("received mail")
        verbose_name_plural = _("received mail")
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index("next_try_at", "id", condition=models.Q(outcome=""), name="raw_mail_unhandled"),
            models.Index("handled_at", condition=models.Q(outcome="held"), name="raw_mail_held"),
        ]

    def __str__(self) -> str:
        return self.message_id or f"#{self.pk}"


class MailDoor(models.Model):
    """A way by which mail comes in or goes out, and since when it has been failing.

    ``name``: "out", "gateway", or "imap:user@host/folder". A door that has never worked has no ``worked_at``.
    """

    name = models.CharField(_("door"), max_length=400, unique=True)
    worked_at = models.DateTimeField(_("worked"), null=True, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=500, blank=True)
    told_at = models.DateTimeField(_("told"), null=True, blank=True)

    class Meta:
        verbose_name = _("way of mail")
        verbose_name_plural = _("ways of mail")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Fetched(models.Model):
    """That a message of a mailbox was stored: once for each UID, however often it is seen again (D29)."""

    door = models.ForeignKey(MailDoor, on_delete=models.PROTECT, related_name="fetched")
    uid_validity = models.BigIntegerField()
    uid = models.BigIntegerField()
    raw_mail = models.ForeignKey(RawMail, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["door", "uid_validity", "uid"], name="fetched_once")
        ]

    def __str__(self) -> str:
        return f"{self.door_id}:{self.uid_validity}:{self.uid}"
