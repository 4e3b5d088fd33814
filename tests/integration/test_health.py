"""What a run says of itself over HTTP."""

import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request

import events
from conftest import pipeline, quick_group
import yaml
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


# --- Hostile clients, and a pipeline that needs no server ---


EVENT = {"event_id": "e", "event_type": "refund_requested", "customer_id": "a", "timestamp": "2026-01-01T00:00:00Z",
         "data": {"order_id": "o", "amount": 1}}


def start_local(stack, port, lines=(json.dumps(EVENT),), **sections):
    """A followed file into LMDB, with what a test changes."""
    stack.folder.mkdir(exist_ok=True)
    events_file = stack.folder / "e.jsonl"
    events_file.write_text("".join(line + "\n" for line in lines))
    config = stack.folder / "p.yaml"
    config.write_text(yaml.safe_dump({
        "source": {"plugin": "file", "path": str(events_file), "follow": True},
        "store": {"plugin": "lmdb", "path": str(stack.folder / "db")},
        "sinks": [{"plugin": "file", "input": "alerts", "path": str(stack.folder / "alerts")}],
        "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead")},
        "health": {"listen": f"{HOST}:{port}"}, **sections}))
    return stack.churnd("-c", config)


@contextlib.contextmanager
def crowd(port, count, each=b""):
    """Connections that stay open; `each` is sent byte by byte, one every 100 ms, by all that have not been closed."""
    clients, stop = [], threading.Event()
    closed = set()

    def dribble():
        at = 0
        while not stop.wait(0.1):
            for client in [c for c in clients if c not in closed]:
                try:
                    client.send(each[at:at + 1] or b"x")
                except OSError:
                    closed.add(client)
            at += 1

    for _ in range(count):
        clients.append(socket.create_connection((HOST, port), timeout=5))
        clients[-1].setblocking(False)
    thread = threading.Thread(target=dribble)
    if each:
        thread.start()
    try:
        yield closed
    finally:
        stop.set()
        if each:
            thread.join()
        for client in clients:
            client.close()


def test_slow_clients_take_the_page_from_nobody(stack):
    """Neither idle ones nor those that send a byte now and then, from the operator's own address; they are let go of."""
    port = free_port()
    daemon = start_local(stack, port)
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200)
    with crowd(port, 100), crowd(port, 60, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 10000) as closed:
        for _ in range(20):
            assert ask(port, "/readyz")[0] == 200
        wait_for("the slow ones to be let go", lambda: len(closed) == 60, 30)
        assert ask(port, "/healthz")[0] == 200
    with crowd(port, 1, b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 10000) as closed:  # nobody else wants its place
        wait_for("its time to be over", lambda: len(closed) == 1, 30)
    assert daemon.terminate() == 0, daemon.err[-3000:]


def test_odd_requests(stack):
    """Huge, pipelined, cut and senseless ones: an error or nothing, and the page still answers."""
    port = free_port()
    daemon = start_local(stack, port)
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200)
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    for request in (get + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
                    (get + b"\r\n") * 1000, b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"a" * (1 << 20),
                    b"\0" * 100000, b"\r\n" * 1000, get[:10], b""):
        answer = b""
        with socket.create_connection((HOST, port), timeout=20) as client, contextlib.suppress(OSError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(1 << 16):
                answer += part
        assert answer.count(b" 200 OK") <= request.startswith(get + b"\r\n"), (request[:50], answer[:500])
        assert ask(port, "/healthz")[0] == 200
    assert daemon.terminate() == 0, daemon.err[-3000:]
