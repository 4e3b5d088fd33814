"""How long after it was produced an event has its prediction in the predictions topic: one customer an event, each a trigger,
produced at fixed times whatever became of those before; the API waits 5 ms, or what `--api-ms` says."""

import json
import threading
import time

import api
import latency
import oracle
from confluent_kafka import Consumer, TopicPartition
from rig import CHURND, PARTITIONS, Failed, pipeline, say
from services import Process

SECONDS, WARM_S = 10, 2
PATIENCE_S = 60


def customer_event(number):
    customer = f"late_{number:07d}"
    event = {
        "event_id": f"{customer}_1",
        "event_type": "payment_failed",
        "customer_id": customer,
        "timestamp": oracle.time_text(1767225600000 + number),
        "data": {"amount": 19.9, "payment_method": "card"},
    }
    return customer, json.dumps(event).encode()


class Load(threading.Thread):
    """Produces `rate` events a second, for `seconds`."""

    def __init__(self, kafka, topic, rate, seconds, first):
        super().__init__(daemon=True)
        self.producer, self.topic = kafka.producer(**{"linger.ms": 0}), topic
        self.rate, self.numbers = rate, range(first, first + rate * seconds)
        self.produced = {}

    def run(self):
        start = time.monotonic()
        for count, number in enumerate(self.numbers):
            while (left := start + count / self.rate - time.monotonic()) > 0:
                self.producer.poll(0)
                time.sleep(min(left, 0.0005))
            customer, value = customer_event(number)
            self.produced[customer] = time.monotonic()
            self.producer.produce(self.topic, key=customer, value=value)
        self.producer.flush(PATIENCE_S)


def take_until(consumer, load, count):
    """Latencies in ms of `count` customers' predictions."""
    took, deadline = [], time.monotonic() + PATIENCE_S + len(load.numbers) / load.rate
    while len(took) < count:
        for message in consumer.consume(1000, 0.001):
            produced = load.produced.get(message.key().decode())
            if message.error() is None and produced is not None:
                took.append((time.monotonic() - produced) * 1000)
        if time.monotonic() > deadline:
            raise Failed(f"{len(took)} of {count} predictions came")
    return took


def one_load(rig, consumer, topic, rate, seconds, first):
    load = Load(rig.kafka, topic, rate, seconds, first)
    load.start()
    took = take_until(consumer, load, len(load.numbers))
    load.join()
    return took


def watch(brokers, topic):
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{topic}-watch"})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    return consumer


def measure(rig, rate, api_ms):
    """Percentiles at `rate` triggers a second."""
    say(f"latency of predictions: {rate:,} triggers/s for {SECONDS} s, the API waits {api_ms} ms")
    rig.redis.client.flushall()
    topic = rig.fresh_name("triggers")
    names = {"BENCH_PREDICTIONS": f"{topic}-predictions", "BENCH_ALERTS": f"{topic}-alerts"}
    rig.kafka.create_topics({topic: PARTITIONS, **dict.fromkeys(names.values(), PARTITIONS)})
    engine = None
    with api.Api(rig.folder, topic, api_ms) as server:
        env = {**rig.environment(topic, topic), **names, "API_URL": server.url, "BENCH_CONCURRENCY": "64"}
        try:
            engine = Process([CHURND, "-c", pipeline("predictions")], rig.folder, topic, env=env)
            consumer = watch(rig.kafka.brokers, names["BENCH_PREDICTIONS"])
            one_load(rig, consumer, topic, 10, 1, 0)  # everybody has its partitions
            one_load(rig, consumer, topic, rate, WARM_S, 100000)
            took = sorted(one_load(rig, consumer, topic, rate, SECONDS, 1000000))
            consumer.close()
            return {"rate": rate, "api_ms": api_ms, **latency.percentiles(took)}
        finally:
            if engine is not None:
                engine.end()
            rig.kafka.manage("delete_topics", [topic, *names.values()])
