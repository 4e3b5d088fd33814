"""`churnd explain`: what each event of a customer did to the profile, and that the sum is what the store has."""

import json
import re
import threading

import events
import pytest
import services
import yaml
from confluent_kafka import Consumer, TopicPartition
from services import Stack, run_churnd
from test_build import compile_plugin
from test_poison import LIMIT, PROCESSOR

TOPICS = {"customer-events": 4, "user-events": 2}
GROUP = "explained"
ODD = 'o"dd \\ ü%s → <b>'
PLAIN = "plain_1"


def event(kind, data, customer, number, time):
    return {
        "event_id": f"{customer}_{number}",
        "event_type": kind,
        "customer_id": customer,
        "timestamp": time,
        "data": data,
    }


def order(customer, number, value, time):
    data = {"order_id": f"o{number}", "order_value": value, "items_count": 1, "payment_method": "card"}
    return event("order_placed", data, customer, number, time)


def record(made, key=None, escaped=True):
    return (key or made["customer_id"]).encode(), json.dumps(made, ensure_ascii=escaped).encode()


def settings(types=(), processors=True):
    made = {
        "name": "explained",
        "source": {
            "plugin": "kafka",
            "brokers": "${KAFKA_BROKER}",
            "topics": list(TOPICS),
            "group_id": GROUP,
        },
        "events": {"types": list(types)},
        "store": {"plugin": "redis", "port": "${REDIS_PORT}", "key_prefix": "kept[1]*:"},
        "dead_letters": {"plugin": "kafka", "brokers": "${KAFKA_BROKER}", "topic": "letters"},
    }
    if processors:
        made["processors"] = [
            {"plugin": "dedup", "name": "once"},
            {"plugin": "filter", "drop_event_types": ["product_viewed"]},
        ]
    return made


def write(path, made):
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path


# A copy of an event that was counted, when its id is forgotten, in a place that is read before it.
LATER = "later_1"


def story(customer):
    """What happens to one customer: the records of both topics, and what nobody has read yet."""
    first = order(customer, 1, 100, "2026-01-01T10:00:00Z")
    customers = [
        record(first),
        record(event("login", {}, customer, 2, "2026-01-02T10:00:00Z"), escaped=False),
        record(first),
        record(order(customer, 3, "much", "2026-01-03T10:00:00Z")),
        record(event("product_viewed", {"product_id": "p"}, customer, 4, "2026-01-03T11:00:00Z")),
        record(order(customer, 5, 23.4, "2026-01-04T10:00:00Z"), key="another key"),
        record(order(customer, 6, 1, "2026-01-01T12:00:00Z")),
        record(event("review_submitted", {"product_id": "p", "rating": 4}, customer, 7, "2026-01-05T10:00:00Z")),
        (customer.encode(), b"{"),
    ]
    users = [record(first), record(order(customer, 8, 0.6, "2026-01-06T10:00:00Z"))]
    tail = [record(order(customer, 9, 19.99, "2026-01-07T10:00:00Z"))]
    return customers, users, tail


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """One broker and one Redis for the module, whose profiles were counted; of each story there is an unread tail."""
    stack = Stack(tmp_path_factory.mktemp("explain"))
    seed = services.random_seed()
    print(f"CHURN_TEST_SEED={seed}")
    try:
        stack.start_kafka()
        stack.start_redis()
        stack.kafka.create_topics(TOPICS)
        stories = [story(ODD), story(PLAIN)]
        for i, topic in enumerate(TOPICS):
            for part in stories:
                stack.kafka.produce(topic, part[i])
            stack.kafka.produce(topic, events.load(3000, 40, seed + i))
        stack.config = write(stack.folder / "explained.yaml", settings())
        narrow = write(stack.folder / "narrow.yaml", settings(["order_placed", "login", "product_viewed"]))
        stack.run("-c", narrow, "--until-end")
        stack.run("redrive", "-c", stack.config)
        stack.run("-c", stack.config, "--until-end")
        for part in stories:
            stack.kafka.produce("customer-events", part[2])
        yield stack
    finally:
        stack.stop()


def explain(stack, *args, status=0, config=None):
    return run_churnd("explain", "-c", config or stack.config, *args, env=stack.env, check=status, timeout=120)


def explain_json(stack, *args, status=0, config=None):
    return json.loads(explain(stack, *args, "--format", "json", status=status, config=config).stdout)


def committed(stack):
    consumer = Consumer({"bootstrap.servers": stack.kafka.brokers, "group.id": GROUP})
    try:
        parts = [TopicPartition(t, p) for t, n in TOPICS.items() for p in range(n)]
        return {(p.topic, p.partition): p.offset for p in consumer.committed(parts, 10)}
    finally:
        consumer.close()


def stored(stack, customer):
    return {n.decode(): v.decode() for n, v in stack.redis.client.hgetall(f"kept[1]*:{customer}").items()}


def test_the_sum_of_each_explanation_is_the_profile(told):
    """And nothing is left behind by looking: no offset, no key, no group with a position."""
    client = told.redis.client
    before = {key: client.dump(key) for key in client.scan_iter(count=5000)}
    offsets = committed(told)
    groups = {g.group_id for g in told.kafka.admin().list_consumer_groups().result().valid}
    customers = sorted(key.decode().removeprefix("kept[1]*:") for key in before if key.startswith(b"kept[1]*:"))
    assert ODD in customers and len(customers) > 30
    for customer in [ODD, PLAIN, *customers[::4]]:
        profile = stored(told, customer)
        made = explain_json(told, customer)
        assert made["same"] is True and made["missing_events"] == 0, made
        values = {f["name"]: f["value"] for f in made["fields"]}
        assert values == {n: v for n, v in profile.items() if not n.startswith("_")}
        for kept in made["partitions"]:
            assert profile.get(f"_m:{kept['topic']}/{kept['partition']}", "0") == str(kept["mark"])
        counted = [e for e in made["events"] if e["what"].startswith("counted")]
        assert len(counted) == int(profile["events_total"])
        times = [e["time"] for e in made["events"] if e["time"]]
        assert times == sorted(times)
        for name in ("total_spent", "login_count"):
            one = explain_json(told, customer, name)
            sums = [float(c["by"]) for e in one["events"] if e["what"].startswith("counted") for c in e["changes"]]
            assert sum(sums) == pytest.approx(float(profile.get(name, 0)))
            assert one["same"] is True
    assert {key: client.dump(key) for key in client.scan_iter(count=5000)} == before
    assert committed(told) == offsets
    left = {g.group_id for g in told.kafka.admin().list_consumer_groups().result().valid} - groups
    for group in left:
        consumer = Consumer({"bootstrap.servers": told.kafka.brokers, "group.id": group})
        parts = consumer.committed([TopicPartition(t, p) for t, n in TOPICS.items() for p in range(n)], 10)
        consumer.close()
        assert {p.offset for p in parts} == {-1001}, "a position was kept"


def test_what_became_of_each_record(told):
    made = explain_json(told, ODD)
    first = next(e for e in made["events"] if e["what"] == "counted" and e["event_id"] == f"{ODD}_1")
    assert sorted((e["event_id"] or "", e["what"]) for e in made["events"]) == sorted(
        [
            (f"{ODD}_1", "counted"),
            (f"{ODD}_1", "left_out"),
            (f"{ODD}_1", "left_out"),
            (f"{ODD}_2", "counted"),
            (f"{ODD}_3", "dead_letter"),
            (f"{ODD}_4", "left_out"),
            (f"{ODD}_5", "counted"),
            (f"{ODD}_6", "counted"),
            (f"{ODD}_7", "counted_late"),
            (f"{ODD}_8", "counted"),
            (f"{ODD}_9", "not_counted_yet"),
            ("", "dead_letter"),
        ]
    )
    by_id = {e["event_id"]: e for e in made["events"]}
    copies = [e for e in made["events"] if e["event_id"] == f"{ODD}_1"]
    assert {e.get("processor") for e in copies} == {None, "once"}
    assert [e["what"] for e in copies if "repeats" not in e] == ["counted"]
    assert {e["repeats"]["offset"] for e in copies if "repeats" in e} == {first["offset"]}
    assert by_id[f"{ODD}_3"]["reason"] == "wrong_type" and "order_value" in by_id[f"{ODD}_3"]["detail"]
    assert by_id[None]["reason"] == "invalid_json"
    assert by_id[f"{ODD}_4"]["processor"] == "filter"
    assert by_id[f"{ODD}_6"]["late"] is True and first["late"] is False
    assert by_id[f"{ODD}_9"]["read"] is False
    assert {"field": "total_spent", "by": "19.99"} in by_id[f"{ODD}_9"]["changes"]

    text = explain(told, ODD, "total_spent").stdout
    lines = text.splitlines()
    assert lines[-1] == "total_spent = 125.00: the same in the store"
    assert re.search(r"order_placed .*_5: total_spent 101.00 → 124.40 \(\+23.40\)$", text, re.MULTILINE)
    assert re.search(r"_6: total_spent 100.00 → 101.00 \(\+1.00\); late: events of a later time came", text)
    assert "left out by the processor once (total_spent +100.00); the event_id is that of " in text
    assert "not counted yet (total_spent +19.99)" in text
    assert "dead letter, wrong_type: data.order_value must be a number" in text
    assert "2 further events" in lines[-2] or "3 further events" in lines[-2], text

    text = explain(told, PLAIN, "average_order_value").stdout
    assert text.splitlines()[-3:] == [
        "order_count = 4: the same in the store",
        "total_spent = 125.00: the same in the store",
        "average_order_value = 31.25: the same in the store",
    ]
    at = explain(told, PLAIN, "total_spent", "--at", "2026-01-02").stdout.splitlines()
    assert "at 2026-01-02T00:00:00.000Z: total_spent = 101.00" in at
    assert at[-1] == "total_spent = 125.00: the same in the store"


def test_a_field_that_somebody_changed_is_named(told):
    client, key = told.redis.client, f"kept[1]*:{PLAIN}"
    before = client.dump(key)
    try:
        client.hset(key, "total_spent", "999.99")
        run = explain(told, PLAIN, "total_spent", status=1)
        assert run.stdout.splitlines()[-1] == "total_spent = 125.00: the store has 999.99"
        assert "no event is missing: somebody else has changed the profile" in run.stderr
        assert explain(told, PLAIN, "login_count").stdout.splitlines()[-1] == "login_count = 1: the same in the store"
        whole = explain(told, PLAIN, status=1).stdout.splitlines()
        assert whole[-2:] == ["total_spent = 125.00: the store has 999.99", "1 of 15 fields differ from the store"]
        made = explain_json(told, PLAIN, status=1)
        assert made["same"] is False
        assert [f["name"] for f in made["fields"] if not f["same"]] == ["total_spent"]

        client.hset(key, "total_spent", "a lot")
        run = explain(told, PLAIN, "total_spent", status=1)
        assert run.stdout.splitlines()[-1] == "total_spent = 125.00: the store has a lot"
        assert "the profile is damaged: field 'total_spent'" in run.stderr

        client.delete(key)
        run = explain(told, PLAIN, status=1)
        assert f"no profile of customer '{PLAIN}' in the store, though the pipeline has read" in run.stderr
        assert "they were dead letters when they were read (`churnd redrive`), or it expired" in run.stderr
        assert "though the pipeline has read past it" in run.stdout
    finally:
        client.delete(key)
        client.restore(key, 0, before)


def test_copies_that_nobody_has_read_yet(told):
    """In whatever order partitions are read: what the pipeline has counted comes before copies that it has not read, also
    when the store has forgotten their ids."""
    places = [(topic, partition) for topic, count in TOPICS.items() for partition in range(count)]
    made = [record(order(LATER, i, 5, "2026-01-01T10:00:00Z")) for i in range(len(places))]
    producer = told.kafka.producer()
    for (topic, partition), (key, value) in zip(places, made, strict=True):
        producer.produce(topic, value, key, partition)
    producer.flush()
    told.run("-c", told.config, "--until-end")
    for topic, partition in places:
        for key, value in made:
            producer.produce(topic, value, key, partition)
    producer.flush()
    keys = list(told.redis.client.scan_iter(match=f"churnd:dedup:*{LATER}*", count=5000))
    assert len(keys) == len(made)
    told.redis.client.delete(*keys)
    assert explain(told, LATER, "total_spent").stdout.splitlines()[-1] == (
        f"total_spent = {5 * len(made)}.00: the same in the store"
    )


def test_a_pipeline_that_runs(told):
    """It may be asked at any moment: what the pipeline counts meanwhile is not taken for passed over."""
    running, stop = told.churnd("-c", told.config), threading.Event()

    def produce():
        producer, number = told.kafka.producer(), 0
        while not stop.is_set():
            for _ in range(200):
                key, value = record(order("busy_1", number, 1, "2026-01-01T10:00:00Z"))
                producer.produce("customer-events", value, key)
                number += 1
            producer.flush()
            stop.wait(0.1)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        services.wait_for("a profile", lambda: stored(told, "busy_1"))
        for _ in range(8):
            made = explain_json(told, "busy_1")
            assert made["same"] is True
            assert {e["what"] for e in made["events"]} <= {"counted", "counted_late", "not_counted_yet"}
    finally:
        stop.set()
        thread.join()
    running.terminate()


def test_what_retention_took_is_told(told):
    """The last test of this broker: records are deleted."""
    profile = stored(told, ODD)
    parts = [name.removeprefix("_m:customer-events/") for name in profile if name.startswith("_m:customer-events/")]
    made = explain_json(told, ODD)
    cut = min(e["offset"] for e in made["events"] if e["event_id"] == f"{ODD}_2") + 1
    partition = next(e["partition"] for e in made["events"] if e["event_id"] == f"{ODD}_2")
    assert str(partition) in parts
    told.kafka.manage("delete_records", [TopicPartition("customer-events", partition, cut)])
    run = explain(told, ODD, "login_count", status=1)
    assert f"customer-events/{partition} begins at offset {cut} now: what was counted before it is no longer there" in (
        run.stdout
    )
    assert run.stdout.splitlines()[-1] == "login_count is absent: the store has 1"
    assert re.search(r"the first [12] events? that the profile has counted (is|are) no longer there", run.stderr)
    assert explain_json(told, ODD, status=1)["missing_events"] > 0


# ---- a file, and the embedded store ----


def file_pipeline(folder, made, **change):
    (folder / "events.jsonl").write_bytes(b"".join(value + b"\n" for _, value in made))
    return write(
        folder / "file.yaml",
        {
            "source": {"plugin": "file", "path": str(folder / "events.jsonl")},
            "store": {"plugin": "lmdb", "path": str(folder / "profiles")},
            "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
            **change,
        },
    )


def churnd(*args, status=0, **more):
    return run_churnd(*args, check=status, timeout=120, **more)


def test_a_file_and_the_embedded_store(tmp_path):
    customers, users, tail = story(ODD)
    config = file_pipeline(tmp_path, customers + users)
    looked = churnd("explain", "-c", config, ODD, status=1)
    assert "lmdb: there is no store in" in looked.stderr
    assert not (tmp_path / "profiles").exists()
    churnd("-c", config, "--until-end")
    with open(tmp_path / "events.jsonl", "ab") as more:
        more.write(tail[0][1] + b"\n")
    text = churnd("explain", "-c", config, ODD, "total_spent").stdout.splitlines()
    assert text[-1] == "total_spent = 325.00: the same in the store"  # without dedup each copy counts
    assert sum("the event_id is that of" in line for line in text) == 2
    assert sum("not counted yet (total_spent +19.99)" in line for line in text) == 1
    # No key and no JSON: the bytes alone tell whose it is, and these do not.
    assert not any("invalid_json" in line for line in text)

    wrong = churnd("explain", "-c", config, ODD, "total_spnt", status=1)
    assert "writes a profile field 'total_spnt' (did you mean 'total_spent'?)" in wrong.stderr
    assert "'_v' is the engine's own field" in churnd("explain", "-c", config, ODD, "_v", status=1).stderr
    assert "--at: 'soon' is no time" in churnd("explain", "-c", config, ODD, "--at", "soon", status=1).stderr
    nobody = churnd("explain", "-c", config, "nobody", status=1)
    assert nobody.stdout == "" and "neither a profile nor an event of customer 'nobody'" in nobody.stderr
    assert "1 to 128 bytes" in churnd("explain", "-c", config, "", status=1).stderr


def test_a_store_that_lost_something_is_told(tmp_path):
    """Emptied, or with an older copy: what is said is the cause, and what is advised mends it."""
    customers, users, _ = story(PLAIN)
    made = customers + users
    redis = services.Redis(tmp_path / "redis")
    try:
        store = {"plugin": "redis", "port": redis.port}
        config = file_pipeline(tmp_path, made[: len(made) // 2], store=store)
        churnd("-c", config, "--until-end")
        older = redis.client.hgetall(f"profile:{PLAIN}")
        config = file_pipeline(tmp_path, made, store=store)
        churnd("-c", config, "--until-end")
        churnd("explain", "-c", config, PLAIN)

        redis.client.delete(f"profile:{PLAIN}")
        redis.client.hset(f"profile:{PLAIN}", mapping=older)
        run = churnd("explain", "-c", config, PLAIN, status=1)
        assert re.search(
            r"has read \d+ events? that the profile has not counted: .* older copy of the profile", run.stderr
        )
        assert "not counted, though the pipeline has read past it" in run.stdout
        assert json.loads(churnd("explain", "-c", config, PLAIN, "--format", "json", status=1).stdout)
        churnd("-c", config, "--until-end", "--replay-from", "beginning")
        churnd("explain", "-c", config, PLAIN)

        redis.client.flushall()
        run = churnd("explain", "-c", config, PLAIN, status=1)
        assert "nor a checkpoint of the topics: it lost its data, is another one" in run.stderr
        churnd("-c", config, "--until-end")
        churnd("explain", "-c", config, PLAIN)
    finally:
        redis.stop()


def test_events_that_were_dead_letters_then(tmp_path):
    """A type that the pipeline knows now and did not when it read: the store lacks what could be counted."""
    customers, users, _ = story(PLAIN)
    config = file_pipeline(tmp_path, customers + users, events={"types": ["order_placed", "login"]})
    churnd("-c", config, "--until-end")
    config = file_pipeline(tmp_path, customers + users)
    run = churnd("explain", "-c", config, PLAIN, status=1)
    assert "the profile says that it has counted 2 events fewer: they were dead letters" in run.stderr
    assert "reviews_submitted = 1: absent in the store" in run.stdout


def test_an_event_that_ends_the_process(tmp_path):
    """It is told as the dead letter that it became, by whatever its plugin ends the process with."""
    times = [f"2026-01-0{i}T10:00:00Z" for i in range(1, 6)]
    made = [order(PLAIN, i, 10, time) for i, time in enumerate(times)]
    made[1]["event_id"], made[3]["event_id"] = "poison_1", "poison_3"
    (tmp_path / "plugins").mkdir()
    for name, act in (("aborts", "abort();"), ("leaves", "exit(0);")):
        (tmp_path / f"{name}.c").write_text(
            "#define _GNU_SOURCE\n" + PROCESSOR.replace("@ACT@", act).replace('"probe"', f'"{name}"')
        )
        compile_plugin(tmp_path / f"{name}.c", tmp_path / "plugins" / f"{name}.so")
    config = file_pipeline(
        tmp_path,
        [record(e) for e in made],
        state_dir=str(tmp_path / "state"),
        plugin_path=[str(tmp_path / "plugins")],
        processors=[
            {"plugin": "aborts", "when": 'event_id == "poison_1"'},
            {"plugin": "leaves", "when": 'event_id == "poison_3"'},
        ],
    )
    for _ in range(2 * LIMIT):
        run_churnd("-c", config, "--until-end")
    churnd("-c", config, "--until-end")
    run = churnd("explain", "-c", config, PLAIN, "total_spent")
    assert run.stdout.splitlines()[-1] == "total_spent = 30.00: the same in the store"
    for number, name in ((1, "aborts"), (3, "leaves")):
        assert (
            f"order_placed poison_{number}: dead letter, crashed_plugin: processor {name} ended the process"
            in run.stdout
        )
    events_told = json.loads(churnd("explain", "-c", config, PLAIN, "--format", "json").stdout)["events"]
    assert [e["what"] for e in events_told] == ["counted", "dead_letter", "counted", "dead_letter", "counted"]


def test_what_cannot_be_read_again_is_refused(tmp_path):
    config = file_pipeline(tmp_path, [], source={"plugin": "file", "path": "-"})
    run = churnd("explain", "-c", config, PLAIN, status=1)
    assert "an explanation reads the source from its beginning, and" in run.stderr


def test_more_events_than_memory_is_meant_for(tmp_path):
    """The oldest are told of together, and the sum is exact all the same."""
    count = 120_000
    made = [
        record(order(PLAIN, i, i % 7, f"2026-01-{i * 28 // count + 1:02}T10:00:00Z"), escaped=False)
        for i in range(count)
    ]
    config = file_pipeline(tmp_path, made)
    churnd("-c", config, "--until-end")
    lines = churnd("explain", "-c", config, PLAIN, "order_count").stdout.splitlines()
    earlier = int(re.match(r"… after (\d+) earlier events: order_count = (\d+)$", lines[0])[1])
    assert f"order_count = {earlier}" in lines[0] and earlier > 0
    assert len(lines) == 1 + (count - earlier) + 1
    assert lines[-1] == f"order_count = {count}: the same in the store"
