"""Fixtures of the integration tests. What they run against: CHURN_BUILD_DIR (default: build/), or CHURND.

CHURN_TEST_EVENTS sets the size of the main job (default 60000), CHURN_TEST_SEED repeats a random run. The folders of the
last runs are kept by pytest (see --basetemp), with the output of every process.
"""

import json
import os
import signal
import subprocess

import pytest
import services
import yaml

EVENTS = int(os.environ.get("CHURN_TEST_EVENTS", "60000"))


def pytest_configure(config):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it, and so would churnd
    if not services.CHURND.is_file():
        raise pytest.UsageError(f"{services.CHURND} is missing; build churnd first (scripts/test.sh does)")


def pytest_report_header():
    return f"churnd: {services.CHURND}, main job: {EVENTS} events"


@pytest.fixture
def stack(tmp_path):
    """Services for one test, on demand."""
    made = services.Stack(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def seed():
    value = services.random_seed()
    print(f"CHURN_TEST_SEED={value}")
    return value


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """`make install` of the build into a folder of its own: (folder, its churnd, environment of who uses it from there)."""
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["make", "-s", "-C", services.BUILD, "install", f"DESTDIR={root}"], check=True, capture_output=True)
    churnd = next(root.rglob("bin/churnd"))
    return (
        root,
        churnd,
        {"PATH": f"{churnd.parent}:{os.environ['PATH']}", "PKG_CONFIG_PATH": str(next(root.rglob("pkgconfig")))},
    )


def pipeline(path, change, base="consumer"):
    """Writes a shipped pipeline to `path` with changes: `change` gets it as a dictionary."""
    settings = yaml.load(
        (services.SRC / f"config/{base}.yaml").read_text(), yaml.BaseLoader
    )  # every value as it is written
    change(settings)
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def quick_group(settings):
    """Consumer groups, of the events and of the waiting triggers, that notice soon that a member died."""
    prediction = next(sink for sink in settings["sinks"] if sink["plugin"] == "prediction")
    for section in (settings["source"], prediction):
        section.setdefault("properties", {}).update({"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"})


def log_lines(text):
    """Lines of a log in JSON."""
    return [json.loads(line) for line in text.splitlines()]
