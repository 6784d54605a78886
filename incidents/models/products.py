"""What the vendor supports, and which releases of it are current (R12, D19)."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Product(models.Model):
    """Something the vendor sells and supports."""

    name = models.CharField(_("name"), max_length=80, unique=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Release(models.Model):
    """A release of a product, current from its release date to its end of support, both days included (D19)."""

    product = models.ForeignKey(Product, verbose_name=_("product"), on_delete=models.PROTECT, related_name="releases")
    name = models.CharField(_("name"), max_length=40)
    released_on = models.DateField(_("released on"))
    supported_until = models.DateField(_("supported until"), null=True, blank=True)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        ordering = ["product__name", "-released_on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["product", "name"], name="release_once_a_product"),
            models.CheckConstraint(
                condition=Q(supported_until=None) | Q(supported_until__gte=F("released_on")),
                name="release_ends_after_it_began",
                violation_error_message=_("The end of support lies before the release date."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.name}"
