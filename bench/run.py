#!/usr/bin/env python3
"""The benchmark: `run.py` measures, `run.py serve` keeps a Kafka with the data set for many short runs. See README.md."""

import argparse
import json
import os
import pathlib
import signal
import sys
import time

import api
import engines
import latency
import report
import trigger_latency
from rig import KEPT, LATER, OUT, PARTITIONS, TOPIC, TRIGGERS, Failed, Rig, fill, say

WORKLOADS = ("W1", "W1-cold", "W2", "W3", "W3-equal")
PARTS = (*WORKLOADS, "latency", "W3-latency", "flatness")
TRIGGER_RATES = (1000, 5000)
LARGE_EVENTS, LARGE_CUSTOMERS = 10000000, 2000000  # with BENCH_LARGE=1


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
    parser.add_argument(
        "--only",
        type=names,
        default=names(os.environ.get("BENCH_ONLY", "")),
        help="engines, such as churnd,python; all by default",
    )
    parser.add_argument(
        "--parts",
        type=names,
        default=names(os.environ.get("BENCH_PARTS", ",".join(PARTS))),
        help="of " + ", ".join(PARTS) + "; all by default",
    )
    parser.add_argument(
        "--api-ms", type=int, default=number("BENCH_API_MS", 0), help="what W3's API waits before it answers"
    )
    args = parser.parse_args()
    if set(args.parts) - set(PARTS):
        parser.error(f"--parts: of {', '.join(PARTS)}")
    return args


# --- W1 and W2 ---


def run_cold(rig, engine, name, env):
    """Other events of profiles that Redis has, and that the process does not know."""
    rig.measure(engine.profiles(), f"{name}-before", env)
    took = rig.measure(engine.profiles(), name, {**env, "BENCH_TOPIC": LATER, "BENCH_GROUP": f"{name}-later"})
    rig.verify_profiles(shown=engine.shows_profiles, expected=rig.further["W1-cold"])
    return took


def run_predictions(rig, engine, workload, name, env, api_ms):
    """Profiles, predictions and alerts, of the data set or of as many customers as triggers."""
    expected = rig.further.get(workload, rig.expected)
    topics = {"BENCH_ALERTS": f"{name}-alerts", "BENCH_PREDICTIONS": f"{name}-predictions"}
    rig.kafka.create_topics(dict.fromkeys(topics.values(), PARTITIONS))
    rig.redis.client.flushall()
    env = {**env, **topics, "BENCH_COUNT": str(expected.count)}
    if workload == "W3-equal":
        env["BENCH_TOPIC"] = TRIGGERS
    with api.Api(rig.folder, name, api_ms) as server:
        took = rig.measure(engine.predictions(), name, {**env, "API_URL": server.url})
        took["posts"] = server.posts()
    rig.verify_profiles(shown=engine.shows_profiles, expected=expected)
    rig.verify_alerts(topics["BENCH_ALERTS"], expected)
    rig.verify_predictions(expected)
    rig.kafka.manage("delete_topics", list(topics.values()))
    return took


def run_once(rig, engine, workload, api_ms):
    """One measured and verified run; its figures."""
    name = rig.fresh_name(f"{engine.name}-{workload}")
    env = {
        **rig.environment(TOPIC, name, alerts=f"{name}-alerts"),
        "BENCH_COUNT": str(rig.expected.count),
        **engine.environment,
    }
    if workload == "W1":
        rig.redis.client.flushall()
        took = rig.measure(engine.profiles(), name, env)
        rig.verify_profiles(shown=engine.shows_profiles)
    elif workload == "W1-cold":
        rig.redis.client.flushall()
        took = run_cold(rig, engine, name, env)
    elif workload.startswith("W3"):
        took = run_predictions(rig, engine, workload, name, env, api_ms)
    else:
        rig.kafka.create_topics({env["BENCH_ALERTS"]: PARTITIONS})
        took = rig.measure(engine.alerts(), name, env)
        rig.verify_alerts(env["BENCH_ALERTS"])
        rig.kafka.manage("delete_topics", [env["BENCH_ALERTS"]])
    say(f"  {workload} {engine.name}: {took['wall_s']:.2f} s, {took['cpu_s']:.2f} CPU s, {took['rss_mb']:.0f} MB")
    return took


def compare(rig, ready, workloads, runs, api_ms):
    """workload → engine → its runs, and the engines that failed in it with the reason. The engines take turns, so that what
    changes on the machine changes for all."""
    found, failed = {w: {e.name: [] for e in ready if e.does(w)} for w in workloads}, {w: {} for w in workloads}
    for turn in range(runs if workloads else 0):
        say(f"turn {turn + 1} of {runs}")
        for workload in workloads:
            for engine in [e for e in ready if e.name in found[workload]]:
                try:
                    found[workload][engine.name].append(run_once(rig, engine, workload, api_ms))
                except Failed as e:
                    if engine.name == "churnd":  # the others are nothing without it
                        raise
                    say(f"FAILED: {workload} {engine.name}: {e}")
                    failed[workload][engine.name] = str(e).splitlines()[0]
                    del found[workload][engine.name]
    return found, failed


# --- Flatness: what one event costs churnd, however many there are ---


def flat_once(rig, events, customers):
    """A data set of its own, which must come to be in the profiles whole."""
    churnd, name = engines.Churnd(), rig.fresh_name(f"flat-{events}-{customers}")
    fill(rig.kafka, rig.folder, name, events, customers)
    rig.redis.client.flushall()
    took = rig.measure(churnd.profiles(), name, rig.environment(name, name))
    counted = rig.counted()
    if counted != events:
        raise Failed(f"{counted} of {events} events were counted")
    rig.kafka.manage("delete_topics", [name])
    say(f"  {events:,} events, {customers:,} customers: {took['wall_s']:.2f} s, {took['cpu_s']:.2f} CPU s")
    return {"events": events, "customers": customers, **took}


def flatness(rig, runs):
    large = number("BENCH_LARGE", 0) != 0
    sizes = [n for n in (10000, 100000, 1000000) if n <= rig.events] + [LARGE_EVENTS] * large
    customers = [1000, 10000, 100000] + [LARGE_CUSTOMERS] * large
    say("flatness")
    return {
        "by_events": [[flat_once(rig, n, rig.customers) for _ in range(runs)] for n in sizes],
        "by_customers": [[flat_once(rig, rig.events, n) for _ in range(runs)] for n in customers],
    }


def machine():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({models[0] if models else os.uname().machine})"


def main_compare(args):
    ready, skipped = engines.prepare(args.only)
    with Rig(args.events, args.customers, args.parts) as rig:
        rig.start()
        results = {
            "machine": machine(),
            "events": rig.expected.count,
            "customers": len(rig.expected.profiles),
            "runs": args.runs,
            "api_ms": args.api_ms,
            "skipped": skipped,
        }
        results["workloads"], results["failed"] = compare(
            rig, ready, [p for p in args.parts if p in WORKLOADS], args.runs, args.api_ms
        )
        if "latency" in args.parts:
            results["latency"] = [latency.measure(rig) for _ in range(args.runs)]
        if "W3-latency" in args.parts:
            results["W3-latency"] = [
                [trigger_latency.measure(rig, rate, args.api_ms) for _ in range(args.runs)] for rate in TRIGGER_RATES
            ]
        if "flatness" in args.parts:
            results["flatness"] = flatness(rig, args.runs)
    (OUT / "results.json").write_text(json.dumps(results, indent=1))
    print(report.write(results, OUT))
    if any(results["failed"].values()):
        raise Failed("a peer failed; see above")


def main_serve(args):
    with Rig(args.events, args.customers, args.parts) as rig:
        rig.start()
        rig.keep()
        say("ready: other runs of the benchmark use this Kafka until it is ended by Ctrl-C or SIGTERM")
        try:
            signal.pause()
        finally:
            KEPT.unlink()


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
