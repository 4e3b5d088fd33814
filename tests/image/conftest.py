"""Tests of the container image: scripts/test-image.sh builds it and calls them, with the services of tests/integration.

CHURN_IMAGES is the folder with what it says of each image: NAME.root, where its files are mounted, and NAME.json.
"""

import importlib.util
import pathlib
import sys

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
sys.modules["integration_conftest"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["integration_conftest"])

from integration_conftest import pytest_configure, seed, stack  # noqa: F401
