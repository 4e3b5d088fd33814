"""Which events go where: conditions of sinks, processors and event types, and what becomes of what a sink does not take.
The expected outputs come from predicates in Python that know nothing of the language."""

import json
import re
from decimal import Decimal

import events
import oracle
import pytest
import yaml
from services import SRC, run_churnd, wait_for

DOCS = SRC / "docs/routing.md"


def write_config(folder, **sections):
    """A pipeline from in.jsonl into a store of LMDB; relative paths are below the folder."""
    settings = {
        "source": {"plugin": "file", "path": "in.jsonl"},
        "store": {"plugin": "lmdb", "path": "store"},
        "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
        **sections,
    }
    (folder / "p.yaml").write_text(yaml.safe_dump(settings, sort_keys=False, width=1000))
    return folder / "p.yaml"


def write_load(folder, count, seed):
    """Random events; returns them as a list of lines."""
    lines = [value for _, value in events.load(count, 40, seed)]
    lines += [
        events.raw(events.event("email_opened", {"campaign_id": "Grüße 💌"})),
        events.raw(events.event("order_cancelled", {"order_id": "o"})),
    ]
    (folder / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return lines


def lines_of(path):
    return path.read_bytes().splitlines() if path.exists() else []


def money(event, name):
    value = event["data"].get(name)
    return None if value is None else Decimal(repr(value))


def text(event, name):
    return event["data"].get(name, "")


def over(event, name, limit):
    """None where the event has no such field."""
    value = money(event, name)
    return None if value is None else value > Decimal(limit)


# Expression → predicate on the parsed event.
CONDITIONS = {
    "true": lambda e: True,
    'event_type == "login"': lambda e: e["event_type"] == "login",
    'event_type in ["order_placed", "order_cancelled"] && customer_id != "cust_1"': lambda e: (
        e["event_type"].startswith("order_") and e["customer_id"] != "cust_1"
    ),
    "data.amount > 500": lambda e: over(e, "amount", "500") is True,
    "!(data.amount > 500)": lambda e: over(e, "amount", "500") is False,
    'data.amount <= 123.45 || event_type == "login"': lambda e: (
        over(e, "amount", "123.45") is False or e["event_type"] == "login"
    ),
    '!(data.amount > 500 && event_type == "refund_requested")': lambda e: (
        e["event_type"] != "refund_requested" or over(e, "amount", "500") is False
    ),
    "data.amount > 900.5 || data.order_value > 900.5 || data.cart_value >= 900.51": lambda e: any(
        over(e, name, "900.5") for name in ("amount", "order_value", "cart_value")
    ),
    "data.items_count >= 5 && data.items_count != 7": lambda e: e["data"].get("items_count", 0) in (5, 6, 8, 9),
    "data.order_value > data.items_count": lambda e: (
        e["event_type"] == "order_placed" and over(e, "order_value", e["data"]["items_count"])
    ),
    'data.priority in ["high", "urgent"]': lambda e: text(e, "priority") in ("high", "urgent"),
    'has(data.reason) && data.reason != "late"': lambda e: text(e, "reason") not in ("", "late"),
    "!has(data.reason)": lambda e: "reason" not in e["data"],
    "data.rating in [1, 5]": lambda e: e["data"].get("rating") in (1, 5),
    'event_id.endsWith("7") && !event_type.startsWith("email")': lambda e: (
        e["event_id"].endswith("7") and not e["event_type"].startswith("email")
    ),
    'event_type.contains("cart") || size(customer_id) == 6': lambda e: (
        "cart" in e["event_type"] or len(e["customer_id"]) == 6
    ),
    'size(data.campaign_id) == 7 && data.campaign_id.contains("üße")': lambda e: text(e, "campaign_id") == "Grüße 💌",
    'timestamp < timestamp("2026-01-01T01:00:00+01:00")': lambda e: e["timestamp"] < "2026-01-01T00:00:00.000Z",
    'timestamp >= timestamp("2026-01-01T00:01:00Z") && timestamp <= timestamp("2026-01-01T00:02:00Z")': lambda e: (
        "2026-01-01T00:01:00.000Z" <= e["timestamp"] <= "2026-01-01T00:02:00.000Z"
    ),
}


@pytest.mark.parametrize("decoding", ["store", "no store"])
def test_sinks_get_what_they_ask_for(tmp_path, seed, decoding):
    """Several file sinks of one pipeline: each has exactly its events, as they came, in their order."""
    lines = write_load(tmp_path, 1500, seed)
    sinks = [
        {"plugin": "file", "name": f"s{i}", "path": f"{i}.jsonl", "when": condition}
        for i, condition in enumerate(CONDITIONS)
    ]
    config = write_config(tmp_path, sinks=sinks, **({} if decoding == "store" else {"store": None}))
    done = run_churnd("-c", config, cwd=tmp_path, check=0)
    for i, (condition, predicate) in enumerate(CONDITIONS.items()):
        expected = [line for line in lines if predicate(json.loads(line))]
        assert lines_of(tmp_path / f"{i}.jsonl") == expected, condition
        assert expected, f"{condition} must hold for some events"
        assert re.search(rf"sink s{i} +{len(expected):,}\n", done.stdout), (condition, done.stdout)
    assert not lines_of(tmp_path / "dead.jsonl")


def test_processors_alerts_and_predictions(tmp_path, seed):
    """Conditions on a processor, on sinks for alerts and triggers, and of an event type."""
    lines = write_load(tmp_path, 1500, seed)
    config = write_config(
        tmp_path,
        events={
            "override": {
                "order_placed": {
                    "predict": True,
                    "predict_when": "data.order_value >= 700",
                    "alert": "info",
                    "alert_when": "data.items_count == 9",
                },
                "login": {"predict": True, "predict_when": "customer_id == 'cust_0'"},
                "payment_failed": {"predict": False},
                "support_ticket_created": {
                    "alert": "warning",
                    "alert_when": "severity == 'critical' || data.priority == 'low'",
                },
            }
        },
        processors=[
            {
                "plugin": "filter",
                "drop_event_types": ["email_opened", "email_clicked"],
                "when": "event_type == 'email_clicked' && customer_id != 'cust_0'",
            }
        ],
        sinks=[
            {"plugin": "file", "path": "all.jsonl"},
            {"plugin": "file", "path": "triggers.jsonl", "input": "triggers"},
            {"plugin": "file", "path": "orders.jsonl", "input": "triggers", "when": "event_type == 'order_placed'"},
            {"plugin": "file", "path": "alerts.jsonl", "input": "alerts"},
            {"plugin": "file", "path": "critical.jsonl", "input": "alerts", "when": "severity == 'critical'"},
            {"plugin": "file", "path": "large.jsonl", "input": "alerts", "when": "data.amount > 800"},
        ],
    )
    done = run_churnd("-c", config, cwd=tmp_path, check=0)
    passed = [e for e in map(json.loads, lines) if e["event_type"] != "email_clicked" or e["customer_id"] == "cust_0"]
    assert re.search(rf"filtered {len(lines) - len(passed):,}\b", done.stdout) and len(lines) > len(passed)

    def alert(e):
        kind, data = e["event_type"], e["data"]
        if kind == "order_placed":
            return "info" if data["items_count"] == 9 else None
        if kind == "support_ticket_created":
            return {"urgent": "critical", "low": "warning"}.get(data["priority"])
        return oracle.SEVERITY.get(kind)

    def predicts(e):
        kind = e["event_type"]
        if kind == "order_placed":
            return money(e, "order_value") >= 700
        return e["customer_id"] == "cust_0" if kind == "login" else kind in oracle.PREDICTS - {"payment_failed"}

    def ids(name):
        out = [json.loads(line) for line in lines_of(tmp_path / f"{name}.jsonl")]
        return [(o.get("trigger") or o)["event_id"] for o in out]

    expected = {
        "all": passed,
        "triggers": [e for e in passed if predicts(e)],
        "alerts": [e for e in passed if alert(e)],
    }
    expected["orders"] = [e for e in expected["triggers"] if e["event_type"] == "order_placed"]
    expected["critical"] = [e for e in expected["alerts"] if alert(e) == "critical"]
    expected["large"] = [e for e in expected["alerts"] if over(e, "amount", "800")]
    for name, wanted in expected.items():
        assert ids(name) == [e["event_id"] for e in wanted] and wanted, name
    severities = [json.loads(line)["severity"] for line in lines_of(tmp_path / "alerts.jsonl")]
    assert severities == [alert(e) for e in expected["alerts"]]


def test_example(tmp_path):
    config = SRC / "examples/pipelines/routing.yaml"
    done = run_churnd("-c", config, cwd=SRC, env={"CHURN_DATA": str(tmp_path)}, check=0)
    counts = {
        name: len(lines_of(tmp_path / f"{name}.jsonl")) for name in ("large-orders", "marketing", "triggers", "pager")
    }
    assert counts == {"large-orders": 1, "marketing": 2, "triggers": 6, "pager": 3}, done.stdout


# --- What a sink does not take ---


def profiles(folder, config, model):
    found = {}
    for customer in sorted(model.profiles)[::4]:
        done = run_churnd("profile", "-c", config, customer, "--format", "json", cwd=folder, check=0)
        profile = json.loads(done.stdout, parse_int=str, parse_float=str)
        found[customer] = profile.get("profile", profile)
    return found


def webhook(hook, name, **options):
    return {"plugin": "alert", "name": name, "to": ["webhook"], "webhook_url": f"{hook.url}/{name}", **options}


@pytest.mark.parametrize("failure", ["stopped", "hang"])
def test_webhook_that_is_given_up(stack, tmp_path, seed, failure):
    """It holds up neither the profiles nor the other sinks, and what it lost is counted exactly."""
    hook = stack.start_scripted()
    write_load(tmp_path, 1500, seed)
    model = oracle.Model().feed_lines(tmp_path / "in.jsonl", "in.jsonl")
    config = write_config(
        tmp_path,
        sinks=[
            webhook(hook, "chat", give_up_after="300ms"),
            {"plugin": "file", "path": "alerts.jsonl", "input": "alerts"},
        ],
    )
    if failure == "stopped":
        hook.stop()
    else:
        hook.mode = failure
    done = run_churnd("-c", config, cwd=tmp_path, check=0, timeout=60)
    alerts = len(model.alerts)
    assert re.search(rf"sink chat +0   given up {alerts:,}\n", done.stdout), done.stdout
    assert re.search(rf"sink file +{alerts:,}\n", done.stdout), done.stdout
    told = re.findall(
        r"WARN  chat: (\d+) records? dropped: not taken or answered within 300 ms \(give_up_after\)", done.stderr
    )
    assert sum(map(int, told)) == alerts, done.stderr  # one line at the first, and what came after it later
    oracle.assert_alerts(model, lines_of(tmp_path / "alerts.jsonl"))
    oracle.assert_profiles_of(model.profile_fields(), profiles(tmp_path, config, model))
    assert not lines_of(tmp_path / "dead.jsonl")
    if failure == "stopped":
        hook.start()
    again = run_churnd("-c", config, "--replay-from", "beginning", cwd=tmp_path, check=0, timeout=60)
    assert "already counted" in again.stdout and "given up" not in again.stdout  # nothing waits for it any more
    assert not lines_of(tmp_path / "dead.jsonl")


def test_webhook_that_comes_back(stack, tmp_path, seed):
    """A sink that answers again is given what comes then; nothing is sent twice, and the sums are exact."""
    hook = stack.start_scripted()
    hook.stop()
    lines = write_load(tmp_path, 600, seed)
    path, half = tmp_path / "in.jsonl", len(lines) // 2
    path.write_bytes(b"".join(line + b"\n" for line in lines[:half]))
    config = write_config(
        tmp_path,
        source={"plugin": "file", "path": str(path), "topic": "in.jsonl", "follow": True},
        sinks=[webhook(hook, "chat", give_up_after="1s")],
    )
    daemon = stack.churnd("-c", config)
    wait_for("giving up", lambda: "chat: " in daemon.err and "records dropped" in daemon.err)
    hook.start()
    wait_for("an answer", lambda: "chat: answers again" in daemon.err)
    with path.open("ab") as out:
        out.write(b"".join(line + b"\n" for line in lines[half:]))
    late = [e["event_id"] for e in map(json.loads, lines[half:]) if e["event_type"] in oracle.SEVERITY]
    wait_for(
        "the alerts of the second half", lambda: {json.loads(r["body"])["event_id"] for r in hook.requests} >= set(late)
    )
    assert daemon.terminate() == 0
    posted = [json.loads(r["body"])["event_id"] for r in hook.requests]
    assert len(posted) == len(set(posted))
    sent, lost = re.search(r"sink chat +([\d,]+)   given up ([\d,]+)\n", daemon.out).groups()
    alerts = oracle.Model().feed_lines(path, "in.jsonl").alerts
    assert int(sent.replace(",", "")) + int(lost.replace(",", "")) == len(alerts) and int(sent.replace(",", "")) == len(
        late
    )


def refuse_refunds(hook):
    hook.mode = lambda request: (
        (400, b"no refunds here") if json.loads(request["body"])["event_type"] == "refund_requested" else (200, b"")
    )


@pytest.mark.parametrize("policy", ["dead_letter", "drop", "stop"])
def test_what_a_sink_refuses(stack, tmp_path, seed, policy):
    hook = stack.start_scripted()
    refuse_refunds(hook)
    write_load(tmp_path, 600, seed)
    model = oracle.Model().feed_lines(tmp_path / "in.jsonl", "in.jsonl")
    refunds = [a.event_id for _, a in model.alerts if a.event_type == "refund_requested"]
    config = write_config(tmp_path, sinks=[webhook(hook, "chat", on_reject=policy)])
    done = run_churnd("-c", config, cwd=tmp_path, check=policy == "stop")
    letters = [json.loads(line) for line in lines_of(tmp_path / "dead.jsonl")]
    if policy == "stop":
        assert "sink chat refuses the record of in.jsonl/0 at offset" in done.stderr
        refuse = hook.mode
        hook.mode = "ok"
        run_churnd("-c", config, cwd=tmp_path, check=0)  # nothing of it was lost
        oracle.assert_alerts(model, [r["body"] for r in hook.requests])
        hook.mode = refuse
    elif policy == "drop":
        assert re.search(rf"sink chat +{len(model.alerts) - len(refunds)}   dropped {len(refunds)}\n", done.stdout), (
            done.stdout
        )
        assert "WARN  chat: 1 record dropped: refused (on_reject: drop): " in done.stderr
        assert not letters
    else:
        assert sorted(json.loads(letter["value"])["event_id"] for letter in letters) == sorted(refunds)
        assert {(letter["reason"], letter["kind"], letter["sink"]) for letter in letters} == {
            ("rejected_by_sink", "alert", "chat")
        }
    if policy != "dead_letter":
        assert not letters


def test_redrive_goes_to_the_sink_that_refused(stack, tmp_path, seed):
    hook = stack.start_scripted()
    write_load(tmp_path, 400, seed)
    sinks = [
        webhook(hook, "pager", when="severity == 'warning'"),
        webhook(hook, "audit"),
        {"plugin": "file", "path": "alerts.jsonl", "input": "alerts"},
    ]
    config = write_config(tmp_path, sinks=sinks)
    hook.mode = lambda request: (400, b"no") if request["path"] == "/pager" else (200, b"")
    run_churnd("-c", config, cwd=tmp_path, check=0)
    letters = [json.loads(line) for line in lines_of(tmp_path / "dead.jsonl")]
    alerts = lines_of(tmp_path / "alerts.jsonl")
    assert letters and {letter["sink"] for letter in letters} == {"pager"}
    sent = len(hook.requests)
    hook.mode = "ok"
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
    assert f"offered to sinks again {len(letters)}" in done.stdout, done.stdout
    assert {r["path"] for r in hook.requests[sent:]} == {"/pager"}
    assert sorted(r["body"].decode() for r in hook.requests[sent:]) == sorted(letter["value"] for letter in letters)
    assert lines_of(tmp_path / "alerts.jsonl") == alerts
    write_config(tmp_path, sinks=sinks[1:])
    done = run_churnd("redrive", "-c", config, cwd=tmp_path, check=0)
    assert f"left alone {len(letters)}" in done.stdout and "has no sink for what another one refused" in done.stderr


# --- The documentation ---


def documented():
    """The expressions of docs/routing.md: the last column of the language's table, and the blocks."""
    text = DOCS.read_text()
    table = re.search(r"\| example \|\n\|[-|]+\n((?:\|.*\n)+)", text).group(1)
    found = [re.search(r"`([^`]+)` \|$", row).group(1) for row in table.splitlines()]
    for block in re.findall(r"```cel\n(.*?)```", text, re.S):
        found += block.splitlines()
    return found


def test_documented_expressions(tmp_path):
    expressions = documented()
    assert len(expressions) > 15
    (tmp_path / "in.jsonl").write_text("")
    sinks = [{"plugin": "alert", "when": expression} for expression in expressions]
    run_churnd("check", "-c", write_config(tmp_path, sinks=sinks), cwd=tmp_path, check=0)


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S))
def test_documented_pipelines(block, tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    run_churnd("check", "-c", write_config(tmp_path, **yaml.safe_load(block)), cwd=tmp_path, check=0)
