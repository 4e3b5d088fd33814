"""The processor `dedup`: a producer that sends one event in ten twice, next to each other, far apart and in another topic."""

import json
import random
import time

import events
import oracle
import pytest
import yaml
from conftest import pipeline
from services import wait_for

TOPICS = ["customer-events", "user-events"]
PARTITIONS = {"customer-events": 4, "user-events": 2}


def with_copies(seed, count, customers):
    """Events for both topics; a tenth of them a second time, byte for byte: at once, later, or in the other topic."""
    rng = random.Random(seed)
    load, others = [], []
    for record in events.load(count, customers, seed):
        load.append(record)
        draw = rng.random()
        if draw < 0.04:
            load.append(record)
        elif draw < 0.07:
            load.insert(rng.randrange(len(load) // 2, len(load)), record)
        elif draw < 0.10:
            others.append(record)
    return load, events.load(count // 10, customers, seed + 1, event_prefix="u") + others


def change(settings):
    settings["sinks"] = [sink for sink in settings["sinks"] if sink["plugin"] == "alert"]
    settings["source"]["properties"] = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    settings["store"]["window_events"] = 300
    settings["workers"] = 2
    settings["processors"] = [{"plugin": "dedup"}]


def start(stack, seed, count, delay=0.0, durable=False):
    stack.start_kafka()
    stack.start_redis(durable=durable)
    if delay:
        stack.slow_redis(delay)
    stack.kafka.create_topics(PARTITIONS)
    for topic, records in zip(TOPICS, with_copies(seed, count, 500), strict=True):
        stack.kafka.produce(topic, records)
    return pipeline(stack.folder / "consumer.yaml", change)


def expected(stack):
    """What must have come of it: of the positions that carry an id, the one that has it in Redis counts, and only that one.
    Which one that is, is churnd's choice where two workers read copies at the same time; everything else is not."""
    owners = {key: fields["at"] for key, fields in stack.redis.hashes("churnd:dedup:profile:").items()}
    model, places, fed = oracle.Model(), {}, []
    for topic, partition, offset, key, value, _ in oracle.read_topics(stack.kafka.brokers, TOPICS):
        event = json.loads(value)
        identity = f"{event['customer_id']}\t{event['event_id']}"
        place = f"{topic}/{partition}/{offset}"
        places.setdefault(identity, []).append(place)
        if owners.get(identity) == place:
            model.feed(topic, partition, offset, key, value)
            fed.append(identity)
    assert sorted(fed) == sorted(places) == sorted(owners), "each id has one owner, which is one of its positions"
    copies = sum(len(p) - 1 for p in places.values())
    across = sum(len({place.split("/")[0] for place in p}) > 1 for p in places.values())
    assert copies > len(places) * 0.06 and across > len(places) * 0.01
    return model, copies, owners


def assert_all(stack, model, lost=False):
    """Returns how many alerts were repeats, of events that were delivered again. `lost`: the store lost ids, after which
    another copy may be the one that counts, and its alert has another id."""
    profiles = stack.redis.hashes("profile:")
    oracle.assert_profiles(model, profiles)
    assert sum(int(p["events_total"]) for p in profiles.values()) == model.events
    alerts = [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])]
    if not lost:
        return oracle.assert_alerts(model, alerts)
    assert {oracle.parse_alert(raw)[1] for raw in alerts} == {alert for _, alert in model.alerts}
    return len(alerts) - len(model.alerts)


def test_events_that_are_sent_twice(stack, seed):
    config = start(stack, seed, 20000)
    run = stack.run("-c", config, "--until-end", timeout=300)
    model, copies, owners = expected(stack)
    assert assert_all(stack, model) == 0, "nothing was delivered twice, so each event raised its alert once"
    assert f"duplicate {copies:,}" in run.out, (copies, run.out)
    ttl = stack.redis.client.pttl("churnd:dedup:profile:" + next(iter(owners)))
    assert 86_000_000 < ttl <= 86_400_000

    # More copies, of events that another process has counted; then everything again, by another group.
    again = random.Random(seed).sample(with_copies(seed, 20000, 500)[0], 2000)
    stack.kafka.produce("user-events", again)
    run = stack.run("-c", config, "--until-end")
    assert f"duplicate {len(again):,}" in run.out
    for group in ("a", "b"):
        run = stack.run("-c", config, "--until-end", env={"KAFKA_GROUP_ID": group}, timeout=300)
        assert f"duplicate {copies + len(again):,}" in run.out, run.out
        assert f"already counted {model.events:,}" in run.out and "applied" not in run.out, run.out
    model, _, after = expected(stack)
    assert after == owners
    assert_all(stack, model)


def test_kill_9_and_restart(stack, seed):
    """Killed while copies are read, again and again: the same positions count."""
    rng = random.Random(seed)
    config = start(stack, seed, 20000, 0.004)
    owners = {}
    for _ in range(4):
        process = stack.churnd("-c", config)
        wait_for_commands(stack, process, rng.randrange(500, 6000))
        process.kill()
        now = {key: fields["at"] for key, fields in stack.redis.hashes("churnd:dedup:profile:").items()}
        assert owners.items() <= now.items(), "an id changed its owner"
        owners = now
    stack.env["REDIS_PORT"] = str(stack.redis.port)
    stack.run("-c", config, "--until-end", timeout=300)
    model, _, last = expected(stack)
    assert owners.items() <= last.items()
    print("alerts repeated:", assert_all(stack, model))

    stack.run("-c", config, "--until-end", env={"KAFKA_GROUP_ID": "another"}, timeout=300)
    assert expected(stack)[2] == last
    assert_all(stack, model)


def unique(stack):
    """How many events there are, without copies."""
    return len(
        {
            (e["customer_id"], e["event_id"])
            for e in (json.loads(record[4]) for record in oracle.read_topics(stack.kafka.brokers, TOPICS))
        }
    )


def counted(stack):
    return sum(int(p["events_total"]) for p in stack.redis.hashes("profile:").values())


def wait_for_commands(stack, process, count):
    begin = stack.redis.commands()
    wait_for("commands", lambda: stack.redis.commands() > begin + count or not process.running(), 60, 0.01)
    assert process.running(), process.err[-3000:]


def finish(stack, daemon, lost=False):
    """The running consumer gets there by itself."""
    total = unique(stack)
    wait_for("all events", lambda: counted(stack) == total or not daemon.running(), 120, 0.3)
    assert daemon.terminate(60) == 0, daemon.err[-3000:]
    model, _, owners = expected(stack)
    assert_all(stack, model, lost)
    stack.run("-c", stack.folder / "consumer.yaml", "--until-end", env={"KAFKA_GROUP_ID": "another"}, timeout=300)
    assert expected(stack)[2] == owners
    print("alerts repeated:", assert_all(stack, model, lost))


def test_redis_out_of_reach(stack, seed):
    """Killed, frozen and full, each for longer than one event waits: the source waits, and nothing is decided twice."""
    config = start(stack, seed, 12000, 0.003, durable=True)
    daemon = stack.churnd("-c", config)
    wait_for_commands(stack, daemon, 1500)
    stack.redis.kill()
    time.sleep(6)
    stack.redis.start()
    wait_for_commands(stack, daemon, 1000)
    stack.redis.freeze()
    time.sleep(7)
    stack.redis.thaw()
    wait_for_commands(stack, daemon, 1000)
    stack.redis.client.config_set("maxmemory", 1)
    time.sleep(4)
    assert daemon.running(), daemon.err[-3000:]
    stack.redis.client.config_set("maxmemory", 0)
    assert "cannot tell whether an event was seen before" in daemon.err
    finish(stack, daemon)


@pytest.mark.parametrize("kept", [True, False], ids=["lost its last writes", "lost everything"])
def test_redis_lost_ids(stack, seed, kept):
    """It comes back as it was some time before, or empty: what it lost of the ids goes with the profiles that rest on them."""
    config = start(stack, seed, 12000, 0.003)
    daemon = stack.churnd("-c", config)
    for _ in range(2):
        wait_for_commands(stack, daemon, 2000)
        if kept:
            stack.redis.client.save()
        wait_for_commands(stack, daemon, 2500)
        before = len(stack.redis.client.keys("churnd:dedup:*"))
        stack.redis.kill()
        stack.redis.start()
        assert len(stack.redis.client.keys("churnd:dedup:*")) < before
    finish(stack, daemon, lost=True)


def test_dead_letters_that_are_put_back(stack, seed):
    """An id belongs to the event's own place, not to its dead letter's: copies that come back from there count once, too."""
    config = start(stack, seed, 3000)
    settings = yaml.safe_load(config.read_text())
    settings["events"]["types"] = sorted(set(oracle.TYPES) - {"login", "order_placed"})
    narrow = stack.folder / "narrow.yaml"
    narrow.write_text(yaml.safe_dump(settings))
    stack.run("-c", narrow, "--until-end")
    total = unique(stack)
    assert counted(stack) < total
    stack.run("redrive", "-c", config)
    assert counted(stack) == total
    model, copies, _ = expected(stack)
    assert assert_all(stack, model) == 0
    run = stack.run("-c", config, "--until-end", env={"KAFKA_GROUP_ID": "another"})
    assert f"duplicate {copies:,}" in run.out
    assert_all(stack, expected(stack)[0])
