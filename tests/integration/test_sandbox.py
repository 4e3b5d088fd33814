"""The sandbox of a run: a plugin that tries to get out is refused, what the pipeline needs works, and a reload cannot have
more than the start."""

import ctypes
import os
import pathlib
import re
import socket
import tempfile

import pytest
import yaml
from events import refunds
from services import HOST, SRC, free_port, run_churnd, wait_for
from test_build import compile_plugin
from test_reload import reload

ESCAPE = SRC / "tests/testkit/escape.c"
LANDLOCK = max(ctypes.CDLL(None).syscall(444, None, 0, 1), 0)  # landlock_create_ruleset: the kernel's version
HIDDEN = "/etc/shadow" if os.geteuid() == 0 else "/etc/fstab"  # readable, and no pipeline's

needs_landlock = pytest.mark.skipif(LANDLOCK == 0, reason="this kernel has no Landlock, or it is turned off")
needs_network = pytest.mark.skipif(LANDLOCK < 4, reason=f"this kernel's Landlock (version {LANDLOCK}) binds no network")


class World:
    """A pipeline with a sink that tries to get out, a file outside that it may not write, and a port where somebody listens.
    `mode` None: the file says nothing of a sandbox."""

    def __init__(self, folder, mode, declares=None, **settings):
        self.folder, self.outside = folder / "own", folder / "outside"
        self.folder.mkdir()
        self.outside.mkdir()
        (self.folder / "plugins").mkdir()
        compile_plugin(ESCAPE, self.folder / "plugins/escape.so", *([f"-DDECLARES={declares}"] if declares else []))
        (self.folder / "e.jsonl").write_text(refunds(20))
        self.listener = socket.create_server((HOST, 0))
        self.settings = {
            "name": "boxed",
            **({"sandbox": mode} if mode is not None else {}),
            "state_dir": "state",
            "source": {"plugin": "file", "path": "e.jsonl"},
            "store": {"plugin": "lmdb", "path": "db"},
            "sinks": [
                {
                    "plugin": "escape",
                    "input": "alerts",
                    "read": HIDDEN,
                    "write": str(self.outside / "made"),
                    "port": self.listener.getsockname()[1],
                },
                {"plugin": "file", "name": "alerts", "input": "alerts", "path": "alerts"},
            ],
            "dead_letters": {"plugin": "file", "path": "dead"},
            "plugin_path": ["plugins"],
            "tap": {"enabled": False},
            **settings,
        }
        self.path = self.folder / "p.yaml"
        self.write()

    def write(self):
        self.path.write_text(yaml.safe_dump(self.settings))

    def run(self, status=0):
        done = run_churnd("-c", "p.yaml", cwd=self.folder, check=status)
        if status == 0:
            assert len((self.folder / "alerts").read_text().splitlines()) == 20  # whatever it tried, the rest goes on
        return dict(re.findall(r"tried (\w+): (\w+)", done.stderr)), done.stderr

    def check(self):
        return run_churnd("check", "-c", "p.yaml", cwd=self.folder, check=0)


FREE = dict.fromkeys(("read", "write", "execute", "connect"), "0")
UDP, LOCAL = ("udp", "udp6"), ("local", "local_datagram")
FASTOPEN = ("fastopen", "fastopen_message", "fastopen_messages")
OF_OTHERS = ("mode", "mode_at", "times", "limit")  # what is another's by rights, and no Landlock's business
NEVER = dict.fromkeys(
    ("packet", "namespace", "clone", "chroot", "setuid", "bpf", "mptcp", "icmp", "terminal", "console")
    + FASTOPEN
    + OF_OTHERS,
    "EPERM",
)


def test_without_a_sandbox_all_of_it_works(tmp_path):
    """So that what is refused below is refused by the sandbox."""
    tried, err = World(tmp_path, "off").run()
    works = {
        **FREE,
        **dict.fromkeys(UDP + LOCAL + FASTOPEN + OF_OTHERS, "0"),
        "terminal": "ENOTTY",
        "console": "ENOTTY",
    }
    assert tried.items() >= works.items() and "sandbox" not in err, tried
    assert (tmp_path / "outside/made").exists()


@needs_landlock
@pytest.mark.parametrize("mode,declares", [("on", None), ("on", "nothing"), ("warn", "nothing"), (None, "nothing")])
def test_what_was_not_declared_is_refused(mode, declares, tmp_path):
    world = World(tmp_path, mode, declares)
    tried, err = world.run()
    refused = {
        "read": "EACCES",
        "write": "EACCES",
        **dict.fromkeys(("execute", "connect", *UDP, *LOCAL), "EPERM"),
        **NEVER,
    }
    assert tried == refused and "sandbox: entered" in err, (tried, err)
    assert not list(world.outside.iterdir())
    assert (" WARN  sandbox: " in err) == (mode is not None), err  # nobody asked for it, so less is said
    status = world.check()
    if mode is None:
        assert "sandbox" not in status.stdout + status.stderr
        return
    assert "no connection to others" in status.stdout
    assert ("escape does not declare what it needs" in status.stderr) == (declares is None)


@needs_network
def test_another_address_is_refused(tmp_path):
    """Where sockets are needed all the same: for a listener, and for a webhook."""
    listen = free_port()
    world = World(tmp_path, "on", health={"listen": f"{HOST}:{listen}"})
    tried, err = world.run()
    assert tried["connect"] == "EACCES" and f"listening at {listen}" in err
    world.settings["sinks"].append(
        {"plugin": "alert", "to": ["webhook"], "webhook_url": f"http://{HOST}:{free_port()}/"}
    )
    world.settings["sinks"][-1]["give_up_after"] = "1ms"
    world.write()
    found = re.findall(r"tried (\w+): (\w+)", run_churnd("-c", "p.yaml", cwd=world.folder, check=0).stderr)
    assert dict(found)["connect"] == "EACCES"
    world.settings["sinks"][-1]["webhook_url"] = (
        f"http://{HOST}:{world.settings['sinks'][0]['port']}/"  # is the pipeline's
    )
    world.write()
    found = re.findall(r"tried (\w+): (\w+)", run_churnd("-c", "p.yaml", cwd=world.folder, check=0).stderr)
    assert dict(found)["connect"] == "0"


@pytest.mark.parametrize(
    "settings, env, udp, local",
    [
        ({"health": "numeric"}, {}, False, False),
        ({"webhook": HOST}, {}, False, False),
        ({"webhook": "[::1]"}, {}, False, False),
        ({"webhook": "localhost"}, {}, True, False),
        ({"tap": True}, {}, False, True),
        ({"store": "redis"}, {}, False, True),
        ({}, {"NOTIFY_SOCKET": "notify"}, False, True),
    ],
    ids=["listener", "IPv4", "IPv6", "a name", "tap", "redis", "systemd"],
)
def test_sockets_are_those_that_are_needed(stack, tmp_path, settings, env, udp, local):
    """UDP for names alone, Unix sockets where one is named; and no way around the rules for TCP."""
    world, environment = World(tmp_path, "warn", "nothing"), {k: str(tmp_path / v) for k, v in env.items()}
    if "health" in settings:
        world.settings["health"] = {"listen": f"{HOST}:{free_port()}"}
    if "webhook" in settings:
        world.settings["sinks"].append(
            {
                "plugin": "alert",
                "to": ["webhook"],
                "webhook_url": f"http://{settings['webhook']}:{free_port()}/",
                "give_up_after": "1ms",
            }
        )
    if "tap" in settings:
        del world.settings["tap"]
    if "store" in settings:
        stack.start_redis(options=["--unixsocket", tmp_path / "redis.sock"])
        world.settings["store"] = {"plugin": "redis", "url": f"unix://{tmp_path}/redis.sock"}
    if env:
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notified.bind(environment["NOTIFY_SOCKET"])
        notified.settimeout(60)
    world.write()
    done = run_churnd("-c", "p.yaml", cwd=world.folder, check=0, env=environment)
    tried = dict(re.findall(r"tried (\w+): (\w+)", done.stderr))
    expected = {**dict.fromkeys(UDP, "0" if udp else "EPERM"), **dict.fromkeys(LOCAL, "0" if local else "EPERM")}
    assert tried.items() >= {**expected, **NEVER}.items(), (tried, done.stderr)
    assert len((world.folder / "alerts").read_text().splitlines()) == 20
    if env:
        assert b"READY=1" in notified.recv(4096)
        notified.close()


def test_system_calls_are_refused_without_landlock(tmp_path):
    """seccomp's part holds on every kernel: it is all there is where Landlock is missing, as `warn` says."""
    tried, err = World(tmp_path, "warn", "nothing").run()
    assert tried.items() >= {"execute": "EPERM", "connect": "EPERM", **NEVER}.items()
    lacking = "files are not bound" if LANDLOCK == 0 else "does not bind"
    assert (lacking in err) == (LANDLOCK < 6), err


def test_what_the_next_start_believes_lies_apart_from_what_is_written(tmp_path):
    """Or who breaks into a run owns those to come. Told by `check` and at the start."""
    world = World(
        tmp_path, "warn", "nothing", health={"listen": f"{HOST}:{free_port()}", "token": "${file:keys/token}"}
    )
    world.settings["sinks"][0].pop("write")
    (world.folder / "keys").mkdir()
    (world.folder / "keys/token").write_text("token-of-the-listener")
    (world.folder / "keys/token").chmod(0o600)
    world.write()

    def believed():
        said = world.check().stderr, run_churnd("-c", "p.yaml", cwd=world.folder, check=0).stderr
        found = [sorted(re.findall(r"the run may write to (\S+), and (\S+) is of there", text)) for text in said]
        assert found[0] == found[1], said
        return set(found[0])

    own = str(world.folder.resolve())
    assert believed() == {(own, "p.yaml"), (own, ".env"), (own, "plugins"), (own, "keys/token")}
    for path, kept in (("alerts", "out/alerts"), ("dead", "keys/dead")):
        (world.folder / kept).parent.mkdir(exist_ok=True)
        text = yaml.safe_dump(world.settings).replace(f"path: {path}\n", f"path: {kept}\n")
        world.settings = yaml.safe_load(text)
    world.write()
    assert believed() == {(own + "/keys", "keys/token")}
    world.settings["dead_letters"]["path"] = "out/dead"
    (world.folder / "out/p.yaml").symlink_to(world.path)
    world.write()
    assert believed() == set()
    link = run_churnd("check", "-c", "out/p.yaml", cwd=world.folder, check=0).stderr
    assert f"the run may write to {own}/out, and out/p.yaml is of there" in link


@pytest.mark.skipif(LANDLOCK > 0, reason="this kernel has Landlock")
def test_a_sandbox_that_is_demanded_needs_landlock(tmp_path):
    _, err = World(tmp_path, "on").run(status=1)
    assert "files are not bound: this kernel has no Landlock" in err


@pytest.mark.parametrize("mode", ["warn", None])
def test_who_declares_nothing_runs_free_where_that_is_only_warned_of(mode, tmp_path):
    world = World(tmp_path, mode)
    tried, err = world.run()
    assert tried.items() >= FREE.items()
    level = "WARN " if mode == "warn" else "INFO "
    assert f"{level} sandbox: none is entered: escape does not declare what it needs" in err
    if mode is None:
        return
    assert "so a run has no sandbox" in world.check().stderr


def test_what_is_declared_is_allowed_and_no_more(tmp_path):
    world = World(tmp_path, "warn", "all")
    tried, err = world.run()
    assert tried == {**FREE, **dict.fromkeys(UDP, "0"), **dict.fromkeys(LOCAL, "EPERM"), **NEVER}, (tried, err)
    status = world.check()
    assert "system calls beside the common ones: execve" in status.stdout
    assert "TCP to any address, for escape learns them as it runs" in status.stdout


@needs_landlock
def test_a_reload_has_no_more_than_the_start(stack, tmp_path):
    """What stays within is taken, also files that were put in place of others; what needs more is refused with `restart`."""
    world = World(tmp_path, "on", "nothing")
    world.settings["source"]["follow"] = True
    world.settings["health"] = {"listen": f"{HOST}:{free_port()}", "token": "${file:token}"}
    (world.folder / "token").write_text("first-token-of-the-listener")
    (world.folder / "token").chmod(0o600)
    world.write()
    run = stack.churnd("-c", world.path, prepare=lambda: os.chdir(world.folder))
    wait_for("the run", lambda: (world.folder / "alerts").exists() and (world.folder / "alerts").stat().st_size)
    for name, text in (("token", "second-token-of-the-listener"), ("p.yaml", world.path.read_text() + "# again\n")):
        new = world.folder / f"{name}.new"
        new.write_text(text)
        new.chmod(0o600)
        new.rename(world.folder / name)
    world.settings["sinks"].append({"plugin": "file", "name": "more", "input": "alerts", "path": "more"})
    world.write()
    reload(run)
    good = world.settings["sinks"][:]
    for sink, said in (
        (
            {"plugin": "file", "name": "out", "input": "alerts", "path": str(world.outside / "x")},
            "it would have to write",
        ),
        ({"plugin": "alert", "to": ["webhook"], "webhook_url": f"http://{HOST}:9/"}, "it would have to connect"),
    ):
        world.settings["sinks"] = [*good, sink]
        world.write()
        reload(run, "is not taken into use")
        assert said in run.err and "restart churnd to change it" in run.err
    world.settings["sinks"], world.settings["sandbox"] = good, "off"
    world.write()
    reload(run, "sandbox: it was another, and it stays while the process runs; restart churnd")
    with open(world.folder / "e.jsonl", "a") as more:
        more.write(refunds(5, 100))
    wait_for("events after all that", lambda: len((world.folder / "more").read_text().splitlines()) >= 5)
    assert run.terminate() == 0, run.err


@needs_landlock
def test_a_reload_that_needs_another_socket_is_refused(stack, tmp_path):
    """Another port, names to look up, a Unix socket: each said, and with `restart`; the run goes on as it was."""
    hook = {"plugin": "alert", "to": ["webhook"], "webhook_url": f"http://{HOST}:9/"}
    world = World(tmp_path, "on", "nothing")
    world.settings["source"]["follow"] = True
    started = world.settings["sinks"]
    world.settings["sinks"] = [*started, hook]
    world.write()
    run = stack.churnd("-c", world.path, prepare=lambda: os.chdir(world.folder))
    wait_for("the run", lambda: (world.folder / "alerts").exists() and (world.folder / "alerts").stat().st_size)
    for settings, said in (
        (
            {"sinks": [*started, {**hook, "webhook_url": f"http://{HOST}:10/"}]},
            "sandbox: it would have to connect to port 10,",
        ),
        (
            {"sinks": [*started, {**hook, "webhook_url": "http://localhost:9/"}]},
            "sandbox: it would have to look up names of hosts,",
        ),
        ({"tap": {"socket": "tap"}}, "tap: it was another, and it stays while the process runs;"),
    ):
        world.path.write_text(yaml.safe_dump({**world.settings, **settings}))
        reload(run, "is not taken into use")
        line = next(line for line in run.err.splitlines() if said in line)
        assert "restart churnd to change it" in line
    assert not (world.folder / "tap").exists() and run.running()
    run.kill()  # its webhook answers nobody


def test_a_reload_that_needs_another_system_call_is_refused(stack, tmp_path):
    """By a plugin that the run had not; said with the call and `restart`, and the run goes on. A restart takes it."""
    world = World(tmp_path, "warn", "executes")
    world.settings["source"]["follow"] = True
    escape, alerts = world.settings["sinks"]
    world.settings["sinks"] = [alerts]
    world.write()
    run = stack.churnd("-c", world.path, prepare=lambda: os.chdir(world.folder))
    wait_for("the run", lambda: (world.folder / "alerts").exists() and (world.folder / "alerts").stat().st_size)
    world.settings["sinks"] = [alerts, escape]
    world.write()
    reload(run, "is not taken into use")
    line = next(line for line in run.err.splitlines() if "needs the system call" in line)
    assert "sandbox: a plugin of it needs the system call execve, which the run's sandbox does not allow;" in line
    assert "restart churnd to change it" in line and "tried execute" not in run.err
    with open(world.folder / "e.jsonl", "a") as more:
        more.write(refunds(5, 100))
    wait_for("events after that", lambda: len((world.folder / "alerts").read_text().splitlines()) >= 25)
    assert run.terminate() == 0, run.err
    del world.settings["source"]["follow"]
    world.settings["store"]["path"] = "db2"  # all events once more
    world.write()
    assert "sandbox: entered" in (err := run_churnd("-c", "p.yaml", cwd=world.folder, check=0).stderr)
    assert "tried execute: " in err and "tried execute: EPERM" not in err, err


COMMANDS = {
    "run": [],
    "replay": ["--replay-from", "beginning"],
    "redrive": ["redrive"],
    "rebuild": ["rebuild", "--into", "again:"],
    "verify": ["verify", "--against", "again:"],
    "explain": ["explain", "c1"],
    "profile": ["profile", "c1"],
    "load": ["load"],
    "forget": ["forget", "c1"],
    "where": ["where", "c1"],
}


def family(pid):
    """The process and its children."""
    own = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(more for child in own for more in family(child))]


@pytest.mark.parametrize("settings", [{}, {"sandbox": "off"}], ids=["by default", "off"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_that_takes_plugins_to_data_is_bound(command, settings, stack, tmp_path):
    """While it waits for a Redis, or a Kafka, that says nothing."""
    silent = socket.create_server((HOST, 0))
    address = f"{HOST}:{silent.getsockname()[1]}"
    (tmp_path / "e.jsonl").write_text(refunds(1))
    (tmp_path / "dead").write_text("")
    of_a_file = {"plugin": "file", "path": "e.jsonl"}
    of_kafka = {"plugin": "kafka", "brokers": address, "topics": ["t"], "group_id": "g"}
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump(
            {
                **settings,
                "source": of_kafka if command == "load" else of_a_file,
                "store": {"plugin": "redis", "url": f"redis://{address}"},
                "dead_letters": {"plugin": "file", "path": "dead"},
                "state_dir": "state",
                **({"forget": {"key": "6c" * 32}} if command == "forget" else {}),
            }
        )
    )
    process = stack.churnd(*COMMANDS[command], "-c", "p.yaml", prepare=lambda: os.chdir(tmp_path))
    silent.settimeout(60)
    asked = silent.accept()[0]
    found = [
        re.findall(r"^(?:Seccomp|NoNewPrivs):\t(\d)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        for pid in family(process.pid)
    ]
    assert found and all(one == (["0", "0"] if settings else ["1", "2"]) for one in found), (found, process.err)
    process.kill()
    asked.close()
    silent.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave root")
def test_root_is_left_for_a_user():
    with tempfile.TemporaryDirectory(prefix="churn-sandbox-") as name:  # pytest's own are for one user alone
        folder = pathlib.Path(name)
        world = World(folder, "warn", "nothing", user="nobody")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        tried, err = world.run()
        assert "root was left for the user nobody" in err and "this run is root's" not in err
        assert (world.folder / "alerts").stat().st_uid == 65534
        assert tried["read"] in ("EACCES", "EPERM")
        world.settings["user"] = "nobody-of-that-name"
        world.write()
        assert "there is no user 'nobody-of-that-name' on this machine" in world.run(status=1)[1]
        world.settings.pop("user")
        world.write()
        done = run_churnd("-c", "p.yaml", cwd=world.folder)
        assert "this run is root's, which no sandbox makes harmless" in done.stderr


def test_who_is_not_root_becomes_nobody_else(tmp_path):
    world = World(tmp_path, "off", user="daemon")
    if os.geteuid() == 0:
        assert "root was left for the user daemon" in run_churnd("-c", "p.yaml", cwd=world.folder).stderr
    else:
        assert "cannot become 'daemon'" in world.run(status=1)[1]
