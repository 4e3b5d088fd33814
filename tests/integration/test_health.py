"""What a run says of itself over HTTP."""

import contextlib
import http.server
import json
import re
import socket
import threading
import time

import events
import pytest
from conftest import pipeline, quick_group
from lights import EVENT, LINE, ask, start_local, start_stuck, wait_for_trouble, wait_until_ready
from metrics import scrape, value
from services import HOST, SRC, free_port, run_churnd, wait_for
from test_build import compile_plugin


def start(stack, port, store):
    def edit(settings):
        quick_group(settings)
        settings["health"] = {"listen": f"{HOST}:{port}"}
        settings["store"].update(store)
        login = {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "churn",
            "sasl.password": "secret-word",
        }
        guarded = {"brokers": stack.kafka.guarded_brokers, "properties": login}
        settings["sinks"][0].update({"breaker_failures": "1", "breaker_pause": "200ms", **guarded})
        settings["dead_letters"].update({"name": "dead_letters", **guarded})

    return stack.churnd("-c", pipeline(stack.folder / "consumer.yaml", edit))


def lags(port):
    """{(topic, partition): records that are not settled}"""
    return {
        tuple(v for _, v in labels): n
        for (name, labels), n in scrape(port).items()
        if name == "churnd_source_lag_records"
    }


def test_ready_while_events_flow(stack, seed):
    """Alive throughout; ready with Kafka, Redis, the API and the dead letters, and not while one of them is gone: then the
    trouble is named, logged, and its end too. The durability is stated."""
    port = free_port()
    kafka = stack.start_kafka(users={"churn": "secret-word"})
    pair = stack.start_redis_pair()
    api = stack.start_scripted()
    kafka.create_topics(
        {
            "customer-events": 2,
            "user-events": 1,
            "churn-dead-letters": 1,
            "churn-prediction-requests": 1,
            "churn-predictions": 1,
        }
    )
    kafka.allow("churn", "TOPIC", "churn-dead-letters", "DESCRIBE")
    kafka.allow("churn", "TOPIC", "churn-predictions", "WRITE")
    kafka.allow("churn", "TOPIC", "churn-prediction-requests", "WRITE", "READ")
    kafka.produce("customer-events", events.load(500, 50, seed))
    daemon = start(stack, port, {"durability": "replicas", "replicas": 1})
    assert "predictions wait" in wait_for_trouble(port, ("prediction", "queue"))["prediction", "queue"]
    kafka.allow("churn", "GROUP", "churn-consumer-group-predictions", "READ")
    wait_until_ready(port)
    wait_for("its lag", lambda: [w.get("lag_messages") for w in json.loads(ask(port, "/readyz")[1])["workers"]] == [0])
    wait_until_ready(port)
    status, body = ask(port, "/readyz")
    assert status == 200 and json.loads(body) == {
        "status": "ready",
        "pipeline": "churn-consumer",
        "store": {"plugin": "redis", "durability": "replicas: 1"},
        "workers": [{"assigned": True, "store_connected": True, "lag_messages": 0}],
    }
    assert ask(port, "/readyz", "HEAD") == (200, "")
    assert ask(port, "/healthz", "POST")[0] == 405
    status, body = ask(port, "/metricz")
    assert status == 404 and "/healthz, /readyz" in body and "/metrics" in body
    assert lags(port) == {("customer-events", "0"): 0, ("customer-events", "1"): 0, ("user-events", "0"): 0}
    assert value(scrape(port), "churnd_source_lag_seconds") == 0

    # Triggers wait for the prediction API.
    api.mode = "error"
    kafka.produce("customer-events", events.load(40, 5, seed, event_prefix="asks"))
    assert "triggers wait" in wait_for_trouble(port, ("prediction", "breaker"))["prediction", "breaker"]
    api.mode = "ok"
    wait_until_ready(port)

    # A dead letter cannot be written: nothing may be counted.
    kafka.produce("customer-events", [("a", b"no event")])
    found = wait_for_trouble(port, ("dead_letters", "topic"), ("dead_letters", "dead_letters"))
    assert "topic `churn-dead-letters` cannot be written to" in found["dead_letters", "topic"]
    assert "nothing is counted" in found["dead_letters", "dead_letters"]
    assert sorted(lags(port).values()) == [0, 0, 1]
    samples = scrape(port)
    assert value(samples, "churnd_source_lag_seconds") > 1
    assert value(samples, "churnd_sink_waiting_records", sink="dead_letters") == 1
    assert value(samples, "churnd_stalled", plugin="dead_letters", what="topic") == 1
    kafka.allow("churn", "TOPIC", "churn-dead-letters", "WRITE")
    wait_until_ready(port)

    # Profiles are with the primary alone, so that no offset may be committed.
    pair.link.cut_all()
    pair.replica.freeze()
    kafka.produce("customer-events", events.load(20, 5, seed, event_prefix="more"))
    assert "not committed" in wait_for_trouble(port, ("redis", "checkpoint"))["redis", "checkpoint"]
    pair.replica.thaw()
    wait_until_ready(port)

    pair.primary.kill()
    assert "nothing is lost" in wait_for_trouble(port, ("redis", "store"))["redis", "store"]
    worker = json.loads(ask(port, "/readyz")[1])["workers"][0]
    assert worker["trouble"] == "the store is not connected" and worker["store_connected"] is False
    status, body = ask(port, "/healthz")
    assert status == 200 and json.loads(body)["status"] == "alive", body
    pair.primary.start()
    wait_until_ready(port)

    kafka.halt()
    assert "cannot be reached" in wait_for_trouble(port, ("kafka", "broker"))["kafka", "broker"]
    kafka.start()
    wait_until_ready(port)
    assert daemon.terminate(60) == 0, daemon.err[-3000:]
    assert ask(port, "/healthz")[0] is None
    for what in ("queue", "breaker", "topic", "dead_letters", "checkpoint", "store", "broker"):
        assert f"(stalled: {what})" in daemon.err and f"(was stalled: {what})" in daemon.err, (what, daemon.err)
    assert " ERROR dead_letters: topic `churn-dead-letters`" in daemon.err
    assert "secret-word" not in daemon.err + daemon.out


def test_wrong_addresses(tmp_path):
    config = tmp_path / "p.yaml"
    for listen in ("8080", "localhost:8080", "127.0.0.1:http", "127.0.0.1:99999", ":80"):
        config.write_text(
            f"source: {{plugin: generate, events: 1}}\nsinks: [{{plugin: file, path: {tmp_path}/out}}]\n"
            f"health:\n  listen: '{listen}'\n"
        )
        done = run_churnd("check", "-c", config, check=1)
        assert f"{config}:4:11: health: listen: '{listen}' is not a numeric address with a port" in done.stderr


def test_taken_address(tmp_path):
    with socket.create_server((HOST, 0)) as taken:
        address = f"{HOST}:{taken.getsockname()[1]}"
        config = tmp_path / "p.yaml"
        config.write_text(
            f"source: {{plugin: generate, events: 1}}\nsinks: [{{plugin: file, path: {tmp_path}/out}}]\n"
            f"health: {{listen: '{address}'}}\n"
        )
        done = run_churnd("-c", config, check=1)
        assert f"health: {address} cannot be listened on: Address already in use; another run or" in done.stderr


# --- A pipeline that needs no server, and hostile clients ---


def test_the_health_command_asks_the_run(stack):
    port = free_port()
    hook = {"plugin": "alert", "to": ["webhook"], "webhook_url": f"http://{HOST}:{free_port()}/"}
    daemon = start_local(stack, port, (), sinks=[hook], shutdown_timeout="1s")
    config = stack.folder / "p.yaml"
    wait_until_ready(port)
    for options, status in (((), "alive"), (("--ready",), "ready")):
        done = run_churnd("health", "-c", config, *options, env={"http_proxy": "http://127.0.0.1:1"}, check=0)
        assert json.loads(done.stdout)["status"] == status and done.stderr == ""
    wait_for("its lag", lambda: run_churnd("health", "-c", config, "--max-lag", "10s").returncode == 0)
    for options in ((), ("--max-lag", "0s")):
        done = run_churnd("health", "--url", f"http://{HOST}:{port}/", *options, check=0)
        assert json.loads(done.stdout)["status"] == ("ready" if options else "alive") and done.stderr == ""
    # Somebody edits the file; what runs lives on, and the rest of the file is not the question.
    good = config.read_text()
    config.write_text(good.replace("plugin: lmdb", "plugin: ${NOBODY:?knows}"))
    run_churnd("health", "-c", config, check=0)
    config.write_text(good)

    with open(stack.folder / "e.jsonl", "a") as file:
        file.write(LINE + "\n")
    wait_for_trouble(port, ("alert", "webhook"))
    run_churnd("health", "-c", config, check=0)
    done = run_churnd("health", "-c", config, "--ready", check=1)
    assert json.loads(done.stdout)["troubles"][0]["plugin"] == "alert"
    assert run_churnd("health", "-c", config, "--max-lag", "1h", check=1).stdout == done.stdout
    assert daemon.terminate() == 0, daemon.err
    for wrong in ((), ("--ready",)):
        done = run_churnd("health", "-c", config, *wrong, check=1)
        assert f"http://{HOST}:{port}/" in done.stderr and done.stdout == ""


def test_the_health_command_judges_the_lag():
    """A run that is ready has caught up once nothing waits for longer; not before that is known."""
    answers = {"/readyz": (200, '{"status":"ready"}')}

    class Run(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = answers.get(self.path, (404, "no such page"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Run) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://{HOST}:{server.server_port}"

        def asked(max_lag):
            done = run_churnd("health", "--url", url, "--max-lag", max_lag)
            assert done.stdout == '{"status":"ready"}\n'
            return done.returncode, done.stderr

        assert asked("1s") == (1, f"churnd: {url}/metrics: no figures there\n")
        answers["/metrics"] = (200, "churnd_ready 1\n")
        assert asked("1s") == (1, f"churnd: {url}: it is not known yet for how long events wait\n")
        answers["/metrics"] = (200, "churnd_ready 1\nchurnd_source_lag_seconds 3.25\n")
        assert asked("3250ms") == (0, "")
        assert asked("3249ms") == (1, f"churnd: {url}: events have waited for 3.2 s\n")
        server.shutdown()
    assert "is no duration" in run_churnd("health", "--url", url, "--max-lag", "soon", check=1).stderr
    assert "`-c FILE` or `--url URL` is missing" in run_churnd("health", check=1).stderr


def test_the_health_command_finds_who_listens_everywhere(stack):
    port = free_port()
    for listen in ("0.0.0.0", "[::]"):
        daemon = start_local(stack, port, health={"listen": f"{listen}:{port}"})
        wait_for("it", lambda: run_churnd("health", "-c", stack.folder / "p.yaml").returncode == 0)
        assert daemon.terminate() == 0, daemon.err


def test_the_health_command_needs_an_address(tmp_path):
    config = tmp_path / "p.yaml"
    config.write_text(
        "health: {listen: '${CHURN_LISTEN:-}'}\nsource: {plugin: generate, events: 1}\n"
        "sinks: [{plugin: file, path: out}]\n"
    )
    assert "listens nowhere" in run_churnd("health", "-c", config, check=1).stderr
    assert "listening on" not in run_churnd("-c", config, cwd=tmp_path, check=0).stderr
    env = {"CHURN_LISTEN": "nowhere"}
    done = run_churnd("health", "-c", config, env=env, check=1)
    assert f"{config}:1:18: health: listen: 'nowhere' is not a numeric address" in done.stderr
    assert "No such file" in run_churnd("health", "-c", tmp_path / "none.yaml", check=1).stderr


def build_rude(folder, name):
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    compile_plugin(SRC / f"tests/testkit/{name}.c", folder / f"plugins/{name}.so")


def test_full_disk_under_the_dead_letters(stack):
    """Nothing is counted before they are safe, and the light and the summary say so."""
    port = free_port()
    daemon = start_local(
        stack,
        port,
        [json.dumps(EVENT), "no event"],
        shutdown_timeout="1s",
        dead_letters={"plugin": "file", "name": "dead", "path": "/dev/full"},
    )
    found = wait_for_trouble(port, ("dead", "file"), ("dead", "dead_letters"))
    assert "No space left on device" in found["dead", "file"] and "1 dead letter waits" in found["dead", "dead_letters"]
    daemon.terminate()
    assert " ERROR dead: /dev/full cannot be written: No space left on device" in daemon.err
    assert " ERROR dead: 1 dead letter waits" in daemon.err, daemon.err
    assert re.search(r"sink dead +0   not delivered 1\n", daemon.out), daemon.out


def test_dead_letters_of_the_sources_plugin(stack):
    """The summary tells them apart."""
    port = free_port()
    letters = {"plugin": "file", "path": "/dev/full"}
    daemon = start_local(stack, port, ["no event"], shutdown_timeout="1s", dead_letters=letters)
    wait_for("the trouble", lambda: "/dev/full cannot be written" in daemon.err)
    daemon.terminate()
    assert re.search(r"sink dead_letters +0   not delivered 1\n", daemon.out), daemon.out


def test_webhook_that_is_down(stack):
    """Its alerts wait: not ready, and ready again once they are delivered."""
    port = free_port()
    hook = stack.start_scripted()
    hook.stop()
    daemon = start_local(
        stack,
        port,
        sinks=[
            {
                "plugin": "alert",
                "name": "chat",
                "to": ["webhook"],
                "retry_max": "200ms",
                "webhook_url": f"{hook.url}/x?key=secret-word",
            }
        ],
    )
    found = wait_for_trouble(port, ("chat", "webhook"), ("chat", "sink"))
    assert "1 alerts wait" in found["chat", "webhook"] and "1 record waits" in found["chat", "sink"]
    hook.start()
    wait_until_ready(port)
    assert daemon.terminate() == 0, daemon.err[-3000:]
    assert "chat: goes on after" in daemon.err and "secret-word" not in daemon.err, daemon.err
    assert "not delivered" not in daemon.out


def test_sink_that_never_answers(stack):
    port = free_port()
    build_rude(stack.folder, "rude_sink")
    daemon = start_local(
        stack,
        port,
        shutdown_timeout="1s",
        plugin_path=[str(stack.folder / "plugins")],
        sinks=[{"plugin": "rude_sink", "name": "mute", "input": "alerts", "breaks": "silent"}],
    )
    assert "1 record waits" in wait_for_trouble(port, ("mute", "sink"))["mute", "sink"]
    daemon.terminate()
    assert " WARN  mute: 1 record waits, and none was taken or answered for " in daemon.err
    assert re.search(r"sink mute +0   not delivered 1\n", daemon.out), daemon.out


def test_a_stop_while_the_store_takes_nothing(stack):
    """It takes the time it was given, and says that it ends unfinished, not that anything went on."""
    port = free_port()
    redis = stack.start_redis(options=["--maxmemory-policy", "noeviction"])
    daemon = start_local(
        stack, port, shutdown_timeout="3s", store={"plugin": "redis", "host": HOST, "port": redis.port, "timeout": "1s"}
    )
    wait_until_ready(port)
    redis.client.config_set("maxmemory", "1")
    with (stack.folder / "e.jsonl").open("a") as out:
        out.write(json.dumps({**EVENT, "event_id": "last"}) + "\n")
    wait_for_trouble(port, ("redis", "write"))
    began = time.monotonic()
    daemon.terminate()
    assert time.monotonic() - began >= 3, daemon.err[-3000:]
    assert daemon.err.count("redis: still stalled (write) as the run ends, for ") == 1, daemon.err[-3000:]
    assert "goes on after" not in daemon.err and "(was stalled: write)" not in daemon.err, daemon.err[-3000:]


@pytest.mark.parametrize("processors, refused", [([], ("redis", "write")), (["dedup"], ("dedup", "processor"))])
def test_store_that_takes_nothing(stack, processors, refused):
    """Redis that refuses writes, is frozen and is gone; with and without a processor that needs it too."""
    port = free_port()
    redis = stack.start_redis(options=["--maxmemory-policy", "noeviction"])
    daemon = start_local(
        stack,
        port,
        processors=[{"plugin": name} for name in processors],
        store={"plugin": "redis", "host": HOST, "port": redis.port, "timeout": "1s"},
    )

    def add(number):
        with (stack.folder / "e.jsonl").open("a") as out:
            out.write(json.dumps({**EVENT, "event_id": f"e{number}"}) + "\n")

    wait_until_ready(port)
    redis.client.config_set("maxmemory", "1")
    add(1)
    wait_for_trouble(port, refused)
    redis.client.config_set("maxmemory", "0")
    wait_until_ready(port)
    redis.freeze()
    add(2)
    wait_for_trouble(port, ("redis", "store"))
    redis.thaw()
    wait_until_ready(port)
    redis.kill()
    add(3)
    wait_for_trouble(port, ("redis", "store"), *((name, "store") for name in processors))
    redis.start()
    wait_until_ready(port)
    assert daemon.terminate() == 0, daemon.err[-3000:]
    for what in (refused[1], "store"):
        assert f"(stalled: {what})" in daemon.err and f"(was stalled: {what})" in daemon.err, (what, daemon.err)


def test_a_source_without_an_end_has_no_lag(stack):
    port = free_port()
    start_local(stack, port, source={"plugin": "generate", "events": 0, "rate": 200})
    wait_until_ready(port)
    wait_for(
        "its events",
        lambda: (stack.folder / "alerts").exists() and (stack.folder / "alerts").read_text().count("\n") > 20,
    )
    assert [set(worker) for worker in json.loads(ask(port, "/readyz")[1])["workers"]] == [
        {"assigned", "store_connected"}
    ]


def test_stop_while_a_plugin_does_not_come_back(stack):
    daemon = start_stuck(stack, free_port())
    wait_for("the start", lambda: "worker 0 reads" in daemon.err)
    daemon.terminate(60)
    assert "worker 0 did not stop in time, it waits for sink deaf; what is not committed" in daemon.err, daemon.err


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
                    client.send(each[at : at + 1] or b"x")
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
    for request in (
        get + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n",
        b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
        (get + b"\r\n") * 1000,
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"a" * (1 << 20),
        b"\0" * 100000,
        b"\r\n" * 1000,
        get[:10],
        b"",
    ):
        answer = b""
        with socket.create_connection((HOST, port), timeout=20) as client, contextlib.suppress(OSError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(1 << 16):
                answer += part
        assert answer.count(b" 200 OK") <= request.startswith(get + b"\r\n"), (request[:50], answer[:500])
        assert ask(port, "/healthz")[0] == 200
    assert daemon.terminate() == 0, daemon.err[-3000:]


@contextlib.contextmanager
def flood(port, source):
    """Connections of one neighbour, one after the other without an end, each held open and used for nothing."""
    stop, count = threading.Event(), [0]

    def connect():
        held = []
        while not stop.is_set():
            with contextlib.suppress(OSError):
                held.append(socket.create_connection((HOST, port), 5, source_address=(source, 0)))
                count[0] += 1
            while len(held) > 300:
                held.pop(0).close()
        for client in held:
            client.close()

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        wait_for("the flood", lambda: count[0] > 400)
        yield count
    finally:
        stop.set()
        thread.join()


def dribbled(port, parts, count):
    """What a client is answered that sends a request in parts, while the neighbours' connections go on."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=20) as client, contextlib.suppress(OSError):
        for part in parts:
            client.sendall(part)
            before = count[0]
            wait_for("further connections", lambda before=before: count[0] > before + 100)
        while got := client.recv(1 << 16):
            answer += got
    return answer


def test_who_connects_without_end_takes_the_page_from_nobody(stack):
    """From another address, whatever it is at; from the same one, whoever has said what it asks for."""
    port = free_port()
    daemon = start_local(stack, port)
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200)
    with flood(port, "127.0.0.2") as count:
        for path in ("/healthz", "/readyz", "/metrics"):
            parts = [b"", b"GET " + path.encode(), b" HTTP/1.1\r\nHo", b"st: x\r\n\r\n"]
            assert dribbled(port, parts, count).startswith(b"HTTP/1.1 200 "), path
    with flood(port, HOST) as count:
        parts = [b"GET /readyz HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n"]
        assert dribbled(port, parts, count).startswith(b"HTTP/1.1 200 ")
        assert ask(port, "/metrics")[0] == 200
    assert daemon.terminate() == 0, daemon.err[-3000:]


def spoken(port, request):
    """The status of the answer; 0: there was none."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=20) as client, contextlib.suppress(OSError):
        client.sendall(request)
        while part := client.recv(1 << 16):
            answer += part
    return int(answer.split(b" ")[1]) if answer else 0


def test_targets_and_heads(stack):
    """A target in absolute form, as a proxy may send it, is the path in it. Heads are as large as others allow, and one
    that is larger is answered so."""
    port = free_port()
    daemon = start_local(stack, port)
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200)
    for target, status in (
        ("http://127.0.0.1/healthz", 200),
        (f"HTTP://localhost:{port}/readyz", 200),
        ("https://x.example/healthz?a=b", 200),
        ("http://localhost", 200),
        ("http://localhost?customer=x", 200),
        ("http://x.example/", 421),  # whom it names counts, not the header
        ("http://localhost/nothing", 404),
        ("ftp://localhost/healthz", 404),
    ):
        request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        assert spoken(port, request.encode()) == status, target
    for size, status in ((8000, 200), (15000, 200), (17000, 431), (30000, 431), (40000, 431)):
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * size + b"\r\n\r\n"
        assert spoken(port, request) == status, size
    assert spoken(port, b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n") in (414, 431)
    assert daemon.terminate() == 0, daemon.err[-3000:]
