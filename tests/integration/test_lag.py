"""How far a run is behind, told while what it needs is away: the more wanted then, and by alerts above all."""

import json
import time

import yaml
from lights import ask
from metrics import fetch, parse, value
from services import HOST, free_port, wait_for

TOPIC = "lagging-events"


def event(number, size=0):
    """(key, value)"""
    customer = f"c{number % 50}"
    made = {
        "event_id": f"e{number}",
        "event_type": "login",
        "customer_id": customer,
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"device": "x" * size},
    }
    return customer, json.dumps(made).encode()


def start(stack, name, port, redis, brokers=None, **sections):
    folder = stack.folder / name
    folder.mkdir()
    config = folder / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {
                    "plugin": "kafka",
                    "brokers": brokers or stack.kafka.brokers,
                    "topics": [TOPIC],
                    "group_id": "lagging",
                    "properties": {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"},
                },
                "store": {"plugin": "redis", "host": HOST, "port": redis.port, "timeout": "1s"},
                "sinks": [{"plugin": "file", "input": "alerts", "path": str(folder / "alerts")}],
                "dead_letters": {"plugin": "file", "path": str(folder / "dead")},
                "health": {"listen": f"{HOST}:{port}"},
                "shutdown_timeout": "1s",
                **sections,
            }
        )
    )
    return stack.churnd("-c", config)


class Watched:
    """The lag of a run, looked at again and again: once known it never vanishes."""

    def __init__(self, port):
        self.port = port
        self.samples = {}
        self.known = False
        self.lasts = True

    def look(self):
        try:
            self.samples = parse(fetch(self.port)[2])[0]
        except OSError:
            return False
        told = self.seconds() is not None and len(self.partitions()) > 0
        assert told or not self.known or not self.lasts, sorted(self.samples)
        self.known = told
        return True

    def seconds(self):
        return self.samples.get(("churnd_source_lag_seconds", ()))

    def partitions(self):
        return {labels[1][1]: n for (name, labels), n in self.samples.items() if name == "churnd_source_lag_records"}

    def records(self):
        return sum(self.partitions().values())

    def wait(self, what, condition, timeout=60):
        try:
            wait_for(what, lambda: self.look() and condition(), timeout)
        except Exception as e:
            raise AssertionError(f"{what}: {self.seconds()} s, {self.partitions()}") from e

    def wait_settled(self):
        self.wait("all to be settled", lambda: self.seconds() == 0 and self.records() == 0)


def waiting(port):
    """lag_messages of /readyz, by worker."""
    return [w.get("lag_messages") for w in json.loads(ask(port, "/readyz")[1])["workers"]]


def test_lag_while_redis_or_kafka_is_away(stack):
    """Frozen Redis: the age of the oldest record that is not settled, and what comes meanwhile. A rebalance without Redis,
    and Kafka gone: what was last known, whose age grows."""
    kafka, redis = stack.start_kafka(), stack.start_redis()
    kafka.create_topics({TOPIC: 2})
    kafka.produce(TOPIC, [event(i) for i in range(50)])
    port, other_port = free_port(), free_port()
    daemon = start(stack, "one", port, redis)
    run = Watched(port)
    run.wait_settled()
    assert set(run.partitions()) == {"0", "1"} and waiting(port) == [0]

    sent = 0

    def produce(count, size=0):
        nonlocal sent
        kafka.produce(TOPIC, [event(1000 + sent + i, size) for i in range(count)])
        sent += count

    # Events are read on, and none is settled: new ones make the old ones no younger.
    def old_enough():
        if run.seconds() < 3 and sent < 200:
            produce(1)
        return run.seconds() >= 3

    redis.freeze()
    frozen = time.monotonic()
    produce(1)
    run.wait("the age of the oldest", old_enough)
    assert run.seconds() <= time.monotonic() - frozen + 1
    run.wait("all of them", lambda: run.records() == sent and sum(waiting(port)) == sent)
    redis.thaw()
    run.wait_settled()

    # Another member, and neither finds its checkpoints; then there is more than is fetched.
    redis.freeze()
    sent = 0
    other = start(stack, "other", other_port, redis)
    second = Watched(other_port)
    second.wait("the other's share", lambda: len(second.partitions()) == 1)
    run.wait("the rest", lambda: len(run.partitions()) == 1)
    produce(10000, 500)
    run.wait("all", lambda: second.look() and run.records() + second.records() == sent)
    second.wait("its age", lambda: run.look() and run.seconds() > 1 and second.seconds() > 1)
    other.kill()
    redis.thaw()
    run.lasts = False  # before a record that waits was read
    run.wait("both", lambda: len(run.partitions()) == 2)
    run.wait_settled()
    run.lasts = True

    # Kafka is gone for longer than the group waits for its members, and Redis comes back before it does.
    redis.freeze()
    produce(3)
    run.wait("three", lambda: run.records() == 3)
    kafka.halt()
    run.wait("the end of the membership", lambda: value(run.samples, "churnd_source_assigned") == 0)
    before = run.seconds()
    redis.thaw()
    run.wait("its age to grow", lambda: run.seconds() >= before + 2)
    assert run.records() == 3 and waiting(port) == [3]
    kafka.start()
    run.wait_settled()
    assert daemon.terminate() == 0, daemon.err[-3000:]
