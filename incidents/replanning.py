"""What a change of the calendars does to incidents: deadlines move, and each timeline says so (D23, D24).

Whatever cut a run off, the next one goes on where it stopped: a batch and its steps are one transaction.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from incidents.services.places import note_moves
from sla.replanning import Batch, PackagesOutdated, adopt_libraries, replan_batch
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)


class NotNoted(Exception):
    """The timelines of a batch could not be written, so its deadlines were not moved either."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch


def replan_due(*, at: datetime) -> int:
    """Plans what is out of date at ``at`` anew, batch by batch, and gives how many deadlines moved (D23).

    Safe twice and with two workers: a clock that another one has is passed over, and found by the next run. With
    nothing out of date it is a look into two indexes. A clock whose step cannot be written is found by smaller and
    smaller batches, logged and left out: its change stays pending, and the others go on.
    """
    adopt_libraries(at=at)
    moved, limit, left_out = 0, POLICY.replan_batch, frozenset[int]()
    batch = Batch(more=True)
    while batch.more:
        try:
            batch = _next_batch(batch, at=at, limit=limit, without=left_out)
        except PackagesOutdated:
            logger.warning("Deadlines wait for a worker with the newer calendars: this one has older packages.")
            return moved
        except NotNoted as failed:
            (first, *more) = failed.batch.replanned
            if more:
                limit = len(failed.batch.replanned) // 2
            else:
                logger.exception("Clock %s is not planned anew: its timeline cannot be written.", first.clock.pk)
                left_out |= {first.clock.pk}
        else:
            moved += len(batch.moved)
            limit = min(limit * 2, POLICY.replan_batch)
    return moved


def _next_batch(previous: Batch, *, at: datetime, limit: int, without: frozenset[int]) -> Batch:
    with transaction.atomic():
        batch = replan_batch(at=at, previous=previous, limit=limit, without=without)
        try:
            note_moves(batch.moved, why="calendar", at=at)
        except Exception as error:
            if not batch.moved:
                raise
            raise NotNoted(batch) from error
    return batch
