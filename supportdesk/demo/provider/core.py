"""The provider as a whole: how it is set, what it keeps, localstripe behind it, and its events."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from supportdesk.demo.provider.errors import ApiError, missing
from supportdesk.demo.provider.events import Events
from supportdesk.demo.provider.inner import Inner
from supportdesk.demo.provider.params import Json
from supportdesk.demo.provider.state import Keeper, State

LETTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the command line and the environment say."""

    port: int
    folder: Path
    secret_key: str
    publishable_key: str
    webhook_secret: str
    webhook_url: str = ""
    settle_seconds: float | None = None  # until a refund meets its end by itself; None: on command only
    retry_seconds: float = 1.0  # before the second try of an event; doubles


class Provider:
    """One running provider."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.keeper = Keeper(setting.folder / "state.json")
        self.inner = Inner(setting.folder / "localstripe.pickle")
        self.events = Events(self.keeper, setting.webhook_secret, setting.webhook_url, setting.retry_seconds)
        self.lock = asyncio.Lock()  # one change at a time: limits are looked at and used up in one step
        self.under_way: set[str] = set()  # idempotency keys whose first request has not been answered
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> State:
        return self.keeper.state

    def save(self) -> None:
        self.keeper.save()

    async def reset(self) -> None:
        """Everything as on the first start; events go nowhere."""
        async with self.lock:
            await self.events.forget()
            for task in self._tasks:
                task.cancel()
            self.keeper.state = State()
            self.under_way.clear()
            await self.inner.flush()
            self.save()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something later, beside the request that caused it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def intent(self, name: str, *, param: str = "intent") -> Json:
        """Raises ApiError if there is none."""
        found = self.state.intents.get(name)
        if found is None:
            raise missing("payment_intent", name, param=param)
        return found

    def charge(self, name: str, *, param: str = "id") -> Json:
        """Raises ApiError if there is none."""
        found = self.state.charges.get(name)
        if found is None:
            raise missing("charge", name, param=param)
        return found

    def expanded(self, shown: Json, paths: Any) -> Json:
        """The object with ids at ``paths`` replaced by their objects. Raises ApiError for a path that leads nowhere."""
        for path in paths if isinstance(paths, list) else []:
            shown = self._expand(shown, str(path).split("."), str(path))
        return shown

    def _expand(self, shown: Json, steps: list[str], path: str) -> Json:
        step, rest = steps[0], steps[1:]
        value = shown.get(step)
        if step == "data" and isinstance(value, list):
            return shown | {"data": [self._expand(one, rest, path) for one in value]}
        if value is None and step in shown:
            return shown
        found = self.state.find(value) if isinstance(value, str) else value
        if not isinstance(found, dict):
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
        return shown | {step: self._expand(found, rest, path) if rest else found}


def now() -> int:
    return int(time.time())


def new_id(prefix: str) -> str:
    """An id for what localstripe does not make."""
    return f"{prefix}_" + "".join(secrets.choice(LETTERS) for _ in range(24))
