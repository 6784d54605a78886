"""``migrate`` as the owner's role: the application's role owns nothing and cannot change a table."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from supportdesk.roles import as_owner, let_application_in


class Command(MigrateCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner(options["database"]):
            let_application_in(connections[options["database"]])
            super().handle(*args, **options)
