"""What a run says of itself over HTTP."""

import json
import socket
import urllib.error
import urllib.request

import events
from conftest import pipeline, quick_group
from services import HOST, free_port, run_churnd, wait_for


def ask(port, path, method="GET"):
    """(status, body)"""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except urllib.error.URLError:
        return None, ""


def start(stack, port, store):
    def edit(settings):
        quick_group(settings)
        settings["health"] = {"listen": f"{HOST}:{port}"}
        settings["store"].update(store)

    return stack.churnd("-c", pipeline(stack.folder / "consumer.yaml", edit))


def test_ready_while_events_flow(stack, seed):
    """Alive throughout; ready with Kafka and Redis, and not while Redis is gone; the durability is stated."""
    port = free_port()
    stack.start_kafka()
    pair = stack.start_redis_pair()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 2, "user-events": 1})
    stack.kafka.produce("customer-events", events.load(500, 50, seed))
    daemon = start(stack, port, {"durability": "replicas", "replicas": 1})
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200, 60)
    wait_for("its lag", lambda: [w.get("lag_messages") for w in json.loads(ask(port, "/readyz")[1])["workers"]] == [0])
    status, body = ask(port, "/readyz")
    assert status == 200 and json.loads(body) == {
        "status": "ready", "pipeline": "churn-consumer", "store": {"plugin": "redis", "durability": "replicas: 1"},
        "workers": [{"assigned": True, "store_connected": True, "lag_messages": 0}]}
    assert ask(port, "/readyz", "HEAD") == (200, "")
    assert ask(port, "/healthz", "POST")[0] == 405
    assert ask(port, "/metricz") == (404, "there are /healthz and /readyz\n")

    pair.primary.kill()
    wait_for("a run that is not ready", lambda: ask(port, "/readyz")[0] == 503, 30)
    worker = json.loads(ask(port, "/readyz")[1])["workers"][0]
    assert worker["trouble"] == "the store is not connected" and worker["store_connected"] is False
    status, body = ask(port, "/healthz")
    assert status == 200 and json.loads(body)["status"] == "alive", body
    pair.primary.start()
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200, 30)
    assert daemon.terminate(60) == 0, daemon.err[-3000:]
    assert ask(port, "/healthz")[0] is None


def test_wrong_addresses(tmp_path):
    config = tmp_path / "p.yaml"
    for listen in ("8080", "localhost:8080", "127.0.0.1:http", "127.0.0.1:99999", ":80"):
        config.write_text(f"source: {{plugin: generate, events: 1}}\nsinks: [{{plugin: file, path: {tmp_path}/out}}]\n"
                          f"health:\n  listen: '{listen}'\n")
        done = run_churnd("check", "-c", config, check=1)
        assert f"{config}:4:11: health: listen: '{listen}' is not a numeric address with a port" in done.stderr


def test_taken_address(tmp_path):
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        config = tmp_path / "p.yaml"
        config.write_text(f"source: {{plugin: generate, events: 1}}\nsinks: [{{plugin: file, path: {tmp_path}/out}}]\n"
                          f"health: {{listen: '{address}'}}\n")
        done = run_churnd("-c", config, check=1)
        assert f"health: {address} cannot be listened on: Address already in use" in done.stderr
