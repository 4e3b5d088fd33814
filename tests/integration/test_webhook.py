"""Alerts by webhook: each is posted at least once, whatever the other side does."""

import json

import events
import oracle
import pytest
import yaml
from services import run_churnd, wait_for


def setup(stack, seed, count=1500, **alert):
    hook = stack.start_scripted()
    stack.folder.mkdir(exist_ok=True)
    load = events.load(count, 60, seed)
    (stack.folder / "in.jsonl").write_bytes(b"".join(value + b"\n" for _, value in load))
    config = stack.folder / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(stack.folder / "in.jsonl")},
                "store": {"plugin": "lmdb", "path": str(stack.folder / "store")},
                "sinks": [{"plugin": "alert", "to": ["webhook"], "webhook_url": f"{hook.url}/alerts", **alert}],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    return hook, config, oracle.Model().feed_lines(stack.folder / "in.jsonl", "in")


def test_each_alert_is_posted(stack, seed):
    hook, config, model = setup(stack, seed)
    run_churnd("-c", config, cwd=stack.folder, check=0, timeout=120)
    assert oracle.assert_alerts(model, [r["body"] for r in hook.requests]) == 0
    assert all(r["path"] == "/alerts" and "application/json" in r["headers"]["Content-Type"] for r in hook.requests)


@pytest.mark.parametrize("failure", ["error", "stopped"])
def test_outage_of_the_webhook(stack, seed, failure):
    """A passing outage waits: nothing is lost and nothing goes to the dead letters."""
    hook, config, model = setup(stack, seed, 400)
    if failure == "stopped":
        hook.stop()
    else:
        hook.mode = failure
    daemon = stack.churnd("-c", config)
    wait_for("a word about the webhook", lambda: "webhook" in daemon.err.lower() or str(hook.port) in daemon.err, 30)
    assert daemon.running()
    served = len(hook.requests)
    if failure == "stopped":
        hook.start()
    else:
        hook.mode = "ok"
    assert daemon.wait(120) == 0, daemon.err[-3000:]
    oracle.assert_alerts(model, [r["body"] for r in hook.requests[served:]])
    dead = stack.folder / "dead.jsonl"
    assert not dead.exists() or not dead.read_text()


def test_alert_that_the_webhook_refuses(stack, seed):
    """A 400 is this alert's own fault: to the dead letters, and the others go on."""
    hook, config, model = setup(stack, seed, 300)
    refused = []

    def script(request):
        alert = json.loads(request["body"])
        if alert["event_type"] == "refund_requested":
            refused.append(alert["event_id"])
            return 400, b"no refunds here"
        return 200, b""

    hook.mode = script
    run_churnd("-c", config, cwd=stack.folder, check=0, timeout=120)
    letters = [json.loads(line) for line in (stack.folder / "dead.jsonl").read_text().splitlines()]
    assert {letter["reason"] for letter in letters} == {"rejected_by_sink"}
    assert len(letters) == len(set(refused)) == len([a for _, a in model.alerts if a.event_type == "refund_requested"])
    oracle.assert_alerts(model, [r["body"] for r in hook.requests])
