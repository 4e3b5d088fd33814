"""Plugins that break the rules of their headers: churnd names them and their file, lives, and counts nothing as done that
was not."""

import json

import pytest
import yaml
from events import refunds
from services import SRC, run_churnd
from test_build import compile_plugin

RUDE = SRC / "tests/testkit"
EVENTS = 50


def run(tmp_path, until_end=False, **sections):
    """A pipeline of alerts about the refunds in a file, with these sections in place of its own."""
    (tmp_path / "e.jsonl").write_text(refunds(EVENTS))
    pipeline = {
        "source": {"plugin": "file", "path": "e.jsonl"},
        "store": {"plugin": "lmdb", "path": "db"},
        "dead_letters": {"plugin": "file", "path": "dead"},
        "plugin_path": [str(tmp_path / "plugins")],
        **sections,
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(pipeline))
    return run_churnd("-c", "p.yaml", cwd=tmp_path, env={"LOG_LEVEL": "INFO"})


def build(tmp_path, source, name=None):
    folder = tmp_path / "plugins"
    folder.mkdir(exist_ok=True)
    target = folder / f"{name or source.stem}.so"
    compile_plugin(source, target)
    return target


ANSWER = "its poll answers a record that it was not given, or has answered before"


@pytest.mark.parametrize(
    "rule, words",
    [
        ("twice", ANSWER),
        ("stranger", ANSWER),
        ("again", ANSWER),
        ("undecided", "its poll answers a record with -1"),
        ("too_many", "its write takes "),
    ],
)
def test_sinks(rule, words, tmp_path):
    path = build(tmp_path, RUDE / "rude_sink.c")
    done = run(tmp_path, sinks=[{"plugin": "rude_sink", "input": "alerts", "breaks": rule}])
    assert done.returncode == 1, done.stderr
    assert "sink rude_sink breaks the rules of its plugin interface: " + words in done.stderr, done.stderr
    assert f"({path})" in done.stderr
    assert not (tmp_path / "dead").exists() or not (tmp_path / "dead").read_text()


def test_a_sink_that_keeps_the_rules(tmp_path):
    build(tmp_path, RUDE / "rude_sink.c")
    done = run(tmp_path, sinks=[{"plugin": "rude_sink", "input": "alerts", "breaks": "none"}])
    assert done.returncode == 0 and "breaks the rules" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "rule, words",
    [
        ("unannounced", "its poll hands out a record of rude/0, which it has not announced (`assigned`)"),
        ("revoked", "its poll hands out a record of rude/0, which it has not announced (`assigned`) or has taken back"),
        ("backwards", "its poll hands out offset 4 of rude/0 after 5"),
        ("no_topic", "its poll hands out a record without a topic"),
        ("too_many", "its poll hands out 1001 records, of 1000 at most"),
    ],
)
def test_sources(rule, words, tmp_path):
    path = build(tmp_path, RUDE / "rude_source.c")
    done = run(tmp_path, source={"plugin": "rude_source", "breaks": rule})
    assert done.returncode == 1, done.stderr
    assert "source rude_source breaks the rules of its plugin interface: " + words in done.stderr, done.stderr
    assert f"({path})" in done.stderr


def test_an_update_of_an_undeclared_field(tmp_path):
    """The event is set aside with a word about the plugin and the field, and nothing of it is in the profile."""
    build(tmp_path, SRC / "tests/abi/broken/wrong_merge.c")
    (tmp_path / "tips.jsonl").write_text(
        json.dumps(
            {
                "event_id": "e",
                "event_type": "wrong_merge",
                "customer_id": "a",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {"tip": 1},
            }
        )
        + "\n"
    )
    done = run(tmp_path, source={"plugin": "file", "path": "tips.jsonl"})
    assert done.returncode == 0, done.stderr
    letter = json.loads((tmp_path / "dead").read_text())
    assert letter["reason"] == "rejected_by_plugin" and "total_tpis" in letter["detail"], letter
    assert letter["detail"].startswith("wrong_merge: apply merges into 'total_tpis'"), letter
    assert "there is no profile" in run_churnd("profile", "-c", "p.yaml", "a", cwd=tmp_path).stderr
