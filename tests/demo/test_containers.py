"""The compose file and the image's file say what they should. No engine is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportdesk.demo.supervisor import ROOT

# Without these the desk runs, with less: mail without a sign-in, no card payments.
OPTIONAL = ("MAIL_PASSWORD", "IMAP_PASSWORD", "SECRET_KEY_FALLBACKS", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS")

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_every_service_that_stays_has_a_health_check_and_starts_again(compose: dict[str, Any]) -> None:
    staying = {name: service for name, service in compose["services"].items() if name != "migrate"}

    assert set(staying) == {"web", "worker", "beat", "gateway", "fetcher", "postgres", "redis"}
    for service in staying.values():
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


def test_only_migrate_knows_the_owner(compose: dict[str, Any]) -> None:
    knowing = {name for name, service in compose["services"].items() if "DATABASE_OWNER_URL" in service["environment"]}

    assert knowing == {"migrate"}


def test_no_secret_stands_in_the_file_and_each_missing_one_is_named(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if re.search("SECRET|PASSWORD|AUTH", name) and name not in OPTIONAL:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), name


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / source).exists()
            assert source.startswith("./") or source in compose["volumes"]


def test_the_image_gets_no_tests_and_no_development_requirements() -> None:
    assert "requirements-dev" not in (ROOT / "Dockerfile").read_text()
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    assert not {"!tests", "!.desk", "!.env"} & set(allowed)
