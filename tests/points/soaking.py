"""One process of the soak: threads that do everything to the same few customers, and write down what was acknowledged.

``python -m tests.points.soaking DATABASE BEGAN SECONDS THREADS SEED``; each line of its output is one acknowledgement.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from points.models import Charge, Hold, Lot, Refund  # noqa: E402
from points.refusals import AlreadyDecided, AlreadyGivenBack, NotEnoughPoints, NotToCard  # noqa: E402
from points.services import write_expiries  # noqa: E402
from supportdesk.people.models import Customer, User  # noqa: E402
from tests.points import ledger  # noqa: E402

REFUSALS = (AlreadyDecided, AlreadyGivenBack, NotEnoughPoints, NotToCard)
START = datetime(2026, 12, 1, 15, tzinfo=UTC)
DAYS_A_SECOND = 20


def _uuid() -> str:
    return uuid4().hex


class Soaker:
    """What one thread does, by chance."""

    def __init__(self, seed: int, began: float, tell: Callable[[dict[str, Any]], None]) -> None:
        self.chance = random.Random(seed)
        self.began, self.tell = began, tell
        self.customers = list(Customer.objects.order_by("pk"))
        self.admin = User.objects.get(email="ada@desk.example")

    def now(self) -> datetime:
        """Weeks go by in the soak, so that lots expire in it."""
        return START + timedelta(days=DAYS_A_SECOND * (time.time() - self.began))

    def step(self) -> None:
        verbs = [self.charges] * 8 + [self.buys] * 3 + [self.credits] * 3 + [self.refunds] * 3 + [self.says] * 4
        verbs += [self.holds, self.decides, self.decides, self.expires]
        verb = self.chance.choice(verbs)
        try:
            verb()
        except REFUSALS as refused:
            self.tell({"refused": type(refused).__name__})
        except Exception as error:
            self.tell({"error": f"{verb.__name__}: {error!r}"})

    def charges(self) -> None:
        key, points, customer = _uuid(), self.chance.choice([10, 10, 30]), self.chance.choice(self.customers)
        for _time in range(self.chance.choice([1, 1, 2])):  # now and then the same is sent twice
            made = ledger.charged(customer, points, at=self.now(), key_=key)
        self.tell({"charge": made.pk, "points": points, "key": key})

    def buys(self) -> None:
        customer, points = self.chance.choice(self.customers), self.chance.choice([10, 30, 100])
        back_then = self.now() - timedelta(days=self.chance.choice([0, 0, 200, 340]))
        if self.chance.random() < 0.8:
            lot = ledger.bought(customer, points, self.chance.choice([1000, 8000, 24001]), at=back_then)
        else:
            lot = ledger.given(customer, points, at=back_then)
        self.tell({"lot": lot.pk, "points": points})

    def recent(self, rows: Any) -> Any:
        found = list(rows.order_by("-pk")[:12])
        return self.chance.choice(found) if found else None

    def credits(self) -> None:
        charge = self.recent(Charge.objects.filter(given_back=None))
        if charge is not None:
            key = _uuid()
            made = ledger.back(charge, at=self.now(), key_=key)
            self.tell({"credit": key, "points": sum(lot.points for lot in made)})

    def refunds(self) -> None:
        charge = self.recent(Charge.objects.filter(given_back=None))
        if charge is not None:
            key = _uuid()
            made = ledger.to_card(charge, at=self.now(), key_=key)
            self.tell({"refund": key, "minor": sum(refund.amount_minor for refund in made)})

    def says(self) -> None:
        refund = self.recent(Refund.objects.exclude(state="failed"))
        if refund is not None:
            state = self.chance.choice(["sent", "done", "failed"])
            if ledger.said(refund, state, at=self.now()) is not None:
                self.tell({"word": refund.pk, "state": state})

    def holds(self) -> None:
        lot = self.recent(Lot.objects.filter(origin="purchase", purchase__kind="card"))
        if lot is not None:
            self.tell({"hold": ledger.on_hold(lot, at=self.now()).pk})

    def decides(self) -> None:
        hold = self.recent(Hold.objects.filter(decision=None))
        if hold is not None:
            outcome = self.chance.choice(["released", "written_off"])
            made = ledger.decided(hold, outcome, by=self.admin, at=self.now())
            self.tell({"decision": made.pk, "points": made.points})

    def expires(self) -> None:
        self.tell({"expired": write_expiries(at=self.now(), limit=20)})


def main(database: str, began_at: str, seconds: str, threads: str, seed: str) -> None:
    connections.settings["default"]["NAME"] = database
    connections["default"].settings_dict["NAME"] = database
    settings.STRIPE_SECRET_KEY = "sk_test_of_the_soak"
    ledger.key = _uuid
    one_line, ends = threading.Lock(), time.time() + float(seconds)
    began = float(began_at)  # one for all processes: nothing is given back before it was made

    def tell(said: dict[str, Any]) -> None:
        with one_line:
            print(json.dumps(said), flush=True)

    def work(number: int) -> None:
        try:
            soaker = Soaker(int(seed) * 1000 + number, began, tell)
            while time.time() < ends:
                soaker.step()
        finally:
            connections.close_all()

    running = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
