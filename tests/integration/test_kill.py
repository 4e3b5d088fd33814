"""Exact profiles whatever is killed, restarted or rebalanced, in the middle of load."""

import random
import signal
import threading
import time

import events
import oracle
import pytest
from conftest import pipeline, quick_group
from services import SRC, wait_for

TOPICS = ["customer-events", "user-events"]


def small_windows(settings):
    """Many writes, so that a kill finds some in flight."""
    quick_group(settings)
    settings["store"]["window_events"] = 300


def start_services(stack, seed, count=30000, delay=0.004):
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    proxy = stack.slow_redis(delay)
    stack.kafka.create_topics({"customer-events": 4, "user-events": 2})
    stack.kafka.produce("customer-events", events.load(count, 2000, seed))
    stack.kafka.produce(
        "user-events", events.load(count // 4, 2000, seed + 1) + events.adversarial(seed, with_big=False)
    )
    return proxy


def wait_for_writes(stack, process, count):
    """Returns once churnd wrote `count` more times, or has ended."""
    start = stack.redis.commands()
    wait_for("writes", lambda: stack.redis.commands() > start + count or not process.running(), 60, 0.01)


def finish(stack, config, env=None):
    """Runs to the end; the profiles must be exact and no alert missing."""
    stack.run("-c", config, "--until-end", timeout=300, env=env)
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    repeats = oracle.assert_alerts(model, [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])])
    missing = model.triggers.keys() - stack.redis.hashes("prediction:").keys()
    assert not missing, f"{len(missing)} customers without prediction: {sorted(missing)[:5]}"
    oracle.assert_dead_letters(
        model,
        set(oracle.kafka_dead_letters(stack.kafka.brokers, "churn-dead-letters"))
        if stack.kafka.topic_exists("churn-dead-letters")
        else [],
    )
    return repeats


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_under_load(stack, seed, workers):
    rng = random.Random(seed)
    start_services(stack, seed)

    def change(settings):
        small_windows(settings)
        settings["workers"] = workers

    config = pipeline(stack.folder / "consumer.yaml", change)
    killed = 0
    for _ in range(6):
        process = stack.churnd("-c", config)
        wait_for_writes(stack, process, rng.randrange(1, 1500))
        time.sleep(rng.random() * 0.1)
        assert process.running(), process.err[-3000:]
        process.kill()
        killed += 1
    assert killed == 6
    stack.env["REDIS_PORT"] = str(stack.redis.port)
    print("alerts repeated:", finish(stack, config))


def test_instances_join_and_leave(stack, seed):
    """Two to three members of one group while a producer writes: SIGTERM and kill -9 by turns."""
    rng = random.Random(seed)
    start_services(stack, seed, 15000, 0.002)
    config = pipeline(stack.folder / "consumer.yaml", small_windows)
    stop = threading.Event()

    def feed():
        turn = 0
        while not stop.is_set():
            turn += 1
            stack.kafka.produce(TOPICS[turn % 2], events.load(1000, 2000, seed + 10 + turn))
            stop.wait(0.4)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        members = [stack.churnd("-c", config), stack.churnd("-c", config)]
        for turn in range(8):
            wait_for_writes(stack, members[0], rng.randrange(100, 2500))
            time.sleep(rng.random())
            member = members.pop(rng.randrange(len(members)))
            if turn % 2:
                member.kill()
            else:
                status = member.terminate(60)
                assert status == 0, member.err[-3000:]
            members.append(stack.churnd("-c", config))
    finally:
        stop.set()
        feeder.join()
    for member in members:
        assert member.terminate(60) == 0, member.err[-3000:]
    finish(stack, config)


def test_zombie(stack, seed):
    """An instance frozen past its session, whose partitions another took over, changes nothing when it wakes."""
    start_services(stack, seed, 20000, 0.002)
    config = pipeline(stack.folder / "consumer.yaml", small_windows)
    zombie = stack.churnd("-c", config)
    wait_for_writes(stack, zombie, 1500)
    zombie.send(signal.SIGSTOP)
    heir = stack.churnd("-c", config)
    wait_for_writes(stack, heir, 3000)
    zombie.send(signal.SIGCONT)
    time.sleep(2)
    stack.kafka.produce("customer-events", events.load(3000, 2000, seed + 5))
    time.sleep(2)
    for process in (zombie, heir):
        assert process.terminate(60) == 0, process.err[-3000:]
    finish(stack, config)


def test_sigterm_ends_in_time_and_loses_nothing(stack, seed):
    start_services(stack, seed)
    config = pipeline(stack.folder / "consumer.yaml", small_windows)
    for number in (signal.SIGTERM, signal.SIGINT):
        process = stack.churnd("-c", config)
        wait_for_writes(stack, process, 1000)
        process.send(number)
        start = time.monotonic()
        assert process.wait(40) == 0, process.err[-3000:]
        assert time.monotonic() - start < 30
    finish(stack, config)


def test_sigterm_while_everything_is_down(stack):
    """Nothing to talk to: it waits, and still ends at once when told."""
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 1})
    stack.kafka.produce("customer-events", events.load(500, 20, 1))
    stack.redis.kill()
    stack.api.stop()

    def change(settings):
        settings["shutdown_timeout"] = "5s"

    config = pipeline(stack.folder / "consumer.yaml", change)
    process = stack.churnd("-c", config)
    wait_for("a word about Redis", lambda: "edis" in process.err, 30)
    assert process.running()
    start = time.monotonic()
    assert process.terminate(30) == 0
    assert time.monotonic() - start < 15
    stack.kafka.stop()
    process = stack.churnd("-c", config)
    time.sleep(2)
    assert process.running(), process.err[-3000:]
    assert process.terminate(30) == 0


def test_broker_restart(stack, seed):
    """The broker goes away under load and comes back."""
    start_services(stack, seed)
    config = pipeline(stack.folder / "consumer.yaml", small_windows)
    process = stack.churnd("-c", config)
    wait_for_writes(stack, process, 1000)
    stack.kafka.process.kill()
    time.sleep(3)
    assert process.running(), process.err[-3000:]
    stack.kafka.start()
    wait_for_writes(stack, process, 1000)
    assert process.running(), process.err[-3000:]
    assert process.terminate(60) == 0
    finish(stack, config)


def test_records_without_the_customers_key(stack, seed):
    """A customer spread over all partitions and both topics, two workers: slower, and as exact."""
    rng = random.Random(seed)
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 4, "user-events": 2})
    load = [(rng.choice([None, b"a", b"b", b"c", b"d"]), value) for _, value in events.load(20000, 30, seed)]
    stack.kafka.produce("customer-events", load[:15000])
    stack.kafka.produce("user-events", load[15000:])

    def change(settings):
        small_windows(settings)
        settings["workers"] = 2

    config = pipeline(stack.folder / "consumer.yaml", change)
    process = stack.churnd("-c", config)
    wait_for_writes(stack, process, 300)
    process.kill()
    finish(stack, config)


def test_shipped_consumer_after_kill(stack, seed):
    """The shipped file itself, killed once: its group's session is the library's default."""
    start_services(stack, seed, 40000, 0.002)
    config = SRC / "config/consumer.yaml"
    process = stack.churnd("-c", config)
    wait_for_writes(stack, process, 500)
    process.kill()
    finish(stack, config)
