"""What was built and how the sources keep their rules: hardening, exported symbols, includes, bad plugins."""

import re
import shutil
import subprocess

import pytest
import yaml
from services import BUILD, CHURND, SANITIZERS, SRC, run_churnd

ROLES = ("event", "source", "processor", "store", "sink")
PLUGINS = sorted(p for role in ROLES for p in BUILD.glob(f"plugins/{role}/.libs/*.so"))
SANITIZED = SANITIZERS != ""
HEADERS = sorted((SRC / "core/include").rglob("*.h"))


def readelf(*args):
    return subprocess.run(["readelf", "-W", *map(str, args)], check=True, capture_output=True, text=True).stdout


def assert_hardened(path):
    segments, dynamic = readelf("-l", path), readelf("-d", path)
    assert "GNU_RELRO" in segments
    (stack,) = [line for line in segments.splitlines() if "GNU_STACK" in line]
    assert "RWE" not in stack
    assert re.search(r"BIND_NOW|FLAGS_1.*NOW", dynamic)
    assert "TEXTREL" not in dynamic
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


@pytest.mark.skipif(SANITIZED, reason="a build with sanitizers is not hardened")
def test_program_is_hardened():
    assert "DYN (Position-Independent Executable" in readelf("-h", CHURND)
    assert_hardened(CHURND)
    symbols = readelf("--dyn-syms", CHURND)
    assert "__stack_chk_fail" in symbols and "_chk@" in symbols


@pytest.mark.skipif(SANITIZED, reason="a build with sanitizers is not hardened")
@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: p.stem)
def test_plugin_is_hardened(path):
    assert_hardened(path)


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: f"{p.parents[1].name}-{p.stem}")
def test_plugin_exports_its_entry_alone(path):
    exported = [
        line.split()[-1]
        for line in readelf("--dyn-syms", path).splitlines()
        if re.search(r"\b(GLOBAL|WEAK)\b", line) and " UND " not in line
    ]
    assert exported == ["churn_plugin_entry"]


def test_all_plugins_were_built():
    assert {p.stem for p in PLUGINS} >= {
        "order_placed",
        "kafka",
        "redis",
        "lmdb",
        "filter",
        "prediction",
        "alert",
        "generate",
    }
    assert len(PLUGINS) >= 12 + 3 + 1 + 2 + 5


def test_plugins_include_nothing_of_the_host():
    """Only <churn/…>, system and library headers, and the files of plugins/common by plain name."""
    common = {p.name for p in SRC.glob("plugins/common/*.h")}
    core = {p.name for p in SRC.glob("core/**/*.h") if "include" not in p.parts}
    examples = [p for p in SRC.glob("examples/**/*.[ch]") if not p.name.startswith("test_")]
    for path in [*SRC.glob("plugins/**/*.[ch]"), *examples]:
        siblings = {p.name for p in path.parent.glob("*.h")}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
            if not include:
                continue
            quote, name = include.groups()
            where = f"{path.relative_to(SRC)}:{number}: {line.strip()}"
            if quote == '"':
                assert name in common | siblings, where
            else:
                assert ".." not in name and (name.startswith("churn/") or name not in core), where
                if name.startswith("churn/"):
                    assert (SRC / "core/include" / name).is_file(), where


@pytest.mark.parametrize("header", HEADERS, ids=lambda p: str(p.relative_to(SRC / "core/include")))
@pytest.mark.parametrize(
    "compiler", ["gcc -std=c11", "clang -std=c11", "g++ -x c++ -std=c++17", "g++ -x c++ -std=c++20"]
)
def test_header_stands_alone(header, compiler, tmp_path):
    """Each public header compiles by itself, as C11 and as C++."""
    command = compiler.split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    source = tmp_path / "one.c"
    source.write_text(f"#include <{header.relative_to(SRC / 'core/include')}>\n")
    done = subprocess.run(
        [*command, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{SRC}/core/include", str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


# --- Plugins that must be refused. tests/abi/NAME.c begins with a comment: EXPECT, the words of the message. ---

BAD = sorted((SRC / "tests/abi").glob("*.c"))


def compile_plugin(source, target, *more, include=SRC / "core/include"):
    command = [
        "gcc",
        "-std=gnu11",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-fvisibility=hidden",
        "-shared",
        f"-I{include}",
        "-o",
        str(target),
        str(source),
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def pipeline_with(folder, event_types=()):
    path = folder / "p.yaml"
    (folder / "in.jsonl").write_text("")
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(folder / "in.jsonl")},
                "events": {"types": list(event_types)},
                "store": {"plugin": "lmdb", "path": str(folder / "store")},
                "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
            }
        )
    )
    return path


@pytest.mark.parametrize("layout", ["flat", "role"])
@pytest.mark.parametrize("source", BAD, ids=lambda p: p.stem)
def test_bad_plugin_is_refused(source, layout, tmp_path):
    """With a message that names the file and both values; nothing of the plugin is called."""
    words = re.search(r"EXPECT (.*?)\s*\*/", source.read_text()).group(1).split(" | ")
    folder = tmp_path / "plugins"
    target = (folder / "event" if layout == "role" else folder) / f"{source.stem}.so"
    target.parent.mkdir(parents=True)
    compile_plugin(source, target)
    for args in (
        ["plugins"],
        ["check", "-c", pipeline_with(tmp_path)],
        ["run", "-c", pipeline_with(tmp_path, [source.stem])],
    ):
        if source.stem == "wrong_kind" and layout == "flat" and args[0] != "run":
            continue  # a flat folder may hold any kind
        done = run_churnd(*args, "--plugin-path", folder, cwd=tmp_path)
        assert done.returncode == 1, (args, done.returncode, done.stdout, done.stderr)
        assert str(target) in done.stderr or source.stem in done.stderr, done.stderr
        for word in words:
            assert word in done.stderr, (args, word, done.stderr)
        assert "canary" not in done.stderr + done.stdout


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "plugins/event").mkdir(parents=True)
    (tmp_path / "plugins/event/text.so").write_text("not a library\n")
    done = run_churnd("plugins", "--plugin-path", tmp_path / "plugins")
    assert done.returncode == 1 and "text.so" in done.stderr


def test_newer_minor_version_loads(tmp_path):
    """A plugin of a later minor version, with longer structs and rows, works as the members of this version say."""
    source = SRC / "tests/abi/accepted/newer_minor.c"
    (tmp_path / "plugins").mkdir()
    compile_plugin(source, tmp_path / "plugins/newer_minor.so")
    path = pipeline_with(tmp_path)
    (tmp_path / "in.jsonl").write_text(
        '{"event_id":"a","event_type":"newer_minor","customer_id":"c","timestamp":"2026-01-01T00:00:00Z","data":{"n":5}}\n'
        '{"event_id":"b","event_type":"newer_minor","customer_id":"c","timestamp":"2026-01-01T00:00:01Z","data":{"n":-1}}\n'
    )
    run_churnd("-c", path, "--plugin-path", tmp_path / "plugins", cwd=tmp_path, check=0)
    text = run_churnd(
        "profile", "-c", path, "c", "--format", "json", "--plugin-path", tmp_path / "plugins", cwd=tmp_path, check=0
    ).stdout
    assert re.search(r'"newer_sum":\s*5\b', text) and re.search(r'"events_total":\s*1\b', text)


def test_two_plugins_that_disagree_about_a_field(tmp_path):
    """A profile field declared in two ways is an error that names both plugins and the field."""
    (tmp_path / "plugins").mkdir()
    compile_plugin(SRC / "tests/abi/accepted/disagrees.c", tmp_path / "plugins/disagrees.so")
    done = run_churnd(
        "check", "-c", pipeline_with(tmp_path), "--plugin-path", tmp_path / "plugins", cwd=tmp_path, check=1
    )
    for word in ("total_spent", "disagrees", "order_placed"):
        assert word in done.stderr, done.stderr


def test_sources_hold_no_marks_of_unfinished_work():
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    for folder in ("core", "plugins", "config", "examples", "scripts", "tests"):
        for path in (SRC / folder).rglob("*"):
            if path.suffix in (".c", ".h", ".cc", ".cpp", ".py", ".sh", ".yaml", ".am") and path.is_file():
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                    assert not words.search(line), f"{path.relative_to(SRC)}:{number}: {line.strip()}"


@pytest.mark.parametrize("page", sorted((SRC / "man").glob("*.[0-9]")), ids=lambda p: p.name)
def test_manual_page(page):
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc here")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# --- The Debian packages ---


def test_the_package_is_built_with_what_the_build_needs():
    """Build-Depends of debian/control has all that scripts/install-deps.sh installs for a build, but for what debhelper brings."""
    script, control = (SRC / "scripts/install-deps.sh").read_text(), (SRC / "debian/control").read_text()
    needed = set(re.search(r"^build=\(([^)]*)\)", script, re.M)[1].split())
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.M)[1]
    named = set(re.findall(r"[a-z0-9.+-]{2,}", re.sub(r"\([^)]*\)|<[^>]*>", "", field)))
    assert needed - named == {"build-essential", "autoconf", "automake", "libtool"}


def test_each_plugin_is_in_one_package():
    """And each file of the packages is there: a new plugin needs a line in debian/."""
    lists = sorted((SRC / "debian").glob("*.install"))
    assert len(lists) == 7
    patterns = [
        line.removeprefix("usr/lib/*/churn/plugins-1/")
        for path in lists
        for line in path.read_text().splitlines()
        if "plugins-1/" in line
    ]
    for plugin in PLUGINS:
        name = f"{plugin.parents[1].name}/{plugin.name}"
        assert sum(pattern in (name, name.split("/")[0]) for pattern in patterns) == 1, name
