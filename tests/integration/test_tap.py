"""`churnd tap`: live records at each point of a running pipeline."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess

import pytest
import yaml
from services import CHURND, Stack, clean_environment, run_churnd, wait_for
from test_reload import reload

CUSTOMERS = 20


def write(folder, change=lambda settings: None, name="run"):
    settings = {
        "name": name,
        "state_dir": str(folder / "state"),
        "source": {"plugin": "generate", "rate": 2000, "customers": CUSTOMERS, "bad_share": 0.1, "seed": 5},
        "store": {"plugin": "lmdb", "path": str(folder / "db")},
        "processors": [{"plugin": "filter", "drop_event_types": ["login"]}],
        "sinks": [
            {"plugin": "prediction_local"},
            {"plugin": "file", "input": "alerts", "path": str(folder / "alerts")},
        ],
        "dead_letters": {"plugin": "file", "path": str(folder / "dead")},
    }
    change(settings)
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def answers(path):
    """Whether somebody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def start(stack, change=lambda settings: None):
    """A run that can be tapped: its process, its file and its socket."""
    path = write(stack.folder, change)
    named = yaml.safe_load(path.read_text()).get("tap", {}).get("socket")
    run, at = stack.churnd("-c", path), named or stack.folder / "state/run.tap"
    wait_for("the socket", lambda: answers(at) or not run.running())
    assert run.running(), run.err
    return run, path, at


def tap(path, *args, **options):
    done = run_churnd("tap", "-c", path, "--format", "json", *args, check=0, **options)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(path, wish):
    """A client of our own: its socket, and a file to read from it."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(path))
    client.sendall(wish.encode() + b"\n")
    return client, client.makefile("rb")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("tap"))
    try:
        yield start(stack)
    finally:
        stack.stop()


def test_each_point(running):
    """Records as they are there: as read with what is wrong in them, as processors left them, and what became of them."""
    _, path, _ = running
    read = tap(path, "--at", "source", "--limit", "300")
    assert len(read) == 300 and all(r["at"] == "source" and r["topic"] and r["key"] for r in read)
    good = [r for r in read if "data" in r.get("value", {})]
    assert 0 < len(good) < 300
    offsets = [r["offset"] for r in read]
    assert offsets == sorted(set(offsets))

    events = tap(path, "--limit", "100")
    assert len(events) == 100 and {r["at"] for r in events} == {"events"}
    assert all(r["key"] == r["value"]["customer_id"] and r["timestamp"] == r["value"]["timestamp"] for r in events)
    assert "login" not in {r["value"]["event_type"] for r in events}  # the filter drops them
    logins = tap(path, "--at", "source", "--when", 'event_type == "login" && has(data.session_id)', "--limit", "3")
    assert [r["value"]["data"]["session_id"][:4] for r in logins] == ["SES-"] * 3

    alerts = tap(path, "--at", "alerts", "--when", 'severity == "warning"', "--limit", "5")
    assert {r["value"]["severity"] for r in alerts} == {"warning"}
    assert all(r["value"]["alert_id"] == f"{r['topic']}/0/{r['offset']}" for r in alerts)

    letters = tap(path, "--at", "dead_letters", "--limit", "30")
    assert all(r["reason"] and r["detail"] and "offset" in r and ("value" in r or "text" in r) for r in letters)

    predictions = tap(path, "--at", "predictions", "--limit", "10")
    assert all(0 <= r["value"]["churn_probability"] <= 1 and r["value"]["customer_id"] == r["key"] for r in predictions)


def test_one_customer(running):
    """At every point, and none of anybody else; a client without that customer's records gets none."""
    _, path, at = running
    whose = tap(path, "--limit", "1")[0]["key"]
    for point in ("source", "events", "alerts", "dead_letters", "predictions"):
        assert {r["key"] for r in tap(path, "--at", point, "--customer", whose, "--limit", "2")} == {whose}, point
    both = tap(
        path, "--customer", whose, "--when", f'customer_id != "{whose}" || event_type == "email_opened"', "--limit", "2"
    )
    assert {(r["key"], r["value"]["event_type"]) for r in both} == {(whose, "email_opened")}
    client, _ = ask(at, '{"at":"events","customer":"nobody-at-all"}')
    with client:
        assert client.recv(4096) == b'={"watching":"run"}\n'
        tap(path, "--limit", "500")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


def test_for_people(running):
    _, path, _ = running
    done = run_churnd("tap", "-c", path, "--at", "dead_letters", "--limit", "3", check=0)
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and done.stderr == ""
    for line in lines:
        time, place, key, reason = line.split(" ")[:4]
        assert (time == "-" or time.endswith("Z")) and "/0@" in place and key and reason.endswith(":")


@pytest.mark.parametrize(
    "args,said",
    [
        (["--when", "data.nothing == 1"], "when: "),
        (["--when", 'severity == "critical"'], "when: "),
        (
            ["--at", "predictions", "--when", "data.amount > 1"],
            "when: a prediction has no data, only event_type, event_id, customer_id and timestamp of its event",
        ),
        (["--at", "predictions", "--when", "has(data.amount)"], "when: a prediction has no data"),
        (["--customer", ""], "customer: an id has 1 to 128 bytes"),
        (["--at", "sinks"], "is not one of: source events alerts dead_letters predictions"),
        (["--limit", "0"], "--limit: '0' is no number from 1 on"),
        (["--limit", "x"], "--limit: 'x' is no number from 1 on"),
    ],
)
def test_what_is_refused(running, args, said):
    done = run_churnd("tap", "-c", running[1], *args, check=1)
    assert said in done.stderr and done.stdout == ""


def test_a_run_that_is_not_there(tmp_path):
    path = write(tmp_path)
    said = f"no run can be looked at by {tmp_path}/state/run.tap"
    assert said in run_churnd("tap", "-c", path, check=1).stderr
    assert not (tmp_path / "state").exists()
    done = run_churnd("tap", check=1)
    assert "`-c FILE` or `--socket FILE` is missing" in done.stderr
    assert "too long" in run_churnd("tap", "--socket", "/tmp/" + "x" * 110, check=1).stderr
    path.write_text("source: [")
    assert "churnd tap --socket PATH" in run_churnd("tap", "-c", path, check=1).stderr
    path = write(tmp_path, lambda s: s.update(tap={"enabled": False}))
    assert "says `tap: {enabled: false}`" in run_churnd("tap", "-c", path, check=1).stderr


def test_whoever_stops_reading(running):
    """`| head`, also when nothing more comes; Ctrl-C: the tap ends, quietly and well."""
    _, path, at = running
    done = subprocess.run(
        f"{CHURND} tap --socket {at} | head -n 2; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )
    assert done.stdout.splitlines()[-1] == "0" and len(done.stdout.splitlines()) == 3 and done.stderr == ""
    reader, writer = os.pipe()
    command = [CHURND, "tap", "-c", path, "--customer", "nobody-at-all"]
    with subprocess.Popen(command, stdout=writer, env=clean_environment(), stderr=subprocess.PIPE) as quiet:
        os.close(writer)
        os.close(reader)
        assert (quiet.wait(60), quiet.stderr.read()) == (0, b"")
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [CHURND, "tap", "-c", path]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=clean_environment(), stderr=subprocess.PIPE
        ) as process:
            assert process.stdout.readline()
            process.send_signal(number)
            process.stdout.read()
            assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_places_are_few_and_given_back(running):
    """Eight may look at once; whoever asks for nothing is let go, and what is no request is answered with an error."""
    _, path, at = running
    assert stat.S_IMODE(os.stat(at).st_mode) == 0o600
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            client, lines = ask(at, '{"at":"alerts"}')
            stack.enter_context(client)
            assert lines.readline() == b'={"watching":"run"}\n'
        assert "as many look at this run as can" in run_churnd("tap", "-c", path, check=1).stderr
    wait_for("a place", lambda: run_churnd("tap", "-c", path, "--limit", "1").returncode == 0)
    for request in ("{", "x" * 9000):
        client, lines = ask(at, request)
        with client:
            assert lines.readline().startswith(b'={"error":') and lines.readline() == b""
    with socket.socket(socket.AF_UNIX) as mute:
        mute.settimeout(60)
        mute.connect(str(at))
        assert mute.recv(1) == b""


def test_a_request_that_is_too_long(running):
    """One that fills its 8192 bytes is taken; one byte more is refused, whether or not its line ever ends."""
    _, path, at = running
    longest = '{"at":"alerts"' + " " * (8191 - len('{"at":"alerts"}')) + "}"
    client, lines = ask(at, longest)
    with client:
        assert lines.readline() == b'={"watching":"run"}\n'
    for request in (longest.replace("}", " }"), "x" * 20000):
        client, lines = ask(at, request)
        with client:
            assert lines.readline() == b'={"error":"the request is too long"}\n'
            assert lines.readline() == b""
    with socket.socket(socket.AF_UNIX) as endless:
        endless.settimeout(60)
        endless.connect(str(at))
        endless.sendall(longest.encode() + b" ")  # no end of a line
        assert endless.makefile("rb").readline() == b'={"error":"the request is too long"}\n'
    assert tap(path, "--limit", "1")


def test_who_takes_nothing_is_passed_over(stack):
    """The pipeline does not wait for it, nor do others; what it missed is told once it reads again."""
    run, path, at = start(stack, lambda s: s["source"].update(rate=0, bad_share=0))
    client, lines = ask(at, '{"at":"source"}')
    with client:
        assert lines.readline() == b'={"watching":"run"}\n'
        first = tap(path, "--at", "source", "--limit", "1")[0]["offset"]
        wait_for("100,000 more", lambda: tap(path, "--at", "source", "--limit", "1")[0]["offset"] > first + 100000, 120)
        note = next(line for line in iter(lines.readline, b"") if line.startswith(b'={"passed_over":'))
    assert json.loads(note[1:])["passed_over"] > 50000
    assert run.terminate() == 0


def test_the_end_of_the_run_is_told(stack):
    """After the last record that it read."""
    run, _, at = start(stack, lambda s: s["source"].update(events=3000))
    client, lines = ask(at, '{"at":"source"}')
    with client:
        assert lines.readline() == b'={"watching":"run"}\n'
        *_, last, end = lines
    assert json.loads(last[1:])["offset"] == 2999
    assert json.loads(end[1:]) == {"end": "the run has ended"}
    assert run.wait() == 0 and not at.exists()


def test_a_run_that_is_killed(stack):
    run, path, _ = start(stack)
    command = [CHURND, "tap", "-c", path]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(), text=True
    ) as process:
        assert process.stdout.readline()
        run.kill()
        process.stdout.read()
        assert process.wait(60) == 1 and "the run has let go of this tap" in process.stderr.read()


def test_sockets_of_others(stack):
    """That of a run that was killed is replaced; a living run's is not, nor what is no socket."""
    run, path, at = start(stack)
    run.kill()
    assert at.exists() and not answers(at)
    run = stack.churnd("-c", path)
    wait_for("the socket", lambda: answers(at))
    second = stack.churnd("-c", write(stack.folder, lambda s: s["store"].update(path=str(stack.folder / "db2"))))
    wait_for("its word", lambda: "this run's records cannot be looked at" in second.err)
    assert f"{at}: another process listens there" in second.err and second.running()
    second.terminate()
    assert answers(at)

    other = stack.folder / "named.sock"
    other.write_text("precious")
    named = write(stack.folder, lambda s: s.update(tap={"socket": str(other)}))
    done = run_churnd("-c", named, timeout=60)
    assert done.returncode == 1 and "there is something else than a socket" in done.stderr, done.stderr
    assert "something else than a socket" in run_churnd("check", "-c", named, check=1).stderr
    assert other.read_text() == "precious"
    with socket.socket(socket.AF_UNIX) as foreign:  # of a program that knows nothing of our locks
        foreign.bind(str(stack.folder / "foreign.sock"))
        foreign.listen(1)
        named = write(stack.folder, lambda s: s.update(tap={"socket": str(stack.folder / "foreign.sock")}))
        done = run_churnd("-c", named, timeout=60)
        assert done.returncode == 1 and "another process listens there" in done.stderr, done.stderr
        assert answers(stack.folder / "foreign.sock")
    named = write(stack.folder, lambda s: s.update(tap={"socket": str(at)}))
    done = run_churnd("-c", named, timeout=60)
    assert done.returncode == 1 and "another process listens there" in done.stderr, done.stderr
    named = write(stack.folder, lambda s: s.update(tap={"socket": "/tmp/" + "s" * 103}))
    assert "p.yaml" in (found := run_churnd("check", "-c", named, check=1).stderr) and "1 to 107 bytes" in found


def test_a_state_folder_that_is_too_deep(stack):
    deep = stack.folder / ("d" * 100)
    run = stack.churnd("-c", write(stack.folder, lambda s: s.update(state_dir=str(deep))))
    wait_for("its word", lambda: "cannot be looked at; `tap: {socket: PATH}`" in run.err)
    assert "a socket's path has at most 107 bytes" in run.err and run.running()


def test_nothing_is_opened_where_it_is_off(stack):
    run = stack.churnd("-c", write(stack.folder, lambda s: s.update(tap={"enabled": False})))
    wait_for("alerts", lambda: (stack.folder / "alerts").exists() and (stack.folder / "alerts").stat().st_size > 0)
    assert run.running() and sorted(p.suffix for p in (stack.folder / "state").iterdir()) == [".journal"]


def test_a_reload(stack):
    """The tap goes on, by the new pipeline's types; a condition on a type that is gone ends it, with the reason."""
    events = stack.folder / "events"
    stack.folder.mkdir(exist_ok=True)
    events.write_text("")

    def followed(settings):
        settings["source"] = {"plugin": "file", "path": str(events), "follow": True}

    def say(event_type, number, data):
        event = {"event_id": f"e{number}", "event_type": event_type, "customer_id": "ada", "data": data}
        with open(events, "a") as out:
            out.write(json.dumps({**event, "timestamp": "2026-01-01T00:00:00Z"}) + "\n")

    run, _, at = start(stack, followed)
    goes_on, lines = ask(at, '{"at":"events","when":"event_type != \\"email_opened\\""}')
    ends, other = ask(at, '{"at":"events","when":"data.seconds > 5"}')
    with goes_on, ends:
        assert lines.readline() == other.readline() == b'={"watching":"run"}\n'
        say("product_viewed", 1, {"product_id": "p", "seconds": 9})
        assert b'"e1"' in lines.readline() and b'"e1"' in other.readline()
        change = {"types": ["login", "email_opened", "email_clicked"], "unknown": "ignore"}
        write(stack.folder, lambda s: (followed(s), s.update(events=change)))
        reload(run)
        said = other.readline()
        assert said.startswith(b'={"error":"when: ') and other.readline() == b"", said
        say("email_clicked", 2, {"campaign_id": "c"})
        assert b'"e2"' in lines.readline()
        write(stack.folder, lambda s: (followed(s), s.update(tap={"socket": str(stack.folder / "new.sock")})))
        reload(run, "is not taken into use")
        assert "tap: it was another, and it stays while the process runs" in run.err


def test_answers_of_an_api(stack):
    """Each once it is safe, as it is published."""
    api = stack.start_scripted()

    def asked(settings):
        settings["sinks"][0] = {"plugin": "prediction", "url": api.url, "queue": "store"}

    _, path, _ = start(stack, asked)
    shown = tap(path, "--at", "predictions", "--when", 'event_type == "order_placed"', "--limit", "5")
    assert {(r["value"]["churn_probability"], r["value"]["model_version"]) for r in shown} == {(0.25, "scripted-1")}
    asked = {b["request_id"]: b["customer_id"] for b in api.bodies()}
    assert all(asked[r["value"]["request_id"]] == r["key"] == r["value"]["customer_id"] for r in shown)


def test_two_workers(stack):
    """Each shows what it reads."""
    kafka = stack.start_kafka()
    topic = "customer-events"
    kafka.create_topics({topic: 2})

    def two(settings):
        settings.update(workers=2)
        settings["source"] = {"plugin": "kafka", "brokers": kafka.brokers, "topics": [topic], "group_id": "tapped"}

    _, _, at = start(stack, two)
    client, lines = ask(at, '{"at":"events"}')
    with client:
        lines.readline()
        event = {"event_type": "email_opened", "timestamp": "2026-01-01T00:00:00Z", "data": {"campaign_id": "c"}}
        kafka.produce(
            topic,
            [
                (f"c{i}", json.dumps({**event, "event_id": f"e{i}", "customer_id": f"c{i}"}).encode())
                for i in range(200)
            ],
        )
        seen = [json.loads(lines.readline()[1:]) for _ in range(200)]
    assert {r["partition"] for r in seen} == {0, 1}
    assert {r["value"]["event_id"] for r in seen} == {f"e{i}" for i in range(200)}


def test_who_asks_for_nothing_gives_way(running):
    """However many connect and say nothing: whoever asks is shown what it asks for."""
    _, path, at = running
    with contextlib.ExitStack() as stack:
        mute = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(40)]
        for client in mute:
            client.connect(str(at))
        assert run_churnd("tap", "-c", path, "--limit", "1", check=0).stdout
        client, lines = ask(at, '{"at":"alerts"}')
        with client:
            assert lines.readline() == b'={"watching":"run"}\n'
            for other in mute:
                with socket.socket(socket.AF_UNIX) as more:
                    more.connect(str(at))
                    other.close()
            assert lines.readline().startswith(b"+{")  # and who was shown something stays
