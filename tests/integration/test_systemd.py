"""What systemd is told, by a manager of the test's own: a socket for sd_notify, a watchdog, a folder of credentials; and
the unit as it is installed."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

import pytest
import yaml
from lights import EVENT, LINE, ask, start_local, start_stuck
from services import BUILD, CHURND, HOST, SANITIZERS, SRC, Process, free_port, run_churnd, wait_for

UNIT = BUILD / "systemd/churnd@.service"
WATCHDOG_S = 2


class Manager:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.said = []  # (time, {name: value}) of each message

    def env(self, **more):
        return {"NOTIFY_SOCKET": str(self.path), **more}

    def hear(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.socket.recv(1 << 16).decode()
                self.said.append((time.monotonic(), dict(line.split("=", 1) for line in text.splitlines())))
        return self.said

    def all(self, name):
        """(time, value) of each message with that name."""
        return [(when, message[name]) for when, message in self.hear() if name in message]

    def states(self):
        """What was said of states, in order."""
        return [name for _, message in self.hear() for name in ("READY", "RELOADING", "STOPPING") if name in message]

    def wait(self, name, count=1, timeout=60):
        return wait_for(f"{name}, {count} times", lambda: len(self.all(name)) >= count and self.all(name), timeout)

    def stop(self):
        self.socket.close()


@pytest.fixture
def manager(stack):
    made = Manager(stack.folder / "manager")
    stack.env.update(made.env())
    yield made
    made.stop()


def test_ready_reload_and_stop(stack, manager):
    """Ready once a worker is; a reload is over when its pipeline runs, is refused, or gave way to the one before; a stop
    says how long it may take; the status has rate and lag."""
    config = stack.folder / "p.yaml"
    daemon = start_local(stack, free_port(), shutdown_timeout="70s")
    manager.wait("READY")
    assert manager.states() == ["READY"]
    assert "worker 0 reads" in daemon.err, daemon.err
    settings = yaml.safe_load(config.read_text())

    def reload(count, **changes):
        config.write_text(yaml.safe_dump({**settings, **changes}))
        daemon.send(signal.SIGHUP)
        manager.wait("READY", count + 1)
        assert manager.states() == ["READY", *["RELOADING", "READY"] * count]

    before = time.monotonic_ns() // 1000
    reload(1, plugin_timeout="77s")
    ((_, at),) = manager.all("MONOTONIC_USEC")
    assert before <= int(at) <= time.monotonic_ns() // 1000
    assert "reloaded" in daemon.err, daemon.err
    reload(2, sources=1)
    assert "is not taken into use" in daemon.err, daemon.err
    reload(3, sinks=[{"plugin": "file", "input": "alerts", "path": "/dev/null/alerts"}])
    assert "going back to the one before" in daemon.err, daemon.err

    with (stack.folder / "e.jsonl").open("a") as out:
        out.write(LINE + "\n")
    wait_for(
        "its status", lambda: any(re.fullmatch(r"\d+ events/s, 0 records behind", s) for _, s in manager.all("STATUS"))
    )
    assert not manager.all("WATCHDOG")
    assert daemon.terminate() == 0, daemon.err
    assert manager.states()[-1] == "STOPPING" and manager.states().count("STOPPING") == 1
    ((_, limit),) = manager.all("EXTEND_TIMEOUT_USEC")
    assert int(limit) >= 70_000_000


def exec_reload(config, pid):
    """Does what the unit does for `systemctl reload`, as systemd does: one command after the other, until one fails."""
    for line in re.findall(r"^ExecReload=(.*)$", UNIT.read_text(), re.MULTILINE):
        words = [word.replace("$$", "$") for word in shlex.split(line)]
        if line.startswith("+"):  # into the pipeline's namespace, as its user: where a test is
            words = words[[word.endswith("/churnd") for word in words].index(True) :]
        words = [str(CHURND) if word.endswith("/churnd") else word for word in words]
        words = [str(config) if word.endswith("/churnd/%i.yaml") else word for word in words]
        done = subprocess.run(
            words, capture_output=True, text=True, env={**os.environ, "MAINPID": str(pid)}, timeout=60
        )
        if done.returncode != 0:
            break
    return done


def test_a_reload_of_a_bad_file_fails(stack, manager):
    """The reload's status is what an operator sees, and says where the mistake is; the pipeline runs on."""
    config = stack.folder / "p.yaml"
    daemon = start_local(stack, free_port())
    manager.wait("READY")
    good = config.read_text()
    config.write_text(good + "sources: 1\n")
    done = exec_reload(config, daemon.pid)
    assert done.returncode == 1 and re.search(r"p.yaml:\d+:1: .*'sources'", done.stderr), done
    manager.wait("READY", 2)
    assert "is not taken into use" in daemon.err and daemon.running()
    config.write_text(good)
    assert exec_reload(config, daemon.pid).returncode == 0
    manager.wait("READY", 3)
    assert daemon.terminate() == 0


def test_a_run_that_ends_by_itself_and_one_that_cannot_start(stack, manager):
    """The first was ready; the second never is, so that its start has failed."""
    (stack.folder / "e.jsonl").write_text(json.dumps(EVENT) + "\n")
    pipeline = {
        "source": {"plugin": "file", "path": "e.jsonl"},
        "store": {"plugin": "lmdb", "path": "db"},
        "sinks": [{"plugin": "file", "input": "alerts", "path": "alerts"}],
        "dead_letters": {"plugin": "file", "path": "dead"},
    }

    def run(**changes):
        manager.hear()
        manager.said.clear()
        (stack.folder / "once.yaml").write_text(yaml.safe_dump({**pipeline, **changes}))
        done = run_churnd("-c", "once.yaml", cwd=stack.folder, env=stack.env)
        return done.returncode, manager.states(), done.stderr

    assert run()[:2] == (0, ["READY", "STOPPING"])
    status, states, err = run(sinks=[{"plugin": "file", "input": "alerts", "path": "/dev/null/alerts"}])
    assert status == 1 and "READY" not in states, (states, err)


def test_stalls_are_in_the_status(stack, manager):
    redis = stack.start_redis()
    start_local(stack, free_port(), store={"plugin": "redis", "host": HOST, "port": redis.port, "timeout": "1s"})
    manager.wait("READY")
    redis.kill()
    with (stack.folder / "e.jsonl").open("a") as out:
        out.write(json.dumps({**EVENT, "event_id": "more"}) + "\n")
    wait_for(
        "the stall", lambda: any(re.match(r"stalled: redis: .*; \d+ events/s", s) for _, s in manager.all("STATUS")), 60
    )


def test_the_watchdog_is_fed_while_workers_go_round(stack, manager):
    """And not while one of them hangs, which /healthz says too; by another process' WATCHDOG_PID it is not asked for."""
    port = free_port()
    stack.env["WATCHDOG_USEC"] = str(WATCHDOG_S * 1_000_000)
    daemon = start_local(stack, free_port(), name="well")
    manager.wait("WATCHDOG", 3)
    gaps = [b - a for (a, _), (b, _) in zip(manager.all("WATCHDOG"), manager.all("WATCHDOG")[1:], strict=False)]
    assert min(gaps) > WATCHDOG_S / 10, gaps
    assert daemon.terminate() == 0, daemon.err
    manager.said.clear()

    stack.folder = stack.folder / "stuck"
    start_stuck(stack, port, name="stuck", plugin_timeout="0s")
    manager.wait("WATCHDOG")
    wait_for("/healthz to say so", lambda: ask(port, "/healthz")[0] == 503, 120)
    manager.hear()
    manager.said.clear()
    wait_for("a later line of status", lambda: len(manager.all("STATUS")) >= 2, 60)
    assert not manager.all("WATCHDOG")
    assert "does not go on" in manager.all("STATUS")[-1][1]


def test_a_watchdog_that_is_another_process(stack, manager):
    stack.env.update(WATCHDOG_USEC="200000", WATCHDOG_PID=str(os.getpid()))
    start_local(stack, free_port())
    manager.wait("STATUS")
    assert not manager.all("WATCHDOG")


# --- Credentials ---


def test_a_password_by_credential(stack):
    """The store is reached with it, not with another one; and no message has either."""
    folder = stack.folder / "credentials"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "REDIS_PASSWORD").write_text("first-word\n")
    redis = stack.start_redis()
    redis.client.config_set("requirepass", "first-word")
    port = free_port()
    store = {"plugin": "redis", "host": HOST, "port": redis.port, "password": "${REDIS_PASSWORD:?give it}"}
    stack.env["CREDENTIALS_DIRECTORY"] = str(folder)
    daemon = start_local(stack, port, store=store)
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200, 60)
    assert daemon.terminate() == 0, daemon.err
    (folder / "REDIS_PASSWORD").write_text("wrong-word")
    daemon = start_local(stack, port, store=store)
    assert daemon.wait() == 1
    assert "WRONGPASS" in daemon.err or "password" in daemon.err, daemon.err
    assert "first-word" not in daemon.err and "wrong-word" not in daemon.err, daemon.err


def test_credentials_and_other_places(tmp_path):
    """The environment wins over a credential, which wins over .env; none that is there is passed over, and a value in the
    wrong place is not shown."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (tmp_path / ".env").write_text("TIME=7s\nOTHER=text\n")
    (folder / "TIME").write_text("many-a-word\r\n")
    (tmp_path / "p.yaml").write_text(
        "source: {plugin: generate, events: 1}\nsinks: [{plugin: file, path: out}]\n"
        "shutdown_timeout: ${TIME:-8s}\nlog: {format: '${OTHER}'}\n"
    )

    def check(status, **env):
        env = {"CREDENTIALS_DIRECTORY": str(folder), **env}
        return run_churnd("check", "-c", "p.yaml", cwd=tmp_path, env=env, check=status).stderr

    said = check(1)
    assert "p.yaml:3:19: pipeline: shutdown_timeout: ${TIME:-8s} " in said and "many" not in said, said
    assert check(0, TIME="9s") == ""
    (folder / "TIME").write_text("no")  # too short to be looked for in all messages
    said = check(1)
    assert "p.yaml:3:19: pipeline: shutdown_timeout: ${TIME:-8s} " in said, said
    (folder / "TIME").write_text("6s\n")
    assert check(0) == ""
    for make, words in (
        (lambda path: path.mkdir(), "is a folder, no file"),
        (lambda path: path.write_bytes(b"1\x002"), "there is a NUL character"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    ):
        shutil.rmtree(folder)
        folder.mkdir()
        make(folder / "TIME")
        assert check(1) == f"p.yaml:3:19: the credential {folder}/TIME: {words}\n"
    shutil.rmtree(folder)
    assert check(0) == ""


# --- The unit ---


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_unit_is_shut_in():
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", UNIT], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)[1]) <= 2.0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_the_unit_is_understood(installed, tmp_path):
    """By systemd, to the last directive; with the paths of the installation."""
    root, churnd, _env = installed
    (unit,) = root.rglob("churnd@.service")
    text = unit.read_text()
    assert f"ExecStart=/{churnd.relative_to(root)} --config /" in text and not re.search(r"@\w+@", text)
    (tmp_path / "churnd@.service").write_text(text.replace(f"/{churnd.relative_to(root)}", str(churnd)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "churnd@.service"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "churnd@" not in done.stderr, done.stderr
    (sysusers,), (tmpfiles,) = root.rglob("sysusers.d/churnd.conf"), root.rglob("tmpfiles.d/churnd.conf")
    other = tmp_path / "root"
    (other / "etc").mkdir(parents=True)
    for command in (
        ["systemd-sysusers", f"--root={other}", sysusers],
        ["systemd-tmpfiles", f"--root={other}", "--create", tmpfiles],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "churnd:" in (other / "etc/passwd").read_text()
    assert (other / "var/lib/churnd").is_dir() and (other / "run/churnd").is_dir()


@pytest.mark.skipif(shutil.which("strace") is None or SANITIZERS != "", reason="no strace, or more than churnd runs")
@pytest.mark.parametrize("name", ["quickstart", "consumer"])
def test_a_run_asks_the_kernel_for_nothing_that_the_unit_refuses(stack, manager, name):
    """With plugins, threads, LMDB, the listener, clients of servers that are away, and the stop: its system calls are in the
    filter, it writes in its state folder alone, makes no memory executable, and uses no socket but those that are allowed."""
    unit = UNIT.read_text()
    state, trace = stack.folder / "state", stack.folder / "trace"
    state.mkdir()
    away = str(free_port())
    env = {
        "STATE_DIRECTORY": str(state),
        "KAFKA_BROKER": f"{HOST}:{away}",
        "REDIS_HOST": HOST,
        "REDIS_PORT": away,
        "API_URL": f"http://{HOST}:{away}",
        "CHURN_LISTEN": f"{HOST}:{free_port()}",
    }
    command = ["strace", "-f", "-qq", "-s", "300", "-o", trace, "-e", "signal=none", CHURND]
    traced = stack._add_process(
        Process([*command, "-c", SRC / f"config/{name}.yaml"], stack.folder, name, {**manager.env(), **env}, cwd=state)
    )
    manager.wait("READY")
    children = pathlib.Path(f"/proc/{traced.pid}/task/{traced.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGTERM)
    assert traced.wait(60) == 0, traced.err
    lines = trace.read_text().splitlines()

    def found(pattern):
        """What the first group of the pattern is in each line that has it."""
        return {match[1] for match in (re.search(pattern, line) for line in lines) if match}

    allowed, refused = set(), set()
    for groups in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        into = refused if groups.startswith("~") else allowed
        for group in groups.lstrip("~").split():
            into |= calls_of(group)
    called = found(r"^\d+ +(\w+)\(")
    assert {"openat", "mmap", "socket", "mprotect"} <= called
    assert called - (allowed - refused) == set()
    assert found(r"\b(mmap\(.*PROT_WRITE\|PROT_EXEC|mprotect\(.*PROT_EXEC)") == set()
    families = set(re.search(r"^RestrictAddressFamilies=(.*)$", unit, re.M)[1].split())
    assert {"AF_UNIX"} <= found(r"\bsocket\((AF_\w+)") <= families
    written = {state / path for path in found(r'\bopenat\(AT_FDCWD, "([^"]*)", [^)]*O_(?:WRONLY|RDWR|CREAT).*\) = \d')}
    assert written and [path for path in sorted(written) if state not in path.parents and path.parts[1] != "dev"] == []


def calls_of(group):
    """The system calls of one of systemd's groups; or the one that is named by itself."""
    if not group.startswith("@"):
        return {group}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True)
    names = [
        line.strip() for line in listed.stdout.splitlines()[1:] if line.strip() and not line.strip().startswith("#")
    ]
    return {name for n in names for name in calls_of(n)}
