"""The tests' settings for a process of its own that is killed, or stopped, at a step of its work.

From the environment: ``KILLED_DATABASE`` it works in, ``KILLED_API_BASE`` of its payment provider, and where it dies:
see ``tests/faults/steps.py``. No code of the desk knows of any of it.
"""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS

DATABASES["default"]["NAME"] = os.environ["KILLED_DATABASE"]
STRIPE_API_BASE = os.environ.get("KILLED_API_BASE", "http://127.0.0.1:9")
if "KILLED_AT" in os.environ:
    INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.apps.FaultsConfig"]
