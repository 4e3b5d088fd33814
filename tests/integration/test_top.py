"""`churnd top`: a run's figures on a terminal, and in lines."""

import contextlib
import http.server
import json
import re
import signal
import subprocess
import threading
import time

import pytest
from lights import LINE, ask, certificate, start_local, wait_until_ready
from screen import Screen
from services import CHURND, HOST, clean_environment, free_port, run_churnd, wait_for

SPEED = 1000  # events a second of a made-up run


def made_up(seconds):
    count = int(seconds * SPEED)
    return f"""# HELP churnd_events_total Records.
# TYPE churnd_events_total counter
churnd_events_total {count + 1000000}
churnd_events_applied_total {count + 999000}
churnd_dead_letters_total{{reason="invalid_json"}} 7
churnd_dead_letters_total{{reason="empty"}} 1
churnd_source_lag_records{{topic="user-events",partition="0"}} 12
churnd_source_lag_records{{topic="user\x1b[31m-\\"x\\\\y",partition="1"}} 400
churnd_source_lag_records{{topic="user-events",partition="2"}} 0
churnd_source_lag_seconds 1.25
churnd_sink_sent_total{{sink="größe"}} 44
churnd_sink_waiting_records{{sink="größe"}} 3
churnd_predictions_waiting 5
churnd_prediction_breaker_open{{sink="prediction"}} 1
churnd_predictions_total{{result="answered"}} 100
churnd_alerts_total{{severity="critical"}} 9
churnd_workers{{state="running"}} 2
churnd_uptime_seconds 100000
process_resident_memory_bytes 104857600
process_cpu_seconds_total {seconds / 2}
churnd_store_write_seconds_bucket{{le="0.001"}} {count}
churnd_store_write_seconds_bucket{{le="0.01"}} {count}
churnd_store_write_seconds_bucket{{le="+Inf"}} {count}
churnd_store_write_seconds_sum 1
churnd_store_write_seconds_count {count}
churnd_event_to_profile_seconds_bucket{{le="60"}} {count // 2}
churnd_event_to_profile_seconds_bucket{{le="86400"}} {count * 6 // 10}
churnd_event_to_profile_seconds_bucket{{le="+Inf"}} {count}
churnd_event_to_profile_seconds_sum 1
churnd_event_to_profile_seconds_count {count}
"""


class Run:
    """Answers as a run that listens does."""

    def __init__(self):
        self.began, self.ready, self.metrics, self.status, self.asked = time.monotonic(), True, made_up, 200, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, handler):
        if handler.path == "/metrics":
            self.asked += 1
            status, body = self.status, self.metrics(time.monotonic() - self.began)
        else:
            trouble = {"plugin": "redis", "what": "store", "message": "out of reach \x1b[2J and so on"}
            status = 200 if self.ready else 503
            found = {"status": "ready" if self.ready else "not ok", "pipeline": "made up", "workers": []}
            body = json.dumps(found if self.ready else {**found, "troubles": [trouble]})
        data = body.encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def run():
    made = Run()
    try:
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def shown(url, *args, **options):
    terminal = Screen([CHURND, "top", "--url", url, *args], **options)
    try:
        yield terminal
    finally:
        terminal.close()


def value(text, name):
    """What a row shows, without its rate."""
    return re.search(rf"{re.escape(name)}\s+(\S+(?: (?:MiB|s|ms|min|%|h \d+ min|days))?)(?:\s|$)", text)[1]


def rate(text, name):
    return float(re.search(rf"{re.escape(name)}\s+\S+\s+([\d.]+)/s", text)[1])


# --- Lines ---


def test_once(run):
    run.ready = False
    text = run_churnd("top", "--url", run.url, "--once", check=0).stdout
    assert re.match(r"20\d\d-.*Z made up: not ok\nredis \(store\): out of reach \\u001b\[2J and so on\nrun\n", text)
    assert SPEED * 0.5 < rate(text, "read") < SPEED * 2
    assert value(text, "read").startswith("1,00") and rate(text, "invalid_json") == 0
    wanted = {
        "uptime": "27 h 46 min",
        "memory": "100.0 MiB",
        "running workers": "2",
        "records": "412",
        "behind": "1.25 s",
        'user\\u001b[31m-"x\\y/1': "400",
        "user-events/0": "12",
        "prediction breaker": "open",
        "waiting": "5",
        "größe sent": "44",
        "größe waiting": "3",
        "dead letters": "8",
        "critical": "9",
        "write to the store, median": "0.5 ms",
        "write to the store, 99 %": "0.99 ms",
    }
    assert {name: value(text, name) for name in wanted} == wanted
    assert "\x1b" not in text and "user-events/2" not in text


def test_once_in_json(run):
    found = json.loads(run_churnd("top", "--url", run.url, "--once", "--format", "json", check=0).stdout)
    figures = found["figures"]
    assert (found["pipeline"], found["status"], found["troubles"]) == ("made up", "ready", [])
    assert figures["dead letters"] == {"invalid_json": {"value": 7, "rate": 0}, "empty": {"value": 1, "rate": 0}}
    assert figures["events"]["read"]["value"] > 1000000 and figures["events"]["read"]["rate"] > SPEED / 2
    assert figures["lag"]["behind"] == {"value": 1.25}


def test_piped_until_nobody_reads(run):
    done = subprocess.run(
        f"{CHURND} top --url {run.url} --format json | head -n 2; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )
    first, second, status = done.stdout.splitlines()
    assert status == "0" and done.stderr == ""
    assert (
        json.loads(second)["figures"]["events"]["read"]["value"]
        > json.loads(first)["figures"]["events"]["read"]["value"]
    )


def test_a_run_that_began_anew_has_no_rate(run):
    """Instead of one below zero."""
    run.metrics = lambda seconds: f"churnd_events_total {max(0, 10 - run.asked)}\n"
    found = json.loads(run_churnd("top", "--url", run.url, "--once", "--format", "json", check=0).stdout)
    assert found["figures"] == {"events": {"read": {"value": 8}}}


def test_what_is_no_run(run, tmp_path):
    done = run_churnd("top", "--url", f"http://{HOST}:{free_port()}", "--once", check=1)
    assert "churnd: http://" in done.stderr and done.stdout == ""
    run.status = 404
    assert "answers with 404: is a churnd there?" in run_churnd("top", "--url", run.url, "--once", check=1).stderr
    assert "`-c FILE` or `--url URL` is missing" in run_churnd("top", check=1).stderr
    (tmp_path / "p.yaml").write_text("source: {plugin: generate}\n")
    assert "listens nowhere" in run_churnd("top", "-c", tmp_path / "p.yaml", check=1).stderr
    assert run_churnd("top", "--url", "file:///etc/passwd", "--once", check=1).stdout == ""


# --- Of a run that is real ---


def metrics(port):
    """What /metrics says: {name: sum}, {(name, labels): value}"""
    sums, each = {}, {}
    for line in ask(port, "/metrics")[1].splitlines():
        if line.startswith("#"):
            continue
        name, labels, number = re.fullmatch(r"([^{ ]+)(?:\{(.*)\})? (\S+)", line).groups()
        sums[name] = sums.get(name, 0) + float(number)
        each[name, labels] = float(number)
    return sums, each


def test_the_figures_are_those_of_the_run(stack):
    """Name by name, once it has nothing to do."""
    port = free_port()
    lines = [LINE.replace('"a"', f'"c{i % 7}"').replace('"e"', f'"e{i}"') for i in range(500)] + [
        "no event",
        "null",
        "{}",
    ]
    sinks = [{"plugin": "file", "name": "alerts", "input": "alerts", "path": str(stack.folder / "alerts")}]
    daemon = start_local(stack, port, lines, sinks=sinks)
    wait_until_ready(port)

    def settled():
        sums = metrics(port)[0]
        return (sums.get("churnd_sink_sent_total"), sums.get("churnd_source_lag_seconds")) == (503, 0)

    wait_for("its end", settled, 60)
    config = stack.folder / "p.yaml"
    found = json.loads(run_churnd("top", "-c", config, "--once", "--format", "json", check=0).stdout)
    sums, each = metrics(port)
    shown = {
        (group, name): figure["value"]
        for group, figures in found["figures"].items()
        for name, figure in figures.items()
    }
    assert (found["status"], found["pipeline"]) == ("ready", "p")
    for row, name in {
        ("events", "read"): "churnd_events_total",
        ("events", "applied"): "churnd_events_applied_total",
        ("events", "dead letters"): "churnd_dead_letters_total",
        ("lag", "records"): "churnd_source_lag_records",
        ("lag", "behind"): "churnd_source_lag_seconds",
        ("store", "profiles written"): "churnd_store_puts_total",
        ("store", "conflicts"): "churnd_store_conflicts_total",
        ("store", "profiles created"): "churnd_profiles_created_total",
        ("store", "windows in flight"): "churnd_windows_in_flight",
        ("alerts", "warning"): "churnd_alerts_total",
    }.items():
        assert shown[row] == sums[name], row
    assert (
        shown["events", "read"] == 503 and shown["alerts", "warning"] == 500 and shown["store", "profiles created"] == 7
    )
    for reason in ("invalid_json", "not_an_object", "missing_field"):
        assert shown["dead letters", reason] == each["churnd_dead_letters_total", f'reason="{reason}"'] == 1
    assert shown["sinks", "alerts sent"] == each["churnd_sink_sent_total", 'sink="alerts"'] == 500
    assert shown["run", "running workers"] == 1 and shown["time", "write to the store, median"] > 0
    text = run_churnd("top", "-c", config, "--once", check=0).stdout
    assert value(text, "profiles created") == "7" and value(text, "knows what it reads") == "yes"
    daemon.terminate()
    assert "Failed to connect" in run_churnd("top", "-c", config, "--once", check=1).stderr


def test_over_https(stack, tmp_path):
    """With the pipeline's own certificate; with a URL only where its authority is given."""
    port = free_port()
    cert, key = certificate(tmp_path)
    health = {"listen": f"{HOST}:{port}", "cert_file": str(cert), "key_file": str(key)}
    start_local(stack, port, health=health)
    args = ("top", "-c", stack.folder / "p.yaml", "--once")
    wait_for("its figures", lambda: "ready" in run_churnd(*args).stdout)
    url = f"https://{HOST}:{port}"
    assert "certificate" in run_churnd("top", "--url", url, "--once", check=1).stderr
    assert "events" in run_churnd("top", "--url", f"{url}/", "--cacert", cert, "--once", check=0).stdout
    run_churnd("health", "-c", stack.folder / "p.yaml", check=0)


# --- The screen ---


def test_screen(run):
    """All of it in two columns; troubles come and go; what others named is text."""
    with shown(run.url, columns=130, lines=24) as terminal:
        terminal.wait_for(lambda t: re.search(r"read +1,00\S+ +\d+/s", t.text))
        assert terminal.lines[0].startswith(" made up  ready  http://")
        assert SPEED * 0.5 < rate(terminal.text, "read") < SPEED * 2
        assert value(terminal.text, "größe sent") == "44" and 'user\\u001b[31m-"x\\y/1' in terminal.text
        assert any("read" in line and re.search(r"[a-z]", line[66:]) for line in terminal.lines)  # beside each other
        assert "q quit  p pause  +/- every 1 s" in terminal.lines[-1]
        run.ready = False
        terminal.wait_for(lambda t: t.lines[0].startswith(" made up  not ok"))
        assert terminal.lines[1] == " redis (store): out of reach \\u001b[2J and so on"
        run.ready = True
        terminal.wait_for(lambda t: "redis" not in t.text)
        terminal.type("q")
        assert terminal.ended() == 0


def test_keys(run):
    with shown(run.url) as terminal:
        terminal.wait_for(lambda t: "made up" in t.text)
        terminal.type("--")
        terminal.wait_for(lambda t: "every 4 s" in t.text)
        terminal.type("++++++")
        terminal.wait_for(lambda t: "every 0.25 s" in t.text)
        terminal.type("p")
        terminal.wait_for(lambda t: "(paused)" in t.lines[0] and "p go on" in t.lines[-1])
        asked = run.asked
        before = terminal.text
        terminal.take(1.5)
        assert run.asked == asked and terminal.text == before
        terminal.type("p")
        terminal.wait_for(lambda t: "(paused)" not in t.lines[0] and run.asked > asked)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.ended() == 0


def test_sizes(run):
    """Whatever the size, lines stay what they are, and the rest can be scrolled to."""
    with shown(run.url, columns=130, lines=40) as terminal:
        terminal.wait_for(lambda t: "größe waiting" in t.text)
        terminal.resize(60, 12)
        terminal.wait_for(lambda t: "arrows: more" in t.lines[-1] and t.lines[0].startswith(" made up"))
        assert "größe waiting" not in terminal.text and len(terminal.lines) == 12
        for _ in range(60):
            terminal.type("\x1bOB")
        terminal.wait_for(lambda t: "größe waiting" in t.text)
        terminal.resize(24, 6)
        terminal.wait_for(lambda t: t.lines[-1].startswith(" q quit"))
        terminal.resize(3, 2)
        terminal.take(0.3)
        terminal.resize(1, 1)
        terminal.take(0.3)
        terminal.resize(100, 60)
        terminal.wait_for(lambda t: re.search(r"read +1,0", t.text) and "größe waiting" in t.text)
        terminal.type("q")
        assert terminal.ended() == 0


def test_a_locale_without_these_letters(run):
    with shown(run.url, locale="C") as terminal:
        terminal.wait_for(lambda t: re.search(r"gr\?+e sent +44", t.text))


def test_a_run_that_goes_away_and_comes_back(run):
    run.status = 500
    with shown(run.url) as terminal:
        terminal.wait_for(lambda t: "no answer" in t.lines[0] and "answers with 500" in t.text)
        run.status = 200
        terminal.wait_for(lambda t: t.lines[0].startswith(" made up  ready") and "500" not in t.text)


def test_a_terminal_that_is_not_known(run):
    with shown(run.url, term="no-such-terminal") as terminal:
        assert terminal.ended() == 1
        assert "the terminal 'no-such-terminal' (TERM) is not known here; --once prints lines" in terminal.text


def test_a_terminal_that_cannot_place_anything(run):
    with shown(run.url, term="dumb") as terminal:
        assert terminal.ended() == 1
        assert "the terminal 'dumb' (TERM) can only print line after line; --once prints lines" in terminal.text


def test_beyond_the_last_bound(run):
    """All that is known then is that it is above."""
    done = run_churnd("top", "--url", run.url, "--once", check=0)
    assert re.search(r"event to profile, 99 % +> 24 h$", done.stdout, re.MULTILINE), done.stdout
    figures = json.loads(run_churnd("top", "--url", run.url, "--once", "--format", "json", check=0).stdout)["figures"]
    assert figures["lag"]["event to profile, 99 %"] == {"value": 86400, "above": True}
    assert "above" not in figures["time"]["write to the store, 99 %"]
