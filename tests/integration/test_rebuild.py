"""Profiles rebuilt under another key prefix, and the comparison that names the first that differs."""

import json
import os
import re
import signal
import time

import events
import oracle
import pytest
import services
from confluent_kafka import Consumer, TopicPartition
from conftest import pipeline
from services import SRC, Stack, run_churnd, wait_for
from test_build import compile_plugin

TOPICS = ["customer-events", "user-events"]
CONSUMER = SRC / "config/consumer.yaml"
GROUP = "churn-consumer-group"


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """One broker and one Redis for the module, with profiles that are counted and known to be exact."""
    stack = Stack(tmp_path_factory.mktemp("rebuild"))
    seed = services.random_seed()
    print(f"CHURN_TEST_SEED={seed}")
    try:
        stack.start_kafka()
        stack.start_redis()
        stack.start_scripted()
        stack.kafka.create_topics({"customer-events": 4, "user-events": 2})
        stack.kafka.produce(
            "customer-events", events.adversarial(seed, with_big=False) + events.load(20000, 1500, seed)
        )
        stack.kafka.produce("user-events", events.load(4000, 1500, seed + 1))
        stack.run("-c", CONSUMER, "--until-end")
        stack.model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
        oracle.assert_profiles(stack.model, stack.redis.hashes("profile:"))
        yield stack
    finally:
        stack.stop()


def committed(stack, group):
    consumer = Consumer({"bootstrap.servers": stack.kafka.brokers, "group.id": group})
    try:
        parts = [TopicPartition(t, p) for t, n in (("customer-events", 4), ("user-events", 2)) for p in range(n)]
        return {(p.topic, p.partition): p.offset for p in consumer.committed(parts, 10)}
    finally:
        consumer.close()


def sent(stack):
    """How much there is of all that a pipeline may send."""
    counts = {
        t: len(list(oracle.read_topics(stack.kafka.brokers, [t])))
        for t in ("customer-alerts", "churn-predictions", "churn-dead-letters", "churn-prediction-requests")
        if stack.kafka.topic_exists(t)
    }
    return counts, len(stack.api.requests), stack.redis.hashes("prediction:")


def remove(stack, prefix):
    keys = list(stack.redis.client.scan_iter(match=services._glob(prefix) + "*", count=5000))
    if keys:
        stack.redis.client.delete(*keys)


def rebuild(stack, into, config=CONSUMER):
    return stack.run("rebuild", "-c", config, "--into", into)


def verify(stack, against, status, *args, config=CONSUMER):
    return run_churnd("verify", "-c", config, "--against", against, *args, env=stack.env, check=status).stdout


@pytest.fixture
def rebuilt(filled):
    """A rebuild that is equal at the test's beginning, under a prefix of its own; what the test did here is undone."""
    rebuilt.number = getattr(rebuilt, "number", 0) + 1
    prefix = f"rebuilt[{rebuilt.number}]*:"
    rebuild(filled, prefix)
    before = {k: filled.redis.client.dump(k) for k in filled.redis.client.scan_iter(match="profile:*", count=5000)}
    yield prefix
    remove(filled, "profile:")
    for key, value in before.items():
        filled.redis.client.restore(key, 0, value)


def test_a_rebuild_is_equal_and_touches_nothing_else(filled):
    offsets, before, profiles = committed(filled, GROUP), sent(filled), filled.redis.hashes("profile:")
    run = rebuild(filled, "whole:")
    oracle.assert_profiles(filled.model, filled.redis.hashes("whole:"))
    bad = f"{len(filled.model.dead):,}"
    assert re.search(rf"bad events +{bad} ", run.out), run.out
    assert "dead letters" not in run.out and "alerts" not in run.out
    assert committed(filled, GROUP) == offsets
    assert sent(filled) == before
    assert filled.redis.hashes("profile:") == profiles
    assert committed(filled, f"{GROUP}-rebuild-whole:") == offsets

    count = len(filled.model.profiles)
    text = verify(filled, "whole:", 0)
    assert text == (
        f"{count} profiles compared, 'profile:' here, 'whole:' there: {count} equal, 0 different, "
        "0 missing here, 0 missing there\n"
    )
    told = json.loads(verify(filled, "whole:", 0, "--format", "json"))
    assert told == {
        "here": "profile:",
        "there": "whole:",
        "compared": count,
        "equal": count,
        "different": 0,
        "missing_here": 0,
        "missing_there": 0,
        "only_read_further": 0,
        "first": None,
        "first_for_another_reason": None,
    }
    # Once more finds all of it counted.
    again = rebuild(filled, "whole:")
    assert re.search(rf"events .*already counted {filled.model.events:,}", again.out), again.out
    verify(filled, "whole:", 0)
    # Deleted, it is made again.
    remove(filled, "whole:")
    rebuild(filled, "whole:")
    verify(filled, "whole:", 0)


def test_the_first_that_differs_is_named(filled, rebuilt):
    client, customers = filled.redis.client, sorted(filled.model.profiles, key=str.encode)
    first, second, third = customers[10], customers[500], customers[900]
    count = len(customers)
    fields = {n.decode(): v.decode() for n, v in client.hgetall(f"profile:{second}").items()}
    client.hset(f"{rebuilt}{second}", "events_total", 999999)
    client.hdel(f"profile:{second}", "last_event_type")
    text = verify(filled, rebuilt, 1)
    assert text.splitlines() == [
        f"{second}: events_total: {fields['events_total']} here, 999999 there",
        f"{second}: last_event_type: missing here, {fields['last_event_type']} there",
        f"{count} profiles compared, 'profile:' here, '{rebuilt}' there: {count - 1} equal, 1 different, 0 missing here, "
        "0 missing there",
    ]
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert (
        told["first"]
        == told["first_for_another_reason"]
        == {
            "customer_id": second,
            "missing": None,
            "read": [],
            "fields": [
                {"name": "events_total", "here": fields["events_total"], "there": "999999"},
                {"name": "last_event_type", "here": None, "there": fields["last_event_type"]},
            ],
        }
    )

    client.delete(f"{rebuilt}{first}")
    client.hset(f"{rebuilt}aaa added", "events_total", "1\n2")
    lines = verify(filled, rebuilt, 1).splitlines()
    assert not [line for line in lines if second in line]
    assert lines[-1].endswith(f"{count - 2} equal, 1 different, 1 missing here, 1 missing there")
    added = min("aaa added", first, key=str.encode)
    side = "here" if added == "aaa added" else "there"
    assert [line for line in lines if line.startswith(f"{added}: missing {side}: ")], lines
    assert "2 more differ; --limit 3 names all" in lines

    lines = verify(filled, rebuilt, 1, "--limit", "3").splitlines()
    named = [c for c in ("aaa added", first, second) if [line for line in lines if line.startswith(f"{c}: ")]]
    assert len(named) == 3 and not [line for line in lines if "more differ" in line], lines
    lines = verify(filled, rebuilt, 1, "--limit", "2").splitlines()
    assert "1 more differs; --limit 3 names all" in lines and not [line for line in lines if second in line], lines
    told = json.loads(verify(filled, rebuilt, 1, "--limit", "2", "--format", "json"))
    assert [d["customer_id"] for d in told["differences"]] == sorted(["aaa added", first], key=str.encode)
    assert [d["missing"] for d in told["differences"]] == ["here", "there"] and told["differences"][0] == told["first"]
    done = run_churnd("verify", "-c", CONSUMER, "--against", rebuilt, "--limit", "0", env=filled.env, check=1)
    assert "--limit: '0' is no number" in done.stderr
    client.delete(f"{rebuilt}aaa added")

    # What the engine keeps for itself is no difference, nor is the order of fields.
    client.delete(f"profile:{third}")
    client.hset(f"profile:{third}", mapping=dict(reversed(client.hgetall(f"{rebuilt}{third}").items())))
    client.hset(f"profile:{third}", "_v", 77)
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert (told["different"], told["missing_there"], told["missing_here"]) == (1, 1, 0)
    assert told["first"]["customer_id"] == first and told["first"]["missing"] == "there"


def test_values_that_are_no_text_stay_on_their_line(filled, rebuilt):
    customer = sorted(filled.model.profiles, key=str.encode)[3]
    filled.redis.client.hset(f"profile:{customer}", "last_event_type", b"a\nb\x1b[0m\xff")
    lines = verify(filled, rebuilt, 1).splitlines()
    assert len(lines) == 2 and lines[0].startswith(f'{customer}: last_event_type: "a\\nb\\u001b[0m')
    assert (
        json.loads(verify(filled, rebuilt, 1, "--format", "json"))["first"]["fields"][0]["here"] == "a\nb\x1b[0m\ufffd"
    )


def test_lost_events_are_told_from_late_ones(filled, rebuilt):
    """A profile whose mark went back, while its partition has been read far beyond it, has lost events."""
    client = filled.redis.client
    customer = max(filled.model.profiles, key=lambda c: filled.model.profiles[c].total)
    fields = client.hgetall(f"profile:{customer}")
    mark = next(n for n in fields if n.startswith(b"_m:"))
    client.hset(f"profile:{customer}", mapping={mark: 1, "events_total": 1})
    text = verify(filled, rebuilt, 1)
    source = mark[3:].decode()
    assert (
        f"{customer}: {source}: 1 here, {fields[mark].decode()} there: both sides have read further than that" in text
    ), text
    assert "older one has lost events" in text
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert told["first_for_another_reason"]["customer_id"] == customer and told["only_read_further"] == 0
    assert told["first"]["read"] == [{"source": source, "here": 1, "there": int(fields[mark]), "cause": "events_lost"}]


def test_checkpoints_tell_how_far_a_side_has_read(filled, rebuilt):
    """The last customer of a partition is missing there: only the checkpoint knows that the rebuild has been past it."""
    client = filled.redis.client
    checkpoint = f"churnd:checkpoint:{rebuilt}customer-events/0"
    client.hset("profile:aaa_last", mapping={"events_total": 1, "_v": 1, "_m:customer-events/0": 10**9})
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert (told["missing_there"], told["only_read_further"]) == (1, 1)
    assert told["first"]["customer_id"] == "aaa_last"
    client.hset(checkpoint, "offset", 10**9)
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert (told["missing_there"], told["only_read_further"]) == (1, 0)
    assert told["first_for_another_reason"]["read"] == [
        {"source": "customer-events/0", "here": 10**9, "there": 0, "cause": "events_lost"}
    ]
    client.delete(checkpoint)


def test_the_pipeline_has_gone_on(filled):
    """Events after the rebuild: verify says which side is behind, and the rebuild repeated makes them equal."""
    rebuilt = "later:"
    rebuild(filled, rebuilt)
    customer = "aaa_newcomer"
    late = [
        (customer.encode(), events.raw(events.event("login", {}, customer=customer))),
        (b"adversary_full", events.raw(events.event("login", {}, customer="adversary_full"))),
    ]
    filled.kafka.produce("user-events", late)
    filled.run("-c", CONSUMER, "--until-end")
    filled.model = oracle.Model().feed_topics(filled.kafka.brokers, TOPICS)
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert (told["different"], told["missing_here"], told["missing_there"]) == (1, 0, 1)
    assert told["only_read_further"] == 2 and told["first_for_another_reason"] is None
    text = verify(filled, rebuilt, 1)
    place = r"user-events/\d: (\d+) here, (\d+) there: the pipeline has gone on; run the rebuild again"
    assert re.search(rf"^(aaa_newcomer|adversary_full): {place}$", text, re.M), text
    assert "2 of those that differ do so only where one side has read further" in text

    # A difference of another kind behind it is named as well.
    other = "zzz_other"
    filled.redis.client.hset(f"profile:{other}", "events_total", 5)
    text = verify(filled, rebuilt, 1)
    assert f"the first that differs for another reason:\n{other}: missing there: " in text, text
    filled.redis.client.delete(f"profile:{other}")

    before = {k: filled.redis.client.dump(k) for k in ("profile:adversary_full", f"profile:{customer}")}
    filled.redis.client.delete(*before)
    rebuild(filled, rebuilt)
    told = json.loads(verify(filled, rebuilt, 1, "--format", "json"))
    assert told["missing_here"] == 2, "deleted here, and rebuilt there"
    for key, value in before.items():
        filled.redis.client.restore(key, 0, value)
    verify(filled, rebuilt, 0)


def test_killed_in_the_middle_and_repeated(filled):
    """SIGKILL twice while the rebuild writes; then it goes on, and all is equal."""
    proxy = services.Proxy(filled.redis.port, 0.004)
    try:

        def change(settings):
            settings["store"].update(window_events="200", port=str(proxy.port))
            settings["source"].setdefault("properties", {}).update(
                {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
            )

        config = pipeline(filled.folder / "slow.yaml", change)
        for _ in range(2):
            process = filled.churnd("rebuild", "-c", config, "--into", "killed:")
            start = filled.redis.commands()
            wait_for("writes", lambda: filled.redis.commands() > start + 700 or not process.running(), 60, 0.01)
            time.sleep(0.05)
            assert process.running(), process.err[-3000:]
            process.kill()
        process = filled.churnd("rebuild", "-c", config, "--into", "killed:")
        start = filled.redis.commands()
        wait_for("writes", lambda: filled.redis.commands() > start + 700 or not process.running(), 60, 0.01)
        assert process.terminate() == 128 + signal.SIGTERM  # it is not done, and says so
        assert "interrupted    by SIGTERM before the end: the profiles under killed: are not whole" in process.out
        assert "the same command reads from the beginning again, and no event counts twice" in process.out

        assert len(filled.redis.hashes("killed:")) > 0
        lines = verify(filled, "killed:", 1).splitlines()
        assert "equal" in lines[-1] or "equal" in lines[-2]
    finally:
        proxy.stop()
    rebuild(filled, "killed:")
    verify(filled, "killed:", 0)
    oracle.assert_profiles(oracle.Model().feed_topics(filled.kafka.brokers, TOPICS), filled.redis.hashes("killed:"))


def test_a_group_that_started_at_the_end_is_rebuilt_from_the_beginning(filled):
    def change(settings):
        settings["source"].update(start="end", group_id="late-group")
        settings["store"]["key_prefix"] = "late:"

    config = pipeline(filled.folder / "late.yaml", change)
    rebuild(filled, "from-start:", config)
    oracle.assert_profiles(oracle.Model().feed_topics(filled.kafka.brokers, TOPICS), filled.redis.hashes("from-start:"))
    text = verify(filled, "from-start:", 1, config=config)
    count = len(filled.redis.hashes("from-start:"))
    assert f"{count} missing here, 0 missing there" in text
    assert all(offset < 0 for offset in committed(filled, "late-group").values())


def test_prefixes_that_cannot_be(filled):
    filled.redis.client.hset("taken:x", "total", 5)
    for prefix, word in {
        "": "empty",
        "profile:": "own key_prefix",
        "profile:x:": "begin alike",
        "pro": "begin alike",
        "churnd:x": "churnd:",
        "x" * 256: "255",
    }.items():
        for command, option in (("rebuild", "--into"), ("verify", "--against")):
            done = run_churnd(command, "-c", CONSUMER, option, prefix, env=filled.env, check=1)
            assert word in done.stderr and option in done.stderr and done.stdout == "", done.stderr
    done = run_churnd("rebuild", "-c", CONSUMER, "--into", "taken:", env=filled.env, check=1)
    assert "taken:x is no profile" in done.stderr
    assert filled.redis.client.hgetall("taken:x") == {b"total": b"5"}
    done = run_churnd("verify", "-c", CONSUMER, "--against", "nowhere:", env=filled.env, check=1)
    assert "there is no profile under 'nowhere:'" in done.stderr and "--into nowhere:" in done.stderr


def test_repeated_after_retention_has_passed(filled):
    """Its own group stands at an offset that the topic has no more, as does its checkpoint: it begins where the topic does
    now, counts what is there once, and says what nobody has counted. So does a redrive of dead letters."""

    def change(settings):
        settings["source"].update(topics=["retained"], group_id="retained-group")
        settings["store"]["key_prefix"] = "kept:"
        settings["dead_letters"]["topic"] = "retained-dead"

    def produce(count, prefix):
        filled.kafka.produce("retained", events.load(count, 30, 7, event_prefix=prefix))

    def forget(below, topic="retained"):
        filled.kafka.manage("delete_records", [TopicPartition(topic, 0, below)])

    def counted():
        return sum(int(f["events_total"]) for f in filled.redis.hashes("again:").values())

    filled.kafka.create_topics({"retained": 1, "retained-dead": 1})
    config = pipeline(filled.folder / "retained.yaml", change)
    produce(100, "one")
    rebuild(filled, "again:", config)
    assert counted() == 100

    forget(60)  # all of it was counted, so nothing is lost
    produce(20, "two")
    run = rebuild(filled, "again:", config)
    assert counted() == 120 and "retained/0: offsets" not in run.err

    produce(50, "three")
    forget(150)
    run = rebuild(filled, "again:", config)
    assert counted() == 140
    assert "retained/0: offsets 120 to 149 are gone (retention)" in run.err, run.err

    forget(170)  # and now all
    run = rebuild(filled, "again:", config)
    assert counted() == 140 and " ERROR " not in run.err
    remove(filled, "again:")  # but not its group
    filled.redis.client.delete("churnd:checkpoint:again:retained/0", "churnd:letters:again:retained/0")
    produce(10, "four")
    forget(175)
    run = rebuild(filled, "again:", config)
    assert counted() == 5, run.err
    assert "retained/0: offsets 0 to 174 are gone (retention)" in run.err, run.err

    filled.kafka.produce("retained", [(b"x", b"no event")] * 3)
    filled.run("-c", config, "--until-end")
    assert "still bad 3" in filled.run("redrive", "-c", config).out  # and written once more, at 3 to 5
    forget(5, "retained-dead")
    run = filled.run("redrive", "-c", config)
    assert re.search("redriven +1 +still bad 1", run.out), run.out
    assert "retained-dead/0: the dead letters from offset 3 to 4 are gone (retention)" in run.err, run.err


def lmdb_pipeline(folder, path, source=None):
    (folder / "p.yaml").write_text(
        json.dumps(
            {
                "source": source or {"plugin": "file", "path": str(path)},
                "store": {"plugin": "lmdb", "path": str(folder / "store")},
                "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
                "sinks": [{"plugin": "file", "path": str(folder / "alerts.jsonl"), "input": "alerts"}],
            }
        )
    )
    return folder / "p.yaml"


def test_without_any_server(tmp_path, seed):
    values = [
        v for _, v in events.load(5000, 200, seed) + events.adversarial(seed, with_big=False) if v and b"\n" not in v
    ]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(values) + b"\n")
    config = lmdb_pipeline(tmp_path, path)
    run_churnd("-c", config, check=0)
    before = (tmp_path / "dead.jsonl").read_bytes(), (tmp_path / "alerts.jsonl").read_bytes()
    assert all(before)
    run_churnd("rebuild", "-c", config, "--into", "rebuilt:", check=0)
    assert ((tmp_path / "dead.jsonl").read_bytes(), (tmp_path / "alerts.jsonl").read_bytes()) == before
    run_churnd("verify", "-c", config, "--against", "rebuilt:", check=0)
    with path.open("ab") as out:
        out.write(events.raw(events.event("login", {}, customer="aaa_last")) + b"\n")
    run_churnd("-c", config, check=0)
    done = run_churnd("verify", "-c", config, "--against", "rebuilt:", check=1)
    assert re.search(
        r"^aaa_last: \S*events.jsonl/0: \d+ here, 0 there: the pipeline has gone on; run the rebuild again$",
        done.stdout,
        re.M,
    ), done.stdout
    run_churnd("rebuild", "-c", config, "--into", "rebuilt:", check=0)
    run_churnd("verify", "-c", config, "--against", "rebuilt:", check=0)


def test_a_source_that_commits_is_rebuilt_apart(tmp_path):
    """The template's source keeps its position in a file: a rebuild has one of its own, or none is made without `apart`."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    template = (SRC / "examples/plugin-template/source/my_source.c").read_text()
    source, path = folder / "my_source.c", tmp_path / "events.jsonl"
    source.write_text(template)
    compile_plugin(source, folder / "my_source.so")
    source.write_text(template.replace("    .apart = apart,\n", "").replace("my_source", "old_source"))
    compile_plugin(source, folder / "old_source.so", "-Wno-unused-function")
    path.write_bytes(b"".join(v + b"\n" for _, v in events.load(200, 20, 1)))
    config = lmdb_pipeline(tmp_path, None, {"plugin": "my_source", "path": str(path)})
    position, own = tmp_path / "events.jsonl.position", tmp_path / "events.jsonl.rebuild-new:.position"
    run_churnd("-c", config, "--plugin-path", folder, check=0)
    position.write_text("150\n")
    run_churnd("rebuild", "-c", config, "--into", "new:", "--plugin-path", folder, check=0)
    assert position.read_text() == "150\n" and own.read_text() == "200\n"
    run_churnd("verify", "-c", config, "--against", "new:", "--plugin-path", folder, check=0)
    config = lmdb_pipeline(tmp_path, None, {"plugin": "old_source", "path": str(path)})
    said = run_churnd("rebuild", "-c", config, "--into", "x:", "--plugin-path", folder, check=1).stderr
    assert re.search(r"p\.yaml:1:\d+: a rebuild .*'old_source' does not say how .* call apart of ABI 1\.3", said), said


def test_sources_that_cannot_be_read_again(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for source, place in (
        ({"plugin": "file", "path": "-"}, "pipe"),
        ({"plugin": "file", "path": str(tmp_path / "fifo")}, "pipe"),
        ({"plugin": "file", "path": str(tmp_path)}, "is a folder; name a file in it"),
        ({"plugin": "generate", "events": "5"}, "start_time"),
        ({"plugin": "generate", "events": "0", "start_time": "2026-01-01T00:00:00Z"}, "endless"),
    ):
        done = run_churnd("rebuild", "-c", lmdb_pipeline(tmp_path, None, source), "--into", "x:", check=1)
        assert place in done.stderr, done.stderr
    (tmp_path / "p.yaml").write_text(
        json.dumps({"source": {"plugin": "generate", "events": "5"}, "sinks": [{"plugin": "file", "path": "x"}]})
    )
    for command, option in (("rebuild", "--into"), ("verify", "--against")):
        assert "no store" in run_churnd(command, "-c", tmp_path / "p.yaml", option, "x:", check=1).stderr
