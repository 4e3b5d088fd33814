"""Rows 14, 18 and 19: the machine runs out of disk and of memory, and its clock jumps."""

import json
import os
import random
import resource
import signal
import struct
import subprocess
import time

import events
import oracle
import pytest
from rig import SEED, Tally
from services import BUILD, SRC, run_churnd, wait_for

# --- Row 14: no room on the disk ---


def limit_files(size):
    """For the child: files end at `size` bytes, and the signal that says so is ignored, as a full disk sends none."""

    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return prepare


def file_letters(path):
    with open(path, "rb") as lines:
        for line in lines:
            letter = json.loads(line)
            yield letter["topic"], letter["partition"], letter["offset"], letter["reason"]


def test_disk_full_under_the_dead_letters(rig):
    """Nothing passes a dead letter that is not on the disk; with room again, each is there and whole."""
    letters = rig.folder / "letters.jsonl"

    def to_file(settings):
        settings["dead_letters"] = {"plugin": "file", "path": str(letters)}
        settings["sinks"].pop(0)

    rig.up(count=2000, bad=True)
    config = rig.config(to_file)
    rig.fault("no file may grow beyond 40,000 bytes")
    limited = rig.stack.churnd("-c", config, prepare=limit_files(40000))
    group = rig.group()
    wait_for("a word about the file", lambda: "letters.jsonl" in limited.err or not limited.running(), 30)
    time.sleep(2)
    committed = group.committed()
    time.sleep(2)
    assert group.committed() == committed and group.lag() > 0, "went on without the dead letters"
    if limited.running():
        resource.prlimit(limited.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        assert limited.wait() == 1
    fleet = rig.fleet(0 if limited.running() else 1, to_file)
    fleet.members += [limited] if limited.running() else []
    model = rig.settle(fleet)
    fleet.terminate()
    found = list(file_letters(letters))
    assert {f[:3] for f in found} == model.dead.keys()
    assert all(reason in model.dead[tuple(place)].reason.split("|") for *place, reason in found)
    Tally["events"] += model.events + len(model.dead)


# --- Row 18: allocations fail ---


def preloadable(name, folder):
    library = folder / f"{name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SRC / f"tests/faults/support/{name}.c"], check=True)
    return str(library)


@pytest.fixture(scope="module")
def failing_malloc(tmp_path_factory):
    return preloadable("failing_malloc", tmp_path_factory.mktemp("support"))


def torture_pipeline(folder):
    (folder / "events.jsonl").write_bytes(b"".join(value + b"\n" for _, value in events.load(300, 20, 1)) + b"broken\n")
    path = folder / "torture.yaml"
    path.write_text(f"""
name: torture
source: {{plugin: file, path: {folder}/events.jsonl}}
store: {{plugin: lmdb, path: {folder}/store, map_size: 64MiB}}
sinks:
  - {{plugin: file, path: {folder}/alerts.jsonl, input: alerts}}
dead_letters: {{plugin: file, path: {folder}/letters.jsonl}}
""")
    return path


def profiles_of(config, model):
    found = {}
    for customer in model.profiles:
        lines = run_churnd("profile", "-c", config, customer).stdout.splitlines()
        found[customer] = dict(line.split(None, 1) for line in lines if line.startswith("  "))
    return found


def is_simdjsons_end(done):
    """libsimdjson chooses its code when the first event comes; without memory for that it ends the process, as noexcept says."""
    return done.returncode == -signal.SIGABRT and "terminate called" in done.stderr


@pytest.mark.skipif("sanitizers" in str(BUILD), reason="the sanitizers have allocators of their own")
@pytest.mark.parametrize("every", [False, True], ids=["once", "from then on"])
def test_allocations_fail(tmp_path, failing_malloc, every):
    """Allocation n fails, for some n: an error or a success, never a crash, and what was stored before is right."""
    rng = random.Random(SEED)
    folder = tmp_path / "count"
    folder.mkdir()
    config = torture_pipeline(folder)
    run_churnd(
        "-c", config, "--until-end", env={"LD_PRELOAD": failing_malloc, "CHURN_COUNT_TO": f"{folder}/count"}, check=0
    )
    total = int((folder / "count").read_text())
    assert total > 1000
    model = oracle.Model().feed_lines(folder / "events.jsonl", str(folder / "events.jsonl"))
    crashes, failed = [], 0
    for n in sorted(rng.sample(range(1, total), int(os.environ.get("FAULT_ALLOCATIONS", "60")))):
        folder = tmp_path / str(n)
        folder.mkdir()
        config = torture_pipeline(folder)
        env = {"LD_PRELOAD": failing_malloc, "CHURN_FAIL_AT": str(n), **({"CHURN_FAIL_EVERY": "1"} if every else {})}
        Tally["faults"] += 1
        done = run_churnd("-c", config, "--until-end", env=env, timeout=60)
        failed += "failed on purpose" in done.stderr
        if done.returncode not in (0, 1) and not is_simdjsons_end(done):
            crashes.append(f"allocation {n}: exit status {done.returncode}: {done.stderr[-300:]}")
            continue
        again = run_churnd("-c", config, "--until-end", timeout=60)
        if again.returncode != 0:
            crashes.append(f"after allocation {n} failed: {again.stderr[-300:]}")
            continue
        model = oracle.Model().feed_lines(folder / "events.jsonl", str(folder / "events.jsonl"))
        oracle.assert_profiles(model, profiles_of(config, model))
        Tally["events"] += model.events
    assert not crashes, f"{len(crashes)} crashes:\n" + "\n".join(crashes)
    assert failed > 0


# --- Row 19: clocks ---


def set_clock(path, seconds):
    """In place: the file is mapped, and must not be empty for a moment."""
    with open(path, "r+b" if path.exists() else "wb") as clock:
        clock.write(struct.pack("q", seconds))


@pytest.mark.skipif("sanitizers" in str(BUILD), reason="the sanitizers want to be loaded first")
def test_clock_jumps(rig):
    """The wall clock goes an hour ahead, an hour back, and home again: no profile takes notice."""
    clock = rig.folder / "clock"
    set_clock(clock, 0)
    rig.up(count=4000)
    fleet = rig.fleet(2, env={"LD_PRELOAD": preloadable("stepped_clock", rig.folder), "CHURN_CLOCK": str(clock)})
    with rig.streaming():
        for hours in (1, -1, 0):
            rig.writes(300)
            rig.fault(f"the clock: {hours:+} h")
            set_clock(clock, hours * 3600)
            time.sleep(2)
    rig.settle(fleet)
    rig.fault("the clock: -1 h, with nothing to do")
    set_clock(clock, -3600)
    time.sleep(2)
    rig.finish(fleet)
