"""The ground of one row: topics, group and pipeline of its own on the shared Kafka, a Redis, an API, a fleet of churnd."""

import collections
import contextlib
import os
import random
import re
import threading
import time

import events
import oracle
import oracle_faults
import redis as redis_client
from confluent_kafka import KafkaException
from integration_conftest import pipeline
from services import HOST, Fleet, Stack, wait_for

SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1 << 31))
SETTLE_S = float(os.environ.get("FAULT_SETTLE_S") or 60)
Tally = collections.Counter()  # of the session: faults, events


class Rig:
    def __init__(self, folder, kafka, name):
        self.stack = Stack(folder)
        self.folder, self.kafka, self.name, self.seed = folder, kafka, f"{name}-{os.urandom(3).hex()}", SEED
        self.rng = random.Random(f"{SEED}/{name}")  # the same for the same row
        self.stack.kafka = kafka
        self.stack.env["KAFKA_BROKER"] = kafka.brokers
        self.topics = [f"{name}-customer-events", f"{name}-user-events"]
        self.partitions = [4, 2]
        self.fleets, self.loads = [], 0
        self.store = self.link = self.watch = None

    # --- what there is ---

    def topic(self, of):
        return f"{self.name}-{of}"

    def up(self, redis=None, delay=0.006, count=10000, customers=600, pair=False, sentinels=False, bad=False):
        """Redis behind a proxy (`link`), the API, and two topics that hold some load already."""
        self.start_services(redis, delay, customers, pair, sentinels)
        self.kafka.create_topics(dict(zip(self.topics, self.partitions, strict=True)))
        self.fill(count)
        if bad:
            for topic in self.topics:
                self.kafka.produce(topic, events.adversarial(self.seed, with_big=False))
        return self

    def start_services(self, redis=None, delay=0.006, customers=600, pair=False, sentinels=False):
        """All but the topics."""
        if pair:
            self.pair = self.stack.start_redis_pair(**redis or {})
            self.link = self.pair.vip
        elif sentinels:
            self.sentinels = self.stack.start_redis_sentinels(**redis or {})
            self.link = self.sentinels.vip
        else:
            self.stack.start_redis(**redis or {})
            self.link = self.stack.slow_redis()
        self.link.delay = delay
        self.store = self.stack.redis
        self.api = self.stack.start_scripted()
        self.customers = customers

    def fill(self, count):
        self.loads += 1
        for share, topic in zip((4, 1), self.topics, strict=True):
            self.kafka.produce(
                topic,
                events.load(
                    count * share // 5,
                    self.customers,
                    self.rng.randrange(1 << 30),
                    events.BASE_MS + self.loads * 10_000_000,
                ),
            )

    @contextlib.contextmanager
    def streaming(self, count=500, every=0.3):
        """Meanwhile records keep coming."""
        stop, failures = threading.Event(), []

        def feed():
            while not stop.wait(every):
                try:
                    self.fill(count)
                except (AssertionError, KafkaException) as e:  # the broker is the one at fault
                    failures.append(e)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            stop.set()
            feeder.join()

    # --- churnd ---

    def settings(self, settings):
        """The shipped consumer with names of this row, short sessions and small windows."""
        settings["shutdown_timeout"] = "10s"
        settings["source"].update(topics=self.topics, group_id=self.name)
        prediction, alert = settings["sinks"]
        prediction.update(
            topic=self.topic("predictions"),
            queue_topic=self.topic("requests"),
            queue_group=self.topic("requests"),
            retry_max="1s",
            breaker_pause="1s",
        )
        alert["topic"] = self.topic("alerts")
        settings["dead_letters"]["topic"] = self.topic("dead-letters")
        for section in (settings["source"], prediction):
            section["properties"] = {"session.timeout.ms": "${SESSION_MS:-2000}", "heartbeat.interval.ms": "200"}
        settings["store"].update(window_events="${WINDOW_EVENTS:-100}", timeout="${REDIS_TIMEOUT:-2s}")

    def config(self, change=lambda settings: None):
        def both(settings):
            self.settings(settings)
            change(settings)

        return pipeline(self.folder / "consumer.yaml", both)

    def fleet(self, count=1, change=lambda settings: None, restart=False, env=None):
        fleet = Fleet(self.stack, self.config(change), count, restart, env)
        self.fleets.append(fleet)
        if self.watch is None:
            self.begin_watch()
        return fleet

    def begin_watch(self):
        """Anew, where the brokers have moved."""
        if self.watch is not None:
            self.watch.close()
        self.watch = oracle_faults.Watch(self.kafka.brokers, self.name, self.topics, self.watched_store, self.pids)

    def pids(self):
        return [m.pid for fleet in self.fleets for m in fleet.members if m.running()]

    def watched_store(self):
        return redis_client.Redis(HOST, self.store.port, socket_timeout=1, socket_connect_timeout=1)

    # --- faults ---

    def fault(self, what):
        Tally["faults"] += 1
        print(f"{time.strftime('%H:%M:%S')} fault: {what}")

    def writes(self, count, timeout=60):
        """Returns once the store ran `count` commands more."""
        start = self.store.commands()
        wait_for("writes", lambda: self.store.commands() > start + count, timeout, 0.01)

    def commits(self, timeout=60):
        """Returns once the group has committed something."""
        group = self.group()
        wait_for("a commit", lambda: any(group.committed().values()), timeout, 0.1)
        group.close()

    def says(self, fleet, text, timeout=30):
        """Returns once a member's log has `text` (a regular expression, case ignored)."""
        wait_for(f"`{text}` in the log", lambda: self.log_has(fleet, text), timeout)

    def log_has(self, fleet, text):
        return any(re.search(text, m.err, re.IGNORECASE) for m in fleet.members)

    def members_of(self, group):
        """How many members a group has."""
        admin = self.kafka.admin()  # kept until the answer is here
        return len(admin.describe_consumer_groups([group])[group].result(10).members)

    # --- the end ---

    def model(self):
        return oracle.Model().feed_topics(self.kafka.brokers, self.topics)

    def group(self):
        return oracle_faults.Group(self.kafka.brokers, self.name, self.topics)

    def settle(self, fleet, within=SETTLE_S):
        """Waits until all that the topics hold is committed and in the profiles; returns the model."""
        model, group = self.model(), self.group()
        expected = model.profile_fields()

        def done():
            fleet.tend()
            return group.lag() == 0 and not oracle.differences(expected, self.store.hashes("profile:"), 1)

        try:
            wait_for("lag 0 and exact profiles", done, within, 0.3)
        except AssertionError as e:
            lines = oracle.differences(expected, self.store.hashes("profile:"))
            log = "".join(f"\n{m.name}: {m.err[-2500:]}" for m in fleet.members)
            raise AssertionError("\n".join([f"{e}; lag {group.lag()}", *lines]) + log) from None
        finally:
            group.close()
        return model

    def finish(self, fleet, within=SETTLE_S, cached=True):
        """After the last fault everything must be exact. `cached`: predictions are looked for in Redis too, which has not lost them."""
        model = self.settle(fleet, within)
        published = lambda: (
            self.kafka.topic_exists(self.topic("predictions"))
            and oracle_faults.published_predictions(self.kafka.brokers, self.topic("predictions"))
        )
        if model.triggers:
            wait_for(
                "a prediction for each customer with a trigger",
                lambda: fleet.tend() or (published() or set()) >= model.triggers.keys(),
                within,
                0.5,
            )
        fleet.terminate()
        self.watch.close()
        self.watch.check()
        oracle.assert_profiles(model, self.store.hashes("profile:"))
        if cached:
            assert self.store.hashes("prediction:").keys() == model.triggers.keys()
        self.check_outputs(model)
        Tally["events"] += model.events + len(model.dead)
        return model

    def check_outputs(self, model):
        alerts, letters = self.topic("alerts"), self.topic("dead-letters")
        found = oracle.kafka_dead_letters(self.kafka.brokers, letters) if self.kafka.topic_exists(letters) else []
        repeats = (
            oracle_faults.alerts(self.kafka.brokers, alerts, model) if self.kafka.topic_exists(alerts) else 0.0,
            oracle_faults.dead_letters(found, model),
        )
        assert self.kafka.topic_exists(alerts) or not model.alerts
        print(
            f"{model.events} events, {len(model.dead)} dead letters; repeated alerts {repeats[0]:.1%}, "
            f"dead letters {repeats[1]:.1%}; {self.watch.samples} samples"
        )

    def stop(self):
        if self.watch is not None:
            self.watch.close()
        self.stack.stop()
        try:
            topics = self.kafka.admin().list_topics(timeout=5).topics
            mine = [t for t in topics if t.startswith(self.name + "-")]
            if mine:
                self.kafka.manage("delete_topics", mine)
        except KafkaException:
            pass


def summed(process, what):
    """A figure of churnd's summary, such as `already counted`; 0 where it says none."""
    found = re.search(rf"\b{what} +([0-9,]+)", process.out)
    return int(found[1].replace(",", "")) if found else 0
