"""The reporting form, for contacts, visitors and drafts: one problem a report (R9, R10, R11, R12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.forms.boundfield import BoundWidget
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from incidents.access import current_releases, products, releases_of_today
from incidents.forms import KeyField, text_field
from incidents.forms_files import FilesMixin
from incidents.models import ACCEPTED_KINDS, DECLINED_KINDS, Draft, Kind, Product, Release
from incidents.several import problems_in
from incidents.turning import OTHER, Helper, turn_of
from supportdesk import words
from supportdesk.mail.outgoing import can_be_mailed
from supportdesk.people.models import Contact
from supportdesk.places import zone_info
from supportdesk.policy import POLICY

HINTS = {
    Kind.INSTALLATION: _("Setup, upgrade, migration"),
    Kind.OPERATION: _("Something does not work as it should"),
    Kind.CONFIGURATION: _("Of our products"),
    Kind.FEATURE: _("We keep you informed of what becomes of it"),
    Kind.TUNING: _("General or step by step"),
    Kind.ARCHITECTURE: _("How to build it in general"),
    Kind.CAPACITY: _("How much, how many, how fast"),
    Kind.OTHER_VENDOR: _("How to set it up in general"),
}
GONE = _("Support of %(release)s ended on %(day)s. Choose a current release, or upgrade first; nothing was lost.")
COMING = _("%(release)s comes out on %(day)s. Choose a release that is out; nothing was lost.")


class ProblemForm(forms.Form):
    """Kind, product and release, and the words: what every report has.

    ``must_ask`` after a look at valid data: it reads like several problems, and nobody has asked yet. The page asks
    once; ``asked`` comes back with it, and never blocks again (R9).
    """

    key = KeyField()
    kind = forms.ChoiceField(
        label=_("What kind of problem is it?"),
        choices=[(kind.value, kind.label) for kind in (*ACCEPTED_KINDS, *DECLINED_KINDS)],
        error_messages={"required": _("Choose what it is."), "invalid_choice": _("Choose one of these.")},
        widget=forms.RadioSelect(attrs={"data-keep": "kind"}),
    )
    anyway = forms.BooleanField(label=_("Send it all the same"), required=False)
    product = forms.ModelChoiceField(
        label=_("Product"),
        queryset=Product.objects.none(),
        required=False,
        empty_label=_("Choose"),
        error_messages={"invalid_choice": _("We have no such product. Choose another.")},
        widget=forms.Select(attrs={"class": "input", "data-keep": "product"}),
    )
    release = forms.ModelChoiceField(
        label=_("Release"),
        queryset=Release.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This release is not on offer. Choose another.")},
        widget=forms.Select(attrs={"class": "input", "data-keep": "release"}),
    )
    subject = forms.CharField(
        label=_("In one line"),
        max_length=POLICY.subject_max,
        error_messages={"required": _("Say in one line what the problem is.")},
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off", "data-keep": "subject"}),
    )
    text = text_field(
        _("What happens, and what should happen instead?"), required=_("Describe the problem: a few sentences will do.")
    )
    asked = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, current: QuerySet[Release], at: datetime, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at, self.zone = at, zone
        self.current = list(current)
        self.fields["product"].queryset = products()  # type: ignore[attr-defined]
        self.fields["product"].label_from_instance = self._product_name  # type: ignore[attr-defined]
        self.fields["release"].queryset = current  # type: ignore[attr-defined]
        self.fields["release"].choices = [("", _("Choose")), *self._by_product()]  # type: ignore[attr-defined]

    def _product_name(self, product: Product) -> str:
        has_one = any(release.product_id == product.pk for release in self.current)
        return product.name if has_one else _now("%(product)s (no current release)") % {"product": product}

    def _by_product(self) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        for product, releases in groupby(self.current, key=lambda release: release.product):
            yield product.name, [(release.pk, str(release)) for release in releases]

    @property
    def kinds(self) -> dict[str, list[tuple[BoundWidget, Any]]]:
        """The choices of the kind with their hints, those that are accepted and those generally declined apart."""
        choices = dict(zip((*ACCEPTED_KINDS, *DECLINED_KINDS), self["kind"], strict=True))
        return {
            "accepted": [(choices[kind], HINTS[kind]) for kind in ACCEPTED_KINDS],
            "declined": [(choices[kind], HINTS[kind]) for kind in DECLINED_KINDS],
        }

    @property
    def helpers(self) -> tuple[Helper, ...]:
        """Who helps with what incidents do not cover (R11)."""
        return turn_of(OTHER).helpers

    @property
    def several(self) -> int:
        """How many problems the text reads like (R9)."""
        return problems_in(str(self["text"].value() or "")[: POLICY.text_max])

    @property
    def must_ask(self) -> bool:
        return self.several > 1 and not self.cleaned_data["asked"]

    def clean_subject(self) -> str:
        return " ".join(self.cleaned_data["subject"].split())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") in DECLINED_KINDS and not data.get("anyway"):
            self.add_error("anyway", _("Tick this to send it all the same, or choose another kind above."))
        if "product" not in self.errors and "release" not in self.errors:
            data["release"] = self._release(data.get("product"), data.get("release"))
        elif self.has_error("release", "invalid_choice"):
            self._say_why_not()
        return data

    def refuse_release(self, release: Release) -> None:
        """It went out of support between showing and sending (D19)."""
        self.add_error("release", _why_not(release, today=self.at.astimezone(zone_info(self.zone)).date()))

    def _release(self, product: Product | None, release: Release | None) -> Release | None:
        """The release that was chosen, or the only current one of the product; else an error says what to do (R12)."""
        if release is not None:
            if product is not None and release.product_id != product.pk:
                said = _("%(release)s is no release of %(product)s. Choose one that is.")
                self.add_error("release", said % {"release": release, "product": product})
            return release
        if product is None:
            self.add_error("product", _("Choose the product it happens with."))
            return None
        own = [one for one in self.current if one.product_id == product.pk]
        if not own:
            said = _("%(product)s has no current release, and incidents are opened for current releases only.")
            self.add_error("product", said % {"product": product})
        elif len(own) > 1:
            self.add_error("release", _("Choose the release it happens with."))
        return own[0] if len(own) == 1 else None

    def _say_why_not(self) -> None:
        """A release that is known and not current says since when, or from when on (D19)."""
        sent = str(self.data.get(self.add_prefix("release"), ""))
        if not (sent.isascii() and sent.isdigit() and len(sent) < 18):
            return
        release = Release.objects.select_related("product").filter(pk=int(sent)).first()
        if release is None:
            return
        del self.errors["release"]
        self.refuse_release(release)


class ReportForm(FilesMixin, ProblemForm):
    """A contact's report; with several customers they say for whom (D21)."""

    contact = forms.ModelChoiceField(
        label=_("For"),
        queryset=Contact.objects.none(),
        error_messages={"invalid_choice": _("You are no contact of this customer. Choose again.")},
        widget=forms.Select(attrs={"class": "input"}),
    )

    def __init__(self, *args: Any, contacts: list[Contact], at: datetime, **kwargs: Any) -> None:
        data = args[0] if args else kwargs.get("data") or {}
        initial = kwargs.setdefault("initial", {})
        chosen = _chosen(contacts, str(data.get("contact") or initial.get("contact") or ""))
        zone = chosen.customer.zone
        super().__init__(*args, current=current_releases(at=at, zone=zone), at=at, zone=zone, **kwargs)
        self.chosen = chosen
        self.fields["contact"].queryset = Contact.objects.filter(pk__in=[contact.pk for contact in contacts])  # type: ignore[attr-defined]
        if len(contacts) == 1:
            self.fields["contact"].widget = forms.HiddenInput()
        else:
            self.fields["contact"].label_from_instance = lambda contact: str(contact.customer)  # type: ignore[attr-defined]
            if not self.is_bound:
                # Nobody chose this one yet: what was chosen before the page was left stands.
                self.fields["contact"].widget.attrs["data-keep"] = "choice"
        self.initial.setdefault("contact", chosen.pk)


class VisitorForm(ProblemForm):
    """The report of somebody who is not signed in (D25)."""

    email = forms.EmailField(
        label=_("Your e-mail address"),
        error_messages={
            "required": _("Give the address that we know you by: the link to your report goes there."),
            "invalid": _("This is no e-mail address. Give one as name@example.com."),
        },
        widget=forms.EmailInput(attrs={"class": "input", "autocomplete": "email"}),
    )

    def __init__(self, *args: Any, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, current=releases_of_today(at=at), at=at, zone="UTC", **kwargs)

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).strip()
        if not can_be_mailed(email):
            raise forms.ValidationError(self.fields["email"].error_messages["invalid"], code="invalid")
        return email


class FinishForm(ReportForm):
    """What a draft of a mail is about, and of which customer of its writer: its words are there (D21, D27)."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)
    # Said by the mail: what stands below is not asked for again.
    subject = None  # type: ignore[assignment]
    text = None  # type: ignore[assignment]
    files = None  # type: ignore[assignment]

    def __init__(self, *args: Any, draft: Draft, contacts: list[Contact], at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, contacts=contacts, at=at, **kwargs)
        self.draft = draft

    @property
    def several(self) -> int:
        return problems_in(self.draft.text)


class DraftForm(ProblemForm):
    """A draft, changed; ``seen`` is what the page showed of it (D8)."""

    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, draft: Draft, at: datetime, **kwargs: Any) -> None:
        zone = draft.customer.zone
        super().__init__(*args, current=current_releases(at=at, zone=zone), at=at, zone=zone, **kwargs)


def _why_not(release: Release, *, today: date) -> str:
    if release.released_on > today:
        return str(COMING % {"release": release, "day": words.calendar_day(release.released_on)})
    return str(GONE % {"release": release, "day": words.calendar_day(release.supported_until or today)})


def _chosen(contacts: list[Contact], wanted: str) -> Contact:
    return next((contact for contact in contacts if str(contact.pk) == wanted), contacts[0])
