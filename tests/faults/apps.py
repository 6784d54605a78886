"""What arms a process, once everything is loaded."""

from __future__ import annotations

import os

from django.apps import AppConfig

from tests.faults.steps import arm


class FaultsConfig(AppConfig):
    """In no desk: only ``tests.killed_settings`` install it."""

    name = "tests.faults"

    def ready(self) -> None:
        """Arms the process for the step that ``KILLED_AT`` names."""
        arm(os.environ["KILLED_AT"], nth=int(os.environ["KILLED_NTH"]), mark=os.environ["KILLED_MARK"])
