"""Dead letters put back after a fix: each event counts exactly once, whoever puts it back, how often, and whatever is
killed meanwhile."""

import base64
import json
import random
import re
import subprocess
import threading
import time

import events
import oracle
import pytest
import yaml
from conftest import pipeline
from services import CHURND, SRC, run_churnd, wait_for
from test_build import compile_plugin

TOPICS = ["customer-events", "user-events"]
DEAD = "churn-dead-letters"
BROKEN = [value for _, value in events.broken()]

GIFT = """
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"amount", .type = CHURN_FIELD_MONEY, .flags = CHURN_FIELD_REQUIRED},
};
static const churn_effect effects[] = {
    {"gift_cards", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
    {"gift_amount", .type = CHURN_PROFILE_MONEY, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "amount"},
};
static const churn_event_type type = {
    .size = sizeof type, CHURN_FIELDS(fields), CHURN_EFFECTS(effects), .severity = CHURN_SEVERITY_WARNING};
CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "gift_redeemed", .version = "1", .summary = "a gift", .ops = &type);
"""

# What is too strict in it: scores above MAX by its table, and the score REFUSED by its callback.
SURVEY = """
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"score", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .min = 0, .max = MAX},
};
static const churn_effect effects[] = {
    {"surveys", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
    {"survey_score", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_FIELD, .operand = "score"},
};
static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)delta;
    return churn_event_value(event, "score")->number == REFUSED ? churn_fail(err, CHURN_REJECT, "not this score") : CHURN_OK;
}
static const churn_event_type type = {
    .size = sizeof type, CHURN_FIELDS(fields), CHURN_EFFECTS(effects), .apply = apply};
CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "survey_answered", .version = "1", .summary = "a survey", .ops = &type);
"""


class FixedProfile(oracle.Profile):
    __slots__ = ()

    def apply(self, event, position):
        super().apply(event, position)
        if event.event_type == "gift_redeemed":
            self._count("gift_cards")
            self._sum("gift_amount", event.values["amount"])
        elif event.event_type == "survey_answered":
            self._count("surveys")
            self._count("survey_score", event.values["score"])


@pytest.fixture
def fixed_rules(monkeypatch):
    """The oracle judges as the fixed plugins do."""
    monkeypatch.setitem(oracle.TYPES, "gift_redeemed", {"amount": (oracle.MONEY, True, None)})
    monkeypatch.setitem(oracle.TYPES, "survey_answered", {"score": (oracle.INT, True, (0, 10))})
    monkeypatch.setitem(oracle.SEVERITY, "gift_redeemed", "warning")
    monkeypatch.setattr(oracle, "Profile", FixedProfile)


@pytest.fixture
def plugins(tmp_path):
    """(folder with the rules at first, folder with the fixed ones)"""

    def build(folder, name, text, *defines):
        (tmp_path / folder).mkdir(exist_ok=True)
        source = tmp_path / folder / f"{name}.c"
        source.write_text(text)
        done = subprocess.run(
            [
                "gcc",
                "-std=gnu11",
                "-O1",
                "-Wall",
                "-Werror",
                "-fPIC",
                "-fvisibility=hidden",
                "-shared",
                f"-I{SRC}/core/include",
                *defines,
                "-o",
                str(source.with_suffix(".so")),
                str(source),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    build("strict", "survey_answered", SURVEY, "-DMAX=5", "-DREFUSED=3")
    build("fixed", "survey_answered", SURVEY, "-DMAX=10", "-DREFUSED=-1")
    build("fixed", "gift_redeemed", GIFT)
    return tmp_path / "strict", tmp_path / "fixed"


def is_strictly_good(value):
    """What the rules at first take."""
    event = oracle.decode(value)
    return event.event_type != "gift_redeemed" and (
        event.event_type != "survey_answered" or (event.values["score"] <= 5 and event.values["score"] != 3)
    )


def custom_load(count, customers, seed):
    """Events of all kinds in any order: most are good at once, some after the fix, a few never."""
    rng = random.Random(seed)
    load = events.load(count, customers, seed)
    for i in range(count // 4):
        customer = f"cust_{int(customers * rng.random() ** 2)}"
        kind, data = (
            ("gift_redeemed", {"amount": rng.randrange(100000) / 100})
            if rng.random() < 0.4
            else ("survey_answered", {"score": rng.randrange(12)})
        )
        load.append(
            (
                customer.encode(),
                json.dumps(
                    {
                        "event_id": f"{customer}_x{i}",
                        "event_type": kind,
                        "customer_id": customer,
                        "timestamp": oracle.time_text(events.BASE_MS + rng.randrange(count) * 250),
                        "data": data,
                    }
                ).encode(),
            )
        )
    load += [(b"cust_1", value) for value in rng.sample(BROKEN, 40)]
    rng.shuffle(load)
    return load


def small_windows(settings):
    settings["sinks"] = [sink for sink in settings["sinks"] if sink["plugin"] == "alert"]
    settings["sinks"][0]["to"] = ["kafka"]
    settings["source"].setdefault("properties", {}).update(
        {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    )
    settings["store"]["window_events"] = 100
    settings["dead_letters"]["partitions"] = 3


def start(stack, plugins, seed, count=4000, workers=1, delay=0.0):
    stack.start_kafka()
    stack.start_redis()
    if delay:
        stack.slow_redis(delay)
    stack.kafka.create_topics({"customer-events": 3, "user-events": 2})
    for i, topic in enumerate(TOPICS):
        stack.kafka.produce(topic, custom_load(count // (i + 1), 150, seed + i))

    def change(settings):
        small_windows(settings)
        settings["workers"] = workers

    config = pipeline(stack.folder / "consumer.yaml", change)
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[0])
    return config


def model_of(stack):
    return oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)


def everything(stack):
    """The profiles with all that the engine keeps in them."""
    client = stack.redis.client
    return {key: client.hgetall(key) for key in client.scan_iter("profile:*", count=1000)}


def letters_of(stack):
    return [
        (topic, partition, offset, key, value, dict(headers or []))
        for topic, partition, offset, key, value, headers in oracle.read_topics(stack.kafka.brokers, [DEAD])
    ]


def ends_of(stack):
    """partition → the end of its dead letters"""
    ends = {}
    for _, partition, offset, *_ in letters_of(stack):
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    return ends


def origin(headers):
    return headers["churn.topic"].decode(), int(headers["churn.partition"]), int(headers["churn.offset"])


def repeat_letters(stack, letters, seed):
    """Dead letters are at least once: half of them again, in another order and anywhere."""
    producer = stack.kafka.producer()
    for _, _, _, key, value, headers in random.Random(seed).sample(letters, len(letters) // 2):
        producer.produce(DEAD, key=key, value=value, headers=list(headers.items()))
    assert producer.flush(60) == 0


def counts(out):
    """The row `redriven` of a summary."""
    total, parts = re.search(r"^  redriven +([\d,]+)(.*)$", out, re.M).groups()
    found = {name: int(n.replace(",", "")) for name, n in re.findall(r"([a-z][a-z ]+?) ([\d,]+)", parts)}
    return {"all": int(total.replace(",", "")), **found}


def redrive(stack, config, plugins, *args, timeout=300):
    run = stack.run("redrive", "-c", config, "--plugin-path", plugins[1], *args, timeout=timeout)
    return counts(run.out), run


def assert_exact(stack):
    model = model_of(stack)
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    return model


def test_after_a_fix(stack, seed, plugins, fixed_rules):
    """New event types and looser rules: what the dead letters hold counts, once; what is still bad stays a dead letter."""
    config = start(stack, plugins, seed)
    model = model_of(stack)
    before = letters_of(stack)
    positions = {origin(headers) for *_, headers in before}
    assert len(before) == len(positions) > len(model.dead) + 300
    assert {headers["churn.reason"].decode() for *_, headers in before} >= {
        "unknown_event_type",
        "invalid_value",
        "rejected_by_plugin",
        "invalid_json",
    }
    assert oracle.differences(model.profile_fields(), stack.redis.hashes("profile:"))
    repeat_letters(stack, before, seed)
    producer = stack.kafka.producer()
    producer.produce(DEAD, key=b"x", value=b"no headers")
    producer.produce(
        DEAD,
        key=b"x",
        value=b"of others",
        headers={"churn.reason": "empty", "churn.topic": "others", "churn.partition": "0", "churn.offset": "0"},
    )
    assert producer.flush(60) == 0
    ends = ends_of(stack)
    read = sum(ends.values())

    told, run = redrive(stack, config, plugins)
    assert_exact(stack)
    good = len(positions) - len(model.dead)
    assert told["all"] == read and told["counted"] == good and told["left alone"] == 2, told
    assert told["counted"] + told["already counted"] + told["still bad"] + 2 == read, told
    assert "no headers" not in run.err and "lacks the headers" in run.err and "others" in run.err
    alerts = [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])]
    oracle.assert_alerts(model, alerts)
    ids = {oracle.parse_alert(raw)[0] for raw in alerts}
    gifts = [position for position, alert in model.alerts if alert.event_type == "gift_redeemed"]
    assert len(gifts) > 100 and all("{}/{}/{}".format(*position) in ids for position in gifts)

    # What is still bad is there again, whole and under the position that it was read at.
    after = letters_of(stack)
    again = {
        origin(headers): (key, value, headers)
        for _, partition, offset, key, value, headers in after
        if offset >= ends[partition]
    }
    assert again.keys() == model.dead.keys()
    for position, dead in model.dead.items():
        key, value, headers = again[position]
        assert (key or b"", value or b"") == (dead.key or b"", dead.value or b"")
        assert headers["churn.reason"].decode() in dead.reason.split("|")
    assert len(after) == read + told["still bad"]

    # Again, over all letters again, and the topics themselves again: nothing changes.
    stored = everything(stack)
    told, _ = redrive(stack, config, plugins)
    assert told == {"all": len(after) - read, "still bad": len(after) - read}
    told, _ = redrive(stack, config, plugins, "--all")
    assert "counted" not in told and told["all"] >= len(after) and told["left alone"] == 2, told
    told, _ = redrive(stack, config, plugins)
    assert told["all"] == len(after) - read, "a redrive of all letters moves nobody's position"
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1], env={"KAFKA_GROUP_ID": "another-group"})
    assert everything(stack) == stored
    assert_exact(stack)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle(stack, seed, plugins, fixed_rules, workers):
    config = start(stack, plugins, seed, 6000, workers, 0.004)
    repeat_letters(stack, letters_of(stack), seed)
    rng = random.Random(seed)
    killed = 0
    for turn in range(8):
        commands = stack.redis.commands()
        process = stack.churnd(
            "redrive", "-c", config, "--plugin-path", plugins[1], *(["--all"] if turn % 3 == 2 else [])
        )
        wait_for(
            "writes",
            lambda: stack.redis.commands() > commands + rng.randrange(20, 150) or not process.running(),
            60,
            0.005,
        )
        if process.running():
            process.kill()
            killed += 1
    assert killed >= 3
    redrive(stack, config, plugins)
    model = assert_exact(stack)
    told, _ = redrive(stack, config, plugins, "--all")
    assert "counted" not in told
    assert_exact(stack)
    oracle.assert_alerts(model, [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])])


def test_while_the_pipeline_runs(stack, seed, plugins, fixed_rules):
    """Both write the same profiles; the pipeline still has the old rules at first, and writes dead letters meanwhile."""
    config = start(stack, plugins, seed, 2000, 1, 0.001)
    live = stack.churnd("-c", config, "--plugin-path", plugins[0])
    stop = threading.Event()

    def feed():
        turn = 0
        while not stop.is_set():
            turn += 1
            stack.kafka.produce(TOPICS[turn % 2], custom_load(400, 150, seed + 100 + turn))
            stop.wait(0.2)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        for turn in range(4):
            redrive(stack, config, plugins, *(["--all"] if turn == 2 else []))
    finally:
        stop.set()
        feeder.join()
    assert live.terminate(60) == 0, live.err[-3000:]
    live = stack.churnd("-c", config, "--plugin-path", plugins[1])
    stack.kafka.produce("customer-events", custom_load(1000, 150, seed + 99))
    redrive(stack, config, plugins)
    assert live.terminate(60) == 0, live.err[-3000:]
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1])
    redrive(stack, config, plugins)
    assert_exact(stack)
    told, _ = redrive(stack, config, plugins, "--all")
    assert "counted" not in told
    assert_exact(stack)


@pytest.mark.parametrize("workers", [1, 2])
def test_fixed_after_a_crash(stack, seed, plugins, fixed_rules, workers):
    """Killed with the old rules, started with the fixed ones: some events have a dead letter and are read again, some were
    refused and the marks of their customers went on. None is lost, none counts twice."""
    rng = random.Random(seed)
    stack.start_kafka()
    stack.start_redis()
    stack.slow_redis(0.004)
    stack.kafka.create_topics({"customer-events": 3, "user-events": 2})
    for i, topic in enumerate(TOPICS):
        stack.kafka.produce(topic, custom_load(6000, 150, seed + i))

    def change(settings):
        small_windows(settings)
        settings["workers"] = workers

    config = pipeline(stack.folder / "consumer.yaml", change)
    for _ in range(3):
        live = stack.churnd("-c", config, "--plugin-path", plugins[0])
        commands = stack.redis.commands()
        wait_for(
            "writes",
            lambda: stack.redis.commands() > commands + rng.randrange(50, 1500) or not live.running(),
            60,
            0.005,
        )
        live.kill()
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1])
    redrive(stack, config, plugins)
    assert_exact(stack)
    told, _ = redrive(stack, config, plugins, "--all")
    assert "counted" not in told
    assert_exact(stack)


def test_replays_under_other_rules(stack, seed, plugins, fixed_rules):
    """A replay counts what the dead letters hold too, or refuses what was counted: their redrive changes neither."""
    config = start(stack, plugins, seed)
    letters = len(letters_of(stack))
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1], env={"KAFKA_GROUP_ID": "fixed"})
    redrive(stack, config, plugins)
    assert_exact(stack)
    stored = everything(stack)
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[0], env={"KAFKA_GROUP_ID": "strict-again"})
    assert len(letters_of(stack)) > 2 * letters, "all that the fixed rules had counted is refused"
    told, _ = redrive(stack, config, plugins)
    assert "counted" not in told
    told, _ = redrive(stack, config, plugins, "--all")
    assert "counted" not in told
    assert everything(stack) == stored
    assert_exact(stack)


def test_after_a_restore(stack, seed, plugins, fixed_rules):
    """Redis came back from a backup older than the dead letters: what is read again and is good now counts, and their redrive
    does not count it once more."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 3, "user-events": 2})
    config = pipeline(stack.folder / "consumer.yaml", small_windows)
    stack.kafka.produce("customer-events", events.load(400, 50, seed))
    first = stack.run("-c", config, "--until-end", "--plugin-path", plugins[0])
    assert not letters_of(stack), first.err
    client = stack.redis.client
    backup = {key: client.dump(key) for key in client.scan_iter(count=1000)}
    stack.kafka.produce("customer-events", custom_load(1000, 50, seed))
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[0])
    letters = len(letters_of(stack))
    assert letters > 50

    client.flushall()
    for key, value in backup.items():
        client.restore(key, 0, value)
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1])
    assert_exact(stack)
    told, _ = redrive(stack, config, plugins)
    assert "counted" not in told and told["already counted"] > 50, told
    assert_exact(stack)


def lost_at(run):
    """The time of the first line that says so, as an operator reads it."""
    lines = [line for line in run.err.splitlines() if "rebuilt from" in line]
    assert lines and all("`churnd redrive --since` with the time of this line" in line for line in lines), run.err
    return min(line.split()[0] for line in lines)


def test_after_a_loss(stack, seed, plugins, fixed_rules):
    """Redis came back empty, and the topics were read again, once by the old rules and once by the fixed ones: dead letters
    of before are left out, what was still bad counts once the rules are fixed, and nothing counts twice."""
    config = start(stack, plugins, seed, 2000)
    before = len(letters_of(stack))
    stack.redis.client.flushall()
    lost = stack.run("-c", config, "--until-end", "--plugin-path", plugins[0])
    since, between = lost_at(lost), len(letters_of(stack))
    assert between == 2 * before, "each event that is still bad is a dead letter of the new profiles, too"
    done = stack.run("redrive", "-c", config, "--plugin-path", plugins[1], "--since", since)
    told, model = counts(done.out), assert_exact(stack)
    assert f", written since {since}" in done.err
    assert told == {
        "all": between,
        "counted": before - len(model.dead),
        "still bad": len(model.dead),
        "older": before,
    }
    told, _ = redrive(stack, config, plugins)
    assert told == {"all": len(model.dead), "still bad": len(model.dead)}, "the older ones are passed over for good"

    # Once more, by the fixed rules from the beginning: whatever the dead letters of before hold, these have counted.
    stack.redis.client.flushall()
    lost = stack.run("-c", config, "--until-end", "--plugin-path", plugins[1])
    again = letters_of(stack)
    told, _ = redrive(stack, config, plugins, "--all", "--since", lost_at(lost))
    assert told == {"all": len(again), "still bad": len(model.dead), "older": len(again) - len(model.dead)}
    assert len(letters_of(stack)) == len(again)
    assert_exact(stack)


def test_killed_after_a_loss(stack, seed, plugins, fixed_rules):
    """The topics are read again by the old rules, with kills, then by the fixed ones, and the redrive is killed too."""
    rng = random.Random(seed)
    config = start(stack, plugins, seed, 1500, 1, 0.002)
    before = len(letters_of(stack))
    stack.redis.client.flushall()
    since, killed = None, 0
    for _ in range(2):
        live = stack.churnd("-c", config, "--plugin-path", plugins[0])
        wait_for("the way back", lambda live=live: "rebuilt from" in live.err or "going back" in live.err, 60, 0.005)
        commands = stack.redis.commands()
        wait_for("writes", lambda c=commands: stack.redis.commands() > c + rng.randrange(50, 400), 60, 0.005)
        live.kill()
        since = since or lost_at(live)
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[1])
    for _ in range(3):
        commands = stack.redis.commands()
        process = stack.churnd("redrive", "-c", config, "--plugin-path", plugins[1], "--since", since)
        wait_for(
            "writes",
            lambda c=commands, p=process: stack.redis.commands() > c + rng.randrange(20, 100) or not p.running(),
            60,
            0.005,
        )
        killed += process.running()
        process.kill()
    assert killed >= 1
    redrive(stack, config, plugins, "--since", since)
    assert_exact(stack)
    told, _ = redrive(stack, config, plugins, "--all", "--since", since)
    assert told["older"] == before and "counted" not in told, told
    assert_exact(stack)


def written_at(letters):
    return sorted(headers["churn.written_at"].decode() for *_, headers in letters)


def test_until(stack, seed, plugins, fixed_rules):
    """What was written later is for a later redrive, as is what is not older and lies behind it."""
    config = start(stack, plugins, seed, 1000)
    first = letters_of(stack)
    stack.kafka.produce("customer-events", custom_load(600, 150, seed + 9))
    stack.run("-c", config, "--until-end", "--plugin-path", plugins[0])
    second = [letter for letter in letters_of(stack) if letter not in first]
    until = written_at(second)[0]
    assert written_at(first)[-1] < until
    told, _ = redrive(stack, config, plugins, "--since", "1h", "--until", until)
    assert told["counted"] > 50 and told["newer"] == len(second), told
    assert told["counted"] + told["still bad"] == len(first), told
    model = model_of(stack)
    assert oracle.differences(model.profile_fields(), stack.redis.hashes("profile:"))
    told, _ = redrive(stack, config, plugins)
    assert told["counted"] > 50 and told["all"] >= len(second) and "newer" not in told, told
    assert_exact(stack)


# --- Without servers: a file of dead letters, profiles in LMDB ---


def write_config(folder, **sections):
    path = folder / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(folder / "in.jsonl"), "topic": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": str(folder / "store"), "window_events": 50},
                "sinks": [{"plugin": "file", "path": str(folder / "alerts.jsonl"), "input": "alerts"}],
                "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
                **sections,
            }
        )
    )
    return path


def profiles_of(folder, config, model, plugin_path):
    found = {}
    for customer in sorted(model.profiles)[:40]:
        done = run_churnd("profile", "-c", config, customer, "--plugin-path", plugin_path, cwd=folder, check=0)
        found[customer] = dict(line.split(None, 1) for line in done.stdout.splitlines()[1:])
    return found


def write_events(folder, seed, count):
    """Returns the model of the file, by the positions that the source gives its lines."""
    model, offset = oracle.Model(), 0
    with open(folder / "in.jsonl", "wb") as out:
        for _, value in custom_load(count, 60, seed):
            if not value or b"\n" in value or b"\r" in value:
                continue
            out.write(value + b"\n")
            model.feed("in.jsonl", 0, offset, None, value)
            offset += len(value) + 1
    return model


def test_file_and_lmdb(tmp_path, stack, seed, plugins, fixed_rules):
    model = write_events(tmp_path, seed, 3000)
    config = write_config(tmp_path)
    dead = tmp_path / "dead.jsonl"
    run_churnd("-c", config, "--plugin-path", plugins[0], cwd=tmp_path, check=0)
    letters = dead.read_bytes().splitlines(keepends=True)
    good = len(letters) - len(model.dead)
    assert good > 200 and len(model.dead) > 50
    assert oracle.differences(model.profile_fields(), profiles_of(tmp_path, config, model, plugins[0]))
    rng = random.Random(seed)
    letters += rng.sample(letters, len(letters) // 2)
    rng.shuffle(letters)
    content = (
        b"".join(letters) + b'{"reason":"empty","topic":"other","partition":0,"offset":1,"key":null,"value":null}\n'
    )
    dead.write_bytes(content)
    for _ in range(10):
        process = stack.churnd("redrive", "-c", config, "--plugin-path", plugins[1])
        time.sleep(0.01 + rng.random() * 0.15)
        process.kill()
    run_churnd("redrive", "-c", config, "--plugin-path", plugins[1], cwd=tmp_path, check=0)
    assert dead.read_bytes() == content, "what is still bad stands there already"
    oracle.assert_profiles_of(model.profile_fields(), profiles_of(tmp_path, config, model, plugins[1]))
    for args in ([], ["--all"]):
        done = run_churnd("redrive", "-c", config, "--plugin-path", plugins[1], *args, cwd=tmp_path, check=0)
        told = counts(done.stdout)
        assert told["all"] == len(letters) + 1 and "counted" not in told and told["left alone"] == 1, (
            done.stdout + done.stderr[-3000:]
        )
        assert told["already counted"] + told["still bad"] == len(letters)
    run_churnd("-c", config, "--plugin-path", plugins[1], cwd=tmp_path, check=0)
    oracle.assert_profiles_of(model.profile_fields(), profiles_of(tmp_path, config, model, plugins[1]))
    oracle.assert_alerts(model, (tmp_path / "alerts.jsonl").read_bytes().splitlines())


def test_first_read_once_more(tmp_path, seed, plugins, fixed_rules):
    """Put back first, then met by the pipeline, which begins anew: counted by the redrive alone."""
    model = write_events(tmp_path, seed, 500)
    config = write_config(tmp_path)
    run_churnd(
        "-c",
        write_config(tmp_path, store={"plugin": "lmdb", "path": str(tmp_path / "other")}),
        "--plugin-path",
        plugins[0],
        cwd=tmp_path,
        check=0,
    )
    write_config(tmp_path)
    for command in ("redrive", "run", "redrive", "run"):
        run_churnd(command, "-c", config, "--plugin-path", plugins[1], cwd=tmp_path, check=0)
        if command == "run":
            oracle.assert_profiles_of(model.profile_fields(), profiles_of(tmp_path, config, model, plugins[1]))


def test_values_that_are_not_text(tmp_path):
    """Bytes that a file can only hold in base64 come back as they were."""
    (tmp_path / "in.jsonl").write_text("")
    config = write_config(
        tmp_path, sinks=[{"plugin": "file", "path": str(tmp_path / "out.jsonl"), "format": "envelope"}]
    )
    coded = {
        "topic": "in.jsonl",
        "partition": 0,
        "offset": 7,
        "key_base64": base64.b64encode(b"\xff").decode(),
        "value_base64": base64.b64encode(b'{"a":"\xff\xfe\0"}').decode(),
    }
    (tmp_path / "dead.jsonl").write_text(json.dumps({"reason": "rejected_by_sink", "kind": "event", **coded}) + "\n")
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
    assert counts(done.stdout) == {"all": 1, "left alone": 1} and "--unverified" in done.stderr
    done = run_churnd("redrive", "-c", config, "--unverified", cwd=tmp_path, check=0)
    assert counts(done.stdout) == {"all": 1, "offered to sinks again": 1}
    assert json.loads((tmp_path / "out.jsonl").read_text()) == coded


def test_what_a_sink_refused(stack, seed, tmp_path):
    """An alert that the webhook refused is offered to it again, and its event is not counted again."""
    hook = stack.start_scripted()
    (tmp_path / "in.jsonl").write_bytes(b"".join(value + b"\n" for _, value in events.load(600, 40, seed)))
    model = oracle.Model().feed_lines(tmp_path / "in.jsonl", "in.jsonl")
    config = write_config(tmp_path, sinks=[{"plugin": "alert", "to": ["webhook"], "webhook_url": f"{hook.url}/alerts"}])
    hook.mode = lambda request: (
        (400, b"no refunds here") if json.loads(request["body"])["event_type"] == "refund_requested" else (200, b"")
    )
    run_churnd("-c", config, cwd=tmp_path, check=0)
    letters = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert letters and {(letter["reason"], letter["kind"]) for letter in letters} == {("rejected_by_sink", "alert")}
    before = profiles_of(tmp_path, config, model, tmp_path)
    content = (tmp_path / "dead.jsonl").read_bytes()
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
    assert counts(done.stdout) == {
        "all": len(letters),
        "offered to sinks again": len(letters),
        "still bad": len(letters),
    }
    assert (tmp_path / "dead.jsonl").read_bytes() == content, "what is refused again stands there already"
    hook.mode, sent = "ok", len(hook.requests)
    run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
    assert sorted({r["body"].decode() for r in hook.requests[sent:]}) == sorted({letter["value"] for letter in letters})
    assert profiles_of(tmp_path, config, model, tmp_path) == before
    oracle.assert_profiles_of(model.profile_fields(), before)


# --- Plugins that are not ours: they say themselves how their letters are read, and what can be read again ---


def boxes(folder, **sections):
    """A pipeline that finds the plugins `box` by its own plugin_path."""
    for kind in ("sink", "source"):
        (folder / "boxes" / kind).mkdir(parents=True)
        compile_plugin(SRC / f"tests/abi/foreign/box_{kind}.c", folder / f"boxes/{kind}/box.so")
    (folder / "box").mkdir()
    return write_config(
        folder,
        **{
            "plugin_path": [str(folder / "boxes")],
            "dead_letters": {"plugin": "box", "box": str(folder / "box")},
            **sections,
        },
    )


def test_letters_of_a_foreign_sink(tmp_path, seed, plugins, fixed_rules):
    model = write_events(tmp_path, seed, 2000)
    config = boxes(tmp_path)
    letters = tmp_path / "box/letters"
    run_churnd("-c", config, "--plugin-path", plugins[0], cwd=tmp_path, check=0)
    with open(letters, "a") as out:
        out.write('{"reason":"empty","topic":"other","partition":0,"offset":1,"key":null,"value":null}\n')
    content = letters.read_bytes()
    count = len(content.splitlines())
    assert count > len(model.dead) + 100
    done = run_churnd("redrive", "-c", config, "--plugin-path", plugins[1], cwd=tmp_path, check=0)
    assert "reads the dead letters of the box of p\n" in done.stderr
    told = counts(done.stdout)
    assert told["all"] == count and told["counted"] == count - 1 - len(model.dead), told
    assert told["left alone"] >= 1 and told["still bad"] > 50, told  # bytes that are no text cannot lie in such a box
    assert letters.read_bytes() == content, "what is still bad stands there already"
    oracle.assert_profiles_of(model.profile_fields(), profiles_of(tmp_path, config, model, plugins[1]))
    told = counts(run_churnd("redrive", "-c", config, "--plugin-path", plugins[1], cwd=tmp_path, check=0).stdout)
    assert told["all"] == count and "counted" not in told, told


def test_a_foreign_sink_that_cannot(tmp_path):
    config = boxes(tmp_path, dead_letters={"plugin": "box", "box": str(tmp_path / "box"), "shut": True})
    (tmp_path / "in.jsonl").write_text("")
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=1)
    place = next(i for i, line in enumerate(config.read_text().splitlines(), 1) if "shut" in line)
    assert f"p.yaml:{place}:" in done.stderr and "cannot be read again: they lie in a box that is shut" in done.stderr
    compile_plugin(SRC / "tests/abi/first/first_sink.c", tmp_path / "boxes/sink/first_sink.so")
    for name, words in (
        ("first_sink", "'first_sink' does not say how its dead letters are read again"),
        ("first_snk", "dead_letters: there is no sink plugin 'first_snk'"),
    ):
        write_config(
            tmp_path, plugin_path=[str(tmp_path / "boxes")], dead_letters={"plugin": name, "path": str(tmp_path / "d")}
        )
        done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=1)
        assert words in done.stderr, done.stderr


def test_letters_of_a_foreign_source(tmp_path):
    """Its topics are its own to say; what is gone once read is not asked for again."""
    config = boxes(
        tmp_path,
        source={"plugin": "box", "again": "gone", "labels": "red, green"},
        dead_letters={"plugin": "file", "path": str(tmp_path / "dead.jsonl")},
    )
    value = events.load(1, 1, 1)[0][1].decode()
    (tmp_path / "dead.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "reason": "unknown_event_type",
                    "topic": topic,
                    "partition": 0,
                    "offset": 0,
                    "key": None,
                    "value": value,
                }
            )
            + "\n"
            for topic in ("red", "blue", "green")
        )
    )
    done = run_churnd("redrive", "-c", config, "--unverified", cwd=tmp_path, check=0)
    assert counts(done.stdout) == {"all": 3, "counted": 2, "left alone": 1}, done.stdout
    assert "blue, which this pipeline does not read" in done.stderr


@pytest.mark.parametrize(
    "again, words",
    [
        ("gone", "and this box is empty once it was read; copy it first"),
        ("others", "and this box is filled anew each time; nail it up"),
        ("same", None),
    ],
)
def test_rebuilds_from_a_foreign_source(tmp_path, again, words):
    config = boxes(tmp_path, source={"plugin": "box", "again": again, "labels": ["red"]})
    done = run_churnd("rebuild", "-c", config, "--into", "rebuilt:", cwd=tmp_path, check=0 if words is None else 1)
    assert words is None or f"a rebuild reads the source from its beginning, {words}" in done.stderr, done.stderr


# --- The command line ---


@pytest.mark.parametrize(
    "sections, word",
    [
        ({"dead_letters": {"plugin": "file", "path": "-"}}, "standard output"),
        ({"dead_letters": {"plugin": "file", "path": "d", "format": "value"}}, "positions"),
        ({"dead_letters": None}, "dead_letters"),
    ],
)
def test_what_cannot_be_put_back(tmp_path, sections, word):
    (tmp_path / "in.jsonl").write_text("")
    done = run_churnd("redrive", "-c", write_config(tmp_path, **sections), cwd=tmp_path, check=1)
    assert "p.yaml" in done.stderr and word in done.stderr and done.stdout == ""


@pytest.mark.parametrize(
    "args, words",
    [
        (["--since", "soon"], "--since: 'soon' is no time such as 2026-01-01T00:00:00Z"),
        (["--since", "beginning"], "--since: 'beginning' is no time"),
        (["--since", "17"], "--since: '17' is no time"),
        (["--since", "99999999d"], "--since: '99999999d' is no time"),
        (["--since", "2999-01-01"], "--since: '2999-01-01' is yet to come"),
        (["--until", "2026-02-30"], "--until: '2026-02-30' is no time"),
        (["--since", "today", "--until", "yesterday"], "--until is not later than --since"),
        (["--since", "2026-01-01", "--until", "2026-01-01T00:00:00Z"], "--until is not later than --since"),
    ],
)
def test_times_that_are_refused(tmp_path, args, words):
    done = run_churnd("redrive", "-c", write_config(tmp_path), *args, cwd=tmp_path, check=1)
    assert words in done.stderr and not list(tmp_path.glob("store*")), done.stderr


def test_since_belongs_to_redrive(tmp_path):
    done = run_churnd("run", "-c", write_config(tmp_path), "--since", "today", cwd=tmp_path, check=1)
    assert "--since belongs to `churnd redrive`" in done.stderr


def test_since_of_a_file(tmp_path):
    """Each redrive reads all of a file, and what earlier versions wrote does not say when that was."""
    (tmp_path / "in.jsonl").write_text("{bad\n{worse\n")
    config = write_config(tmp_path)
    run_churnd("-c", config, "--until-end", cwd=tmp_path, check=0)
    lines = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    old = {name: value for name, value in lines[1].items() if name != "written_at"}
    lines[0]["written_at"] = "2026-01-01T00:00:00.000Z"
    (tmp_path / "dead.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, old]))
    for args, told in (
        ((), {"still bad": 3}),
        (("--since", "2026-01-01"), {"still bad": 2, "left alone": 1}),
        (("--since", "2026-01-02"), {"still bad": 1, "older": 1, "left alone": 1}),
        (("--until", "2026-01-02"), {"still bad": 1, "newer": 1, "left alone": 1}),
    ):
        done = run_churnd("redrive", "-c", config, *args, cwd=tmp_path, check=0)
        assert counts(done.stdout) == {"all": 3, **told}, args
        assert ("it does not say when it was written" in done.stderr) is bool(args), args


LETTERS = {"plugin": "file", "path": "dead.jsonl"}


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"sinks": [{"plugin": "file", "path": "in.jsonl"}]}, "the file 'in.jsonl' is what the source reads"),
        ({"sinks": [{"plugin": "file", "path": "store/data.mdb"}]}, "'store/data.mdb'"),
        ({"source": {"plugin": "file", "path": "in.jsonl", "nope": 1}}, "file: unknown option 'nope'"),
        ({"source": None}, "source"),
        ({"store": {"plugin": "lmdb", "path": "store", "key_prefix": ["a"]}}, "key_prefix"),
    ],
    ids=["a sink on the source", "a sink on the store", "a source's option", "no source", "a prefix"],
)
def test_what_a_run_refuses_is_refused(tmp_path, changes, words):
    """Also what a redrive or a rebuild would replace or not need: nothing is written then."""
    (tmp_path / "in.jsonl").write_text("{bad\n")
    sections = {
        "source": {"plugin": "file", "path": "in.jsonl"},
        "store": {"plugin": "lmdb", "path": "store"},
        "dead_letters": LETTERS,
    }
    config = tmp_path / "p.yaml"
    config.write_text(yaml.safe_dump(sections))
    run_churnd("-c", config, "--until-end", cwd=tmp_path, check=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != config}
    config.write_text(yaml.safe_dump({**sections, **changes}))
    said = run_churnd("check", "-c", config, cwd=tmp_path, check=1).stderr
    for command in (["redrive"], ["rebuild", "--into", "other:"]):
        done = run_churnd(*command, "-c", config, cwd=tmp_path, check=1)
        assert words in done.stderr and done.stderr in said, done.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != config}


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"])
def test_letters_on_standard_output(tmp_path, path):
    """None of them is overwritten by what else is printed there, and nobody takes them for a file to read again."""
    (tmp_path / "in.jsonl").write_text("{bad\n{worse\n")
    config = tmp_path / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": "store"},
                "dead_letters": {"plugin": "file", "path": path},
            }
        )
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([CHURND, "-c", config, "--until-end"], cwd=tmp_path, stdout=out, check=True, timeout=60)
    lines = (tmp_path / "out").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == ["{bad", "{worse"]
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=1)
    assert "cannot be read again: they are written to standard output" in done.stderr


def test_nothing_to_put_back(tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    config = write_config(tmp_path, workers=1)
    for there in (False, True):
        done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
        assert counts(done.stdout) == {"all": 0} and ("which does not exist" in done.stderr) is not there, done.stderr
