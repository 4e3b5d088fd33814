"""What the prediction sink does not ask about: `when` on the profile and on the newest prediction, and `min_interval`."""

import json

import metrics
import pytest
import yaml
from events import event
from services import free_port, wait_for


@pytest.fixture
def setup(stack):
    """A function that starts churnd with the sink's options, and one that appends events: (customer, id)."""
    stack.start_scripted()
    path = stack.folder / "events.jsonl"
    path.touch()

    port = free_port()

    def start(**options):
        config = stack.folder / "pipeline.yaml"
        sink = {"plugin": "prediction", "url": stack.api.url, "queue": "store", **options}
        config.write_text(
            yaml.safe_dump(
                {
                    "source": {"plugin": "file", "path": str(path), "follow": True},
                    "store": {"plugin": "lmdb", "path": str(stack.folder / "store")},
                    "sinks": [sink],
                    "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
                    "health": {"listen": f"127.0.0.1:{port}"},
                }
            )
        )
        stack.churnd("-c", config)
        return port

    def add(*rows):
        with path.open("ab") as out:
            for customer, name in rows:
                data = {"order_id": "O", "order_value": 10, "items_count": 1, "payment_method": "card"}
                out.write(json.dumps(event("order_placed", data, customer, name)).encode() + b"\n")

    return start, add


def asked(stack):
    return [body["trigger"]["event_id"] for body in stack.api.bodies()]


def counted(port, result):
    return metrics.value(metrics.scrape(port), "churnd_predictions_total", result=result)


def test_a_condition_on_the_profile(stack, setup):
    start, add = setup
    port = start(when="profile.order_count >= 2")
    for customer in range(20):
        add((f"c{customer}", f"c{customer}-1"))
    add(("last", "last-1"), ("last", "last-2"))
    wait_for("the request", lambda: "last-2" in asked(stack))
    assert asked(stack) == ["last-2"]
    assert stack.api.bodies()[0]["profile"]["order_count"] == 2
    add(("c3", "c3-2"))
    wait_for("another request", lambda: asked(stack) == ["last-2", "c3-2"])
    wait_for("the others to be counted", lambda: counted(port, "unwanted") in (20, 21))


def test_a_condition_on_the_newest_prediction(stack, setup):
    """Once a high score is stored, nothing more is asked."""
    start, add = setup
    stack.api.mode = lambda _: (200, b'{"churn_probability": 0.9}')
    port = start(when="score < 0.5 || !has(profile.last_login_at) && profile.order_count == 1")
    add(("a", "a-1"))
    wait_for("a request", lambda: asked(stack) == ["a-1"])
    wait_for("an answer", lambda: counted(port, "answered") == 1)
    add(("a", "a-2"))
    wait_for("the trigger that is let go of", lambda: counted(port, "unwanted") == 1)
    assert asked(stack) == ["a-1"]


def test_a_recent_prediction_stands(stack, setup):
    start, add = setup
    port = start(min_interval="1h")
    add(("a", "a-1"))
    wait_for("a request", lambda: asked(stack) == ["a-1"])
    wait_for("its answer", lambda: counted(port, "answered") == 1)
    add(("a", "a-2"))
    wait_for("the trigger that is let go of", lambda: counted(port, "recent") == 1)
    add(("b", "b-1"))
    wait_for("another customer's request", lambda: asked(stack) == ["a-1", "b-1"])
