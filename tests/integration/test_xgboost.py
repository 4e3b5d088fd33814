"""The sink prediction_xgboost beside Python's XGBoost of the same version: the same scores to the last bit of float, and what is
refused at check. Models are trained, and scored for comparison, by Debian's python3-xgboost in a process of its own."""

import json
import random
import signal
import struct
import subprocess

import pytest
import yaml
from events import event
from services import run_churnd, wait_for

FEATURES = [
    "order_count",
    "total_spent",
    "average_order_value",
    "email_click_rate",
    "logins_per_day",
    "support_tickets",
    "failed_amount",
    "rating_sum",
]
CUSTOMERS = 10_000

TRAIN = """
import json, sys
import numpy as np, xgboost
out, names, trees = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(7)
x = (rng.random((3000, len(names))) * rng.choice([1, 10, 1000], (1, len(names)))).astype(np.float32)
x[rng.random(x.shape) < 0.3] = np.nan
y = (np.nan_to_num(x[:, 0] * 3) + rng.random(3000) * 10 > np.nan_to_num(x[:, -1])).astype(int)
for objective in ("binary:logistic", "reg:squarederror", "multi:softprob"):
    settings = {"objective": objective, "max_depth": 6, "nthread": 1}
    if objective == "multi:softprob":
        settings["num_class"] = 2
    model = xgboost.train(settings, xgboost.DMatrix(x, y, feature_names=names), trees)
    model.save_model(f"{out}/{objective.split(':')[1]}.json")
    model.save_model(f"{out}/{objective.split(':')[1]}.ubj")
model = xgboost.train({"nthread": 1, "objective": "binary:logistic", "booster": "gblinear"}, xgboost.DMatrix(x, y, feature_names=names), 2)
model.save_model(f"{out}/linear.json")
model = xgboost.train({"nthread": 1, "objective": "binary:logistic"}, xgboost.DMatrix(x, y), 2)
model.save_model(f"{out}/nameless.json")
print(xgboost.__version__)
"""

SCORE = """
import json, sys
import numpy as np, xgboost
model, rows = xgboost.Booster(model_file=sys.argv[1]), json.load(sys.stdin)
x = np.array([[np.nan if value is None else float(value) for value in row] for row in rows])
scores = model.predict(xgboost.DMatrix(x, feature_names=model.feature_names, nthread=1))
scores = scores if scores.ndim == 1 else scores[:, -1]
print(json.dumps([scores.astype("<f4").tobytes()[4 * i : 4 * i + 4].hex() for i in range(len(scores))]))
"""


def python(code, *args, text=""):
    """Debian's Python, which sees Debian's packages."""
    run = subprocess.run(
        ["/usr/bin/python3", "-c", code, *map(str, args)], input=text, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    version = python(TRAIN, folder, json.dumps(FEATURES), 60).strip()
    return folder, [int(part) for part in version.split(".")]


def lines(seed, customers=CUSTOMERS):
    """Each customer's last event asks for a prediction, so that what is scored is the profile as it stays."""
    rng, out = random.Random(seed), []

    def one(customer, kind):
        money = round(rng.uniform(0, 10 ** rng.randrange(1, 6)), rng.randrange(5))
        data = {
            "order_placed": {
                "order_id": "O",
                "order_value": money,
                "items_count": rng.randrange(1, 9),
                "payment_method": "card",
            },
            "payment_failed": {"amount": money},
            "login": {},
            "email_opened": {"campaign_id": "C"},
            "email_clicked": {"campaign_id": "C"},
            "review_submitted": {"product_id": "P", "rating": rng.randrange(1, 6)},
            "support_ticket_created": {"ticket_id": "T"},
        }[kind]
        time = f"2026-03-{rng.randrange(1, 29):02d}T12:00:00.000Z"
        out.append(json.dumps(event(kind, data, f"c{customer}", f"e{len(out)}", time)).encode())

    for customer in range(customers):
        for _ in range(rng.randrange(5)):
            one(customer, rng.choice(["login", "email_opened", "email_clicked", "review_submitted"]))
        one(customer, rng.choice(["order_placed", "payment_failed", "support_ticket_created"]))
    return out


def pipeline(stack, model, features=None, **sink):
    config = stack.folder / "pipeline.yaml"
    embedded = {"plugin": "lmdb", "path": str(stack.folder / "store")}
    store = {"plugin": "redis", "port": stack.redis.port} if stack.redis else embedded
    config.write_text(
        yaml.safe_dump(
            {
                "source": {
                    "plugin": "file",
                    "path": str(stack.folder / "events.jsonl"),
                    "follow": sink.pop("follow", False),
                },
                "store": store,
                "sinks": [
                    {
                        "plugin": "prediction_xgboost",
                        "model": str(model),
                        **({"features": features} if features else {}),
                        **sink,
                    }
                ],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    return config


def bits(text):
    return struct.pack("<f", float(text)).hex()


@pytest.mark.parametrize("model", ["logistic.json", "softprob.ubj"])
def test_scores_are_those_of_python_to_the_last_bit(stack, models, seed, model):
    folder, _ = models
    stack.start_redis()
    (stack.folder / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines(seed)))
    features = (
        [{"field": "total_spent", "missing": -2.5}, {"field": "rating_sum", "missing": 0}]
        if model == "softprob.ubj"
        else None
    )
    stack.run("-c", pipeline(stack, folder / model, features), "--until-end")
    profiles, predictions = stack.redis.hashes("profile:"), stack.redis.hashes("prediction:")
    assert len(profiles) == len(predictions) == CUSTOMERS
    instead = {f["field"]: f["missing"] for f in features or []}
    ids = sorted(profiles)
    rows = [[profiles[i].get(name, instead.get(name)) for name in FEATURES] for i in ids]
    assert any(None in row for row in rows)
    expected = json.loads(python(SCORE, folder / model, text=json.dumps(rows)))
    version = subprocess.run(["sha256sum", folder / model], capture_output=True, text=True, check=True).stdout[:16]
    for customer, score in zip(ids, expected, strict=True):
        prediction = predictions[customer]
        assert bits(prediction["churn_probability"]) == score, (customer, prediction)
        assert prediction["model_version"] == version


def changed(folder, name, change):
    """A copy of the JSON model with `change` done to it."""
    model = json.loads((folder / "logistic.json").read_text())
    change(model)
    (folder / name).write_text(json.dumps(model))
    return folder / name


def set_version(version):
    return lambda model: model.update(version=version)


def loop(model):
    tree = model["learner"]["gradient_booster"]["model"]["trees"][3]
    tree["left_children"][1] = 0


def beyond(model):
    tree = model["learner"]["gradient_booster"]["model"]["trees"][3]
    tree["split_indices"][0] = 99


def test_models_that_are_refused_at_check(stack, models):
    folder, library = models
    newer = [library[0], library[1] + 1, 0]
    text = (folder / "logistic.json").read_bytes()
    ubj = (folder / "logistic.ubj").read_bytes()
    (folder / "cut.json").write_bytes(text[: len(text) // 2])
    (folder / "cut.ubj").write_bytes(ubj[: len(ubj) // 2])
    (folder / "endless.ubj").write_bytes(b"{L" + bytes(7) + b"\x01a[$Z#L\x7f" + b"\xff" * 7 + b"}")
    (folder / "foreign.json").write_text('{"version": "1", "layers": [1, 2]}')
    (folder / "pickle").write_bytes(b"\x80\x04\x95" + bytes(200))
    (folder / "newer.ubj").write_bytes(
        ubj.replace(b"version[#L\0\0\0\0\0\0\0\3i" + bytes([library[0]]), b"version[#L\0\0\0\0\0\0\0\3i\x63")
    )
    names = ["no_such_field", "last_login_at", "subscription_status", *FEATURES[3:]]
    refused = {
        changed(
            folder, "newer.json", set_version(newer)
        ): f"saved by XGBoost {'.'.join(map(str, newer))}, and the library here is {'.'.join(map(str, library))}",
        folder / "newer.ubj": "saved by XGBoost 99.",
        folder / "cut.json": "is cut off or damaged at byte",
        folder / "cut.ubj": "is cut off or damaged at byte",
        folder / "endless.ubj": "more values than bytes",
        folder / "foreign.json": "is no model that XGBoost has saved",
        folder / "pickle": "is neither JSON nor Universal Binary JSON",
        folder / "none.json": "No such file or directory",
        folder / "squarederror.json": "its objective is reg:squarederror",
        folder / "linear.json": "its booster is gblinear",
        folder / "nameless.json": "does not name its features",
        changed(folder, "loop.json", loop): "nodes do not lead to each other",
        changed(folder, "beyond.json", beyond): "beyond the model's last one",
        changed(
            folder, "names.json", lambda m: m["learner"].update(feature_names=names)
        ): "1 of the model's 8 features: no_such_field",
    }
    for model, message in refused.items():
        run = run_churnd("check", "-c", pipeline(stack, model), check=1)
        assert message in run.stderr and "pipeline.yaml:" in run.stderr, (model, run.stderr)
    older = changed(folder, "older.json", set_version([1, 6, 0]))
    run_churnd("check", "-c", pipeline(stack, older), check=0)


def test_features_that_are_refused_at_check(stack, models):
    folder, _ = models
    config = stack.folder / "pipeline.yaml"
    refused = {
        '[{"field": "last_login_at", "name": "order_count"}]': "{days_since: last_login_at}",
        '[{"field": "orders", "name": "order_count"}]': "profiles have no field 'orders'",
        '[{"field": "order_count", "name": "count"}]': "the model has no feature 'count'",
        '[{"field": "order_count", "missing": "none"}]': "'none' is not a number",
        '[{"field": "order_count", "missing": 1e39}]': "beyond what XGBoost computes with",
        '[{"field": "order_count", "missing": 0}, "order_count"]': "twice",
        '[{"fields": "order_count"}]': "unknown option 'fields' (did you mean 'field'?)",
    }
    for features, message in refused.items():
        config = pipeline(stack, folder / "logistic.json", json.loads(features))
        run = run_churnd("check", "-c", config, check=1)
        assert message in run.stderr, (features, run.stderr)


def test_a_model_starts_no_thread_before_the_sandbox(stack, models):
    folder, _ = models
    (stack.folder / "events.jsonl").write_bytes(lines(1, 1)[-1] + b"\n")
    config = pipeline(stack, folder / "logistic.json")
    config.write_text("sandbox: on\n" + config.read_text())
    run = stack.churnd("-c", config, "--until-end")
    run.wait()
    assert "started a thread of its own" not in run.err


def test_a_model_is_replaced_at_a_reload(stack, models):
    folder, _ = models
    stack.start_redis()
    model, path = stack.folder / "model.json", stack.folder / "events.jsonl"
    model.write_bytes((folder / "logistic.json").read_bytes())
    path.write_bytes(lines(1, 1)[-1] + b"\n")
    run = stack.churnd("-c", pipeline(stack, model, follow=True))
    first = wait_for("the first prediction", lambda: stack.redis.hashes("prediction:").get("c0"))

    def add():
        with path.open("ab") as out:
            out.write(
                json.dumps(event("payment_failed", {"amount": 1}, "c0", random.randbytes(8).hex())).encode() + b"\n"
            )

    def replace(content):
        new = stack.folder / "new"
        new.write_bytes(content)
        new.rename(model)
        run.send(signal.SIGHUP)

    replace(b"{}")
    wait_for("the refusal", lambda: "is no model that XGBoost has saved" in run.err)
    add()
    wait_for(
        "a prediction by the old one", lambda: stack.redis.hashes("prediction:")["c0"]["event_id"] != first["event_id"]
    )
    assert stack.redis.hashes("prediction:")["c0"]["model_version"] == first["model_version"]
    replace((folder / "softprob.ubj").read_bytes())
    wait_for("the new model", lambda: run.err.count("scores with the model") == 2)
    add()
    wait_for(
        "a prediction by the new one",
        lambda: stack.redis.hashes("prediction:")["c0"]["model_version"] != first["model_version"],
    )


def test_answers_of_a_test_win(stack, models):
    """What `churnd test` says that the model answers stands for what this one would."""
    folder, _ = models
    path = pipeline(stack, folder / "logistic.json", alert={"above": 0.5})
    settings = yaml.safe_load(path.read_text())
    settings["sinks"].append({"plugin": "alert", "to": ["log"], "when": 'event_type == "score"'})
    settings["tests"] = [
        {
            "name": "a crossing",
            "events": [event("payment_failed", {"amount": 1}, "c0", f"e{i}") for i in range(2)],
            "answers": [
                {"customer_id": "c0", "churn_probability": 0.123456789},
                {"customer_id": "c0", "churn_probability": 0.5123456789},
            ],
            "expect": {
                "predictions": [
                    {"churn_probability": 0.123456789, "event_id": "e0", "model_version": None},
                    {"churn_probability": 0.5123456789, "event_id": "e1", "risk_level": "high"},
                ],
                "alerts": [{"alert_id": "crossing:prediction_xgboost:c0:1"}],
            },
        }
    ]
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    assert "1 passed, 0 failed" in run_churnd("test", "-c", path, check=0).stdout
