"""`churnd test`: tests that YAML declares pass and fail as they should, say where and why, and leave nothing behind."""

import base64
import copy
import json
import re
import signal
import xml.etree.ElementTree as ElementTree

import events
import oracle
import pytest
import yaml
from services import CHURND, SRC, Process, run_churnd, wait_for
from test_build import compile_plugin
from test_poison import ACTS, PROCESSOR

CONSUMER = SRC / "config/consumer.yaml"
CONSUMER_TESTS = SRC / "examples/pipelines/consumer.test.yaml"
SCORE_ALERTS = SRC / "examples/pipelines/score-alerts.yaml"


def run_tests(folder, *args, pipeline=CONSUMER, check=None):
    """In an empty folder, which must stay empty: no server is asked, no file is written, no profile stays."""
    here, there = folder / "here", folder / "tmp"
    for made in (here, there):
        made.mkdir(exist_ok=True)
    done = run_churnd("test", "-c", pipeline, *args, cwd=here, env={"TMPDIR": str(there)}, check=check)
    assert not list(here.iterdir()) and not list(there.iterdir())
    return done


def write(folder, text, name="t.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def write_tests(folder, *tests):
    return write(folder, yaml.safe_dump({"tests": list(tests)}, sort_keys=False, allow_unicode=False))


LOGIN = "{event_type: login, customer_id: cust_1, timestamp: 2026-01-01T00:00:00Z, data: {}}"
POISON = LOGIN.replace("{event_type", "{event_id: poison, event_type")


# --- What passes ---


@pytest.mark.parametrize(
    "args",
    [(CONSUMER, CONSUMER_TESTS), (SRC / "examples/pipelines/dedup.yaml",), (SCORE_ALERTS,)],
    ids=["in a file of their own", "in the pipeline", "with answers"],
)
def test_shipped_tests_pass(args, tmp_path):
    done = run_tests(tmp_path, *args[1:], pipeline=args[0], check=0)
    assert re.search(r"^\d+ passed, 0 failed in ", done.stdout, re.M) and "FAIL" not in done.stdout
    assert done.stderr == ""


def test_the_documentation_passes(tmp_path):
    """Each example of docs/testing.md that is a whole file of tests."""
    blocks = re.findall(r"^```yaml\n(tests:\n.*?)^```", (SRC / "docs/testing.md").read_text(), re.M | re.S)
    assert len(blocks) >= 3
    for block in blocks:
        run_tests(tmp_path, write(tmp_path, block), check=0)


def test_events_do_what_the_contract_says(seed, tmp_path):
    """Good, broken and tricky ones: the whole outcome is the model's, exactly."""
    model = oracle.Model()
    sent = []
    for offset, (key, value) in enumerate(events.adversarial(seed, with_big=False) + events.load(200, 10, seed)):
        model.feed("t", 0, offset, key, value)
        sent.append(
            {"topic": "t", "value_base64": base64.b64encode(value).decode()}
            if value is not None
            else {"topic": "t", "value": None}
        )
    triggers = sorted((t.position, customer) for customer, of_one in model.triggers.items() for t in of_one)
    expect = {
        "profiles": model.profile_fields(),
        "alerts": [
            {
                "alert_id": "/".join(map(str, position)),
                "severity": a.severity,
                "event_id": a.event_id,
                "customer_id": a.customer_id,
                "timestamp": a.timestamp,
            }
            for position, a in model.alerts
        ],
        "triggers": [
            {"request_id": "/".join(map(str, position)), "customer_id": customer} for position, customer in triggers
        ],
        "dead_letters": [
            {"topic": p[0], "partition": p[1], "offset": p[2], **({"reason": d.reason} if "|" not in d.reason else {})}
            for p, d in sorted(model.dead.items())
        ],
    }
    assert triggers and model.alerts and model.dead
    test = {"name": "adversarial", "events": sent, "expect": expect}
    run_tests(tmp_path, write_tests(tmp_path, test), check=0)
    wrong = copy.deepcopy(test)
    del wrong["expect"]["dead_letters"][3]
    run_tests(tmp_path, write_tests(tmp_path, wrong), check=1)


def leaves(value, path=()):
    """Paths to all scalars of a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))
    else:
        yield path


def test_no_expectation_is_idle(tmp_path):
    """Each value that the shipped tests expect makes its test fail when it is another one."""
    mutants = []
    for test in yaml.load(CONSUMER_TESTS.read_text(), yaml.BaseLoader)["tests"]:
        for *path, last in leaves(test["expect"]):
            if path + [last] == ["exactly"]:
                continue
            mutant = copy.deepcopy(test)
            at = mutant["expect"]
            for key in path:
                at = at[key]
            old = at[last]
            if last in ("severity", "reason"):
                at[last] = {"severity": "info", "reason": "too_large"}[last]
            elif old == "~":
                at[last] = {"events_total": 1}
            elif last == "subscription_status":
                at[last] = "cancelled"
            elif re.match(r"\d{4}-", old):
                at[last] = "2031" + old[4:]
            else:
                at[last] = old + "1" if not old.replace(".", "").isdigit() else old + "7" if "." in old else f"1{old}"
            mutant["name"] = f"{test['name']}: {'/'.join(map(str, path + [last]))}"
            mutants.append(mutant)
    # Numbers and times were read as texts: what a test gives must keep its type.
    text = yaml.safe_dump({"tests": mutants}, sort_keys=False)
    text = re.sub(r"(?<=: )'(-?\d[\d.]*|~|true|2026-[^']*)'$", r"\1", text, flags=re.M)
    done = run_tests(tmp_path, write(tmp_path, text), check=1)
    assert len(mutants) > 40 and not re.findall(r"^ok .*", done.stdout, re.M), (done.stdout, done.stderr)
    assert f"0 passed, {len(mutants)} failed" in done.stdout


# --- What fails ---


def test_differences_are_told(tmp_path):
    path = write(
        tmp_path,
        f"""tests:
  - name: good
    events: [{LOGIN}]
    expect: {{profiles: {{cust_1: {{login_count: 1}}}}}}
  - name: wrong
    events:
      - {LOGIN}
      - {{event_type: refund_requested, customer_id: cust_1, timestamp: 2026-01-01T00:00:00Z, data: {{order_id: o, amount: 5.10}}}}
      - broken
    expect:
      profiles:
        cust_1: {{login_count: 2, refund_amount: 5.1, order_count: ~, events_total: ~}}
        cust_2: {{login_count: 1}}
      alerts:
        - {{severity: critical, data: {{amount: 5.1, order_id: p, x: 1}}}}
      triggers:
        - {{customer_id: cust_1}}
""",
    )
    done = run_tests(tmp_path, path, check=1)
    lines = [line for line in done.stdout.splitlines() if not re.search(r" passed, ", line)]
    letter = json.loads(lines.pop().lstrip(" +"))
    assert letter == {
        "reason": "invalid_json",
        "detail": letter["detail"],
        "written_at": letter["written_at"],
        "topic": "user-events",
        "partition": 0,
        "offset": 2,
        "value": "broken",
    }
    assert (
        lines
        == f"""ok    good
FAIL  wrong ({path}:5)
      {path}:12:31: profiles: cust_1: login_count
        - 2
        + 1
      {path}:12:84: profiles: cust_1: events_total
        - null
        + 2
      {path}:13:17: profiles: cust_2
        - {{"login_count":1}}
      {path}:15:22: alerts[0]: severity
        - "critical"
        + "warning"
      {path}:15:62: alerts[0]: data: order_id
        - "p"
        + "o"
      {path}:15:68: alerts[0]: data: x
        - 1
      {path}:17:11: triggers[0]
        - {{"customer_id":"cust_1"}}
      {path}:11:7: dead_letters[0]""".splitlines()
    ), done.stdout
    assert "1 passed, 1 failed in " in done.stdout and done.stderr == ""


def test_reports_for_programs(tmp_path):
    path = write(
        tmp_path,
        f"""tests:
  - name: 'good <&> "x"'
    events: [{LOGIN}]
    expect: {{alerts: []}}
  - name: "wr\\uffff\\x07ong é😀"
    events: [{LOGIN}, "bad \\x01 <&> \\u2028"]
    expect: {{alerts: [{{severity: info}}]}}
""",
    )
    report = tmp_path / "report.xml"
    done = run_tests(tmp_path, path, "--format", "json", "--junit", report, check=1)
    told = json.loads(done.stdout)
    assert (told["passed"], told["failed"], told["pipeline"]) == (1, 1, "churn-consumer")
    good, wrong = told["tests"]
    assert good["passed"] and good["name"] == 'good <&> "x"' and good["line"] == 2 and good["file"] == str(path)
    assert [(d["line"], d["where"], "expected" in d, "actual" in d) for d in wrong["differences"]] == [
        (7, "alerts[0]", True, False),
        (7, "dead_letters[0]", False, True),
    ]
    assert wrong["differences"][0]["expected"] == {"severity": "info"} and not wrong["passed"]

    root = ElementTree.parse(report).getroot()
    (suite,) = root
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", str(path))
    for counted in (root, suite):
        assert [counted.get(n) for n in ("tests", "failures", "errors", "skipped")] == ["2", "1", "0", "0"]
        assert float(counted.get("time")) > 0
    first, second = suite
    assert {k: first.get(k) for k in ("name", "classname", "file", "line")} == {
        "name": 'good <&> "x"',
        "classname": "churn-consumer",
        "file": str(path),
        "line": "2",
    }
    assert float(first.get("time")) > 0 and list(first) == []
    (failure,) = second
    assert second.get("name") == "wr??ong é😀"
    assert failure.tag == "failure" and failure.get("message") == "alerts[0]" and failure.get("type")
    assert f"{path}:7:23: alerts[0]\n  - " in failure.text and "bad" in failure.text


def test_filter(tmp_path):
    path = write(
        tmp_path, "tests:\n" + "".join(f"  - name: {n}\n    expect: {{alerts: []}}\n" for n in ("one", "two", "three"))
    )
    done = run_tests(tmp_path, path, "--filter", "t", check=0)
    assert "ok    two\nok    three\n2 passed" in done.stdout
    done = run_tests(tmp_path, path, "--filter", "x", check=1)
    assert "no test has 'x' in its name" in done.stderr


# --- What is refused ---

# The lines of a test, where the mistake is (line:column) and what the message must say.
WRONG = [
    ("- name: a\n  evens: []\n  expect: {alerts: []}", "3:3", "unknown option 'evens' (did you mean 'events'?)"),
    ("- expect: {alerts: []}", "2:3", "option 'name' is required"),
    ("- name: a", "2:3", "add 'expect:'"),
    (
        "- name: a\n  expect: {alerts: []}\n- name: a\n  expect: {alerts: []}",
        "4:9",
        "the test in line 2 has this name too",
    ),
    ("- name: a\n  expect: {alert: []}", "3:12", "unknown option 'alert' (did you mean 'alerts'?)"),
    ("- name: a\n  expect: {alerts: {}}", "3:20", "a list belongs here"),
    (
        "- name: a\n  expect: {alerts: [{customer: x}]}",
        "3:22",
        "unknown option 'customer' (did you mean 'customer_id'?)",
    ),
    (
        "- name: a\n  expect: {alerts: [{severity: crtical}]}",
        "3:32",
        "no severity 'crtical' (did you mean 'critical'?)",
    ),
    ("- name: a\n  expect: {dead_letters: [{reason: invalid_jsn}]}", "3:36", "(did you mean 'invalid_json'?)"),
    ("- name: a\n  expect: {sinks: {predicton: []}}", "3:20", "no sink 'predicton' (did you mean 'prediction'?)"),
    ("- name: a\n  expect: {sinks: {3: []}}", "3:20", "no sink '3'"),
    ("- name: a\n  expect: {profiles: {c: {order_cont: 1}}}", "3:27", "(did you mean 'order_count'?)"),
    ("- name: a\n  expect: {profiles: {c: {order_count: many}}}", "3:40", "'many' is no value of type int"),
    ("- name: a\n  expect: {profiles: {c: 5}}", "3:26", "as in 'cust_1: {order_count: 2}'"),
    ("- name: a\n  profiles: {c: {_v: 1}}\n  expect: {alerts: []}", "3:18", "profile field '_v'"),
    ("- name: a\n  profiles: {c: {order_count: ~}}\n  expect: {alerts: []}", "3:31", "a value belongs here"),
    ("- name: a\n  events: {}\n  expect: {alerts: []}", "3:11", "a list of events belongs here"),
    ("- name: a\n  events: [[]]\n  expect: {alerts: []}", "3:12", "an event belongs here"),
    (
        "- name: a\n  events: [{value: x, offset: 5}, {value: x, offset: 5}]\n  expect: {alerts: []}",
        "3:54",
        "offsets only grow",
    ),
    ("- name: a\n  events: [{value: x, offest: 5}]\n  expect: {alerts: []}", "3:23", "(did you mean 'offset'?)"),
    ("- name: a\n  events: [{value_base64: x}]\n  expect: {alerts: []}", "3:27", "this is no base64"),
    ("- name: a\n  events: [{value: x, value_base64: eA==}]\n  expect: {alerts: []}", "3:37", "not both"),
    ("- name: a\n  events: [{value: x, timestamp: soon}]\n  expect: {alerts: []}", "3:34", "'soon' is no time"),
    ("- name: a\n  now: soon\n  expect: {alerts: []}", "3:8", "'soon' is no time"),
    ("- name: a\n  answers: {}\n  expect: {alerts: []}", "3:12", "a list of answers belongs here"),
    ("- name: a\n  answers: [0.8]\n  expect: {alerts: []}", "3:13", "an answer belongs here"),
    (
        "- name: a\n  answers: [{churn_probability: 0.8}]\n  expect: {alerts: []}",
        "3:13",
        "option 'customer_id' is required",
    ),
    ("- name: a\n  answers: [{customer_id: c}]\n  expect: {alerts: []}", "3:13", "write churn_probability"),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probability: 0.8, status: 503}]\n  expect: {alerts: []}",
        "3:62",
        "write churn_probability",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probability: 1.5}]\n  expect: {alerts: []}",
        "3:49",
        "churn_probability",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probability: .5}]\n  expect: {alerts: []}",
        "3:49",
        "as JSON writes it",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, status: 200}]\n  expect: {alerts: []}",
        "3:38",
        "status",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, status: 422}]\n  expect: {alerts: []}",
        "3:38",
        "makes a dead letter of a trigger",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probabilty: 1}]\n  expect: {alerts: []}",
        "3:30",
        "(did you mean 'churn_probability'?)",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probability: 1, sink: predicton}]\n  expect: {alerts: []}",
        "3:58",
        "no sink 'predicton' that predicts (did you mean 'prediction'?)",
    ),
    (
        "- name: a\n  answers: [{customer_id: c, churn_probability: 1, sink: alert}]\n  expect: {alerts: []}",
        "3:58",
        "no sink 'alert' that predicts",
    ),
    ("- name: a\n  expect: {predictions: [{sink: prediction}]}", "3:25", "add 'answers:'"),
    ("- name: a\n  answers: []\n  expect: {predictions: {}}", "4:25", "a list belongs here"),
    (
        "- name: a\n  answers: []\n  expect: {predictions: [{customer: c}]}",
        "4:27",
        "unknown option 'customer' (did you mean 'customer_id'?)",
    ),
]


@pytest.mark.parametrize("lines, place, words", WRONG, ids=[w[2][:40] for w in WRONG])
def test_mistakes_are_reported_where_they_stand(lines, place, words, tmp_path):
    path = write(tmp_path, "tests:\n" + "".join(f"  {line}\n" for line in lines.splitlines()))
    line, column = place.split(":")
    done = run_tests(tmp_path, path, check=1)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith(f"{path}:{line}:{int(column) + 2}: ") and words in done.stderr, done.stderr


def test_files_without_tests(tmp_path):
    assert "has no section 'tests:'" in run_tests(tmp_path, check=1).stderr
    done = run_tests(tmp_path, write(tmp_path, "test: []\n"), check=1)
    assert "did you mean 'tests'?" in done.stderr and "there are no tests" in done.stderr
    run_tests(tmp_path, tmp_path / "missing.yaml", check=1)


def test_options_of_plugins_are_checked(tmp_path):
    """What is not started is checked all the same."""
    pipeline = write(tmp_path, CONSUMER.read_text().replace("  host: ${REDIS_HOST:-localhost}", "  hots: x"), "p.yaml")
    done = run_tests(tmp_path, CONSUMER_TESTS, pipeline=pipeline, check=1)
    assert "unknown option 'hots' (did you mean 'host'?)" in done.stderr and done.stdout == ""


# --- Plugins in a test ---


def with_processor(folder, **options):
    """The shipped consumer with one processor; plugins of `folder` are found."""
    settings = yaml.load(CONSUMER.read_text(), yaml.BaseLoader)
    settings["processors"] = [options]
    settings["plugin_path"] = [str(folder / "plugins")]
    settings["plugin_timeout"] = "1s"
    (folder / "plugins").mkdir(exist_ok=True)
    return write(folder, yaml.safe_dump(settings, sort_keys=False), "p.yaml")


def add_probe(folder, act, text=PROCESSOR):
    """The processor `probe`, which does `act` at an event whose id is poison."""
    source = folder / "probe.c"
    source.write_text("#define _GNU_SOURCE\n" + text.replace("@ACT@", act))
    compile_plugin(source, folder / "plugins/probe.so")


def test_each_test_begins_with_nothing(tmp_path):
    """Neither profiles nor what processors keep in the store come from the test before."""
    pipeline = with_processor(tmp_path, plugin="dedup", window="1h")
    test = f"    events: [{POISON}, {POISON}]\n    expect: {{profiles: {{cust_1: {{login_count: 1}}}}}}\n"
    done = run_tests(
        tmp_path, write(tmp_path, f"tests:\n  - name: a\n{test}  - name: b\n{test}"), pipeline=pipeline, check=0
    )
    assert "2 passed" in done.stdout


@pytest.mark.parametrize("act", sorted(ACTS))
def test_a_plugin_that_breaks_costs_one_test(act, tmp_path):
    pipeline = with_processor(tmp_path, plugin="probe")
    add_probe(tmp_path, ACTS[act])
    path = write(
        tmp_path,
        "tests:\n"
        + "".join(
            f"  - name: {name}\n    events: [{LOGIN}, {second}]\n    expect: {{profiles: {{cust_1: {{login_count: 2}}}}}}\n"
            for name, second in (("before", LOGIN), ("poison", POISON), ("after", LOGIN))
        ),
    )
    done = run_tests(tmp_path, path, pipeline=pipeline, check=1)
    assert "2 passed, 1 failed" in done.stdout and "ok    after" in done.stdout
    why = {
        "abort": "the process crashed: Aborted",
        "null": "the process crashed: Segmentation fault",
        "exit": "the process was ended with exit status 0",
        "hang": "it took more than 1 seconds",
    }[act]
    if act == "null" and "AddressSanitizer" in done.stderr:
        why = "the process was ended with exit status 1"
    assert f"{why} while processor probe worked on user-events/0 offset 1" in done.stdout, done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_leaves_nothing_behind(number, tmp_path):
    pipeline = with_processor(tmp_path, plugin="probe")
    add_probe(tmp_path, ACTS["hang"])
    tests = write(tmp_path, f"tests:\n  - name: a\n    events: [{POISON}]\n    expect: {{profiles: {{}}}}\n")
    (tmp_path / "tmp").mkdir()
    process = Process([CHURND, "test", "-c", pipeline, tests], tmp_path, "test", env={"TMPDIR": str(tmp_path / "tmp")})
    try:
        wait_for("the store", lambda: list((tmp_path / "tmp").glob("*/data.mdb")))
        process.send(number)
        assert process.wait(30) == -number, process.out
    finally:
        process.end()
    assert not list((tmp_path / "tmp").iterdir())


def test_what_stops_the_engine_is_told(tmp_path):
    pipeline = with_processor(tmp_path, plugin="probe")
    add_probe(tmp_path, 'return churn_fail(err, CHURN_FATAL, "no way");')
    path = write(tmp_path, f"tests:\n  - name: a\n    events: [{POISON}]\n    expect: {{profiles: {{}}}}\n")
    done = run_tests(tmp_path, path, pipeline=pipeline, check=1)
    assert "the engine gave up" in done.stdout and "processor probe: no way" in done.stdout, done.stdout


def test_an_event_ahead_of_its_record(tmp_path):
    """A record may say its own time, by which its event's is judged."""
    settings = yaml.load(CONSUMER.read_text(), yaml.BaseLoader)
    settings["events"] = {"max_ahead": "1h"}
    tests = f"""tests:
  - name: ahead
    events:
      - {{timestamp: 2025-12-31T23:00:00Z, value: {LOGIN}}}
      - {{timestamp: 2025-12-31T22:59:59.999Z, value: {LOGIN}}}
      - {{value: {LOGIN}}}
    expect:
      profiles: {{cust_1: {{login_count: 2}}}}
      dead_letters: [{{reason: timestamp_ahead, offset: 1, timestamp: 2025-12-31T22:59:59.999Z}}]
"""
    pipeline = write(tmp_path, yaml.safe_dump(settings, sort_keys=False), "p.yaml")
    done = run_tests(tmp_path, write(tmp_path, tests), pipeline=pipeline, check=0)
    assert "1 passed" in done.stdout, done.stdout


def test_the_time_of_a_test(tmp_path):
    """`now` is what plugins are told."""
    pipeline = with_processor(tmp_path, plugin="probe")
    text = PROCESSOR.replace("(void)self, (void)host, (void)err;", "(void)self, (void)err;\n    told = host;")
    text = text.replace("static int32_t create(", "static const churn_host *told;\n\nstatic int32_t create(")
    add_probe(tmp_path, "return told->now_ms(told) == 1767225600000 ? CHURN_OK : CHURN_DROP;", text)
    path = write(
        tmp_path,
        "tests:\n"
        + "".join(
            f"  - name: {name}\n    {now}events: [{POISON}]\n    expect: {{profiles: {{cust_1: {expected}}}}}\n"
            for name, now, expected in (
                ("given", "now: 2026-01-01T00:00:00Z\n    ", "{login_count: 1}"),
                ("real", "", "~"),
            )
        ),
    )
    run_tests(tmp_path, path, pipeline=pipeline, check=0)


def test_records_that_are_passed_on(tmp_path):
    """A pipeline that decodes nothing; sinks of one plugin are told apart by their place."""
    pipeline = write(
        tmp_path,
        """source: {plugin: file, path: in}
sinks: [{plugin: file, path: a}, {plugin: file, path: b}]
tests:
  - name: as they are
    events: [hello, {value: ~, key: k}, {value: {a: 1.50, b: "1.50", c: ~, d: yes}}]
    expect:
      sinks:
        1: [hello, ~, {a: 1.5, b: "1.50", c: ~, d: "yes", event_id: event-3}]
        2: [hello, ~, {a: 1.500}]
""",
        "p.yaml",
    )
    run_tests(tmp_path, pipeline=pipeline, check=0)


def test_many_tests_are_quick(tmp_path):
    """Some milliseconds each; the limit leaves room for a busy machine and sanitizers."""
    path = write(
        tmp_path,
        "tests:\n"
        + "".join(
            f"  - name: {i}\n    events: [{LOGIN}]\n    expect: {{profiles: {{cust_1: {{login_count: 1}}}}}}\n"
            for i in range(200)
        ),
    )
    done = run_tests(tmp_path, path, check=0)
    passed, seconds = re.search(r"^(\d+) passed, 0 failed in ([\d.]+) s$", done.stdout, re.M).groups()
    assert passed == "200" and float(seconds) < 20, done.stdout


# --- What models answer ---

ORDER = (
    "{event_type: order_placed, customer_id: %s, timestamp: 2026-01-01T00:00:00Z, "
    "data: {order_id: o, order_value: 5, items_count: 1, payment_method: paypal}}"
)


def with_sinks(folder, *sinks):
    """The shipped consumer with these sinks that predict, and one for alerts of scores."""
    settings = yaml.load(CONSUMER.read_text(), yaml.BaseLoader)
    settings["sinks"] = [*sinks, {"plugin": "alert", "to": "log", "when": 'event_type == "score"'}]
    return write(folder, yaml.safe_dump(settings, sort_keys=False), "p.yaml")


def test_the_documentation_of_answers_passes(tmp_path):
    text = (SRC / "docs/testing.md").read_text()
    (alert,) = re.findall(r"^    alert: (\{above.*\})$", text, re.M)
    (test,) = re.findall(r"^```yaml\n(  - name: one alert.*?)^```", text, re.M | re.S)
    pipeline = with_sinks(
        tmp_path, {"plugin": "prediction", "url": "http://127.0.0.1:1", "alert": yaml.safe_load(alert)}
    )
    done = run_tests(tmp_path, write(tmp_path, "tests:\n" + test), pipeline=pipeline, check=0)
    assert "1 passed" in done.stdout


CROSSING = f"""tests:
  - name: crossing
    events: [{ORDER % "c"}, {ORDER % "c"}, {ORDER % "d"}, {ORDER % "c"}]
    answers:
      - {{customer_id: d, churn_probability: 0.51}}
      - {{customer_id: c, churn_probability: 0.125, risk_level: ''}}
      - {{customer_id: c, status: 503}}
      - {{customer_id: c, status: 429}}
      - {{customer_id: c, churn_probability: 0.987654321, risk_level: dire, model_version: v1}}
      - {{customer_id: c, churn_probability: 0.45}}
    expect:
      predictions:
        - {{customer_id: c, churn_probability: 0.125, risk_level: ~, model_version: ~, event_id: event-1, request_id: user-events/0/0}}
        - {{customer_id: c, churn_probability: 0.987654321, risk_level: dire, model_version: v1, event_id: event-2}}
        - {{customer_id: d, churn_probability: 0.51, risk_level: high, sink: scores, event_type: order_placed}}
        - {{customer_id: c, churn_probability: 0.45, risk_level: medium, event_id: event-4}}
      alerts:
        - alert_id: crossing:scores:c:1
          event_type: score
          severity: critical
          data: {{churn_probability: 0.987654321, risk_level: dire, trigger: {{event_id: event-2}}}}
        - {{alert_id: "crossing:scores:d:1"}}
      profiles: {{c: {{order_count: 3}}, d: {{order_count: 1}}}}
"""
RULE = {"above": "0.5", "clear_below": "0.4", "severity": "critical"}


@pytest.mark.parametrize(
    "sink",
    [{"plugin": "prediction", "url": "http://127.0.0.1:1"}, {"plugin": "prediction_local"}],
    ids=["api", "local"],
)
def test_answers_make_predictions_and_alerts(sink, tmp_path):
    pipeline = with_sinks(tmp_path, {**sink, "name": "scores", "alert": RULE})
    run_tests(tmp_path, write(tmp_path, CROSSING), pipeline=pipeline, check=0)
    for right, wrong in (
        ("churn_probability: 0.125, risk_level: ~", "churn_probability: 0.126, risk_level: ~"),
        ("risk_level: medium", "risk_level: high"),
        ("crossing:scores:d:1", "crossing:scores:d:2"),
        ("model_version: v1, event_id", "model_version: v2, event_id"),
    ):
        assert CROSSING.count(right) == 1
        run_tests(tmp_path, write(tmp_path, CROSSING.replace(right, wrong)), pipeline=pipeline, check=1)


def test_answers_that_do_not_fit(tmp_path):
    """One that is left over, and one that is missing, are told where the test says what is answered."""
    pipeline = with_sinks(tmp_path, {"plugin": "prediction_local"})
    path = write(
        tmp_path,
        f"""tests:
  - name: unfit
    events: [{ORDER % "c"}, {ORDER % "c"}]
    answers:
      - {{customer_id: c, churn_probability: 0.5}}
      - {{customer_id: d, churn_probability: 0.25}}
    expect: {{predictions: [{{customer_id: c}}]}}
  - name: nobody
    events: [{ORDER % "c"}]
    answers: []
    expect: {{triggers: [{{customer_id: c}}]}}
  - name: nothing happens
    answers: []
    expect: {{exactly: true}}
  - name: failing to the end
    events: [{ORDER % "c"}]
    answers: [{{customer_id: c, status: 500}}]
    expect: {{predictions: []}}
""",
    )
    done = run_tests(tmp_path, path, pipeline=pipeline, check=1)
    lacks = (
        "answers: the sink prediction_local asks about c, and no answer is left; "
        "add {customer_id: c, churn_probability: 0.5}"
    )

    def lacking(event_id):
        return f'+ {{"customer_id":"c","event_id":"{event_id}","event_type":"order_placed","sink":"prediction_local"}}'

    assert [line.strip() for line in done.stdout.splitlines()[:-1]] == [
        f"FAIL  unfit ({path}:2)",
        f"{path}:6:9: answers[1]: it is left over: no sink asks about this customer any more",
        '- {"customer_id":"d","churn_probability":0.25}',
        f"{path}:5:7: {lacks}",
        lacking("event-2"),
        f"FAIL  nobody ({path}:8)",
        f"{path}:10:14: {lacks}",
        lacking("event-1"),
        "ok    nothing happens",
        f"FAIL  failing to the end ({path}:15)",
        f"{path}:17:14: {lacks}",
        lacking("event-1"),
    ], done.stdout


def test_predictions_that_nobody_mentions(tmp_path):
    pipeline = with_sinks(tmp_path, {"plugin": "prediction_local"})
    test = f"""tests:
  - name: a
    events: [{ORDER % "c"}]
    answers: [{{customer_id: c, churn_probability: 0.5}}]
    expect: {{exactly: %s, triggers: [{{}}]}}
"""
    run_tests(tmp_path, write(tmp_path, test % "false"), pipeline=pipeline, check=0)
    done = run_tests(tmp_path, write(tmp_path, test % "true"), pipeline=pipeline, check=1)
    assert ": predictions[0]\n        + {" in done.stdout, done.stdout


def test_sinks_that_predict_side_by_side(tmp_path):
    """Each takes its own answers; a shadow's are nobody's newest prediction, and what is not wanted asks nothing."""
    api = {"plugin": "prediction", "url": "http://127.0.0.1:1", "brokers": "127.0.0.1:1"}
    pipeline = with_sinks(
        tmp_path,
        {**api, "name": "main", "when": "score < 0.9 || profile.order_count == 1", "alert": {"above": 0.5}},
        {**api, "name": "candidate", "shadow": True, "queue_topic": "q-2", "when": "profile.order_count < 4"},
        {**api, "name": "rare", "min_interval": "1h", "queue_topic": "q-3", "cache_prefix": "rare:"},
    )
    path = write(
        tmp_path,
        f"""tests:
  - name: three
    now: 2026-01-01T00:00:00Z
    events: [{ORDER % "c"}, {ORDER % "c"}, {ORDER % "c"}, {ORDER % "c"}]
    answers:
      - {{customer_id: c, churn_probability: 0.95, sink: candidate}}
      - {{customer_id: c, churn_probability: 0.1, sink: main}}
      - {{customer_id: c, churn_probability: 0.2, sink: rare}}
      - {{customer_id: c, churn_probability: 0.96, sink: candidate}}
      - {{customer_id: c, churn_probability: 0.9, sink: 1}}
      - {{customer_id: c, churn_probability: 0.97}}
    expect:
      predictions:
        - {{sink: main, churn_probability: 0.1, event_id: event-1, predicted_at: 2026-01-01T00:00:00Z}}
        - {{sink: candidate, churn_probability: 0.95, event_id: event-1}}
        - {{sink: rare, churn_probability: 0.2, event_id: event-1}}
        - {{sink: main, churn_probability: 0.9, event_id: event-2}}
        - {{sink: candidate, churn_probability: 0.96, event_id: event-2}}
        - {{sink: candidate, churn_probability: 0.97, event_id: event-3}}
      alerts: [{{alert_id: "crossing:main:c:1", data: {{sink: main}}}}]
      sinks:
        rare: [{{customer_id: c}}, {{customer_id: c}}, {{customer_id: c}}, {{customer_id: c}}]
""",
    )
    done = run_tests(tmp_path, path, pipeline=pipeline, check=0)
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("prefix, asks", [("prediction:", 2), ("rare:", 1)])
def test_the_newest_prediction_is_that_of_the_cache(prefix, asks, tmp_path):
    """min_interval looks at the cache that the sink shares with others, or has to itself."""
    rare = {"plugin": "prediction", "name": "rare", "url": "http://127.0.0.1:1", "min_interval": "1h"}
    pipeline = with_sinks(tmp_path, {"plugin": "prediction_local"}, {**rare, "cache_prefix": prefix})
    answer = "{customer_id: c, churn_probability: 0.5, sink: %s}"
    answers = ", ".join([answer % "prediction_local"] * 2 + [answer % "rare"] * asks)
    path = write(
        tmp_path,
        f"""tests:
  - name: a
    events: [{ORDER % "c"}, {ORDER % "c"}]
    answers: [{answers}]
    expect: {{dead_letters: []}}
""",
    )
    run_tests(tmp_path, path, pipeline=pipeline, check=0)


def test_answers_where_nobody_predicts(tmp_path):
    pipeline = with_sinks(tmp_path)
    path = write(tmp_path, "tests:\n  - name: a\n    answers: []\n    expect: {alerts: []}\n")
    done = run_tests(tmp_path, path, pipeline=pipeline, check=1)
    assert done.stderr.startswith(f"{path}:3:14: ") and "no sink that predicts" in done.stderr, done.stderr
