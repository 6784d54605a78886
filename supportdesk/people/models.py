"""User, Customer and Contact (D21, D22)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from supportdesk.mail.outgoing import can_be_mailed
from supportdesk.people.phones import e164
from supportdesk.people.placing import place_errors
from supportdesk.places import Place, city_of, is_zone


def valid_zone(value: str) -> None:
    """Refuses a zone that the pinned time zone data does not know (D21)."""
    if not is_zone(value):
        raise ValidationError(
            _("“%(zone)s” is no time zone. Give it as Region/City, for example Europe/Berlin."),
            code="unknown_zone",
            params={"zone": value},
        )


class UserManager(BaseUserManager["User"]):
    """Makes users by their e-mail address, which is stored in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        """A user who signs in with ``email``; without ``password`` by mailed code only (D33)."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password) if password else user.set_unusable_password()
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> User:
        """An admin: Django admin and the desk (D22)."""
        return self.create_user(email, password, is_staff=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser):
    """Somebody who signs in. What they may do follows from their roles alone: there are no rights beside them (D22).

    ``zone`` and ``place_name`` are those of staff, for the reader's half of "10:35 in Chicago, 11:35
    for you"; a contact's times are the customer's.
    """

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    zone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[valid_zone])
    place_name = models.CharField(_("place name"), max_length=80, blank=True, help_text=_("Default: the zone’s city."))
    is_active = models.BooleanField(_("may sign in"), default=True)
    is_technician = models.BooleanField(_("technician"), default=False, help_text=_("Works on the desk."))
    is_staff = models.BooleanField(_("admin"), default=False, help_text=_("Works in Django admin and on the desk."))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()
        if not self.place_name:
            self.place_name = city_of(self.zone)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django admin's question: admins may all that it offers, nobody else anything (D22)."""
        return self.is_active and self.is_staff

    def has_perms(self, perms: Iterable[str], obj: object = None) -> bool:
        return self.has_perm("", obj)

    def has_module_perms(self, app_label: str) -> bool:
        return self.has_perm("")

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name

    @property
    def works_here(self) -> bool:
        """True for technicians and admins: those whom the desk lets in (D22)."""
        return self.is_active and (self.is_technician or self.is_staff)


# Technicians and admins, whether they may still sign in or not.
STAFF = models.Q(is_technician=True) | models.Q(is_staff=True)


class Edition(models.TextChoices):
    """What a customer runs. Community Edition customers may open e-mail incidents only (R4)."""

    COMMUNITY = "community", _("Community Edition")
    ENTERPRISE = "enterprise", _("Enterprise Edition")


class Customer(models.Model):
    """An organisation, or one person, that buys points and reports incidents (D21).

    Its row is the first lock of every write that touches its points or incidents.
    """

    name = models.CharField(_("name"), max_length=120)
    edition = models.CharField(_("edition"), max_length=16, choices=Edition, default=Edition.COMMUNITY)
    country = models.CharField(_("country"), max_length=2, help_text=_("Two letters, ISO 3166."))
    subdivision = models.CharField(
        _("subdivision"), max_length=40, blank=True, help_text=_("Decides which holidays count.")
    )
    zone = models.CharField(_("time zone"), max_length=64, validators=[valid_zone])
    place_name = models.CharField(_("place name"), max_length=80, blank=True, help_text=_("Default: the zone’s city."))
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["name", "id"]
        indexes = [models.Index(Lower("name"), name="customer_by_name")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.country = self.country.strip().upper()
        self.subdivision = self.subdivision.strip()
        # An empty field has its own error already, and a zone its validator's; a second one would only confuse.
        wanted = {"country", "subdivision"} if self.country else set()
        errors = {field: found for field, found in place_errors(self.place).items() if field in wanted}
        if errors:
            raise ValidationError(errors)
        if not self.place_name:
            self.place_name = city_of(self.zone)

    @property
    def place(self) -> Place:
        """Where its business hours are kept (R5)."""
        return Place(country=self.country, subdivision=self.subdivision, zone=self.zone)


def writes_from(address: str, *, customer_id: int, but: int | None = None) -> Contact | None:
    """The customer's present contact who writes from that address, own or further: one at most (D26)."""
    there = Contact.objects.filter(customer=customer_id, removed_at=None)
    if but is not None:
        there = there.exclude(pk=but)
    own = there.filter(email__iexact=address).exclude(email="").first()
    return own or there.filter(addresses__address__iexact=address).first()


ADDRESS_TAKEN = _("This customer has a contact with this e-mail address already.")


class ContactQuerySet(models.QuerySet["Contact"]):
    def present(self) -> Self:
        """Contacts that have not been removed."""
        return self.filter(removed_at=None)


class Contact(models.Model):
    """A person of a customer (D21). Without an e-mail address: calls only."""

    customer = models.ForeignKey(
        Customer, verbose_name=_("customer"), on_delete=models.PROTECT, related_name="contacts"
    )
    user = models.ForeignKey(
        User, verbose_name=_("signs in as"), on_delete=models.PROTECT, related_name="contacts", null=True, blank=True
    )
    name = models.CharField(_("name"), max_length=120)
    email = models.EmailField(_("e-mail address"), blank=True)
    phone = models.CharField(_("phone number"), max_length=20, blank=True, help_text=_("International: +49 …"))
    restricted = models.BooleanField(
        _("restricted"),
        default=False,
        help_text=_("Sees the incidents they reported themselves, and not the points page."),
    )
    is_administrator = models.BooleanField(
        _("administrator"), default=False, help_text=_("Invites and restricts the customer’s other contacts.")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)
    # A delivery report about `email`, or its server's refusal for good (D28); none once mail comes from it again.
    bounced_at = models.DateTimeField(_("mail bounced"), null=True, blank=True)
    bounce = models.CharField(_("why mail bounced"), max_length=500, blank=True)

    objects: ClassVar[models.Manager[Contact]] = ContactQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                "customer",
                condition=~models.Q(email="") & models.Q(removed_at=None),
                name="contact_email_once_a_customer",
                violation_error_message=ADDRESS_TAKEN,
            ),
            models.CheckConstraint(
                condition=~models.Q(email="") | ~models.Q(phone=""),
                name="contact_can_be_reached",
                violation_error_message=_("Give an e-mail address or a phone number: one of them at least."),
            ),
        ]
        indexes = [models.Index(Lower("email"), name="contact_by_email")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()
        if self.email and not can_be_mailed(self.email):
            raise ValidationError({"email": _("No mail can be sent to this address. Check it, or leave it empty.")})
        # The constraint is not asked by forms that leave its condition out, as the admin's does.
        asked = bool(self.email and self.customer_id and self.removed_at is None)
        if asked and writes_from(self.email, customer_id=self.customer_id, but=self.pk) is not None:
            raise ValidationError({"email": ADDRESS_TAKEN})
        if self.phone:
            country = self.customer.country if self.customer_id else ""
            self.phone = e164(self.phone, country=country)


class ContactAddress(models.Model):
    """A further address that a contact writes from: their mails are known by it, none are sent to it (D26)."""

    contact = models.ForeignKey(Contact, verbose_name=_("contact"), on_delete=models.CASCADE, related_name="addresses")
    address = models.EmailField(_("e-mail address"), help_text=_("Mail from it is taken for the contact’s."))
    added_at = models.DateTimeField(_("added"), db_default=Now(), editable=False)
    added_by = models.ForeignKey(
        User, verbose_name=_("added by"), on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )

    class Meta:
        verbose_name = _("further address")
        verbose_name_plural = _("further addresses")
        ordering = ["address"]
        constraints = [
            models.UniqueConstraint("contact", Lower("address"), name="contact_address_once"),
        ]
        indexes = [models.Index(Lower("address"), name="contact_address_lookup")]

    def __str__(self) -> str:
        return self.address

    def clean(self) -> None:
        super().clean()
        self.address = self.address.strip().lower()
        if User.objects.filter(STAFF, email__iexact=self.address).exists():
            raise ValidationError({"address": _("One of us signs in with this address: it is no customer’s.")})
        if self.contact_id and writes_from(self.address, customer_id=self.contact.customer_id, but=self.contact_id):
            raise ValidationError({"address": ADDRESS_TAKEN})
