"""The alert rules in deploy/."""

import re
import subprocess

import pytest
import yaml
from services import SRC

RULES = SRC / "deploy/prometheus/alerts.yaml"
TESTS = SRC / "deploy/prometheus/alerts.test.yaml"


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


def headings(path):
    """The anchors of a text's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_each_rule_says_what_to_do():
    operations = headings(SRC / "docs/operations.md")
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]
        path, anchor = rule["annotations"]["runbook_url"].split("#")
        assert (path, anchor) == ("docs/operations.md", rule["alert"].lower())
        assert anchor in operations, f"docs/operations.md has no {anchor}"
