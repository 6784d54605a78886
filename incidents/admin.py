"""Products, releases and incidents in Django admin. What the desk does is only looked at here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from incidents.models import Draft, HeldMail, Incident, Product, Release, TimelineEntry


class ReleaseInline(admin.TabularInline[Release, Product]):
    model = Release
    extra = 1


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin[Product]):
    list_display = ("name",)
    inlines = (ReleaseInline,)


class LookOnly(admin.ModelAdmin[Any]):
    """A list that nobody changes here: incidents are worked on at the desk."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


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
    list_filter = ("reason",)
    list_select_related = ("settled_by",)
