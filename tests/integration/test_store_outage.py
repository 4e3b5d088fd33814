"""Redis frozen, killed, cut off and slow, in the middle of load: exact profiles afterwards."""

import contextlib
import random
import time

import events
import oracle
from confluent_kafka import Consumer, TopicPartition
from conftest import pipeline, quick_group
from services import wait_for

TOPICS = ["customer-events", "user-events"]


def small_windows(settings):
    quick_group(settings)
    settings["store"]["window_events"] = 300


def setup(stack, seed, durable=True, delay=0.003, count=20000):
    stack.start_kafka()
    stack.start_redis(durable=durable)
    stack.start_scripted()
    proxy = stack.slow_redis(delay)
    stack.kafka.create_topics({"customer-events": 4, "user-events": 2})
    stack.kafka.produce("customer-events", events.load(count, 1500, seed))
    stack.kafka.produce("user-events", events.load(count // 4, 1500, seed + 1))
    return proxy, pipeline(stack.folder / "consumer.yaml", small_windows)


def wait_for_writes(stack, count):
    start = stack.redis.commands()
    wait_for("writes", lambda: stack.redis.commands() > start + count, 60, 0.01)


def finish(stack, daemon):
    """The running consumer gets there by itself."""
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    expected = model.profile_fields()
    try:
        wait_for("exact profiles", lambda: not oracle.differences(expected, stack.redis.hashes("profile:")), 90, 0.5)
    except AssertionError:
        print(daemon.err[-3000:])
        oracle.assert_profiles(model, stack.redis.hashes("profile:"))
        raise
    assert daemon.running(), daemon.err[-3000:]
    wait_for("the predictions", lambda: stack.redis.hashes("prediction:").keys() >= model.triggers.keys(), 90, 0.5)
    assert daemon.terminate(60) == 0, daemon.err[-3000:]
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_alerts(model, [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])])


def test_redis_frozen(stack, seed):
    _, config = setup(stack, seed)
    daemon = stack.churnd("-c", config)
    for pause in (0.5, 8, 1.5):
        wait_for_writes(stack, 700)
        stack.redis.freeze()
        time.sleep(pause)
        stack.redis.thaw()
    finish(stack, daemon)


def test_redis_killed_and_back(stack, seed):
    """What it acknowledged it kept (appendfsync always)."""
    _, config = setup(stack, seed)
    daemon = stack.churnd("-c", config)
    for pause in (0, 3, 1):
        wait_for_writes(stack, 700)
        stack.redis.kill()
        time.sleep(pause)
        stack.redis.start()
    finish(stack, daemon)


def test_both_killed(stack, seed):
    _, config = setup(stack, seed)
    for _ in range(3):
        daemon = stack.churnd("-c", config)
        wait_for_writes(stack, 700)
        stack.redis.kill()
        daemon.kill()
        stack.redis.start()
    finish(stack, stack.churnd("-c", config))


def test_connection_cut_in_the_middle_of_answers(stack, seed):
    rng = random.Random(seed)
    proxy, config = setup(stack, seed, durable=False)
    daemon = stack.churnd("-c", config)
    for _ in range(12):
        wait_for_writes(stack, 150)
        proxy.cut_after = rng.randrange(1, 4000)
        time.sleep(0.15)
    for _ in range(5):
        wait_for_writes(stack, 100)
        proxy.cut_all()
    assert proxy.cuts >= 5
    finish(stack, daemon)


def test_black_hole(stack, seed):
    """Requests vanish, the connection stays: a late answer must not count for another command."""
    proxy, config = setup(stack, seed, durable=False)
    daemon = stack.churnd("-c", config)
    wait_for_writes(stack, 500)
    proxy.blackhole = True
    time.sleep(9)
    proxy.blackhole = False
    proxy.cut_all()
    finish(stack, daemon)


def test_redis_lost_what_it_acknowledged(stack, seed):
    """No persistence, and it comes back empty: said loudly, and the topics are read again from their beginning by itself."""
    _, config = setup(stack, seed, durable=False)
    daemon = stack.churnd("-c", config)
    wait_for("commits", lambda: stack.redis.client.keys("churnd:checkpoint:*"))
    time.sleep(1.2)
    stack.redis.kill()
    stack.redis.start()
    finish(stack, daemon)
    assert "restarted, replaced or failed over" in daemon.err and "rebuilt from offset 0" in daemon.err


def test_retention_took_all_that_an_empty_redis_lacks(stack, seed):
    """The group stands where the topic begins now: what is lost is said, once. A group that never read has lost nothing."""
    kafka, redis = stack.start_kafka(), stack.start_redis()
    kafka.create_topics({"customer-events": 2})
    kafka.produce("customer-events", events.load(300, 30, seed))

    def run(group):
        def change(settings):
            quick_group(settings)
            settings["source"]["group_id"] = group
            settings["sinks"] = [{"plugin": "file", "input": "alerts", "path": str(stack.folder / "alerts")}]

        daemon = stack.churnd("-c", pipeline(stack.folder / f"{group}.yaml", change), "--until-end")
        assert daemon.wait() == 0, daemon.err[-3000:]
        return daemon.err

    def lost(err):
        return sorted(line.split("ERROR kafka: ")[1] for line in err.splitlines() if " ERROR kafka: " in line)

    assert lost(run("moved")) == []
    parts = [TopicPartition("customer-events", p) for p in (0, 1)]
    with contextlib.closing(Consumer({"bootstrap.servers": kafka.brokers, "group.id": "reader"})) as consumer:
        ends = [consumer.get_watermark_offsets(part, 20)[1] for part in parts]
    kafka.manage("delete_records", [TopicPartition("customer-events", p, end) for p, end in enumerate(ends)])
    redis.client.flushall()
    told = lost(run("moved"))
    assert len(told) == 2, told
    for partition, end in enumerate(ends):
        assert f"customer-events/{partition} was read up to offset {end}, " in told[partition]
        assert f"the {end} offsets before are lost to retention" in told[partition]
    assert lost(run("moved")) == [] and lost(run("new")) == []


def test_redis_full(stack, seed):
    """No memory left: nothing is lost, and it goes on once there is room."""
    _, config = setup(stack, seed, durable=False)
    daemon = stack.churnd("-c", config)
    wait_for_writes(stack, 500)
    stack.redis.client.config_set("maxmemory", 1)
    time.sleep(3)
    assert daemon.running(), daemon.err[-3000:]
    stack.redis.client.config_set("maxmemory", 0)
    finish(stack, daemon)


def test_password(stack, seed):
    """A password set in the environment; a wrong one is a clear error, and neither is ever shown."""
    stack.start_kafka()
    stack.start_redis(password="correct-horse-1")
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 4, "user-events": 1})
    stack.kafka.produce("customer-events", events.load(1000, 50, seed))
    config = pipeline(stack.folder / "consumer.yaml", quick_group)
    run = stack.run("-c", config, "--until-end", "--log-level", "DEBUG", env={"REDIS_PASSWORD": "correct-horse-1"})
    oracle.assert_profiles(oracle.Model().feed_topics(stack.kafka.brokers, TOPICS), stack.redis.hashes("profile:"))
    stack.kafka.produce("customer-events", events.load(10, 5, seed))
    wrong = stack.churnd(
        "-c", config, "--until-end", "--log-level", "DEBUG", env={"REDIS_PASSWORD": "battery-staple-2"}
    )
    wait_for("a word about the password", lambda: "password" in wrong.err.lower() or "WRONGPASS" in wrong.err, 30)
    wrong.kill()
    for process in (run, wrong):
        assert "correct-horse" not in process.out + process.err
        assert "battery-staple" not in process.out + process.err
