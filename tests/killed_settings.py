"""The tests' settings for a process of its own that is killed: the provider is where the test says."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403

STRIPE_API_BASE = os.environ["KILLED_API_BASE"]
