"""Rows 10, 12 and 16: a broker that dies, hangs and is slow, topics that change under the reader, dead letters that fail."""

import signal
import time

import events
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions
from services import HOST, Proxy, free_port, wait_for
from test_unreadable import Reading, event


def alter(kafka, topic, **config):
    settings = {name.replace("_", "."): value for name, value in config.items()}
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in settings.items()
    ]
    kafka.manage(
        "incremental_alter_configs", [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)]
    )


# --- Row 10: the broker ---


@pytest.mark.ci
def test_broker_killed(rig):
    rig.up(count=8000, bad=True)
    fleet = rig.fleet(2)
    rig.writes(600)
    rig.fault("kill -9 of the broker")
    rig.kafka.process.kill()
    time.sleep(2)
    rig.kafka.start()
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)


@pytest.mark.ci
def test_broker_frozen(rig):
    rig.up(count=8000, bad=True)
    fleet = rig.fleet(2)
    rig.writes(600)
    rig.fault("SIGSTOP of the broker, past everybody's session")
    rig.kafka.process.send(signal.SIGSTOP)
    time.sleep(5)
    rig.kafka.process.send(signal.SIGCONT)
    fleet.tend()
    rig.fill(1000)
    rig.finish(fleet)


@pytest.mark.ci
def test_a_broker_that_answers_nothing_is_told(rig):
    """A frozen broker keeps its connections: the run says within some ten seconds, and all the time, why it is not ready,
    and blames no coordinator; an idle topic is none of that."""
    reading = Reading(rig, properties={"session.timeout.ms": "6000", "heartbeat.interval.ms": "2000"})
    rig.kafka.produce(reading.topic, [(b"c0", event(i)) for i in range(100)])
    reading.start()
    wait_for("the records", lambda: len(reading.alerts()) == 100 and reading.ready()[0] == 200, 60)
    rig.fault("SIGSTOP of the broker")
    rig.kafka.process.send(signal.SIGSTOP)
    try:
        said = []

        def told():
            status, found = reading.ready()
            if status == 503:
                said.append(found.get("troubles", []))
            return any("has not answered for" in t["message"] for t in found.get("troubles", []))

        wait_for("a word", told, 60, 0.2)
        end = time.monotonic() + 3  # the group's coordinator is looked for by now
        while time.monotonic() < end:
            assert told() or "cannot be reached" in str(said[-1]), said[-1]
            time.sleep(0.2)
        assert all(said), "not ready, and no trouble is named"
        assert {(t["plugin"], t["what"]) for t in said[-1]} == {("kafka", "broker")}
        assert "cannot be found" not in reading.process.err
    finally:
        rig.kafka.process.send(signal.SIGCONT)
    wait_for("a ready run", lambda: reading.ready()[0] == 200, 60)
    rig.kafka.produce(reading.topic, [(b"c0", event(i)) for i in range(100, 200)])
    wait_for("the rest", lambda: len(reading.alerts()) == 200, 60)
    assert reading.process.terminate() == 0, reading.process.err[-3000:]


@pytest.mark.ci
def test_broker_slow_and_cut_off(rig):
    """A link to the broker that takes its time, breaks, and is silent for a while."""
    rig.up(count=6000, bad=True)
    link, link.delay = rig.kafka.link, 0.02
    fleet = rig.fleet(2, env={"KAFKA_BROKER": rig.kafka.proxied_brokers})
    try:
        for _ in range(3):
            rig.writes(300)
            rig.fault("connections to the broker are cut")
            link.cut_all()
            time.sleep(0.5)
        rig.fault("the broker is silent")
        link.blackhole = True
        time.sleep(4)
    finally:
        link.blackhole = False
        link.cut_all()
    rig.fill(1000)
    rig.finish(fleet)
    link.delay = 0.0


@pytest.mark.ci
def test_broker_under_another_address(rig):
    """It comes back under another port, as after a move: librdkafka 2.0.2 may look for the groups' coordinators where they
    were, for ever."""
    rig.up(count=2000, bad=True)
    door = Proxy(rig.kafka.port)  # the address to begin with stays
    try:
        fleet = rig.fleet(2, env={"KAFKA_BROKER": f"{HOST}:{door.port}"})
        rig.writes(300)
        rig.fault("the broker moves to another port")
        port = free_port()
        rig.kafka.halt()
        door.retarget(port)
        time.sleep(3)  # longer than a session, so that members are without partitions as it comes back
        rig.kafka.move(port)
        rig.begin_watch()
        fleet.tend()
        rig.fill(1000)
        rig.finish(fleet)
    finally:
        door.stop()


# --- Row 12: topics ---


def test_partitions_are_added(rig):
    """4 → 12 in the middle: the keys move to other partitions, and the new ones are found."""
    rig.up(count=5000)
    fleet = rig.fleet(2)
    rig.writes(600)
    with rig.streaming():
        rig.fault("12 partitions in place of 4")
        rig.kafka.manage("create_partitions", [NewPartitions(rig.topics[0], 12)])
        time.sleep(3)
    rig.fill(3000)
    rig.finish(fleet)


def test_partitions_are_added_to_a_group_that_begins_at_the_end(rig):
    """They have records before anybody has noticed them, once while nobody runs."""
    rig.up(count=0)
    fleet = rig.fleet(2, lambda settings: settings["source"].update(start="end"))
    group = rig.group()
    wait_for(
        "the group's offsets",
        lambda: (
            len(group.committed()) == 6
            and all(p.offset >= 0 for p in group.consumer.committed(group.partitions(), timeout=10))
        ),
        60,
        0.3,
    )
    rig.fill(1000)
    rig.fault("8 partitions in place of 4, filled at once")
    rig.kafka.manage("create_partitions", [NewPartitions(rig.topics[0], 8)])
    rig.fill(3000)
    rig.settle(fleet)
    fleet.terminate()
    rig.fault("12 partitions in place of 8, filled while nobody runs")
    rig.kafka.manage("create_partitions", [NewPartitions(rig.topics[0], 12)])
    rig.fill(3000)
    fleet.start()
    rig.finish(fleet)


# --- Transactions ---


def in_transactions(rig, topic, records, size=40):
    """Every third transaction is aborted; their markers, and what was aborted, take offsets too."""
    producer = rig.kafka.producer(**{"transactional.id": f"{topic}-{rig.loads}"})
    producer.init_transactions(30)
    for n, at in enumerate(range(0, len(records), size)):
        producer.begin_transaction()
        for key, value in records[at : at + size]:
            producer.produce(topic, key=key, value=value)
        producer.flush(30)
        if n % 3 == 2:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)


@pytest.mark.ci
def test_transactions(rig):
    """Lag reaches 0 behind markers and aborted records; what nobody committed is not counted; kill -9 in between."""
    rig.up(count=1000)
    fleet = rig.fleet(2, restart=True)
    for _ in range(3):
        rig.loads += 1
        in_transactions(
            rig,
            rig.topics[0],
            events.load(900, rig.customers, rig.rng.randrange(1 << 30), events.BASE_MS + rig.loads * 10_000_000),
        )
        rig.fault("kill -9 among transactions")
        fleet.kill(rig.rng)
        fleet.start()
        rig.settle(fleet)
    rig.finish(fleet)


# --- Topics made anew ---


def make_anew(rig, count):
    """Deletes the topic and creates it again with fewer records than the group has committed."""
    rig.fault("the topic is deleted and created again")
    rig.kafka.manage("delete_topics", [rig.topics[0]])
    wait_for("the deletion", lambda: not rig.kafka.topic_exists(rig.topics[0]))
    rig.kafka.create_topics({rig.topics[0]: rig.partitions[0]})
    rig.kafka.produce(rig.topics[0], events.load(count, 50, rig.seed))


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_topic_made_anew(rig, state):
    """Its first events would be taken for old ones: it halts and says which option begins anew."""
    rig.up(count=4000)
    fleet = rig.fleet()
    rig.settle(fleet)
    member = fleet.take()
    if state == "stopped":
        assert member.terminate() == 0
    before = rig.store.hashes("profile:")
    make_anew(rig, 400)
    if state == "stopped":
        fleet.start()
        member = fleet.take()
    assert member.wait(60) == 1, member.err[-3000:]
    assert "epoch" in member.err and rig.topics[0] in member.err, member.err[-3000:]
    assert rig.store.hashes("profile:") == before, "events of the new topic were taken"
    rig.fault("the new topic outgrows the old one")
    rig.kafka.produce(rig.topics[0], events.load(6000, 50, rig.seed + 1))
    fleet.start()
    member = fleet.take()
    assert member.wait(60) == 1, member.err[-3000:]
    assert "epoch" in member.err and "made anew" in member.err, member.err[-3000:]
    assert rig.store.hashes("profile:") == before, "events of the new topic were taken"


def test_retention_overruns_the_reader(rig):
    """Records are gone before they were read: that is said, not skipped."""
    rig.up(count=2000)
    fleet = rig.fleet()
    rig.settle(fleet)
    assert fleet.take().terminate() == 0
    rig.fill(3000)
    rig.fault("records are deleted before they were read")
    ends = rig.group().ends()
    rig.kafka.manage(
        "delete_records", [TopicPartition(t, p, n - 10) for (t, p), n in ends.items() if t == rig.topics[0]]
    )
    fleet.start()
    member = fleet.take()
    assert member.wait(60) == 1, member.err[-3000:]
    assert (rig.topics[0] in member.err and "retention" in member.err.lower()) or "expired" in member.err.lower(), (
        member.err[-3000:]
    )


# --- Row 16: dead letters that cannot be written ---


def blocked(rig, fleet, group):
    """Nothing more is committed, while the profile's other events may go on."""
    wait_for("nothing more is committed", lambda: still(group), 40)
    assert group.lag() > 0
    fleet.tend()


def still(group):
    before = group.committed()
    time.sleep(3)
    return group.committed() == before


def test_dead_letter_topic_takes_nothing_so_large(rig):
    """It stops, names the record and the limit, and has lost nothing once the topic takes it."""
    rig.up(count=2000)
    letters = rig.topic("dead-letters")
    rig.kafka.create_topics({letters: 1}, **{"max.message.bytes": "200"})
    rig.fault("the dead letter topic takes 200 bytes at most")
    rig.kafka.produce(rig.topics[1], [(b"k", b"x" * 1000)])
    rig.fill(1000)
    fleet = rig.fleet()
    member = fleet.take()
    assert member.wait(60) == 1
    assert "max.message.bytes" in member.err and rig.topics[1] in member.err, member.err[-3000:]
    alter(rig.kafka, letters, max_message_bytes=str(8 << 20))
    fleet.start()
    rig.finish(fleet)


def test_dead_letter_topic_is_missing(rig):
    """Nobody creates it: the partition waits with a word about it."""

    def not_created(settings):
        settings["dead_letters"].update(
            create_topic="false", properties={"topic.metadata.propagation.max.ms": "1000"}
        )  # before it is missing

    rig.up(count=2000, bad=True)
    rig.fault("the dead letter topic does not exist")
    fleet = rig.fleet(1, not_created)
    rig.says(fleet, rig.topic("dead-letters"))
    group = rig.group()
    blocked(rig, fleet, group)
    rig.kafka.create_topics({rig.topic("dead-letters"): 2})
    rig.finish(fleet, within=90)
