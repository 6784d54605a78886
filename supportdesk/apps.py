from django.apps import AppConfig
from django.core.checks import Tags, register

from supportdesk.checks import policy_makes_sense, production_is_set_up


class SupportdeskConfig(AppConfig):
    """Holds the commands that belong to no room, and the system checks."""

    name = "supportdesk"

    def ready(self) -> None:
        register(policy_makes_sense)
        register(production_is_set_up, Tags.security, deploy=True)
