"""/metrics: what a run counted, as Prometheus reads it, and as the manual says."""

import contextlib
import json
import re
import signal

import pytest
import yaml
from lights import start_local
from metrics import documented, fetch, parse, scrape, value
from services import TimedOut, free_port, wait_for

SINKS = [
    {"plugin": "alert", "to": "log", "name": "told"},
    {"plugin": "file", "input": "events", "path": "{folder}/events", "name": "kept"},
    {"plugin": "prediction", "url": "{url}", "breaker_failures": 1, "breaker_pause": "200ms", "name": "asks"},
]


def event(number, event_type="login", customer="a", **data):
    return json.dumps(
        {
            "event_id": f"e{number}",
            "event_type": event_type,
            "customer_id": customer,
            "timestamp": "2026-01-01T00:00:00Z",
            "data": data,
        }
    )


# 20 logins of 4 customers, 3 alerts (2 of them critical, which ask for a prediction too), 1 repeated, 2 that are none.
EVENTS = [
    *(event(i, customer=f"c{i % 4}") for i in range(20)),
    event(20, "refund_requested", order_id="o", amount=1),
    event(21, "subscription_cancelled", customer="b", plan="p"),
    event(22, "subscription_cancelled", customer="c1", plan="p"),
    event(3, customer="c3"),
    "no event",
    event(23, "order_placed", order_id="o"),
]


@pytest.fixture
def run(stack):
    """A run that has counted EVENTS, and its port."""
    port = free_port()
    api = stack.start_scripted()
    folder = stack.folder
    sinks = yaml.safe_load(yaml.safe_dump(SINKS).replace("{folder}", str(folder)).replace("{url}", api.url))
    audit = {"path": str(folder / "audit.jsonl"), "key": "5a" * 32}
    processors = [{"plugin": "dedup", "window": "1h"}]
    daemon = start_local(stack, port, EVENTS, processors=processors, sinks=sinks, audit=audit)
    wait_for("all to be counted", lambda: settled(port), 60)
    return daemon, port


def settled(port):
    try:
        samples = parse(fetch(port)[2])[0]
    except OSError:
        return False
    lag = [n for (name, _), n in samples.items() if name == "churnd_source_lag_records"]
    answered = value(samples, "churnd_predictions_total", result="answered") + value(
        samples, "churnd_predictions_total", result="coalesced"
    )
    return (
        lag == [0]
        and answered == 2
        and value(samples, "churnd_predictions_waiting") == 0
        and value(samples, "churnd_ready")
    )


COUNTS = {
    ("churnd_events_total",): 26,
    ("churnd_events_applied_total",): 23,
    ("churnd_events_duplicate_total",): 1,
    ("churnd_events_filtered_total",): 1,
    ("churnd_events_already_counted_total",): 0,
    ("churnd_dead_letters_total", "reason", "invalid_json"): 1,
    ("churnd_dead_letters_total", "reason", "missing_field"): 1,
    ("churnd_dead_letters_total", "reason", "too_deep"): 0,
    ("churnd_alerts_total", "severity", "warning"): 1,
    ("churnd_alerts_total", "severity", "critical"): 2,
    ("churnd_alerts_total", "severity", "info"): 0,
    ("churnd_alert_sink_alerts_total", "severity", "critical"): 2,
    ("churnd_triggers_total",): 2,
    ("churnd_prediction_triggers_total",): 2,
    ("churnd_prediction_request_seconds_count",): 2,
    ("churnd_predictions_total", "result", "failed"): 0,
    ("churnd_sink_sent_total", "sink", "told"): 3,
    ("churnd_sink_sent_total", "sink", "kept"): 23,
    ("churnd_sink_waiting_records", "sink", "kept"): 0,
    ("churnd_sink_dropped_total", "sink", "kept"): 0,
    ("churnd_profiles_created_total",): 6,
    ("churnd_store_conflicts_total",): 0,
    ("churnd_event_to_profile_seconds_count",): 23,
    ("churnd_workers", "state", "running"): 1,
    ("churnd_windows_in_flight",): 0,
    ("churnd_source_lag_seconds",): 0,
    ("churnd_source_assigned",): 1,
    ("churnd_store_connected",): 1,
    ("churnd_ready",): 1,
    ("churnd_alive",): 1,
}


def counts(port):
    samples = scrape(port)
    return {key: value(samples, key[0], **dict([key[1:]] if key[1:] else [])) for key in COUNTS}


def check_counts(port):
    """In the end: gauges are as of the last second, and what a sink has answered is counted a moment later."""
    with contextlib.suppress(TimedOut):
        wait_for("the counts", lambda: counts(port) == COUNTS, 30)
    assert counts(port) == COUNTS


def check_histograms(samples):
    """Buckets only grow, and the last one is the count."""
    for (name, labels), count in samples.items():
        if name.endswith("_count"):
            base = name.removesuffix("_count")
            buckets = [n for (other, its), n in samples.items() if other == f"{base}_bucket" and its[:-1] == labels]
            assert len(buckets) > 5 and buckets == sorted(buckets) and buckets[-1] == count, base
            assert samples[f"{base}_sum", labels] >= 0


def check_documented(samples, types):
    """Every name of the manual is there, with its type and labels, and no other."""
    table = documented()
    shown = {}
    for name, labels in samples:
        family = next(f for f in (name, re.sub("_(bucket|sum|count)$", "", name)) if f in types)
        shown[family] = types[family], tuple(label for label, _ in labels if label != "le")
    assert shown == table


def summary(out):
    """{what: number} of the lines of the run's own summary, with the parts behind them."""
    found = {}
    for line in out.splitlines():
        row = re.match(r"  (\S.*?)\s{2,}([\d,]+)(?:\s{2,}(.*))?$", line)
        if row:
            found[row[1]] = int(row[2].replace(",", ""))
            for part in filter(None, (row[3] or "").split(" · ")):
                name, number = part.rsplit(" ", 1)
                found[row[1], name] = int(number.replace(",", ""))
    return found


def test_what_a_run_counted(stack, run):
    """The numbers are those of what was fed, also after reloads; names are the manual's; a trouble shows; the end's summary is
    the same."""
    daemon, port = run
    check_counts(port)
    check_histograms(scrape(port))
    status, headers, body = fetch(port, "HEAD")
    assert (status, body) == (200, "") and int(headers["Content-Length"]) > 1000

    # A pipeline that is taken, one that is refused, and one that cannot start.
    config = stack.folder / "p.yaml"
    good = config.read_text()
    config.write_text(good.replace("told", "renamed"))
    daemon.send(signal.SIGHUP)
    wait_for("a reload", lambda: value(scrape(port), "churnd_config_reloads_total", result="taken") == 1, 60)
    config.write_text("source: {}\n")
    daemon.send(signal.SIGHUP)
    wait_for("a refusal", lambda: value(scrape(port), "churnd_config_reloads_total", result="refused") == 1, 60)
    assert value(scrape(port), "churnd_config_last_reload_successful") == 0
    wait_for("a ready run", lambda: value(scrape(port), "churnd_ready") == 1, 60)
    check_counts(port)

    # Triggers that wait for the API.
    stack.api.mode = "error"
    with (stack.folder / "e.jsonl").open("a") as file:
        file.write(event(30, "subscription_cancelled", customer="c2", plan="p") + "\n")

    def stalled():
        return value(scrape(port), "churnd_stalled", plugin="asks", what="breaker")

    wait_for("the breaker", stalled, 60)
    wait_for("the light", lambda: value(scrape(port), "churnd_ready") == 0, 60)  # published a moment later
    wait_for("the gauge", lambda: value(scrape(port), "churnd_prediction_breaker_open", sink="asks") == 1, 60)
    wait_for("what waits", lambda: value(scrape(port), "churnd_predictions_waiting") == 1, 60)
    stack.api.mode = "ok"
    wait_for("the end of it", lambda: value(scrape(port), "churnd_ready") == 1, 60)
    assert ("churnd_stalled", (("plugin", "asks"), ("what", "breaker"))) in scrape(port)
    check_documented(*parse(fetch(port)[2]))

    samples = scrape(port)
    assert daemon.terminate() == 0, daemon.err[-3000:]
    total = summary(daemon.out)
    for name, what in {
        "churnd_events_total": "events",
        "churnd_events_applied_total": ("events", "applied"),
        "churnd_events_filtered_total": ("events", "filtered"),
        "churnd_profiles_created_total": "new profiles",
        "churnd_store_puts_total": ("new profiles", "writes"),
    }.items():
        assert value(samples, name) == total[what], (name, daemon.out)
    assert sum(n for (name, _), n in samples.items() if name == "churnd_alerts_total") == total["alerts"]
    assert sum(n for (name, _), n in samples.items() if name == "churnd_dead_letters_total") == total["dead letters"]
    assert value(samples, "churnd_predictions_total", result="answered") == total["predictions", "answered"]
