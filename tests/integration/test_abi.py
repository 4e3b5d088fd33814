"""The promise of the plugin ABI: what breaks it is noticed, and plugins of earlier versions run. See docs/ABI.md."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from services import SRC, run_churnd
from test_build import compile_plugin

LAYOUT = SRC / "tests/abi/layout.py"
RELEASED = sorted((SRC / "tests/abi/released").glob("*.layout"))
INCLUDE = SRC / "core/include"


def check_layout(include, *args, released=RELEASED):
    return subprocess.run([sys.executable, LAYOUT, "check", include, *released, *args], capture_output=True, text=True)


@pytest.fixture
def headers(tmp_path):
    """A copy of the headers, and a function that changes a file of it, a word of the caller's choice at a time."""
    include = tmp_path / "include"
    shutil.copytree(INCLUDE, include)

    def edit(name, old, new, count=1):
        path = include / "churn" / name
        text = path.read_text()
        assert old in text, (name, old)
        path.write_text(text.replace(old, new, count))

    edit.include = include
    return edit


def raise_minor(edit):
    minor = re.search(r"CHURN_ABI_MINOR (\d+)", (INCLUDE / "churn/plugin.h").read_text())[1]
    edit("plugin.h", f"CHURN_ABI_MINOR {minor}", f"CHURN_ABI_MINOR {int(minor) + 1}")


BREAKS = {
    "a member moved": (
        "sink.h",
        "    uint32_t size;\n    uint32_t accepts;",
        "    uint32_t accepts;\n    uint32_t size;",
        ["churn_sink_ops.size was 0 u32, is 4 u32"],
    ),
    "a member inserted": (
        "record.h",
        "    uint32_t kind;",
        "    uint32_t more[2];\n    uint32_t kind;",
        ["churn_record.kind was 4 u32, is 12 u32", "churn_record.more is new but not at the end"],
    ),
    "another type": (
        "event.h",
        "    int32_t partition;",
        "    uint32_t partition;",
        ["churn_event.partition was 4 i32, is 4 u32"],
    ),
    "a member removed": ("source.h", "    int64_t total; ", "", ["churn_lag.total (offset and type 16 i64) is gone"]),
    "a member renamed": ("source.h", "    int64_t total; ", "    int64_t sum; ", ["churn_lag.total"]),
    "a call with another argument": (
        "sink.h",
        "(*stop)(void *self, int64_t deadline_ms)",
        "(*stop)(void *self)",
        ["churn_sink_ops.stop was 48 void(void*, i64)*, is 48 void(void*)*"],
    ),
    "a call with another result": (
        "processor.h",
        "    void (*stop)(",
        "    int32_t (*stop)(",
        ["churn_processor_ops.stop"],
    ),
    "a constant with another value": ("result.h", "CHURN_DROP = 3", "CHURN_DROP = 5", ["CHURN_DROP was 3, is 5"]),
    "a constant removed": ("event.h", "    CHURN_FIELD_BOOL = 4,", "", ["CHURN_FIELD_BOOL was 4, is gone"]),
    "another limit": (
        "result.h",
        "CHURN_ERROR_MESSAGE_SIZE 512",
        "CHURN_ERROR_MESSAGE_SIZE 256",
        ["CHURN_ERROR_MESSAGE_SIZE was 512, is 256"],
    ),
    "another magic": ("plugin.h", "0x4e525543u", "0x4e525544u", ["CHURN_PLUGIN_MAGIC was 0x4e525543u"]),
    "an extension with another name": (
        "ext/metrics.h",
        '_ID "churn.metrics/1"',
        '_ID "churn.metrics/2"',
        ["CHURN_METRICS_ID"],
    ),
    "a struct without a size grew": (
        "result.h",
        "} churn_str;",
        "    uint64_t hash;\n} churn_str;",
        ["struct churn_str grew from 16 to 24 bytes"],
    ),
    "a struct that travels in arrays grew": (
        "record.h",
        "} churn_record;",
        "    uint64_t more;\n} churn_record;",
        ["struct churn_record grew from 96 to 104 bytes"],
    ),
    "a struct removed": ("ext/event_types.h", "churn_event_types", "churn_types", ["struct churn_event_types is gone"]),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_break_of_the_layout_is_refused(what, headers):
    """Also when the minor version is raised with it."""
    name, old, new, words = BREAKS[what]
    headers(name, old, new, count=-1 if what == "a struct removed" else 1)
    raise_minor(headers)
    done = check_layout(headers.include)
    assert done.returncode == 1, done.stdout
    for word in words:
        assert word in done.stderr, done.stderr


GROWTH = {
    "a call at the end": (
        "processor.h",
        "} churn_processor_ops;",
        "    void (*later)(void *self);\n} churn_processor_ops;",
    ),
    "a longer row": ("event.h", "} churn_field;", "    uint64_t later;\n} churn_field;"),
    "a longer entry": ("plugin.h", "} churn_plugin;", "    uint64_t later;\n} churn_plugin;"),
    "a constant": ("result.h", "CHURN_DROP = 3, ", "CHURN_LATER = 17, CHURN_DROP = 3, "),
    "a struct": (
        "result.h",
        "typedef struct churn_error {",
        "typedef struct churn_later {\n    uint32_t size;\n} churn_later;\ntypedef struct churn_error {",
    ),
    "a reserved member gets its meaning": (
        "option.h",
        "    uint32_t offset;            /**< offsetof(instance, member) */\n    uint32_t reserved;",
        "    uint32_t offset;\n    uint32_t later;",
    ),
}


@pytest.mark.parametrize("what", GROWTH)
def test_growth_needs_a_minor_version_and_asserts(what, headers):
    headers(*GROWTH[what])
    asserts = ["--asserts", SRC / "tests/abi/headers/layout.c"]
    raise_minor(headers)
    done = check_layout(headers.include)
    assert done.returncode == 0, done.stderr
    done = check_layout(headers.include, *asserts)
    assert done.returncode == 1 and re.search(r"layout.c: this line is missing: \w+\(.*(?i:later)", done.stderr), (
        done.stderr
    )
    # Released under this number, it can no longer change under it.
    folder = headers.include.parent
    release = [sys.executable, LAYOUT, "release", headers.include, folder]
    subprocess.run(release, check=True)
    (layout,) = folder.glob("*.layout")
    assert check_layout(headers.include, released=[*RELEASED, layout]).returncode == 0
    headers("sink.h", "} churn_sink_ops;", "    void (*latest)(void *self);\n} churn_sink_ops;")
    done = check_layout(headers.include, released=[layout])
    assert done.returncode == 1 and "churn_sink_ops.latest" in done.stderr and "raise CHURN_ABI_MINOR" in done.stderr
    assert subprocess.run(release, capture_output=True).returncode == 1


# --- Plugins of the first minor version in today's churnd ---

FIRST = sorted((SRC / "tests/abi/first").glob("*.c"))


def first_pipeline(folder):
    return {
        "source": {"plugin": "first_source", "events": 30},
        "events": {"types": ["first_event"], "override": {"first_event": {"alert": "warning"}}},
        "processors": [{"plugin": "first_processor"}],
        "store": {"plugin": "first_store", "path": str(folder / "store")},
        "sinks": [{"plugin": "first_sink", "path": str(folder / "alerts")}],
        "dead_letters": {"plugin": "first_sink", "path": str(folder / "dead")},
    }


def test_older_minor_version_loads(tmp_path):
    """A plugin of each kind, built from the headers of ABI 1.0: all that 1.0 promised still holds, and nothing behind the
    end of a table is called."""
    assert {f"first_{kind}" for kind in ("event", "source", "processor", "store", "sink")} == {
        path.stem for path in FIRST
    }
    for source in FIRST:
        compile_plugin(source, tmp_path / f"{source.stem}.so", include=SRC / "tests/abi/released/1.0")
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(first_pipeline(tmp_path)))
    run = run_churnd("-c", path, "--plugin-path", tmp_path, cwd=tmp_path, check=0)
    # 30 events: the first has no thing, 17 and 27 are left out, the callback refuses 13.
    assert re.search(r"applied 26 · filtered 2", run.stdout), run.stdout
    counted = [i for i in range(30) if i not in (0, 13, 17, 27)]
    stored = dict(line.rsplit(" ", 1) for line in (tmp_path / "store").read_text().splitlines())
    for customer in (0, 1):
        own = [i for i in counted if i % 2 == customer]
        fields = {
            name.split(" ")[1]: value for name, value in stored.items() if name.startswith(f"profile:c{customer} ")
        }
        assert {name: fields[f"first_{name}"] for name in ("total", "count", "most_items", "priority", "average")} == {
            "total": f"{1.25 * len(own):.2f}",
            "count": str(len(own)),
            "most_items": str(max(own)),
            "priority": "high" if max(own) % 5 == 0 else "low",
            "average": "1.25",
        }
    alerts = [line.split(" ", 4) for line in (tmp_path / "alerts").read_text().splitlines()]
    assert {(kind, severity) for kind, severity, *_ in alerts} == {("4", "2"), ("4", "3")}  # ALERT; WARNING, CRITICAL
    assert sorted(json.loads(alert[-1])["message"] for alert in alerts) == sorted(
        f"c{i % 2} bought {i}" for i in counted
    )
    dead = sorted(line.split(" ", 4)[:4] for line in (tmp_path / "dead").read_text().splitlines())
    assert dead == [["8", "0", "invalid_value", "first:0"], ["8", "0", "rejected_by_plugin", "first:13"]]


def test_their_source_still_compiles(tmp_path):
    """Headers of the same major version take the source of an older plugin."""
    for source in FIRST:
        compile_plugin(source, tmp_path / f"{source.stem}.so")


def test_the_headers_of_the_first_version_are_those_that_were_released():
    done = check_layout(SRC / "tests/abi/released/1.0", released=[SRC / "tests/abi/released/1.0.layout"])
    assert done.returncode == 0, done.stderr
