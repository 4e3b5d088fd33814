"""The audit: who did what and when, in lines that nobody can change unseen."""

import base64
import contextlib
import ctypes
import fcntl
import hashlib
import hmac
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import termios
import threading
import urllib.error
import urllib.request

import pytest
import yaml
from services import CHURND, HOST, Process, Stack, clean_environment, free_port, run_churnd, wait_for
from test_reload import reload

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
TOKEN = "correct-horse-battery-staple"
SECRETS = (KEY, TOKEN, "other-horse-battery-staple")
EVENTS = [
    {
        "event_id": f"e{i}",
        "event_type": "login",
        "customer_id": f"cust-{i % 3}",
        "timestamp": f"2026-01-01T00:00:{i:02}Z",
        "data": {},
    }
    for i in range(9)
]


def write(folder, **sections):
    """A pipeline with an audit that reads a file to its end."""
    (folder / "e.jsonl").write_text("".join(json.dumps(e) + "\n" for e in EVENTS) + "no event\n")
    settings = {
        "name": "audited",
        "state_dir": str(folder / "state"),
        "source": {"plugin": "file", "path": str(folder / "e.jsonl")},
        "store": {"plugin": "lmdb", "path": str(folder / "db")},
        "sinks": [{"plugin": "file", "input": "alerts", "path": str(folder / "alerts")}],
        "dead_letters": {"plugin": "file", "path": str(folder / "dead")},
        "audit": {"path": str(folder / "audit.jsonl"), "key": KEY},
        **sections,
    }
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def lines_of(folder):
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def acts(folder):
    return [line["action"] for line in lines_of(folder)]


def verified(path, *args):
    """What `audit verify` says of a whole audit."""
    return run_churnd("audit", "verify", *args, "-c", path, check=0).stdout


def faults(path, *args):
    """What it says of one that is not."""
    done = run_churnd("audit", "verify", *args, "-c", path, check=1)
    return done.stderr


def ask(url, headers=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


SHOWN = {"Authorization": "Basic " + base64.b64encode(f"anybody:{TOKEN}".encode()).decode()}


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """A folder with an audit of six lines: a run and four reads."""
    folder = tmp_path_factory.mktemp("audit")
    path = write(folder)
    run_churnd("run", "--until-end", "-c", path, check=0)
    for customer in ("cust-0", "cust-1", "cust-2", "cust-0"):
        run_churnd("profile", "-c", path, customer, check=0)
    assert acts(folder) == ["start", "stop"] + ["read"] * 4
    return folder


@pytest.fixture
def trail(some, tmp_path):
    """A copy of it: the pipeline's file, and the audit's."""
    for name in ("audit.jsonl", "audit.jsonl.head"):
        shutil.copy2(some / name, tmp_path / name)
    shutil.copytree(some / "db", tmp_path / "db")
    return write(tmp_path), tmp_path / "audit.jsonl"


def test_what_a_run_writes(stack):
    """Start, reads by page, tap and commands, reloads with what they change, stop: each with who and when, none with a
    customer or a secret."""
    port = free_port()
    health = {"listen": f"{HOST}:{port}", "token": TOKEN}
    live = {"plugin": "generate", "rate": 200, "customers": 5, "seed": 3}
    hook = {"plugin": "alert"}
    path = write(stack.folder, source=live, health=health, sinks=[hook])
    run = stack.churnd("-c", path)
    url = f"http://{HOST}:{port}"
    wait_for("an answer", lambda: run.running() and answers(url))
    customer = "cust_000001"
    wait_for("a profile", lambda: ask(f"{url}/customers/{customer}", SHOWN)[0] == 200)
    assert ask(f"{url}/customers/{customer}")[0] == 401  # nothing was read
    for _ in range(3):
        assert ask(f"{url}/", SHOWN)[0] == 200 and ask(f"{url}/alerts", SHOWN)[0] == 200
        assert ask(f"{url}/?customer={customer}", SHOWN)[0] == 200
    assert run_churnd("tap", "-c", path, "--customer", customer, "--limit", "1", check=0).stdout
    run_churnd("profile", "-c", path, customer, check=0)
    write(
        stack.folder,
        source={**live, "rate": 100},
        health={**health, "token": "other-horse-battery-staple"},
        sinks=[hook, {"plugin": "file", "input": "alerts", "path": "/dev/null"}],
    )
    reload(run)
    path.write_text(path.read_text().replace("rate: 100", "rate: fast"))
    reload(run, "is not taken into use")
    assert f"churnd_audit_lines {len(lines_of(stack.folder))}\n" in ask(f"{url}/metrics")[1]
    assert run.terminate() == 0

    lines = lines_of(stack.folder)
    found = [line for line in lines if not (line.get("by") == "page" and line.get("customer"))]
    assert [(x["action"], x.get("by")) for x in found] == [
        ("start", None),
        ("read", "page"),
        ("read", "tap"),
        ("read", "profile"),
        ("reload", None),
        ("reload", None),
        ("stop", None),
    ]
    start, alerts, tap, profile, taken, refused, stop = found
    assert alerts["what"] == "alerts" and alerts["who"] == {"address": HOST, "token": True}
    assert tap["who"]["uid"] == profile["who"]["uid"] and tap["customer"] == profile["customer"]
    assert taken["result"] == "taken" and refused["result"] == "refused" and stop["status"] == 0
    assert {"option": "source.rate", "change": "changed", "from": "200", "to": "100"} in taken["changes"]
    assert {"option": "health.token", "change": "changed"} in taken["changes"]
    assert {"option": "sinks[1].plugin", "change": "added", "to": "file"} in taken["changes"]
    assert taken["who"]["pid"] != start["who"]["pid"]  # whoever sent the signal
    assert all(re.fullmatch(r"20\d\d-.*Z", line["time"]) and line["pipeline"] == "audited" for line in lines)
    text = (stack.folder / "audit.jsonl").read_text()
    assert customer not in text and not any(secret in text + run.err for secret in SECRETS)

    write(stack.folder)
    mine = run_churnd("audit", "-c", path, "--customer", customer, check=0).stdout.splitlines()
    assert mine and all(json.loads(line)["customer"] == tap["customer"] for line in mine)
    assert len(mine) == sum(line.get("customer") == tap["customer"] for line in lines)
    assert run_churnd("audit", "-c", path, "--customer", "nobody", check=0).stdout == ""
    assert run_churnd("audit", "-c", path, check=0).stdout == text
    head = f"{len(lines)}:{lines[-1]['mac']}"
    assert run_churnd("audit", "head", "-c", path, check=0).stdout == head + "\n"
    assert verified(path) == f"{len(lines)} lines, whole; head {head}\n"
    assert verified(path, "--head", head) and f"head {head}" in run.err


def answers(url):
    try:
        return ask(url + "/healthz")[0] == 200
    except OSError:
        return False


def test_who_sent_a_signal(tmp_path):
    """Whatever call it was sent by; and nobody, where it was the terminal's, whoever came before."""
    path = write(tmp_path, source={"plugin": "generate", "rate": 10})
    library, audit = ctypes.CDLL(None, use_errno=True), tmp_path / "audit.jsonl"
    ours, theirs = pty.openpty()

    def has_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    run = Process([CHURND, "-c", path], tmp_path / "log", "run", prepare=has_terminal)

    def kill():
        killer = subprocess.Popen(["/bin/sh", "-c", f"kill -HUP {run.pid}"])
        assert killer.wait() == 0
        return killer.pid

    def queue():
        assert library.sigqueue(run.pid, int(signal.SIGHUP), None) == 0
        return os.getpid()

    def to_the_thread():
        assert library.tgkill(run.pid, run.pid, int(signal.SIGHUP)) == 0
        return os.getpid()

    try:
        wait_for("the start", lambda: audit.exists() and run.running() and run._blocks(signal.SIGHUP))
        for number, send in enumerate((kill, queue, kill, to_the_thread, kill), 1):
            pid = send()
            wait_for("the reload", lambda n=number: acts(tmp_path).count("reload") == n)
            assert lines_of(tmp_path)[-1]["who"]["pid"] == pid, send
        os.write(ours, b"\x03")
        assert run.wait() == 0
    finally:
        run.end()
        os.close(ours)
        os.close(theirs)
    stop = lines_of(tmp_path)[-1]
    assert stop["action"] == "stop" and stop["who"]["pid"] == run.pid


def test_what_commands_write(tmp_path):
    """A replay, a redrive, a rebuild, and whoever looks at all profiles or at one customer's events."""
    path = write(tmp_path)
    run_churnd("run", "--until-end", "-c", path, check=0)
    run_churnd("run", "--until-end", "--replay-from", "beginning", "-c", path, check=0)
    run_churnd("rebuild", "--into", "again:", "-c", path, check=0)
    run_churnd("verify", "--against", "again:", "-c", path, check=0)
    run_churnd("redrive", "--all", "--since", "2026-01-01", "-c", path, check=0)
    run_churnd("explain", "cust-1", "-c", path, check=0)
    run_churnd("load", "--clean", "-c", path, check=0)
    run_churnd("check", "-c", path, check=0)
    lines = lines_of(tmp_path)
    assert [line["action"] for line in lines if line["action"] != "stop"] == [
        *("start", "replay", "rebuild", "read", "redrive", "read", "clean")
    ]
    assert acts(tmp_path).count("stop") == 4
    assert lines[2]["from"] == "beginning" and lines[4]["into"] == "again:"
    (redrive,) = (line for line in lines if line["action"] == "redrive")
    assert (redrive["all"], redrive["unverified"], redrive["since"]) == (True, False, "2026-01-01T00:00:00.000Z")
    assert "until" not in redrive
    assert verified(path).startswith(f"{len(lines)} lines, whole")


def test_a_decryption_is_written(tmp_path):
    protect = {"keys": {"k1": "11" * 32}}
    path = write(tmp_path, protect=protect)
    done = subprocess.run([CHURND, "decrypt", "-c", path], input=b"x\n", capture_output=True, env=clean_environment())
    assert (done.returncode, done.stdout) == (0, b"x\n"), done.stderr
    assert [(line["by"], line["what"]) for line in lines_of(tmp_path)] == [("decrypt", "encrypted values")]


def test_the_hashes_are_those_of_the_manual(trail):
    """By an implementation of its own."""
    before = "0" * 64
    for line in trail[1].read_text().splitlines():
        signed, mac = line[:-2].rsplit(',"mac":"', 1)
        assert mac == hmac.new(bytes.fromhex(KEY), signed.encode(), hashlib.sha256).hexdigest()
        assert json.loads(line)["prev"] == before
        before = mac


def remove(number):
    return lambda lines: lines[: number - 1] + lines[number:]


TAMPERED = {
    "a change": (
        lambda lines: [
            line.replace('"by":"profile"', '"by":"Profile"') if i == 3 else line for i, line in enumerate(lines)
        ],
        [":4: this line was changed or put in: its hash is not its own"],
    ),
    "a hash that was changed too": (
        lambda lines: [
            line.replace('"mac":"', '"mac":"0')[:-4] + '"}\n' if i == 3 else line for i, line in enumerate(lines)
        ],
        [":4: this line was changed or put in"],
    ),
    "a line that is gone": (remove(3), [":3: line number 3 is missing before this one"]),
    "two that are gone": (
        lambda lines: lines[:2] + lines[4:],
        [":3: lines number 3 to 4 are missing before this one"],
    ),
    "the first one gone": (remove(1), [":1: line number 1 is missing before this one"]),
    "two that changed places": (
        lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
        [":3: line number 3 is missing before this one", ":4: line number 3 was put here from elsewhere"],
    ),
    "one that is there twice": (lambda lines: [*lines, lines[2]], [":7: line number 3 was put here from elsewhere"]),
    "one that was made up": (
        lambda lines: [*lines[:3], '{"number":4,"action":"read"}\n', *lines[3:]],
        [":4: this line was changed or put in"],
    ),
    "an end that was cut": (lambda lines: lines[:-2], ["lines number 5 to 6 are missing at the end"]),
    "a last line that is not whole": (
        lambda lines: [*lines[:-1], lines[-1][:40]],
        [":6: this line, the last one, is not whole", "line number 6 is missing at the end"],
    ),
    "all gone": (lambda lines: [], ["lines number 1 to 6 are missing at the end"]),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_somebody_did_to_it_is_found(trail, what):
    """Nothing else is told."""
    path, audit = trail
    assert verified(path).startswith("6 lines, whole; head 6:")
    change, expected = TAMPERED[what]
    audit.write_text("".join(change(audit.read_text().splitlines(keepends=True))))
    told = faults(path).splitlines()
    assert len(told) == len(expected), told
    for line, part in zip(told, expected, strict=True):
        assert line.startswith(str(audit)) and part in line
    report = json.loads(run_churnd("audit", "verify", "--format", "json", "-c", path, check=1).stdout)
    assert report["whole"] is False and report["faults"] == told


def test_a_cut_end_with_its_head_is_found_by_one_noted_elsewhere(trail):
    """Whoever may write both files can bring them back to what they were, but not the log or the metrics."""
    path, audit = trail
    lines = audit.read_text().splitlines(keepends=True)
    noted = run_churnd("audit", "head", "-c", path, check=0).stdout.strip()
    audit.write_text("".join(lines[:4]))
    head = audit.with_name("audit.jsonl.head")
    head.write_text(f"{4:020} {json.loads(lines[3])['mac']}\n")
    assert verified(path).startswith("4 lines, whole")
    for given in (noted, "6", noted[:20]):
        assert "lines number 5 to 6 are missing at the end, says the given head" in faults(path, "--head", given)
    assert "4 lines, whole" in verified(path, "--head", f"3:{json.loads(lines[2])['mac']}")
    assert "line number 3 is another one than the given head names" in faults(path, "--head", "3:abcd")
    assert "is no head" in faults(path, "--head", "x")
    run_churnd("profile", "-c", path, "cust-0", check=0)  # goes on from there
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert "line number 6 is another one than the given head names" in faults(path, "--head", noted)


def test_another_key(trail):
    path, _ = trail
    path.write_text(path.read_text().replace(KEY, "ff" * 32))
    assert "no line of it fits the key" in faults(path)


def test_after_a_crash_and_after_a_cut(trail):
    """A line that was torn makes room and is told of; one that was cut off is missed, for good."""
    path, audit = trail
    with open(audit, "a") as out:
        out.write('{"number":7,"time":"2026')
    assert ":7: this line, the last one, is not whole" in faults(path)
    run_churnd("profile", "-c", path, "cust-0", check=0)
    torn, read = lines_of(audit.parent)[6:]
    assert torn["action"] == "damaged" and torn["what"] == "the last line was not whole" and read["action"] == "read"
    assert verified(path).startswith("8 lines, whole")
    whole = audit.read_text().splitlines(keepends=True)
    head = audit.with_name("audit.jsonl.head")  # killed between the two writes
    head.write_text(f"{7:020} {torn['mac']}\n")
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert verified(path).startswith("9 lines, whole")
    head.unlink()
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert verified(path).startswith("10 lines, whole")
    audit.write_text("".join(whole[:5]))
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert acts(audit.parent)[-2:] == ["damaged", "read"]
    assert ":6: lines number 6 to 10 are missing before this one" in faults(path)


def test_many_write_at_once(trail):
    """Several processes: one chain."""
    path, _ = trail
    command = [CHURND, "profile", "-c", path, "cust-0"]

    def look():
        for _ in range(4):
            subprocess.run(command, check=True, capture_output=True, env=clean_environment())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verified(path).startswith("22 lines, whole; head 22:")


def test_a_file_that_was_rotated(trail):
    """The new one begins with the old one's head, which is named with it, or which somebody noted."""
    path, audit = trail
    old = audit.with_name("audit.jsonl.1")
    ended = run_churnd("audit", "head", "-c", path, check=0).stdout.strip()
    audit.rename(old)
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert acts(audit.parent) == ["continue", "read"]
    assert verified(path, old).startswith("8 lines, whole; head 8:")
    for given in (ended, ended[:12], "6"):
        assert verified(path, "--from", given).startswith("2 lines, whole; head 8:")
    assert f"{audit}:1: line number 7 goes on from another line than the given start" in faults(path, "--from", "6:abc")
    assert f"{audit}:1: line number 6 is missing before this one" in faults(path, "--from", "5")
    assert "line number 7 is one of those before the given start" in faults(path, "--from", "7")
    assert "line number 1 is one of those before the given start" in faults(path, old, "--from", ended)
    assert "--from: 'x' is no head" in faults(path, "--from", "x")
    lines = old.read_text().splitlines(keepends=True)
    old.write_text("".join(lines[:-1]))
    assert f"{audit}:1: line number 6 is missing before this one" in faults(path, old)


def test_a_file_that_was_removed(trail):
    """It is no rotation until somebody names what was kept."""
    path, audit = trail
    ended = run_churnd("audit", "head", "-c", path, check=0).stdout.strip()
    audit.unlink()
    run_churnd("profile", "-c", path, "cust-0", check=0)
    told = faults(path)
    assert f"{audit}:1: lines number 1 to 6 are missing before this one, which goes on from {ended[:14]}" in told
    assert "--from" in told
    report = json.loads(run_churnd("audit", "verify", "--format", "json", "-c", path, check=1).stdout)
    assert report["whole"] is False and report["first"] == 7
    audit.write_text("")
    assert "lines number 7 to 8 are missing at the end" in faults(path, "--from", ended)


def test_what_cannot_be_audited_is_not_shown(trail):
    path, audit = trail
    audit.unlink()
    audit.mkdir()
    for command in (["profile", "cust-0"], ["explain", "cust-0"], ["rebuild", "--into", "x:"], ["load", "--clean"]):
        done = run_churnd(*command, "-c", path, check=1)
        assert "cannot be written" in done.stderr and "unaudited" in done.stderr and done.stdout == "", done
    assert "cannot be read" in faults(path)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk(stack, small_disk):
    """Not ready, by name; nobody is shown a customer; events go on; and once there is room, all that happened is there."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    live = {"plugin": "generate", "rate": 100, "customers": 5, "seed": 3}
    path = write(
        stack.folder,
        source=live,
        health={"listen": f"{HOST}:{port}", "token": TOKEN},
        audit={"path": str(small_disk / "audit.jsonl"), "key": KEY},
    )
    run = stack.churnd("-c", path)
    wait_for("readiness", lambda: run.running() and answers(url) and ask(f"{url}/readyz")[0] == 200)
    assert ask(f"{url}/alerts", SHOWN)[0] == 200  # from now on a repeat
    with open(small_disk / "filler", "wb", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(b"x" * 4096):
            pass
    wait_for("the trouble", lambda: ask(f"{url}/readyz")[0] == 503)
    trouble = json.loads(ask(f"{url}/readyz")[1])["troubles"][0]
    assert trouble["plugin"] == "churnd" and trouble["what"] == "audit" and "is full" in trouble["message"]

    def refused():
        return ask(f"{url}/customers/cust_000001", SHOWN)

    wait_for("a repeat that is refused", lambda: ask(f"{url}/alerts", SHOWN)[0] == 503)
    wait_for("a read that is refused", lambda: refused()[0] == 503)
    assert "cannot be audited" in refused()[1] and "events_total" not in refused()[1]
    assert "cannot be audited" in run_churnd("tap", "-c", path, "--limit", "1", check=1).stderr
    assert "customer_id" not in ask(f"{url}/?customer=cust_000001", SHOWN)[1]

    def counted():
        return float(re.search(r"^churnd_events_applied_total (\S+)", ask(f"{url}/metrics")[1], re.MULTILINE)[1])

    before = counted()
    wait_for("further events", lambda: counted() > before)
    path.write_text(path.read_text().replace("rate: 100", "rate: 50"))
    reload(run)
    assert "churnd_audit_writable 0" in ask(f"{url}/metrics")[1]
    (small_disk / "filler").unlink()
    wait_for("readiness", lambda: ask(f"{url}/readyz")[0] == 200)
    assert ask(f"{url}/customers/cust_000001", SHOWN)[0] == 200
    assert run.terminate() == 0
    lines = [json.loads(line) for line in (small_disk / "audit.jsonl").read_text().splitlines()]
    named = [line["action"] for line in lines if line["action"] != "read"]
    assert named == ["start", "reload", "writable", "stop"]
    assert next(line for line in lines if line["action"] == "writable")["refused"] > 0
    assert verified(path).startswith(f"{len(lines)} lines, whole")


def test_a_folder_that_is_moved_away(stack):
    """Told before anybody asks; and a repeat is no exception."""
    port = free_port()
    url, folder = f"http://{HOST}:{port}", stack.folder / "trail"
    folder.mkdir()
    path = write(
        stack.folder,
        source={"plugin": "generate", "rate": 100, "customers": 5, "seed": 3},
        health={"listen": f"{HOST}:{port}", "token": TOKEN},
        audit={"path": str(folder / "audit.jsonl"), "key": KEY},
    )
    run = stack.churnd("-c", path)
    wait_for("readiness", lambda: run.running() and answers(url) and ask(f"{url}/readyz")[0] == 200)
    assert ask(f"{url}/alerts", SHOWN)[0] == 200
    away = folder.rename(stack.folder / "away")
    wait_for("the trouble", lambda: ask(f"{url}/readyz")[0] == 503)
    assert ask(f"{url}/alerts", SHOWN)[0] == 503
    assert "churnd_audit_writable 0" in ask(f"{url}/metrics")[1]
    away.rename(folder)
    wait_for("readiness", lambda: ask(f"{url}/readyz")[0] == 200)
    assert ask(f"{url}/alerts", SHOWN)[0] == 200
    assert run.terminate() == 0
    assert acts(folder) == ["start", "read", "writable", "read", "stop"]


REFUSED = {
    "no key": ({"path": "a"}, "audit: key: it is needed"),
    "no path": ({"key": KEY}, "audit: path: it is needed beside the key"),
    "a short key": ({"path": "a", "key": "0a0b"}, "audit: key: the key is too short"),
    "a key that is none": ({"path": "a", "key": "hunter2 hunter2"}, "audit: key: a key is 32 bytes"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_check_refuses(tmp_path, what):
    audit, message = REFUSED[what]
    done = run_churnd("check", "-c", write(tmp_path, audit=audit), check=1)
    assert message in done.stderr and "hunter2" not in done.stderr and "0a0b" not in done.stderr


def test_a_folder_that_is_not_there_is_warned_of(tmp_path):
    path = write(tmp_path, audit={"path": str(tmp_path / "gone/audit"), "key": KEY})
    assert (
        f"warning: audit: path: there is no folder '{tmp_path}/gone/'"
        in run_churnd("check", "-c", path, check=0).stderr
    )
    assert "No such file" in run_churnd("profile", "-c", path, "cust-0", check=1).stderr


def test_whoever_holds_the_lock_is_not_waited_for_for_ever(trail):
    path, audit = trail
    with open(audit.with_name("audit.jsonl.head")) as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert "another process has it" in run_churnd("profile", "-c", path, "cust-0", check=1).stderr
    run_churnd("profile", "-c", path, "cust-0", check=0)
    assert verified(path).startswith("7 lines, whole")


def test_without_an_audit(tmp_path):
    path = write(tmp_path, audit={})
    assert "has no audit" in run_churnd("audit", "-c", path, check=1).stderr
    run_churnd("run", "--until-end", "-c", path, check=0)
    assert "audit" not in run_churnd("profile", "-c", path, "cust-0", check=0).stderr
