"""A Kafka whose ACLs let the user do what the pipeline needs, with one permission missing at a time: `check --connect` names
it, a run waits and says so, and goes on once it is given."""

import http.server
import re
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
import yaml
from services import CHURND, HOST, Kafka, Process, free_port, run_churnd, wait_for

USER, PASSWORD = "churn", "secret"
NEEDED = {  # what is missing → what `check` says of it
    ("TOPIC", "events", "READ"): "topic events .*READ",
    ("GROUP", "g", "READ"): "group.*READ",
    ("TOPIC", "alerts", "WRITE"): "topic alerts .*WRITE",
    ("TOPIC", "dead", "WRITE"): "topic dead .*WRITE",
}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    made = Kafka(tmp_path_factory.mktemp("kafka") / "broker", users={USER: PASSWORD}, properties=["auto.create.topics.enable=false"])
    made.create_topics({"events": 1, "alerts": 1, "dead": 1})
    for place in NEEDED:
        made.allow(USER, *place)
    yield made
    made.stop()


def write(folder, kafka, group="g", **dead):
    login = {"brokers": kafka.guarded_brokers, "properties": {
        "security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": USER, "sasl.password": PASSWORD}}
    port = free_port()
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump({
        "source": {"plugin": "kafka", "topics": ["events"], "group_id": group, **login},
        "store": {"plugin": "lmdb", "path": str(folder / "db")},
        "sinks": [{"plugin": "kafka", "input": "alerts", "topic": "alerts", **login}],
        "dead_letters": {"plugin": "kafka", "topic": "dead", **login, **dead},
        "health": {"listen": f"{HOST}:{port}"}}))
    return path, port


def ready(port):
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except urllib.error.URLError:
        return None, ""


def test_check_names_what_is_missing(kafka, tmp_path):
    path, _ = write(tmp_path, kafka)

    def check():
        return run_churnd("check", "--connect", "-c", path)

    wait_for("a check that finds nothing", lambda: check().returncode == 0, 30)
    for place, said in NEEDED.items():
        kafka.disallow(USER, *place)
        try:
            wait_for(f"a check that misses {place}", lambda: (done := check()).returncode == 1 and re.search(
                said, done.stdout + done.stderr), 30)
        finally:
            kafka.allow(USER, *place)
    wait_for("a check that finds nothing", lambda: check().returncode == 0, 30)
    path, _ = write(tmp_path, kafka, topic="elsewhere")  # nobody has made it, and this user may not
    done = check()
    assert done.returncode == 1 and "CREATE" in done.stdout + done.stderr, done.stdout + done.stderr
    consumer = kafka.admin().list_topics(timeout=10).topics
    assert not {"elsewhere"} & consumer.keys()


def test_check_asks_for_the_queue_of_predictions(kafka, tmp_path):
    """What the sink needs of its queue, which it both writes and reads: one line, whatever is wrong."""
    api = http.server.HTTPServer((HOST, 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    needed = {("TOPIC", "waiting", "READ"): "topic waiting .*READ on the topic",
              ("GROUP", "asking", "READ"): "topic waiting .*`asking`; give it READ on the group"}
    path, _ = write(tmp_path, kafka)
    pipeline = yaml.safe_load(path.read_text())
    pipeline["sinks"].append({**pipeline["sinks"][0], "plugin": "prediction", "input": "triggers", "topic": "alerts",
                              "url": f"http://{HOST}:{api.server_port}", "dead_letter_topic": "dead", "queue_topic": "waiting",
                              "queue_group": "asking"})
    path.write_text(yaml.safe_dump(pipeline))

    def check():
        done = run_churnd("check", "--connect", "-c", path)
        return done.returncode, done.stdout + done.stderr

    try:
        kafka.allow(USER, "TOPIC", "waiting", "READ", "WRITE")
        kafka.allow(USER, "GROUP", "asking", "READ")
        kafka.create_topics({"waiting": 1})
        wait_for("a check that finds nothing", lambda: check()[0] == 0, 30)
        assert check()[1].count("topic waiting ") == 1, check()
        for place, said in needed.items():
            kafka.disallow(USER, *place)
            wait_for(f"a check that misses {place}", lambda: (done := check())[0] == 1 and re.search(said, done[1]), 30)
            kafka.allow(USER, *place)
    finally:
        api.shutdown()
        api.server_close()


def test_dead_letters_that_may_not_be_written(kafka, tmp_path):
    """Not ready and an ERROR that names the topic and the permission; nothing is lost once it is given."""
    place = ("TOPIC", "dead", "WRITE")
    path, port = write(tmp_path, kafka)
    kafka.produce("events", [(b"a", b"no event")])
    kafka.disallow(USER, *place)
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        wait_for("an ERROR", lambda: any("ERROR" in line and "`dead`" in line and "WRITE" in line for line in process.err.splitlines()),
                 60)
        wait_for("not ready", lambda: ready(port)[0] == 503, 30)
        kafka.allow(USER, *place)
        wait_for("a ready run", lambda: ready(port)[0] == 200, 60)
        assert process.terminate() == 0
        assert "dead letters              1" in process.out, process.out
    finally:
        process.end()
        kafka.allow(USER, *place)


def test_a_user_that_may_write_nothing(kafka, tmp_path):
    """Kafka refuses such a user the number that idempotent producers ask for, which means nothing to anybody."""
    path, port = write(tmp_path, kafka, group="g")
    places = [("TOPIC", "dead", "WRITE"), ("TOPIC", "alerts", "WRITE")]
    for place in places:
        kafka.disallow(USER, *place)
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        wait_for("an ERROR", lambda: any("ERROR" in line and "WRITE" in line for line in process.err.splitlines()), 60)
    finally:
        process.end()
        for place in places:
            kafka.allow(USER, *place)


def serve_tls(folder, name):
    """A TLS server whose certificate, which signs itself, is for `name`: (its port, the certificate's file)."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    listener = socket.create_server((HOST, 0))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(client, server_side=True).close()
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    return listener, pem


def test_certificates(tmp_path):
    """Of another host name, and of an authority that is not trusted, are two things."""
    stranger, stranger_pem = serve_tls(tmp_path, "kafka.example")
    local, _ = serve_tls(tmp_path, "localhost")
    try:
        for server, said in ((stranger, "for another host name"), (local, "not signed by an authority that is trusted")):
            path = tmp_path / "p.yaml"
            path.write_text(yaml.safe_dump({
                "source": {"plugin": "kafka", "brokers": f"localhost:{server.getsockname()[1]}", "topics": ["t"], "group_id": "g",
                           "properties": {"security.protocol": "ssl", "ssl.ca.location": str(stranger_pem)}},
                "sinks": [{"plugin": "file", "input": "events", "path": str(tmp_path / "out")}],
                "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")}}))
            done = run_churnd("check", "--connect", "-c", path, check=1)
            assert said in done.stdout + done.stderr, done.stdout + done.stderr
    finally:
        stranger.close()
        local.close()


def test_workers_are_members_of_their_own(kafka, tmp_path):
    """Static membership: two workers of one group.instance.id would fence each other."""
    kafka.create_topics({"static": 2})
    kafka.produce("static", [(b"a", b"no event", p) for p in (0, 1)])
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump({
        "workers": 2,
        "source": {"plugin": "kafka", "brokers": kafka.brokers, "topics": ["static"], "group_id": "static",
                   "properties": {"group.instance.id": "m", "session.timeout.ms": "6000"}},
        "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
        "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")}}))
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        dead = tmp_path / "dead"
        wait_for("both partitions", lambda: dead.exists() and len(dead.read_text().splitlines()) == 2, 60)
        wait_for("both workers", lambda: "worker 0 reads" in process.err and "worker 1 reads" in process.err, 60)
        assert process.terminate() == 0 and "fenced" not in process.err.lower(), process.err
    finally:
        process.end()
