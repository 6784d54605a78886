"""What the ledger refuses, by name. Nothing was changed then; the edge says why in words."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from points.crediting import NotLater, ReasonMissing
from supportdesk.people.models import User

__all__ = [
    "AlreadyDecided",
    "AlreadyGivenBack",
    "BadPoints",
    "Contradiction",
    "KeyReused",
    "NoCard",
    "NotEnoughPoints",
    "NotLater",
    "NotToCard",
    "ReasonMissing",
]

NoCard = Literal["not_by_card", "no_provider", "money_went_back", "too_small"]


class NotEnoughPoints(Exception):
    """Fewer points are on hand than the charge needs. Nothing was changed (R3, D8)."""

    def __init__(self, *, needed: int, on_hand: int) -> None:
        super().__init__(f"needs {needed}, {on_hand} on hand")
        self.needed = needed
        self.on_hand = on_hand


class BadPoints(ValueError):
    """A number of points that no lot can have; the text says which can."""


class KeyReused(Exception):
    """The key was used before, for other content. Nothing was changed."""


class AlreadyGivenBack(Exception):
    """The charge was given back before, ``by`` whom and ``when``; nobody where the desk did it (D4)."""

    def __init__(self, *, when: datetime, by: User | None) -> None:
        super().__init__(f"given back at {when.isoformat()}")
        self.when = when
        self.by = by


class NotToCard(Exception):
    """The charge cannot go back to a card; ``why`` is the code of the reason (D5)."""

    def __init__(self, why: NoCard) -> None:
        super().__init__(why)
        self.why = why


class Contradiction(Exception):
    """The provider's record of a payment is not what was asked for; ``text`` says where. No lot was made."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class AlreadyDecided(Exception):
    """Somebody decided the hold before: ``by`` whom, ``when``, and what (D32)."""

    def __init__(self, *, by: User, when: datetime, outcome: str) -> None:
        super().__init__(f"{outcome} by {by}")
        self.by = by
        self.when = when
        self.outcome = outcome
