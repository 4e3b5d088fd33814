"""Turns off each guard of the engine in turn (CHURN_MUTANT of a build with --enable-faults): a row must fail then.

Each row is run without a mutant first, so that a failure means the guard. A mutant that its row does not notice is an error.
Ends with a table: mutant, row, and what the row said. Names as arguments choose among them.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

FOLDER = pathlib.Path(__file__).resolve().parent
# Guard → the fastest row that cannot miss it.
ROWS = {
    "marks": "test_process.py::test_killed_at_failpoint[after_store_ack]",     # what is read again counts again
    "straddle": "test_process.py::test_killed_at_failpoint[after_store_ack]",  # … also where it is cut differently
    "identity": "test_store.py::test_failover_to_a_replica_that_lags",         # writes to a store that lacks some
    "commit": "test_process.py::test_killed_before_outputs_were_answered",     # commits what is not done
    "replies": "test_store.py::test_redis_refuses[full]",                      # takes a refused write for one that is stored
    "drain": "test_process.py::test_rebalance_storm",                          # gives up partitions with work in flight
}


def run(row, mutant=None):
    """None when the row passed, else what it said."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        env = {**os.environ, "FAULT_SETTLE_S": "60" if mutant is None else "20"}
        env.pop("CHURN_MUTANT", None)
        if mutant is not None:
            env["CHURN_MUTANT"] = mutant
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=300", f"--junit-xml={report}",
                   f"--basetemp={folder}/run", str(FOLDER / row)]
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
    chosen = {name: row for name, row in ROWS.items() if len(sys.argv) == 1 or name in sys.argv}
    for row in dict.fromkeys(chosen.values()):
        said = run(row)
        if said is not None:
            sys.exit(f"{row} fails without a mutant: {said}")
    table, missed = [], 0
    for mutant, row in chosen.items():
        said = run(row, mutant)
        missed += said is None
        lines = (said or "NOT CAUGHT").splitlines()
        table.append((mutant, row.split("::")[1], next((line for line in lines if "must be" in line), lines[0])))
        print(*table[-1], sep="  ", flush=True)
    widths = [max(len(line[i]) for line in table) for i in range(2)]
    print("\nmutant".ljust(widths[0] + 1), "caught by".ljust(widths[1]), "how", sep="  ")
    for mutant, row, how in table:
        print(mutant.ljust(widths[0]), row.ljust(widths[1]), how[:140], sep="  ")
    print(f"{len(table) - missed} of {len(table)} mutants caught")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
