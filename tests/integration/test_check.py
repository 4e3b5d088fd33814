"""What tells an author about a pipeline before it runs: check, graph, schema, describe, completion."""

import json
import os
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml
from services import CHURND, HOST, SRC, clean_environment, free_port, run_churnd, wait_for

HERE = SRC / "tests/integration"
BROKEN = sorted((HERE / "broken").glob("*.yaml"))
SHIPPED = sorted(
    p for p in [*SRC.glob("config/*.yaml"), *SRC.glob("examples/pipelines/*.yaml")] if not p.name.endswith(".test.yaml")
)  # those hold tests alone
SHELLS = ("bash", "zsh", "fish")

SOURCE = "source: {plugin: generate, events: 1}\n"
STORE = "store: {plugin: lmdb, path: store}\n"
DEAD = "dead_letters: {plugin: file, path: dead.jsonl}\n"


def said(text, path):
    """Messages without what differs from machine to machine."""
    return re.sub(r"; looked in .*", "", text.replace(str(path), "FILE"))


def write(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


# --- check ---


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_broken_pipeline(path, tmp_path):
    """Every mistake, each at its place, and what to do; `run` refuses the file too. Nothing is written."""
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=1)
    assert said(done.stderr, path) == path.with_suffix(".txt").read_text()
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
    if path.stem != "unwritable_path":  # that takes a look at the disk, which run does by opening files
        run_churnd("run", "-c", path, cwd=tmp_path, check=1)
        assert list(tmp_path.iterdir()) == []


SENT = "source: {plugin: generate, events: 1}\n" + "store: {plugin: lmdb, path: store}\n"
TLS = (
    "source: {plugin: kafka, topics: [a], group_id: g, properties: {security.protocol: ssl, %s}}\n"
    + "store: {plugin: lmdb, path: store}\n"
)
REDIS = "source: {plugin: generate, events: 1}\n" + "store: {plugin: redis, %s}\n"
LOGIN = TLS.replace("ssl, ", "%s, sasl.mechanism: PLAIN, sasl.username: a, sasl.password: secret-word").replace(
    "%s}", "}"
)


@pytest.mark.parametrize(
    "text, at, words",
    [
        (TLS % "enable.ssl.certificate.verification: false", "enable.ssl", "certificates are not checked"),
        (TLS % "enable.ssl.certificate.verification: F", "enable.ssl", "certificates are not checked"),
        (
            TLS % "ssl.endpoint.identification.algorithm: none",
            "ssl.endpoint",
            "the name in a certificate is not checked",
        ),
        (LOGIN % "sasl_plaintext", "security.protocol", "logs in without TLS"),
        (LOGIN % "SASL_PLAINTEXT", "security.protocol", "logs in without TLS"),
        (
            SENT + "sinks: [{plugin: prediction, url: 'http://api.example.com', token: secret-word}]\n",
            "secret-word",
            "token: is sent unencrypted to http://api.example.com; use https",
        ),
        (
            SENT + "sinks: [{plugin: prediction, url: 'http://127.example.com', headers: {X-Key: secret-word}}]\n",
            "{X-Key",
            "headers: is sent unencrypted to http://127.example.com; use https",
        ),
        (
            SENT
            + "sinks: [{plugin: alert, to: [webhook], webhook_url: 'http://10.0.0.1:80/x', webhook_headers: {K: secret-word}}]\n",
            "{K",
            "webhook_headers: is sent unencrypted to http://10.0.0.1:80; use https",
        ),
        (
            SENT + "sinks: [{plugin: kafka, topic: t, input: events, properties: {security.protocol: sasl_plaintext, "
            "sasl.mechanism: PLAIN, sasl.username: a, sasl.password: b}}]\n",
            "security.protocol",
            "logs in without TLS",
        ),
        (
            REDIS % "host: redis.example, password: secret-word",
            "secret-word",
            "password: sends the password unencrypted to redis.example:6379; use TLS",
        ),
        (
            REDIS % "url: 'redis://:secret-word@10.0.0.1'",
            "'redis://",
            "url: sends the password unencrypted to 10.0.0.1:6379; use TLS",
        ),
        (
            REDIS % "sentinels: ['localhost', '[2001:db8::1]'], master: m, sentinel_password: secret-word",
            "secret-word",
            "sentinel_password: sends the password unencrypted to [2001:db8::1]:26379; use TLS",
        ),
        (
            REDIS % "url: 'rediss://localhost', check_name: false",
            "false",
            "check_name: the name in a certificate is not checked",
        ),
    ],
)
def test_what_others_can_read_or_forge(text, at, words, tmp_path):
    """A warning at `check`, an error where that is wished for, and a warning at the start."""
    path = write(tmp_path, text + DEAD)
    before = text[: text.index(at)]
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=0)
    (line,) = [line for line in done.stderr.splitlines() if words in line]
    assert line.startswith(f"{path}:{before.count(chr(10)) + 1}:{len(before.rpartition(chr(10))[2]) + 1}: warning: "), (
        line
    )
    assert "secret-word" not in done.stderr
    assert words in run_churnd("check", "--deny-warnings", "-c", path, cwd=tmp_path, check=1).stderr
    path.write_text(text + DEAD + "mistake: 1\n")  # so that it ends
    assert words in run_churnd("-c", path, cwd=tmp_path, check=1).stderr


@pytest.mark.parametrize(
    "store",
    [
        "host: localhost, password: p",
        "host: '::1', password: p",
        "url: 'redis://:p@127.0.0.2:1/0'",
        "url: 'unix:///run/redis.sock', password: p",
        "url: 'rediss://:p@redis.example'",
        "host: redis.example",
        "sentinels: ['127.0.0.1:1'], master: m, password: p, sentinel_password: p",
    ],
)
def test_what_nobody_can_read_or_forge(store, tmp_path):
    """Encrypted, without a secret, or on this machine."""
    said = run_churnd("check", "-c", write(tmp_path, REDIS % store + DEAD), cwd=tmp_path, check=0).stderr
    assert not re.search("unencrypted|without TLS|not checked", said), said


@pytest.mark.parametrize(
    "text",
    [
        SENT + "sinks: [{plugin: prediction, url: 'https://api.example.com', token: x}]\n",
        SENT + "sinks: [{plugin: prediction, url: 'http://localhost:5000', token: x}]\n",
        SENT + "sinks: [{plugin: prediction, url: 'http://127.0.0.1', token: x}]\n",
        SENT + "sinks: [{plugin: prediction, url: 'http://[::1]:5000', token: x}]\n",
        SENT + "sinks: [{plugin: prediction, url: 'http://api.example.com'}]\n",
        TLS % "ssl.endpoint.identification.algorithm: https",
        TLS % "enable.ssl.certificate.verification: true",
    ],
)
def test_what_is_safe(text, tmp_path):
    done = run_churnd("check", "-c", write(tmp_path, text + DEAD), cwd=tmp_path, check=0)
    assert "unencrypted" not in done.stderr and "certificate" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "cannot be read: No such file or directory"),
        ("", "holds no certificate"),
        ("-----BEGIN PRIVATE KEY-----\n", "holds no certificate"),
        ("fifo", "is no file of certificates"),
    ],
)
@pytest.mark.parametrize(
    "sink, option",
    [
        ("plugin: prediction, url: 'https://localhost:1', ca_file: %s", "ca_file"),
        ("plugin: alert, to: [webhook], webhook_url: 'https://localhost:1', webhook_ca_file: %s", "webhook_ca_file"),
        (
            "plugin: kafka, topic: t, input: events, properties: {security.protocol: ssl, ssl.ca.location: %s}",
            "properties",
        ),
    ],
)
def test_certificates_that_are_missing(sink, option, content, words, tmp_path):
    certificates = tmp_path / "ca.pem"
    if content == "fifo":
        os.mkfifo(certificates)  # whose writer nobody waits for
    elif content is not None:
        certificates.write_text(content)
    done = run_churnd(
        "check", "-c", write(tmp_path, f"{SENT}sinks: [{{{sink % certificates}}}]\n{DEAD}"), cwd=tmp_path, check=1
    )
    assert f"{option}: " in done.stderr and (
        words in done.stderr or (option == "properties" and content is not None)
    ), done.stderr


def test_one_mistake_is_told_once(tmp_path):
    """An option that is wrong is not missing besides."""
    sink = "{plugin: prediction, url: 'http://h', format: template, answer: /p, features: [order_count], template: {a: <rwo>}}"
    done = run_churnd("check", "-c", write(tmp_path, f"{SOURCE}{STORE}sinks: [{sink}]\n{DEAD}"), cwd=tmp_path, check=1)
    assert "unknown placeholder <rwo>" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_refused_option_is_not_held_against_others(tmp_path):
    """min_interval is longer than what stands in for a cache_ttl that cannot be read."""
    sink = "{plugin: prediction, url: 'http://h', brokers: 'h:1', min_interval: 2h, cache_ttl: 3 h}"
    done = run_churnd("check", "-c", write(tmp_path, f"{SOURCE}{STORE}sinks: [{sink}]\n{DEAD}"), cwd=tmp_path, check=1)
    assert "cache_ttl: 3 h is not a duration" in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_check_in_json(tmp_path):
    path = HERE / "broken/several_sections.yaml"
    text = run_churnd("check", "-c", path, cwd=tmp_path, check=1).stderr
    found = json.loads(run_churnd("check", "-c", path, "--format", "json", cwd=tmp_path, check=1).stdout)
    assert text.splitlines() == [f"{f['file']}:{f['line']}:{f['column']}: {f['message']}" for f in found]
    assert {f["severity"] for f in found} == {"error"}
    no_source = json.loads(
        run_churnd("check", "-c", HERE / "broken/no_source.yaml", "--format", "json", check=1).stdout
    )
    assert (no_source[0]["line"], no_source[0]["column"]) == (None, None)
    good = run_churnd("check", "-c", write(tmp_path, SOURCE + STORE + DEAD), "--format", "json", cwd=tmp_path, check=0)
    assert json.loads(good.stdout) == []


@pytest.mark.parametrize(
    "source, said",
    [
        (
            "brokers: 'a:1', group_id: $KAFKA_GROUP",
            "warning: kafka: group_id: `$` stands for itself here; a variable is written ${KAFKA_GROUP}",
        ),
        (
            "brokers: 'a:1', topics: [$T1]",
            "warning: kafka: topics: `$` stands for itself here; a variable is written ${T1}",
        ),
        (
            "brokers: 'a:1', properties: {sasl.password: $ecret}",
            "warning: kafka: properties: `$` stands for itself here; a variable is written ${NAME}",
        ),
        (
            "brokers: ['a:1', 'b:1']",
            "kafka: brokers: a text belongs here; join the items with commas, without brackets",
        ),
        ("bootstrap_servers: 'a:1'", "kafka: unknown option 'bootstrap_servers' (did you mean 'brokers'?)"),
        ("bootstrap.servers: 'a:1'", "kafka: unknown option 'bootstrap.servers' (did you mean 'brokers'?)"),
        ("brokers: 'a:1', topic: t", "kafka: unknown option 'topic' (did you mean 'topics'?)"),
        ("brokers: 'a:1', group.id: g", "kafka: unknown option 'group.id' (did you mean 'group_id'?)"),
    ],
)
def test_what_others_write(source, said, tmp_path):
    done = run_churnd(
        "check", "-c", write(tmp_path, f"source: {{plugin: kafka, {source}}}\n{STORE}{DEAD}"), cwd=tmp_path
    )
    assert said in done.stderr and "ecret}" not in done.stderr, done.stderr


@pytest.mark.parametrize("group", ["a$", "$", "$1", "'$a-b'", "x$NAME"])
def test_a_dollar_that_is_meant(group, tmp_path):
    text = f"source: {{plugin: kafka, brokers: 'a:1', topics: [t], group_id: {group}}}\n{STORE}{DEAD}"
    assert "$" not in run_churnd("check", "-c", write(tmp_path, text), cwd=tmp_path, check=0).stderr


def test_warnings(tmp_path):
    """What works, though hardly as it is meant: said, and an error where that is wished for."""
    path = write(
        tmp_path,
        "source:\n  plugin: file\n  path: in.jsonl\nevents:\n  types: [login]\n  override:\n"
        "    login: {predict: true, alert: info}\n"
        "store: {plugin: lmdb, path: store, ttl: 1h}\n" + DEAD,
    )
    places = ["3:9", "7:22", "7:35", "8:41"]
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=0)
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [[f"{path}:{p}", "warning"] for p in places]
    assert "does not exist yet" in done.stderr and "no sink asks for predictions" in done.stderr
    assert "good: 1 event types" in done.stdout
    denied = run_churnd("check", "-c", path, "--deny-warnings", cwd=tmp_path, check=1)
    assert denied.stdout == "" and denied.stderr == done.stderr.replace(": warning:", ":")
    path.write_text(
        "source: {plugin: kafka, topics: [a, b, a], group_id: g}\n"
        + DEAD
        + "events: {types: [product_viewed]}\nstore: {plugin: lmdb, path: store}\n"
        "sinks: [{plugin: prediction_local}, {plugin: alert}]\n"
    )
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=0)
    assert [line[len(str(path)) + 1 :] for line in done.stderr.splitlines()] == [
        "1:40: warning: kafka: the topic 'a' is named twice",
        "5:9: warning: prediction_local: no event type of this pipeline asks for a prediction",
        "5:37: warning: alert: no event type of this pipeline raises an alert",
    ]


def test_several_bad_plugin_files_at_once(tmp_path):
    folder = tmp_path / "plugins/event"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.so").write_text("no library")
    path = write(tmp_path, SOURCE + STORE + DEAD + "plugin_path: [plugins]\n")
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=1)
    assert re.search(r"one\.so.*\n.*two\.so", done.stderr) and len(done.stderr.splitlines()) == 2, done.stderr
    listed = run_churnd("plugins", "--plugin-path", tmp_path / "plugins", check=1)
    assert "one.so" in listed.stderr and "two.so" in listed.stderr


def test_redrive_may_read_what_the_pipeline_writes(tmp_path):
    """That the dead letters are read is a loop in the file, and the very purpose of a redrive."""
    (tmp_path / "in.jsonl").write_text("broken\n")
    path = write(tmp_path, "source: {plugin: file, path: in.jsonl}\n" + STORE + DEAD)
    run_churnd("-c", path, cwd=tmp_path, check=0)
    run_churnd("redrive", "-c", path, cwd=tmp_path, check=0)


# --- check --connect ---


def connect(path, tmp_path, check, env=None):
    done = run_churnd("check", "-c", path, "--connect", "--format", "json", cwd=tmp_path, env=env, check=check)
    found = json.loads(done.stdout)
    return {(f["line"], f["message"].split(": ")[1]): (f["severity"], f["message"]) for f in found}


def connecting(tmp_path, broker, redis, url, password=""):
    return write(
        tmp_path,
        f"""\
source:
  plugin: kafka
  brokers: {broker}
  topics: [events, later]
  group_id: g
store:
  plugin: redis
  host: {HOST}
  port: {redis}
  password: "{password}"
sinks:
  - plugin: prediction
    url: {url}
  - plugin: alert
    to: [webhook, kafka]
    webhook_url: {url}
    brokers: {broker}
dead_letters:
  plugin: kafka
  brokers: {broker}
  topic: dead
  create_topic: false
""",
    )


def test_connect(stack, tmp_path):
    """Each target is tried, and nothing there changes: no topic is made, no group joined, no request posted."""
    stack.start_kafka().create_topics({"events": 1})
    redis = stack.start_redis(password="secret", options=["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
    api = stack.start_scripted()
    path = connecting(tmp_path, f"{HOST}:{stack.kafka.port}", redis.port, api.url, "secret")
    found = connect(path, tmp_path, 0)
    broker = f" at {HOST}:{stack.kafka.port}"
    assert {place: severity for place, (severity, _) in found.items()} == {
        (4, f"topic events{broker}"): "ok",
        (4, f"topic later{broker}"): "warning",
        (7, f"redis {HOST}:{redis.port}"): "warning",
        (13, f"http {api.url}"): "ok",
        (14, f"topic customer-alerts{broker}"): "ok",
        (16, f"http {api.url}"): "ok",
        (21, f"topic dead{broker}"): "warning",
    }, found
    assert "set it to noeviction" in found[7, f"redis {HOST}:{redis.port}"][1]
    assert api.requests == [] and redis.client.dbsize() == 0
    assert set(stack.kafka.admin().list_topics(timeout=10).topics) - {"__consumer_offsets"} == {"events"}
    wrong = connecting(tmp_path, f"{HOST}:{stack.kafka.port}", redis.port, api.url, "hunter2-canary")
    severity, message = connect(wrong, tmp_path, 1)[7 + 3, f"redis {HOST}:{redis.port}"]
    assert severity == "error" and "hunter2" not in message


def test_connect_to_a_redis_that_takes_nothing(stack, tmp_path):
    """It answers, and refuses each write: said with its own word for it, and what to do. Nothing is written by asking."""
    redis = stack.start_redis()
    config = tmp_path / "p.yaml"
    config.write_text(
        f"{SOURCE}store: {{plugin: redis, host: {HOST}, port: {redis.port}}}\n"
        f"sinks: [{{plugin: alert, to: [log]}}]\n{DEAD}"
    )

    def asked(status):
        done = run_churnd("check", "-c", config, "--connect", cwd=tmp_path, check=status)
        assert redis.client.dbsize() == 0
        return done.stderr + done.stdout

    assert "ok: redis" in asked(0)
    redis.client.config_set("maxmemory", 1)
    assert re.search(r": redis: redis .* refuses writes: .*maxmemory.* \(OOM ", asked(1))
    redis.client.config_set("maxmemory", 0)
    redis.client.config_set("min-replicas-to-write", 1)
    assert re.search(r": redis: redis .* refuses writes: .*min-replicas-to-write.* \(NOREPLICAS ", asked(1))
    redis.client.config_set("min-replicas-to-write", 0)
    # Its file's name is a folder's, so that a save fails.
    (redis.folder / "dump.rdb").mkdir()
    redis.client.config_set("save", "3600 1")
    redis.client.bgsave()
    wait_for("a failed save", lambda: redis.client.info("persistence")["rdb_last_bgsave_status"] == "err")
    assert re.search(r": redis: redis .* refuses writes: .* \(MISCONF ", asked(1))
    redis.client.config_set("save", "")
    redis.client.replicaof(HOST, free_port())
    assert re.search(r": redis: redis .*replica", asked(1))
    redis.client.replicaof("NO", "ONE")
    assert "ok: redis" in asked(0)


def test_connect_to_nothing(tmp_path):
    port = free_port()
    found = connect(connecting(tmp_path, f"{HOST}:{port}", port, f"http://{HOST}:{port}"), tmp_path, 1)
    assert len(found) == 7 and {severity for severity, _ in found.values()} == {"error"}
    for _, message in found.values():
        assert re.search("refused|Could(n't| not) connect", message), message


# --- graph ---


def graph(path, language, tmp_path):
    needed = {"WEBHOOK_URL": "http://127.0.0.1:1/x"}
    return run_churnd("graph", "-c", path, "--format", language, cwd=tmp_path, env=needed, check=0).stdout


def svg_texts(dot):
    svg = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, text=True, check=True)
    assert svg.stderr == ""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.stdout)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(SRC)))
def test_graphs_of_shipped_pipelines(path, tmp_path):
    texts = svg_texts(graph(path, "dot", tmp_path))
    mermaid = graph(path, "mermaid", tmp_path).splitlines()
    assert "source" in texts and mermaid[0] == "flowchart LR"
    nodes = {
        m.group(1)
        for m in (
            re.fullmatch(r'    (\w+)(\[|\(\[|\[\(|\[\[)"[^"<>|`&]*(<br/>[^"<>|`&]*)*"[\])]+', line) for line in mermaid
        )
        if m
    }
    edges = [
        m.groups()
        for m in (re.fullmatch(r'    (\w+) (?:-->|-\.->)(?:\|"[^"]*"\|)? (\w+)', line) for line in mermaid)
        if m
    ]
    assert len(nodes) + len(edges) + 1 == len(mermaid)
    assert edges and nodes == {end for edge in edges for end in edge}


def test_graph_of_the_consumer(tmp_path):
    assert graph(SRC / "config/consumer.yaml", "mermaid", tmp_path) == (HERE / "graphs/consumer.mmd").read_text()


def test_graph_labels_are_escaped(tmp_path):
    odd = 'a "b" <c> | `d` # \\ & ] e'
    path = write(
        tmp_path,
        yaml.safe_dump({"source": {"plugin": "file", "path": odd}, "sinks": [{"plugin": "file", "path": "-"}]}),
    )
    texts = svg_texts(graph(path, "dot", tmp_path))
    assert odd.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in texts, texts
    label = re.search(r'"file<br/>(.*)"', graph(path, "mermaid", tmp_path)).group(1)
    assert not set(label) & set('"<>|`&')
    assert re.sub(r"#(\d+);", lambda m: chr(int(m.group(1))), label) == odd


def test_graph_shows_names_and_conditions(tmp_path):
    path = write(
        tmp_path,
        SOURCE + STORE + DEAD + "processors: [{plugin: filter, name: only, when: 'data.amount >= 5'}]\n"
        "sinks: [{plugin: alert, name: page, when: 'severity == \"critical\"'}, {plugin: alert}]\n"
        "events: {types: [payment_failed]}\n",
    )
    texts = svg_texts(graph(path, "dot", tmp_path))
    assert {
        "only (filter)",
        "when data.amount &gt;= 5",
        "page (alert)",
        "when severity == &quot;critical&quot;",
        "1 event type",
        "payment_failed",
        "profiles",
        "alerts",
        "dead letters",
    } <= set(texts), texts
    assert 'source -->|"when data.amount #62;= 5"| processor0\n' in graph(path, "mermaid", tmp_path)


# --- schema ---


class Plain(yaml.SafeLoader):
    """YAML's core values alone, as editors read them: no dates."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(run_churnd("schema", check=0).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: str(p.relative_to(SRC)))
def test_shipped_pipelines_satisfy_the_schema(path, validator):
    assert [e.message for e in validator.iter_errors(yaml.load(path.read_text(), Plain))] == []


# What no schema can tell: what sections are to each other, what librdkafka thinks, what variables and the disk hold.
BEYOND_SCHEMA = {
    "alert_loop",
    "bad_header",
    "bad_indentation",
    "bad_kafka_property",
    "bad_reference",
    "bad_topic",
    "bad_topics_of_sinks",
    "bad_url",
    "colliding_keys",
    "duplicate_key",
    "empty_name",
    "file_loop",
    "no_brokers",
    "no_dead_letters",
    "one_worker",
    "out_of_range",
    "own_keys",
    "owned_kafka_property",
    "prediction_without_store",
    "queue_topic",
    "same_file_twice",
    "several_kafka_properties",
    "shadows",
    "shared_queue",
    "tab",
    "topic_loop",
    "two_documents",
    "undefined_variable",
    "unheard_alert",
    "unwritable_path",
    "wrong_input",
}


@pytest.mark.parametrize("path", [p for p in BROKEN if p.stem not in BEYOND_SCHEMA], ids=lambda p: p.stem)
def test_broken_pipelines_do_not_satisfy_the_schema(path, validator):
    assert not validator.is_valid(yaml.load(path.read_text(), Plain))


def test_schema_takes_what_churnd_takes(validator, tmp_path):
    """Every way to write a value, and nothing else, on both sides."""

    def document(**sink):
        return {
            "source": {"plugin": "generate", "events": 1},
            "store": {"plugin": "lmdb", "path": "s"},
            "sinks": [{"plugin": "prediction", "url": "http://h", **sink}],
            "dead_letters": {"plugin": "file", "path": "d"},
        }

    good = [
        {"timeout": "250ms"},
        {"timeout": "${T:-3s}"},
        {"concurrency": 4},
        {"concurrency": "4"},
        {"concurrency": "${C:-4}"},
        {"queue": "store"},
        {"queue": "${Q:-auto}"},
        {"queue": None},
        {"headers": {"A": 1}},
        {"token": 5},
        {"timeout": None},
    ]
    bad = [
        {"timeout": 250},
        {"timeout": "250"},
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"concurrency": "x"},
        {"queue": "disk"},
        {"headers": ["A"]},
        {"token": ["x"]},
        {"url": None},
        {"urll": "x"},
    ]
    for sink in good + bad:
        path = write(tmp_path, yaml.safe_dump(document(**sink)))
        assert validator.is_valid(document(**sink)) is (sink in good), sink
        run_churnd("check", "-c", path, cwd=tmp_path, check=0 if sink in good else 1)


def test_schema_of_a_plugin():
    schema = json.loads(run_churnd("describe", "redis", "--json-schema", check=0).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    redis = jsonschema.Draft7Validator(schema)
    assert redis.is_valid({"plugin": "redis", "port": 6379, "ttl": "7d"})
    assert not redis.is_valid({"plugin": "redis", "port": 0}) and not redis.is_valid({"plugin": "redis", "prot": 1})
    assert schema["properties"]["port"]["default"] == 6379
    run_churnd("describe", "--json-schema", check=1)


# --- describe ---


def test_reference_is_up_to_date():
    """docs/reference.md is written by `make docs`."""
    assert (SRC / "docs/reference.md").read_text() == run_churnd("describe", "--format", "markdown", check=0).stdout


def test_tables_of_the_reference_are_whole():
    for line in (SRC / "docs/reference.md").read_text().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert not line.startswith("|") or cells in (4, 5), line


def test_sections_are_described(tmp_path):
    text = run_churnd("describe", "pipeline", check=0).stdout
    assert "section pipeline" in text and "shutdown_timeout (duration, default 30s)" in text
    everything = json.loads(run_churnd("describe", "--format", "json", check=0).stdout)
    assert {"pipeline", "log", "events", "override", "store", "sinks"} <= {d.get("section") for d in everything}
    assert {"redis", "order_placed"} <= {d.get("name") for d in everything}
    for section, role in (("source", "source"), ("dead_letters", "sink")):
        said_of = run_churnd("describe", section, check=1).stderr
        assert f"those of its plugin; `churnd plugins` lists each {role}" in said_of, said_of
    wrong = run_churnd("describe", "rediss", check=1)
    assert "did you mean 'redis'?" in wrong.stderr


# --- completion ---


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(run_churnd("completion", shell, check=0).stdout)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_good_syntax(shell, scripts):
    done = subprocess.run([shutil.which(shell) or shell, "-n", scripts / shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def complete_in_bash(scripts, folder, *words):
    """What bash offers for the last of `words`."""
    script = (
        f'source {scripts}/bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _churnd; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", "churnd", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment({"PATH": f"{CHURND.parent}:/usr/bin:/bin"}),
    )
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


def test_bash_completes(scripts, tmp_path):
    for name in ("my pipeline.yaml", "other.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()

    def offered(*words):
        return complete_in_bash(scripts, tmp_path, *words)

    assert {"run", "check", "graph", "describe", "schema", "completion"} <= offered("")
    assert offered("ver") == {"verify"}
    assert offered("-c", "") == offered("check", "--config", "") == {"my pipeline.yaml", "other.yaml", "folder"}
    assert offered("-c", "other.yaml", "ch") == {"check"}
    assert {"--connect", "--deny-warnings", "--format", "--config"} <= offered("check", "--")
    assert "--into" not in offered("check", "--") and "--into" in offered("rebuild", "-c", "x", "--")
    assert offered("graph", "--format", "") == {"mermaid", "dot"}
    assert offered("describe", "--format", "") == {"text", "json", "markdown"}
    assert offered("--log-level", "W") == {"WARN"}
    assert offered("--plugin-path", "") == {"folder"}
    assert offered("describe", "order_") == {"order_placed", "order_cancelled"}
    assert offered("completion", "") == set(SHELLS)


def complete_in_fish(scripts, line):
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {scripts}/fish; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=True,
        env=clean_environment({"PATH": f"{CHURND.parent}:/usr/bin:/bin"}),
    )
    return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


def test_fish_completes(scripts):
    assert {"check", "graph"} <= complete_in_fish(scripts, "churnd ")
    assert "--connect" in complete_in_fish(scripts, "churnd check --con")
    assert complete_in_fish(scripts, "churnd graph --format ") == {"mermaid", "dot"}
    assert complete_in_fish(scripts, "churnd describe order_") == {"order_placed", "order_cancelled"}


def test_completions_are_installed(installed):
    root, _, _ = installed
    for path in (
        "bash-completion/completions/churnd",
        "zsh/site-functions/_churnd",
        "fish/vendor_completions.d/churnd.fish",
    ):
        assert "describe" in next(root.rglob(path)).read_text()
