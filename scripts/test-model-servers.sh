#!/usr/bin/env bash
# test-model-servers.sh [OPTION…]: the model servers' tests (tests/integration/test_model_servers.py, with pytest's OPTIONs) against the
# real ones, MLServer with a scikit-learn and an XGBoost model and `mlflow models serve`, in a Python environment of their own of 1.7 GB.
# Wants a build in build/, and a Python of version 3.11 or 3.12, which MLServer needs. What the servers said is written down in
# tests/model-servers/recorded.json, which is repeated where there is no such Python.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/test-setup.sh

model_servers_python >/dev/null || { echo "MLServer wants a Python of version 3.11 or 3.12, and there is none here" >&2; exit 1; }

scripts/install-deps.sh test
make_venv
[ -n "${CHURN_KAFKA_LIBS:-}" ] || fetch_kafka
make_model_servers

CHURN_BUILD_DIR=$PWD/build CHURN_MODEL_SERVERS=$PWD/build/model-servers \
    build/venv/bin/python -m pytest -q -p no:cacheprovider -rf --timeout=600 tests/integration/test_model_servers.py "$@"
mv build/model-servers-recorded.json tests/model-servers/recorded.json
