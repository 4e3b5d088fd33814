"""Kafka with TLS, logins and ACLs, each way as docs/connections.md shows it; and what `check --connect` says of each that
does not work. Certificates of brokers that are wrong are in test_kafka_access.py."""

import ctypes
import json
import re

import pytest
import yaml
from certificates import Authority
from secured import PASSWORD, USER, SecuredKafka
from services import CHURND, HOST, SRC, Process, Redis, run_churnd, wait_for

DOCS = SRC / "docs/connections.md"
CANARY = "canary-51c9"


def features():
    """What the librdkafka was built with that churnd uses, and its version."""
    lib = ctypes.CDLL("librdkafka.so.1")
    lib.rd_kafka_conf_new.restype = ctypes.c_void_p
    text, size = ctypes.create_string_buffer(512), ctypes.c_size_t(512)
    lib.rd_kafka_conf_get(ctypes.c_void_p(lib.rd_kafka_conf_new()), b"builtin.features", text, ctypes.byref(size))
    return text.value.decode().split(","), lib.rd_kafka_version()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    made = SecuredKafka(tmp_path_factory.mktemp("kafka") / "secured")
    made.create_topics({"customer-events": 2, "customer-alerts": 1, "churn-dead-letters": 1})
    made.allow(USER, "TOPIC", "customer-events", "READ")
    made.allow(USER, "GROUP", "churn", "READ")
    for topic in ("customer-alerts", "churn-dead-letters"):
        made.allow(USER, "TOPIC", topic, "WRITE")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    made = Redis(tmp_path_factory.mktemp("redis") / "redis")
    yield made
    made.stop()


def documented(title):
    [section] = re.findall(rf"^### Kafka: {re.escape(title)}\n(.*?)(?=^##)", DOCS.read_text(), re.M | re.S)
    [text] = re.findall("^```yaml\n(.*?)^```$", section, re.M | re.S)
    return text


def environment(kafka, redis, listener):
    return {
        "KAFKA_BROKER": kafka.listeners[listener],
        "CA_FILE": str(kafka.ca.cert),
        "CERT_FILE": str(kafka.client.cert),
        "KEY_FILE": str(kafka.client.key),
        "KAFKA_PASSWORD": PASSWORD,
        "OIDC_SECRET": PASSWORD,
        "TOKEN_URL": kafka.identity.url,
        "REDIS_HOST": HOST,
        "REDIS_PORT": str(redis.port),
    }


@pytest.mark.parametrize(
    "title, listener, needs",
    [
        ("TLS", "TLS", None),
        ("mutual TLS", "MUTUAL", None),
        ("user and password", "LOGIN", None),
        ("SCRAM", "LOGIN", "scram"),
        ("OAUTHBEARER with OIDC", "LOGIN", "oidc"),
    ],
)
def test_what_the_docs_show_works(kafka, redis, tmp_path, title, listener, needs):
    """Events in, profiles, alerts and dead letters out; or, where librdkafka cannot, `check` refuses it with the reason."""
    path = tmp_path / "p.yaml"
    path.write_text(documented(title))
    env = environment(kafka, redis, listener)
    built, version = features()
    if (needs == "scram" and version < 0x02060100) or (needs == "oidc" and "oidc" not in built):
        done = run_churnd("check", "-c", path, env=env, check=1)
        reason = {"scram": "repeats the nonce when it logs in with SCRAM", "oidc": "was built without OIDC here"}[needs]
        assert re.search(rf"p.yaml:9:5: kafka: .*{reason}.* a client certificate, or PLAIN over TLS", done.stderr)
        assert PASSWORD not in done.stderr
        return
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512") if needs == "scram" else ("",):
        customer = re.sub(r"\W", "-", f"{title}-{mechanism}")
        event = {
            "event_id": f"{customer}_1",
            "event_type": "payment_failed",
            "customer_id": customer,
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {"amount": 5},
        }
        kafka.produce("customer-events", [(customer.encode(), json.dumps(event).encode()), (b"x", b"no event")])
        env["SCRAM"] = mechanism or "SCRAM-SHA-512"
        run_churnd("check", "--connect", "-c", path, env=env, check=0)
        done = run_churnd("--until-end", "-c", path, env={**env, "LOG_LEVEL": "DEBUG"}, cwd=tmp_path, check=0)
        assert redis.client.hget(f"profile:{customer}", "payment_failures") == b"1"
        assert re.search("dead letters +1 ", done.stdout), done.stdout
        assert PASSWORD not in done.stdout + done.stderr


def write(path, brokers, topic="customer-events", **properties):
    path.write_text(
        yaml.safe_dump(
            {
                "source": {
                    "plugin": "kafka",
                    "brokers": brokers,
                    "topics": [topic],
                    "group_id": "churn",
                    "properties": {name: str(value) for name, value in properties.items()},
                },
                "sinks": [{"plugin": "file", "path": str(path.with_suffix(".out"))}],
            }
        )
    )
    return path


CASES = {
    "a foreign authority": ("TLS", "not signed by an authority that is trusted here; set ssl.ca.location"),
    "no certificate": (
        "MUTUAL",
        "wants a certificate of its clients; set ssl.certificate.location and ssl.key.location",
    ),
    "a stranger's certificate": (
        "MUTUAL",
        "does not trust this client's certificate .*; use one that the broker's authority has signed",
    ),
    "an expired certificate": ("MUTUAL", "this client's certificate .* has expired; renew it"),
    "no TLS there": ("PLAINTEXT", "does not speak TLS at this port.*set security.protocol to plaintext"),
    "no TLS here": ("TLS", "hangs up on clear text.*set security.protocol to ssl"),
    "no login here": ("LOGIN", "wants a login; set security.protocol to sasl_ssl"),
    "no login there": ("TLS", "takes no login; set security.protocol to ssl"),
    "a wrong password": ("LOGIN", "Invalid username or password; correct sasl.username and sasl.password"),
    "a mechanism that the broker lacks": (
        "LOGIN",
        "supported mechanisms: .*PLAIN.*; set sasl.mechanism to one of these",
    ),
}


@pytest.fixture(scope="module")
def strangers(kafka, tmp_path_factory):
    """Certificates of clients that the broker refuses: of another authority, and of another time."""
    stranger = Authority(tmp_path_factory.mktemp("strangers"), "stranger")
    return {
        "a foreign authority": stranger,
        "a stranger's certificate": stranger.issue(USER),
        "an expired certificate": kafka.ca.issue("expired", years=(2020, 2021)),
    }


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_told_apart(kafka, strangers, tmp_path, case):
    listener, says = CASES[case]
    brokers = kafka.listeners[listener]
    properties = {"security.protocol": "ssl", "ssl.ca.location": kafka.ca.cert}
    login = {
        "security.protocol": "sasl_ssl",
        "sasl.username": USER,
        "sasl.mechanism": "PLAIN",
        "sasl.password": PASSWORD,
    }
    if case == "a foreign authority":
        properties["ssl.ca.location"] = strangers[case].cert
    elif case in strangers:
        shown = strangers[case]
        properties.update({"ssl.certificate.location": shown.cert, "ssl.key.location": shown.key})
    elif case == "no TLS here":
        properties = {}
    elif case in ("no login there", "a wrong password", "a mechanism that the broker lacks"):
        properties.update(login)
        if case == "a wrong password":
            properties["sasl.password"] = CANARY
        if case == "a mechanism that the broker lacks":
            properties.update({"sasl.mechanism": "GSSAPI", "sasl.kerberos.keytab": "/dev/null"})
    done = run_churnd("check", "--connect", "-c", write(tmp_path / "p.yaml", brokers, **properties), check=1)
    assert re.search(rf"p.yaml:[0-9:]+ kafka: topic .*cannot be reached: .*{says}", done.stderr), done.stderr
    assert CANARY not in done.stderr and PASSWORD not in done.stderr


def test_mechanisms_are_checked_without_a_connection(tmp_path):
    secured = {"security.protocol": "sasl_ssl", "sasl.username": USER, "sasl.password": PASSWORD}
    cases = [
        ({**secured, "sasl.mechanism": "SCRAM-SHA-1"}, "error", "is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        (
            {"security.protocol": "ssl", "sasl.mechanism": "PLAIN"},
            "warning",
            "not used, since security.protocol is not sasl",
        ),
        (
            {**secured, "security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN"},
            "warning",
            "logs in without TLS",
        ),
    ]
    if "oidc" in features()[0]:
        cases.append(({**secured, "sasl.mechanism": "OAUTHBEARER"}, "error", "needs `sasl.oauthbearer.method: oidc`"))
    for properties, kind, says in cases:
        path = write(tmp_path / "p.yaml", "localhost:9092", **properties)
        done = run_churnd("check", "-c", path, check=1 if kind == "error" else 0)
        assert re.search(f"p.yaml:[0-9:]+ .*{says}", done.stderr), done.stderr


@pytest.mark.skipif("oidc" not in features()[0], reason="this librdkafka was built without OIDC")
def test_an_identity_provider(kafka, tmp_path):
    """One that refuses the secret, and one that is away, are told apart from the broker; no secret is shown."""
    properties = {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": kafka.ca.cert,
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": USER,
        "sasl.oauthbearer.client.secret": CANARY,
        "sasl.oauthbearer.token.endpoint.url": kafka.identity.url,
    }
    brokers = kafka.listeners["LOGIN"]
    path = write(tmp_path / "p.yaml", brokers, **properties)
    refused = run_churnd("check", "--connect", "-c", path, check=1)
    assert "correct sasl.oauthbearer.client.id" in refused.stderr and "start it" not in refused.stderr, refused.stderr
    properties["sasl.oauthbearer.token.endpoint.url"] = f"http://{HOST}:1/token"
    away = run_churnd("check", "--connect", "-c", write(path, brokers, **properties), check=1)
    assert "sasl.oauthbearer.token.endpoint.url" in away.stderr, away.stderr
    assert CANARY not in refused.stderr + away.stderr


def test_a_run_with_a_wrong_password(kafka, tmp_path):
    """It says so and waits, for the broker may yet be told of the new one."""
    wrong = {
        "security.protocol": "sasl_ssl",
        "ssl.ca.location": kafka.ca.cert,
        "sasl.mechanism": "PLAIN",
        "sasl.username": USER,
        "sasl.password": CANARY,
    }
    path = write(tmp_path / "p.yaml", kafka.listeners["LOGIN"], **wrong)
    process = Process([CHURND, "-c", path], tmp_path, "churnd")
    try:
        wait_for("an ERROR", lambda: re.search("ERROR kafka: .*Invalid username or password", process.err), 60)
        assert process.running() and CANARY not in process.err
        assert process.terminate() == 0
    finally:
        process.end()
