"""The picture of W1 and W2: time and CPU of each engine, shorter is better."""

import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "bench"  # the same figures make the same file

from matplotlib import pyplot

OWN, PEER, REDIS, INK = "#0072b2", "#9aa5b1", "#e2c9a0", "#333333"


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def reach(runs, total):
    """Distances from the median to the lowest and the highest, as error bars want them."""
    values = [total(run) for run in runs]
    center = statistics.median(values)
    return [[center - min(values)], [max(values) - center]]


def draw_wall(axes, engines):
    for row, (name, runs) in enumerate(engines.items()):
        wall = middle(runs, "wall_s")
        axes.barh(
            row,
            wall,
            color=OWN if name == "churnd" else PEER,
            xerr=reach(runs, lambda run: run["wall_s"]),
            ecolor=INK,
            capsize=2,
        )
        axes.annotate(
            f"{wall:.2f}", (max(run["wall_s"] for run in runs), row), (5, 0), textcoords="offset points", va="center"
        )


def draw_cpu(axes, engines):
    """The engine's, and beside it what Redis took for it."""
    for row, (name, runs) in enumerate(engines.items()):
        own, redis = middle(runs, "cpu_s"), middle(runs, "redis_cpu_s")
        axes.barh(row, own, color=OWN if name == "churnd" else PEER)
        axes.barh(row, redis, left=own, color=REDIS)
        text = f"{own:.2f}" + (f" + {redis:.2f}" if redis >= 0.05 else "")
        axes.annotate(text, (own + redis, row), (5, 0), textcoords="offset points", va="center")


def tidy(axes, engines, title):
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_yticks(range(len(engines)), list(engines))
    axes.invert_yaxis()
    axes.set_xlim(0, axes.get_xlim()[1] * 1.25)  # room for the numbers
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)


def draw(results, titles, path):
    workloads = results["workloads"]
    rows = max(len(engines) for engines in workloads.values())
    figure, grid = pyplot.subplots(len(workloads), 2, figsize=(11, (0.5 * rows + 1) * len(workloads)), squeeze=False)
    for (workload, engines), (wall, cpu) in zip(workloads.items(), grid, strict=True):
        draw_wall(wall, engines)
        draw_cpu(cpu, engines)
        redis = ", and beside it Redis'" if workload != "W2" else ""
        tidy(wall, engines, f"{titles[workload]}: seconds")
        tidy(cpu, engines, f"CPU seconds of the engine{redis}")
    figure.suptitle(
        f"{results['events']:,} events of {results['customers']:,} customers; median of {results['runs']} runs",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
