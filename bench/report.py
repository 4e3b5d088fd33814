"""Tables of what was measured, as Markdown, and their picture."""

import statistics

import plot

COLUMNS = (
    ("wall s", "wall_s", 2),
    ("CPU s", "cpu_s", 2),
    ("peak MB", "rss_mb", 0),
    ("Redis CPU s", "redis_cpu_s", 2),
    ("Kafka CPU s", "kafka_cpu_s", 2),
)
RATIOS = (
    ("wall ÷ churnd", ("wall_s",)),
    ("CPU ÷ churnd", ("cpu_s",)),
    ("CPU with Redis ÷ churnd", ("cpu_s", "redis_cpu_s")),
)
TITLES = {
    "W1": "W1: exact profiles in Redis",
    "W1-cold": "W1 cold: other events of profiles that Redis has, and that the process does not know",
    "W2": "W2: filter, alerts to Kafka",
    "W3": "W3: profiles, predictions over HTTP, alerts",
    "W3-equal": "W3 with equal numbers of POSTs: as many customers as triggers",
}


def spread(values, decimals):
    """Median, with the lowest and the highest."""
    middle = f"{statistics.median(values):,.{decimals}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{decimals}f}–{max(values):,.{decimals}f})"


def ratios(runs, base, keys):
    """Of each turn by itself: what the machine did in that turn, it did to both."""

    def total(run):
        return sum(run[key] for key in keys)

    return spread([total(run) / total(other) for run, other in zip(runs, base, strict=True)], 2)


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(header, rows):
    return [row(header), row(["---"] * len(header)), *(row(r) for r in rows), ""]


def posts_line(engines):
    """How often each engine asked the API, where one was."""
    asked = {name: spread([run["posts"] for run in runs], 0) for name, runs in engines.items() if "posts" in runs[0]}
    return ["POSTs: " + ", ".join(f"{name} {count}" for name, count in asked.items()) + ".", ""] if asked else []


def workload_table(title, engines, skipped, failed):
    base = engines.get("churnd")
    rows = []
    for name, runs in engines.items():
        cells = [name, *(spread([run[key] for run in runs], decimals) for _, key, decimals in COLUMNS)]
        cells += [ratios(runs, base, keys) if base else "" for _, keys in RATIOS]
        rows.append(cells)
    width = len(COLUMNS) + len(RATIOS)
    rows += [[name, f"**NOT RUN: {why}**", *[""] * (width - 1)] for name, why in skipped.items()]
    rows += [[name, f"**FAILED: {why}**", *[""] * (width - 1)] for name, why in failed.items()]
    header = ["", *(c[0] for c in COLUMNS), *(r[0] for r in RATIOS)]
    return [f"### {title}", "", *table(header, rows), *posts_line(engines)]


def latency_table(runs):
    columns = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
    cells = [spread([run[key] for run in runs], 1) for key in columns]
    return [
        "### From the produce call to the visible profile, churnd, at 20,000 events/s",
        "",
        *table([key.replace("_ms", " ms") for key in columns], [cells]),
    ]


def trigger_latency_table(loads):
    columns = ("p50_ms", "p90_ms", "p99_ms", "max_ms")
    rows = [[f"{runs[0]['rate']:,}", *(spread([run[key] for run in runs], 1) for key in columns)] for runs in loads]
    return [
        f"### From the produce call to the published prediction, churnd, an API of {loads[0][0]['api_ms']} ms",
        "",
        *table(["triggers/s", *(key.replace("_ms", " ms") for key in columns)], rows),
    ]


def flatness_table(title, cases):
    """Costs of one event in µs: of the engine with its start and end, and of Redis."""
    rows = []
    for runs in cases:
        events, customers = runs[0]["events"], runs[0]["customers"]
        costs = [spread([run[key] * 1e6 / events for run in runs], 2) for key in ("wall_s", "cpu_s", "redis_cpu_s")]
        rows.append([f"{events:,}", f"{customers:,}", *costs, spread([run["rss_mb"] for run in runs], 0)])
    return [
        f"### {title}",
        "",
        *table(
            ["events", "customers at most", "wall µs an event", "CPU µs an event", "Redis CPU µs an event", "peak MB"],
            rows,
        ),
    ]


def write(results, folder):
    """Writes report.md and report.svg to the folder; the text."""
    lines = [
        f"{results['events']:,} events of {results['customers']:,} customers, {results['runs']} runs of each in turns: "
        f"median (lowest–highest). {results['machine']}.",
        "",
    ]
    for workload, found in results["workloads"].items():
        lines += workload_table(TITLES[workload], found, results["skipped"], results["failed"][workload])
    if "latency" in results:
        lines += latency_table(results["latency"])
    if "W3-latency" in results:
        lines += trigger_latency_table(results["W3-latency"])
    if "flatness" in results:
        lines += flatness_table("churnd W1 by the number of events", results["flatness"]["by_events"])
        lines += flatness_table("churnd W1 by the number of customers", results["flatness"]["by_customers"])
    text = "\n".join(lines)
    (folder / "report.md").write_text(text)
    if results["workloads"]:
        plot.draw(results, TITLES, folder / "report.svg")
    return text
