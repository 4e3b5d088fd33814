"""Long work shows how far it is: on a terminal a line drawn in its place, elsewhere lines of the log, with --quiet
nothing."""

import json
import re
import signal

import pytest
import yaml
from services import Stack, run_churnd, wait_for
from terminal import COLUMNS, Terminal, left_on_screen

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (ERROR|WARN |INFO |DEBUG) [^ ]+: ")


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A pipeline without Kafka, whose Redis takes its time, so that each of its commands lasts for some drawings."""
    stack = Stack(tmp_path_factory.mktemp("progress"))
    try:
        stack.start_redis()
        stack.proxy = stack.slow_redis()
        yield stack
    finally:
        stack.stop()


def write(path, **changes):
    settings = {
        "name": path.stem,
        "source": {
            "plugin": "generate",
            "events": "3000",
            "rate": "2000",
            "customers": "1500",
            "bad_share": "0.1",
            "zipf": "0",
            "start_time": "2026-01-01T00:00:00Z",
        },
        "store": {"plugin": "redis", "host": "${REDIS_HOST}", "port": "${REDIS_PORT}"},
        "dead_letters": {"plugin": "file", "path": str(path.with_suffix(".letters"))},
    }
    for key, value in changes.items():
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            settings[key] = dict(value)  # in the place of what is there
        elif isinstance(value, dict):
            settings.setdefault(key, {}).update(value)
        else:
            settings[key] = value
    path.write_text(yaml.safe_dump({k: v for k, v in settings.items() if v is not None}, sort_keys=False))
    return path


def drawings(text):
    """Each line that was drawn in its place."""
    return [d for d in re.findall(r"(?:\r\x1b\[K|\n)((?:run|rebuild|redrive|verify)[^\r\n\x1b]*)", text) if d]


def check_terminal(text, what, unit):
    shown = drawings(text)
    assert len(shown) >= 2, text
    assert all(len(d) < COLUMNS for d in shown), max(shown, key=len)
    assert all(d.startswith(what) for d in shown), shown
    bars = [d for d in shown if "%" in d]
    assert bars and all(re.search(r"\[=*>? *\] \d+ % · ", d) for d in bars), shown
    assert any(re.search(rf" · [\d,]+ (of [\d,]+ )?{unit}", d) for d in bars), shown
    lines = left_on_screen(text)
    assert lines[-1] == "" and all(LOG_LINE.match(line) for line in lines[:-1]), lines
    return bars


def percents(bars):
    return [int(re.search(r"(\d+) %", d).group(1)) for d in bars]


def test_run_rebuild_verify_and_redrive_on_a_terminal(slow, tmp_path):
    config = write(tmp_path / "shown.yaml")
    slow.proxy.delay = 0.02
    text, status = Terminal(slow, "-c", config, "--until-end").read()
    assert status == 0, text
    bars = check_terminal(text, "run", "events")
    assert percents(bars) == sorted(percents(bars)), bars
    assert any("of 3,000 events" in d for d in bars), bars
    assert any(re.search(r" · [\d,]+/s", d) for d in drawings(text)), text

    text, status = Terminal(slow, "rebuild", "-c", config, "--into", "again:").read()
    assert status == 0, text
    check_terminal(text, "rebuild", "events")

    slow.proxy.delay = 0.1
    text, status = Terminal(slow, "verify", "-c", config, "--against", "again:").read()
    assert status == 0, text
    check_terminal(text, "verify", "profiles")
    assert any(d.startswith("verify: comparing") for d in drawings(text)), text

    text, status = Terminal(slow, "redrive", "-c", config).read()
    assert status == 0, text
    assert check_drawn(text, "redrive", "dead letters"), text

    # Half of them older than what is asked for: so many that it takes a while.
    letters = config.with_suffix(".letters").read_bytes().splitlines(keepends=True)
    middle = json.loads(letters[len(letters) // 2])["written_at"]
    config.with_suffix(".letters").write_bytes(b"".join(line for line in letters for _ in range(100)))
    text, status = Terminal(slow, "redrive", "-c", config, "--since", middle).read()
    assert status == 0 and check_drawn(text, "redrive", "dead letters"), text
    assert any(re.search(r" · [\d,]+ older", d) for d in drawings(text)), text


def check_drawn(text, what, unit):
    """A short run may end before the total is known; what was drawn is of its unit, and nothing of it is left."""
    lines = left_on_screen(text)
    assert lines[-1] == "" and all(LOG_LINE.match(line) for line in lines[:-1]), lines
    return any(d.startswith(what) and unit in d for d in drawings(text))


def test_in_the_background_of_a_shell(slow, tmp_path):
    """Whoever works on at that terminal is not drawn over; what is logged still comes."""
    slow.proxy.delay = 0
    config = write(tmp_path / "behind.yaml", source={"events": "3000"})
    text, status = Terminal(slow, "-c", config, "--until-end", background=True).read()
    assert status == 0 and "INFO  generate: worker 0 reads" in text, text
    assert "%" not in text and "events" not in text.replace("event types", ""), text


def test_where_nothing_may_be_drawn(slow, tmp_path):
    """Piped, and where TERM=dumb or NO_COLOR asks for it, it is a line of the log every ten seconds; with --quiet none."""
    slow.proxy.delay = 0
    passed_on = {"store": None, "sinks": [{"plugin": "file", "path": "/dev/null"}], "dead_letters": None}
    source = {"events": "260", "rate": "20", "bad_share": "0"}
    config = {
        name: write(tmp_path / f"{name}.yaml", **passed_on, source=source)
        for name in ("piped", "dumb", "plain", "quiet")
    }
    endless = write(tmp_path / "endless.yaml", **passed_on, source={**source, "events": "0"})
    (tmp_path / "followed.jsonl").write_text("{}\n")
    service = write(  # is no long work
        tmp_path / "service.yaml",
        **passed_on,
        source=[("plugin", "file"), ("path", str(tmp_path / "followed.jsonl")), ("follow", "true")],
    )
    piped = slow.churnd("-c", config["piped"])
    quiet = slow.churnd("-c", config["quiet"], "--quiet", "--until-end")
    generator = slow.churnd("-c", endless)
    follower = slow.churnd("-c", service)
    dumb = Terminal(slow, "-c", config["dumb"], env={"TERM": "dumb"})
    plain = Terminal(slow, "-c", config["plain"], env={"NO_COLOR": "1"})
    silent = Terminal(slow, "-c", config["quiet"], "-q", "--log-level", "WARN")
    for text, status in (dumb.read(), plain.read()):
        assert status == 0 and "\x1b" not in text, text
        assert re.search(r"INFO  progress: run \d+ % · [\d,]+ of 260 events · \d+/s · \d+ s left", text), text
    assert silent.read() == ("", 0)
    assert piped.wait(60) == 0 and quiet.wait(60) == 0
    assert re.search(r"INFO  progress: run \d+ % · [\d,]+ of 260 events · \d+/s · \d+ s left\n", piped.err), piped.err
    assert "\x1b" not in piped.err and piped.err.count("progress:") == 1
    assert "progress:" not in quiet.err and "Summary" in quiet.out
    wait_for("the endless generator's line", lambda: "INFO  progress: run " in generator.err)
    assert re.search(r"progress: run [\d,]+ events · \d+/s\n", generator.err), generator.err
    for process in (generator, follower):
        process.send(signal.SIGTERM)
        assert process.wait() == 0
    assert "progress" not in follower.err


def test_quiet_belongs_to_long_work():
    said = run_churnd("plugins", "--quiet", check=1).stderr
    assert "--quiet belongs to" in said and "rebuild" in said, said


def test_standard_output_on_the_same_terminal(slow, tmp_path):
    """Records that go to the terminal are not drawn over."""
    config = write(
        tmp_path / "mixed.yaml",
        store=None,
        dead_letters=None,
        source={"events": "400", "rate": "200", "bad_share": "0"},
        sinks=[{"plugin": "file", "path": "-"}],
    )
    text, status = Terminal(slow, "-c", config, shares=True).read()
    assert status == 0
    assert "\x1b" not in text and text.count('"event_id"') == 400, text[-2000:]
