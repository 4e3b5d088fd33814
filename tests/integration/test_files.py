"""Files: where they are read on, when they are another one, and what lies on disk."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess

import pytest
import yaml
from services import CHURND, SRC, Process, clean_environment, run_churnd, wait_for

ALERT = {"event_type": "refund_requested", "timestamp": "2026-01-01T00:00:00Z", "data": {"order_id": "o", "amount": 1}}


def event(customer, number=0):
    return json.dumps({"event_id": f"{customer}_{number}", "customer_id": customer, **ALERT}) + "\n"


def write_pipeline(folder, source=None, **sections):
    """An embedded store, alerts in `alerts`, dead letters in `dead`."""
    path = folder / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "state_dir": "state",
                "source": {"plugin": "file", "path": "e.jsonl", **(source or {})},
                "store": {"plugin": "lmdb", "path": "db"},
                "sinks": [{"plugin": "file", "input": "alerts", "path": "alerts"}],
                "dead_letters": {"plugin": "file", "path": "dead"},
                **sections,
            }
        )
    )
    return path


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def profile(folder, customer):
    """None: there is none."""
    done = run_churnd("profile", "-c", "p.yaml", customer, "--format", "json", cwd=folder)
    return json.loads(done.stdout) if done.returncode == 0 else None


def counted(folder, *customers):
    return [(profile(folder, customer) or {}).get("events_total", 0) for customer in customers]


# --- An end that is remembered ---


def test_an_orderly_end_is_remembered(tmp_path):
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a") + "broken\n" + event("b"))
    for _ in range(3):
        run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
        assert len(lines(tmp_path / "alerts")) == 2 and len(lines(tmp_path / "dead")) == 1
    with open(tmp_path / "e.jsonl", "a") as file:
        file.write(event("a", 1) + "broken, too\n")
    run = run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert "reading goes on from offset" in run.stderr and "applied 1" in run.stdout, run
    assert len(lines(tmp_path / "alerts")) == 3 and len(lines(tmp_path / "dead")) == 2
    run = run_churnd("-c", "p.yaml", "--replay-from", "beginning", cwd=tmp_path, check=0)
    assert "already counted 3" in run.stdout
    assert len(lines(tmp_path / "alerts")) == 3 and len(lines(tmp_path / "dead")) == 2
    assert counted(tmp_path, "a", "b") == [2, 1]


def test_the_quickstart_says_nothing_twice(tmp_path):
    said = []
    for events in ("20,000", "0"):
        run = run_churnd("-c", SRC / "config/quickstart.yaml", env={"CHURN_DATA": tmp_path}, check=0)
        assert re.search(rf"^  events +{events}\b", run.stdout, re.M), run.stdout
        said.append((len(lines(tmp_path / "dead-letters.jsonl")), "alert:" in run.stderr))
    assert said == [(said[0][0], True), (said[0][0], False)] and said[0][0] > 100, said


# --- After a rebuild ---


def said(folder):
    """The events of which there are alerts, and how many dead letters there are."""
    alerts = [json.loads(line)["event_id"] for line in lines(folder / "alerts")]
    return sorted(alerts), len(lines(folder / "dead"))


def rebuild(folder):
    before = said(folder)
    run_churnd("rebuild", "-c", "p.yaml", "--into", "rebuilt:", cwd=folder, check=0)
    assert said(folder) == before


@pytest.mark.parametrize("ran_before, rebuilds", [(True, 1), (True, 2), (False, 1)])
@pytest.mark.parametrize("args", [(), ("--replay-from", "beginning")])
def test_a_rebuild_answers_for_no_output(tmp_path, ran_before, rebuilds, args):
    """What came since the pipeline itself ran is sent once the pipeline has the rebuilt prefix, and what it sent is
    not sent again."""
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a", 1) + "bad\n" + event("b", 1))
    if ran_before:
        run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    for i in range(rebuilds):
        with open(tmp_path / "e.jsonl", "a") as file:
            file.write(event("a", 2 + i) + "bad, too\n" + event("c", 2 + i))
        rebuild(tmp_path)
    write_pipeline(tmp_path, store={"plugin": "lmdb", "path": "db", "key_prefix": "rebuilt:"})
    run_churnd("-c", "p.yaml", *args, cwd=tmp_path, check=0)
    ids = ["a_1", "b_1"] + [f"{c}_{2 + i}" for c in "ac" for i in range(rebuilds)]
    assert said(tmp_path) == (sorted(ids), 1 + rebuilds)
    assert counted(tmp_path, "a", "b", "c") == [1 + rebuilds, 1, rebuilds]
    again = run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert said(tmp_path) == (sorted(ids), 1 + rebuilds) and "a rebuild has counted" not in again.stderr, again


def test_a_rebuild_of_another_file_answers_for_none_of_it(tmp_path):
    """The pipeline's own checkpoint tells of what the file held before."""
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a", 1) + event("b", 1))
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    (tmp_path / "e.jsonl").write_text(event("x", 1) + event("y", 1) + event("z", 1))
    rebuild(tmp_path)
    write_pipeline(tmp_path, store={"plugin": "lmdb", "path": "db", "key_prefix": "rebuilt:"})
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert said(tmp_path) == (["a_1", "b_1", "x_1", "y_1", "z_1"], 0)


def test_a_rebuild_knows_how_far_it_has_come(tmp_path):
    """Though it answers for no output: `verify` calls a profile that lacks an event a fault, and another file under the
    rebuilt prefix is refused."""
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a", 1) + event("b", 1))
    rebuild(tmp_path)
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    done = run_churnd("verify", "-c", "p.yaml", "--against", "rebuilt:", cwd=tmp_path, check=0)
    assert "2 equal" in done.stdout, done
    write_pipeline(tmp_path, store={"plugin": "lmdb", "path": "db", "key_prefix": "rebuilt:"})
    (tmp_path / "e.jsonl").write_text(event("x", 1) + event("y", 1))
    done = run_churnd("-c", "p.yaml", cwd=tmp_path)
    assert done.returncode != 0 and "does not begin with what was counted of it" in done.stderr, done


def test_generated_events_after_a_rebuild(tmp_path):
    def write(count, prefix):
        (tmp_path / "p.yaml").write_text(
            yaml.safe_dump(
                {
                    "state_dir": "state",
                    "store": {"plugin": "lmdb", "path": "db", "key_prefix": prefix},
                    "source": {"plugin": "generate", "start_time": "2026-01-01T00:00:00Z", "events": count, "rate": 0},
                    "sinks": [{"plugin": "file", "input": "events", "path": "alerts"}],
                    "dead_letters": {"plugin": "file", "path": "dead"},
                }
            )
        )

    write(20, "profile:")
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    write(50, "profile:")
    rebuild(tmp_path)
    write(50, "rebuilt:")
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert len(lines(tmp_path / "alerts")) == 50


# --- Pipes ---


def test_a_pipe_is_passed_over_as_far_as_it_was_counted(tmp_path):
    write_pipeline(tmp_path, {"path": "-"})
    text = event("a") + "broken\n" + "".join(event("b", i) for i in range(2000))  # longer than what is kept of it
    for more in ("", "", event("a", 1), ""):
        text += more
        run_churnd_with(tmp_path, text, 0)
        assert len(lines(tmp_path / "dead")) == 1 and len(lines(tmp_path / "alerts")) == text.count("\n") - 1
    assert counted(tmp_path, "a", "b") == [2, 2000]
    (tmp_path / "e.jsonl").write_text(text)  # the same, redirected: its positions are the same
    with open(tmp_path / "e.jsonl") as file:
        subprocess.run(
            [CHURND, "-c", "p.yaml"],
            stdin=file,
            cwd=tmp_path,
            env=clean_environment(),
            check=True,
            timeout=60,
            capture_output=True,
        )
    assert counted(tmp_path, "a", "b") == [2, 2000] and len(lines(tmp_path / "dead")) == 1


def run_churnd_with(folder, text, status):
    """With the text through a pipe as standard input."""
    done = subprocess.run(
        [CHURND, "-c", "p.yaml"],
        input=text,
        text=True,
        capture_output=True,
        cwd=folder,
        env=clean_environment(),
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    return done


# --- Another file ---


def replace(path, text):
    """As `mv` does: another inode."""
    (path.parent / "new").write_text(text)
    (path.parent / "new").rename(path)


LONG = "".join(event("long", i) for i in range(2000))
OTHERS = {
    "same length": (event("a"), event("b")),
    "last line": (event("a") + event("b"), event("a") + event("c")),
    "shorter": (event("a") + event("b"), event("c")),
    "empty": (event("a"), ""),
    "same beginning, shorter": (event("a") + event("b"), event("a")),
    "the end of a long one": (LONG + event("a"), LONG + event("b")),
    "longer": (event("a"), event("b") + event("c")),
    "without a last line end": (event("a")[:-1], event("b")[:-1]),
}


@pytest.mark.parametrize("in_place", [False, True], ids=["renamed", "rewritten"])
@pytest.mark.parametrize("what", OTHERS)
def test_another_file_stops_the_source(tmp_path, what, in_place):
    old, new = OTHERS[what]
    write_pipeline(tmp_path)
    file = tmp_path / "e.jsonl"
    file.write_text(old)
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    (file.write_text if in_place else lambda text: replace(file, text))(new)
    for _ in range(2):
        failed = run_churnd("-c", "p.yaml", cwd=tmp_path, check=1)
        assert "e.jsonl" in failed.stderr and "epoch: 1" in failed.stderr, failed.stderr
    before = counted(tmp_path, "long", "a", "b", "c")
    write_pipeline(tmp_path, {"epoch": 1})
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    added = [new.count(f'"customer_id": "{customer}"') for customer in ("long", "a", "b", "c")]
    assert counted(tmp_path, "long", "a", "b", "c") == [x + y for x, y in zip(before, added, strict=True)]


@pytest.mark.parametrize("what", ["same length", "shorter", "empty", "last line"])
def test_another_stream_stops_the_source(tmp_path, what):
    old, new = OTHERS[what]
    write_pipeline(tmp_path, {"path": "-"})
    run_churnd_with(tmp_path, old, 0)
    assert "epoch: 1" in run_churnd_with(tmp_path, new, 1).stderr


def test_a_copy_and_a_longer_file_are_read_on(tmp_path):
    write_pipeline(tmp_path)
    file = tmp_path / "e.jsonl"
    text = LONG + event("a")
    file.write_text(text)
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    for number in range(1, 4):
        text += event("a", number)
        (replace if number % 2 else lambda path, text: path.write_text(text))(file, text)
        run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert counted(tmp_path, "long", "a") == [2000, 4]
    assert len(lines(tmp_path / "alerts")) == 2004


def test_a_line_that_was_not_whole_is_read_again(tmp_path):
    """The file was read while its last line was written: the half is a dead letter, the whole counts."""
    write_pipeline(tmp_path)
    whole = event("a") + event("b")
    (tmp_path / "e.jsonl").write_text(whole[:-20])
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert counted(tmp_path, "a", "b") == [1, 0] and len(lines(tmp_path / "dead")) == 1
    (tmp_path / "e.jsonl").write_text(whole + event("c"))
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert counted(tmp_path, "a", "b", "c") == [1, 1, 1] and len(lines(tmp_path / "dead")) == 1
    assert len(lines(tmp_path / "alerts")) == 3


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


@pytest.mark.parametrize("back", ["the same", "a copy", "another"])
def test_a_followed_file_that_is_deleted(tmp_path, back):
    """Said at once and once; what comes under the name is judged as ever."""
    write_pipeline(tmp_path, {"follow": True})
    file = tmp_path / "e.jsonl"
    file.write_text(event("a"))
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("the first", lambda: len(lines(tmp_path / "alerts")) == 1)
        append(file, event("a", 1))
        file.rename(tmp_path / "gone")
        wait_for("the warning", lambda: "e.jsonl does not exist any more; waiting for it" in process.err)
        if back == "another":
            replace(file, event("b"))
            assert process.wait(30) == 1 and "epoch: 1" in process.err, process.err
        else:
            if back == "the same":
                (tmp_path / "gone").rename(file)
            else:
                replace(file, event("a") + event("a", 1))
            append(file, event("a", 2))
            wait_for("the rest", lambda: len(lines(tmp_path / "alerts")) == 3)
            assert process.terminate(20) == 0, process.err
    finally:
        process.end()
    assert process.err.count("does not exist") == 1, process.err
    assert counted(tmp_path, "a", "b") == [2 if back == "another" else 3, 0]


def test_a_followed_file_that_is_missing_at_start(tmp_path):
    """Also where the store knows it: one line."""
    write_pipeline(tmp_path, {"follow": True})
    file = tmp_path / "e.jsonl"
    file.write_text(event("a"))
    run_churnd("-c", "p.yaml", "--until-end", cwd=tmp_path, check=0)
    file.rename(tmp_path / "gone")
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("the warning", lambda: "does not exist yet; waiting for it" in process.err)
        replace(file, event("a") + event("a", 1))
        wait_for("the rest", lambda: len(lines(tmp_path / "alerts")) == 2)
        assert process.terminate(20) == 0, process.err
    finally:
        process.end()
    assert process.err.count("does not exist") == 1, process.err


# --- Standard descriptors ---


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_standard_descriptors_may_be_closed(tmp_path, closed):
    """No file of ours gets the number of one, to be written over by what is printed."""
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a") + "broken\n")
    for command in (
        "-c p.yaml",
        "profile -c p.yaml nobody",
        "profile -c p.yaml a",
        "check -c p.yaml",
        "-c p.yaml",
        "--no-such-option",
    ):
        subprocess.run(
            f"exec {CHURND} {command} {closed}",
            shell=True,
            cwd=tmp_path,
            env=clean_environment(),
            timeout=60,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    assert counted(tmp_path, "a") == [1]
    assert [json.loads(line)["customer_id"] for line in lines(tmp_path / "alerts")] == ["a"]
    assert [json.loads(line)["value"] for line in lines(tmp_path / "dead")] == ["broken"]
    journal = next((tmp_path / "state").iterdir())
    assert journal.read_bytes()[:8] == b"churnjnl"


def test_a_closed_standard_input_is_an_error(tmp_path):
    write_pipeline(tmp_path, {"path": "-"})
    done = subprocess.run(
        f"exec {CHURND} -c p.yaml <&-",
        shell=True,
        cwd=tmp_path,
        env=clean_environment(),
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "standard input is closed" in done.stderr, done.stderr


# --- A named pipe ---


@pytest.mark.parametrize("follow", [False, True])
def test_a_named_pipe_holds_up_nothing(tmp_path, follow):
    """A reload onto a pipe to which nobody writes starts, what is written then counts, and SIGTERM ends it at once."""
    write_pipeline(tmp_path, {"follow": True})
    (tmp_path / "e.jsonl").write_text(event("a"))
    os.mkfifo(tmp_path / "pipe")
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("the file", lambda: lines(tmp_path / "alerts"))
        write_pipeline(tmp_path, {"path": "pipe", "follow": follow})
        process.send(signal.SIGHUP)
        wait_for("the reload", lambda: "reloaded p" in process.err)
        with open(tmp_path / "pipe", "w") as pipe:
            pipe.write(event("b"))
            pipe.flush()
            wait_for("the pipe", lambda: len(lines(tmp_path / "alerts")) == 2)
            pipe.write(event("b", 1))
        if follow:
            wait_for("the rest", lambda: len(lines(tmp_path / "alerts")) == 3)
            assert process.terminate(20) == 0, process.err
        else:
            assert process.wait(20) == 0, process.err
    finally:
        process.end()
    assert counted(tmp_path, "a", "b") == [1, 2]


def test_a_pipe_without_a_writer_ends_at_sigterm(tmp_path):
    os.mkfifo(tmp_path / "e.jsonl")
    write_pipeline(tmp_path)
    run_churnd("check", "-c", "p.yaml", "--connect", cwd=tmp_path, check=0)
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("its start", lambda: "from offset 0" in process.err)
        assert process.terminate(20) == 0, process.err
        assert "did not stop" not in process.err
    finally:
        process.end()


# --- One file under several names ---

ALIASES = {
    "dot": lambda folder: "./e.jsonl",
    "absolute": lambda folder: str(folder / "e.jsonl"),
    "detour": lambda folder: "state/../e.jsonl",
    "hard link": lambda folder: os.link(folder / "e.jsonl", folder / "hard") or "hard",
    "link to its folder": lambda folder: os.symlink(".", folder / "again") or "again/e.jsonl",
    "symbolic link": lambda folder: os.symlink("e.jsonl", folder / "soft") or "soft",
}


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("alias", ALIASES)
def test_a_pipeline_does_not_feed_itself(tmp_path, alias, follow):
    write_pipeline(tmp_path, {"follow": True})
    (tmp_path / "e.jsonl").write_text(event("a"))
    name = ALIASES[alias](tmp_path)
    if follow and "link" not in alias:
        (tmp_path / "e.jsonl").unlink()  # it does not exist yet, and is the same all the same
    for sections in (
        {"dead_letters": {"plugin": "file", "path": name}},
        {"sinks": [{"plugin": "file", "input": "events", "path": name}]},
    ):
        write_pipeline(tmp_path, {"follow": follow}, **sections)
        for command in ("check", "run"):
            done = run_churnd(command, "-c", "p.yaml", cwd=tmp_path, check=1)
            assert "so the pipeline would feed itself" in done.stderr, done.stderr


def test_two_sinks_share_no_file(tmp_path):
    (tmp_path / "e.jsonl").write_text(event("a"))
    (tmp_path / "o").write_text("")
    os.link(tmp_path / "o", tmp_path / "hard")
    for first, second in (("o", "./o"), ("new", "state/../new"), ("o", "hard"), ("x/y/new", "x/z/../y/new")):
        write_pipeline(
            tmp_path,
            sinks=[
                {"plugin": "file", "input": "alerts", "path": first},
                {"plugin": "file", "input": "events", "path": second},
            ],
        )
        for command in ("check", "run"):
            done = run_churnd(command, "-c", "p.yaml", cwd=tmp_path, check=1)
            assert f"'{second}' is written by the sink in line" in done.stderr, done.stderr
    for first, second in (("o", "p"), ("-", "-"), ("o", "-")):
        write_pipeline(
            tmp_path,
            sinks=[
                {"plugin": "file", "input": "alerts", "path": first},
                {"plugin": "file", "input": "events", "path": second},
            ],
        )
        run_churnd("check", "-c", "p.yaml", cwd=tmp_path, check=0)
    for _store_made in (False, True):
        for path in ("db/data.mdb", "./db/../db/lock.mdb", "db"):
            write_pipeline(tmp_path, dead_letters={"plugin": "file", "path": path})
            done = run_churnd("-c", "p.yaml", cwd=tmp_path, check=1)
            assert f"'{path}' is written by the store in line" in done.stderr, done.stderr
        write_pipeline(tmp_path)
        run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    write_pipeline(tmp_path, dead_letters={"plugin": "file", "path": "./p.yaml"})
    assert "the pipeline's own file" in run_churnd("-c", "p.yaml", cwd=tmp_path, check=1).stderr


def test_standard_output_may_be_the_file_that_is_read(tmp_path):
    write_pipeline(tmp_path, {"follow": True}, sinks=[{"plugin": "file", "input": "events", "path": "-"}])
    (tmp_path / "e.jsonl").write_text(event("a"))
    with open(tmp_path / "e.jsonl", "a") as file:
        done = subprocess.run(
            [CHURND, "-c", "p.yaml"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=clean_environment(),
            timeout=60,
        )
    assert done.returncode == 1 and "feed itself" in done.stderr
    assert lines(tmp_path / "e.jsonl") == [event("a").strip()]


# --- Places that cannot be read or written ---


def test_a_source_that_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    socket.socket(socket.AF_UNIX).bind(str(tmp_path / "socket"))
    for path, follow, said in (
        ("folder", False, "is a folder; name a file in it"),
        ("folder", True, "is a folder"),
        ("missing", False, "No such file"),
        ("socket", False, "is a socket"),
        ("/dev/zero", True, "is a device"),
    ):
        write_pipeline(tmp_path, {"path": path, "follow": follow})
        for command in (["check", "--connect"], ["run"]):
            done = run_churnd(*command, "-c", "p.yaml", cwd=tmp_path, check=1)
            assert said in done.stderr, done.stderr
            assert command == ["run"] or len(done.stderr.splitlines()) == 1, done.stderr  # said once
    for follow, command in ((False, ["check"]), (True, ["check", "--connect"])):  # it may come
        write_pipeline(tmp_path, {"path": "missing", "follow": follow})
        assert "does not exist yet" in run_churnd(*command, "-c", "p.yaml", cwd=tmp_path, check=0).stderr


def whom_rights_concern(arguments, folder):
    """Runs churnd without what lets root pass over the rights of files."""
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*command, CHURND, *arguments],
        cwd=folder,
        env=clean_environment({"XDG_STATE_HOME": str(folder)}),
        timeout=60,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "e.jsonl").write_text(event("a"))
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "closed").write_text("x")
    (tmp_path / "closed").chmod(0)
    write_pipeline(
        tmp_path,
        state_dir="",
        store=None,
        dead_letters={"plugin": "file", "path": "inner/dead"},
        sinks=[{"plugin": "file", "input": "alerts", "path": "inner/alerts"}],
    )
    inner.chmod(0o555)
    for command in ("check", "run"):
        done = whom_rights_concern([command, "-c", "p.yaml"], tmp_path)
        assert done.returncode == 1 and "inner/" in done.stderr, done.stderr
        assert "Permission denied; give the user that runs churnd the right to" in done.stderr, done.stderr
    write_pipeline(tmp_path, {"path": "closed"}, state_dir="")
    done = whom_rights_concern(["check", "-c", "p.yaml"], tmp_path)
    assert "'closed' cannot be read: Permission denied" in done.stderr, done.stderr
    inner.chmod(0o755)


# --- Files that are rotated ---


@pytest.mark.parametrize("how", ["rename", "unlink", "truncate"])
def test_rotated_outputs_lose_nothing(tmp_path, how):
    """What is written after a rotation is where the names lead; with copies of what was there before nothing is missing."""
    write_pipeline(tmp_path, {"follow": True})
    source, kept = tmp_path / "e.jsonl", {"alerts": [], "dead": []}
    source.write_text(event("a") + "broken 0\n")

    def rotate(name):
        path = tmp_path / name
        kept[name] += lines(path)
        if how == "rename":
            path.rename(tmp_path / f"{name}.1")
        elif how == "unlink":
            path.unlink()
        else:
            os.truncate(path, 0)

    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        for number in range(1, 4):
            wait_for("the outputs", lambda: lines(tmp_path / "alerts") and lines(tmp_path / "dead"))
            rotate("alerts")
            rotate("dead")
            with open(source, "a") as file:
                file.write(event("a", number) + f"broken {number}\n")
        wait_for("the last ones", lambda: lines(tmp_path / "alerts") and lines(tmp_path / "dead"))
        assert process.terminate(20) == 0, process.err
    finally:
        process.end()
    alerts = {json.loads(line)["event_id"] for line in kept["alerts"] + lines(tmp_path / "alerts")}
    assert alerts == {f"a_{number}" for number in range(4)}
    dead = {json.loads(line)["value"] for line in kept["dead"] + lines(tmp_path / "dead")}
    assert dead == {f"broken {number}" for number in range(4)}


# --- Who may read what is written ---


def mode(path):
    return oct(path.stat().st_mode & 0o777)


def test_outputs_are_nobody_elses(tmp_path):
    write_pipeline(tmp_path, sinks=[{"plugin": "file", "input": "alerts", "path": "out/put/alerts"}])
    (tmp_path / "e.jsonl").write_text(event("a") + "broken\n")
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)  # by itself, for the folder above it
    mask = os.umask(0)
    try:
        for path in ("out/put/alerts", "dead", "db/data.mdb", "db/lock.mdb"):
            (tmp_path / path).unlink()
        for path in ("out/put", "out", "db"):
            (tmp_path / path).rmdir()
        run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    finally:
        os.umask(mask)
    for path in ("out/put/alerts", "dead", "db/data.mdb", "db/lock.mdb"):
        assert mode(tmp_path / path) == "0o640", path
    for path in ("out/put", "out", "db"):
        assert mode(tmp_path / path) == "0o750", path
    journal = next((tmp_path / "state").iterdir())
    assert mode(journal) == "0o600" and mode(tmp_path / "state") == "0o700"


@pytest.mark.parametrize("name", ["alerts", "dead"])
@pytest.mark.parametrize("there", [False, True])
def test_links_in_the_place_of_outputs_are_not_followed(tmp_path, name, there):
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a") + "broken\n")
    target = tmp_path / "target"
    if there:
        target.write_text("precious")
    os.symlink("target", tmp_path / name)
    for command in ("check", "run"):
        done = run_churnd(command, "-c", "p.yaml", cwd=tmp_path, check=1)
        assert "symbolic link, which is not followed" in done.stderr, done.stderr
    assert (not there and not target.exists()) or target.read_text() == "precious"


# --- The embedded store's files ---


def test_looking_makes_no_store(tmp_path):
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a"))
    commands = [["profile", "-c", "p.yaml", "a"], ["verify", "-c", "p.yaml", "--against", "other:"]]
    for folder in (False, True):
        if folder:
            (tmp_path / "db").mkdir()
        for command in commands:
            done = run_churnd(*command, cwd=tmp_path, check=1)
            assert "there is no store in db" in done.stderr, done.stderr
        assert (list((tmp_path / "db").iterdir()) == []) if folder else not (tmp_path / "db").exists()
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert counted(tmp_path, "a") == [1]
    assert "there is no profile under 'other:'" in run_churnd(*commands[1], cwd=tmp_path, check=1).stderr


def test_a_store_behind_a_link(tmp_path):
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text(event("a"))
    (tmp_path / "elsewhere").mkdir()
    os.symlink("elsewhere", tmp_path / "db")
    for command in ("check", "run"):
        done = run_churnd(command, "-c", "p.yaml", cwd=tmp_path, check=1)
        assert "symbolic link" in done.stderr, done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("damage", ["half", "one page", "empty", "zeroes", "noise"])
def test_a_damaged_store_says_so(tmp_path, damage):
    write_pipeline(tmp_path)
    (tmp_path / "e.jsonl").write_text("".join(event(f"c{i}") for i in range(500)))
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    data = tmp_path / "db/data.mdb"
    size = data.stat().st_size
    if damage in ("half", "one page", "empty"):
        os.truncate(data, {"half": size // 2, "one page": 4096, "empty": 0}[damage])
    else:
        with open(data, "r+b") as file:
            file.seek(8192)
            file.write(bytes(size - 8192) if damage == "zeroes" else os.urandom(size - 8192))
    with open(tmp_path / "e.jsonl", "a") as file:
        file.write(event("c1", 1))
    for command in (["run"], ["profile", "c1"], ["verify", "--against", "other:"], ["rebuild", "--into", "other:"]):
        done = run_churnd(command[0], "-c", "p.yaml", *command[1:], cwd=tmp_path, check=1)
        assert "db/data.mdb" in done.stderr and "backup" in done.stderr, done.stderr
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / "db" / name).unlink()  # the way back: all is counted anew
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert counted(tmp_path, "c0", "c1") == [1, 2]


def test_a_store_that_is_cut_while_it_is_used(tmp_path):
    write_pipeline(tmp_path, {"follow": True})
    (tmp_path / "e.jsonl").write_text("".join(event(f"c{i}") for i in range(500)))
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("the events", lambda: len(lines(tmp_path / "alerts")) == 500)
        os.truncate(tmp_path / "db/data.mdb", 8192)
        with open(tmp_path / "e.jsonl", "a") as file:
            file.write("".join(event(f"c{i}", 1) for i in range(500)))
        assert process.wait(30) == 1, process.err
        assert "db/data.mdb" in process.err and "backup" in process.err, process.err
    finally:
        process.end()


@pytest.mark.parametrize("how", ["folder", "file", "moved", "replaced", "lock"])
@pytest.mark.parametrize("busy", [False, True])
def test_a_store_that_is_taken_away_ends_the_run(tmp_path, how, busy):
    write_pipeline(tmp_path, {"follow": True})
    file, db = tmp_path / "e.jsonl", tmp_path / "db"
    file.write_text(event("a"))
    run_churnd("-c", "p.yaml", "--until-end", cwd=tmp_path, check=0)
    shutil.copytree(db, tmp_path / "other")
    append(file, event("a", 1))
    process = Process([CHURND, "-c", "p.yaml"], tmp_path, "churnd")
    try:
        wait_for("the second", lambda: len(lines(tmp_path / "alerts")) == 2)
        if how == "folder":
            shutil.rmtree(db)
        elif how in ("file", "lock"):
            (db / ("data.mdb" if how == "file" else "lock.mdb")).unlink()
        else:
            db.rename(tmp_path / "gone")
        if how == "replaced":
            (tmp_path / "other").rename(db)
        if busy:
            append(file, event("a", 2))
        assert process.wait(30) == 1, process.err
        name = "lock" if how == "lock" else "data"
        assert re.search(f"ERROR.*db/{name}.mdb was deleted, moved away or replaced", process.err), process.err
    finally:
        process.end()
    run_churnd("-c", "p.yaml", "--until-end", cwd=tmp_path, check=0)
    assert counted(tmp_path, "a") == [3 if busy else 2]


def on_small_disk(folder, size, fill):
    """Starts churnd with a memory disk of so many bytes in place of the folder `db`; `fill` of them are taken by a file."""
    script = (
        f"mount -t tmpfs -o size={size},mode=700 none db && head -c {fill} /dev/zero >db/filler && "
        f"exec {CHURND} -c p.yaml"
    )
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    (folder / "db").mkdir()
    if subprocess.run([*command, "mount -t tmpfs none db"], cwd=folder, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount a disk")
    return Process([*command, script], folder, "churnd")


@pytest.mark.parametrize("free", [0, 4096, 100_000, 200_000])
def test_a_full_disk_under_the_store_is_waited_for(tmp_path, free):
    """A memory disk, where LMDB itself takes a short write for an error of the disk."""
    write_pipeline(tmp_path, {"follow": True})
    (tmp_path / "e.jsonl").write_text("".join(event(f"c{i}") for i in range(3000)))
    process = on_small_disk(tmp_path, 8 << 20, (8 << 20) - free)
    try:
        wait_for(
            "the trouble",
            lambda: "no space is left on the disk of the store db" in process.err or not process.running(),
        )
        assert process.running(), process.err
        (pathlib.Path(f"/proc/{process.pid}/root") / str(tmp_path / "db/filler")[1:]).unlink()
        wait_for("the events", lambda: len(lines(tmp_path / "alerts")) >= 3000, 60)
        assert process.terminate(30) == 0, process.err
        assert "Input/output error" not in process.err
    finally:
        process.end()


# --- The crash journal ---


def test_the_journal_says_when_it_has_no_home(tmp_path):
    write_pipeline(tmp_path, state_dir="")
    (tmp_path / "e.jsonl").write_text(event("a"))
    env = {key: value for key, value in clean_environment().items() if key not in ("HOME", "XDG_STATE_HOME")}
    done = subprocess.run([CHURND, "-c", "p.yaml"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert f"the crash journal is kept in /tmp/churnd-{os.geteuid()}" in done.stderr and "state_dir" in done.stderr, (
        done.stderr
    )
    assert "crash journal" not in run_churnd("-c", "p.yaml", cwd=tmp_path, check=0).stderr


def test_a_limit_on_files_is_called_so(tmp_path):
    """`ulimit -f` is no full disk."""
    write_pipeline(tmp_path, store=None)
    (tmp_path / "e.jsonl").write_text("".join(event("a", i) for i in range(500)))
    process = Process(
        [CHURND, "-c", "p.yaml"],
        tmp_path,
        "churnd",
        prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40000, resource.RLIM_INFINITY)),
    )
    try:
        wait_for("the trouble", lambda: "(ulimit -f); its records wait" in process.err or not process.running())
        assert process.running() and "no journal can be written in" in process.err, process.err
        assert process.err.count("File too large") >= 2 and "No space left" not in process.err, process.err
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert process.wait(30) == 0, process.err
    finally:
        process.end()
    assert (
        len(lines(tmp_path / "alerts"))
        == len({json.loads(line)["event_id"] for line in lines(tmp_path / "alerts")})
        == 500
    )
