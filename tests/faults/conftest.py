"""The fault suite: every row of the fault matrix, against real processes.

  make check-faults           all rows; `-m ci` picks those that each change must pass
  make check-faults-random    random schedules: FAULT_SCHEDULES of them (default 3), FAULT_SEED repeats a run
  make check-mutants          each guard of the engine turned off must make a row fail

It wants a build with --enable-faults (CHURN_BUILD_DIR) and reuses the services, the events and the model of tests/integration.

  row                                                     where
   1 kill -9 at each failpoint                            test_process.py
   2 SIGTERM, 3 SIGSTOP, 4 rebalance storm                test_process.py
   5 Redis killed or emptied, 6 failover, Sentinels       test_store.py
   7 Redis full, read-only, …  8 frozen, cut  9 Cluster   test_store.py
   8, 10 the same over TLS, and certificates              test_tls.py
   7 Redis' users who may not do all that is needed       ../integration/test_store_redis.py
   7 keys of another type, damaged profiles                ../integration/test_damage.py
  10 broker killed, frozen, slow                          test_broker.py
  10 three brokers: rolling restarts, leaders that move, an
     unclean election                                      test_cluster.py
  11 answers of the broker one by one                     ../plugins/test_source_kafka.c
  12 topics that change, transactions,
  16 dead letters that fail                               test_broker.py
  13 API                                                  test_api.py
  14 disk full  18 out of memory  19 clocks               test_machine.py
  19 a password that changes                              test_store.py
  15 malformed events                                     test_process.py
  17 plugins that crash or hang                           ../integration/test_poison.py, test_process.py
  20 reloads                                              test_process.py
  21 customers forgotten meanwhile                        test_forgetting.py
  backpressure                                            test_backpressure.py
"""

import contextlib
import importlib.util
import pathlib
import re
import sys

import pytest

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))
_spec = importlib.util.spec_from_file_location("integration_conftest", INTEGRATION / "conftest.py")
sys.modules["integration_conftest"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sys.modules["integration_conftest"])

import rig as rig_module
import services


def pytest_configure(config):
    sys.modules["integration_conftest"].pytest_configure(config)
    config.addinivalue_line("markers", "ci: rows that each change must pass, together within some five minutes")
    config.addinivalue_line("markers", "random: random schedules")


def pytest_report_header():
    return f"churnd: {services.CHURND}, FAULT_SEED={rig_module.SEED}"


def pytest_terminal_summary(terminalreporter):
    tally = rig_module.Tally
    terminalreporter.write_line(
        f"{tally['faults']} faults injected, {tally['events']} events checked, seed {rig_module.SEED}"
    )


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """One broker for all rows, each with topics of its own. It makes no topic that nobody asked for."""
    made = services.Kafka(
        tmp_path_factory.mktemp("kafka") / "broker", proxied=True, properties=["auto.create.topics.enable=false"]
    )
    yield made
    made.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three brokers for the rows that need them; each leaves them all running and in sync."""
    made = services.Cluster(tmp_path_factory.mktemp("kafka") / "cluster")
    yield made
    made.stop()


@contextlib.contextmanager
def row(folder, kafka, request):
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")
    made = rig_module.Rig(folder, kafka, name)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def rig(tmp_path, kafka, request):
    with row(tmp_path, kafka, request) as made:
        yield made


@pytest.fixture
def secured_rig(tmp_path, secured, request):
    """A rig on the broker of test_tls.py."""
    with row(tmp_path, secured, request) as made:
        yield made


@pytest.fixture
def cluster_rig(tmp_path, cluster, request):
    """A rig on the three brokers."""
    with row(tmp_path, cluster, request) as made:
        yield made
