"""A pipeline whose far side is slow or stuck: memory stays bounded, the group keeps its member, and nothing is dropped.

There is far more to read than the memory that churnd may take (`CAP`), and the stall is longer than max.poll.interval.ms.
"""

import time

import events
import pytest

CAP = 160 << 20
PADDED, PADDING = 30000, 6000  # 180 MB of records
STALL_S = 12


def fill_with_large_events(rig):
    """Events with a member that nobody reads, so that they are many bytes for few profiles."""
    padding = b',"padding":"' + b"x" * PADDING + b'"}'
    rig.kafka.produce(rig.topics[0], [(k, v[:-1] + padding) for k, v in events.load(PADDED, 600, rig.seed)])


def small_memory(settings):
    settings["source"].update(buffer="4MiB")
    settings["source"]["properties"].update({"max.poll.interval.ms": "6000", "session.timeout.ms": "3000"})
    settings["store"].update(cache_size="4MiB", window_bytes="2MiB", window_events="1000")


def to_webhook(rig, settings):
    settings["sinks"][1].update(to=["kafka", "webhook"], webhook_url=rig.api.url + "/alerts", webhook_concurrency="16")


def through_the_link(rig, settings):
    """What is written goes the way that can be closed, with little room in the producer's queue; reading does not."""
    for section in (settings["sinks"][1], settings["dead_letters"]):
        section["brokers"] = rig.kafka.proxied_brokers
        section["properties"] = {"queue.buffering.max.messages": "500"}


def slow_redis(rig):
    rig.link.delay = 0.25
    yield
    rig.link.delay = 0.0


def stuck_redis(rig):
    rig.store.freeze()
    yield
    rig.store.thaw()


def stuck_webhook(rig):
    rig.api.mode = "hang"
    yield
    rig.api.mode = "ok"
    rig.api.released.set()


def full_producer(rig):
    rig.kafka.link.blackhole = True
    yield
    rig.kafka.link.blackhole = False
    rig.kafka.link.cut_all()


@pytest.mark.parametrize("stall", [slow_redis, stuck_redis, stuck_webhook, full_producer])
def test_backpressure(rig, stall):
    def change(settings):
        small_memory(settings)
        if stall is stuck_webhook:
            to_webhook(rig, settings)
        if stall is full_producer:
            through_the_link(rig, settings)

    rig.up(count=1000, bad=True, delay=0.0)
    fill_with_large_events(rig)
    fleet = rig.fleet(0, change)
    rig.fault(stall.__name__)
    fault = stall(rig)
    next(fault)
    member = fleet.start()
    rig.says(fleet, "worker 0 reads")
    time.sleep(STALL_S)
    group = rig.group()
    behind = group.lag()
    assert behind > PADDED / 3, f"not held up: {behind} records behind"
    next(fault, None)
    rig.finish(fleet, within=150)
    assert "gives up" not in member.err, "evicted from the group"
    peak = rig.watch.peak_rss()
    print(f"{behind} records of {PADDED} behind, at most {peak >> 20} MiB")
    assert peak < CAP, f"{peak >> 20} MiB of memory"
