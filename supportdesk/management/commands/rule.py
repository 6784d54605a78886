"""``./desk manage rule D7``: a rule's text, the code that cites it, the tests that prove it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from supportdesk import rules


class Command(BaseCommand):
    help = "Prints the text of a rule, the code that cites it and the tests that prove it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="R1 … R15 or D1 … D41")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].upper()
        texts = rules.texts()
        if name not in texts:
            raise CommandError(f"{name} is no rule. Known are {', '.join(texts)}.")
        self.stdout.write(f"{name}  {texts[name]}\n")
        for title, places in (("Code", rules.citations(name)), ("Tests", rules.proofs(name))):
            self.stdout.write(f"\n{title}:")
            for place in places or ["none"]:
                self.stdout.write(f"  {place}")
