"""Turns off each guard of the engine in turn, in a copy of the source with a build of its own: a row must fail then.

Each row is run without a mutant first, so that a failure means the guard. A mutant that its row does not notice is an error.
Ends with a table: mutant, row, and what the row said. Names as arguments choose among them.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "support"))
from source_copy import ROOT, copy_source

# Guard → the fastest row that cannot miss it: a test of this folder or beside it, or a program of `make check`.
ROWS = {
    "marks": "test_process.py::test_killed_at_failpoint[after_store_ack]",  # what is read again counts again
    "straddle": "test_process.py::test_killed_at_failpoint[after_store_ack]",  # … also where it is cut differently
    "identity": "test_store.py::test_failover_to_a_replica_that_lags",  # writes to a store that lacks some
    "commit": "test_process.py::test_killed_before_outputs_were_answered",  # commits what is not done
    "replies": "test_store.py::test_redis_refuses[full]",  # takes a refused write for one that is stored
    "drain": "test_process.py::test_rebalance_storm",  # gives up partitions with work in flight
    "old_profile": "tests/plugins/test_prediction_service",  # asks with a profile that was read long ago
    "joined": "tests/plugins/test_prediction_parts",  # … or read before another trigger joined
    "newest": "tests/plugins/test_prediction_parts",  # asks for the trigger that came last, not the newest
    "revoked": "tests/plugins/test_prediction_parts",  # asks for triggers that are another instance's now
    "halving": "tests/plugins/test_prediction_service",  # offers a batch whole that was refused whole
    "min_interval": "tests/plugins/test_prediction_service",  # asks for what was answered a moment ago
    "told_first": "tests/plugins/test_prediction_service",  # caches a score whose crossing nobody was told of
    "crossing_answer": "tests/plugins/test_prediction_service",  # notes a crossing whose alert is not raised
    "crossing_version": "tests/plugins/test_crossing",  # an answer to an older profile decides
    "crossing_conflict": "tests/plugins/test_crossing",  # lets go of a side that could not be noted
    "full_ring": "../integration/test_crossings.py::test_alerts_while_every_window_waits",  # alerts wait for who waits for them
    "old": "../integration/test_forget_under_way.py::test_an_old_profile_is_no_base",  # goes on with who was forgotten
    "held": "../integration/test_forget_under_way.py::test_what_a_frozen_instance_held_is_erased",  # leaves a late put
    "asked": "../integration/test_forget_under_way.py::test_what_is_under_way_is_given_up",  # takes an answer all the same
}
# The old rule, by which a delta counted as a whole if its end was not counted.
ENDS_BEYOND = """static bool ends_beyond(const struct delta *delta, const struct profile *profile)
{
    for (const struct range *range = delta->ranges; range != NULL; range = range->next) {
        if (range->high >= profile_mark(profile, range->part)) {
            return true;
        }
    }
    return false;
}

"""
IS_CUT = "delta->skipped > 0 || !is_disjoint(delta, profile)"
# Guard → what the source says in its place: file, text, text instead. Each text stands there once.
CHANGES = {
    "marks": [
        (
            "core/engine/event_in.c",
            "    if (customer->profile != NULL && late != NOT_LATE",
            "    return false;\n    if (customer->profile != NULL && late != NOT_LATE",
        ),
        ("core/engine/merge.c", f"if ({IS_CUT})", "if (false)"),
    ],
    "straddle": [
        ("core/engine/merge.c", f"if ({IS_CUT})", f"if (!ends_beyond(delta, profile) && ({IS_CUT}))"),
        ("core/engine/merge.c", "int32_t merge_delta(", ENDS_BEYOND + "int32_t merge_delta("),
    ],
    "identity": [
        ("core/engine/writer.c", "if (stored_version >= version)", "if (true)"),
        ("core/engine/rounds.c", "if (found.version < p->stored.version)", "if (false)"),
        ("core/engine/session.c", "if (worker->session.identity[0] != '\\0' &&", "if (false &&"),
    ],
    "commit": [
        (
            "core/engine/windows.c",
            "        return writer_begin(worker, full);",
            "        return progress_note_done(worker, full) && writer_begin(worker, full);",
        )
    ],
    "replies": [
        (
            "core/engine/writer.c",
            "switch (reply->result)",
            "switch (reply->result == CHURN_RETRY ? CHURN_OK : reply->result)",
        )
    ],
    "old": [
        (
            "core/engine/read_ahead.c",
            "forgetting_judge(batch->worker->pipeline->forgetting, id, fields, count) != FORGETTING_BASE_GOOD",
            "id.len == 0",
        )
    ],
    "held": [
        (
            "core/engine/windows.c",
            "worker->forgetting.known >= 0 && !erase_held(worker)",
            "false && !erase_held(worker)",
        )
    ],
    "asked": [
        (
            "plugins/common/forgotten.c",
            "if (f->calls == NULL) {\n        return 0;",
            "if (f != NULL) {\n        return 0;",
        )
    ],
    # Commits what was read, done or not, and also what is not ours any more.
    "drain": [
        (
            "core/engine/reading.c",
            "    if (!lost) {\n        (void)windows_drain(worker, REVOKE_DRAIN_MS);",
            "    (void)progress_note_done(worker, window_filling(worker));\n"
            "    while (windows_writing(worker) != NULL && writer_step(worker, windows_writing(worker), BUSY_MS)) {\n    }\n"
            "    (void)progress_commit(worker, COMMIT_WAIT_MS);\n"
            "    if (false) {\n        (void)windows_drain(worker, REVOKE_DRAIN_MS);",
        ),
        (
            "core/engine/reading.c",
            '#include "engine/reading.h"',
            '#include "engine/reading.h"\n#include "engine/writer.h"',
        ),
    ],
}

CHANGES |= {
    "old_profile": [
        (
            "plugins/sink/prediction/reading.c",
            "    waiting_outdate(&s->waiting, service_now_ms(s) - KEEP_MS);",
            "    waiting_outdate(&s->waiting, service_now_ms(s) - 1000 * KEEP_MS);",
        )
    ],
    "joined": [
        (
            "plugins/sink/prediction/waiting.c",
            "    if (job->step == JOB_READY) {\n        take_ready",
            "    if (0) {\n        take_ready",
        )
    ],
    "newest": [
        (
            "plugins/sink/prediction/waiting.c",
            "if (job->trigger == NULL || trigger->timestamp_ms >= job->trigger->timestamp_ms)",
            "if (job->trigger == NULL || trigger->timestamp_ms != 0)",
        )
    ],
    "revoked": [
        (
            "plugins/sink/prediction/waiting.c",
            "if (job_is_forgotten(job) || job->outdated)",
            "if (job->outdated)",
        )
    ],
    "halving": [("plugins/sink/prediction/asking.c", "        request->jobs[i]->batch_max = half(request);\n", "")],
    "min_interval": [
        (
            "plugins/sink/prediction/wanted.c",
            "newest->age_ms < s->settings->min_interval_ms",
            "newest->age_ms < 0",
        )
    ],
    "told_first": [("plugins/sink/prediction/outcome.c", "? JOB_CROSSING", "? JOB_STORING")],
    "crossing_answer": [
        ("plugins/common/crossing.c", "if (state.is_above && crossing->answered != state.count)", "if (0)")
    ],
    "crossing_version": [
        ("plugins/common/crossing.c", "|| crossing->version < stored.state.version)", "|| crossing->version == 0)")
    ],
    "crossing_conflict": [("plugins/common/crossing.c", "} while (rc == CHURN_CONFLICT);", "} while (0);")],
    "full_ring": [
        (
            "core/engine/raising.c",
            "if (worker->ring.newest - worker->ring.oldest + 1 < MAX_WINDOWS)",
            "if (worker->ring.newest >= worker->ring.oldest)",
        )
    ],
}


class Tree:
    """A copy of the source, built as the fault suite wants it."""

    def __init__(self, folder):
        self.source, self.build = folder / "source", folder / "build"
        copy_source(self.source)
        self.build.mkdir()
        self.call([self.source / "configure", "--enable-faults"], self.build)
        self.make()

    @staticmethod
    def call(command, folder):
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{command[0]} failed:\n{done.stdout[-3000:]}")

    def make(self):
        self.call(["make", "-s", f"-j{os.cpu_count()}"], self.build)

    def change(self, mutant):
        for name, before, after in CHANGES.get(mutant, ()):
            file = self.source / name
            text = file.read_text()
            if text.count(before) != 1:
                sys.exit(f"{mutant}: {name} has {text.count(before)} times: {before}")
            file.write_text(text.replace(before, after))
        self.make()

    def restore(self, mutant):
        for name in {name for name, _, _ in CHANGES[mutant]}:
            shutil.copy(ROOT / name, self.source / name)


def run_program(tree, program):
    """None when a program of `make check` passed, else the first that it did not like."""
    tree.call(["make", "-s", program], tree.build)
    done = subprocess.run([f"./{program}"], cwd=tree.build, capture_output=True, text=True, timeout=300)
    if done.returncode == 0:
        return None
    return next(
        (line.strip() for line in done.stdout.splitlines() if "had failures" in line), f"exit {done.returncode}"
    )


def run(tree, row, mutant=None):
    """None when the row passed, else what it said."""
    if "::" not in row:
        return run_program(tree, row)
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        env = {**os.environ, "CHURN_BUILD_DIR": str(tree.build), "FAULT_SETTLE_S": "60" if mutant is None else "20"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--timeout=300",
            f"--junit-xml={report}",
            f"--basetemp={folder}/run",
            str(FOLDER / row),
        ]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        case = next(xml.parse(report).iter("testcase"), None) if report.is_file() else None
        if case is None or done.returncode > 1:
            sys.exit(f"{row} could not be run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        error = case.find("error")
        if error is not None:
            sys.exit(f"{row} broke before it began: {error.get('message')}")
        failure = case.find("failure")
        return None if failure is None else failure.get("message").removeprefix("AssertionError: ")


def main():
    for name in sys.argv[1:]:
        if name not in ROWS:
            sys.exit(f"no mutant {name}; there are {', '.join(ROWS)}")
    with tempfile.TemporaryDirectory() as folder:
        judge(
            {name: row for name, row in ROWS.items() if len(sys.argv) == 1 or name in sys.argv},
            Tree(pathlib.Path(folder)),
        )


def judge(chosen, tree):
    for row in dict.fromkeys(chosen.values()):
        said = run(tree, row)
        if said is not None:
            sys.exit(f"{row} fails without a mutant: {said}")
    table, missed = [], 0
    for mutant, row in chosen.items():
        tree.change(mutant)
        said = run(tree, row, mutant)
        tree.restore(mutant)
        missed += said is None
        lines = (said or "NOT CAUGHT").splitlines()
        table.append((mutant, row.split("::")[-1], next((line for line in lines if "must be" in line), lines[0])))
        print(*table[-1], sep="  ", flush=True)
    widths = [max(len(line[i]) for line in table) for i in range(2)]
    print("\nmutant".ljust(widths[0] + 1), "caught by".ljust(widths[1]), "how", sep="  ")
    for mutant, row, how in table:
        print(mutant.ljust(widths[0]), row.ljust(widths[1]), how[:140], sep="  ")
    print(f"{len(table) - missed} of {len(table)} mutants caught")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
