"""Products and releases to edit, and what the desk does to look at, in Django admin."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from incidents.models import BlockedSender, Draft, HeldMail, Incident, Product, Release, TimelineEntry
from supportdesk.looking import LookOnly


class ReleaseInline(admin.TabularInline[Release, Product]):
    model = Release
    extra = 1


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin[Product]):
    list_display = ("name",)
    inlines = (ReleaseInline,)


@admin.register(Incident)
class IncidentAdmin(LookOnly):
    list_display = ("shown_number", "subject", "customer", "status", "owner", "opened_at")
    list_filter = ("status", "channel", "kind")
    search_fields = ("number", "subject", "customer__name")
    list_select_related = ("customer", "owner")
    date_hierarchy = "opened_at"


@admin.register(TimelineEntry)
class TimelineAdmin(LookOnly):
    list_display = ("at", "incident", "code", "user", "contact")
    list_filter = ("code",)
    list_select_related = ("incident", "user", "contact")
    search_fields = ("incident__number",)


@admin.register(Draft)
class DraftAdmin(LookOnly):
    list_display = ("subject", "customer", "contact", "created_at", "kept_until", "incident")
    list_select_related = ("customer", "contact", "incident")


@admin.register(HeldMail)
class HeldMailAdmin(LookOnly):
    list_display = ("held_at", "sender", "subject", "reason", "settled_at", "settled_by")
    list_filter = ("reason", "settled_as")
    list_select_related = ("settled_by",)


@admin.register(BlockedSender)
class BlockedSenderAdmin(LookOnly):
    """Blocked on the desk; deleted, they are let in again."""

    list_display = ("address", "blocked_at", "blocked_by")
    list_select_related = ("blocked_by",)
    search_fields = ("address",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True
