"""Tables of what was measured, as Markdown."""

import statistics

COLUMNS = (("wall s", "wall_s", 2), ("CPU s", "cpu_s", 2), ("peak MB", "rss_mb", 0), ("Redis CPU s", "redis_cpu_s", 2),
           ("Kafka CPU s", "kafka_cpu_s", 2))
RATIOS = (("wall ÷ churnd", "wall_s"), ("CPU ÷ churnd", "cpu_s"))
TITLES = {"W1": "W1: exact profiles in Redis", "W2": "W2: filter, alerts to Kafka"}


def spread(values, decimals):
    """Median, with the lowest and the highest."""
    middle = f"{statistics.median(values):,.{decimals}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{decimals}f}–{max(values):,.{decimals}f})"


def ratios(runs, base, key):
    """Of each turn by itself: what the machine did in that turn, it did to both."""
    return spread([run[key] / other[key] for run, other in zip(runs, base)], 2)


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(header, rows):
    return [row(header), row(["---"] * len(header)), *(row(r) for r in rows), ""]


def workload_table(title, engines, skipped):
    base = engines.get("churnd")
    rows = []
    for name, runs in engines.items():
        cells = [name, *(spread([run[key] for run in runs], decimals) for _, key, decimals in COLUMNS)]
        cells += [ratios(runs, base, key) if base else "" for _, key in RATIOS]
        rows.append(cells)
    width = len(COLUMNS) + len(RATIOS)
    rows += [[name, f"**NOT RUN: {why}**", *[""] * (width - 1)] for name, why in skipped.items()]
    return [f"### {title}", "", *table(["", *(c[0] for c in COLUMNS), *(r[0] for r in RATIOS)], rows)]


def write(results, folder):
    """Writes report.md to the folder; its text."""
    lines = [f"{results['events']:,} events of {results['customers']:,} customers, {results['runs']} runs of each in turns: "
             "median (lowest–highest).", ""]
    for workload, found in results["workloads"].items():
        lines += workload_table(TITLES[workload], found, results["skipped"])
    text = "\n".join(lines)
    (folder / "report.md").write_text(text)
    return text
