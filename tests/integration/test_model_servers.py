"""Predictions by the servers that models are served with: MLServer (KServe's protocol, version 2) with a scikit-learn and an XGBoost
model, `mlflow models serve`, and a hand-made form by a template. The first two are real in scripts/test-model-servers.sh; here they
say what they said there."""

import json
import re
import sys

import pytest
import yaml
from events import event
from model_servers import ModelServers
from oracle import read_topics
from services import HOST, SRC, Process, Stack, accepts, free_port, run_churnd, wait_for

FEATURES = [
    {"field": "order_count", "missing": 0},
    {"field": "total_spent", "missing": 0},
    {"field": "email_click_rate", "name": "click_rate", "missing": 0},
]
# opened, clicked, order value
CUSTOMERS = {"c0": (4, 1, "12.5"), "c1": (0, 0, "480"), "c2": (3, 3, "99.99"), "c3": (8, 2, "250.125")}
ROWS = [[1, float(value), round(clicked / opened, 4) if opened else 0] for opened, clicked, value in CUSTOMERS.values()]

FLASK = """
import sys
from flask import Flask, jsonify, request
app = Flask(__name__)

@app.post("/score/<model>")
def score(model):
    body = request.get_json()
    assert body["model"] == model and body["n"] == len(body["people"])
    return jsonify(result={"scores": [[p["who"], min(1, p["x"][1] / 1000)] for p in body["people"]], "note": body["note"]})

app.run(host=sys.argv[1], port=int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("stack"))
    try:
        made.start_kafka()
        made.start_redis()
        made.kafka.create_topics({"model-events": 1})
        made.kafka.produce("model-events", events())
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = ModelServers(tmp_path_factory.mktemp("models"), ROWS)
    try:
        yield made
    finally:
        made.stop()


def events():
    """Each customer's last event alone asks for a prediction."""
    made = []
    for customer, (opened, clicked, value) in CUSTOMERS.items():
        kinds = ["email_opened"] * opened + ["email_clicked"] * clicked
        data = [(kind, {"campaign_id": "C"}) for kind in kinds]
        order = {"order_id": "O", "order_value": float(value), "items_count": 1, "payment_method": "card"}
        for i, (kind, fields) in enumerate([*data, ("order_placed", order)]):
            made.append((customer, json.dumps(event(kind, fields, customer, f"{customer}-{i}"))))
    return made


def pipeline(stack, name, **sink):
    config = stack.folder / f"{name}.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "name": name,
                "source": {
                    "plugin": "kafka",
                    "brokers": stack.kafka.brokers,
                    "topics": ["model-events"],
                    "group_id": name,
                },
                "store": {"plugin": "redis", "port": stack.redis.port, "key_prefix": f"{name}:"},
                "sinks": [
                    {
                        "plugin": "prediction",
                        "brokers": stack.kafka.brokers,
                        "topic": f"{name}-predictions",
                        "queue_topic": f"{name}-requests",
                        "queue_partitions": 1,
                        "cache_prefix": f"{name}-prediction:",
                        "dead_letter_topic": f"{name}-dead",
                        "features": FEATURES,
                        **sink,
                    }
                ],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    return config


def predictions(stack, name, **sink):
    stack.run("-c", pipeline(stack, name, **sink), "--until-end")
    records = list(read_topics(stack.kafka.brokers, [f"{name}-predictions"]))
    made = {key.decode(): json.loads(value) for _, _, _, key, value, _ in records}
    assert len(records) == len(made) == len(CUSTOMERS)
    return [made[customer] for customer in CUSTOMERS]


def check_records(records, expected, model):
    for record, probability, row in zip(records, expected, ROWS, strict=True):
        assert record["churn_probability"] == pytest.approx(probability, rel=1e-6)
        assert record["features"] == dict(zip(["order_count", "total_spent", "click_rate"], row, strict=True))
        assert record.get("model") == model
        assert "risk_level" not in record


def test_mlserver_with_scikit_learn_in_batches(stack, servers):
    """A label and a probability; all rows in one request."""
    sink = {
        "url": servers.url,
        "format": "kserve_v2",
        "model": "churn-sklearn",
        "outputs": ["predict", "predict_proba"],
        "batch": {"max": 4, "wait": "60s"},
        "cache_features": True,
    }
    records = predictions(stack, "sklearn", **sink)
    check_records(records, servers.said["sklearn"], "churn-sklearn")
    assert {record["model_version"] for record in records} == {"v3"}
    cached = stack.redis.hashes("sklearn-prediction:")
    assert json.loads(cached["c2"]["features"]) == records[2]["features"]
    infers = [known for known in servers.exchanges.front.requests if known["path"].endswith("/churn-sklearn/infer")]
    assert [json.loads(request["body"])["inputs"][0]["shape"] for request in infers] == [[4, 1]]


def test_mlserver_with_xgboost_row_by_row(stack, servers):
    records = predictions(
        stack,
        "xgboost",
        url=servers.url,
        format="kserve_v2",
        model="churn-xgboost",
        outputs=["predict_proba"],
        answer="/outputs/0/data",
    )
    check_records(records, servers.said["xgboost"], "churn-xgboost")


def test_mlserver_with_one_tensor(stack, servers):
    records = predictions(
        stack,
        "tensor",
        url=servers.url,
        format="kserve_v2",
        model="churn-sklearn",
        outputs=["predict_proba"],
        tensor="input",
        batch={"max": 4, "wait": "60s"},
    )
    check_records(records, servers.said["sklearn"], "churn-sklearn")


def test_mlflow_in_batches(stack, servers):
    records = predictions(stack, "mlflow", url=servers.url, format="mlflow", batch={"max": 4, "wait": "60s"})
    check_records(records, servers.said["sklearn"], None)


def test_a_form_of_ones_own_by_a_template(stack):
    port = free_port()
    server = Process([sys.executable, "-c", FLASK, HOST, str(port)], stack.folder, "flask")
    try:
        wait_for("Flask to listen", lambda: accepts(port))
        records = predictions(
            stack,
            "flask",
            url=f"http://{HOST}:{port}",
            path="/score/mine",
            format="template",
            model="mine",
            template={
                "model": "<model>",
                "n": "<count>",
                "note": "of <model>: <<row>",
                "people": {"<each>": {"who": "<customer_id>", "x": "<row>"}},
            },
            answer="/result/scores",
            batch={"max": 3, "wait": "100ms"},
        )
    finally:
        server.end()
    check_records(records, [row[1] / 1000 for row in ROWS], "mine")


def check(stack, name, **sink):
    return run_churnd("check", "--connect", "-c", pipeline(stack, name, **sink), timeout=120)


def test_check_compares_the_features_with_the_model(stack, servers):
    sink = {"url": servers.url, "format": "kserve_v2", "model": "churn-sklearn"}
    good = check(stack, "good", **sink)
    assert good.returncode == 0 and "ok: prediction: model churn-sklearn at " in good.stderr + good.stdout
    turned = check(stack, "turned", **sink, features=[FEATURES[1], FEATURES[0], FEATURES[2]])
    assert turned.returncode == 1
    assert "its order is another: order_count, total_spent, click_rate" in turned.stderr + turned.stdout
    other = check(
        stack, "other", **sink, features=[FEATURES[0] | {"datatype": "FP32"}, FEATURES[1], {"field": "support_tickets"}]
    )
    said = other.stderr + other.stdout
    assert other.returncode == 1 and "'order_count' is INT64 there and FP32 here" in said
    assert "it has no input 'support_tickets'" in said and "it takes 'click_rate' (FP64)" in said
    none = check(stack, "none", **sink | {"model": "nobody"})
    assert none.returncode == 1 and "the server knows no such model" in none.stderr + none.stdout


def test_features_are_refused_where_they_stand(tmp_path):
    config = tmp_path / "pipeline.yaml"
    config.write_text(
        "source: {plugin: file, path: /dev/null}\n"
        "store: {plugin: lmdb, path: store}\n"
        "dead_letters: {plugin: file, path: dead.jsonl}\n"
        "sinks:\n"
        "  - plugin: prediction\n"
        "    url: http://127.0.0.1:1\n"
        "    format: kserve_v2\n"
        "    model: churn\n"
        "    features:\n"
        "      - {field: order_count, missing: 0}\n"
        "      - {field: last_login_at, missing: 0}\n"
        "      - {field: order_cuont}\n"
        "      - subscription_status\n"
        "      - {field: total_spent, missing: none}\n"
    )
    run = run_churnd("check", "-c", config, cwd=tmp_path)
    said = (run.stderr + run.stdout).replace(str(config), "FILE")
    assert run.returncode == 1
    assert (
        "FILE:11:10: prediction: features: 'last_login_at' is a time" in said and "{days_since: last_login_at}" in said
    )
    assert (
        "FILE:12:10: prediction: features: profiles have no field 'order_cuont' (did you mean 'order_count'?)" in said
    )
    assert "FILE:13:9: prediction: features: 'subscription_status' is a text" in said
    assert "FILE:14:30: prediction: features: 'none' is not a number" in said


def test_the_pipelines_of_the_docs_are_good(tmp_path):
    text = (SRC / "docs/model-servers.md").read_text()
    pipelines = re.findall(r"```yaml\n(name:.*?)```", text, re.S)
    assert len(pipelines) == 3
    for lines in pipelines:
        (tmp_path / "pipeline.yaml").write_text(lines)
        run_churnd("check", "-c", tmp_path / "pipeline.yaml", check=0)
