"""Waking a worker early. Every piece of work is a row first, so a wake that is lost costs seconds only (D30)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread, local

from kombu.exceptions import OperationalError

from supportdesk.celery import app

logger = logging.getLogger(__name__)

# Without these a dead Redis holds each request up: refused connections for 6 seconds, a silent one for ever.
_IMPATIENT = {"socket_connect_timeout": 1, "socket_timeout": 1, "max_retries": 0}
_QUIET_SECONDS = 15
# A worker that was woken looks at everything that waits, so the mails of one moment need one wake.
_MOMENT_SECONDS = 0.1


class _Waker:
    """Sends a task by name. After a failure it leaves the broker alone for a while: one request waits, not all."""

    quiet_until = 0.0

    def __init__(self) -> None:
        self._of_thread = local()

    def __call__(self, task: str) -> bool:
        gathered: dict[str, None] | None = getattr(self._of_thread, "gathered", None)
        if gathered is not None:
            gathered[task] = None
            return True
        return self._send(task)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """What this thread wakes inside the block is woken once each, at its end."""
        if getattr(self._of_thread, "gathered", None) is not None:
            yield
            return
        gathered: dict[str, None] = {}
        self._of_thread.gathered = gathered
        try:
            yield
        finally:
            self._of_thread.gathered = None
            for task in gathered:
                self._send(task)

    def _send(self, task: str) -> bool:
        if time.monotonic() < self.quiet_until:
            return False
        try:
            with app.connection_for_write(connect_timeout=1, transport_options=_IMPATIENT) as connection:
                app.send_task(task, connection=connection, retry=False, ignore_result=True)
        except (OperationalError, OSError) as error:
            self.quiet_until = time.monotonic() + _QUIET_SECONDS
            logger.warning("The broker could not be told of %s, the schedule will find it: %s", task, error)
            return False
        return True


class _Bell:
    """Wakes from a thread of its own, once for all that rang in a moment: who rings neither waits nor fails."""

    def __init__(self, send: Callable[[str], bool]) -> None:
        self._send = send
        self._rung = Event()
        self._lock = Lock()
        self._tasks: set[str] = set()
        self._thread: Thread | None = None

    def __call__(self, task: str) -> None:
        with self._lock:
            self._tasks.add(task)
            if self._thread is None or not self._thread.is_alive():  # a fork takes no threads along
                self._thread = Thread(target=self._answer, name="bell", daemon=True)
                self._thread.start()
        self._rung.set()

    def _answer(self) -> None:
        while True:
            self._rung.wait()
            self._rung.clear()
            with self._lock:
                tasks, self._tasks = self._tasks, set()
            for task in sorted(tasks):
                try:
                    self._send(task)
                except Exception:  # the next one that rings is answered all the same
                    logger.exception("The broker could not be told of %s", task)
            time.sleep(_MOMENT_SECONDS)


wake = _Waker()
ring = _Bell(wake)
