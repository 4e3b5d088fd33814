"""What every measurement needs: real Kafka and Redis, a seeded data set, what must come of it, and an engine run to its end."""

import json
import os
import pathlib
import pickle
import shutil
import signal
import sys
import tempfile
from collections import namedtuple

BENCH = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "tests/integration"))

import oracle
from certificates import Authority
from services import BUILD, CHURND, HOST, Kafka, Process, Redis, TimedOut, free_port

OUT = BUILD / "bench"
KEPT = OUT / "kept.json"  # where a Kafka that is kept between runs says how to find it
TOPIC, PARTITIONS = "customer-events", 4
LATER = "later-events"  # others of the same customers, behind those
TRIGGERS, TRIGGER_COUNT = "trigger-events", 100000  # of as many customers, so that every engine asks as often
RUN_TIMEOUT_S = 300

# What must come of a data set: `profiles` as the contract shows them; `raw` as the peers keep them, plain whole numbers;
# `triggers`: customer → the newest, its id, how many events the customer has up to it, and how many in all.
Expected = namedtuple("Expected", "count profiles raw alerts triggers")


class Failed(Exception):
    """A run that did not do its work: its time does not count."""


# --- The data set ---


def pipeline(name):
    return BENCH / f"pipelines/{name}.yaml"


def make_events(kafka, folder, topic, events, customers, rate=0, later=False):
    """The seeded events, as a background process; `rate`: so many a second; `later`: of another seed, half a year on."""
    return Process(
        [CHURND, "-c", pipeline("events")],
        folder,
        f"events-{topic}",
        env={
            "KAFKA_BROKER": kafka.brokers,
            "BENCH_TOPIC": topic,
            "BENCH_EVENTS": str(events),
            "BENCH_RATE": str(rate),
            "BENCH_CUSTOMERS": str(customers),
            "BENCH_STATE": str(folder / f"state-{topic}"),
            **({"BENCH_SEED": "2", "BENCH_START": "2026-07-01T00:00:00Z"} if later else {}),
        },
    )


def fill(kafka, folder, topic, events, customers, later=False):
    kafka.create_topics({topic: PARTITIONS})
    process = make_events(kafka, folder, topic, events, customers, later=later)
    if process.wait(3600) != 0:
        raise Failed(f"the data set was not made:\n{process.err[-2000:]}")


def fill_triggers(kafka):
    """One event of each customer, which alerts and asks for a prediction."""
    kafka.create_topics({TRIGGERS: PARTITIONS})
    records = []
    for number in range(TRIGGER_COUNT):
        event = {
            "event_id": f"trigger_{number}",
            "event_type": "payment_failed",
            "customer_id": f"cust_{number:06d}",
            "timestamp": oracle.time_text(1767225600000 + number),
            "data": {"amount": 19.9, "payment_method": "card"},
        }
        records.append((event["customer_id"].encode(), json.dumps(event).encode()))
    kafka.produce(TRIGGERS, records)


def raw_fields(profile):
    """A model's profile as the peers keep it: counts, sums in units of 1/10,000, times in ms."""
    out = {"events_total": profile.total, "first_event_at": profile.first, "last_event_at": profile.last}
    out.update(profile.counts)
    out.update(profile.sums)
    out.update(profile.newest)
    return {**{name: str(value) for name, value in out.items()}, "last_event_type": profile.last_at[2]}


def expect(kafka, topics):
    model = oracle.Model().feed_topics(kafka.brokers, topics)
    if model.dead:
        raise Failed(f"the data set has {len(model.dead)} broken events")
    return Expected(
        model.events,
        model.profile_fields(),
        {c: raw_fields(p) for c, p in model.profiles.items()},
        sorted(alert._replace(data="") for _, alert in model.alerts),
        {c: (t[-1].event_id, t[-1].rank, model.profiles[c].total) for c, t in model.triggers.items()},
    )


# --- Services ---


class KeptKafka(Kafka):
    """A broker that another process of the benchmark keeps running."""

    brokers = None

    def __init__(self, kept):
        self.brokers, self.pid, self.listeners, self.ca = kept["brokers"], kept["pid"], kept["listeners"], kept["ca"]

    def stop(self):
        pass


def alive(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def cpu_seconds(pid):
    """User and system time that a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Rig:
    """Kafka with the data set, and Redis. `kept` is used in place of a Kafka of its own where it has the same data set."""

    def __init__(self, events, customers, parts):
        """Has the data sets that these parts of the benchmark want."""
        OUT.mkdir(parents=True, exist_ok=True)
        self.events, self.customers, self.parts = events, customers, parts
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=OUT))
        self.kafka = self.redis = self.expected = None
        self.further = {}  # part → what must come of its own data set
        self.runs = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for thing in (self.redis, self.kafka):
            if thing is not None:
                thing.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        if not self._find_kept():
            self.start_kafka()
            say(f"making {self.events:,} events of {self.customers:,} customers, and what must come of them")
            fill(self.kafka, self.folder, TOPIC, self.events, self.customers)
            self.expected = expect(self.kafka, [TOPIC])
            if "W1-cold" in self.parts:
                fill(self.kafka, self.folder, LATER, self.events, self.customers, later=True)
                self.further["W1-cold"] = expect(self.kafka, [TOPIC, LATER])
            if "W3-equal" in self.parts:
                fill_triggers(self.kafka)
                self.further["W3-equal"] = expect(self.kafka, [TRIGGERS])
        self.start_redis()
        return self

    def start_kafka(self):
        """As brokers run it: with all that its JVM compiles to, or TLS would be slow, and with a listener of TLS."""
        authority = Authority(self.folder, "kafka-ca")
        keystore = {"ssl.keystore.type": "PEM", "ssl.keystore.location": authority.issue("kafka").both}
        self.kafka = Kafka(
            self.folder / "kafka",
            properties=[f"{name}={value}" for name, value in keystore.items()],
            further={"TLS": "SSL"},
            jvm=["-XX:TieredStopAtLevel=4"],
        )
        self.kafka.ca = str(authority.cert)
        self.kafka.pid = self.kafka.process.pid

    def start_redis(self):
        authority = Authority(self.folder)
        server = authority.issue("redis")
        self.tls_port, self.authority = free_port(), authority.cert
        settings = {"port": self.tls_port, "cert-file": server.cert, "key-file": server.key, "auth-clients": "no"}
        options = [word for name, value in settings.items() for word in (f"--tls-{name}", value)]
        self.redis = Redis(self.folder / "redis", options=options)

    def _find_kept(self):
        kept = json.loads(KEPT.read_text()) if KEPT.is_file() else {}
        if not kept or not alive(kept["owner"]) or (kept["events"], kept["customers"]) != (self.events, self.customers):
            return False
        if {"W1-cold", "W3-equal"} & set(self.parts) - set(kept["parts"]):
            return False
        self.kafka = KeptKafka(kept)
        self.expected, self.further = pickle.loads(pathlib.Path(kept["expected"]).read_bytes())
        return True

    def keep(self):
        """Says where this Kafka is; the next runs use it as long as this process lives."""
        expected = self.folder / "expected.pickle"
        expected.write_bytes(pickle.dumps((self.expected, self.further)))
        KEPT.write_text(
            json.dumps(
                {
                    "owner": os.getpid(),
                    "brokers": self.kafka.brokers,
                    "pid": self.kafka.pid,
                    "listeners": self.kafka.listeners,
                    "ca": self.kafka.ca,
                    "events": self.events,
                    "customers": self.customers,
                    "parts": list(self.parts),
                    "expected": str(expected),
                }
            )
        )

    # --- Running an engine ---

    def environment(self, topic, group, alerts=""):
        return {
            "KAFKA_BROKER": self.kafka.brokers,
            "KAFKA_TLS_BROKER": self.kafka.listeners["TLS"],
            "KAFKA_CA": self.kafka.ca,
            "REDIS_HOST": HOST,
            "REDIS_PORT": str(self.redis.port),
            "REDIS_TLS_PORT": str(self.tls_port),
            "REDIS_CA": str(self.authority),
            "BENCH_TOPIC": topic,
            "BENCH_GROUP": group,
            "BENCH_ALERTS": alerts,
            "BENCH_STATE": str(self.folder / f"state-{group}"),
            "LOG_LEVEL": "WARN",
        }

    def fresh_name(self, name):
        """For a consumer group, or a topic, that nobody has used."""
        self.runs += 1
        return f"bench-{name}-{os.getpid()}-{self.runs}"

    def measure(self, command, name, env):
        """Runs it to its end; what it took, with what Redis and the broker took meanwhile."""
        result = self.folder / f"{name}.json"
        servers = {"redis_cpu_s": self.redis.process.pid, "kafka_cpu_s": self.kafka.pid}
        before = {what: cpu_seconds(pid) for what, pid in servers.items()}
        process = Process(
            [sys.executable, "-I", "-S", BENCH / "measure.py", result, *command],
            self.folder,
            name,
            env=env,
            prepare=os.setsid,
        )
        try:
            status = process.wait(RUN_TIMEOUT_S)
        except TimedOut as e:
            raise Failed(str(e)) from None
        finally:
            if process.running():
                os.killpg(process.pid, signal.SIGKILL)  # the engine too: it is in this process's group
                process.wait()
        if status != 0:
            raise Failed(f"{name} failed:\n{process.out[-2000:]}{process.err[-3000:]}")
        took = json.loads(result.read_text())
        took.update({what: cpu_seconds(pid) - before[what] for what, pid in servers.items()})
        return took

    # --- Verifying what it did ---

    def counted(self):
        """The events in all profiles."""
        total, cursor = 0, None
        while cursor != 0:
            cursor, keys = self.redis.client.scan(cursor or 0, match="profile:*", count=5000)
            pipe = self.redis.client.pipeline(transaction=False)
            for key in keys:
                pipe.hget(key, "events_total")
            total += sum(int(number) for number in pipe.execute())
        return total

    def verify_profiles(self, shown, expected=None):
        """`shown`: as the contract has them; otherwise raw."""
        expected = expected or self.expected
        expected = expected.profiles if shown else expected.raw
        lines = oracle.differences(expected, self.redis.hashes("profile:"))
        if lines:
            raise Failed("profiles differ:\n" + "\n".join(lines[:10]))

    def verify_alerts(self, topic, expected=None):
        """Each at least once, no other. Their `data` is left out: a peer's JSON may write 100.00 as 100.0."""
        found = dict(without_data(value) for _, _, _, _, value, _ in oracle.read_topics(self.kafka.brokers, [topic]))
        wanted = (expected or self.expected).alerts
        if sorted(found.values()) != wanted:
            raise Failed(f"alerts differ: {len(found)} found, {len(wanted)} expected")

    def verify_predictions(self, expected):
        """Each customer with a trigger has a prediction for the newest, of a profile that had counted it."""
        found = self.redis.hashes("prediction:")
        if found.keys() != expected.triggers.keys():
            raise Failed(f"predictions of {len(found)} customers, not of {len(expected.triggers)}")
        for customer, (event_id, rank, total) in expected.triggers.items():
            prediction = found[customer]
            counted = round(float(prediction["churn_probability"]) * 1000)  # as the API says it
            if prediction["event_id"] != event_id or (counted - rank) % 1000 > total - rank:
                raise Failed(
                    f"the prediction of {customer} is {prediction}: not for {event_id} with {rank} to {total} events"
                )


def without_data(raw):
    alert_id, alert = oracle.parse_alert(raw)
    return alert_id, alert._replace(data="")


def say(text):
    print(text, file=sys.stderr, flush=True)
