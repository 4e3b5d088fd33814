"""The engines that are compared: how each is made ready and how it runs a workload. All read their settings from the
environment that Rig.environment makes, and end by themselves once BENCH_COUNT events are done."""

import json
import shutil
import subprocess
import sys
import typing

from rig import BENCH, CHURND, OUT, Failed, pipeline, say

SCRIPT = BENCH / "peers/profile.lua"


def built(command, **options):
    """None, or what went wrong."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode == 0:
        return None
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return f"{command[0]} failed: {said[-1] if said else done.returncode}"


class Engine:
    shows_profiles = False  # as the contract shows them; the peers keep plain numbers
    environment: typing.ClassVar = {}  # beside what all get

    def does(self, workload):
        return not workload.startswith("W3") or hasattr(self, "predictions")

    def prepare(self):
        """None, or why it cannot run."""
        return None


class Churnd(Engine):
    name = "churnd"
    shows_profiles = True

    def prepare(self):
        return None if CHURND.is_file() else f"{CHURND} is missing"

    def profiles(self):
        return [CHURND, "-c", pipeline("profiles"), "--until-end"]

    def alerts(self):
        return [CHURND, "-c", pipeline("alerts"), "--until-end"]

    def predictions(self):
        return [CHURND, "-c", pipeline("predictions"), "--until-end"]


class ChurndTls(Churnd):
    """With Kafka and Redis over TLS; measured only by name."""

    name = "churnd-tls"

    def profiles(self):
        return [CHURND, "-c", pipeline("profiles_tls"), "--until-end"]


class Python(Engine):
    name = "python"

    def profiles(self):
        return [sys.executable, BENCH / "peers/python/profiles.py"]

    def alerts(self):
        return [sys.executable, BENCH / "peers/python/alerts.py"]

    def predictions(self):
        return [sys.executable, BENCH / "peers/python/predictions.py"]


class KafkaStreams(Engine):
    name = "kafka-streams"
    source, libs, classes = BENCH / "peers/kafka_streams", OUT / "kafka_streams/libs", OUT / "kafka_streams/classes"
    environment: typing.ClassVar = {"BENCH_THREADS": "2"}  # one for each core

    def prepare(self):
        return self._fetch() or built(
            ["javac", "-cp", f"{self.libs}/*", "-d", self.classes, *self.source.glob("*.java")]
        )

    def _fetch(self):
        if self.libs.is_dir():
            return None
        self.libs.parent.mkdir(parents=True, exist_ok=True)
        return built([BENCH.parent / "scripts/fetch-jars.sh", self.source, self.libs])

    def _java(self, program, *arguments):
        return [
            "java",
            "-cp",
            f"{self.classes}:{self.libs}/*",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            program,
            *arguments,
        ]

    def profiles(self):
        return self._java("Profiles", SCRIPT)

    def alerts(self):
        return self._java("Alerts")


class Bento(Engine):
    name = "bento"
    source, program = BENCH / "peers/bento", OUT / "bento"
    # A string of JSON is one of YAML too, and has its line ends escaped.
    environment: typing.ClassVar = {"BENCH_SCRIPT": json.dumps(SCRIPT.read_text())}

    def prepare(self):
        failed = built(["go", "build", "-mod=readonly", "-o", self.program, "."], cwd=self.source)
        return failed and f"needs Go 1.24 or later: {failed}"

    def profiles(self):
        return [self.program, "-c", self.source / "profiles.yaml"]

    def alerts(self):
        return [self.program, "-c", self.source / "alerts.yaml"]


USUAL = [Churnd(), Python(), KafkaStreams(), Bento()]
ALL = [*USUAL, ChurndTls()]


def prepare(only):
    """(the engines that can run, {name: why it cannot})."""
    unknown = set(only) - {e.name for e in ALL}
    if unknown:
        raise Failed(f"there is no engine {', '.join(sorted(unknown))}; there are {', '.join(e.name for e in ALL)}")
    ready, skipped = [], {}
    for engine in (e for e in (ALL if only else USUAL) if not only or e.name in only):
        reason = engine.prepare()
        if reason is None:
            ready.append(engine)
        else:
            skipped[engine.name] = reason
            say(f"NOT RUN: {engine.name}: {reason}")
    return ready, skipped
