"""What a change of the calendars does to incidents: deadlines move, and each timeline says so (D23, D24).

Whatever cut a run off, the next one goes on where it stopped: a batch and its steps are one transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from incidents.services.places import note_moves
from sla.replanning import PackagesOutdated, adopt_libraries, replan_batch

logger = logging.getLogger(__name__)


def replan_due(*, at: datetime) -> int:
    """Plans what is out of date at ``at`` anew, batch by batch, and gives how many deadlines moved (D23).

    Safe twice and with two workers: a clock that another one has is passed over, and found by the next run. With
    nothing out of date it is a look into two indexes.
    """
    adopt_libraries(at=at)
    moved = 0
    while True:
        try:
            with transaction.atomic():
                batch = replan_batch(at=at)
                note_moves(batch.moved, why="calendar", at=at)
        except PackagesOutdated:
            logger.warning("Deadlines wait for a worker with the newer calendars: this one has older packages.")
            return moved
        moved += len(batch.moved)
        if not batch.more:
            return moved
