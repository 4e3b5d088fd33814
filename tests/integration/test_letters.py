"""Dead letters that can be trusted: they keep a record's own headers, or say which bytes were too large to keep."""

import json
import random
import re
import subprocess

import oracle
import pytest
import yaml
from conftest import pipeline
from services import run_churnd

DEAD = "churn-dead-letters"
BIG = 40 * 1024 * 1024
GOOD = json.dumps(
    {"event_id": "e", "event_type": "login", "customer_id": "c", "timestamp": "2026-01-01T00:00:00Z", "data": {}}
).encode()
OWN = [
    ("trace", b"1"),
    ("trace", b"\xff\x00"),
    ("none", None),
    ("churn.topic", b"elsewhere"),
    ("churn.offset", b"99"),
    ("churn.original.x", b"2"),
]


@pytest.fixture(scope="module")
def xxh128(tmp_path_factory):
    """The hash as another program computes it."""
    folder = tmp_path_factory.mktemp("xxh128")
    (folder / "sum.c").write_text("""
        #define XXH_INLINE_ALL
        #include <xxhash.h>
        #include <stdio.h>
        #include <stdlib.h>
        int main(void) {
            size_t len = 0, n; char *bytes = malloc(64 << 20);
            while ((n = fread(bytes + len, 1, (64 << 20) - len, stdin)) > 0) len += n;
            XXH128_hash_t h = XXH3_128bits(bytes, len);
            printf("%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
            return 0; }""")
    subprocess.run(["cc", "-O2", "-o", folder / "sum", folder / "sum.c"], check=True)
    return lambda value: subprocess.run([folder / "sum"], input=value, capture_output=True, check=True).stdout.decode()


def letters_of(stack):
    return [(key, value, headers or []) for *_, key, value, headers in oracle.read_topics(stack.kafka.brokers, [DEAD])]


OTHERS = ("churn.detail", "churn.written_at")  # than those that are said for sure


def said(headers):
    return {
        name: value.decode()
        for name, value in headers
        if name in ("churn.reason", "churn.topic", "churn.partition", "churn.offset", "churn.size", "churn.xxh128")
    }


def test_kafka(stack, xxh128):
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 1, "user-events": 1})
    stack.kafka.create_topics({DEAD: 1}, **{"max.message.bytes": "2000"})
    big, middle = b"x" * BIG, b'{"a":"' + random.Random(1).randbytes(4000).hex().encode() + b'"}'
    producer = stack.kafka.producer(**{"message.max.bytes": 64 << 20, "compression.type": "gzip"})
    for key, value, headers in (
        (b"k", big, []),
        (b"c", GOOD, []),
        (b"K" * 1500, middle, OWN),
        (b"c", b"broken", OWN),
        (b"c", GOOD, []),
    ):
        producer.produce("customer-events", key=key, value=value, headers=headers)
        assert producer.flush(60) == 0
    config = pipeline(stack.folder / "consumer.yaml", lambda settings: settings.update(sinks=[]))
    run = stack.run("-c", config, "--until-end")
    assert stack.redis.hashes("profile:")["c"]["login_count"] == "2", "a bad event stops nobody"
    assert "too_large_to_keep" in run.out
    letters = letters_of(stack)
    place = {"churn.topic": "customer-events", "churn.partition": "0"}
    letters.sort(key=lambda letter: said(letter[2])["churn.offset"])
    assert [(key, value, said(headers)) for key, value, headers in letters] == [
        (
            b"k",
            None,
            {
                "churn.reason": "too_large_to_keep",
                **place,
                "churn.offset": "0",
                "churn.size": str(BIG),
                "churn.xxh128": xxh128(big),
            },
        ),
        (
            None,
            None,
            {
                "churn.reason": "too_large_to_keep",
                **place,
                "churn.offset": "2",
                "churn.size": str(len(middle)),
                "churn.xxh128": xxh128(middle),
            },
        ),
        (b"c", b"broken", {"churn.reason": "invalid_json", **place, "churn.offset": "3"}),
    ]
    own = [(name, value) for name, value in letters[2][2] if name not in said(letters[2][2]) and name not in OTHERS]
    assert own == [(f"churn.original.{name}" if name.startswith("churn.") else name, value) for name, value in OWN]

    # Still bad: there again as they were, by their original places and with their own headers.
    run = stack.run("redrive", "-c", config)
    assert re.search("redriven +3 +still bad 3\n", run.out), run.out
    again = sorted(letters_of(stack)[len(letters) :], key=lambda letter: said(letter[2])["churn.offset"])
    assert [(k, v, said(h)) for k, v, h in again] == [(k, v, said(h)) for k, v, h in letters]
    assert [x for x in again[2][2] if x[0] not in OTHERS] == [x for x in letters[2][2] if x[0] not in OTHERS]
    assert dict(again[2][2])["churn.written_at"] > dict(letters[2][2])["churn.written_at"]


def test_headers_of_events_of_a_damaged_profile(stack):
    """Of those that were read before the damage was found, too."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 1, "user-events": 1, DEAD: 1})
    stack.redis.client.set("profile:c", "no hash")
    producer = stack.kafka.producer()
    expected = []
    for number in range(40):
        own = [*OWN, ("number", str(number).encode())]
        producer.produce("customer-events", key=b"c", value=GOOD, headers=own if number % 3 else [])
        expected.append([value for name, value in own if name == "number"] if number % 3 else [])
    assert producer.flush(60) == 0

    def change(settings):
        settings.update(sinks=[])
        settings["store"]["window_events"] = 16

    stack.run("-c", pipeline(stack.folder / "consumer.yaml", change), "--until-end")
    letters = sorted(letters_of(stack), key=lambda letter: int(said(letter[2])["churn.offset"]))
    assert {said(headers)["churn.reason"] for _, _, headers in letters} == {"damaged_profile"}
    assert [[value for name, value in headers if name == "number"] for _, _, headers in letters] == expected
    own = [(name, value) for name, value in letters[1][2] if name not in said(letters[1][2]) and name not in OTHERS]
    assert own == [(f"churn.original.{name}" if name.startswith("churn.") else name, value) for name, value in OWN] + [
        ("number", b"1")
    ]


def test_file(tmp_path, xxh128):
    """A line beyond what letters keep, and headers that come back from a file."""
    big = b"x" * BIG
    (tmp_path / "in.jsonl").write_bytes(big + b"\n" + GOOD + b"\n")
    config = tmp_path / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl", "max_line": "64MiB"},
                "store": {"plugin": "lmdb", "path": "db"},
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
            }
        )
    )
    run_churnd("run", "-c", config, cwd=tmp_path, check=0)
    letter = json.loads((tmp_path / "dead.jsonl").read_text())
    assert letter.pop("detail") and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", letter.pop("written_at"))
    assert letter == {
        "reason": "too_large_to_keep",
        "topic": "in.jsonl",
        "partition": 0,
        "offset": 0,
        "size": str(BIG),
        "xxh128": xxh128(big),
        "key": None,
        "value": None,
    }
    assert "login_count" in run_churnd("profile", "-c", config, "c", cwd=tmp_path, check=0).stdout


def order(customer, value):
    return json.dumps(
        {
            "event_id": f"{customer}_1",
            "event_type": "order_placed",
            "customer_id": customer,
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {"order_id": "o", "order_value": value, "items_count": 1, "payment_method": "card"},
        }
    ).encode()


def refund(customer):
    return json.dumps(
        {
            "event_id": f"{customer}_2",
            "event_type": "refund_requested",
            "customer_id": customer,
            "timestamp": "2026-01-01T00:00:00Z",
            "data": {"order_id": "o", "amount": 1},
        }
    ).encode()


def alert(customer, event_id):
    return json.dumps(
        {
            "alert_id": "x",
            "severity": "warning",
            "event_id": event_id,
            "event_type": "refund_requested",
            "customer_id": customer,
            "timestamp": "2026-01-01T00:00:00.000Z",
            "message": "m",
            "data": {},
        }
    ).encode()


def headers_of(partition, offset, reason="damaged_profile", topic="customer-events", **more):
    return {
        "churn.reason": reason,
        "churn.topic": topic,
        "churn.partition": str(partition),
        "churn.offset": str(offset),
        **{f"churn.{name}": value for name, value in more.items()},
    }


def test_who_writes_letters_makes_no_events(stack):
    """Letters count for what stands at their positions, and for nothing else."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 2, "user-events": 1, DEAD: 1})
    producer = stack.kafka.producer()

    def produce(topic, key, value, partition=0, headers=None):
        producer.produce(topic, key=key, value=value, partition=partition, headers=list((headers or {}).items()))
        assert producer.flush(60) == 0

    produce("customer-events", b"a", order("a", 10))
    produce("customer-events", b"b", refund("b"))
    config = pipeline(
        stack.folder / "consumer.yaml",
        lambda settings: settings.update(
            sinks=[{"plugin": "file", "path": str(stack.folder / "alerts.jsonl"), "input": "alerts", "name": "chat"}]
        ),
    )
    stack.run("-c", config, "--until-end")
    client = stack.redis.client
    client.delete("profile:a", "profile:b")  # so that nothing of them is counted before
    sent = (stack.folder / "alerts.jsonl").read_bytes()
    lies = [
        (b"a", order("a", 999), headers_of(0, 0)),  # other bytes
        (b"x", order("a", 10), headers_of(0, 0)),  # another key
        (b"a", order("a", 10), headers_of(0, 1)),  # another record's position
        (b"a", order("a", 10), headers_of(0, 0, topic="elsewhere")),
        (b"b", alert("b", "b_9"), headers_of(0, 1, "rejected_by_sink", kind="alert", sink="chat")),  # of another event
    ]
    gone = [
        (b"a", order("a", 10), headers_of(0, 2)),  # beyond the end
        (b"a", order("a", 10), headers_of(1, 0)),  # of an empty partition
        (b"a", order("a", 10), headers_of(7, 0)),  # … of one that is not there
    ]
    for key, value, headers in lies + gone:
        produce(DEAD, key, value, headers=headers)
    run = stack.run("redrive", "-c", config)
    assert "counted" not in run.out and f"left alone {len(lies + gone)}" in run.out, run.out
    assert not client.keys("profile:*") and (stack.folder / "alerts.jsonl").read_bytes() == sent
    assert "does not hold what stands at" in run.err and "--unverified" in run.err

    # The truth among them; and what is not there is still asked for.
    produce(DEAD, b"a", order("a", 10), headers=headers_of(0, 0))
    produce(DEAD, b"b", alert("b", "b_2"), headers=headers_of(0, 1, "rejected_by_sink", kind="alert", sink="chat"))
    produce(
        DEAD,
        b"b",
        alert("b", "none"),
        headers={
            "churn.reason": "rejected_by_sink",
            "churn.kind": "alert",
            "churn.sink": "chat",
            "churn.id": "silent:b:1",
        },
    )
    run = stack.run("redrive", "-c", config)
    assert re.search(
        f"redriven +{len(gone) + 3} +counted 1 · offered to sinks again 2 · left alone {len(gone)}\n", run.out
    ), run.out
    assert (
        stack.redis.hashes("profile:").keys() == {"a"} and stack.redis.hashes("profile:")["a"]["total_spent"] == "10.00"
    )
    said = [json.loads(line)["event_id"] for line in (stack.folder / "alerts.jsonl").read_text().splitlines()]
    assert said == ["b_2", "b_2", "none"]

    # What the topic has no more is believed only when somebody says so.
    run = stack.run("redrive", "-c", config, "--unverified")
    assert f"counted {len(gone)}\n" in run.out, run.out
    assert stack.redis.hashes("profile:")["a"]["events_total"] == str(1 + len(gone))


def login(number, ms):
    return json.dumps(json.loads(GOOD) | {"event_id": f"e{number}", "timestamp": oracle.time_text(ms)}).encode()


def test_ahead_of_its_record(stack):
    """An event whose time is later than its record's own by more than max_ahead is none, whenever it is read."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 1, "user-events": 1, DEAD: 1})
    written, day, producer = oracle.timestamp("2026-01-01T00:00:00Z"), oracle.DAY_MS, stack.kafka.producer()
    for i, (ahead, record_ms) in enumerate([(0, written), (day, written), (day + 1, written), (day, written + 1)]):
        producer.produce("customer-events", key=b"c", value=login(i, written + ahead), timestamp=record_ms)
    assert producer.flush(60) == 0

    def config(**more):
        return pipeline(stack.folder / "consumer.yaml", lambda settings: settings.update(sinks=[], **more))

    first = config()
    run = stack.run("-c", first, "--until-end")
    assert "timestamp_ahead 1\n" in run.out, run.out
    model = oracle.Model().feed_topics(stack.kafka.brokers, ["customer-events"])
    assert [dead.reason for dead in model.dead.values()] == ["timestamp_ahead"]
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_dead_letters(model, set(oracle.kafka_dead_letters(stack.kafka.brokers, DEAD)))
    ((_, value, headers),) = letters_of(stack)
    assert value == login(2, written + day + 1)
    assert said(headers) == {
        "churn.reason": "timestamp_ahead",
        "churn.topic": "customer-events",
        "churn.partition": "0",
        "churn.offset": "2",
    }
    assert dict(headers)["churn.timestamp"] == b"2026-01-01T00:00:00.000Z"
    assert b"max_ahead" in dict(headers)["churn.detail"]

    told = stack.run("explain", "-c", first, "c").out
    assert "timestamp_ahead" in told and "max_ahead allows 24 h" in told, told
    stack.run("-c", first, "--replay-from", "beginning", "--until-end")
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    run = stack.run("redrive", "-c", first, "--all")
    assert "still bad" in run.out and "counted" not in run.out, run.out

    # After the clock was put right, or the bound: it counts once, and so it does in a replay.
    for _ in range(2):
        stack.run("redrive", "-c", config(events={"max_ahead": "86400001ms"}), "--all")
        assert stack.redis.hashes("profile:")["c"]["login_count"] == "4"
    stack.run("-c", config(events={"max_ahead": "0s"}), "--replay-from", "beginning", "--until-end")
    profile = stack.redis.hashes("profile:")["c"]
    assert (profile["login_count"], profile["last_login_at"]) == ("4", "2026-01-02T00:00:00.001Z")


def test_what_was_left_alone_is_read_again(stack, tmp_path):
    """An alert for a sink that the pipeline has no more waits until it has it again."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 1, "user-events": 1, DEAD: 1})
    stack.kafka.produce("customer-events", [(b"b", refund("b"))])
    producer = stack.kafka.producer()
    letters = [
        headers_of(0, 0, "rejected_by_sink", kind="alert", sink="pager"),
        headers_of(0, 0, "rejected_by_sink"),
        {"churn.reason": "rejected_by_sink", "churn.detail": "refused"},
    ]
    for headers in letters:
        producer.produce(DEAD, key=b"b", value=alert("b", "b_2"), headers=list(headers.items()))
    assert producer.flush(60) == 0

    def run(name, *more):
        return stack.run(
            "redrive",
            "-c",
            pipeline(
                tmp_path / "p.yaml",
                lambda settings: settings.update(
                    sinks=[{"plugin": "file", "path": str(tmp_path / name), "input": "alerts", "name": name}]
                ),
            ),
            *more,
        )

    for _ in range(2):
        done = run("other")
        assert re.search(
            "redriven +3 +left alone 3\n  written +3 +of those left alone once more at the end of the topic", done.out
        )
    assert "lacks the headers churn.topic, churn.partition, churn.offset" in done.err and "churn.kind" in done.err
    done = run("pager")
    assert re.search("redriven +3 +offered to sinks again 1 · left alone 2\n", done.out), done.out
    assert json.loads((tmp_path / "pager").read_text())["event_id"] == "b_2"
    again = letters_of(stack)
    assert [(k, v, {n: x.decode() for n, x in h}) for k, v, h in again[-2:]] == [
        (b"b", alert("b", "b_2"), headers) for headers in letters[1:]
    ]
    everything = run("other", "--all")  # reads them all, and has no need of more of them
    assert "left alone" in everything.out and "written" not in everything.out and len(letters_of(stack)) == len(again)
