"""The machine that plays all verbs on incidents, a module a kind of verb; ``test_life_machine`` runs it."""

import pytest

# Where rows differ from the model, it is said which.
pytest.register_assert_rewrite("tests.incidents.machine.comparing")
