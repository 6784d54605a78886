"""Sixty-four at once, in several processes, for a while: every acknowledged change is there, once (R3, D4, D6)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from points.models import Charge, Entry, GiveBack, Hold, HoldDecision, Lot, Refund
from points.services import write_expiries
from supportdesk.people.models import Customer
from tests.cast import Cast
from tests.points.ledger import bought, checked, sql
from tests.points.soaking import START

pytestmark = [pytest.mark.full, pytest.mark.rule("R3", "D1", "D4", "D5", "D6", "D32")]

SECONDS, PROCESSES, THREADS = 20, 4, 16


def _soak(database: str, folder: Path, *, kill: bool) -> list[dict[str, Any]]:
    """Everything that was acknowledged; with ``kill`` the first process dies in the middle."""
    names = [folder / f"soaker-{number}" for number in range(PROCESSES)]
    running, began = [], time.time()
    for number, name in enumerate(names):
        with name.open("wb") as told:
            given = [database, began, SECONDS, THREADS, number]
            command = [sys.executable, "-m", "tests.points.soaking", *map(str, given)]
            running.append(subprocess.Popen(command, stdout=told, env=os.environ.copy()))
    try:
        if kill:
            time.sleep(SECONDS / 2)
            running[0].kill()
        ends = [process.wait(timeout=SECONDS + 120) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert ends[1:] == [0] * (PROCESSES - 1)
    assert ends[0] == (-9 if kill else 0)
    lines = [line for name in names for line in name.read_bytes().split(b"\n")]
    whole = [line for line in lines if line.endswith(b"}")]
    assert len(lines) - len(whole) <= PROCESSES + 1, "only the killed one leaves half a line"
    return [json.loads(line) for line in whole]


def _sum(model: Any, column: str = "points", **which: Any) -> int:
    return int(model.objects.filter(**which).aggregate(found=Sum(column))["found"] or 0)


@pytest.mark.parametrize("kill", [False, True], ids=["all live", "one is killed"])
def test_every_acknowledged_change_is_there_once_and_nothing_differs(
    provider: None, committed_cast: Cast, tmp_path: Path, kill: bool, capsys: pytest.CaptureFixture[str]
):
    for customer in (committed_cast.acme, committed_cast.other):
        bought(customer, 300, 240_000, at=START)
    before = Lot.objects.count()
    told = _soak(_database(), tmp_path, kill=kill)
    assert [said for said in told if "error" in said] == []
    counted = Counter(next(iter(said)) for said in told)

    # Each is there, once, and as it was acknowledged.
    charges = {said["charge"]: said["points"] for said in told if "charge" in said}
    assert len(charges) == counted["charge"]
    assert charges.items() <= dict(Charge.objects.values_list("pk", "points")).items()
    lots = {said["lot"]: said["points"] for said in told if "lot" in said}
    assert lots.items() <= dict(Lot.objects.values_list("pk", "points")).items()
    backs = dict(GiveBack.objects.values_list("key", "charge__points"))
    credited = {said["credit"]: said["points"] for said in told if "credit" in said}
    assert credited.items() <= backs.items()
    refunded = {said["refund"]: said["minor"] for said in told if "refund" in said}
    money = Refund.objects.order_by().values_list("giveback__key").annotate(minor=Sum("amount_minor"))
    assert refunded.items() <= dict(money).items()
    ranks = {"pending": 0, "sent": 1, "done": 2, "failed": 3}
    states = dict(Refund.objects.values_list("pk", "state"))
    assert all(ranks[states[said["word"]]] >= ranks[said["state"]] for said in told if "word" in said)
    words = [(said["word"], said["state"]) for said in told if "word" in said]
    assert len(words) == len(set(words)), "a word is news once"
    assert {said["hold"] for said in told if "hold" in said} <= set(Hold.objects.values_list("pk", flat=True))
    decisions = {said["decision"]: said["points"] for said in told if "decision" in said}
    assert decisions.items() <= dict(HoldDecision.objects.values_list("pk", "points")).items()
    expired = sum(said["expired"] for said in told if "expired" in said)
    if kill:
        assert Entry.objects.filter(cause="expiry").count() >= expired
    else:
        assert len(charges) == Charge.objects.count()
        assert before + len(lots) == Lot.objects.filter(origin="purchase").count()
        assert (len(credited), len(refunded)) == tuple(
            GiveBack.objects.filter(means=means).count() for means in ("points", "card")
        )
        assert counted["hold"] == Hold.objects.count()
        assert len(decisions) == HoldDecision.objects.count()
        assert Entry.objects.filter(cause="expiry").count() == expired

    # To the point: what came is there, or went.
    write_expiries(at=datetime(2029, 1, 1).astimezone(), limit=100_000)
    for customer in Customer.objects.all():
        came = _sum(Entry, customer=customer, points__gt=0)
        went = _sum(Entry, customer=customer, points__lt=0)
        assert came + went == _sum(Lot, "remaining", customer=customer)
        assert came == _sum(Lot, customer=customer)
        assert -_sum(Entry, customer=customer, cause="charge") == _sum(Charge, customer=customer)
    assert "nothing differs" in checked()
    with capsys.disabled():
        done = sum(number for what, number in counted.items() if what not in ("refused", "expired"))
        print(f"\n  {done / SECONDS:.0f} changes a second, {counted['refused']} refused: {dict(counted)}")


def _database() -> str:
    ((name,),) = sql("SELECT current_database()")
    return str(name)
