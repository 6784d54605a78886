"""What incidents do not cover, why, and who does it instead: words by kind, for form and declines (R11, D15)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

OTHER: Final = "other"
# In the order in which they are shown.
REASONS: Final = ("tuning", "architecture", "capacity", "other_vendor", OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """Who does it instead, and how they are reached."""

    name: str
    address: str

    @property
    def link(self) -> str:
        """What the address leads to: a page, a mail or a call; empty where there is no address."""
        if not self.address or self.address.startswith(("https://", "http://")):
            return self.address
        if "@" in self.address:
            return f"mailto:{self.address}"
        return "tel:" + "".join(sign for sign in self.address if sign.isdigit() or sign == "+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One kind that is declined: its name, a sentence that says why, and whom to turn to."""

    kind: str
    name: str
    why: str
    helpers: tuple[Helper, ...]

    @property
    def words(self) -> str:
        """The usual words of a decline; a technician may change them. Empty where there are none.

        Whom to turn to is not among them: mail and page say it below, whatever was changed.
        """
        if self.kind == OTHER:
            return ""
        return _(
            "Thank you for your report. %(why)s It is not part of incident support, so we decline this incident."
        ) % {"why": self.why}


def turn_of(kind: str) -> Turn:
    """The words of a declined kind, in the reader's language; of ``OTHER`` for any reason that has none (R11)."""
    services = Helper(name=_("Professional Services"), address=settings.TURN_TO_SERVICES)
    partners = Helper(name=_("Our partners"), address=settings.TURN_TO_PARTNERS)
    onsite = Helper(name=_("Our onsite teams"), address=settings.TURN_TO_ONSITE)
    match kind:
        case "tuning":
            return Turn(
                kind=kind,
                name=_("Performance tuning"),
                why=_(
                    "General and incremental performance tuning is work on your systems as a whole, not one problem."
                ),
                helpers=(services, onsite),
            )
        case "architecture":
            return Turn(
                kind=kind,
                name=_("Architecture advice"),
                why=_("General advice on architecture needs somebody who knows your plans and your systems."),
                helpers=(services, partners),
            )
        case "capacity":
            return Turn(
                kind=kind,
                name=_("Capacity or performance planning"),
                why=_("Planning of capacity and performance is a project of its own, not one problem."),
                helpers=(services, partners),
            )
        case "other_vendor":
            return Turn(
                kind=kind,
                name=_("Another vendor’s software"),
                why=_("The general configuration of other vendors’ software is best known to those who made it."),
                helpers=(partners, onsite),
            )
    return Turn(
        kind=OTHER,
        name=_("Something else"),
        why=_("Incident support does not cover this."),
        helpers=(services, partners, onsite),
    )


def turns() -> tuple[Turn, ...]:
    """All reasons with their words, in order; the last has none of its own."""
    return tuple(turn_of(kind) for kind in REASONS)
