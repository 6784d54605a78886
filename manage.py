#!/usr/bin/env python
"""Runs the desk's commands. ``./desk manage …`` calls this inside the project's own environment."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    execute_from_command_line(sys.argv)
