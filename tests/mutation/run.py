"""How many small faults, planted one at a time in the C source, does `make check` notice? Called by scripts/check-mutation.sh.

A fault (`<` for `<=`, a call left out, another code returned, …: c.rules) is taken by chance from the modules in which a wrong result
would be silent. One that the compiler turns into the same code is none. The test programs nearest to its module are tried first, then all others of
`make check` that the module is linked into or loaded by. Prints a line for each fault and, at the end, the share that was noticed, for each module and in all."""

import argparse
import collections
import concurrent.futures
import hashlib
import pathlib
import queue
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from source_copy import ROOT, copy_source

KAFKA_SOURCE = (
    "plugins/test_source_kafka_group plugins/test_source_kafka_records "
    "plugins/test_source_kafka plugins/test_source_kafka_reading plugins/test_source_kafka_turns"
)
LMDB_STORE = "plugins/test_store_lmdb_calls plugins/test_store_lmdb"
LMDB_PAGES = "plugins/test_store_lmdb_pages plugins/test_store_lmdb"
REDIS_STORE = "plugins/test_store_redis_calls plugins/test_store_redis"
PROGRESS = "unit/test_progress unit/test_placing unit/test_session unit/test_writer"
INTAKE = "unit/test_intake unit/test_intake_events unit/test_redrive unit/test_emitter"
PREDICTION_QUEUE = "plugins/test_prediction_queue_kafka plugins/test_sink_prediction"
PREDICTION_SERVICE = "plugins/test_prediction_service plugins/test_sink_prediction"
# The module, and the test programs that are nearest to it.
MODULES = {
    "core/base/decimal.c": "unit/test_decimal unit/test_profile",
    "core/base/key.c": "unit/test_seal",
    "core/base/seal.c": "unit/test_seal unit/test_protect",
    "core/engine/checkpoint.c": PROGRESS,
    "core/engine/commit.c": PROGRESS,
    "core/engine/damage.c": "unit/test_intake unit/test_writer",
    "core/engine/emitter.c": "unit/test_emitter unit/test_intake",
    "core/engine/event_in.c": INTAKE,
    "core/engine/intake.c": INTAKE,
    "core/engine/letter.c": "unit/test_letter unit/test_redrive",
    "core/engine/merge.c": "unit/test_merge unit/test_intake",
    "core/engine/original.c": "unit/test_redrive",
    "core/engine/own_headers.c": "unit/test_intake",
    "core/engine/partitions.c": PROGRESS,
    "core/engine/placing.c": PROGRESS,
    "core/engine/plugin_call.c": INTAKE,
    "core/engine/processors.c": INTAKE + " unit/test_progress",
    "core/engine/progress.c": PROGRESS,
    "core/engine/proof.c": PROGRESS,
    "core/engine/put_back.c": INTAKE,
    "core/engine/reach.c": "unit/test_placing unit/test_writer unit/test_progress",
    "core/engine/rounds.c": PROGRESS,
    "core/engine/session.c": "unit/test_session unit/test_writer unit/test_progress",
    "core/engine/set_aside.c": INTAKE,
    "core/engine/window.c": "unit/test_window unit/test_intake unit/test_intake_events",
    "core/engine/writer.c": "unit/test_writer unit/test_session unit/test_merge",
    "core/event/condition_eval.c": "unit/test_condition",
    "core/event/event.c": "unit/test_event unit/test_intake",
    "core/event/protect.c": "unit/test_protect",
    "core/profile/cache.c": "unit/test_cache unit/test_merge",
    "core/profile/fold.c": "unit/test_profile unit/test_intake_events unit/test_merge unit/test_testkit",
    "core/profile/profile.c": "unit/test_profile unit/test_merge",
    "core/profile/profile_render.c": "unit/test_profile unit/test_merge",
    "core/profile/profile_view.c": "unit/test_protect",
    "core/profile/parts.c": "unit/test_parts unit/test_profile",
    "plugins/processor/dedup.c": "plugins/test_processor_dedup",
    "plugins/sink/prediction/answer.c": "plugins/test_prediction_parts",
    "plugins/sink/prediction/asking.c": PREDICTION_SERVICE,
    "plugins/sink/prediction/breaker.c": "plugins/test_prediction_parts",
    "plugins/sink/prediction/outcome.c": PREDICTION_SERVICE,
    "plugins/sink/prediction/queue_kafka.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_back.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_commits.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_conf.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_front.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_left.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_kafka_partition.c": PREDICTION_QUEUE,
    "plugins/sink/prediction/queue_store.c": "plugins/test_prediction_queue_store plugins/test_sink_prediction",
    "plugins/sink/prediction/service.c": PREDICTION_SERVICE,
    "plugins/sink/prediction/waiting.c": "plugins/test_prediction_parts plugins/test_sink_prediction",
    "plugins/source/kafka/assignment.c": KAFKA_SOURCE,
    "plugins/source/kafka/bounds.c": KAFKA_SOURCE,
    "plugins/source/kafka/client.c": KAFKA_SOURCE,
    "plugins/source/kafka/conf.c": KAFKA_SOURCE,
    "plugins/source/kafka/group.c": KAFKA_SOURCE,
    "plugins/source/kafka/held.c": KAFKA_SOURCE,
    "plugins/source/kafka/kafka.c": KAFKA_SOURCE,
    "plugins/source/kafka/offsets.c": KAFKA_SOURCE,
    "plugins/source/kafka/parts.c": KAFKA_SOURCE,
    "plugins/source/kafka/records.c": KAFKA_SOURCE,
    "plugins/source/kafka/reread.c": KAFKA_SOURCE,
    "plugins/source/kafka/starts.c": KAFKA_SOURCE,
    "plugins/source/kafka/turns.c": KAFKA_SOURCE,
    "plugins/source/kafka/unreadable.c": KAFKA_SOURCE,
    "plugins/source/kafka/watch.c": KAFKA_SOURCE,
    "plugins/store/lmdb/arena.c": LMDB_STORE,
    "plugins/store/lmdb/errors.c": LMDB_STORE,
    "plugins/store/lmdb/files.c": LMDB_STORE,
    "plugins/store/lmdb/keys.c": LMDB_STORE,
    "plugins/store/lmdb/lmdb.c": LMDB_STORE,
    "plugins/store/lmdb/metas.c": LMDB_PAGES,
    "plugins/store/lmdb/opening.c": LMDB_STORE,
    "plugins/store/lmdb/page.c": LMDB_PAGES,
    "plugins/store/lmdb/pages.c": LMDB_PAGES,
    "plugins/store/lmdb/puts.c": LMDB_STORE,
    "plugins/store/lmdb/reading.c": LMDB_STORE,
    "plugins/store/lmdb/record.c": LMDB_STORE,
    "plugins/store/lmdb/session.c": LMDB_STORE,
    "plugins/store/lmdb/sweep.c": LMDB_STORE,
    "plugins/store/lmdb/transactions.c": LMDB_STORE,
    "plugins/store/lmdb/writing.c": LMDB_STORE,
    "plugins/store/redis/calls.c": REDIS_STORE,
    "plugins/store/redis/checks.c": REDIS_STORE,
    "plugins/store/redis/commands.c": REDIS_STORE,
    "plugins/store/redis/errors.c": REDIS_STORE,
    "plugins/store/redis/hashes.c": REDIS_STORE,
    "plugins/store/redis/held.c": REDIS_STORE,
    "plugins/store/redis/identity.c": REDIS_STORE,
    "plugins/store/redis/info.c": REDIS_STORE,
    "plugins/store/redis/opening.c": REDIS_STORE,
    "plugins/store/redis/outbox.c": REDIS_STORE,
    "plugins/store/redis/patience.c": REDIS_STORE,
    "plugins/store/redis/pending.c": REDIS_STORE,
    "plugins/store/redis/puts.c": REDIS_STORE,
    "plugins/store/redis/redis.c": REDIS_STORE,
    "plugins/store/redis/replies.c": REDIS_STORE,
    "plugins/store/redis/rights.c": REDIS_STORE,
    "plugins/store/redis/session.c": REDIS_STORE,
    "plugins/store/redis/socket.c": REDIS_STORE,
}
SECONDS = {
    "core": 60,
    "plugins": 300,
}  # of a test run that a fault may have sent round for ever: many times what it needs

Fault = collections.namedtuple("Fault", "module line before after text")


def meets(test, module):
    """Whether the test runs the module: tests/plugins know the core by the ABI alone, and all of a plugin's are its nearest."""
    return not test.startswith("tests/plugins/") if module.startswith("core/") else test.startswith("tests/unit/")


def mutants_of(module, folder):
    """Every fault that the rules can plant in the module, in an order that depends on nothing else."""
    made = folder / module.replace("/", "_")
    made.mkdir()
    subprocess.run(
        [
            pathlib.Path(sys.executable).parent / "mutate",
            ROOT / module,
            "c",
            "--only",
            ROOT / "tests/mutation/c.rules",
            "--mutantDir",
            made,
            "--noCheck",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    original = (ROOT / module).read_text()
    faults = {}
    for file in made.iterdir():
        text = file.read_text()
        changed = [
            (i, a, b)
            for i, (a, b) in enumerate(zip(original.splitlines(), text.splitlines(), strict=False), 1)
            if a != b
        ]
        if len(changed) == 1:
            line, before, after = changed[0]
            faults[text] = Fault(module, line, before.strip(), after.strip(), text)
    return sorted(faults.values(), key=lambda fault: (fault.line, fault.after))


class Tree:
    """A copy of the source with a build of its own."""

    def __init__(self, folder):
        self.source = folder / "source"
        self.build = folder / "build"
        copy_source(self.source)
        self.build.mkdir()
        subprocess.run(
            [self.source / "configure", "CFLAGS=-O1 -g0", "CXXFLAGS=-O1 -g0"],
            cwd=self.build,
            check=True,
            capture_output=True,
        )
        self.make("all")
        self.make("check", "TESTS=")
        listed = subprocess.run(
            ["make", "-s", "--eval", "tests: ; @echo $(TESTS)", "tests"],
            cwd=self.build,
            check=True,
            capture_output=True,
            text=True,
        )
        self.tests = listed.stdout.split()
        self.codes = {}
        for module in MODULES:
            self.codes[module] = self.code_of(module)

    def make(self, *words, seconds=None):
        """True when it succeeds in time; what it leaves running ends with it."""
        with subprocess.Popen(
            ["make", "-s", "-j4", *words],
            cwd=self.build,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                return process.wait(seconds) == 0
            except subprocess.TimeoutExpired:
                subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
                return False

    def check(self, tests, seconds):
        programs = "check_PROGRAMS=" + " ".join(test for test in tests if not test.endswith(".sh"))
        return self.make("check", programs, "TESTS=") and self.make(
            "check", programs, f"TESTS={' '.join(tests)}", seconds=seconds
        )

    def code_of(self, module):
        """What the compiler made of it."""
        name = pathlib.Path(module)
        objects = [p for p in (self.build / name.parent).rglob(f"*-{name.stem}.o") if "/.libs/" in str(p)] or list(
            (self.build / name.parent).rglob(f"*-{name.stem}.o")
        )
        return hashlib.sha256(objects[0].read_bytes()).hexdigest()

    def judge(self, fault):
        """(what became of it, who noticed it)"""
        file = self.source / fault.module
        original = file.read_text()
        file.write_text(fault.text)
        try:
            if not self.make("all"):
                return "no code", ""
            if self.code_of(fault.module) == self.codes[fault.module]:
                return "same code", ""
            nearest = [f"tests/{name}" for name in MODULES[fault.module].split()]
            seconds = SECONDS[fault.module.split("/")[0]]
            for test in nearest:
                if not self.check([test], seconds):
                    return "noticed", test
            if not self.check(
                [test for test in self.tests if test not in nearest and meets(test, fault.module)], seconds
            ):
                return "noticed", "make check"
            return "NOT NOTICED", ""
        finally:
            file.write_text(original)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--count", type=int, default=300, help="faults that the compiler does not take for the same code"
    )
    parser.add_argument("--jobs", type=int, default=1, help="trees that are built and tested beside each other")
    parser.add_argument(
        "modules", nargs="*", default=list(MODULES), help="of those in this file; all where none is named"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="churn-mutation-") as name:
        folder = pathlib.Path(name)
        faults = [fault for module in arguments.modules for fault in mutants_of(module, folder)]
        random.Random(arguments.seed).shuffle(faults)
        print(
            f"{len(faults)} faults are possible in {len(arguments.modules)} modules; seed {arguments.seed}", flush=True
        )
        trees = queue.Queue()
        for number in range(arguments.jobs):
            (folder / str(number)).mkdir()
            trees.put(Tree(folder / str(number)))
        tally = collections.defaultdict(collections.Counter)
        done = 0

        def judge(fault):
            tree = trees.get()
            try:
                return fault, *tree.judge(fault)
            finally:
                trees.put(tree)

        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            for judged in concurrent.futures.as_completed([pool.submit(judge, fault) for fault in faults]):
                fault, outcome, by = judged.result()
                if outcome in ("noticed", "NOT NOTICED"):
                    done += 1
                    tally[fault.module][outcome] += 1
                    print(
                        f"{done:4} {outcome}{' by ' + by if by else ''}: {fault.module}:{fault.line}: "
                        f"{fault.before}  ->  {fault.after}",
                        flush=True,
                    )
                if done >= arguments.count:
                    pool.shutdown(cancel_futures=True)
                    break
        noticed = sum(count["noticed"] for count in tally.values())
        for module, count in sorted(tally.items()):
            print(f"{module:42} {count['noticed']:4} of {count.total():4}")
        print(f"noticed {noticed} of {done} faults, {100 * noticed / max(done, 1):.0f} %")
    return 0 if done and noticed / done >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
