"""Whatever is done to incidents, by whomever and in any order: each stands as the model has it (D8–D20, D35, D36)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from incidents.statuses import Act, allows
from tests.cast import Cast
from tests.incidents.life_rows import MAY
from tests.incidents.machine.stories import Stories
from tests.incidents_helpers import a_release

pytestmark = pytest.mark.rule(
    *("R9", "R13", "R14", "D8", "D10", "D11", "D12", "D13", "D14", "D15", "D16", "D17", "D18", "D35", "D36", "D38")
)


class Desk(Stories):
    """Each rule does one thing to the database and the same to the model, and each has to come out the same."""


def _run(cast: Cast, examples: int, steps: int) -> None:
    a_release()
    run_state_machine_as_test(
        type("OfTheCast", (Desk,), {"cast": cast}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )


@pytest.mark.rule("D10")
def test_the_table_says_what_the_model_says():
    for status, acts in MAY.items():
        merged = status == "merged"
        assert {act.value for act in Act if allows("closed" if merged else status, act, merged=merged)} == acts


def test_any_life_comes_out_as_the_model_has_it(cast: Cast):
    _run(cast, examples=10, steps=35)


@pytest.mark.full
def test_many_more_lives_come_out_as_the_model_has_it(cast: Cast):
    _run(cast, examples=60, steps=70)
