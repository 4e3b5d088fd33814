"""A Kafka whose ACLs let the user do what the pipeline needs, with one permission missing at a time: `check --connect` names
it, a run waits and says so, and goes on once it is given."""

import ctypes
import http.server
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request

import pytest
import yaml
from certificates import Authority
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
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
    made = Kafka(
        tmp_path_factory.mktemp("kafka") / "broker",
        users={USER: PASSWORD},
        properties=["auto.create.topics.enable=false"],
    )
    made.create_topics({"events": 1, "alerts": 1, "dead": 1})
    for place in NEEDED:
        made.allow(USER, *place)
    yield made
    made.stop()


def write(folder, kafka, group="g", mechanism="PLAIN", **dead):
    login = {
        "brokers": kafka.guarded_brokers,
        "properties": {
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
        },
    }
    port = free_port()
    path = folder / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "kafka", "topics": ["events"], "group_id": group, **login},
                "store": {"plugin": "lmdb", "path": str(folder / "db")},
                "sinks": [{"plugin": "kafka", "input": "alerts", "topic": "alerts", **login}],
                "dead_letters": {"plugin": "kafka", "topic": "dead", **login, **dead},
                "health": {"listen": f"{HOST}:{port}"},
            }
        )
    )
    return path, port


def ready(port):
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except urllib.error.URLError:
        return None, ""


def test_a_right_that_is_lost_while_it_runs(kafka, tmp_path):
    """A member that lost READ on its group goes on reading, and is told nothing: heartbeats are refused in silence."""
    right = ("GROUP", "lost", "READ")
    kafka.allow(USER, *right)
    path, port = write(tmp_path, kafka, group="lost")
    run = Process([CHURND, "-c", path], tmp_path, "run")
    try:
        wait_for("a run that is ready", lambda: ready(port)[0] == 200, 60)
        kafka.disallow(USER, *right)
        wait_for(
            "a run that is not ready, though nothing is written",
            lambda: ready(port)[0] == 503 and '"what":"commit"' in ready(port)[1],
            60,
        )
        assert "lost READ on the group" in ready(port)[1] and run.running()
        kafka.allow(USER, *right)
        wait_for("a run that is ready again", lambda: ready(port)[0] == 200, 90)
        assert run.terminate() == 0
    finally:
        run.end()
        kafka.disallow(USER, *right)


def test_check_names_what_is_missing(kafka, tmp_path):
    path, _ = write(tmp_path, kafka)

    def check():
        return run_churnd("check", "--connect", "-c", path)

    wait_for("a check that finds nothing", lambda: check().returncode == 0, 30)
    for place, said in NEEDED.items():
        kafka.disallow(USER, *place)
        try:
            wait_for(
                f"a check that misses {place}",
                lambda: (done := check()).returncode == 1 and re.search(said, done.stdout + done.stderr),
                30,
            )
        finally:
            kafka.allow(USER, *place)
    wait_for("a check that finds nothing", lambda: check().returncode == 0, 30)
    path, _ = write(tmp_path, kafka, topic="elsewhere")  # nobody has made it, and this user may not
    done = check()
    assert done.returncode == 1 and "CREATE" in done.stdout + done.stderr, done.stdout + done.stderr
    consumer = kafka.admin().list_topics(timeout=10).topics
    assert not {"elsewhere"} & consumer.keys()


def test_no_topic_is_good_whose_group_is_not(kafka, tmp_path):
    """Several topics of one group: none is told to be in order while the group may not be used."""
    kafka.create_topics({"more": 1, "third": 1})
    for topic in ("more", "third"):
        kafka.allow(USER, "TOPIC", topic, "READ")
    path, _ = write(tmp_path, kafka, group="nobody-may")
    pipeline = yaml.safe_load(path.read_text())
    pipeline["source"]["topics"] = ["events", "more", "third"]
    path.write_text(yaml.safe_dump(pipeline))

    def check():
        done = run_churnd("check", "--connect", "-c", path)
        return done.returncode, done.stdout + done.stderr

    denied = r"topic {} at .*`nobody-may`; give it READ on the group"
    wait_for(
        "each topic to be told",
        lambda: all(re.search(denied.format(t), check()[1]) for t in ("events", "more", "third")),
    )
    status, said = check()
    assert status == 1 and not re.search(r"ok: kafka: topic (events|more|third) ", said), said


def test_check_asks_for_the_queue_of_predictions(kafka, tmp_path):
    """What the sink needs of its queue, which it both writes and reads: one line, whatever is wrong."""
    api = http.server.HTTPServer((HOST, 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    needed = {
        ("TOPIC", "waiting", "READ"): "topic waiting .*READ on the topic",
        ("GROUP", "asking", "READ"): "topic waiting .*`asking`; give it READ on the group",
    }
    path, _ = write(tmp_path, kafka)
    pipeline = yaml.safe_load(path.read_text())
    pipeline["sinks"].append(
        {
            **pipeline["sinks"][0],
            "plugin": "prediction",
            "input": "triggers",
            "topic": "alerts",
            "url": f"http://{HOST}:{api.server_port}",
            "dead_letter_topic": "dead",
            "queue_topic": "waiting",
            "queue_group": "asking",
        }
    )
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
        kafka.disallow(
            USER, "TOPIC", "waiting", "READ", "WRITE"
        )  # or it would get the number of an idempotent producer
        kafka.disallow(USER, "GROUP", "asking", "READ")
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
        wait_for(
            "an ERROR",
            lambda: any("ERROR" in line and "`dead`" in line and "WRITE" in line for line in process.err.splitlines()),
            60,
        )
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
    path, _port = write(tmp_path, kafka, group="g")
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


def test_a_wrong_password(kafka, tmp_path):
    path, _ = write(tmp_path, kafka)
    path.write_text(path.read_text().replace(PASSWORD, "hunter2-canary"))
    done = run_churnd("check", "--connect", "-c", path, check=1)
    assert done.stderr.count("correct sasl.username and sasl.password") == 3 and "start it" not in done.stderr, (
        done.stderr
    )
    assert "hunter2" not in done.stdout + done.stderr


def test_scram(kafka, tmp_path):
    """A login that an old librdkafka cannot do with today's Kafka: check and run refuse it, and say what to do."""
    kafka.manage(
        "alter_user_scram_credentials",
        [
            UserScramCredentialUpsertion(
                USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), PASSWORD.encode()
            )
        ],
    )
    path, port = write(tmp_path, kafka, mechanism="SCRAM-SHA-256")
    if ctypes.CDLL("librdkafka.so.1").rd_kafka_version() < 0x02060100:
        for command in (["check"], []):
            done = run_churnd(*command, "-c", path, check=1)
            assert re.search(r"p.yaml:\d+:\d+: .*librdkafka [\d.]+ repeats the nonce .* or PLAIN over TLS", done.stderr)
        return
    wait_for("a check with it", lambda: run_churnd("check", "--connect", "-c", path).returncode == 0, 60)
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        wait_for("a ready run", lambda: ready(port)[0] == 200, 60)
        assert process.terminate() == 0
    finally:
        process.end()


class TlsServer:
    """Makes the handshake and says nothing. `clients`: the authority of certificates that clients must come with."""

    def __init__(self, shown, clients=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(shown.cert, shown.key)
        if clients is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients.cert)
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(client, server_side=True) as tls:
                    tls.recv(1)  # a refused client is told so with the first bytes
            except OSError:
                pass


def write_tls(path, port, trusted, own=None):
    """A Kafka and a webhook behind one server, which is asked for by the name `localhost`."""
    properties = {"security.protocol": "ssl", "ssl.ca.location": str(trusted.cert)}
    if own is not None:
        properties.update({"ssl.certificate.location": str(own.cert), "ssl.key.location": str(own.key)})
    path.write_text(
        yaml.safe_dump(
            {
                "source": {
                    "plugin": "kafka",
                    "brokers": f"localhost:{port}",
                    "topics": ["t"],
                    "group_id": "g",
                    "properties": properties,
                },
                "sinks": [
                    {
                        "plugin": "alert",
                        "to": "webhook",
                        "webhook_url": f"https://localhost:{port}",
                        "webhook_ca_file": str(trusted.cert),
                    }
                ],
                "dead_letters": {"plugin": "file", "path": str(path.parent / "dead")},
            }
        )
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(
    "shown, kafka_says, http_says",
    [
        (
            {"hosts": ["DNS:kafka.example"]},
            "for another host name.*to a name that is in the certificate",
            "name it in `webhook_url`",
        ),
        (None, "not signed by an authority that is trusted.*ssl.ca.location", "set `webhook_ca_file`"),
        (
            {"years": (2020, 2021)},
            "certificate.*has expired; have it renewed",
            "certificate has expired; have that certificate renewed",
        ),
        ({"years": (2090, 2100)}, "certificate is not valid yet; is the clock", "not yet valid; is the clock"),
    ],
    ids=["stranger", "self-signed", "old", "young"],
)
def test_certificates(authority, request, tmp_path, shown, kafka_says, http_says):
    """Another host name, an authority that is not trusted, and dates, are things of their own, with other ways out."""
    case = request.node.callspec.id
    server = TlsServer(Authority(tmp_path) if shown is None else authority.issue(case, **shown))
    try:
        write_tls(tmp_path / "p.yaml", server.port, authority)
        done = run_churnd("check", "--connect", "-c", tmp_path / "p.yaml", check=1)
        assert re.search(f" kafka: .*{kafka_says}", done.stderr) and re.search(f" alert: .*{http_says}", done.stderr), (
            done.stderr
        )
        assert "start it" not in done.stderr
        if case == "old":
            process = Process([CHURND, "-c", tmp_path / "p.yaml"], tmp_path, "churnd")
            try:
                wait_for(
                    "an ERROR",
                    lambda: re.search("ERROR kafka: .* has expired; have it renewed; waiting", process.err),
                    60,
                )
                assert process.terminate() == 0
            finally:
                process.end()
    finally:
        server.listener.close()


def test_a_certificate_of_ours_that_has_expired(authority, tmp_path):
    good, ours = authority.issue("good"), authority.issue("ours", years=(2020, 2021))
    server = TlsServer(good, clients=authority)
    try:
        write_tls(tmp_path / "p.yaml", server.port, authority, own=ours)
        done = run_churnd("check", "--connect", "-c", tmp_path / "p.yaml", check=1)
        assert "this client's certificate (ssl.certificate.location) has expired; renew it" in done.stderr, done.stderr
    finally:
        server.listener.close()


def test_a_broker_that_hangs_is_not_one_that_is_gone(tmp_path):
    """It takes connections, as its kernel does, and says nothing; a name may stand for another address, too, that refuses."""

    def check(name, port):
        settings = {
            "source": {"plugin": "kafka", "brokers": f"{name}:{port}", "topics": ["t"], "group_id": "g"},
            "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
            "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")},
        }
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
        return run_churnd("check", "--connect", "-c", tmp_path / "p.yaml", check=1).stderr

    with socket.create_server((HOST, 0)) as frozen:
        port = frozen.getsockname()[1]
        for name in (HOST, "localhost"):
            said = check(name, port)
            assert "it takes connections and answers nothing; is it frozen" in said and "start it" not in said, said
    said = check(HOST, port)
    assert "start it, or correct `brokers`" in said and "is it frozen" not in said, said


@pytest.mark.parametrize("options", [[], ["--until-end"]])
def test_a_replay_without_end_says_whose_partitions_it_reads(options, tmp_path):
    with socket.create_server((HOST, 0)) as silent:
        settings = {
            "source": {
                "plugin": "kafka",
                "brokers": f"{HOST}:{silent.getsockname()[1]}",
                "topics": ["t"],
                "group_id": "g",
            },
            "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
            "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")},
        }
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(settings))
        run = Process([CHURND, "-c", tmp_path / "p.yaml", "--replay-from", "beginning", *options], tmp_path, "churnd")
        try:
            silent.accept()[0].close()
            assert ("partitions of other members of the consumer group are not" in run.err) == (options == []), run.err
        finally:
            run.end()


def test_workers_are_members_of_their_own(kafka, tmp_path):
    """Static membership: two workers of one group.instance.id would fence each other."""
    kafka.create_topics({"static": 2})
    kafka.produce("static", [(b"a", b"no event", p) for p in (0, 1)])
    path = tmp_path / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "workers": 2,
                "source": {
                    "plugin": "kafka",
                    "brokers": kafka.brokers,
                    "topics": ["static"],
                    "group_id": "static",
                    "properties": {"group.instance.id": "m", "session.timeout.ms": "6000"},
                },
                "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
                "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")},
            }
        )
    )
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        dead = tmp_path / "dead"
        wait_for("both partitions", lambda: dead.exists() and len(dead.read_text().splitlines()) == 2, 60)
        wait_for("both workers", lambda: "worker 0 reads" in process.err and "worker 1 reads" in process.err, 60)
        assert process.terminate() == 0 and "fenced" not in process.err.lower(), process.err
    finally:
        process.end()
