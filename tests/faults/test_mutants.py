"""What mutants.py changes in the source stands there still. Its rows themselves are run by `make check-mutants`."""

import mutants
import pytest


@pytest.mark.ci
@pytest.mark.parametrize("guard", mutants.ROWS)
def test_its_text_stands_once(guard):
    for name, before, _ in mutants.CHANGES[guard]:
        assert (mutants.ROOT / name).read_text().count(before) == 1, (name, before)
