"""--replay-from: an earlier place, nothing counts twice, and what was sent is not sent again; topics made anew."""

import json
import re
import threading
import time

import events
import oracle
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from conftest import pipeline, quick_group
from services import SRC, run_churnd, wait_for

CONSUMER = SRC / "config/consumer.yaml"
TOPIC = "customer-events"


def setup(stack, seed, count=4000):
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({TOPIC: 3})
    stack.kafka.produce(TOPIC, events.load(count, 200, seed) + events.adversarial(seed, with_big=False)[:200])
    stack.run("-c", CONSUMER, "--until-end")
    model = oracle.Model().feed_topics(stack.kafka.brokers, [TOPIC])
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    return model


def sent(stack):
    """How many alerts, dead letters and requests there are."""
    count = lambda topic: sum(1 for _ in oracle.read_topics(stack.kafka.brokers, [topic]))
    return count("customer-alerts"), count("churn-dead-letters"), len(stack.api.requests)


def committed(stack, group="churn-consumer-group"):
    consumer = Consumer({"bootstrap.servers": stack.kafka.brokers, "group.id": group})
    try:
        return [p.offset for p in consumer.committed([TopicPartition(TOPIC, i) for i in range(3)], 10)]
    finally:
        consumer.close()


def already_counted(run):
    found = re.search(r"already counted ([\d,]+)", run.out)
    return int(found[1].replace(",", "")) if found else 0


@pytest.mark.parametrize("where", ["beginning", "0", "time", "yesterday", "24h"])
def test_a_replay_changes_and_sends_nothing(stack, seed, where):
    model = setup(stack, seed)
    before, offsets = sent(stack), committed(stack)
    if where == "time":
        where = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    run = stack.run("-c", CONSUMER, "--until-end", "--replay-from", where)
    assert already_counted(run) == model.events
    assert sent(stack) == before and committed(stack) == offsets
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))


def test_a_replay_restores_deleted_profiles_and_goes_on_with_new_events(stack, seed):
    model = setup(stack, seed)
    before = sent(stack)
    for customer in list(model.profiles)[:50]:
        stack.redis.client.delete(f"profile:{customer}")
    new = events.load(1000, 200, seed + 1)
    stack.kafka.produce(TOPIC, new)
    model = oracle.Model().feed_topics(stack.kafka.brokers, [TOPIC])
    stack.run("-c", CONSUMER, "--until-end", "--replay-from", "beginning")
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_alerts(model, [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])])
    alerts, dead, _ = sent(stack)
    assert (alerts, dead) == (len(model.alerts), before[1]), "sent once: what is new, and nothing of what was replayed"


def test_replay_outputs_sends_again_with_the_same_ids(stack, seed):
    model = setup(stack, seed)
    before = sent(stack)
    stack.run("-c", CONSUMER, "--until-end", "--replay-from", "beginning", "--replay-outputs")
    alerts, dead, requests = sent(stack)
    assert (alerts, dead) == (2 * before[0], 2 * before[1]) and requests > before[2]
    repeats = oracle.assert_alerts(model, [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])])
    assert repeats == before[0]


def test_a_time_in_the_middle(stack, seed):
    setup(stack, seed, 1000)
    time.sleep(1.1)
    middle = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    stack.kafka.produce(TOPIC, events.load(300, 50, seed + 1))
    stack.run("-c", CONSUMER, "--until-end")
    assert already_counted(stack.run("-c", CONSUMER, "--until-end", "--replay-from", middle)) == 300
    future = stack.run("-c", CONSUMER, "--until-end", "--replay-from", "2099-01-01T00:00:00Z")
    assert already_counted(future) == 0 and "nothing to replay" in future.err


def test_a_replay_that_is_killed_leaves_the_group_where_it_was(stack, seed):
    model = setup(stack, seed)
    offsets = committed(stack)
    stack.slow_redis(0.002)
    daemon = stack.churnd("-c", pipeline(stack.folder / "p.yaml", quick_group), "--replay-from", "beginning")
    wait_for("the replay", lambda: "is replayed from" in daemon.err)
    time.sleep(1.5)
    daemon.kill()
    assert committed(stack) == offsets
    stack.run("-c", pipeline(stack.folder / "p.yaml", quick_group), "--until-end")
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))


@pytest.mark.parametrize("text", ["tomorrow", "-1", "24 hours", "2026-13-01T00:00:00Z", ""])
def test_wrong_places(text):
    done = run_churnd("run", "-c", CONSUMER, f"--replay-from={text}", check=1)
    assert "--replay-from" in done.stderr and "2026-01-01T00:00:00Z" in done.stderr


def test_a_topic_made_anew_stops_the_source(stack, seed):
    """Shorter than what was counted: an error that names `epoch`; with it, all of the new topic counts."""
    old = setup(stack, seed)
    admin = AdminClient({"bootstrap.servers": stack.kafka.brokers})
    admin.delete_topics([TOPIC])[TOPIC].result(30)
    wait_for("the topic's end", lambda: not stack.kafka.topic_exists(TOPIC))
    stack.kafka.create_topics({TOPIC: 3})
    new = events.load(300, 200, seed + 1)
    stack.kafka.produce(TOPIC, new)
    for group in ("churn-consumer-group", "another-group"):
        failed = stack.churnd("-c", CONSUMER, "--until-end", env={"KAFKA_GROUP_ID": group})
        assert failed.wait(60) == 1 and "epoch" in failed.err and "made anew" in failed.err, failed.err[-2000:]
    oracle.assert_profiles(old, stack.redis.hashes("profile:"))

    def change(settings):
        settings["source"]["epoch"] = "1"

    config = pipeline(stack.folder / "epoch.yaml", change)
    run = stack.run("-c", config, "--until-end")
    assert f"applied {len(new)}" in run.out
    assert sum(int(f["events_total"]) for f in stack.redis.hashes("profile:").values()) == old.events + len(new)
    ids = [json.loads(a[4])["alert_id"] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])]
    assert len(ids) == len(set(ids)), "positions of the new topic are told apart from the old one's"
    assert f"already counted {len(new)}" in stack.run("-c", config, "--until-end", "--replay-from", "beginning").out


def feed(stack, seed, stop, topic=TOPIC):
    """Orders without an end, each of which asks for a prediction."""
    batch = 0
    while not stop.is_set():
        batch += 1
        stack.kafka.produce(topic, events.load(100, 50, seed + batch))
        stop.wait(0.1)


def test_a_run_until_the_end_beside_another_that_runs(stack, seed):
    """A replay does not succeed while others hold partitions, says so, and has them once they have gone; a run until the
    end does not wait for what others make."""
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({TOPIC: 3})
    stack.kafka.produce(TOPIC, events.load(2000, 200, seed))
    config = pipeline(stack.folder / "p.yaml", quick_group)
    daemon = stack.churnd("-c", config)
    replay = stack.churnd("-c", config, "--until-end", "--replay-from", "beginning")
    assert replay.wait(120) == 1
    assert re.search(
        r"ERROR churnd: the replay is not whole: \d of 3 partitions were held by other members .*customer-events/\d",
        replay.err,
    ), replay.err
    assert daemon.running()
    stop = threading.Event()
    producer = threading.Thread(target=feed, args=(stack, seed, stop), daemon=True)
    producer.start()
    try:
        wait_for("predictions of the daemon", lambda: len(stack.api.requests) > 100)
        stack.api.delay = 0.3  # triggers come faster than they are served
        assert stack.churnd("-c", config, "--until-end").wait(120) == 0, "what comes meanwhile is not waited for"
        replay = stack.churnd("-c", config, "--until-end", "--replay-from", "beginning")
        wait_for("the warning", lambda: "not replayed while those run" in replay.err or not replay.running(), 60)
    finally:
        stop.set()
        producer.join()
    replay.wait(120)
    assert daemon.terminate() == 0
    assert stack.churnd("-c", config, "--until-end", "--replay-from", "beginning").wait(120) == 0
    oracle.assert_profiles(oracle.Model().feed_topics(stack.kafka.brokers, [TOPIC]), stack.redis.hashes("profile:"))
