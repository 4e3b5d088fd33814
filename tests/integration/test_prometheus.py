"""The alert rules and the dashboard in deploy/, and a real Prometheus that scrapes a running churnd."""

import json
import re
import signal
import subprocess
import urllib.parse

import events
import pytest
import yaml
from conftest import pipeline, quick_group
from runbook import ask, headings
from services import HOST, SRC, Process, Stack, accepts, free_port, random_seed, wait_for

RULES = SRC / "deploy/prometheus/alerts.yaml"
TESTS = SRC / "deploy/prometheus/alerts.test.yaml"
OPERATING = SRC / "docs/operating.md"
DASHBOARD = SRC / "deploy/grafana/dashboards/churnd.json"


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def promtool(*args, status=0):
    done = subprocess.run(["promtool", *map(str, args)], capture_output=True, text=True)
    assert (done.returncode == 0) == (status == 0), f"promtool {args}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_the_rules_are_good():
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", RULES)
    assert "FAILED" not in promtool("test", "rules", TESTS)


@pytest.mark.parametrize("expr", ["vector(0) > 1", "vector(1)"], ids=["never", "always"])
def test_each_rule_is_tried_both_ways(tmp_path, expr):
    """Alerts that fired never, or always, would be noticed, each by a test of its own."""
    changed, tests = yaml.safe_load(RULES.read_text()), yaml.safe_load(TESTS.read_text())
    for rule in changed["groups"][0]["rules"]:
        rule["expr"] = expr
    (tmp_path / RULES.name).write_text(yaml.safe_dump(changed))
    noticed = set()
    tests["tests"] = [test for test in tests["tests"] if test["name"] != "nothing is wrong"]
    (tmp_path / TESTS.name).write_text(yaml.safe_dump(tests))
    for failure in promtool("test", "rules", tmp_path / TESTS.name, status=1).split("\n\n"):
        noticed.update(re.findall(r'alertname(?:: |=\\?")(\w+)', failure))
    assert {rule["alert"] for rule in rules()} - noticed == set()


def test_each_rule_says_what_to_do():
    operations = headings(SRC / "docs/operations.md")
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]
        path, anchor = rule["annotations"]["runbook_url"].split("#")
        assert (path, anchor) == ("docs/operations.md", rule["alert"].lower())
        assert anchor in operations, f"docs/operations.md has no {anchor}"


def test_the_rules_know_the_states():
    """Those that hold up one output alone are of docs/operating.md, as every other is."""
    states = set(
        re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|[^|]*\|[^|]*\|([^|]*)\|", OPERATING.read_text(), re.M)))
    )
    sets = [set(s.split("|")) for rule in rules() for s in re.findall(r'what[!=]~"([^"]*)"', rule["expr"])]
    assert len(sets) == 2 and sets[0] == sets[1] and sets[0] < states, states
    assert {"store", "write", "broker", "dead_letters", "source"} <= states - sets[0]


# --- A real one ---


class Prometheus:
    """A Prometheus with the shipped configuration and rules, but for what it scrapes and how often."""

    def __init__(self, folder, target):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        config = yaml.safe_load((SRC / "deploy/prometheus/prometheus.yml").read_text())
        (scrape,) = config["scrape_configs"]
        config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
        config["scrape_configs"] = [{"job_name": scrape["job_name"], "static_configs": [{"targets": [target]}]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        changed = yaml.safe_load(RULES.read_text())
        for rule in changed["groups"][0]["rules"]:
            rule.pop("for", None)
        (folder / RULES.name).write_text(yaml.safe_dump(changed))
        promtool("check", "config", folder / "prometheus.yml")
        self.process = Process(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={HOST}:{self.port}",
                "--log.level=warn",
            ],
            folder,
            "prometheus",
        )
        wait_for("Prometheus", lambda: accepts(self.port) and ask(f"{self.url}/-/ready"), 60)

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def ask(self, path, **parameters):
        """`data` of an answer of its API."""
        answer = json.loads(ask(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        assert answer["status"] == "success", (parameters, answer)
        return answer["data"]

    def query(self, expr):
        """[(labels, value)] now."""
        return [(s["metric"], float(s["value"][1])) for s in self.ask("query", query=expr)["result"]]

    def firing(self):
        """{name: [alert]}"""
        found = {}
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def stop(self):
        self.process.end()


def change(settings):
    quick_group(settings)
    settings["processors"] = [{"plugin": "dedup"}]
    next(sink for sink in settings["sinks"] if sink["plugin"] == "prediction")["breaker_pause"] = "200ms"


class Watched:
    """The shipped consumer, and a Prometheus that scrapes it."""

    def __init__(self, folder):
        self.stack, self.listen = Stack(folder), f"{HOST}:{free_port()}"
        seed = random_seed()
        print(f"CHURN_TEST_SEED={seed}")
        kafka = self.stack.start_kafka()
        self.redis = self.stack.start_redis()
        self.stack.start_scripted()
        kafka.create_topics({"customer-events": 2, "user-events": 1})
        self.stack.api.mode = "error"
        self.config = pipeline(folder / "consumer.yaml", change)
        self.run = self.stack.churnd("-c", self.config, env={"CHURN_LISTEN": self.listen})
        self.prometheus = self.stack._add(Prometheus(folder / "prometheus", self.listen))
        kafka.produce("customer-events", [*events.load(3000, 200, seed), ("a", b"no event"), ("a", b"")])
        wait_for("a trouble", lambda: self.prometheus.query('churnd_stalled{what="breaker"} == 1'), 60)
        self.stack.api.mode = "ok"
        wait_for("its end", lambda: self.prometheus.query('churnd_stalled{what="breaker"} == 0'), 60)
        wait_for("all of it", lambda: '"lag_messages":0}' in ask(f"http://{self.listen}/readyz"), 60)

    def metrics(self):
        """What churnd says: {(name, labels): value}."""
        found = {}
        for name, labels, value in re.findall(
            r"^(\w+)(?:\{(.*)\})? (\S+)$", ask(f"http://{self.listen}/metrics"), re.M
        ):
            found[name, frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))] = float(value)
        return found

    def names(self):
        """The names that samples may have."""
        found = set()
        for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", ask(f"http://{self.listen}/metrics"), re.M):
            found.update({name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name})
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    made = Watched(tmp_path_factory.mktemp("prometheus"))
    yield made
    made.stack.stop()


def named(expr):
    return set(re.findall(r"\b(?:churnd|process)_\w+", re.sub(r'"[^"]*"', "", expr)))


MOVES = {"churnd_uptime_seconds", "churnd_source_lag_seconds"}


def test_what_prometheus_has_is_what_churnd_says(watched):
    assert watched.prometheus.query('up{job="churnd"}') == [
        ({"__name__": "up", "instance": watched.listen, "job": "churnd"}, 1)
    ]

    def same():
        said = {k: v for k, v in watched.metrics().items() if k[0].startswith("churnd_") and k[0] not in MOVES}
        has = {}
        for labels, value in watched.prometheus.query('{job="churnd",__name__=~"churnd_.*"}'):
            name = labels.pop("__name__")
            if name not in MOVES:
                has[name, frozenset(labels.items() - {("job", "churnd"), ("instance", watched.listen)})] = value
        return said if said == has else None

    said = wait_for("equal figures", same, 60, 0.3)
    assert said["churnd_events_applied_total", frozenset()] == 3000
    assert len(said) > 40


def test_the_rules_are_loaded(watched):
    """Each can be evaluated, and asks for names that there are."""

    def evaluated():
        (group,) = watched.prometheus.ask("rules")["groups"]
        return group["rules"] if all(rule["health"] != "unknown" for rule in group["rules"]) else None

    loaded = wait_for("the rules", evaluated, 60, 0.3)
    assert [rule["name"] for rule in loaded] == [rule["alert"] for rule in rules()]
    assert [rule for rule in loaded if rule["health"] != "ok"] == []
    names = watched.names()
    assert {name: rule["alert"] for rule in rules() for name in named(rule["expr"]) - names} == {}


def test_the_dashboard_shows_figures_that_there_are(watched):
    """Each expression is one that Prometheus can read, of names that churnd has, and has something to show."""
    dashboard, names, empty = json.loads(DASHBOARD.read_text()), watched.names(), set()
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) > 15 and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}" and panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"]
            expr = target["expr"]
            assert named(expr) and named(expr) - names == set(), panel["title"]
            assert expr.count("{") == expr.count('job="$job",instance=~"$instance"') + expr.count("{{"), expr
            for variable, value in {
                "$job": "churnd",
                "$instance": ".*",
                "$__rate_interval": "1m",
                "$__range": "1h",
            }.items():
                expr = expr.replace(variable, value)
            if not watched.prometheus.query(expr):
                empty.update(named(expr))
    assert empty == set()
    variables = [v["definition"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    assert len(variables) == 2 and {name for v in variables for name in named(v)} <= names


def test_alerts_fire_and_end(watched):
    """The store goes away and comes back; the pipeline file is spoilt and mended."""
    wait_for("quiet", lambda: set(watched.prometheus.firing()) <= {"ChurndProfilesLate"}, 60)
    watched.redis.kill()
    stalled = wait_for("the alert", lambda: watched.prometheus.firing().get("ChurndStalled"), 60, 0.3)
    assert {"plugin": "redis", "what": "store", "severity": "critical", "job": "churnd"}.items() <= stalled[0][
        "labels"
    ].items()
    assert stalled[0]["annotations"]["summary"] == f"Events do not move on {watched.listen}: redis, store"
    watched.redis.start()
    wait_for("the alert", lambda: "ChurndStoreWentBack" in watched.prometheus.firing(), 60, 0.3)
    wait_for("its end", lambda: "ChurndStalled" not in watched.prometheus.firing(), 60, 0.3)

    good = watched.config.read_text()
    watched.config.write_text(good + "nonsense: true\n")
    watched.run.send(signal.SIGHUP)
    wait_for("the alert", lambda: "ChurndReloadRefused" in watched.prometheus.firing(), 60, 0.3)
    watched.config.write_text(good)
    watched.run.send(signal.SIGHUP)
    wait_for("its end", lambda: "ChurndReloadRefused" not in watched.prometheus.firing(), 60, 0.3)
    watched.run.kill()
    wait_for("the alert", lambda: "ChurndDown" in watched.prometheus.firing(), 60, 0.3)
