"""The model of features over time and of silence (docs/time-model.md): it goes wrong in no history, and does without each guard."""

import sys

import pytest
from services import SRC

sys.path.insert(0, str(SRC / "tests/models"))
import time_model


def test_nothing_goes_wrong():
    known = said = 0
    for seed in range(1, 41):
        history = time_model.History(seed)
        fault = history.run()
        assert fault is None, f"history {seed}: {fault}"
        known, said = known + history.known, said + len(history.said)
    assert known > 10000 and said > 100, "something was looked at"


@pytest.mark.parametrize("guard", time_model.SCRIPTS)
def test_races(guard):
    assert time_model.run_script(guard, None) is None


@pytest.mark.parametrize("guard", time_model.GUARDS)
def test_each_guard_is_needed(guard):
    assert time_model.caught(guard, 200) is not None, time_model.GUARDS[guard]
