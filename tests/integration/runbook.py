"""docs/operations.md as an operator follows it: the blocks of a section are run one after the other on machines that the
test has, and each prints what is shown below it.

The machines run what a package would start: `systemctl`, `journalctl`, `ssh` and `runuser` are stand-ins that run the command of
the unit and do to its process what systemd does. Everything else that the text calls is the real thing. Where CHURN_MACHINE names
the first process of a machine with the package on it (scripts/test-runbook.sh), nothing is a stand-in.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import urllib.error
import urllib.request

import redis
import services
import yaml
from services import CHURND, SRC, clean_environment, free_port, wait_for
from test_docs import FENCE, assert_printed
from test_systemd import UNIT, Manager

TEXT = SRC / "docs/operations.md"
FIRST = os.environ.get("CHURN_MACHINE")  # its process id here
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECRET = "night-watch"  # of Redis on such a machine
CLIENT = """#!{python}
import json, os, socket, sys
host = os.environ.get("MACHINE")
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["MACHINES"])
s.sendall(json.dumps([os.path.basename(sys.argv[0]), host, *sys.argv[1:]]).encode() + b"\\n")
answer = json.load(s.makefile())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["status"])
"""
SSH = """#!/bin/sh
MACHINE=${1#root@}
export MACHINE
shift
exec "$@"
"""
RUNUSER = """#!/bin/sh
shift 3
exec "$@"
"""


def sections():
    """Heading → text, of each `##` and `###`."""
    parts = re.split(r"^#{2,3} (.*)$", TEXT.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(heading):
    """[(commands, what they print or None)] of a section."""
    found = FENCE.findall(sections()[heading])
    return [
        (content, found[i + 1][1] if i + 1 < len(found) and found[i + 1][0] == "" else None)
        for i, (language, content) in enumerate(found)
        if language == "sh"
    ]


def headings(path):
    """The anchors of a text's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def ask(url):
    """What is answered, whatever the status; empty where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.read().decode()
    except OSError:
        return ""


# What an operator pastes first.
((BEFORE, _),) = blocks("Before anything")


class Unit:
    """churnd@NAME on one machine."""

    def __init__(self, stack, name, config, folder, env):
        self.manager = Manager(pathlib.Path(folder))
        command = shlex.split(re.search(r"^ExecStart=(.*)", UNIT.read_text(), re.M)[1])
        words = [str(config) if word.endswith("/churnd/%i.yaml") else word for word in command[1:]]
        assert str(config) in words, command
        self.process = stack.churnd(*words, env={**env, **self.manager.env()})
        self.wait_until_ready(1)

    def wait_until_ready(self, count):
        wait_for("readiness", lambda: len(self.manager.all("READY")) >= count or not self.process.running(), 60)
        assert self.process.running(), self.log

    def reload(self):
        count = len(self.manager.all("READY"))
        self.process.send(signal.SIGHUP)
        self.wait_until_ready(count + 1)

    @property
    def log(self):
        return self.process.err

    def stop(self):
        self.process.terminate()

    def end(self):
        self.process.end()
        self.manager.stop()


class Machines:
    """Hosts (addresses of this one) on which units may run; a unit is (host, name)."""

    def __init__(self, stack, hosts):
        self.stack, self.hosts, self.port = stack, hosts, free_port()
        self.folder = stack.folder / "machines"
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "etc").mkdir()
        self.sockets = tempfile.TemporaryDirectory(prefix="churn-")  # whose paths have to be short
        self.units = {}
        client = CLIENT.format(python=sys.executable)
        for name, text in (("systemctl", client), ("journalctl", client), ("ssh", SSH), ("runuser", RUNUSER)):
            program = self.folder / "bin" / name
            program.write_text(text)
            program.chmod(0o755)
        self.socket = f"{self.sockets.name}/machines"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    # What the package has put in place.

    def config(self, name):
        return self.folder / "etc" / f"{name}.yaml"

    def install(self, name, change):
        """/etc/churnd/NAME.yaml: the shipped consumer, with what a test changes."""
        settings = yaml.load((SRC / "config/consumer.yaml").read_text(), yaml.BaseLoader)
        change(settings)
        self.config(name).write_text(yaml.safe_dump(settings, sort_keys=False))

    def read_all(self):
        """What is in the topics, by a run that ends."""
        self.stack.run("-c", self.config("consumer"), "--until-end")

    def environment(self, host=None):
        return {**self.stack.env, "CHURN_LISTEN": f"{host or self.hosts[0]}:{self.port}"}

    def state(self, host=None):
        folder = self.folder / f"state-{host or self.hosts[0]}"
        folder.mkdir(exist_ok=True)
        return folder

    # What the operator does.

    def bash(self, commands, folder, variables, timeout):
        """What a shell does there; stdout and stderr are one."""
        (self.folder / "etc/consumer.env").write_text(
            "".join(f"{name}={value}\n" for name, value in self.environment().items())
        )
        for folder_there, folder_here in (
            ("/etc/churnd/", f"{self.folder}/etc/"),
            ("/var/lib/churnd/consumer", str(self.state())),
        ):
            commands = commands.replace(folder_there, folder_here)
        env = clean_environment(
            {
                "PATH": f"{self.folder / 'bin'}:{CHURND.parent}:{os.environ['PATH']}",
                "MACHINES": self.socket,
                **variables,
            }
        )
        return subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # Redis shows bytes
            timeout=timeout,
        )

    # What systemd does.

    def start(self, name, host=None):
        host = host or self.hosts[0]
        if name == "redis-server":
            self.stack.redis.start()
        elif not self.active(name, host):
            instance = name.partition("@")[2]
            folder = tempfile.mkdtemp(dir=self.sockets.name)
            env = {**self.environment(host), "STATE_DIRECTORY": str(self.state(host))}
            unit = Unit(self.stack, instance, self.config(instance), folder, env)
            self.units[host, name] = unit

    def stop(self, name, host=None):
        if name == "redis-server":
            self.stack.redis.process.terminate()
        elif self.active(name, host):
            self.unit(name, host).stop()

    def reload(self, name, host=None):
        self.unit(name, host).reload()

    def active(self, name, host=None):
        unit = self.units.get((host or self.hosts[0], name))
        return unit is not None and unit.process.running()

    def unit(self, name, host=None):
        return self.units[host or self.hosts[0], name]

    def url(self, path, host=None):
        return f"http://{host or self.hosts[0]}:{self.port}{path}"

    def says(self, *parts):
        """/readyz of the first machine says all of that."""
        answer = ask(self.url("/readyz"))
        return all(part in answer for part in parts)

    def wait_until_ready(self):
        """The first one has nothing left to do."""
        wait_for("readiness", lambda: self.says('{"status":"ready"', '"lag_messages":0}'), 60)

    def forget_logs(self):
        """A log begins with its unit's start."""

    def _systemctl(self, host, *words):
        verb, *names = words
        if names[0] == "--now":
            verb, names = {"enable": "start", "disable": "stop"}[verb], names[1:]
        assert verb in ("start", "stop", "reload"), words
        for name in names:
            getattr(self, verb)(name, host)
        return ""

    def _journalctl(self, host, *words):
        """-o cat -u UNIT [--since -1h|-1d] [-g PATTERN]: what it wrote to the log since it was started last."""
        said = argparse.ArgumentParser()
        for option in "-o", "-u", "-g", "--since":
            said.add_argument(option, default="")
        said = said.parse_args([re.sub(r"^-(\d+[hd])$", r"\1 ago", word) for word in words])
        unit = self.units.get((host or self.hosts[0], said.u))
        lines = unit.log.splitlines(True) if unit else []
        return "".join(line for line in lines if re.search(said.g, line))

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                program, *words = json.loads(client.makefile().readline())
                answer = {"out": "", "err": "", "status": 0}
                try:
                    answer["out"] = getattr(self, f"_{program}")(*words)
                except Exception as e:  # told to whoever asked
                    answer.update(err=f"{program} {words}: {e!r}\n", status=1)
                with contextlib.suppress(OSError):
                    client.sendall(json.dumps(answer).encode())

    def end(self):
        """Between two sections nothing runs."""
        for unit in self.units.values():
            unit.end()
        self.units.clear()

    def close(self):
        self.listener.close()
        self.sockets.cleanup()


class Installed:
    """One machine with the package, whose first process is systemd. Its files are seen from here, and so are its ports."""

    def __init__(self, stack):
        self.stack, self.hosts, self.port, self.units = stack, ("127.0.0.1",), 8080, {}
        self.root, self.folder = pathlib.Path(f"/proc/{FIRST}/root"), stack.folder

    def enter(self, *words, timeout=60, **variables):
        inside = ["nsenter", "--target", FIRST, "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd"]
        env = [f"{n}={v}" for n, v in {"HOME": "/root", "LANG": "C.UTF-8", "PATH": PATH, **variables}.items()]
        return subprocess.run(
            [*inside, "env", "-i", *env, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # Redis shows bytes
            timeout=timeout,
        )

    def do(self, *words):
        done = self.enter(*words)
        assert done.returncode == 0, (words, done.stdout)
        return done.stdout

    def config(self, name):
        return self.root / f"etc/churnd/{name}.yaml"

    def install(self, name, change):
        """As docs/install.md has it: variables in a file, the secret as a credential."""
        settings = yaml.load((SRC / "config/consumer.yaml").read_text(), yaml.BaseLoader)
        change(settings)
        self.config(name).write_text(yaml.safe_dump(settings, sort_keys=False))
        secrets, drop_in = (
            self.root / folder for folder in ("etc/churnd/secrets", "etc/systemd/system/churnd@.service.d")
        )
        secrets.mkdir(mode=0o700, exist_ok=True)
        (secrets / "REDIS_PASSWORD").write_text(f"{SECRET}\n")
        drop_in.mkdir(exist_ok=True)
        credential = "LoadCredential=REDIS_PASSWORD:/etc/churnd/secrets/REDIS_PASSWORD"
        (drop_in / "machine.conf").write_text(f"[Service]\n{credential}\n")
        variables = {**self.stack.env, "CHURN_LISTEN": f"{self.hosts[0]}:{self.port}"}
        (self.root / f"etc/churnd/{name}.env").write_text("".join(f"{n}={v}\n" for n, v in variables.items()))
        self.do("systemctl", "daemon-reload")

    def read_all(self):
        self.start("churnd@consumer")
        self.wait_until_ready()
        self.stop("churnd@consumer")

    def bash(self, commands, folder, variables, timeout):
        return self.enter("bash", "-e", "-c", f"cd; {commands}", timeout=timeout, **variables)

    def start(self, name, host=None):
        self.do("systemctl", "start", name)

    def stop(self, name, host=None):
        self.do("systemctl", "stop", name)

    def reload(self, name, host=None):
        self.do("systemctl", "reload", name)

    def unit(self, name, host=None):
        run = self.do("systemctl", "show", "-P", "InvocationID", name).strip()
        log = self.do("journalctl", "-q", "-o", "cat", f"_SYSTEMD_INVOCATION_ID={run}")
        return types.SimpleNamespace(log=log)

    def forget_logs(self):
        """The journal begins anew."""
        self.do("journalctl", "-q", "--rotate")
        self.do("journalctl", "-q", "--vacuum-time=1us")

    def plugins(self):
        """Its folder of plugins, there."""
        (found,) = self.root.glob("usr/lib/*/churn/plugins-1")
        return pathlib.Path("/") / found.relative_to(self.root)

    def state(self):
        return self.root / "var/lib/churnd/consumer"

    def end(self):
        self.do("systemctl", "stop", "churnd@consumer", "churnd@load")

    def close(self):
        self.do("systemctl", "stop", "redis-server")

    url, says, wait_until_ready = Machines.url, Machines.says, Machines.wait_until_ready


class InstalledRedis(services.Redis):
    """redis-server, as its package starts it."""

    def __init__(self, machine):
        self.machine, self.port, self.password, self.options = machine, 6379, SECRET, []
        self.folder = machine.root / "var/lib/redis"
        config = machine.root / "etc/redis/redis.conf"
        config.write_text(re.sub(r"^#? ?requirepass .*", f"requirepass {SECRET}", config.read_text(), flags=re.M))
        self.stop()
        self.start()

    def start(self):
        self.machine.start("redis-server")
        self.client = redis.Redis("127.0.0.1", self.port, password=self.password, socket_timeout=30)
        services.wait_for("Redis", self.client.ping)

    def stop(self):
        self.machine.stop("redis-server")

    kill = stop

    @contextlib.contextmanager
    def small_disk(self):
        """It has its files on a file system of 4 MiB, meanwhile."""
        self.stop()
        self.machine.do("mount", "-t", "tmpfs", "-o", "size=4m,mode=750,uid=redis,gid=redis", "tmpfs", "/var/lib/redis")
        try:
            self.start()
            yield self
        finally:
            self.stop()
            self.machine.do("umount", "/var/lib/redis")
            self.start()


class Section:
    """A section's blocks, run one after the other; whoever ran all of them says so by `done`. `first`: what is said before anything
    is pasted. `only`: a pattern that the commands of a block have to have."""

    def __init__(self, machines, heading, first="", only=""):
        self.machines, self.heading, self.first = machines, heading, first
        self.left = [block for block in blocks(heading) if re.search(only, block[0])]
        self.folder = machines.folder / re.sub(r"\W+", "-", heading)
        self.folder.mkdir(exist_ok=True)
        assert self.left, f"{heading} has no commands"

    def run(self, timeout=120, **changed):
        """The next block; returns what it printed."""
        commands, shown = self.left.pop(0)
        machines = self.machines
        variables = {"HOSTS": " ".join(machines.hosts), **{name: str(value) for name, value in changed.items()}}
        done = machines.bash(self.first + BEFORE + commands, self.folder, variables, timeout)
        print(f"{self.heading}:\n{commands}{done.stdout}", flush=True)
        assert done.returncode == 0, f"{self.heading}:\n{commands}\nended with {done.returncode}:\n{done.stdout}"
        if shown is not None:
            assert_printed(shown, done.stdout if done.stdout.endswith("\n") else done.stdout + "\n")
        return done.stdout

    def done(self):
        assert self.left == [], f"{self.heading}: not run"
