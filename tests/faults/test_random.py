"""Random schedules: a random sequence of faults over a continuous load with two or three instances, then the oracle.

FAULT_SCHEDULES says how many (default 3), FAULT_STEPS how long each is (default 15); FAULT_SEED repeats them all.
"""

import os
import signal
import time

import pytest
from rig import SEED


def kill_instance(rig, fleet):
    fleet.kill(rig.rng)
    fleet.start()


def stop_instance(rig, fleet):
    fleet.terminate(rig.rng.choice(fleet.members))
    fleet.start()


def freeze_instance(rig, fleet):
    zombie = rig.rng.choice(fleet.members)
    zombie.send(signal.SIGSTOP)
    time.sleep(rig.rng.uniform(0.5, 6))
    zombie.send(signal.SIGCONT)


def kill_at_failpoint(rig, fleet):
    member = fleet.take(rig.rng)
    assert member.terminate() == 0, member.err[-3000:]
    point = rig.rng.choice(
        ["after_poll", "mid_pipeline", "after_store_ack", "after_produce", "before_commit", "after_commit"]
    )
    doomed = fleet.start(
        {"CHURN_FAILPOINT": f"{point}:{rig.rng.randint(1, 5)}", "WINDOW_EVENTS": str(rig.rng.randint(10, 300))}
    )
    fleet.members.remove(doomed)
    try:
        doomed.wait(8)
    except AssertionError:  # no partition came its way
        doomed.kill()
    fleet.start()


def freeze_redis(rig, _):
    rig.store.freeze()
    time.sleep(rig.rng.uniform(0.2, 4))
    rig.store.thaw()


def kill_redis(rig, _):
    """It keeps what it acknowledged in one schedule, and nothing in another."""
    rig.watch.store_lost()
    rig.store.kill()
    time.sleep(rig.rng.uniform(0, 2))
    rig.store.start()


def redis_full(rig, _):
    rig.store.client.config_set("maxmemory", 1)
    time.sleep(rig.rng.uniform(0.2, 2))
    rig.store.client.config_set("maxmemory", 0)


def flush_scripts(rig, _):
    rig.store.client.script_flush()


def cut_in_an_answer(rig, _):
    rig.link.cut_after = rig.rng.randint(1, 3000)


def cut_redis(rig, _):
    rig.rng.choice([rig.link.cut_all, rig.link.half_close])()


def black_hole(rig, _):
    rig.link.blackhole = True
    time.sleep(rig.rng.uniform(0.2, 4))
    rig.link.blackhole = False
    rig.link.cut_all()


def slow_redis(rig, _):
    rig.link.delay, rig.link.answer_delay = rig.rng.uniform(0, 0.05), rig.rng.uniform(0, 0.05)
    time.sleep(2)
    rig.link.delay, rig.link.answer_delay = 0.002, 0.0


def freeze_broker(rig, _):
    rig.kafka.process.send(signal.SIGSTOP)
    time.sleep(rig.rng.uniform(0.2, 4))
    rig.kafka.process.send(signal.SIGCONT)


def kill_broker(rig, _):
    rig.kafka.process.kill()
    rig.kafka.start()


def api_fails(rig, _):
    rig.api.mode = rig.rng.choice(["error", "garbage", "hang"])
    time.sleep(1)
    rig.api.mode = "ok"
    rig.api.released.set()


def add_partitions(rig, _):
    from confluent_kafka.admin import NewPartitions

    topic = rig.rng.randrange(2)
    rig.partitions[topic] += 1
    rig.kafka.manage("create_partitions", [NewPartitions(rig.topics[topic], rig.partitions[topic])])


REPERTOIRE = [
    kill_instance,
    kill_instance,
    stop_instance,
    freeze_instance,
    kill_at_failpoint,
    kill_at_failpoint,
    freeze_redis,
    kill_redis,
    redis_full,
    flush_scripts,
    cut_in_an_answer,
    cut_redis,
    black_hole,
    slow_redis,
    freeze_broker,
    kill_broker,
    api_fails,
    add_partitions,
]


@pytest.mark.random
@pytest.mark.parametrize("schedule", range(int(os.environ.get("FAULT_SCHEDULES") or 3)))
def test_schedule(rig, schedule):
    forgets = rig.rng.random() < 0.5
    rig.up(
        redis={"options": [] if forgets else ["--appendonly", "yes", "--appendfsync", "always"]}, count=6000, bad=True
    )
    print(f"FAULT_SEED={SEED}; Redis keeps {'nothing' if forgets else 'everything'}")
    fleet = rig.fleet(rig.rng.randint(2, 3), restart=False, env={"WINDOW_EVENTS": str(rig.rng.randint(20, 400))})
    with rig.streaming(300, 0.4):
        for _ in range(int(os.environ.get("FAULT_STEPS") or 15)):
            time.sleep(rig.rng.uniform(0, 1.5))
            fleet.tend()
            fault = rig.rng.choice(REPERTOIRE)
            rig.fault(fault.__name__)
            fault(rig, fleet)
    rig.finish(fleet, within=120, cached=False)
