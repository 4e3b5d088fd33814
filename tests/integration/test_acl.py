"""`churnd check --acl`: with exactly the rights that it prints the whole main job works, and each command that it names; without
any one of them what lacks is named, and nothing is lost once it is given. Redis' commands, one by one: test_store_redis.py."""

import json
import re
import shlex

import events
import oracle
import pytest
import yaml
from secured import PASSWORD, USER, SecuredKafka
from services import CHURND, HOST, Process, Redis, Scripted, run_churnd, wait_for

TOPICS = ["orders", "clicks"]
WRITTEN = ["alerts", "predictions", "dead", "asked"]


class Deployment:
    """A broker, a Redis and an API; and the pipeline that uses all of them, as users that were allowed nothing yet."""

    def __init__(self, folder):
        self.folder = folder
        self.kafka = SecuredKafka(folder / "kafka")
        self.redis, self.api = Redis(folder / "redis"), Scripted()
        self.kafka.create_topics(dict.fromkeys([*TOPICS, *WRITTEN], 1))
        self.config = folder / "p.yaml"
        login = {
            "brokers": self.kafka.listeners["LOGIN"],
            "properties": {
                "security.protocol": "sasl_ssl",
                "ssl.ca.location": str(self.kafka.ca.cert),
                "sasl.mechanism": "PLAIN",
                "sasl.username": USER,
                "sasl.password": PASSWORD,
            },
        }
        store = {"plugin": "redis", "host": HOST, "port": self.redis.port, "username": "app", "password": "pw"}
        prediction = {"topic": "predictions", "dead_letter_topic": "dead", "queue_topic": "asked", "url": self.api.url}
        self.config.write_text(
            yaml.safe_dump(
                {
                    "source": {"plugin": "kafka", "topics": TOPICS, "group_id": "scoring", **login},
                    "processors": [{"plugin": "dedup"}],
                    "store": store,
                    "sinks": [
                        {"plugin": "prediction", "input": "triggers", "queue_group": "asking", **prediction, **login},
                        {"plugin": "alert", "to": ["kafka"], "topic": "alerts", **login},
                    ],
                    "dead_letters": {"plugin": "kafka", "topic": "dead", **login},
                }
            )
        )

    def lines(self):
        """Heading → the commands below it, without those that are needed sometimes."""
        printed = run_churnd("check", "--acl", "-c", self.config, check=0).stdout
        found, heading = {}, None
        for line in printed.splitlines():
            heading = line if line.startswith("# What") else heading
            if line and not line.startswith("#"):
                found.setdefault(heading, []).append(shlex.split(line))
        return found

    def place(self, words):
        """What `allow` takes for a command kafka-acls.sh."""
        start = ["kafka-acls.sh", "--bootstrap-server", self.kafka.listeners["LOGIN"], "--add", "--allow-principal"]
        assert words[:6] == [*start, f"User:{USER}"] and words[6] == "--operation"
        return words[8].lstrip("-").upper(), words[9], words[7].upper()

    def give(self, words):
        if words[0] == "ACL":
            self.redis.client.execute_command(*(">pw" if word == ">PASSWORD" else word for word in words))
        else:
            self.kafka.allow(USER, *self.place(words), prefixed=words[10:] == ["--resource-pattern-type", "prefixed"])

    def run(self, *command, check=0):
        return run_churnd(*command, "-c", self.config, cwd=self.folder, timeout=120, check=check)

    def stop(self):
        self.api.stop()
        self.redis.stop()
        self.kafka.stop()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("acl"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def given(deployment):
    """All that is printed for a run, as lines, once given; nothing else is."""
    lines = next(lines for heading, lines in deployment.lines().items() if "What a run of" in heading)
    for words in lines:
        deployment.give(words)
    return lines


def counted(deployment):
    return oracle.Model().feed_topics(deployment.kafka.brokers, TOPICS)


def test_all_works_with_what_is_printed(deployment, given):
    """Before it is given nothing does; then everything; and commands that need more name it, until they have it."""
    d = deployment
    load = events.load(600, 40, 5)
    d.kafka.produce("orders", load[:400] + [(b"x", b"no event")])
    d.kafka.produce("clicks", load[400:])
    wait_for(
        "a check that finds nothing",
        lambda: d.run("check", "--connect", "--deny-warnings", check=None).returncode == 0,
        30,
    )
    done = d.run("--until-end")
    model = counted(d)
    assert "ERROR" not in done.stderr and "WARN" not in done.stderr, done.stderr
    oracle.assert_profiles(model, d.redis.hashes("profile:"))
    wait_for("all predictions", lambda: d.redis.hashes("prediction:").keys() == model.triggers.keys(), 30)
    kept = {t: list(oracle.read_topics(d.kafka.brokers, [t])) for t in ("alerts", "dead", "predictions")}
    assert len(kept["alerts"]) == len(model.alerts) and len(kept["dead"]) == len(model.dead) and kept["predictions"]
    customer = next(iter(model.triggers))
    commands = {
        "redrive": (["redrive"], "group `scoring-redrive`"),
        "explain": (["explain", customer], "group `scoring-explain-"),
        "rebuild --into rebuilt:": (["rebuild", "--into", "rebuilt:"], "rebuilt:|scan|not let this user"),
        "verify --against rebuilt:": (["verify", "--against", "rebuilt:"], None),
    }
    lines = {h: li for h, li in d.lines().items() if "What a run of" not in h}
    have = []
    for name, (command, lacks) in commands.items():
        needed = next((li for h, li in lines.items() if f"churnd {name}`" in h), [])
        more = [words for words in needed if not set(words) <= set(have)]
        assert bool(more) == (lacks is not None), (name, lines)
        if more:
            refused = d.run(*command, check=None)
            assert refused.returncode != 0 and re.search(lacks, refused.stderr), (name, refused.stderr)
        for words in more:
            d.give(words)
            have += words
        wait_for(f"`{name}`", lambda command=command: d.run(*command, check=None).returncode == 0, 25)
    assert len(lines) == 4, lines


KAFKA_RIGHTS = [
    *(("TOPIC", topic, "READ") for topic in [*TOPICS, "asked"]),
    *(("TOPIC", topic, "WRITE") for topic in WRITTEN),
    *(("GROUP", group, "READ") for group in ("scoring", "asking")),
]


def test_what_is_printed_for_kafka(deployment, given):
    """No right is printed that is not needed: those below, each of which is missed."""
    kafka = [deployment.place(words) for words in given if words[0] != "ACL"]
    assert sorted(kafka) == sorted(KAFKA_RIGHTS)
    said = json.loads(deployment.run("check", "--acl", "--format", "json").stdout)
    listed = {
        (g["resource"].upper(), g["name"], g["operation"].upper())
        for g in said
        if g["system"] == "kafka" and g["command"] == "run" and not g["only"]
    }
    assert listed == set(kafka)
    assert {g["operation"] for g in said if g["only"]} == {"Create", "IdempotentWrite", None}


@pytest.mark.parametrize("right", KAFKA_RIGHTS, ids="-".join)
def test_each_right_is_missed_by_name(deployment, given, right):
    """`check --connect` and a run both name it; nothing is lost once it is given: the run goes on, or, where it
    could read nothing, has ended and begins again."""
    d = deployment
    _, name, operation = right
    d.kafka.disallow(USER, *right)
    says = rf"{name}\b.*{operation}|{operation}.*{name}\b"
    process = None
    try:
        wait_for(
            "a check that names it",
            lambda: (done := d.run("check", "--connect", check=None)).returncode == 1 and re.search(says, done.stderr),
            30,
        )
        seed = KAFKA_RIGHTS.index(right) + 100
        d.kafka.produce("orders", events.load(60, 10, seed, event_prefix=f"m{seed}") + [(b"x", b"no event")])
        d.kafka.produce("clicks", events.load(20, 10, seed + 50, event_prefix=f"n{seed}"))
        process = Process([CHURND, "-c", d.config], d.folder, "churnd")
        wait_for(
            f"a line about {right}",
            lambda: re.search(rf"(WARN|ERROR) .*`{name}`.*(auth|lacks {operation})", process.err),
            60,
        )
        if name in (*TOPICS, "scoring"):  # nothing could be read: the run ends, and is started again
            assert process.wait(60) == 1
        d.kafka.allow(USER, *right)
        if not process.running():
            process = Process([CHURND, "-c", d.config], d.folder, "churnd")
        model = counted(d)
        wait_for("all profiles", lambda: not oracle.differences(model.profile_fields(), d.redis.hashes("profile:")), 60)
        wait_for("all predictions", lambda: d.redis.hashes("prediction:").keys() == model.triggers.keys(), 60)
        wait_for(
            "all dead letters", lambda: len(list(oracle.read_topics(d.kafka.brokers, ["dead"]))) >= len(model.dead), 60
        )
        alerts = {alert.event_id for _, alert in model.alerts}
        wait_for(
            "all alerts",
            lambda: alerts <= {json.loads(r[4])["event_id"] for r in oracle.read_topics(d.kafka.brokers, ["alerts"])},
            60,
        )
        assert process.terminate() == 0
    finally:
        d.kafka.allow(USER, *right)
        if process is not None:
            process.end()
