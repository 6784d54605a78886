"""The provider seen from outside: paying as a browser does, and what somebody does there by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from supportdesk.demo.provider.params import Json

SECONDS: Final = 30
VALID: Final = ("12", "40", "123")  # until when a card is good, and its security code


class NotDone(Exception):
    """The provider refused, or is not there. ``error`` is what it said, in Stripe's shape."""

    def __init__(self, error: Json) -> None:
        super().__init__(error.get("message", ""))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderClient:
    """The provider at ``base``, with the desk's keys for it. Every verb raises ``NotDone``."""

    base: str
    secret_key: str
    publishable_key: str

    @property
    def script_url(self) -> str:
        """The script that a page with card fields loads."""
        return f"{self.base}/v3/"

    # As a browser

    def pay(self, payment_intent: str, card: str = "4242424242424242", *, name: str = "Test") -> Json:
        """Confirms with a card as the script does; gives the intent. One that asks for 3-D Secure waits for it."""
        month, year, cvc = VALID
        amex = "4" if card.startswith(("34", "37")) else ""
        data = "payment_method_data"
        fields = {f"{data}[type]": "card", f"{data}[card][number]": card, f"{data}[billing_details][name]": name}
        fields |= {f"{data}[card][exp_month]": month, f"{data}[card][exp_year]": year, f"{data}[card][cvc]": cvc + amex}
        return self._from_browser(payment_intent, "confirm", fields)

    def authenticate(self, payment_intent: str, *, success: bool = True) -> Json:
        """What the customer does in the 3-D Secure box; gives the intent."""
        return self._from_browser(payment_intent, "_authenticate", {"success": str(success).lower()})

    # By hand

    def everything(self) -> Json:
        """payments, charges, refunds, disputes, events (each with its ``sending``), armed, paused, url."""
        return self._ask("/_desk/everything")

    def events(self, kind: str = "") -> list[Json]:
        """The events in the order in which they were made; with ``kind`` those of one type."""
        return [event for event in self.everything()["events"] if not kind or event["type"] == kind]

    def refund(self, payment_intent: str, amount: int | None = None) -> Json:
        """A refund from the dashboard, of all that is left or of ``amount``."""
        return self._do("refund", payment_intent=payment_intent, amount=amount)

    def settle(self, refund: str, outcome: str = "") -> Json:
        """A refund succeeds or fails ("succeeded", "failed"). Without an outcome: what its test card has in store."""
        return self._do("settle", refund=refund, outcome=outcome)

    def next_refund(self, mode: str, *, code: str = "", status: int = 400, seconds: float = 60, times: int = 1) -> Json:
        """What the desk's next ``times`` refund calls meet: fails, pending, error, unavailable, refused, hangs, drops.

        "fails" answers ``status`` with ``code`` (charge_disputed); "hangs" answers after ``seconds``. The library tries
        again by itself after "error", "unavailable" and "drops": where a whole call shall meet it, ``times`` has to
        count these tries as well, or the desk's client makes none.
        """
        return self._do("next_refund", mode=mode, code=code, status=status, seconds=seconds, times=times)

    def dispute(self, payment_intent: str, *, reason: str = "fraudulent", amount: int | None = None) -> Json:
        """The customer disputes a payment; gives the dispute."""
        return self._do("dispute", payment_intent=payment_intent, reason=reason, amount=amount)

    def close_dispute(self, dispute: str, outcome: str) -> Json:
        """The bank decides: "won" or "lost"."""
        return self._do("close_dispute", dispute=dispute, outcome=outcome)

    def send_events_to(self, url: str) -> None:
        """Where events go from now on, those that wait first. Empty: nowhere."""
        self._do("events/to", url=url)

    def pause(self) -> None:
        """Holds events back."""
        self._do("events/pause")

    def resume(self) -> None:
        """Sends what was held back."""
        self._do("events/resume")

    def deliver(self, *events: str, times: int = 1) -> list[Json]:
        """Sends events now, in this order, each ``times`` times at once; gives all outcomes (event, status, error)."""
        outcomes: list[Json] = self._do("events/deliver", events=list(events), times=times)["outcomes"]
        return outcomes

    def reset(self) -> None:
        """Forgets everything; events go nowhere."""
        self._do("reset")

    def _from_browser(self, payment_intent: str, verb: str, fields: dict[str, str]) -> Json:
        path = f"/v1/payment_intents/{quote(payment_intent)}"
        headers = {"Authorization": f"Bearer {self.secret_key}"}
        secret = self._ask(path, headers=headers)["client_secret"]
        sent = {"key": self.publishable_key, "client_secret": secret} | fields
        return self._ask(f"{path}/{verb}", urlencode(sent).encode())

    def _do(self, verb: str, **sent: Any) -> Json:
        return self._ask(f"/_desk/{verb}", json.dumps(sent).encode(), headers={"Content-Type": "application/json"})

    def _ask(self, path: str, body: bytes | None = None, *, headers: dict[str, str] | None = None) -> Json:
        request = Request(self.base + path, body, headers or {})  # noqa: S310 on this machine
        try:
            with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
                found: Json = json.load(response)
        except HTTPError as refused:
            raise NotDone(json.load(refused)["error"]) from None
        except (URLError, OSError) as gone:
            raise NotDone({"type": "api_connection_error", "message": str(gone)}) from gone
        return found
