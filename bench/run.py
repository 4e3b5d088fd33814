#!/usr/bin/env python3
"""The benchmark: `run.py` measures, `run.py serve` keeps a Kafka with the data set for many short runs. See README.md."""

import argparse
import json
import os
import signal
import sys

import engines
import report
from rig import OUT, TOPIC, Failed, Rig, say

WORKLOADS = ("W1", "W2")


def number(name, default):
    return int(os.environ.get(name, default))


def names(text):
    return [name for name in text.split(",") if name]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", nargs="?", choices=["compare", "serve"], default="compare")
    parser.add_argument("--events", type=int, default=number("BENCH_EVENTS", 1000000))
    parser.add_argument("--customers", type=int, default=number("BENCH_CUSTOMERS", 100800))
    parser.add_argument("--runs", type=int, default=number("BENCH_RUNS", 3), help="of each engine, taking turns")
    parser.add_argument("--only", type=names, default=names(os.environ.get("BENCH_ONLY", "")),
                        help="engines, such as churnd,python; all by default")
    parser.add_argument("--workloads", type=names, default=names(os.environ.get("BENCH_WORKLOADS", "W1,W2")))
    return parser.parse_args()


# --- W1 and W2 ---


def run_once(rig, engine, workload):
    """One measured and verified run; its figures."""
    name = rig.fresh_name(f"{engine.name}-{workload}")
    env = {**rig.environment(TOPIC, name, alerts=f"{name}-alerts"), "BENCH_COUNT": str(rig.expected.count),
           **engine.environment}
    if workload == "W1":
        rig.redis.client.flushall()
        took = rig.measure(engine.profiles(), name, env)
        rig.verify_profiles(shown=engine.shows_profiles)
    else:
        rig.kafka.create_topics({env["BENCH_ALERTS"]: 4})
        took = rig.measure(engine.alerts(), name, env)
        rig.verify_alerts(env["BENCH_ALERTS"])
    say(f"  {workload} {engine.name}: {took['wall_s']:.2f} s, {took['cpu_s']:.2f} CPU s, {took['rss_mb']:.0f} MB")
    return took


def compare(rig, ready, workloads, runs):
    """workload → engine → its runs; the engines take turns, so that what changes on the machine changes for all."""
    found = {w: {e.name: [] for e in ready} for w in workloads}
    for turn in range(runs):
        say(f"turn {turn + 1} of {runs}")
        for workload in workloads:
            for engine in ready:
                found[workload][engine.name].append(run_once(rig, engine, workload))
    return found


def main_compare(args):
    ready, skipped = engines.prepare(args.only)
    with Rig(args.events, args.customers) as rig:
        rig.start()
        results = {"events": rig.expected.count, "customers": len(rig.expected.profiles), "runs": args.runs,
                   "skipped": skipped, "workloads": compare(rig, ready, args.workloads, args.runs)}
    (OUT / "results.json").write_text(json.dumps(results, indent=1))
    print(report.write(results, OUT))


def main_serve(args):
    with Rig(args.events, args.customers) as rig:
        rig.start()
        rig.keep()
        say("ready: other runs of the benchmark use this Kafka until it is ended by Ctrl-C or SIGTERM")
        signal.pause()


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    try:
        {"compare": main_compare, "serve": main_serve}[args.mode](args)
    except Failed as e:
        sys.exit(f"bench: {e}")
    except KeyboardInterrupt:
        sys.exit(1)


if __name__ == "__main__":
    main()
