"""The example processors, built out of tree against the installed headers, in real pipelines: what they change, the alerts
they raise, and the state they keep."""

import bisect
import collections
import hashlib
import hmac
import json
import random
import shutil
import subprocess

import events
import oracle
import pytest
import yaml
from conftest import pipeline
from services import SRC, clean_environment, run_churnd, wait_for
from test_kill import wait_for_writes

EXAMPLES = SRC / "examples/processors"
NAMES = ("burst", "enrich", "mask")


@pytest.fixture(scope="module")
def built(installed, tmp_path_factory):
    """The folders of the examples, each with its plugin."""
    folder = tmp_path_factory.mktemp("processors")
    for name in NAMES:
        shutil.copytree(EXAMPLES / name, folder / name)
        done = subprocess.run(
            ["make", "CFLAGS=-O2 -Wall -Wextra -Werror"],
            cwd=folder / name,
            env=clean_environment(installed[2]),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_example_as_its_manual_says(built, name):
    """Its pipeline is right, and its manual names each of its options with the default."""
    folder = built / name
    run_churnd(
        "check", "-c", "pipeline.yaml", "--plugin-path", ".", cwd=folder, env={"MASK_KEY": "0123456789abcdef"}, check=0
    )
    described = run_churnd("describe", "--plugin-path", ".", name, "--format", "json", cwd=folder, check=0).stdout
    options = {option["name"]: option for option in json.loads(described)[0]["options"]}
    rows = [line.split("|") for line in (folder / "README.md").read_text().splitlines() if line.startswith("| `")]
    manual = {row[1].strip(" `"): row[2].strip(" `") for row in rows}
    assert manual.keys() == options.keys()
    for option, default in manual.items():
        given = options[option].get("default")
        assert default == given if given else default in ("none", "required", "all columns but `key"), (
            option,
            default,
            given,
        )


# --- mask ---

PERSONAL = {
    "login": ["session_id"],
    "order_cancelled": ["reason"],
    "refund_requested": ["reason"],
    "email_opened": ["email_id"],
    "email_clicked": ["email_id", "url"],
    "subscription_cancelled": ["reason"],
}
KEY = "a key of more than 16 bytes"


def masked(event, method):
    """The event as it must look to everything behind the processor; `payment_method` is named in the pipeline."""
    data = dict(event["data"])
    data.pop("email", None)
    for name in [*PERSONAL.get(event["event_type"], []), "payment_method"]:
        if name in data and method == "redact":
            data[name] = "[redacted]"
        elif name in data and method == "hash":
            data[name] = hmac.new(KEY.encode(), data[name].encode(), hashlib.sha256).hexdigest()
        elif name in data:
            data[name] = "****" + data[name][-4:]
    return {**event, "data": data}


def with_secrets(seed, count):
    """Events whose personal texts are each one of a kind, and some with a member that no table declares."""
    rng, secrets, made = random.Random(seed), [], []
    for i, (_, value) in enumerate(events.load(count, 60, seed)):
        event = json.loads(value, parse_float=oracle.RealText)
        for name in [*PERSONAL.get(event["event_type"], []), "payment_method", "email"]:
            if name in event["data"] or (name == "email" and rng.random() < 0.3):
                event["data"][name] = f'sécret-{i}-"{name}"-é😀{rng.randrange(10**6)}'
                secrets.append(f"cret-{i}-")
        made.append(event)
    return made, secrets


def text(event):
    """JSON with the numbers as they were read."""
    data = ",".join(
        f"{json.dumps(k)}:{v if isinstance(v, oracle.RealText) else json.dumps(v)}" for k, v in event["data"].items()
    )
    rest = ",".join(f"{json.dumps(k)}:{json.dumps(v)}" for k, v in event.items() if k != "data")
    return f'{{{rest},"data":{{{data}}}}}'.encode()


@pytest.mark.parametrize("method", ["redact", "hash", "keep_last_4"])
def test_no_personal_data_leaves(built, stack, seed, method):
    stack.start_redis()
    hook = stack.start_scripted()
    made, secrets = with_secrets(seed, 1500)
    (stack.folder / "in.jsonl").write_bytes(b"".join(text(event) + b"\n" for event in made))
    config = stack.folder / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "plugin_path": [str(built / "mask")],
                "source": {"plugin": "file", "path": str(stack.folder / "in.jsonl")},
                "processors": [{"plugin": "mask", "method": method, "key": KEY, "fields": ["email", "payment_method"]}],
                "store": {"plugin": "redis", "port": stack.redis.port},
                "sinks": [
                    {
                        "plugin": "alert",
                        "to": ["webhook", "log"],
                        "webhook_url": f"{hook.url}/alerts",
                        "log_per_second": 10**6,
                    },
                    {"plugin": "file", "path": str(stack.folder / "out.jsonl")},
                ],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    run = stack.run("-c", config)
    expected = [masked(event, method) for event in made]
    model, plain = oracle.Model(), oracle.Model()
    for i, (before, after) in enumerate(zip(made, expected, strict=True)):
        model.feed("in", 0, i, None, text(after))
        plain.feed("in", 0, i, None, text(before))
    assert len(model.alerts) > 200 and model.events == 1500

    oracle.assert_profiles(plain, stack.redis.hashes("profile:"))
    alerts = [request["body"] for request in hook.requests]
    assert oracle.assert_alerts(model, alerts) == 0
    out = (stack.folder / "out.jsonl").read_bytes()
    assert [oracle.canonical(oracle.parse_json(line)) for line in out.splitlines()] == [
        oracle.canonical(oracle.parse_json(text(event))) for event in expected
    ]
    for where in (out.decode(), b"".join(alerts).decode(), run.err, run.out):
        assert not [secret for secret in secrets if secret in where]


# --- burst ---

COUNT, WINDOW, LATENESS, COOLDOWN = 4, 600_000, 1_800_000, 1_200_000  # ms
TOPICS = {"customer-events": 3, "user-events": 2}


def payments(seed, count, customers, start):
    """Failed payments among others, 6 s apart; a fifth of them late, some too late."""
    rng, made = random.Random(seed), []
    for i in range(start, start + count):
        customer = f"cust_{int(customers * rng.random() ** 1.5)}"
        time_ms = events.BASE_MS + i * 6000 - (rng.randrange(LATENESS * 5 // 4) if rng.random() < 0.2 else 0)
        kind = "payment_failed" if rng.random() < 0.6 else "login"
        event = {
            "event_id": f"{customer}_{seed}_{i}",
            "event_type": kind,
            "customer_id": customer,
            "timestamp": oracle.time_text(time_ms),
            "data": events.FULL[kind],
        }
        made.append((customer.encode(), events.raw(event)))
    return made


def bursts(brokers):
    """The ids of the alerts that must be there, from what the topics hold: in each partition, in the order of the offsets."""
    known = collections.defaultdict(list)  # (topic, partition, customer): the times that count, sorted
    raised = collections.defaultdict(list)  # likewise: the times of the alerts
    ids, late = set(), 0
    for topic, partition, offset, _, value, _ in oracle.read_topics(brokers, list(TOPICS)):
        event = oracle.decode(value)
        if event.event_type != "payment_failed":
            continue
        times, alerts = (of[topic, partition, event.customer_id] for of in (known, raised))
        if times and event.time_ms < times[-1] - LATENESS:
            late += 1
            continue
        bisect.insort(times, event.time_ms)
        near = times[
            bisect.bisect_left(times, event.time_ms - WINDOW) : bisect.bisect_right(times, event.time_ms + WINDOW)
        ]
        full = any(
            sum(first <= t <= first + WINDOW for t in near) >= COUNT
            for first in near
            if first <= event.time_ms <= first + WINDOW
        )
        if full and all(abs(event.time_ms - t) >= COOLDOWN for t in alerts):
            alerts.append(event.time_ms)
            ids.add(f"{topic}/{partition}/{offset}/burst")
    assert late > 20 and len(ids) > 100, (late, len(ids))
    return ids


def raised(stack, skip=0):
    """Of the alerts behind the first `skip`: id → bytes; equal ids have equal bytes. And how many there are in all."""
    found, count = {}, 0
    for _, _, _, _, value, _ in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"]):
        alert_id, alert = oracle.parse_alert(value)
        count += 1
        if alert_id.endswith("/burst") and count > skip:
            assert alert.event_type == "payment_failed" and alert.severity == "warning"
            assert found.setdefault(alert_id, value) == value, f"two alerts with the id {alert_id}"
    return found, count


def test_bursts_are_exact(built, stack, seed):
    """Killed at random and begun anew, with members that come and go; then everything replayed."""
    rng = random.Random(seed)
    stack.start_kafka()
    stack.start_redis()
    proxy = stack.slow_redis(0.002)
    stack.kafka.create_topics({**TOPICS, "customer-alerts": 1})
    for topic in TOPICS:
        stack.kafka.produce(topic, payments(seed, 3000, 40, 0))

    def change(settings):
        settings["workers"] = 2
        settings["plugin_path"] = [str(built / "burst")]
        settings["source"]["properties"] = {"session.timeout.ms": "1500", "heartbeat.interval.ms": "200"}
        settings["store"]["window_events"] = 100
        settings["sinks"] = [sink for sink in settings["sinks"] if sink["plugin"] == "alert"]
        settings["sinks"][0]["to"] = ["kafka"]
        settings["events"]["override"] = {"payment_failed": {"alert": "none"}}
        settings["processors"] = [
            {
                "plugin": "burst",
                "count": COUNT,
                "window": f"{WINDOW}ms",
                "lateness": f"{LATENESS}ms",
                "cooldown": f"{COOLDOWN}ms",
                "severity": "warning",
                "customers": 30,
            }
        ]

    config = pipeline(stack.folder / "consumer.yaml", change)
    produced = 3000

    def produce_more(count=400):
        nonlocal produced
        for topic in TOPICS:
            stack.kafka.produce(topic, payments(seed + produced, count, 40, produced))
        produced += count

    for turn in range(3):
        stay = stack.churnd("-c", config)
        wait_for_writes(stack, stay, rng.randrange(200, 1200))
        if turn:  # another one takes a share of the partitions, has events of their customers, and gives it back
            guest = stack.churnd("-c", config)
            wait_for("partitions of the guest", lambda: " reads " in guest.err, 30)
            produce_more()
            wait_for_writes(stack, guest, 300)
            assert guest.terminate() == 0, guest.err[-3000:]
            produce_more()
            wait_for_writes(stack, stay, rng.randrange(200, 500))
        assert stay.running(), stay.err[-3000:]
        stay.kill()
        produce_more()
    proxy.delay = 0
    stack.run("-c", config, "--until-end")
    expected = bursts(stack.kafka.brokers)
    found, before = raised(stack)
    assert found.keys() == expected
    print("alerts repeated:", before - len(expected))

    stack.run("-c", config, "--until-end", "--replay-from", "beginning")
    assert raised(stack)[1] == before, "a replay sends nothing again"
    stack.run("-c", config, "--until-end", "--replay-from", "beginning", "--replay-outputs")
    again, after = raised(stack, before)
    assert again == found
    stack.redis.client.flushall()
    stack.run("-c", config, "--until-end", env={"KAFKA_GROUP_ID": "another"})
    anew, _ = raised(stack, after)
    assert anew == found, "made anew from the topics alone"


# --- enrich ---


def test_a_file_that_changes(built, stack):
    """While events come: each has all of one version of the file, and no event of a known customer has none."""
    table, out = stack.folder / "customers.csv", stack.folder / "out.jsonl"

    def put(text):
        (stack.folder / "next").write_text(text)
        (stack.folder / "next").rename(table)

    def rows(tier):
        return "".join(f'cust_00000{i},{tier},"{tier}, zone"\n' for i in range(1, 5))

    def seen():
        lines = out.read_text().splitlines(True) if out.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    put("customer_id,tier,region\n" + rows("gold"))
    config = stack.folder / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "plugin_path": [str(built / "enrich")],
                "source": {"plugin": "generate", "rate": 500, "customers": 6, "start_time": "2026-01-01T00:00:00Z"},
                "processors": [{"plugin": "enrich", "file": str(table), "check_every": "20ms"}],
                "sinks": [{"plugin": "file", "path": str(out), "sync": False}],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    process = stack.churnd("-c", config)

    def wait_for_tier(tier):
        wait_for(f"events with {tier}", lambda: any(e["data"].get("tier") == tier for e in seen()[-200:]), 20, 0.1)

    wait_for_tier("gold")
    put("customer_id,tier,region\n" + rows("silver"))
    wait_for_tier("silver")
    put("customer_id,tier,region\n" + rows("iron") + "cust_000001,twice,twice\n")
    wait_for("a word about the broken file", lambda: "two rows for 'cust_000001'" in process.err, 20, 0.1)
    count = len(seen())
    wait_for("events after it", lambda: len(seen()) > count + 200, 20, 0.1)
    table.unlink()
    wait_for("a word about the missing file", lambda: "No such file" in process.err, 20, 0.1)
    put("customer_id,tier,region\n" + rows("tin"))
    wait_for_tier("tin")
    assert process.terminate() == 0, process.err[-3000:]
    assert process.err.count("two rows for") == 1 and process.err.count("No such file") == 1
    order, known = [], {f"cust_00000{i}" for i in range(1, 5)}
    for event in seen():
        tier, region = event["data"].get("tier"), event["data"].get("region")
        if event["customer_id"] not in known:
            assert tier is None and region is None
            continue
        assert region == f"{tier}, zone"
        if not order or order[-1] != tier:
            order.append(tier)
    assert order == ["gold", "silver", "tin"]
    dead = stack.folder / "dead.jsonl"
    assert not dead.exists() or not dead.read_text()
