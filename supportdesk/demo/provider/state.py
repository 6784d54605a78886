"""What the stand-in keeps: one JSON file, replaced as a whole with every change."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from supportdesk.demo.provider.params import Json


@dataclass
class State:
    """Objects by id, in the order in which they were made."""

    intents: dict[str, Json] = field(default_factory=dict)
    charges: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    disputes: dict[str, Json] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)
    sendings: dict[str, Json] = field(default_factory=dict)  # by event: tries, and whether it arrived
    answers: dict[str, Json] = field(default_factory=dict)  # by idempotency key
    waiting: dict[str, Json] = field(default_factory=dict)  # by intent: the card that waits for 3-D Secure
    plans: dict[str, str] = field(default_factory=dict)  # by refund: what becomes of it
    cards: dict[str, str] = field(default_factory=dict)  # by charge: the test card's number
    armed: list[Json] = field(default_factory=list)  # what the next refunds meet
    paused: bool = False

    def find(self, name: str) -> Json | None:
        """Any object by its id."""
        for kind in (self.intents, self.charges, self.refunds, self.disputes):
            if name in kind:
                return kind[name]
        return None


class Keeper:
    """The state in its file. Without one it lives as long as the process."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.state = State()
        if file is not None and file.exists():
            kept = json.loads(file.read_text("utf-8"))
            self.state = State(**{one.name: kept[one.name] for one in fields(State) if one.name in kept})

    def save(self) -> None:
        """Writes all of it, so that a reader finds the old or the new, never half of one."""
        if self.file is None:
            return
        beside = self.file.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(self.state), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.file)
