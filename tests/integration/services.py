"""Real services for the integration tests: each is started on a free port of 127.0.0.1 in a temporary folder and
stopped by its own pid."""

import contextlib
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import redis as redis_client
from confluent_kafka import ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

HOST = "127.0.0.1"
SRC = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CHURN_BUILD_DIR", SRC / "build")).resolve()
# What the build was configured with, such as -fsanitize=address,undefined; "": nothing.
SANITIZERS = "".join(
    re.findall(r"^HARDENING_CFLAGS = .*?(-fsanitize=[\w,]+)", (BUILD / "Makefile").read_text(), re.MULTILINE)
)
CHURND = pathlib.Path(os.environ.get("CHURND", BUILD / "churnd")).resolve()
KAFKA_LIBS = pathlib.Path(os.environ.get("CHURN_KAFKA_LIBS", BUILD / "kafka-libs"))

# Room for the largest event and for the dead letter of one that is larger still.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


class TimedOut(AssertionError):
    pass


def wait_for(what, condition, timeout=30.0, interval=0.05):
    """Returns the first true answer of `condition()`; raises when there is none in time."""
    end = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimedOut(f"waited {timeout:g} s in vain for {what}")
        time.sleep(interval)


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def accepts(port):
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


STATE = tempfile.TemporaryDirectory(
    prefix="churn-state-"
)  # where churnd keeps its journals, unless a test says otherwise


def clean_environment(extra=None):
    """The surroundings of a child process: nothing that a pipeline reads, but what is given."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "LD_LIBRARY_PATH")
    env = {k: v for k, v in os.environ.items() if k in keep or k.endswith("SAN_OPTIONS")}
    env["XDG_STATE_HOME"] = STATE.name
    env.update(extra or {})
    return env


class Process:
    """A child process with its output in files `<name>.out` and `<name>.err` of `folder`."""

    def __init__(self, command, folder, name, env=None, cwd=None, prepare=None):
        """`prepare` is called in the child before the command runs, for limits."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.out_path = self.folder / f"{name}.out"
        self.err_path = self.folder / f"{name}.err"
        self.name = name
        self.is_churnd = command[0] == CHURND
        self.began = time.monotonic()
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.process = subprocess.Popen(
                [str(c) for c in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=clean_environment(env),
                cwd=cwd or self.folder,
                preexec_fn=prepare,  # noqa: PLW1509  (limits take no lock)
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait(self, timeout=60):
        """The exit status; negative for a signal."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{self.name} still runs after {timeout:g} s; it last said:\n{self.err[-3000:]}") from None

    def send(self, number):
        if self.is_churnd and number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._take_signals(number)
        if self.running():
            self.process.send_signal(number)

    def _take_signals(self, number):
        """A signal ends a process that has only just begun, whatever it would have done with it a moment later. Threads that
        begin after that moment block it; main does not where it waits for it."""
        while self.running() and not self._blocks(number) and time.monotonic() - self.began < 30:
            time.sleep(0.01)

    def _blocks(self, number):
        try:
            masks = [
                re.search(r"^SigBlk:\s*(\w+)", status.read_text(), re.MULTILINE)
                for status in pathlib.Path(f"/proc/{self.pid}/task").glob("*/status")
            ]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return any(mask and int(mask[1], 16) >> (number - 1) & 1 for mask in masks)

    def terminate(self, timeout=60):
        """SIGTERM; the exit status."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """kill -9."""
        self.send(signal.SIGKILL)
        return self.process.wait(30)

    def end(self):
        """Whatever its state, it is gone afterwards."""
        if self.running():
            self.send(signal.SIGCONT)
            self.kill()


# --- Kafka ---


def kafka_jars():
    """The folder with the broker's jars; fetched once for a build folder."""
    if not KAFKA_LIBS.is_dir():
        command = [SRC / "scripts/fetch-jars.sh", SRC / "tests/integration", KAFKA_LIBS]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 and not KAFKA_LIBS.is_dir():  # another test was faster
            raise RuntimeError(f"Kafka could not be fetched:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return KAFKA_LIBS


def java(heap=None):
    """The command of a JVM with Kafka's classes."""
    return [
        "java",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{kafka_jars()}/*",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ] + ([f"-Xmx{heap}"] if heap else [])


class Brokers:
    """What tests ask of a Kafka, be it one broker or several. `brokers` is where clients begin."""

    replicas = 1

    def admin(self):
        return AdminClient({"bootstrap.servers": self.brokers, "logger": _quiet()})

    def manage(self, request, *what):
        """A request of the AdminClient for many things, such as `delete_topics`; returns once all are done."""
        admin = self.admin()  # kept until the answers are here
        for future in getattr(admin, request)(*what).values():
            future.result(30)

    def create_topics(self, partitions, **config):
        """`partitions`: name → number of partitions."""
        admin = self.admin()
        self.manage(
            "create_topics", [NewTopic(name, count, self.replicas, config=config) for name, count in partitions.items()]
        )
        wait_for(
            "the new topics",
            lambda: all(
                len(admin.list_topics(timeout=5).topics[t].partitions) == n
                if t in admin.list_topics(timeout=5).topics
                else False
                for t, n in partitions.items()
            ),
        )

    def topic_exists(self, topic):
        return topic in self.admin().list_topics(timeout=10).topics

    def producer(self, **config):
        settings = {
            "bootstrap.servers": self.brokers,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1000000,
            "logger": _quiet(),
        }
        settings.update(config)
        return Producer(settings)

    def produce(self, topic, records, **config):
        """Produces (key, value) or (key, value, partition); returns when the broker has all of them."""
        producer, failures = self.producer(**config), []

        def delivered(error, _):
            if error is not None:
                failures.append(error)

        for record in records:
            extra = {"partition": record[2]} if len(record) > 2 else {}
            while True:
                try:
                    producer.produce(topic, key=record[0], value=record[1], on_delivery=delivered, **extra)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(120)
        assert left == 0 and not failures, f"{left} records of {topic} were not produced: {failures[:1]}"


class KafkaNode:
    """One process of Kafka: its properties are a dictionary, which may be changed while it does not run."""

    def __init__(self, folder, properties, heap="512m", jvm=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.jvm = list(jvm)
        self.properties = {"log.dirs": self.folder / "data", **properties}
        self.heap, self.process, self.cluster = heap, None, "churnTestClusterId0000"

    def write(self):
        path = self.folder / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in self.properties.items()))
        return path

    def format(self):
        """Begins to; a process."""
        command = java() + ["kafka.tools.StorageTool", "format", "-t", self.cluster, "-c", self.write()]
        return Process(command, self.folder, "format")

    def launch(self):
        """Does not wait until it serves."""
        self.process = Process(java(self.heap) + self.jvm + ["kafka.Kafka", self.write()], self.folder, "kafka")

    def check(self):
        if not self.process.running():
            raise RuntimeError(f"Kafka ended:\n{self.process.out[-3000:]}{self.process.err[-3000:]}")

    def said(self):
        return f"{self.process.out[-2000:]}{self.process.err[-2000:]}"

    def stop(self, timeout=10):
        if self.process is not None and self.process.running():
            self.process.send(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except TimedOut:
                self.process.end()


def start_nodes(nodes, ready):
    """Starts nodes side by side and returns once `ready()`."""
    for node in nodes:
        node.launch()
    try:
        wait_for("Kafka", lambda: [node.check() for node in nodes] and ready(), timeout=90, interval=0.2)
    except TimedOut as e:
        raise TimedOut(f"{e}:\n" + "\n".join(node.said() for node in nodes)) from None


def format_nodes(nodes):
    for process in [node.format() for node in nodes]:
        assert process.wait(60) == 0, process.out + process.err


class Kafka(Brokers):
    """One broker, its own controller (KRaft).

    With `proxied` it also listens behind a proxy, `link`: who bootstraps from `proxied_brokers` never gets around it.
    With `users` (name → password) it also listens at `guarded_brokers`, where they log in with SASL PLAIN (or SCRAM, once
    they have a password for that, `alter_user_scram_credentials`) and may do only what ACLs allow (`allow`); who comes by
    `brokers` may do everything. `further`: name of a listener → its security protocol; its address is in `listeners`.
    """

    def __init__(self, folder, proxied=False, properties=(), users=None, further=None, jvm=()):
        self.port, self.controller_port, behind = free_port(), free_port(), free_port()
        self.link = Proxy(behind) if proxied else None
        self.proxied_brokers = f"{HOST}:{self.link.port}" if proxied else None
        self.guarded_brokers = f"{HOST}:{free_port()}" if users else None
        self.listeners = {"PLAINTEXT": self.brokers}
        self.advertised = {}  # other than where it listens
        if proxied:
            self.listeners["PROXIED"], self.advertised["PROXIED"] = f"{HOST}:{behind}", self.proxied_brokers
        if users:
            self.listeners["GUARDED"] = self.guarded_brokers
        further = further or {}
        self.listeners.update({name: f"{HOST}:{free_port()}" for name in further})
        protocols = "".join(f",{name}:{protocol}" for name, protocol in further.items())
        self.node = KafkaNode(
            folder,
            {
                "process.roles": "broker,controller",
                "node.id": 1,
                "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
                "controller.listener.names": "CONTROLLER",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,GUARDED:SASL_PLAINTEXT"
                + protocols,
                "offsets.topic.replication.factor": 1,
                "offsets.topic.num.partitions": 4,
                "transaction.state.log.replication.factor": 1,
                "transaction.state.log.min.isr": 1,
                "group.initial.rebalance.delay.ms": 0,
                "group.min.session.timeout.ms": 500,
                "log.retention.ms": -1,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                **(_guard(users) if users else {}),
                **dict(p.split("=", 1) for p in properties),
            },
            jvm=jvm,
        )
        self.folder = self.node.folder
        self._address()
        format_nodes([self.node])
        self.start()

    @property
    def brokers(self):
        return f"{HOST}:{self.port}"

    @property
    def process(self):
        return self.node.process

    def _address(self):
        joined = lambda places: ",".join(f"{name}://{place}" for name, place in places.items())
        self.node.properties["listeners"] = joined({**self.listeners, "CONTROLLER": f"{HOST}:{self.controller_port}"})
        self.node.properties["advertised.listeners"] = joined({**self.listeners, **self.advertised})

    def move(self, port):
        """Comes back under another port than `brokers` had."""
        self.halt()
        self.port = port
        self.listeners["PLAINTEXT"] = self.brokers
        self._address()
        self.start()

    def allow(self, user, kind, name, *operations, prefixed=False):
        """`kind`: TOPIC, GROUP, …; `prefixed`: of all whose names begin so."""
        self.manage("create_acls", [acl(user, kind, name, operation, prefixed=prefixed) for operation in operations])

    def disallow(self, user, kind, name, *operations):
        self.manage("delete_acls", [acl(user, kind, name, operation, AclBindingFilter) for operation in operations])

    def start(self):
        start_nodes([self.node], self.ready)

    def ready(self):
        if not accepts(self.port):
            return False
        try:
            return self.admin().list_topics(timeout=5).brokers
        except KafkaException:
            return False

    def halt(self):
        self.node.stop()

    def stop(self):
        self.halt()
        if self.link is not None:
            self.link.stop()


def acl(user, kind, name, operation, make=AclBinding, prefixed=False):
    return make(
        ResourceType[kind],
        name,
        ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


def _guard(users):
    """Properties of a broker with a listener GUARDED."""
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "listener.name.guarded.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.guarded.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        "listener.name.guarded.plain.sasl.jaas.config": f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};",
    }


class Cluster(Brokers):
    """Three brokers and a controller, each with a small heap. A record is acknowledged by `min_in_sync` of three replicas.

    `nodes`: number of a broker → its KafkaNode.
    """

    replicas = 3

    def __init__(self, folder, properties=(), min_in_sync=2):
        folder = pathlib.Path(folder)
        controller_port = free_port()
        common = {
            "controller.quorum.voters": f"100@{HOST}:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "broker.heartbeat.interval.ms": 500,
            "broker.session.timeout.ms": 3000,
            "default.replication.factor": 3,  # the controller's, too: it is who makes topics
            "min.insync.replicas": min_in_sync,
        }
        self.controller = KafkaNode(
            folder / "controller",
            {
                **common,
                "process.roles": "controller",
                "node.id": 100,
                "listeners": f"CONTROLLER://{HOST}:{controller_port}",
            },
            heap="128m",
        )
        self.ports = {number: free_port() for number in (1, 2, 3)}
        self.nodes = {
            number: KafkaNode(
                folder / f"broker{number}",
                {
                    **common,
                    "process.roles": "broker",
                    "node.id": number,
                    "listeners": f"PLAINTEXT://{HOST}:{port}",
                    "auto.create.topics.enable": "false",
                    "auto.leader.rebalance.enable": "false",  # leaders move when a test says so
                    "offsets.topic.replication.factor": 3,
                    "offsets.topic.num.partitions": 3,
                    "transaction.state.log.replication.factor": 3,
                    "transaction.state.log.min.isr": min_in_sync,
                    "transaction.state.log.num.partitions": 3,
                    "replica.lag.time.max.ms": 3000,
                    "group.initial.rebalance.delay.ms": 0,
                    "group.min.session.timeout.ms": 500,
                    "log.retention.ms": -1,
                    "log.cleaner.dedupe.buffer.size": 4 << 20,  # of the heap
                    "message.max.bytes": MAX_MESSAGE_BYTES,
                    **dict(p.split("=", 1) for p in properties),
                },
                heap="256m",
            )
            for number, port in self.ports.items()
        }
        format_nodes([self.controller, *self.nodes.values()])
        start_nodes([self.controller, *self.nodes.values()], lambda: len(self.alive()) == 3)

    @property
    def brokers(self):
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    def alive(self):
        """The numbers of the brokers that the cluster knows to be there."""
        try:
            return set(self.admin().list_topics(timeout=5).brokers)
        except KafkaException:
            return set()

    def partitions(self, *topics):
        """What `list_topics` says of the partitions of topics; all of them, Kafka's own too, where none is named."""
        found = self.admin().list_topics(timeout=10).topics
        return [p for name in topics or found for p in found[name].partitions.values()]

    def leader(self, topic, partition=0):
        """The number of the broker that leads it; -1: nobody."""
        return self.admin().list_topics(topic, timeout=10).topics[topic].partitions[partition].leader

    def replicated(self, *topics):
        """Whether each replica is in sync."""
        try:
            return all(p.leader >= 0 and len(p.isrs) == len(p.replicas) for p in self.partitions(*topics))
        except (KafkaException, KeyError):
            return False

    def start(self, number):
        start_nodes([self.nodes[number]], lambda: number in self.alive())

    def halt(self, number):
        """In order: it hands its partitions over first."""
        self.nodes[number].stop(30)

    def kill(self, number):
        self.nodes[number].process.kill()

    def roll(self):
        """Restarts one broker after the other, each once all replicas are in sync."""
        for number in self.nodes:
            wait_for("replicas in sync", self.replicated, 60, 0.3)
            self.halt(number)
            self.start(number)
        wait_for("replicas in sync", self.replicated, 60, 0.3)

    def prefer(self, topics):
        """Leaders move to the first replica of each partition again."""
        wanted = {TopicPartition(t, p.id) for t in topics for p in self.partitions(t) if p.leader != p.replicas[0]}
        admin = self.admin()  # kept until the answer is here
        if wanted:
            admin.elect_leaders(ElectionType.PREFERRED, list(wanted)).result(30)
        return len(wanted)

    def stop(self):
        for node in (*self.nodes.values(), self.controller):
            if node.process is not None:
                node.process.end()


def _quiet():
    import logging

    logger = logging.getLogger("librdkafka")
    logger.setLevel(logging.CRITICAL)
    return logger


# --- Redis ---


class Redis:
    """A redis-server that can be killed, frozen and started again with what it kept."""

    def __init__(self, folder, durable=False, password=None, options=(), program=("redis-server",)):
        """`options`: further ones of redis-server, which win over those made here."""
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.password = password
        self.program = program
        self.options = [
            "--bind",
            HOST,
            "--port",
            self.port,
            "--dir",
            self.folder,
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
            "--daemonize",
            "no",
        ]
        self.options += ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
        self.options += ["--requirepass", password] if password else []
        self.options += options
        self.process = None
        self.start()

    def start(self):
        self.process = Process([*self.program, *self.options], self.folder, "redis")
        self.client = redis_client.Redis(HOST, self.port, password=self.password, socket_timeout=30)
        wait_for("Redis", self.ready)

    def ready(self):
        if not self.process.running():
            raise RuntimeError(f"redis-server ended:\n{self.process.out[-2000:]}")
        try:
            return self.client.ping()
        except (redis_client.ConnectionError, redis_client.BusyLoadingError):
            return False

    def kill(self):
        self.process.kill()

    def freeze(self):
        self.process.send(signal.SIGSTOP)

    def thaw(self):
        self.process.send(signal.SIGCONT)

    def hashes(self, prefix):
        """All hashes below `prefix`: key without prefix → {field: value}, as text; fields that begin with `_` left out."""
        found, cursor = {}, 0
        while True:
            cursor, keys = self.client.scan(cursor, match=_glob(prefix) + "*", count=5000)
            pipe = self.client.pipeline(transaction=False)
            for key in keys:
                pipe.hgetall(key)
            for key, fields in zip(keys, pipe.execute(), strict=True):
                found[key.decode()[len(prefix) :]] = {
                    n.decode(): v.decode() for n, v in fields.items() if not n.startswith(b"_")
                }
            if cursor == 0:
                return found

    def commands(self):
        """How many commands it has run: grows while a pipeline writes."""
        return self.client.info("stats")["total_commands_processed"]

    def stop(self):
        if self.process is not None:
            self.process.end()


def _glob(text):
    return "".join("\\" + c if c in "*?[]\\" else c for c in text)


class RedisPair:
    """A primary and a replica, the link between them (`link`) and their clients' address (`vip`) each through a proxy."""

    def __init__(self, folder, options=()):
        folder = pathlib.Path(folder)
        quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *options]
        self.things = []
        self.primary = self._add(Redis(folder / "primary", options=quick))
        self.link = self._add(Proxy(self.primary.port))
        self.replica = self._add(Redis(folder / "replica", options=quick + ["--replicaof", f"{HOST} {self.link.port}"]))
        self.vip = self._add(Proxy(self.primary.port))
        self.port = self.vip.port
        wait_for("the replica", self.in_sync)

    def _add(self, thing):
        self.things.append(thing)
        return thing

    def in_sync(self):
        return self.replica.client.info("replication")["master_link_status"] == "up"

    def promote(self):
        """The replica is the primary from now on, also for clients."""
        self.replica.client.replicaof("NO", "ONE")
        self.vip.retarget(self.replica.port)

    def stop(self):
        for thing in reversed(self.things):
            thing.stop()


class RedisSentinels:
    """A primary and two replicas that three Sentinels watch; clients reach whichever these call the primary at one address (`vip`),
    as with HAProxy or a virtual address before them."""

    def __init__(self, folder, options=()):
        folder = pathlib.Path(folder)
        self.things = []
        quick = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *options]
        self.servers = [self._add(Redis(folder / "server0", options=quick))]
        follow = ["--replicaof", f"{HOST} {self.servers[0].port}"]
        self.servers += [self._add(Redis(folder / f"server{i}", options=quick + follow)) for i in (1, 2)]
        self.sentinels = [self._add(self._sentinel(folder / f"sentinel{i}")) for i in range(3)]
        self.vip = self._add(Proxy(self.primary.port))
        self.port = self.vip.port
        wait_for("the Sentinels", lambda: all(self._knows(s) for s in self.sentinels))
        self.closed = threading.Event()
        self.follower = threading.Thread(target=self._follow)
        self.follower.start()

    def _add(self, thing):
        self.things.append(thing)
        return thing

    def _sentinel(self, folder):
        folder.mkdir(parents=True)
        config = folder / "sentinel.conf"
        config.write_text(
            f"sentinel monitor churn {HOST} {self.servers[0].port} 2\n"
            "sentinel down-after-milliseconds churn 1000\nsentinel failover-timeout churn 4000\n"
        )
        return Redis(folder / "run", options=[], program=["redis-server", config, "--sentinel"])

    def _knows(self, sentinel):
        state = sentinel.client.sentinel_master("churn")
        return state["num-slaves"] == 2 and state["num-other-sentinels"] == 2

    @property
    def primary(self):
        """Whom the most Sentinels name."""
        port = statistics.mode(s.client.sentinel_get_master_addr_by_name("churn")[1] for s in self.sentinels)
        return next(server for server in self.servers if server.port == int(port))

    def _follow(self):
        while not self.closed.wait(0.1):
            port = self.primary.port
            if port != self.vip.target_port:
                self.vip.retarget(port)

    def fail_over(self):
        """As an operator does it, who wants another primary."""
        wait_for("a failover", self._try_fail_over, 30, 0.3)

    def _try_fail_over(self):
        try:
            return self.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", "churn")
        except redis_client.ResponseError:  # one is under way, or no replica is good yet
            return False

    def stop(self):
        self.closed.set()
        self.follower.join()
        for thing in reversed(self.things):
            thing.stop()


# --- A TCP proxy: makes a link slow, cuts it in the middle of an answer, breaks a byte of it, or black-holes it ---


class Proxy:
    def __init__(self, target_port, delay=0.0):
        self.target_port = target_port
        self.delay = delay  # of requests
        self.answer_delay = 0.0
        self.blackhole = False
        self.cut_after = None  # cut the connection once this many more bytes came back from the target
        self.cuts = 0
        self.corrupt = 0  # so many answers more get a wrong first byte
        self.lock = threading.Lock()
        self.sockets = set()
        self.clients = set()
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                target = socket.create_connection((HOST, self.target_port), timeout=5)
                target.settimeout(None)
            except OSError:
                client.close()
                continue
            for s in (client, target):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets.update((client, target))
                self.clients.add(client)
            threading.Thread(target=self._pump, args=(client, target, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(target, client, True), daemon=True).start()

    def _pump(self, source, sink, is_answer):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                delay = self.answer_delay if is_answer else self.delay
                if delay:
                    time.sleep(delay)
                if self.blackhole:
                    continue
                if is_answer and self.corrupt > 0:
                    self.corrupt -= 1
                    data = bytes([data[0] ^ 0x80]) + data[1:]
                if is_answer and not self._pass_answer(data, sink):
                    break
                if not is_answer:
                    sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        with self.lock:
            self.sockets.difference_update((source, sink))
            self.clients.difference_update((source, sink))

    def _pass_answer(self, data, sink):
        with self.lock:
            room = self.cut_after
            if room is not None:
                self.cut_after = None if room <= len(data) else room - len(data)
                self.cuts += room <= len(data)
        if room is not None and room <= len(data):
            sink.sendall(data[:room])
            return False
        sink.sendall(data)
        return True

    def cut_all(self):
        self._shut(self.sockets, socket.SHUT_RDWR)

    def half_close(self):
        """Clients read an end of file; what they send still arrives."""
        self._shut(self.clients, socket.SHUT_WR)

    def _shut(self, some, how):
        with self.lock:
            sockets = list(some)
        for s in sockets:
            with contextlib.suppress(OSError):
                s.shutdown(how)

    def retarget(self, port):
        """Another server from now on; connections to the old one end."""
        self.target_port = port
        self.cut_all()

    def stop(self):
        self.listener.close()
        self.cut_all()


# --- HTTP ---


class Scripted:
    """An HTTP server that records what it is sent and answers as told.

    `mode`: ok, error (500), reject (400), garbage (200 without a JSON object), hang (no answer), drip (a byte now and then),
    endless (trailers for as long as the other side takes them),
    or a callable that takes the recorded request and returns (status, body) or (status, body, headers). Stopped, it refuses connections; started again, it has the same port.
    """

    def __init__(self, gets=False):
        self.gets = gets  # are answered like POSTs, with an empty body
        self.mode = "ok"
        self.delay = 0.0
        self.requests = []
        self.lock = threading.Lock()
        self.server = None
        self.port = free_port()
        self.start()

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                outer.connections.add(self.connection)

            def finish(self):
                outer.connections.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_POST(self):
                outer.handle(self)

            def do_GET(self):
                if outer.gets:
                    outer.handle(self)
                else:
                    self.send_error(501)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.connections = set()
        self.released = threading.Event()
        self.server = Server((HOST, self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = {
            "path": handler.path,
            "headers": dict(handler.headers),
            "body": body,
            "at": time.monotonic(),
            "mode": self.mode if isinstance(self.mode, str) else "script",
        }
        with self.lock:
            self.requests.append(request)
        if self.delay:
            time.sleep(self.delay)
        if self.mode == "hang":
            self.released.wait(120)
            raise ConnectionAbortedError
        if self.mode == "endless":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            while not self.released.is_set():
                handler.wfile.write(b"X-More: and more\r\n" * 1000)
            raise ConnectionAbortedError
        status, answer, *headers = self.answer(request)
        handler.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(answer)),
            **(headers[0] if headers else {}),
        }.items():
            handler.send_header(name, value)
        handler.end_headers()
        for i in range(len(answer) if self.mode == "drip" else 0):
            handler.wfile.write(answer[i : i + 1])
            self.released.wait(0.4)
        handler.wfile.write(answer)

    def answer(self, request):
        if callable(self.mode):
            return self.mode(request)
        if self.mode == "error":
            return 500, b'{"error": "told to fail"}'
        if self.mode == "reject":
            return 400, b'{"error": "told to refuse"}'
        if self.mode == "garbage":
            return 200, b"<html>not JSON</html>"
        return 200, json.dumps({"churn_probability": 0.25, "risk_level": "low", "model_version": "scripted-1"}).encode()

    def bodies(self, since=0):
        with self.lock:
            return [json.loads(r["body"]) for r in self.requests[since:]]

    def stop(self):
        if self.server is not None:
            self.released.set()
            self.server.shutdown()
            self.server.server_close()
            for connection in list(self.connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.server = None


class ExampleApi:
    """The Flask example, examples/prediction-api, as a process of its own."""

    def __init__(self, folder):
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.folder = folder
        self.process = None
        self.start()

    def start(self):
        self.process = Process(
            [sys.executable, SRC / "examples/prediction-api/app.py", "--host", HOST, "--port", self.port],
            self.folder,
            "api",
            env={"HOST": HOST, "PORT": str(self.port)},
        )
        wait_for("the example API", self.ready)

    def ready(self):
        if not self.process.running():
            raise RuntimeError(f"the example API ended:\n{self.process.err[-2000:]}")
        return accepts(self.port)

    def stop(self):
        if self.process is not None:
            self.process.end()


# --- churnd ---


def run_churnd(*args, env=None, cwd=None, timeout=60, check=None, under=()):
    """Runs churnd to its end. `check`: the exit status that it must have. `under`: a command that runs it."""
    done = subprocess.run(
        [*map(str, under), str(CHURND)] + [str(a) for a in args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        env=clean_environment(env),
        cwd=cwd or CHURND.parent,
    )
    done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check is not None:
        assert done.returncode == check, (
            f"churnd {' '.join(map(str, args))} ended with {done.returncode}, not {check}:\n"
            f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return done


class Stack:
    """What one test needs: services made on demand in its folder, all stopped at its end, and churnd set up for them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.things = []
        self.env = {"LOG_LEVEL": "INFO", "XDG_STATE_HOME": str(self.folder / "state")}
        self.kafka = self.redis = self.api = None
        self.runs = 0

    def _add(self, thing):
        self.things.append(thing)
        return thing

    def start_kafka(self, **options):
        self.kafka = self._add(Kafka(self.folder / "kafka", **options))
        self.env["KAFKA_BROKER"] = self.kafka.brokers
        return self.kafka

    def start_redis(self, **options):
        self.redis = self._add(Redis(self.folder / "redis", **options))
        self.env.update(REDIS_HOST=HOST, REDIS_PORT=str(self.redis.port))
        return self.redis

    def start_redis_pair(self, **options):
        """`redis` is the primary; churnd gets the address that moves to the replica when that is promoted."""
        pair = self._add(RedisPair(self.folder / "redis", **options))
        self.redis = pair.primary
        self.env.update(REDIS_HOST=HOST, REDIS_PORT=str(pair.port))
        return pair

    def start_redis_sentinels(self, **options):
        """`redis` is the first primary; churnd gets the address that is the Sentinels' primary."""
        made = self._add(RedisSentinels(self.folder / "redis", **options))
        self.redis = made.servers[0]
        self.env.update(REDIS_HOST=HOST, REDIS_PORT=str(made.port))
        return made

    def slow_redis(self, delay=0.0):
        """A proxy before Redis that churnd uses from now on."""
        proxy = self._add(Proxy(self.redis.port, delay))
        self.env["REDIS_PORT"] = str(proxy.port)
        return proxy

    def start_scripted(self):
        self.api = self._add(Scripted())
        self.env["API_URL"] = self.api.url
        return self.api

    def start_example_api(self):
        self.api = self._add(ExampleApi(self.folder / "api"))
        self.env["API_URL"] = self.api.url
        return self.api

    def churnd(self, *args, env=None, prepare=None):
        """Starts churnd in the background."""
        self.runs += 1
        process = Process(
            [CHURND, *args], self.folder / "churnd", f"run{self.runs}", env={**self.env, **(env or {})}, prepare=prepare
        )
        return self._add_process(process)

    def _add_process(self, process):
        process.stop = process.end
        return self._add(process)

    def run(self, *args, env=None, timeout=300):
        """Runs churnd to its end, which must be a success; returns the process."""
        process = self.churnd(*args, env=env)
        status = process.wait(timeout)
        assert status == 0, f"churnd ended with {status}:\n{process.out[-2000:]}\n{process.err[-4000:]}"
        return process

    def stop(self):
        for thing in reversed(self.things):
            thing.stop()


class Fleet:
    """Instances of one pipeline. `tend`, called now and then, starts those again that died; `ended` has their statuses."""

    def __init__(self, stack, config, count=1, restart=False, env=None):
        self.stack, self.config, self.restart, self.env = stack, config, restart, env or {}
        self.members, self.ended = [], []
        for _ in range(count):
            self.start()

    def start(self, env=None):
        member = self.stack.churnd("-c", self.config, env={**self.env, **(env or {})})
        self.members.append(member)
        return member

    def tend(self):
        for member in [m for m in self.members if not m.running()]:
            self.members.remove(member)
            self.ended.append(member.wait())
            if not self.restart:
                raise AssertionError(f"{member.name} ended with {self.ended[-1]}:\n{member.err[-3000:]}")
            self.start()

    def take(self, rng=None):
        """One of the members, which is no longer tended."""
        return self.members.pop(rng.randrange(len(self.members)) if rng else 0)

    def kill(self, rng=None):
        member = self.take(rng)
        member.kill()
        return member

    def terminate(self, member=None, timeout=60):
        """SIGTERM to one or all; each must end well."""
        leaving = [member] if member else list(self.members)
        for process in leaving:
            process.send(signal.SIGTERM)
        for process in leaving:
            status = process.wait(timeout)
            assert status == 0, f"{process.name} ended with {status}:\n{process.err[-3000:]}"
            self.members.remove(process)


def random_seed():
    """Printed by the tests that use it, so that a failure can be repeated with CHURN_TEST_SEED."""
    return int(os.environ.get("CHURN_TEST_SEED", random.SystemRandom().randrange(1 << 31)))
