"""Is what runs here a desk? ``python -m supportdesk.demo.check BASE_URL MAILBOX GATEWAY_HOST GATEWAY_PORT``."""

from __future__ import annotations

import smtplib
import sys
import urllib.request
from pathlib import Path


def run(base_url: str, mailbox_dir: Path, gateway: tuple[str, int]) -> int:
    """Gives 0 if the pages and the gateway answer; raises what went wrong otherwise."""
    for path in ("/healthz", "/demo/mailbox/"):
        with urllib.request.urlopen(base_url + path, timeout=10) as response:  # noqa: S310 our own address
            print(f"  {path} {response.status}", flush=True)
    with smtplib.SMTP(*gateway, timeout=10) as server:
        print(f"  gateway {server.noop()[0]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), (sys.argv[3], int(sys.argv[4]))))
