"""What a plugin's author is given: `churnd new-plugin`, its templates with each build system, the harness, and the examples in
other languages; all against an installed churnd alone."""

import json
import os
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml
from services import SANITIZERS, SRC, clean_environment, run_churnd

TEMPLATES = SRC / "examples/plugin-template"
KINDS = {"event-type": "event", "processor": "processor", "sink": "sink", "source": "source"}
FLAGS = f"-O2 -Wall -Wextra -Werror {SANITIZERS}"  # a plugin's test loads what was built so too
STRICT = [f"CFLAGS={FLAGS}", f"CXXFLAGS={FLAGS}"]

plain_build = pytest.mark.skipif(SANITIZERS != "", reason="these flags are not passed on")


class Author:
    """Runs commands in a folder, with what is installed."""

    def __init__(self, folder, env):
        self.folder = folder
        self.env = clean_environment({**env, "XDG_STATE_HOME": str(folder / "state")})

    def run(self, *command, cwd=None, status=0):
        done = subprocess.run(
            [str(c) for c in command],
            cwd=cwd or self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done


@pytest.fixture
def author(installed, tmp_path):
    return Author(tmp_path, installed[2])


def exported(path):
    text = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    return [line.split()[-1] for line in text.splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_builds_passes_its_test_and_runs(kind, author):
    made = author.run("churnd", "new-plugin", kind, "first_try")
    assert "make && make test" in made.stdout
    folder = author.folder / "first_try"
    names = {p.name for p in folder.iterdir()}
    assert names >= {"first_try.c", "test_first_try.c", "Makefile", "pipeline.yaml", "README.md"}
    assert not any("my_" + KINDS[kind] in p.read_text() for p in folder.iterdir())
    author.run("make", *STRICT, cwd=folder)
    assert "test_first_try: passed" in author.run("make", "test", *STRICT, cwd=folder).stdout
    assert exported(folder / "first_try.so") == ["churn_plugin_entry"]
    run = author.run("churnd", "-c", "pipeline.yaml", "--plugin-path", ".", cwd=folder)
    assert re.search(r"applied [1-9]", run.stdout), run.stdout
    assert "dead letters              0" in run.stdout
    if kind == "processor":
        assert "filtered" in run.stdout
    if kind == "sink":
        lines = [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]
        assert len(lines) == int(re.search(r"alerts +(\d+)", run.stdout).group(1)) > 0
    if kind == "source":
        assert (folder / "events.jsonl.position").read_text() == "3\n"
        with open(folder / "events.jsonl", "a") as lines:
            lines.write((folder / "events.jsonl").read_text().splitlines()[-1].replace('"3"', '"4"') + "\n")
        again = author.run("churnd", "-c", "pipeline.yaml", "--plugin-path", ".", cwd=folder)
        assert re.search(r"events +1 +applied 1\n", again.stdout), again.stdout
    author.run("make", "install", f"DESTDIR={author.folder}/staged", cwd=folder)
    assert next((author.folder / "staged").rglob("*.so")).parent.name == KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_as_it_stands_is_what_new_plugin_copies(kind, author):
    """The templates are plugins themselves, and nothing of them but the name is changed."""
    name = "my_" + KINDS[kind]
    author.run("churnd", "new-plugin", kind, name)
    for path in (TEMPLATES / kind).iterdir():
        copy = re.sub(
            r"\$\(or \$\(wildcard /\S+/share/churnd/churn.mk\),(.*)\)$",
            r"\1",
            (author.folder / name / path.name).read_text(),
            flags=re.M,
        )
        assert copy == path.read_text()


def test_a_new_plugin_builds_where_nobody_named_the_installation(installed, tmp_path):
    """It was installed elsewhere than configured, and neither PATH nor pkg-config knows where: by its own path alone."""
    churnd, env = installed[1], {k: v for k, v in installed[2].items() if k != "PKG_CONFIG_PATH"}
    author = Author(tmp_path, {**env, "PATH": os.environ["PATH"]})
    author.run(churnd, "new-plugin", "event-type", "first_try")
    folder = author.folder / "first_try"
    author.run("make", *STRICT, cwd=folder)
    assert "test_first_try: passed" in author.run("make", "test", *STRICT, cwd=folder).stdout
    assert re.search(
        r"applied [1-9]", author.run(churnd, "-c", "pipeline.yaml", "--plugin-path", ".", cwd=folder).stdout
    )
    author.run("make", "install", cwd=folder)
    assert "first_try" in author.run(churnd, "plugins").stdout
    (churnd.parent.parent / "lib/churn/plugins-1/event/first_try.so").unlink()


def test_what_the_manuals_point_to_is_installed(installed):
    manuals = "".join(p.read_text() for p in (SRC / "man").iterdir())
    folder = installed[1].parent.parent / "share/doc/churnd"
    named = set(re.findall(r"(?<![\w/])((?:config|examples)/[\w./-]+?)(?=[\s,.]*(?:\s|$))", manuals))
    assert len(named) > 5
    for name in named - {"examples/plugin-template/"}:  # that is where new-plugin finds it
        assert (folder / name).exists(), name
    assert (folder.parent.parent / "churnd/plugin-template").is_dir()
    run_churnd("check", "-c", folder / "config/quickstart.yaml", check=0)


@pytest.mark.parametrize(
    "kind, name, words",
    [
        ("event-type", "gift-card", ["'gift-card' is no name", "gift_card_redeemed"]),
        ("event-type", "GiftCard", ["begin with a lower-case letter"]),
        ("event-type", "_gift", ["begin with a lower-case letter"]),
        ("event-type", "../gift", ["begin with a lower-case letter"]),
        ("event-type", "gift/card", ["is no name"]),
        ("event-type", "", ["begin with a lower-case letter"]),
        ("event-type", "g" * 65, ["65 characters; at most 64"]),
        ("event-type", "login", ["there is a plugin 'login' of this kind already", "login.so"]),
        (
            "event_type",
            "gift",
            ["there is no template 'event_type'", "did you mean 'event-type'?", "processor, sink and source"],
        ),
    ],
)
def test_bad_names_are_refused(kind, name, words, tmp_path):
    done = run_churnd("new-plugin", kind, name, "--dir", tmp_path, check=1)
    for word in words:
        assert word in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    """In a build tree too, where the templates are those of the sources."""
    run_churnd("new-plugin", "sink", "mine", "--dir", tmp_path, check=0)
    (tmp_path / "mine/mine.c").write_text("changed\n")
    done = run_churnd("new-plugin", "sink", "mine", "--dir", tmp_path, check=1)
    assert "is there already; nothing was written" in done.stderr
    assert (tmp_path / "mine/mine.c").read_text() == "changed\n"
    done = run_churnd("new-plugin", "sink", "other", "--dir", tmp_path / "missing", check=1)
    assert "cannot be made: No such file or directory" in done.stderr
    assert "an argument is missing" in run_churnd("new-plugin", "sink", check=1).stderr


@plain_build
@pytest.mark.parametrize(
    "file, build, test",
    [
        (
            "meson.build",
            [["meson", "setup", "build", "--werror"], ["meson", "compile", "-C", "build"]],
            ["meson", "test", "-C", "build"],
        ),
        (
            "CMakeLists.txt",
            [["cmake", "-B", "build"], ["cmake", "--build", "build"]],
            ["ctest", "--test-dir", "build", "--no-tests=error"],
        ),
    ],
)
def test_other_build_systems(file, build, test, author):
    assert shutil.which(build[0][0]), f"{build[0][0]} is missing: scripts/install-deps.sh test"
    author.run("churnd", "new-plugin", "sink", "built")
    folder = author.folder / "built"
    (folder / file).write_text((TEMPLATES / "other-build-systems" / file).read_text().replace("my_sink", "built"))
    for command in build:
        author.run(*command, cwd=folder)
    author.run(*test, cwd=folder)
    assert exported(folder / "build/built.so") == ["churn_plugin_entry"]
    author.run("churnd", "-c", "pipeline.yaml", "--plugin-path", "build", cwd=folder)
    assert (folder / "alerts.jsonl").stat().st_size > 0


@pytest.mark.parametrize(
    "example, compiler, plugin",
    [
        ("plugin-cpp", "g++", "daily_files"),
        pytest.param("plugin-rust", "rustc", "sample_customers", marks=plain_build),
    ],
)
def test_other_languages(example, compiler, plugin, author):
    assert shutil.which(compiler), f"{compiler} is missing: scripts/install-deps.sh test"
    folder = author.folder / example
    shutil.copytree(SRC / "examples" / example, folder)
    author.run("make", *STRICT, cwd=folder)
    assert exported(folder / f"{plugin}.so") == ["churn_plugin_entry"]
    assert f"test_{plugin}: passed" in author.run("make", "test", *STRICT, cwd=folder).stdout
    run = author.run("churnd", "-c", "pipeline.yaml", "--plugin-path", ".", cwd=folder)
    assert re.search(r"applied [1-9]", run.stdout), run.stdout
    if example == "plugin-cpp":
        assert sum(len(p.read_text().splitlines()) for p in (folder / "alerts").iterdir()) > 10
    else:
        (passed,) = re.findall(r"(\d+) of 1000 events passed", run.stderr)
        assert f"applied {passed}" in run.stdout


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
def test_the_macros_of_the_headers_work_in_cpp(standard, author):
    flags = author.run("pkg-config", "--cflags", "churn").stdout.split()
    author.run(
        "g++",
        f"-std={standard}",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-missing-field-initializers",
        "-fsyntax-only",
        *flags,
        SRC / "examples/plugin-cpp/daily_files.cc",
    )


def test_the_harness_shows_nothing_of_the_engine(installed):
    symbols = exported(next(installed[0].rglob("libchurn-test.so")))
    assert len(symbols) > 20 and all(s.startswith("churn_test_") for s in symbols), symbols


def test_where_plugins_are_looked_for(author, installed):
    """--plugin-path before CHURN_PLUGIN_PATH, both before the installation's; each may name several folders."""
    for place in ("option", "variable"):
        author.run("churnd", "new-plugin", "event-type", "twice_there", "--dir", make_folder(author.folder / place))
        folder = author.folder / place / "twice_there"
        source = folder / "twice_there.c"
        source.write_text(source.read_text().replace("One sentence for `churnd plugins`", f"from the {place}"))
        author.run("make", cwd=folder)
    option, variable = (author.folder / place / "twice_there" for place in ("option", "variable"))
    author.env["CHURN_PLUGIN_PATH"] = f"{author.folder}/missing:{variable}"
    assert "from the variable" in author.run("churnd", "describe", "twice_there").stdout
    both = author.run("churnd", "plugins", "--plugin-path", author.folder, "--plugin-path", option).stdout
    assert "from the option" in both and "from the variable" not in both and "order_placed" in both


def make_folder(path):
    path.mkdir()
    return path


def test_an_event_type_out_of_tree_is_exact(author):
    """Validated, folded and described from its tables, as those of the repository are."""
    author.run("churnd", "new-plugin", "event-type", "gift_card_redeemed")
    plugins = author.folder / "gift_card_redeemed"
    author.run("make", cwd=plugins)
    schema = json.loads(
        author.run("churnd", "describe", "gift_card_redeemed", "--json-schema", "--plugin-path", plugins).stdout
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    lines = [
        json.dumps(
            {
                "event_id": f"e{i}",
                "event_type": "gift_card_redeemed",
                "customer_id": "gina",
                "timestamp": f"2026-01-01T00:00:0{i}Z",
                "data": {"item_id": f"c{i}", "amount": amount},
            }
        )
        for i, amount in enumerate([10.25, 0.1, 3, -1])
    ]
    (author.folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    (author.folder / "p.yaml").write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": "store"},
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
                "plugin_path": [str(plugins)],
            }
        )
    )
    author.run("churnd", "check", "-c", "p.yaml")
    author.run("churnd", "-c", "p.yaml")
    profile = json.loads(
        author.run("churnd", "profile", "-c", "p.yaml", "gina", "--format", "json").stdout, parse_float=str
    )
    profile = profile.get("profile", profile)
    assert (
        profile["gift_card_redeemed_count"],
        profile["gift_card_redeemed_amount"],
        profile["last_gift_card_redeemed_at"],
        profile["events_total"],
    ) == (3, "13.35", "2026-01-01T00:00:02.000Z", 3)
    (dead,) = [json.loads(line) for line in (author.folder / "dead.jsonl").read_text().splitlines()]
    assert dead["reason"] == "invalid_value"
