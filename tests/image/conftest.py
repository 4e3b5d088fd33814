"""Tests of the container image: scripts/test-image.sh builds it and calls them, with the services of tests/integration.

CHURN_IMAGE_ROOT is the folder in which the image's files are mounted, CHURN_IMAGE_CONFIG what buildah says of it.
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
