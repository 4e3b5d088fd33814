"""docs/operations.md as an operator follows it: the blocks of a section are run one after the other on machines that the
test has, and each prints what is shown below it.

The machines run what a package would start: `systemctl` and `journalctl` are stand-ins that run the command of the unit and do
to its process what systemd does. Everything else that the text calls is the real thing.
"""

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
import urllib.error
import urllib.request

import yaml
from services import CHURND, SRC, clean_environment, free_port, wait_for
from test_docs import FENCE, assert_printed
from test_systemd import UNIT, Manager

TEXT = SRC / "docs/operations.md"
CLIENT = """#!{python}
import json, os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["MACHINES"])
s.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\\n")
answer = json.load(s.makefile())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["status"])
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
        for name in ("systemctl", "journalctl"):
            program = self.folder / "bin" / name
            program.write_text(CLIENT.format(python=sys.executable))
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

    def environment(self, host=None):
        return {
            **self.stack.env,
            "CHURN_LISTEN": f"{host or self.hosts[0]}:{self.port}",
            "STATE_DIRECTORY": str(self.folder / f"state-{host or self.hosts[0]}"),
        }

    # What systemd does.

    def start(self, name, host=None):
        host = host or self.hosts[0]
        if name == "redis-server":
            self.stack.redis.start()
        elif not self.active(name, host):
            instance = name.partition("@")[2]
            folder = tempfile.mkdtemp(dir=self.sockets.name)
            unit = Unit(self.stack, instance, self.config(instance), folder, self.environment(host))
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

    def _systemctl(self, *words):
        host = self.hosts[0]
        if words[0] == "-H":
            host, words = words[1], words[2:]
        verb, *names = words
        assert verb in ("start", "stop", "reload"), words
        for name in names:
            getattr(self, verb)(name, host)
        return ""

    def _journalctl(self, *words):
        """-o cat -u UNIT [-g PATTERN]: what it wrote to the log since it was started last."""
        assert words[:3] == ("-o", "cat", "-u") and words[4:5] in ((), ("-g",)), words
        pattern = re.compile(words[5] if len(words) > 5 else "")
        return "".join(line for line in self.unit(words[3]).log.splitlines(True) if pattern.search(line))

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


class Section:
    """A section's blocks, run one after the other; whoever ran all of them says so by `done`."""

    def __init__(self, machines, heading):
        self.machines, self.heading = machines, heading
        self.left, self.folder = blocks(heading), machines.folder / re.sub(r"\W+", "-", heading)
        self.folder.mkdir()
        assert self.left, f"{heading} has no commands"

    def run(self, timeout=120, **changed):
        """The next block; returns what it printed."""
        commands, shown = self.left.pop(0)
        machines = self.machines
        env = clean_environment(
            {
                **machines.environment(),
                "PATH": f"{machines.folder / 'bin'}:{CHURND.parent}:{os.environ['PATH']}",
                "MACHINES": machines.socket,
                "CHURND_CONFIG": str(machines.config("consumer")),
                "CHURN": machines.url(""),
                "PORT": str(machines.port),
                "HOSTS": " ".join(machines.hosts),
                **{name: str(value) for name, value in changed.items()},
            }
        )
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        print(f"{self.heading}:\n{commands}{done.stdout}", flush=True)
        assert done.returncode == 0, f"{self.heading}:\n{commands}\nended with {done.returncode}:\n{done.stdout}"
        if shown is not None:
            assert_printed(shown, done.stdout if done.stdout.endswith("\n") else done.stdout + "\n")
        return done.stdout

    def done(self):
        assert self.left == [], f"{self.heading}: not run"
