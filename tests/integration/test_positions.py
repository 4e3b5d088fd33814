"""Where reading goes on in Kafka: partitions that are added, topics made anew, transactions, what retention took."""

import json
import time
import urllib.request

import events
import pytest
import yaml
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions
from lights import ask
from services import HOST, Kafka, Stack, free_port, wait_for

QUICK = {"session.timeout.ms": "2000", "heartbeat.interval.ms": "200", "topic.metadata.refresh.interval.ms": "500"}


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """One broker for all tests, each with topics of its own."""
    made = Kafka(tmp_path_factory.mktemp("kafka") / "broker", properties=["auto.create.topics.enable=false"])
    yield made
    made.stop()


class Job:
    """A topic, a group and a pipeline that counts the topic's events into an embedded store."""

    def __init__(self, folder, kafka, name, topics=1, **source):
        self.stack, self.kafka, self.folder, self.runs = Stack(folder), kafka, folder, 0
        self.stack.env["KAFKA_BROKER"] = kafka.brokers
        self.topics = [f"{name}-{i}" for i in range(topics)]
        self.topic, self.group, self.port = self.topics[0], name, free_port()
        self.source = {"topics": self.topics, "group_id": name, "properties": dict(QUICK), **source}
        self.top = {}
        self.store = {"plugin": "lmdb", "path": str(folder / "store")}

    def config(self, **source):
        self.runs += 1
        path = self.folder / f"p{self.runs}.yaml"
        path.write_text(
            yaml.safe_dump(
                {
                    "health": {"listen": f"{HOST}:{self.port}"},
                    **self.top,
                    "source": {"plugin": "kafka", "brokers": self.kafka.brokers, **self.source, **source},
                    "store": self.store,
                    "sinks": [{"plugin": "file", "input": "events", "path": str(self.folder / "seen.jsonl")}],
                    "dead_letters": {"plugin": "file", "path": str(self.folder / "dead.jsonl")},
                }
            )
        )
        return path

    def start(self, **source):
        return self.stack.churnd("-c", self.config(**source))

    def run(self, **source):
        return self.stack.run("-c", self.config(**source), "--until-end")

    def refused(self, **source):
        """A run that must end with an error; returns what it said."""
        process = self.stack.churnd("-c", self.config(**source), "--until-end")
        assert process.wait(60) == 1, process.err[-3000:]
        return process.err

    def produce(self, count, prefix, partition=None, topic=None):
        load = events.load(count, 20, 1, event_prefix=prefix)
        self.kafka.produce(topic or self.topic, [(k, v) if partition is None else (k, v, partition) for k, v in load])

    def seen(self):
        path = self.folder / "seen.jsonl"
        return (
            [json.loads(line)["event_id"].split("_")[2] for line in path.read_text().splitlines()]
            if path.exists()
            else []
        )

    def sees(self, count, prefix, within=30):
        wait_for(f"{count} events of {prefix}", lambda: self.count(prefix) >= count, within)
        assert self.count(prefix) == count

    def count(self, prefix):
        return sum(1 for event in self.seen() if event.startswith(prefix))

    def committed(self, partitions=1, topic=None, group=None):
        consumer = Consumer({"bootstrap.servers": self.kafka.brokers, "group.id": group or self.group})
        places = [TopicPartition(topic or self.topic, i) for i in range(partitions)]

        def ask():
            try:
                return [p.offset for p in consumer.committed(places, timeout=10)]
            except KafkaException:  # a broker that has just started has no coordinator for a moment
                return None

        try:
            return wait_for("the group's offsets", ask)
        finally:
            consumer.close()

    def workers(self):
        """Also while they are not ready."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/healthz", timeout=5) as reply:
            return json.loads(reply.read())["workers"]

    def is_assigned(self):
        try:
            return all(worker["assigned"] for worker in self.workers())
        except OSError:
            return False

    def lag(self):
        try:
            return [worker.get("lag_messages") for worker in self.workers()]
        except OSError:
            return None

    def make_anew(self, count, prefix, partitions=1):
        self.kafka.manage("delete_topics", [self.topic])
        wait_for("the deletion", lambda: not self.kafka.topic_exists(self.topic))
        self.kafka.create_topics({self.topic: partitions})
        self.produce(count, prefix)

    def expire(self, offset, partition=0):
        self.kafka.manage("delete_records", [TopicPartition(self.topic, partition, offset)])


@pytest.fixture
def job(tmp_path, kafka, request):
    made = []

    def make(**options):
        made.append(Job(tmp_path, kafka, "".join(c if c.isalnum() else "-" for c in request.node.name), **options))
        return made[-1]

    yield make
    for one in made:
        one.stack.stop()


# --- start: end ---


def test_a_partition_that_is_added_is_read_from_its_beginning(job, kafka):
    """Also when it has records before anybody noticed it; what was there at the first start is not read, not even by the
    next run, nor by one of another group's first start."""
    one = job(start="end")
    kafka.create_topics({one.topic: 2})
    one.produce(30, "old")
    daemon = one.start()
    wait_for("its offsets", lambda: all(offset >= 0 for offset in one.committed(2)))
    kafka.manage("create_partitions", [NewPartitions(one.topic, 3)])
    one.produce(100, "new", partition=2)
    one.sees(100, "new")
    assert daemon.terminate() == 0
    assert "ERROR" not in daemon.err, daemon.err[-3000:]
    # The next one is added while nobody runs, and one of the old ones never had a record of ours.
    kafka.manage("create_partitions", [NewPartitions(one.topic, 4)])
    one.produce(50, "late", partition=3)
    one.run()
    one.sees(50, "late")
    one.produce(7, "idle", partition=0)
    again = one.run()
    one.sees(7, "idle")
    assert one.count("old") == 0 and one.count("new") == 100
    assert "ERROR" not in again.err and "WARN" not in again.err, again.err[-3000:]
    assert sum(one.committed(4)) == 30 + 100 + 50 + 7


def test_two_workers_that_meet_a_topic_agree_where_it_begins(job, kafka):
    one = job(start="end")
    one.top["workers"] = 2
    kafka.create_topics({one.topic: 4})
    one.produce(40, "old")
    daemon = one.start()
    wait_for("its offsets", lambda: all(offset >= 0 for offset in one.committed(4)))
    one.produce(40, "new")
    one.sees(40, "new")
    assert daemon.terminate() == 0
    assert one.count("old") == 0 and "ERROR" not in daemon.err, daemon.err[-3000:]


def test_a_topic_that_appears_is_read_from_its_beginning(job, kafka):
    """… by the next run too, when the first one had no time to."""
    one = job(start="end", topics=2)
    kafka.create_topics({one.topics[0]: 1})
    daemon = one.start()
    wait_for("the other topic's offsets", lambda: one.committed()[0] >= 0)
    wait_for("the word", lambda: "does not exist" in daemon.err)
    kafka.create_topics({one.topics[1]: 2})
    wait_for("its offsets", lambda: all(offset >= 0 for offset in one.committed(2, one.topics[1])))
    assert daemon.terminate() == 0
    one.produce(10, "new", topic=one.topics[1])
    one.run()
    one.sees(10, "new")


# --- topics made anew ---


def test_a_topic_made_anew_is_told_however_long_it_is(job, kafka):
    """Shorter, grown since, or as long at once; only `epoch` begins anew, and no other advice loses its events."""
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(100, "old")
    one.run()
    one.run()
    one.make_anew(40, "new")
    assert "made anew" in one.refused() and "epoch" in one.refused()
    one.produce(110, "more")
    for source in ({}, {"group_id": f"{one.group}-other"}, {"start": "end"}, {}):
        said = one.refused(**source)
        assert "made anew" in said and "epoch" in said, said[-3000:]
    assert one.count("new") == one.count("more") == 0
    one.run(epoch=1)
    assert (one.count("new"), one.count("more")) == (40, 110)
    one.make_anew(300, "third")
    assert "another record" in one.refused(epoch=1)
    one.run(epoch=2)
    assert one.count("third") == 300


def test_a_topic_made_anew_while_it_is_read(job, kafka):
    """What was found out is not forgotten when the topic has grown."""
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(100, "old")
    daemon = one.start()
    one.sees(100, "old")
    wait_for("the commit", lambda: one.committed() == [100])
    one.make_anew(40, "new")
    assert daemon.wait(60) == 1 and "made anew" in daemon.err and "epoch" in daemon.err, daemon.err[-3000:]
    one.produce(110, "more")
    assert "made anew" in one.refused()
    assert one.count("new") == one.count("more") == 0


def test_the_right_topic_may_come_back(job, kafka, tmp_path_factory):
    """A pipeline that was pointed at another cluster by mistake goes on once it is pointed back."""
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(60, "old")
    one.run()
    other = Kafka(tmp_path_factory.mktemp("other") / "broker")
    try:
        other.create_topics({one.topic: 1})
        other.produce(one.topic, events.load(20, 20, 2, event_prefix="wrong"))
        assert "another cluster" in one.refused(brokers=other.brokers)
    finally:
        other.stop()
    one.produce(15, "new")
    one.run()
    one.sees(15, "new")
    one.run()
    assert (one.count("old"), one.count("wrong")) == (60, 0)


@pytest.mark.parametrize(
    "kind, value", [("_m:", "99999999999999"), ("_r:", "3,99999999999999"), ("_r:", "5-9223372036854775807")]
)
def test_one_profile_makes_no_topic_anew(job, kafka, kind, value):
    """A profile that counted beyond the end is damaged; its topic is not, for the newest counted record still stands."""
    one = job()
    one.stack.start_redis()
    one.store = {"plugin": "redis", "port": one.stack.redis.port}
    client = one.stack.redis.client
    kafka.create_topics({one.topic: 1})
    one.produce(60, "old")
    one.run()
    keys = sorted(key.decode() for key in client.scan_iter("profile:*"))
    key, field, before = keys[0], f"{kind}{one.topic}/0", {k: int(client.hget(k, "events_total")) for k in keys}
    kept = client.hget(key, field)
    client.hset(key, field, value)
    one.produce(60, "new")
    one.run()
    letters = [json.loads(line) for line in (one.folder / "dead.jsonl").read_text().splitlines()]
    assert letters and {(x["reason"], json.loads(x["value"])["customer_id"]) for x in letters} == {
        ("damaged_profile", key.split(":", 1)[1])
    }
    assert letters[0]["detail"] == f"field '{field}' says that events were counted that never were"
    if kept is None:
        client.hdel(key, field)
    else:
        client.hset(key, field, kept)
    one.run()
    one.stack.run("redrive", "-c", one.config())
    assert sum(int(client.hget(k, "events_total")) for k in client.scan_iter("profile:*")) == 120
    assert int(client.hget(key, "events_total")) == before[key] + len(letters)
    assert not client.hget(f"churnd:checkpoint:profile:{one.topic}/0", "doubted")


def test_what_is_read_once_more_is_not_said_once_more(job, kafka):
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(5, "old")
    for _ in range(3):
        run = one.run()
    assert one.count("old") == 5 and "rewind" not in run.out + run.err, run.err


def test_lag_before_the_place_is_known(job, kafka):
    """The group has read everything, the store nothing: until the store has told that, the lag is the group's, and the run not
    ready."""
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(50, "old")
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": one.group})
    consumer.commit(offsets=[TopicPartition(one.topic, 0, 50)], asynchronous=False)
    consumer.close()
    redis = one.stack.start_redis()
    redis.kill()
    one.store = {"plugin": "redis", "port": redis.port}
    daemon = one.start()
    wait_for("the assignment", one.is_assigned, 60)
    looked = time.monotonic()
    while time.monotonic() < looked + 2.5:
        assert one.lag() in ([None], [0])
        time.sleep(0.1)
    assert ask(one.port, "/readyz")[0] == 503
    redis.start()

    def counted():
        return sum(int(redis.client.hget(key, "events_total")) for key in redis.client.scan_iter("profile:*"))

    wait_for("its profiles", lambda: counted() == 50, 60)
    wait_for("its lag", lambda: one.lag() == [0], 30)
    assert daemon.terminate() == 0


# --- transactions, compaction, retention ---


def transaction(kafka, topic, records, commit=True):
    producer = Producer({"bootstrap.servers": kafka.brokers, "transactional.id": f"{topic}-{time.time()}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for key, value in records:
        producer.produce(topic, key=key, value=value, partition=0)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def end_of(kafka, topic, partition=0):
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "asks"})
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    finally:
        consumer.close()


def test_markers_are_passed(job, kafka):
    """Lag reaches 0 behind the markers of transactions, and the offset is committed there: what expires later was read."""
    one = job()
    kafka.create_topics({one.topic: 1})
    transaction(kafka, one.topic, events.load(10, 20, 1, event_prefix="one"))
    daemon = one.start()
    one.sees(10, "one")
    for step in range(3):
        transaction(kafka, one.topic, events.load(5, 20, 1, event_prefix="aborted"), commit=step == 1)
        end = end_of(kafka, one.topic)[1]
        wait_for("the end committed", lambda: one.committed() == [end], 30)
        wait_for("lag 0", lambda: one.lag() == [0], 30)
    assert one.count("aborted") == 5
    one.expire(end)
    assert daemon.terminate() == 0
    for _ in range(2):
        one.run()
    transaction(kafka, one.topic, events.load(3, 20, 1, event_prefix="last"))
    one.run()
    one.sees(3, "last")


def test_only_what_was_aborted(job, kafka):
    one = job()
    kafka.create_topics({one.topic: 1})
    transaction(kafka, one.topic, events.load(10, 20, 1, event_prefix="one"), commit=False)
    one.run()
    assert one.committed() == [11] and one.seen() == []


@pytest.mark.parametrize("later", [False, True])
def test_two_workers_end_behind_markers(job, kafka, later):
    """… at once, whether or not records come behind the end as it stood at the start."""
    one = job()
    one.source["properties"]["session.timeout.ms"] = "45000"
    one.top["workers"] = 2
    kafka.create_topics({one.topic: 2})
    for partition in (0, 1):
        producer = Producer({"bootstrap.servers": kafka.brokers, "transactional.id": f"{one.topic}-{partition}"})
        producer.init_transactions(30)
        producer.begin_transaction()
        for key, value in events.load(20, 20, 1, event_prefix=f"p{partition}"):
            producer.produce(one.topic, key=key, value=value, partition=partition)
        producer.commit_transaction(30)
    process = one.stack.churnd("-c", one.config(), "--until-end")
    if later:
        one.produce(30, "later")
    began = time.monotonic()
    assert process.wait(120) == 0, process.err[-3000:]
    assert time.monotonic() - began < 40, "it waited for the session of a member that had ended"
    ends = [end_of(kafka, one.topic, p)[1] for p in (0, 1)] if not later else [21, 21]
    assert all(offset >= end for offset, end in zip(one.committed(2), ends, strict=True)), one.committed(2)


def test_the_advice_after_retention_works(job, kafka):
    """Records that expired unread stop the source; its words are followed, and it goes on with what is left."""
    one = job()
    kafka.create_topics({one.topic: 1})
    one.produce(10, "old")
    one.run()
    one.produce(20, "lost")
    one.expire(25)
    said = one.refused()
    assert "expired" in said and "--to-earliest" in said and "epoch" not in said, said[-3000:]
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": one.group})
    consumer.commit(offsets=[TopicPartition(one.topic, 0, end_of(kafka, one.topic)[0])], asynchronous=False)
    consumer.close()
    one.run()
    one.sees(5, "lost")
    one.run()
