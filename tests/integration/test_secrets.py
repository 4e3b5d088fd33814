"""Secrets: a canary in every secret option is found nowhere, neither in what churnd says nor in /proc; a password is renewed
while a pipeline runs."""

import contextlib
import fcntl
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import urllib.error
import urllib.request

import pytest
import redis as redis_client
import yaml
from services import CHURND, HOST, Process, Redis, Scripted, clean_environment, free_port, run_churnd, wait_for
from test_reload import reload

CANARY = "zq7-canary-93kd"
KEY_CANARY = "5eedc0de" * 8  # of the form that keys have
NOBODY, OTHER = 65534, 65533


def event(number):
    return {
        "event_id": f"e{number}",
        "event_type": "payment_failed",
        "customer_id": f"c{number % 10}",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"amount": 1},
    }


def secret_options():
    """(section, plugin, option as `describe` tells of it) of all that are secret, the host's own among them."""
    found = []
    for plugin in [None, *json.loads(run_churnd("plugins", "--format", "json", check=0).stdout)]:
        role, name = (plugin["role"], plugin["name"]) if plugin else (None, None)
        if role == "event":
            continue
        args = ["describe", *([name] if plugin else []), "--format", "json"]
        for table in json.loads(run_churnd(*args, check=0).stdout):
            if ("section" in table) if plugin is None else (table["role"] == role):
                for option in table.get("options", []):
                    if option["secret"]:
                        found.append((role or table["section"], name, option))
    return found


SECRETS = secret_options()
WAYS = {
    "literal": lambda folder, canary: canary,
    "variable": lambda folder, canary: "${HOOK}",  # which is not called like a secret
    "file": lambda folder, canary: f"${{file:{folder}/canary}}",
}


def value_for(option, text):
    if "map" in option["type"]:
        return {"X-Canary": text}
    return f"http://{HOST}:1/{text}" if option["name"].endswith("url") else text


def pipeline_with(folder, section, name, options):
    """A pipeline in which a section or plugin has the options."""
    whole = {
        "source": {"plugin": "file", "path": str(folder / "events.jsonl")},
        "store": {"plugin": "lmdb", "path": str(folder / "db")},
        "sinks": [],
        "dead_letters": {"plugin": "file", "path": str(folder / "dead")},
    }
    if name is None:
        whole.setdefault(section, {}).update(options)
        return whole
    made = {"plugin": name, **options}
    if section in ("sink", "processor"):
        whole["sinks" if section == "sink" else "processors"] = [made]
    else:
        whole[section] = made
    return whole


def test_there_are_secret_options():
    assert {"token", "password", "properties", "headers", "webhook_url"} <= {o["name"] for _, _, o in SECRETS}


@pytest.mark.parametrize("section,name,option", SECRETS, ids=lambda v: v["name"] if isinstance(v, dict) else str(v))
def test_no_command_shows_a_secret(section, name, option, tmp_path):
    """As it should be, where its neighbours are wrong, and where it is wrong itself: of the wrong kind, and with a line's end
    within."""
    canary = KEY_CANARY if section in ("audit", "protect") else CANARY
    (tmp_path / "canary").write_text(canary + "\n")
    (tmp_path / "canary").chmod(0o600)
    (tmp_path / "events.jsonl").touch()
    path = tmp_path / "p.yaml"
    for (way, make), wrong in itertools.product(
        WAYS.items(), (None, "neighbour", "list", "map", "broken", "elsewhere", "list of it")
    ):
        text = make(tmp_path, canary)
        options = {option["name"]: value_for(option, text)}
        if wrong == "neighbour":
            options.update({"path": [1], "port": 99999999, "listen": "nonsense", "unknown_option": text})
        elif wrong == "list":
            options = {option["name"]: [text]}
        elif wrong == "map":
            options = {option["name"]: {text: text}}
        elif wrong == "broken":
            options = {option["name"]: value_for(option, f"{text}\n\x7fx")}
        elif wrong == "elsewhere" and way == "file":  # it was meant for another option
            options = {"port": text, "listen": text, "url": text, "timeout": text, "to": [text], "brokers": text}
        elif wrong == "list of it":
            options = {option["name"]: [[text], {"a": text}]}
        path.write_text(yaml.safe_dump(pipeline_with(tmp_path, section, name, options)))
        commands = [("check",), ("graph",)] + ([("check", "--connect")] if wrong is None and way == "file" else [])
        for command in commands:
            done = run_churnd(*command, "-c", path, env={"HOOK": canary, "LOG_LEVEL": "DEBUG"})
            assert done.returncode in (0, 1), (done.returncode, done.stderr)
            assert canary not in done.stdout + done.stderr, (way, wrong, command, done.stdout, done.stderr)


# --- a run ---


def as_user(user, *command):
    """Runs it as another user, where this one is root, who can be any."""
    user = {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run([str(c) for c in command], capture_output=True, timeout=60, env={"LC_ALL": "C"}, **user)


def nobody_can_run(program):
    with contextlib.suppress(PermissionError):
        return as_user(NOBODY, program, "--version").returncode == 0
    return False


def read_proc(process, name, user):
    """A file of the process's /proc as another process of `user` reads it; None: it may not."""
    done = as_user(user, "/bin/cat", f"/proc/{process.pid}/{name}")
    return None if b"Permission denied" in done.stderr else done.stdout


class Run:
    """A run by a user that is not root, with a canary in all that it uses."""

    def __init__(self, folder, store="redis", core_dumps=False):
        self.folder = folder
        self.redis = Redis(folder / "redis", password=CANARY) if store == "redis" else None
        self.api = Scripted()
        self.api.mode = "error"  # what is said of that must not have what was sent
        self.listen = f"{HOST}:{free_port()}"
        self.out = folder / "run"
        self.out.mkdir()
        (self.out / "token").write_text(CANARY + "-token\n")
        (self.out / "events.jsonl").write_text("".join(json.dumps(event(i)) + "\n" for i in range(50)) + "no event\n")
        (self.out / ".env").write_text(f"WEBHOOK={self.api.url}/{CANARY}\n")
        kafka = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "u"}
        settings = {
            "name": "run",
            "state_dir": "state",
            "core_dumps": core_dumps,
            "sandbox": "warn",
            "log": {"level": "DEBUG"},
            "source": {"plugin": "file", "path": "events.jsonl", "follow": True},
            "store": {"plugin": "lmdb", "path": "db"},
            "sinks": [
                {
                    "plugin": "alert",
                    "give_up_after": "1s",
                    "to": ["webhook"],
                    "webhook_url": "${WEBHOOK}",
                    "webhook_headers": {"X": "${HOOK}"},
                },
                {
                    "plugin": "kafka",
                    "give_up_after": "1s",
                    "input": "events",
                    "topic": "t",
                    "brokers": f"{HOST}:{free_port()}",
                    "properties": {**kafka, "sasl.password": "${HOOK}", "debug": "all"},
                },
            ],
            "dead_letters": {"plugin": "file", "path": "dead"},
            "health": {"listen": self.listen, "token": "${file:token}"},
        }
        if self.redis is not None:
            settings["store"] = {
                "plugin": "redis",
                "host": HOST,
                "port": self.redis.port,
                "password": "${REDIS_PASSWORD}",
            }
        else:
            sink = {"plugin": "prediction", "url": self.api.url, "token": "${HOOK}", "headers": {"X-Key": "${HOOK}"}}
            settings["sinks"].append(sink)
        self.path = self.out / "p.yaml"
        self.path.write_text(yaml.safe_dump(settings))
        for path in (self.out, *self.out.iterdir()):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        self.env = {"REDIS_PASSWORD": CANARY, "HOOK": CANARY, "XDG_STATE_HOME": str(self.out)}
        self.process = Process(
            [CHURND, "-c", "p.yaml"], folder / "log", "run", env=self.env, cwd=self.out, prepare=self.drop
        )

    @staticmethod
    def drop():
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)

    def get(self, path, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(f"http://{self.listen}{path}", headers=headers)
            ) as reply:
                return reply.read()
        except urllib.error.HTTPError as e:
            return e.read()
        except urllib.error.URLError:
            assert self.process.running(), self.process.err[-3000:]
            return b""

    @contextlib.contextmanager
    def more_events(self):
        """They keep coming while the block runs."""
        ended = threading.Event()

        def write():
            for number in itertools.count(1000):
                with open(self.out / "events.jsonl", "a") as more:
                    more.write(json.dumps(event(number)) + "\n")
                if ended.wait(0.05):
                    return

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def look(self, *args):
        """What a command shows to the run's user."""
        done = subprocess.run(
            [str(CHURND), *args, "-c", "p.yaml"],
            cwd=self.out,
            env=clean_environment(self.env),
            capture_output=True,
            timeout=60,
            preexec_fn=self.drop,
        )
        return done.stdout + done.stderr

    def read_proc(self, name, user):
        return read_proc(self.process, name, user)

    def stop(self):
        self.process.end()
        self.api.stop()
        if self.redis is not None:
            self.redis.stop()


@contextlib.contextmanager
def running(**options):
    if not nobody_can_run(CHURND):
        pytest.skip(f"no other user can run {CHURND} where it lies")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="churn-secrets-"))  # pytest's own are for one user alone
    folder.chmod(0o711)
    run = Run(folder, **options)
    try:
        wait_for("the run", lambda: run.get("/healthz") and run.api.requests, 60)
        yield run
    finally:
        run.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("store", ["redis", "lmdb"])
def test_a_run_shows_no_secret(store):
    with running(store=store) as run:
        wait_for("all that is sent", lambda: len(run.api.requests) >= 4, 60)
        sent = json.dumps([r["headers"] for r in run.api.requests]) + " ".join(r["path"] for r in run.api.requests)
        assert CANARY in sent  # they are used, all the same
        pages = [run.get(p) for p in ("/", "/healthz", "/readyz", "/metrics", "/customers/c1", "/nothing")]
        pages += [run.get(p, CANARY + "-token") for p in ("/", "/customers/c1", "/customers/none")]
        assert any(b"c1" in page for page in pages)
        shown = b"".join(pages)
        with run.more_events():
            for command in (["check"], ["graph"], ["profile", "c1"], ["tap", "--limit", "1"], ["health"]):
                shown += run.look(*command)
        run.process.send(signal.SIGHUP)
        wait_for("the reload", lambda: "reloaded " in run.process.err or not run.process.running(), 60)
        assert CANARY.encode() not in shown
        seen = pathlib.Path("/proc", str(run.process.pid))
        assert CANARY not in (seen / "cmdline").read_text()
        if os.geteuid() == 0:  # who may read everything finds nothing either
            assert CANARY not in run.read_proc("environ", 0).decode(errors="replace")
            assert run.read_proc("environ", OTHER) is None and run.read_proc("mem", OTHER) is None
        for name in ("environ", "mem", "maps", "io", "stack"):
            assert run.read_proc(name, NOBODY) is None, f"another process of the same user reads {name}"
        run.process.terminate()
        assert "dead letter" in run.process.out + run.process.err
        files = [p for p in run.out.rglob("*") if p.is_file() and p.name not in (".env", "token", "p.yaml")]
        assert {"dead", "run.0.journal"} <= {p.name for p in files}
        for path in [*files, run.process.err_path, run.process.out_path]:
            assert CANARY.encode() not in path.read_bytes(), path
        assert "DEBUG" in run.process.err and "librdkafka" in run.process.err


COMMANDS = {
    "run": ["run"],
    "check": ["check"],
    "profile": ["profile", "c1"],
    "audit": ["audit"],
    "tap": ["tap"],
    "top": ["top", "--format", "json"],
    "health": ["health"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_looks_in_before_there_is_a_secret(command):
    """Whoever has /proc/PID/mem open by then would read the secrets when they come."""
    if not nobody_can_run(CHURND):
        pytest.skip(f"no other user can run {CHURND} where it lies")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="churn-secrets-"))
    folder.chmod(0o711)
    reading, writing = os.pipe()
    os.fchown(reading, NOBODY if os.geteuid() == 0 else -1, -1)
    os.write(writing, b"#")

    def prepare():
        os.dup2(reading, 0)
        Run.drop()

    def reads():
        assert run.running(), run.err
        return fcntl.ioctl(reading, termios.FIONREAD, bytes(4)) == bytes(4)

    run = Process([CHURND, *COMMANDS[command], "-c", "/dev/stdin"], folder / "log", "waits", prepare=prepare)
    try:
        wait_for("the command to read its pipeline", reads, 60)
        for name in ("mem", "maps", "environ"):
            assert read_proc(run, name, NOBODY) is None, f"another process of the same user reads {name}"
    finally:
        os.close(writing)
        os.close(reading)
        run.end()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_reload_without_secrets_keeps_the_process_shut():
    """What it had may lie in its memory still."""
    with running(store="lmdb") as run:
        settings = yaml.safe_load(run.path.read_text())
        settings["sinks"] = [{"plugin": "file", "input": "alerts", "path": "alerts"}]
        settings["health"] = {"listen": run.listen}
        run.path.write_text(yaml.safe_dump(settings))
        run.process.send(signal.SIGHUP)
        wait_for("the reload", lambda: "reloaded " in run.process.err or not run.process.running(), 60)
        assert run.process.running() and run.read_proc("maps", NOBODY) is None


def test_core_dumps_are_brought_back():
    """For who has to look into a run; the environment stays overwritten."""
    with running(core_dumps=True) as run:
        assert run.read_proc("maps", NOBODY)
        environment = run.read_proc("environ", NOBODY)
        assert environment is not None and not environment.strip(b"\0")


def test_without_secrets_a_process_can_be_looked_into(stack, tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump({"source": {"plugin": "generate"}, "sinks": [{"plugin": "file", "path": "out"}]}))
    run = stack.churnd("-c", path)
    wait_for("the run", lambda: "event types" in run.err)
    assert os.stat(f"/proc/{run.pid}/maps").st_uid == os.geteuid()
    assert not pathlib.Path(f"/proc/{run.pid}/environ").read_bytes().strip(b"\0")
    run.terminate()


# --- rotation ---


class Guarded:
    """Kafka, Redis and a webhook that take one password, and a run whose file names files with it."""

    def __init__(self, stack):
        self.stack, self.folder, self.listen = stack, stack.folder, f"{HOST}:{free_port()}"
        self.redis, self.api = stack.start_redis(), stack.start_scripted()
        self.kafka = stack.start_kafka(users={"churn": "none"}, properties=["auto.create.topics.enable=false"])
        self.kafka.create_topics({"events": 1})
        self.kafka.allow("churn", "TOPIC", "events", "READ", "DESCRIBE")
        self.kafka.allow("churn", "GROUP", "g", "READ")
        self.api.mode = self.answer
        self.accept("first")
        self.write("first")
        self.path = self.folder / "p.yaml"
        login = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "churn"}
        settings = {
            "sandbox": "warn",
            "shutdown_timeout": "2s",
            "source": {
                "plugin": "kafka",
                "topics": ["events"],
                "group_id": "g",
                "brokers": self.kafka.guarded_brokers,
                "properties": {
                    **login,
                    "sasl.password": self.reference("kafka"),
                    "session.timeout.ms": "3000",
                    "heartbeat.interval.ms": "500",
                },
            },
            "store": {"plugin": "redis", "host": HOST, "port": self.redis.port, "password": self.reference("redis")},
            "sinks": [
                {
                    "plugin": "alert",
                    "to": ["webhook"],
                    "webhook_url": self.api.url,
                    "webhook_headers": {"Authorization": "Bearer " + self.reference("bearer")},
                }
            ],
            "dead_letters": {"plugin": "file", "path": str(self.folder / "dead")},
            "health": {"listen": self.listen, "token": self.reference("token")},
        }
        self.path.write_text(yaml.safe_dump(settings))

    def reference(self, name):
        return f"${{file:{self.folder}/{name}.secret}}"

    def write(self, word):
        """What the run's files say. Each has another text, so that none is taken for another."""
        for name in ("kafka", "redis", "bearer", "token"):
            path = self.folder / f"{name}.secret"
            path.write_text(f"{word}-word-for-{name}\n")
            path.chmod(0o600)

    def accept(self, word):
        """From now on the servers take this one alone."""
        self.kafka.halt()
        known = f'user_churn="{word}-word-for-kafka"'
        name = "listener.name.guarded.plain.sasl.jaas.config"
        self.kafka.node.properties[name] = f"org.apache.kafka.common.security.plain.PlainLoginModule required {known};"
        self.kafka.start()
        self.redis.client.config_set("requirepass", f"{word}-word-for-redis")
        self.redis.client.close()
        self.redis.client = redis_client.Redis(HOST, self.redis.port, password=f"{word}-word-for-redis")
        self.word = word

    def answer(self, request):
        good = request["headers"].get("Authorization") == f"Bearer {self.word}-word-for-bearer"
        return (200, b"{}") if good else (401, b"{}")

    def produce(self, first, count):
        self.kafka.produce("events", [(f"c{i % 10}", json.dumps(event(i))) for i in range(first, first + count)])

    def counted(self):
        return sum(int(fields["events_total"]) for fields in self.redis.hashes("profile:").values())

    def alerts(self):
        with self.api.lock:
            return {json.loads(r["body"])["event_id"] for r in self.api.requests if self.answer(r)[0] == 200}

    def shown(self, word):
        request = urllib.request.Request(
            f"http://{self.listen}/customers/c1", headers={"Authorization": f"Bearer {word}-word-for-token"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status
        except urllib.error.HTTPError as e:
            return e.code


def test_passwords_are_renewed_while_a_pipeline_runs(stack):
    """All of them at once: Kafka's, Redis', the webhook's and the listener's. The file of the pipeline stays as it is. The old
    ones are dead before the run is told, and what comes meanwhile waits."""
    world = Guarded(stack)
    run = stack.churnd("-c", world.path)
    world.produce(0, 100)
    wait_for("the first events", lambda: world.counted() == 100 and len(world.alerts()) == 100, 60)
    assert world.shown("first") == 200
    world.accept("second")
    world.redis.client.client_kill_filter(_type="normal", skipme=True)  # its next login is refused
    world.produce(100, 100)
    world.write("second")
    reload(run, timeout=60)
    wait_for("what came meanwhile", lambda: world.counted() == 200, 90)
    wait_for("its alerts", lambda: len(world.alerts()) == 200, 60)
    with pytest.raises(redis_client.AuthenticationError):
        redis_client.Redis(HOST, world.redis.port, password="first-word-for-redis").ping()
    assert world.shown("first") == 401 and world.shown("second") == 200
    assert run.running() and world.counted() == 200 and (world.folder / "dead").stat().st_size == 0
    (world.folder / "redis.secret").unlink()  # a reload without it is refused, and changes nothing
    reload(run, "is not taken into use")
    assert "redis.secret: No such file or directory" in run.err and "word-for" not in run.err
    world.produce(200, 10)
    wait_for("more events", lambda: world.counted() == 210, 60)
    run.terminate()
