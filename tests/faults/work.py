"""What a worker does for mail, once, without a broker: ``python -m tests.faults.work file|deliver|tips``."""

from __future__ import annotations

import sys

import django

django.setup()

from incidents.tasks import file_mails  # noqa: E402
from supportdesk.mail.tasks import deliver  # noqa: E402
from supportdesk.tips.tasks import send  # noqa: E402

WORK = {"file": file_mails, "deliver": deliver, "tips": send}

if __name__ == "__main__":
    # Told to go on, so that several start at once.
    if "wait" in sys.argv:
        print("ready", flush=True)
        sys.stdin.readline()
    print(WORK[sys.argv[1]]())
