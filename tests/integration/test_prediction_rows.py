"""One bad row of a batch: whatever the server does of it, the others' customers are predicted, and those who come later."""

import json

import pytest
import yaml
from events import event
from services import wait_for


def ends_the_connection(ids):
    raise ConnectionAbortedError


FAILURES = {
    "500": lambda ids: (500, b"{}"),
    "half an answer": lambda ids: (200, b'{"predictions": [0.', {"Content-Length": "100", "Connection": "close"}),
    "the connection ends": ends_the_connection,
    "a row too many": lambda ids: (200, json.dumps({"predictions": [0.5] * (len(ids) + 1)}).encode()),
    "NaN": lambda ids: (
        200,
        ('{"predictions": [' + ", ".join("NaN" if i == "c7" else "0.5" for i in ids) + "]}").encode(),
    ),
}


def start(stack, customers):
    path = stack.folder / "events.jsonl"
    order = {"order_id": "O", "order_value": 10, "items_count": 1, "payment_method": "card"}

    def add(ids):
        with path.open("ab") as out:
            for i in ids:
                out.write(json.dumps(event("order_placed", order, i, f"{i}-order")).encode() + b"\n")

    add(customers)
    sink = {
        "plugin": "prediction",
        "url": stack.api.url,
        "queue": "store",
        "format": "template",
        "features": ["order_count"],
        "template": {"rows": {"<each>": {"id": "<customer_id>", "row": "<row>"}}},
        "answer": "/predictions",
        "batch": {"max": 50},
        "retry_max": "1h",
        "breaker_pause": "500ms",
    }
    config = stack.folder / "pipeline.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(path), "follow": True},
                "store": {"plugin": "lmdb", "path": str(stack.folder / "store")},
                "sinks": [sink],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    return stack.churnd("-c", config), add


@pytest.mark.parametrize("failure", FAILURES)
def test_one_bad_row_of_a_batch(stack, failure):
    stack.start_scripted()
    answered = set()

    def script(request):
        ids = [row["id"] for row in json.loads(request["body"])["rows"]]
        answer = (
            FAILURES[failure](ids) if "c7" in ids else (200, json.dumps({"predictions": [0.5] * len(ids)}).encode())
        )
        answered.update(i for i in ids if i != "c7" and answer[0] == 200 and ("c7" not in ids or failure == "NaN"))
        return answer

    stack.api.mode = script
    others = {f"c{i}" for i in range(50)} - {"c7"}
    daemon, add = start(stack, sorted(others | {"c7"}))
    wait_for("the others' predictions", lambda: answered == others, 60)
    add(["later"])
    wait_for("one who comes later", lambda: "later" in answered, 60)
    assert daemon.terminate() == 0
