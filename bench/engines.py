"""The engines that are compared: how each is made ready and how it runs a workload. All read their settings from the
environment that Rig.environment makes, and end by themselves once BENCH_COUNT events are done."""

import shutil
import subprocess
import sys

from rig import BENCH, BUILD, CHURND, Failed, pipeline, say


class Churnd:
    name = "churnd"
    shows_profiles = True  # as the contract shows them; the peers keep plain numbers

    def prepare(self):
        """None, or why it cannot run."""
        return None if CHURND.is_file() else f"{CHURND} is missing"

    def profiles(self):
        return [CHURND, "-c", pipeline("profiles"), "--until-end"]

    def alerts(self):
        return [CHURND, "-c", pipeline("alerts"), "--until-end"]


class Python:
    name = "python"
    shows_profiles = False

    def prepare(self):
        return None

    def profiles(self):
        return [sys.executable, BENCH / "peers/python/profiles.py"]

    def alerts(self):
        return [sys.executable, BENCH / "peers/python/alerts.py"]


ALL = [Churnd(), Python()]


def prepare(only):
    """(the engines that can run, {name: why it cannot})."""
    unknown = set(only) - {e.name for e in ALL}
    if unknown:
        raise Failed(f"there is no engine {', '.join(sorted(unknown))}; there are {', '.join(e.name for e in ALL)}")
    ready, skipped = [], {}
    for engine in (e for e in ALL if not only or e.name in only):
        reason = engine.prepare()
        if reason is None:
            ready.append(engine)
        else:
            skipped[engine.name] = reason
            say(f"NOT RUN: {engine.name}: {reason}")
    return ready, skipped
