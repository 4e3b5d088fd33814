"""SIGHUP: the pipeline file is read again. A good one takes over whole, on a mistake the old one runs on, and no event is
lost or counted twice."""

import json
import os
import random
import re
import signal
import threading
import time
import urllib.request

import events
import oracle
import pytest
import yaml
from conftest import pipeline
from metrics import scrape, value
from services import HOST, Stack, free_port, run_churnd, wait_for
from test_kill import TOPICS, finish, small_windows, start_services

GOOD = "is good; finishing what was read"
REFUSED = "is not taken into use; the pipeline runs on as it was"
BACK = "going back to the one before"


def said(process, text):
    return process.err.count(text)


def reload(process, text="reloaded ", timeout=40):
    """SIGHUP; returns once the log says `text` once more."""
    before = said(process, text)
    process.send(signal.SIGHUP)
    wait_for(f"`{text}`", lambda: said(process, text) > before or not process.running(), timeout, 0.02)
    assert process.running(), process.err[-3000:]


def figure(process, what):
    found = re.search(rf"\b{what} +([\d,]+)", process.out)
    return int(found[1].replace(",", "")) if found else 0


# --- Kafka and Redis ---


def write_version(path, workers=1, window=300, change=lambda settings: None):
    def all_changes(settings):
        small_windows(settings)
        settings["workers"] = workers
        settings["store"]["window_events"] = window
        change(settings)

    return pipeline(path, all_changes)


class Feed:
    """Records that keep coming while the block runs."""

    def __init__(self, stack, seed):
        self.stack, self.seed, self.stop, self.thread = (
            stack,
            seed,
            threading.Event(),
            threading.Thread(target=self.run),
        )

    def run(self):
        turn = 0
        while not self.stop.wait(0.15):
            turn += 1
            self.stack.kafka.produce(TOPICS[turn % 2], events.load(300, 500, self.seed + 10 + turn))

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def login_alerts_apart(stack):
    """The alerts of the topic: (those that every version raises, those that only an override does)."""
    alerts = [a[4] for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])]
    extra = [a for a in alerts if json.loads(a)["event_type"] == "login"]
    return [a for a in alerts if a not in set(extra)], extra


def test_reloads_under_load(stack, seed):
    """Workers, windows, a sink and an override change while events stream: every event counts once and says what it has to
    say once. A mistake in between changes nothing."""

    def copies(settings):
        settings["sinks"].append({"plugin": "file", "input": "alerts", "path": str(copied)})

    def override(settings):
        settings["events"]["override"] = {"login": {"alert": "info"}}

    copied = stack.folder / "state/churnd/alerts.jsonl"  # where the run's sandbox lets it write
    path = stack.folder / "consumer.yaml"
    versions = [
        ((2, 90), lambda: True),
        ((1, 700, copies), lambda: copied.stat().st_size > 0),
        ((2, 300, override), lambda: "alert info: " in process.err),
        ((1, 40), lambda: True),
    ]
    start_services(stack, seed, 4000, 0.001)
    process = stack.churnd("-c", write_version(path))
    with Feed(stack, seed):
        wait_for("the first profiles", lambda: stack.redis.hashes("profile:"), 30)
        for version, taken_into_use in versions:
            write_version(path, *version)
            reload(process)
            assert f"reloaded churn-consumer: 12 event types, {version[0]} worker" in process.err
            wait_for("something to go the new way", taken_into_use, 40)
            good = path.read_text()
            path.write_text(good.replace("window_events:", "window_event:"))
            reload(process, REFUSED)
            path.write_text(good)
    assert re.search(
        r"consumer\.yaml:\d+:\d+: redis: unknown option 'window_event' \(did you mean 'window_events'\?\)", process.err
    )
    assert process.terminate(60) == 0, process.err[-3000:]
    rest = stack.run("-c", write_version(path), "--until-end")

    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_dead_letters(model, oracle.kafka_dead_letters(stack.kafka.brokers, "churn-dead-letters"))
    alerts, extra = login_alerts_apart(stack)
    assert oracle.assert_alerts(model, alerts) == 0, "alerts were repeated"
    assert extra, "the override was not taken into use"
    copies = copied.read_bytes().splitlines()
    assert 0 < len(copies) < len(alerts) and set(copies) <= set(alerts)
    assert model.triggers.keys() == stack.redis.hashes("prediction:").keys()
    assert figure(process, "applied") + figure(rest, "applied") == model.events, "the summary is of the whole run"


def test_killed_in_a_reload(stack, seed):
    """kill -9 while the old pipeline ends or the new one begins."""

    def at_once(settings):  # the group knows the one that comes back, and need not wait for its session's end
        settings["source"]["properties"]["group.instance.id"] = "one"

    rng = random.Random(seed)
    start_services(stack, seed, 12000, 0.002)
    path = write_version(stack.folder / "consumer.yaml", 1, 100, at_once)
    for _ in range(6):
        process = stack.churnd("-c", path)
        wait_for("a worker that reads", lambda: "reads customer-events" in process.err, 40, 0.01)
        time.sleep(rng.random() * 0.4)
        write_version(path, 1, rng.randrange(50, 500), at_once)
        reload(process, GOOD)
        time.sleep(rng.random() * 0.15)
        assert process.running(), process.err[-3000:]
        process.kill()
    print("alerts repeated:", finish(stack, path))


# --- A file and an embedded store: no server ---


class Lines:
    """A file that grows, a pipeline that follows it, and what must come of it."""

    def __init__(self, folder, **sections):
        self.folder, self.seed, self.written = folder, 0, []
        self.stack = Stack(folder)
        self.input, self.path, self.sent = folder / "in.jsonl", folder / "lines.yaml", folder / "alerts.jsonl"
        self.settings = {
            "name": "lines",
            "source": {"plugin": "file", "path": str(self.input), "follow": True, "topic": "lines"},
            "store": {"plugin": "lmdb", "path": str(folder / "store"), "window_events": 50},
            "sinks": [{"plugin": "file", "input": "alerts", "path": str(self.sent)}],
            "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
            **sections,
        }
        self.input.touch()

    def write(self, **sections):
        self.path.write_text(yaml.safe_dump({**self.settings, **sections}, sort_keys=False))

    def start(self, *args):
        """Returns once signals are for the run: its workers may not have started yet."""
        process = self.stack.churnd(*args, "-c", self.path)
        wait_for("its first line", lambda: "event types" in process.err or not process.running(), 20, 0.005)
        return process

    def append(self, count=300):
        self.seed += 1
        more = [value for _, value in events.load(count, 12, self.seed, event_prefix=f"{self.seed}_")]
        self.written += more
        with open(self.input, "ab") as f:
            f.writelines(value + b"\n" for value in more)

    def alerts(self):
        return self.sent.read_bytes().splitlines() if self.sent.exists() else []

    def settle(self):
        """Returns the model, once all that was written has come through."""
        model = oracle.Model().feed_lines(self.input, "lines")
        wait_for("the alerts", lambda: len(self.alerts()) >= len(model.alerts), 20)
        return model

    def check(self):
        """Once churnd has ended: every profile is exact, and each alert was sent once."""
        model = self.settle()
        assert oracle.assert_alerts(model, self.alerts()) == 0, "alerts were repeated"
        for customer, profile in model.profiles.items():
            shown = run_churnd(
                "profile", "-c", self.path, "--format", "json", customer, check=0, cwd=self.folder
            ).stdout
            fields = json.loads(shown, parse_int=str, parse_float=str)
            oracle.assert_profiles_of({customer: profile.fields()}, {customer: fields.get("profile", fields)})


@pytest.fixture
def lines(tmp_path):
    made = Lines(tmp_path)
    yield made
    made.stack.stop()


def healthy(port):
    with urllib.request.urlopen(f"http://{HOST}:{port}/healthz", timeout=5) as reply:
        return reply.status == 200 and json.load(reply)["pipeline"] == "lines"


def test_file_and_lmdb(lines):
    """The store's folder is open in one pipeline at a time, and the file is read on where the one before had come."""
    port = free_port()
    lines.settings["health"] = {"listen": f"{HOST}:{port}"}
    lines.append()
    lines.write()
    process = lines.start()
    for window in 7, 200, 30:
        lines.settle()
        lines.settings["store"]["window_events"] = window
        lines.write()
        lines.append()
        reload(process)
        assert healthy(port)
        lines.append()
    lines.write(health={"listen": f"{HOST}:{free_port()}"})
    reload(process, REFUSED)
    lines.write()
    model = lines.settle()
    assert process.terminate(20) == 0, process.err[-3000:]
    assert figure(process, "events") == figure(process, "applied") == model.events
    assert "lines/0: reading goes on from offset" in process.err
    lines.check()


def test_lines_pass_once_and_in_order(lines):
    """Without a store nobody remembers a position, but for the process."""
    out = lines.folder / "out.jsonl"
    lines.settings.update(store=None, sinks=[{"plugin": "file", "path": str(out)}], dead_letters=None)
    lines.append(3000)
    lines.write()
    process = lines.start()
    for _ in range(4):
        lines.append(3000)
        reload(process)
    wait_for("all lines", lambda: out.read_bytes().count(b"\n") >= 15000, 20)
    assert process.terminate(20) == 0, process.err[-3000:]
    assert out.read_bytes() == lines.input.read_bytes()


def test_a_generator_goes_on(lines):
    out = lines.folder / "out.jsonl"
    lines.settings.update(
        store=None,
        sinks=[{"plugin": "file", "path": str(out)}],
        dead_letters=None,
        workers=2,
        source={"plugin": "generate", "events": 4000, "rate": 4000, "start_time": "2026-01-01T00:00:00Z"},
    )
    lines.write()
    process = lines.start()
    reload(process)
    wait_for("some events", lambda: out.exists() and out.stat().st_size > 0, 10)
    reload(process)
    assert process.wait(20) == 0, process.err[-3000:]
    made = out.read_bytes().splitlines()
    assert len(made) == len(set(made)) == figure(process, "events") == 4000


# What a file may not say, and what the log must.
REFUSALS = {
    "no YAML": (lambda s: "a: [", r"lines\.yaml:\d+:\d+: "),
    "an option": (
        lambda s: {**s, "source": {**s["source"], "pth": "x"}},
        r"lines\.yaml:\d+:\d+: file: unknown option 'pth'",
    ),
    "a plugin": (
        lambda s: {**s, "sinks": [{"plugin": "fiel"}]},
        r"lines\.yaml:\d+:\d+: sinks: there is no sink plugin 'fiel'",
    ),
    "the name": (lambda s: {**s, "name": "other"}, r"lines\.yaml:1:7: name: was 'lines', and it stays"),
    "the address of health": (
        lambda s: {**s, "health": {"listen": "127.0.0.1:9"}},
        r"lines\.yaml:\d+:\d+: health: listen: was '', and it stays",
    ),
}


def test_what_is_refused(lines):
    """Each mistake is told with its place, and the old pipeline goes on with what comes."""
    lines.write()
    process = lines.start()
    for name, (change, expected) in REFUSALS.items():
        changed = change(lines.settings)
        lines.path.write_text(changed if isinstance(changed, str) else yaml.safe_dump(changed, sort_keys=False))
        reload(process, REFUSED)
        assert re.search(expected, process.err), (name, process.err[-2000:])
        lines.append(50)
        lines.settle()
    lines.path.unlink()
    reload(process, REFUSED)
    lines.write()
    reload(process)
    assert process.terminate(20) == 0, process.err[-3000:]
    lines.check()


@pytest.mark.parametrize("broken", ["sink", "store"])
def test_going_back(lines, broken):
    """What only a start can tell: the old pipeline is started again, and nothing was lost in between."""
    port = free_port()
    lines.settings["health"] = {"listen": f"{HOST}:{port}"}

    def told(reverted, taken):
        samples = scrape(port)
        counted = [value(samples, "churnd_config_reloads_total", result=r) for r in ("reverted", "taken", "refused")]
        return counted == [reverted, taken, 0] and value(samples, "churnd_config_last_reload_successful") == (taken > 0)

    lines.append()
    lines.write()
    process = lines.start()
    lines.settle()
    below_a_file = str(lines.input / "below")
    if broken == "sink":
        lines.write(sinks=[*lines.settings["sinks"], {"plugin": "file", "input": "alerts", "path": below_a_file}])
    else:
        lines.write(store={"plugin": "lmdb", "path": below_a_file})
    for _ in range(2):
        lines.append()
        reload(process, BACK)
        lines.settle()
    assert re.search(r"could not be started: .*below", process.err), process.err[-2000:]
    wait_for("two that were gone back from", lambda: told(2, 0), 60)
    lines.write(store={**lines.settings["store"], "window_events": 7})
    reload(process)
    wait_for("one that was taken", lambda: told(2, 1), 60)
    lines.append()
    lines.settle()
    assert process.terminate(20) == 0, process.err[-3000:]
    assert figure(process, "applied") == len(lines.written)
    lines.write()
    lines.check()


def test_one_reload_after_another(lines):
    """A signal that comes while a reload is under way is for the next one; one that asks to stop ends it."""
    lines.append(2000)
    lines.write()
    process = lines.start()
    process.send(signal.SIGHUP)  # before its workers have started, perhaps
    reload(process)
    for _ in range(3):
        before = said(process, "reloaded ")
        reload(process, GOOD)
        process.send(signal.SIGHUP)
        wait_for("both reloads", lambda: said(process, "reloaded ") >= before + 2, 20, 0.01)
    lines.append()
    reload(process, GOOD)
    assert process.terminate(20) == 0, process.err[-3000:]
    assert "Summary of lines" in process.out
    process = lines.start()  # which reads the file anew, as any start does: what was not finished is counted now
    lines.settle()
    wait_for("the whole file", lambda: "from offset 0" in process.err, 10)
    assert process.terminate(20) == 0
    model = oracle.Model().feed_lines(lines.input, "lines")
    oracle.assert_alerts(model, lines.alerts())


def test_a_pipeline_file_that_became_a_fifo(lines):
    """Nobody writes to it, and nobody waits for that."""
    lines.write()
    process = lines.start()
    lines.path.unlink()
    os.mkfifo(lines.path)
    reload(process, REFUSED)
    assert "lines.yaml: is a FIFO, no pipeline file" in process.err
    lines.path.unlink()
    lines.write()
    reload(process)
    assert process.terminate(20) == 0, process.err[-3000:]


@pytest.mark.parametrize("kind", ["--until-end", "--replay-from", "pipe", "redrive"])
def test_runs_that_keep_their_pipeline(lines, kind):
    """A word in the log, and they go on."""
    lines.settings["store"] = {
        "plugin": "redis",
        "port": free_port(),
    }  # which is waited for, so that none ends meanwhile
    if kind == "pipe":
        pipe = lines.input.with_name("pipe")
        os.mkfifo(pipe)  # nobody writes to it, and nothing waits for that
        lines.settings["source"] = {"plugin": "file", "path": str(pipe)}
    lines.write()
    process = lines.start(
        *{"--until-end": ["--until-end"], "--replay-from": ["--replay-from", "0"], "pipe": [], "redrive": ["redrive"]}[
            kind
        ]
    )
    reload(process, "lines.yaml is not read again: ")
    assert GOOD not in process.err
    interrupted = kind in ("--until-end", "redrive")  # before the end of work that has one
    assert process.terminate(20) == (128 + signal.SIGTERM if interrupted else 0), process.err[-3000:]
    assert ("interrupted    by SIGTERM before the end: " in process.out) == interrupted, process.out
    left = {"--until-end": "are left; the same command goes on with them", "redrive": "dead letters are left; the same"}
    assert left.get(kind, "") in process.out
