"""`churnd load`: test events at rising rates into the topic of a pipeline that runs, and what it says of them."""

import json
import re
import signal
import xml.etree.ElementTree as ElementTree

import pytest
import yaml
from confluent_kafka import Consumer, TopicPartition
from services import Stack, run_churnd, wait_for
from terminal import Terminal, left_on_screen

TOPIC = "load-events"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A broker, a Redis behind a proxy, and a churnd that counts what is in the topic."""
    stack = Stack(tmp_path_factory.mktemp("load"))
    try:
        stack.start_kafka()
        stack.start_redis()
        stack.proxy = stack.slow_redis()
        stack.kafka.create_topics({TOPIC: 4, "others": 1})
        stack.config = write(stack.folder / "counts.yaml", [TOPIC])
        stack.member = stack.churnd("-c", stack.config)
        yield stack
    finally:
        stack.stop()


def write(path, topics, **sections):
    settings = {
        "name": path.stem,
        "source": {
            "plugin": "kafka",
            "brokers": "${KAFKA_BROKER}",
            "topics": topics,
            "group_id": path.stem,
            "properties": {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"},
        },
        "store": {"plugin": "redis", "host": "${REDIS_HOST}", "port": "${REDIS_PORT}"},
        "dead_letters": {"plugin": "file", "path": str(path.with_suffix(".letters"))},
        "audit": {"path": str(path.with_suffix(".audit")), "key": "5a" * 32},
        **sections,
    }
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def acts(stack):
    return [json.loads(line) for line in stack.config.with_suffix(".audit").read_text().splitlines()]


def load(stack, *args, check=0, config=None):
    return run_churnd("load", "-c", config or stack.config, *args, env=stack.env, check=check, timeout=180)


def test_a_ladder_that_is_kept_up_with(running, tmp_path):
    plot = tmp_path / "plot.svg"
    done = load(running, "--rates", "200,400", "--step", "3s", "--customers", "300", "--format", "json", "--plot", plot)
    result = json.loads(done.stdout)
    assert result["complete"] and result["topic"] == TOPIC and result["lag_grows_at"] is None
    assert [s["rate"] for s in result["steps"]] == [200, 400]
    for step in result["steps"]:
        assert step["unseen"] == 0 and step["verdict"] == "keeps_up", step
        assert step["produced"] == pytest.approx(step["rate"] * step["seconds"], rel=0.1), step
        assert 0 <= step["p50_ms"] <= step["p90_ms"] <= step["p99_ms"] <= step["max_ms"], step
        assert step["samples"] >= 3 * min(100, step["rate"] // 4) * 0.9, step
    assert result["kept_up_with"] == 400

    # All that was written was counted, of customers that can be told from others.
    written = sum(s["produced"] for s in result["steps"]) + 64  # the first event of each that is looked at
    wait_for("all to be counted", lambda: total(running, result["customers"]) >= written)
    assert total(running, result["customers"]) == written
    assert f"of customers whose names begin with {result['customers']}" in done.stderr
    act = [a for a in acts(running) if a["action"] == "load"][-1]
    assert (act["by"], act["topic"], act["customers"]) == ("load", TOPIC, result["customers"])

    root = ElementTree.parse(plot).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    lines = root.findall(f"{svg}polyline")
    assert root.tag == f"{svg}svg" and len(lines) == 4
    assert all(len(line.get("points").split()) == 2 for line in lines)
    texts = [t.text for t in root.findall(f"{svg}text")]
    assert {"p50", "p90", "p99", "max", "200", "400"} <= set(texts), texts


def total(stack, prefix):
    hashes = stack.redis.hashes(f"profile:{prefix}")
    return sum(int(h["events_total"]) for h in hashes.values())


def test_a_pipeline_that_cannot_follow(running):
    """It stands still from the first step on: the lag grows, which ends the ladder there."""
    process = running.churnd("load", "-c", running.config, "--rates", "300,600", "--step", "3s", "--quiet")
    wait_for("the table's head", lambda: "events/s" in process.out or not process.running(), 90)
    running.member.send(signal.SIGSTOP)
    try:
        assert process.wait(90) == 0, process.err
    finally:
        running.member.send(signal.SIGCONT)
    rows = [line for line in process.out.splitlines() if re.match(r"\s*[\d,]+\s+[\d,]+\s", line)]
    assert len(rows) == 1 and rows[0].endswith("lag grows") and ">" in rows[0], process.out
    assert "Lag begins to grow at 300 events/s." in process.out, process.out
    assert "progress" not in process.err


def test_on_a_terminal(running):
    """The table and the line that is drawn again do not mix; a signal ends the test with what was measured."""
    terminal = Terminal(running, "load", "-c", running.config, "--rates", "100,200", "--step", "2s", shares=True)
    terminal.read_until("200 events/s · lag")
    terminal.process.send_signal(signal.SIGINT)
    text, status = terminal.read()
    lines = left_on_screen(text)
    rows = [line for line in lines if line.endswith("keeps up")]
    assert (
        status == 128 + signal.SIGINT and len(rows) == 1 and re.fullmatch(r"\s+100(\s+[\d,]+){6}  keeps up", rows[0])
    ), lines
    assert any(re.fullmatch(r"\s+events/s\s+produced/s .*", line) for line in lines), lines
    assert "100 events/s were kept up with." in lines and lines[-1] == "", lines
    assert "Interrupted: higher rates were not tried. Each test begins anew." in lines, lines
    assert re.search(r"load \[=*>? *\] \d+ % · 100 events/s · lag \d+ · \d s left", text), text


def test_topics_up_to_their_ends(running, tmp_path):
    """Of topics the total is known, too, once the partitions are assigned."""
    config = write(tmp_path / "again.yaml", [TOPIC])
    config.write_text(config.read_text().replace("redis\n", "redis\n  key_prefix: 'again:'\n"))
    written = end_of(running, TOPIC, 4)
    running.proxy.delay = 0.05
    try:
        text, status = Terminal(running, "-c", config, "--until-end").read()
    finally:
        running.proxy.delay = 0
    assert status == 0, text
    assert re.search(rf"run \[=*>? *\] \d+ % · [\d,]+ of {written:,} events", text), text


def test_a_topic_of_others(running, tmp_path):
    running.kafka.produce("others", [("cust_1", b"{}")])
    config = write(tmp_path / "others.yaml", ["others", TOPIC])
    refused = load(running, "--rates", "10", "--step", "1s", config=config, check=1)
    assert "the topic others has records of others" in refused.stderr and "--among-others" in refused.stderr
    assert not list(running.redis.client.scan_iter(match="profile:cust_*"))
    assert end_of(running, "others") == 1  # nothing was written
    for topics, args in ((["new", "others"], []), (["others", "new"], ["--topic", "new"])):
        other = write(tmp_path / "other.yaml", topics)  # one pipeline counts both
        refused = load(running, "--rates", "10", "--step", "1s", *args, config=other, check=1)
        assert "the topic others has records of others" in refused.stderr and not running.kafka.topic_exists("new")
    unknown = load(running, "--topic", "nowhere", config=config, check=1)
    assert "reads no topic 'nowhere'" in unknown.stderr


def end_of(stack, topic, partitions=1):
    """How many records were ever written to it."""
    consumer = Consumer({"bootstrap.servers": stack.kafka.brokers, "group.id": "looks"})
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=20)[1] for p in range(partitions))
    finally:
        consumer.close()


def test_what_is_left_is_removed(running):
    """The profiles of load tests go, and nobody else's; a pipeline that runs goes on."""
    written = end_of(running, TOPIC, 4)
    wait_for("all to be counted", lambda: total(running, "load_") == written, 90)
    running.redis.client.hset("profile:load_er", "events_total", "1")
    running.redis.client.hset("profile:loaded_1_x", "events_total", "1")
    tests = len(running.redis.hashes("profile:load_")) - 1
    assert tests > 64
    said = load(running, "--clean").stdout
    assert f"{tests:,} profiles of load tests removed" in said, said
    left = {k.decode() for k in running.redis.client.scan_iter(match="profile:load*")}
    assert left == {"profile:load_er", "profile:loaded_1_x"}
    assert acts(running)[-1]["action"] == "clean"
    assert running.member.running()


def test_nobody_counts(running, tmp_path):
    """No pipeline reads the topic: said early, while it is waited for."""
    terminal = Terminal(running, "load", "-c", write(tmp_path / "idle.yaml", ["idle"]), "--rates", "10", "--step", "1s")
    terminal.read_until("does a churnd run with this pipeline")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.read()[1] == 128 + signal.SIGTERM


def test_mistakes(running, tmp_path):
    """Each is found before anything is asked of Kafka, or written."""
    unmade = write(tmp_path / "unmade.yaml", ["unmade"])
    for args, message in (
        (["--rates", "10,5"], "--rates: the rates must rise: 5 comes after 10"),
        (["--rates", "fast"], "--rates: 'fast' is no rate"),
        (["--step", "1ms"], "--step: '1ms' is no duration from 1s"),
        (["--customers", "0"], "--customers: '0' is no number"),
        (["--types", "no_such_type"], "no_such_type"),
        (["--plot", str(tmp_path / "nowhere" / "plot.svg")], "--plot: "),
        (["--plot", str(tmp_path)], "--plot: "),
        (["--clean", "--rates", "10"], "--clean removes what all tests left and tests nothing, so --rates does not go"),
        (["--clean", "--among-others"], "so --among-others does not go with it"),
    ):
        refused = load(running, *args, *([] if "--clean" in args else ["--topic", "unmade"]), config=unmade, check=1)
        assert message in refused.stderr and "writes up to" not in refused.stderr, refused.stderr
    assert not running.kafka.topic_exists("unmade") and not (tmp_path / "plot.svg").exists()
    config = write(tmp_path / "unaudited.yaml", ["unmade"], audit={"path": str(tmp_path), "key": "5a" * 32})
    assert "nothing is shown or done unaudited" in load(running, config=config, check=1).stderr
    assert not running.kafka.topic_exists("unmade")
    config = tmp_path / "file.yaml"
    letters = f"dead_letters: {{plugin: file, path: {tmp_path}/letters}}\n"
    config.write_text("source: {plugin: file, path: x}\nstore: {plugin: lmdb, path: y}\n" + letters)
    assert "must be one of 'plugin: kafka'" in load(running, config=config, check=1).stderr
    config.write_text(
        f"source: {{plugin: kafka, topics: [{TOPIC}], group_id: g}}\nstore: {{plugin: lmdb, path: {tmp_path}/y}}\n"
        + letters
    )
    assert "lives in the process" in load(running, "--among-others", config=config, check=1).stderr
