"""How long after it was produced an event shows in its profile, while another process produces 20,000 events a second.

Probes are events of a few customers of their own, produced at fixed times whatever became of those before, so that a slow
moment is not skipped. A connection to Redis of its own asks for their marks about every millisecond."""

import json
import time

import oracle
import redis
from rig import CHURND, HOST, PARTITIONS, Failed, make_events, pipeline, say
from services import Process, wait_for

RATE, SECONDS = 20000, 20
PROBES_A_SECOND, PROBE_CUSTOMERS = 50, 64
PAUSE_S = 0.0005  # between two looks
PATIENCE_S = 30


class Probe:
    """One event of a probe customer; `mark` and `offset` are known once the broker has it."""

    def __init__(self, number):
        self.customer = f"probe_{number % PROBE_CUSTOMERS}"
        self.value = json.dumps(
            {
                "event_id": f"{self.customer}_{number}",
                "event_type": "login",
                "customer_id": self.customer,
                "timestamp": oracle.time_text(1767225600000 + number),
                "data": {},
            }
        )
        self.produced = self.shown = self.mark = self.offset = None

    def produce(self, producer, topic):
        self.produced = time.monotonic()
        producer.produce(topic, key=self.customer, value=self.value, on_delivery=self._delivered)

    def _delivered(self, error, message):
        if error is not None:
            raise Failed(f"a probe was not produced: {error}")
        self.mark, self.offset = f"_m:{message.topic()}/{message.partition()}", message.offset()


def look(client, waiting):
    """The probes that are not in their profiles yet."""
    placed = [probe for probe in waiting if probe.mark is not None]
    pipe = client.pipeline(transaction=False)
    for probe in placed:
        pipe.hget(f"profile:{probe.customer}", probe.mark)
    marks = pipe.execute() if placed else []
    now = time.monotonic()
    for probe, mark in zip(placed, marks, strict=True):
        if mark is not None and int(mark) > probe.offset:
            probe.shown = now
    return [probe for probe in waiting if probe.shown is None]


def probe_for(rig, topic, count):
    """Latencies of `count` probes in ms."""
    client = redis.Redis(HOST, rig.redis.port)
    producer = rig.kafka.producer(**{"linger.ms": 0})
    probes = [Probe(number) for number in range(count)]
    coming, waiting, start = list(reversed(probes)), [], time.monotonic()
    while coming or waiting:
        now = time.monotonic()
        if coming and now >= start + (count - len(coming)) / PROBES_A_SECOND:
            probe = coming.pop()
            probe.produce(producer, topic)
            waiting.append(probe)
        producer.poll(0)
        waiting = look(client, waiting)
        if waiting and now - waiting[0].produced > PATIENCE_S:
            raise Failed(f"a probe did not show within {PATIENCE_S} s")
        time.sleep(PAUSE_S)
    return sorted((probe.shown - probe.produced) * 1000 for probe in probes)


def percentiles(latencies):
    def at(share):
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    return {"probes": len(latencies), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": latencies[-1]}


def measure(rig):
    say(f"latency: {RATE:,} events/s for {SECONDS} s")
    rig.redis.client.flushall()
    topic = rig.fresh_name("latency")
    rig.kafka.create_topics({topic: PARTITIONS})
    engine = Process([CHURND, "-c", pipeline("profiles")], rig.folder, topic, env=rig.environment(topic, topic))
    producer = None
    try:
        probe_for(rig, topic, 1)  # the engine has its partitions
        producer = make_events(rig.kafka, rig.folder, topic, RATE * SECONDS, rig.customers, rate=RATE)
        wait_for("the load", lambda: rig.redis.client.dbsize() > 1000)
        latencies = probe_for(rig, topic, (SECONDS - 2) * PROBES_A_SECOND)
        if not producer.running():
            raise Failed("the load ended before the probes")
        return percentiles(latencies)
    finally:
        for process in (producer, engine):
            if process is not None:
                process.end()
        rig.kafka.manage("delete_topics", [topic])
