"""Waking a worker early. Every piece of work is a row first, so a wake that is lost costs seconds only (D30)."""

from __future__ import annotations

import logging
import time

from kombu.exceptions import OperationalError

from supportdesk.celery import app

logger = logging.getLogger(__name__)

# Without these a dead Redis holds each request up: refused connections for 6 seconds, a silent one for ever.
_IMPATIENT = {"socket_connect_timeout": 1, "socket_timeout": 1, "max_retries": 0}
_QUIET_SECONDS = 15


class _Waker:
    """Sends a task by name. After a failure it leaves the broker alone for a while: one request waits, not all."""

    quiet_until = 0.0

    def __call__(self, task: str) -> bool:
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


wake = _Waker()
