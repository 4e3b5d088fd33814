"""Events that crash, hang or confuse a plugin: after some restarts, as a supervisor makes them, they are in the dead letters,
and everything else is counted once."""

import json
import random
import time

import events
import oracle
import pytest
import yaml
from services import CHURND, Process, run_churnd
from test_build import compile_plugin

LIMIT = 3  # crash_limit, as it is by default

ACTS = {
    "abort": "abort();",
    "null": "volatile int *nowhere = NULL; *nowhere = 1;",
    "exit": "exit(0);",
    "hang": "for (;;) { pause(); }",
}

HEAD = """
#include <churn/event.h>
#include <churn/plugin.h>
#include <churn/processor.h>
#include <churn/sink.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((unused)) static int has(churn_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}
"""

PROCESSOR = (
    HEAD
    + """
static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self, (void)host, (void)err;
    return CHURN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static int32_t process(void *self, const churn_event *event, churn_error *err)
{
    (void)self, (void)err;
    if (has(event->event_id, "poison")) {
        @ACT@
    }
    return CHURN_OK;
}

static const churn_processor_ops ops = {.size = sizeof ops, .create = create, .process = process, .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_PROCESSOR, .name = "probe", .version = "1.0.0", .summary = "-", .ops = &ops);
"""
)

EVENT_TYPE = (
    HEAD
    + """
static const churn_field fields[] = {
    {"n", .type = CHURN_FIELD_INT, .flags = CHURN_FIELD_REQUIRED, .max = 1000, .help = "-"}};
static const churn_effect effects[] = {
    {"probes", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_NOTHING, .help = "-"},
};

static int32_t apply(const churn_event *event, churn_delta *delta, churn_error *err)
{
    (void)err;
    if (has(event->event_id, "poison")) {
        @ACT@
    }
    return delta->merge(delta, "probes", 1);
}

static const churn_event_type type = {
    .size = sizeof type, CHURN_FIELDS(fields), CHURN_EFFECTS(effects), .sample_weight = 1, .apply = apply};

CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "probed", .version = "1.0.0", .summary = "-", .ops = &type);
"""
)

SINK = (
    HEAD
    + """
#include <stdio.h>

struct probe {
    uint64_t ids[256];
    uint32_t count;
};

static int32_t create(void *self, const churn_host *host, churn_error *err)
{
    (void)self, (void)host, (void)err;
    return CHURN_OK;
}

static int32_t start(void *self, churn_error *err)
{
    (void)self, (void)err;
    return CHURN_OK;
}

static int32_t write_records(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken, churn_error *err)
{
    struct probe *p = self;
    (void)err;
    for (uint32_t i = 0; i < count && p->count < 256; i++) {
        if (has(records[i].value, "poison")) {
            @ACT@
        }
        FILE *out = fopen("taken", "a");
        if (out == NULL || fprintf(out, "%lld\\n", (long long)records[i].offset) < 0 || fclose(out) != 0) {
            return CHURN_FATAL;
        }
        p->ids[p->count++] = records[i].id;
        ++*ret_taken;
    }
    return CHURN_OK;
}

static int32_t poll_answers(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count,
                            churn_error *err)
{
    struct probe *p = self;
    (void)timeout_ms, (void)err;
    while (p->count > 0 && *ret_count < max) {
        done[(*ret_count)++] = (churn_done){.id = p->ids[--p->count], .result = CHURN_OK};
    }
    return CHURN_OK;
}

static void stop(void *self, int64_t deadline_ms)
{
    (void)self, (void)deadline_ms;
}

static void destroy(void *self)
{
    (void)self;
}

static const churn_sink_ops ops = {.size = sizeof ops, .accepts = CHURN_RECORD_EVENT, .create = create, .start = start,
                                   .write = write_records, .poll = poll_answers, .stop = stop, .destroy = destroy};

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "probe_sink", .version = "1.0.0", .summary = "-",
             .instance_size = sizeof(struct probe), .ops = &ops);
"""
)


class Bench:
    """A file of events through plugins made here into profiles in LMDB, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.settings = {
            "state_dir": "state",
            "plugin_path": ["plugins"],
            "source": {"plugin": "file", "path": "in.jsonl", "topic": "in"},
            "store": {"plugin": "lmdb", "path": "store"},
            "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
        }
        self.lines = []
        self.errors = ""
        (folder / "plugins").mkdir()

    def plugin(self, source, act, name):
        path = self.folder / f"{name}.c"
        path.write_text("#define _GNU_SOURCE\n" + source.replace("@ACT@", act))
        target = self.folder / "plugins" / f"{name}.so"
        target.unlink(missing_ok=True)
        compile_plugin(path, target)

    def add(self, *lines):
        """Appends events; returns the offset of the first of them."""
        offset = sum(len(line) + 1 for line in self.lines)
        self.lines += lines
        (self.folder / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in self.lines))
        return offset

    def add_load(self, count, seed):
        self.add(*(value for _, value in events.load(count, 12, seed)))

    def add_poison(self, number, customer="cust_1"):
        return self.add(events.raw(events.event("login", {"device": "x"}, customer, f"poison-{number}")))

    def run(self, timeout=60):
        path = self.folder / "p.yaml"
        path.write_text(yaml.safe_dump(self.settings, sort_keys=False))
        done = run_churnd("-c", path, cwd=self.folder, timeout=timeout)
        self.errors += done.stderr
        return done

    def supervise(self, most):
        """Starts churnd again until it ends well; how often it did not."""
        for failures in range(most + 1):
            if self.run().returncode == 0:
                return failures
        raise AssertionError(f"it does not converge within {most} restarts:\n{self.errors[-5000:]}")

    def dead(self):
        path = self.folder / "dead.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def dead_set(self):
        return {(letter["reason"], letter["offset"]) for letter in self.dead()}

    def profile(self, customer):
        done = run_churnd(
            "profile", "-c", self.folder / "p.yaml", customer, "--format", "json", cwd=self.folder, check=0
        )
        profile = json.loads(done.stdout, parse_int=str, parse_float=str)
        return profile.get("profile", profile)

    def assert_exact(self, without=()):
        """Every event counts once, but for those at the offsets `without`."""
        model, offset = oracle.Model(), 0
        for line in self.lines:
            if offset not in without:
                model.feed("in", 0, offset, None, line)
            offset += len(line) + 1
        oracle.assert_profiles_of(model.profile_fields(), {c: self.profile(c) for c in model.profiles})


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.parametrize("act", ACTS)
def test_a_processor_that_ends_the_process(bench, act, seed):
    bench.plugin(PROCESSOR, ACTS[act], "probe")
    bench.settings.update(processors=[{"plugin": "probe"}], plugin_timeout="1s")
    bench.add_load(700, seed)
    bad = bench.add_poison(1)
    bench.add_load(700, seed + 1)
    assert bench.supervise(LIMIT) == LIMIT
    (letter,) = bench.dead()
    assert (letter["reason"], letter["offset"]) == ("crashed_plugin", bad)
    assert "processor probe" in letter["detail"] and str(LIMIT) in letter["detail"], letter
    assert letter["value"].encode() in bench.lines
    bench.assert_exact({bad})
    for count in range(1, LIMIT + 1):
        assert f"in/0 offset {bad} ({count} of {LIMIT} times)" in bench.errors, bench.errors
    if act == "hang":
        assert f"processor probe has not returned from in/0 offset {bad}" in bench.errors
    # mended, the plugin takes the next one of its kind at once
    bench.plugin(PROCESSOR, "", "probe")
    bench.add_poison(2, "later")
    assert bench.run().returncode == 0
    assert bench.profile("later")["events_total"] == "1" and len(bench.dead()) == 1
    bench.assert_exact({bad})


def test_two_events_and_the_first_one_of_all(bench, seed):
    bench.plugin(PROCESSOR, ACTS["abort"], "probe")
    bench.settings["processors"] = [{"plugin": "filter"}, {"plugin": "probe"}]
    bad = {bench.add_poison(1)}
    bench.add_load(400, seed)
    bad.add(bench.add_poison(2))
    bad.add(bench.add_poison(3))
    bench.add_load(400, seed + 1)
    assert bench.supervise(3 * LIMIT) == 3 * LIMIT
    assert bench.dead_set() == {("crashed_plugin", offset) for offset in bad}
    bench.assert_exact(bad)


def test_crash_limit(bench, seed):
    bench.plugin(PROCESSOR, ACTS["abort"], "probe")
    bench.settings.update(processors=[{"plugin": "probe"}], crash_limit=1)
    bench.add_load(50, seed)
    bad = bench.add_poison(1)
    assert bench.supervise(1) == 1
    assert bench.dead_set() == {("crashed_plugin", bad)}
    bench.assert_exact({bad})


@pytest.mark.parametrize("act", ["abort", "hang"])
def test_an_event_type_that_ends_the_process(bench, act):
    bench.plugin(EVENT_TYPE, ACTS[act], "probed")
    bench.settings["plugin_timeout"] = "1s"
    for i in range(60):
        bench.add(events.raw(events.event("probed", {"n": i}, f"c{i % 3}", f"e{i}")))
    bad = bench.add(events.raw(events.event("probed", {"n": 1}, "c0", "poison-1")))
    for i in range(60):
        bench.add(events.raw(events.event("probed", {"n": i}, f"c{i % 3}", f"f{i}")))
    assert bench.supervise(LIMIT) == LIMIT
    (letter,) = bench.dead()
    assert (letter["reason"], letter["offset"]) == ("crashed_plugin", bad) and "event type probed" in letter["detail"]
    for customer in ("c0", "c1", "c2"):
        profile = bench.profile(customer)
        assert (profile["probes"], profile["events_total"]) == ("40", "40")


@pytest.mark.parametrize("count", [5, 2000])
def test_a_sink_that_ends_the_process(bench, count, seed):
    """The event is counted; what the sink must not have is in the dead letters, everything else was given to it."""
    bench.plugin(SINK, ACTS["abort"], "probe_sink")
    bench.settings["sinks"] = [{"plugin": "probe_sink"}]
    bench.add_load(count, seed)
    bad = bench.add_poison(1)
    bench.add_load(count, seed + 1)
    assert bench.supervise(LIMIT + 1) >= LIMIT
    assert bench.dead_set() == {("crashed_plugin", bad)}
    bench.assert_exact()
    offsets, offset = set(), 0
    for line in bench.lines:
        offsets.add(offset)
        offset += len(line) + 1
    assert {int(text) for text in (bench.folder / "taken").read_text().split()} == offsets - {bad}


@pytest.mark.parametrize("source", ["processor", "event type", "sink"])
@pytest.mark.parametrize(
    "act,word",
    [
        ('return churn_fail(err, CHURN_REJECT, "told to");', "told to"),
        ("return -77;", "-77"),
        ("return 77;", "77"),
        ('return churn_fail(err, -78, "why not");', "why not"),
    ],
)
def test_an_error_costs_one_event(bench, source, act, word, seed):
    """An answer that is none of those that stop a pipeline is about the event alone."""
    name = {"processor": "probe", "event type": "probed", "sink": "probe_sink"}[source]
    bench.plugin({"processor": PROCESSOR, "event type": EVENT_TYPE, "sink": SINK}[source], act, name)
    kind, data = ("probed", {"n": 1}) if source == "event type" else ("login", {})
    if source != "event type":
        bench.settings["processors" if source == "processor" else "sinks"] = [{"plugin": name}]
    bench.add_load(300, seed)
    bad = bench.add(events.raw(events.event(kind, data, "probed_customer", "poison-1")))
    bench.add_load(300, seed + 1)
    assert bench.run().returncode == 0, bench.errors
    (letter,) = bench.dead()
    reason = {"processor": "rejected_by_processor", "event type": "rejected_by_plugin", "sink": "rejected_by_sink"}[
        source
    ]
    assert (letter["reason"], letter["offset"]) == (reason, bad)
    assert word in letter["detail"], letter
    bench.assert_exact(set() if source == "sink" else {bad})


def test_fatal_stops_the_pipeline(bench, seed):
    bench.plugin(PROCESSOR, 'return churn_fail(err, CHURN_FATAL, "no licence");', "probe")
    bench.settings["processors"] = [{"plugin": "probe"}]
    bench.add_load(50, seed)
    bench.add_poison(1)
    for _ in range(LIMIT + 2):
        assert bench.run().returncode == 1
    assert "processor probe: no licence" in bench.errors and not bench.dead()


def test_kill_9_condemns_nobody(bench, seed):
    """Deaths that hit a plugin's call by chance are forgiven, once the event passes."""
    rng = random.Random(seed)
    slow = PROCESSOR.replace(
        "return CHURN_OK;\n}\n\nstatic const", "(void)usleep(500);\n    return CHURN_OK;\n}\n\nstatic const"
    )
    assert slow != PROCESSOR
    bench.plugin(slow, "", "probe")
    bench.settings["processors"] = [{"plugin": "probe"}]
    bench.add_load(1500, seed)
    path = bench.folder / "p.yaml"
    path.write_text(yaml.safe_dump(bench.settings, sort_keys=False))
    for turn in range(8):
        process = Process([CHURND, "-c", path], bench.folder, f"killed{turn}")
        time.sleep(0.05 + rng.random() * 0.6)
        assert process.running(), process.err
        process.kill()
    assert bench.run().returncode == 0, bench.errors
    assert not bench.dead()
    bench.assert_exact()


def test_check_leaves_no_state_and_a_run_can_do_without(bench, seed):
    bench.add_load(20, seed)
    assert bench.run().returncode == 0
    assert [p.name for p in (bench.folder / "state").iterdir()] == ["p.0.journal"]
    (bench.folder / "state/p.0.journal").unlink()
    run_churnd("check", "-c", bench.folder / "p.yaml", cwd=bench.folder, check=0)
    assert not list((bench.folder / "state").iterdir())
    bench.settings["state_dir"] = "in.jsonl"
    done = bench.run()
    assert done.returncode == 0 and "set state_dir" in done.stderr
    bench.assert_exact()


def test_two_workers_with_kafka_and_redis(stack, seed):
    """Each worker meets an event that crashes it; everything else is exact, in as few restarts."""
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({"customer-events": 4})
    bench = Bench(stack.folder)
    bench.plugin(PROCESSOR, ACTS["null"], "probe")
    records = events.load(6000, 300, seed)
    for number, at in enumerate((2500, 4000)):
        records.insert(
            at,
            (
                b"cust_1",
                events.raw(
                    events.event("login", {}, "cust_1", f"poison-{number}"),
                ),
                number,
            ),
        )
    stack.kafka.produce("customer-events", records)
    config = stack.folder / "p.yaml"
    quick = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    config.write_text(
        yaml.safe_dump(
            {
                "workers": 2,
                "plugin_path": [str(stack.folder / "plugins")],
                "processors": [{"plugin": "probe"}],
                "source": {
                    "plugin": "kafka",
                    "brokers": stack.kafka.brokers,
                    "topics": ["customer-events"],
                    "group_id": "poison",
                    "properties": quick,
                },
                "store": {"plugin": "redis", "port": stack.redis.port, "window_events": 500},
                "dead_letters": {"plugin": "kafka", "brokers": stack.kafka.brokers, "topic": "dead"},
            }
        )
    )
    failures, process = -1, None
    while process is None or process.process.returncode != 0:
        failures += 1
        assert failures <= 2 * (LIMIT + 1), process.err[-5000:]
        process = stack.churnd("-c", config, "--until-end")
        process.process.wait(120)
    model, bad = oracle.Model(), set()
    for topic, partition, offset, key, value, _ in oracle.read_topics(stack.kafka.brokers, ["customer-events"]):
        if b"poison-" in value:
            bad.add((topic, partition, offset))
            model.dead[topic, partition, offset] = oracle.Dead("crashed_plugin", key, value)
        else:
            model.feed(topic, partition, offset, key, value)
    assert len(bad) == 2
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_dead_letters(model, set(oracle.kafka_dead_letters(stack.kafka.brokers, "dead")))
