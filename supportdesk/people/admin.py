"""Customers, contacts and staff in Django admin."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from supportdesk.looking import LookOnly
from supportdesk.people.models import ADDRESS_TAKEN, Contact, ContactAddress, Customer, User
from supportdesk.people.place_fields import CountryField, SubdivisionField, ZoneField, read_subdivision
from supportdesk.people.placing import place_warnings
from supportdesk.people.services import keep_sign_in
from supportdesk.places import Place

# What the sign-in library keeps for itself, and rights by group: roles are on the user (D22).
admin.site.unregister((Group, EmailAddress))


class CustomerForm(forms.ModelForm[Customer]):
    """A place is chosen, not typed; asks once more where the zone is not one of the country's (D21)."""

    country = CountryField()
    subdivision = SubdivisionField()
    zone = ZoneField()
    save_anyway = forms.BooleanField(
        label=_("Save anyway"),
        required=False,
        help_text=_("Where the time zone is meant, though the country has others."),
    )

    class Meta:
        model = Customer
        fields = ("name", "edition", "country", "subdivision", "zone", "place_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        country, subdivision, zone = self.fields["country"], self.fields["subdivision"], self.fields["zone"]
        assert isinstance(country, CountryField)
        assert isinstance(subdivision, SubdivisionField)
        assert isinstance(zone, ZoneField)
        subdivision.of(str(self["country"].value() or ""))
        zone.keep(self.instance.zone)

    @property
    def place(self) -> Place:
        """The place that is asked for; whole only where its fields have no errors."""
        data = self.cleaned_data
        return Place(*(data.get(name) or "" for name in ("country", "subdivision", "zone")))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        data["subdivision"] = read_subdivision(data.get("country", ""), data.get("subdivision", ""))
        if all(data.get(name) for name in ("country", "zone")) and not data.get("save_anyway"):
            for field, errors in place_warnings(self.place).items():
                self.add_error(field, errors)
                self.add_error("save_anyway", _("Tick this to save it as it is."))
        return data


class ContactFormSet(forms.BaseInlineFormSet[Contact, Customer, forms.ModelForm[Contact]]):
    """Finds an address that is given twice in one form, before the database does."""

    def clean(self) -> None:
        super().clean()
        seen: set[str] = set()
        for form in self.forms:
            address = (form.cleaned_data.get("email") or "").strip().lower() if form.is_valid() else ""
            if address in seen:
                form.add_error("email", ADDRESS_TAKEN)
            seen |= {address} - {""}

    def save_existing(self, form: forms.ModelForm[Contact], obj: Contact, commit: bool = True) -> Contact:
        """Another address has not bounced (D28)."""
        if "email" in form.changed_data:
            obj.bounced_at, obj.bounce = None, ""
        return super().save_existing(form, obj, commit=commit)


class ContactInline(admin.TabularInline[Contact, Customer]):
    model = Contact
    formset = ContactFormSet
    extra = 1
    can_delete = False
    fields = ("name", "email", "phone", "restricted", "is_administrator")


class CustomerAdmin(admin.ModelAdmin[Customer]):
    """Customers with their contacts. Registered by ``incidents.admin``: a place that changes has its effect there."""

    form = CustomerForm
    inlines = (ContactInline,)
    list_display = ("name", "edition", "country", "subdivision", "zone")
    list_filter = ("edition", "country")
    search_fields = ("name", "contacts__email", "contacts__name")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """A contact signs in by the address that is saved, and by no former one (D33)."""
        super().save_formset(request, form, formset, change)
        for contact in Contact.objects.filter(customer=form.instance).select_related("user", "customer"):
            keep_sign_in(contact=contact)

    def has_delete_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        return False


class _Bounced(admin.SimpleListFilter):
    title = _("mail")
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("back", _("comes back")), ("arrives", _("arrives, as far as is known"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        chosen = self.value()
        return queryset if chosen is None else queryset.filter(bounced_at__isnull=chosen != "back")


@admin.register(Contact)
class ContactAdmin(LookOnly):
    """All contacts, to find those whose mails come back (D28); they are edited with their customer."""

    list_display = ("name", "customer", "email", "phone", "bounced_at", "bounce", "removed_at")
    list_filter = (_Bounced,)
    list_select_related = ("customer",)
    search_fields = ("name", "email", "customer__name")
    fields = ("customer_link", "name", "email", "phone", "restricted", "is_administrator", "bounced_at", "bounce")
    readonly_fields = ("customer_link",)

    @admin.display(description=_("customer"))
    def customer_link(self, contact: Contact) -> Any:
        where = reverse("admin:people_customer_change", args=[contact.customer_id])
        return format_html('<a href="{}">{}</a>', where, contact.customer)


@admin.register(ContactAddress)
class ContactAddressAdmin(LookOnly):
    """Added on the desk, where a mail shows the need; deleted, mail from it is a stranger's again (D26)."""

    list_display = ("address", "contact", "added_at", "added_by")
    list_select_related = ("contact", "added_by")
    search_fields = ("address", "contact__name")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    ordering = ("name",)
    list_display = ("name", "email", "is_technician", "is_staff", "is_active")
    list_filter = ("is_technician", "is_staff", "is_active")
    search_fields = ("name", "email")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (_("Place"), {"fields": ("zone", "place_name")}),
        (_("Roles"), {"fields": ("is_active", "is_technician", "is_staff")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
        (_("Place"), {"fields": ("zone", "place_name")}),
        (_("Roles"), {"fields": ("is_technician", "is_staff")}),
    )
    filter_horizontal = ()
