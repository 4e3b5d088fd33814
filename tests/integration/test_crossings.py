"""Alerts of scores: one each time that a customer's score crosses `above`, told before the answer is cached."""

import json

import metrics
import pytest
import yaml
from events import event
from services import Stack, free_port, run_churnd, wait_for


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path)
    made.start_scripted()
    yield made
    made.stop()


def order(customer, name):
    data = {"order_id": "O", "order_value": 10, "items_count": 1, "payment_method": "card"}
    return json.dumps(event("order_placed", data, customer, name)) + "\n"


class Run:
    """A pipeline on a file, with one server for predictions and alerts: it sees in which order they come."""

    def __init__(self, stack, *more, store=None, follow=True, **sink):
        self.stack, self.scores, self.hangs = stack, {}, False
        self.source = stack.folder / "events.jsonl"
        self.source.touch()
        self.port = free_port()
        self.config = stack.folder / "pipeline.yaml"
        stack.api.mode = self.answer
        if sink.get("plugin", "prediction") == "prediction":
            sink = {"plugin": "prediction", "url": stack.api.url, "queue": "store", **sink}
        sinks = [sink, {"plugin": "alert", "to": ["webhook"], "webhook_url": f"{stack.api.url}/alerts"}, *more]
        self.config.write_text(
            yaml.safe_dump(
                {
                    "source": {"plugin": "file", "path": str(self.source), "follow": follow},
                    "events": {"override": {"subscription_cancelled": {"alert": "none"}}},
                    "store": {"plugin": "lmdb", "path": str(stack.folder / "store"), **(store or {})},
                    "sinks": sinks,
                    "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
                    "health": {"listen": f"127.0.0.1:{self.port}"},
                }
            )
        )

    def start(self):
        return self.stack.churnd("-c", self.config)

    def answer(self, request):
        if request["path"] == "/alerts":
            if self.hangs:
                self.stack.api.released.wait(60)
            return 200, b""
        body = json.loads(request["body"])
        return 200, json.dumps(
            {
                "churn_probability": self.scores[body["trigger"]["event_id"]],
                "risk_level": "high",
                "model_version": "7",
            }
        ).encode()

    def add(self, text):
        with self.source.open("a") as out:
            out.write(text)

    def ask(self, customer, number, score):
        """An order whose prediction is `score`, which is waited for to its end."""
        before = self.answered()
        self.scores[f"{customer}-{number}"] = score
        self.add(order(customer, f"{customer}-{number}"))
        wait_for(
            "the prediction to be cached", lambda: self.answered() > before and f"{customer}-{number}" in self.seen()
        )

    def answered(self):
        try:
            return metrics.value(metrics.scrape(self.port), "churnd_predictions_total", result="answered") or 0
        except (OSError, KeyError):
            return 0  # it starts, and has counted nothing

    def seen(self):
        """What the server was sent: event ids of predictions, and alerts."""
        with self.stack.api.lock:
            requests = list(self.stack.api.requests)
        bodies = [json.loads(r["body"]) for r in requests]
        return [
            b["trigger"]["event_id"] if r["path"] != "/alerts" else b for r, b in zip(requests, bodies, strict=True)
        ]

    def alerts(self):
        return [one for one in self.seen() if isinstance(one, dict)]


def test_each_crossing_is_told_once(stack):
    run = Run(stack, alert={"above": 0.75, "clear_below": 0.6, "severity": "critical"})
    run.start()
    for number, score in enumerate([0.75, 0.8, 0.7, 0.6, 0.9, 0.5, 0.76], 1):
        run.ask("a", number, score)
    run.ask("b", 1, 0.1)
    first, second = run.alerts()
    assert [one if isinstance(one, str) else one["event_id"] for one in run.seen()] == [
        "a-1",
        "a-2",
        "crossing:prediction:a:1",
        "a-3",
        "a-4",
        "a-5",
        "a-6",
        "a-7",
        "crossing:prediction:a:2",
        "b-1",
    ]
    predicted_at = first["data"].pop("predicted_at")
    assert predicted_at.endswith("Z")
    assert first == {
        "alert_id": "crossing:prediction:a:1",
        "severity": "critical",
        "event_id": "crossing:prediction:a:1",
        "event_type": "score",
        "timestamp": first["timestamp"],
        "customer_id": "a",
        "message": "churn score of a rose above 0.75 to 0.8",
        "data": {
            "sink": "prediction",
            "churn_probability": 0.8,
            "above": 0.75,
            "risk_level": "high",
            "model_version": "7",
            "trigger": {"event_id": "a-2", "event_type": "order_placed"},
        },
    }
    assert second["data"]["churn_probability"] == 0.76
    assert metrics.value(metrics.scrape(run.port), "churnd_alerts_total", severity="critical") == 2


def test_a_crash_before_the_alert_was_answered_repeats_it(stack):
    """Killed while the webhook has the alert: neither is the prediction cached, nor the crossing counted."""
    run = Run(stack, alert={"above": 0.5})
    run.hangs = True
    daemon = run.start()
    run.scores["a-1"] = 0.9
    run.add(order("a", "a-1"))
    wait_for("the alert", lambda: len(run.alerts()) == 1)
    assert run.answered() == 0
    daemon.kill()
    run.hangs = False
    stack.api.released.set()
    run.start()
    wait_for("the prediction to be cached", lambda: run.answered() >= 1)  # its event is read again, too
    first, second = run.alerts()
    for alert in (first, second):
        alert["data"].pop("predicted_at")
    assert first == second
    run.ask("a", 2, 0.95)  # the crossing is remembered
    assert len(run.alerts()) == 2


def cancelled(customer):
    return json.dumps(event("subscription_cancelled", {}, customer, f"{customer}-1")) + "\n"


def told(customers):
    return sorted(f"crossing:prediction_local:{customer}:1" for customer in customers)


def test_a_model_in_the_process(stack):
    customers = [f"c{i}" for i in range(150)]
    run = Run(stack, follow=False, plugin="prediction_local", alert={"above": 0.5})
    for customer in customers:
        run.add(cancelled(customer) + order(customer, f"{customer}-2"))
    run_churnd("-c", run.config, check=0, timeout=120)
    assert sorted(a["event_id"] for a in run.alerts()) == told(customers)


def test_alerts_while_every_window_waits(stack):
    """All windows in flight wait for predictions, and these for alerts that no window could take."""
    customers = [f"c{i}" for i in range(20)]
    run = Run(stack, store={"window_events": 1}, follow=False, plugin="prediction_local", alert={"above": 0.5})
    stack.api.delay = 0.1
    others = [json.dumps(event("login", {}, f"x{i % 50}", f"x-{i}")) + "\n" for i in range(999)]
    for customer in customers:  # as many events as a worker takes at a time
        run.add(cancelled(customer) + "".join(others))
    run_churnd("-c", run.config, check=0, timeout=60)
    assert sorted(a["event_id"] for a in run.alerts()) == told(customers)
