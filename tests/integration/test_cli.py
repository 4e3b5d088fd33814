"""The command line: descriptions, the quickstart, secrets, plugins built out of tree."""

import base64
import json
import os
import random
import re
import shutil
import socket
import subprocess

import events
import jsonschema
import oracle
import pytest
import yaml
from conftest import log_lines
from services import CHURND, SRC, clean_environment, run_churnd


def config_files():
    """But for tests, and those beside a plugin that must be built first, which that plugin's tests run."""
    found = [*SRC.glob("config/*.yaml"), *SRC.glob("examples/**/*.yaml")]
    return sorted(p for p in found if not p.name.endswith(".test.yaml") and not (p.parent / "Makefile").is_file())


# --- The command line ---


@pytest.mark.parametrize(
    "args",
    [
        ["-c"],
        ["-c", "nowhere.yaml"],
        [],
        ["frobnicate"],
        ["--frobnicate"],
        ["run"],
        ["describe", "nothing"],
        ["check"],
        ["profile", "-c", "nowhere.yaml", "x"],
        ["check", "-c", "nowhere.yaml"],
        ["run", "-c", "x", "--log-level", "LOUD"],
        ["rebuild", "-c", "x"],
        ["verify", "-c", "x"],
        ["rebuild", "-c", "x", "--into", "a", "b"],
        ["run", "-c", "x", "--into", "a"],
        ["rebuild", "-c", "x", "--into", "a", "--against", "b"],
    ],
)
def test_wrong_command_line(args, tmp_path):
    done = run_churnd(*args, cwd=tmp_path)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.strip() and done.stdout == ""


def test_directory_binary_and_empty_files_as_pipeline(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "empty.yaml").write_bytes(b"")
    (tmp_path / "list.yaml").write_text("- a\n")
    for path in (tmp_path, tmp_path / "binary.yaml", tmp_path / "empty.yaml", tmp_path / "list.yaml"):
        done = run_churnd("check", "-c", path)
        assert done.returncode == 1 and str(path) in done.stderr, done.stderr


@pytest.mark.parametrize("path", config_files(), ids=lambda p: str(p.relative_to(SRC)))
def test_shipped_pipelines_pass_the_check(path, tmp_path):
    text = path.read_text()
    needed = dict.fromkeys(re.findall(r"\$\{(\w+):\?", text), "http://127.0.0.1:1/x")
    run_churnd("check", "-c", path, cwd=tmp_path, env=needed, check=0)


def test_secrets_are_never_shown(tmp_path):
    """Neither in messages about other things, nor when the secret itself is wrong, nor in what is described."""
    secret = "hunter2-canary"
    path = tmp_path / "p.yaml"
    for bad in ("port: 99999999", "host: [1]", "prot: 1", "key_prefix: {a: b}"):
        path.write_text(
            "source:\n  plugin: kafka\n  topics: [a]\n  properties:\n    sasl.password: ${PW}\n    sasl.mechanismm: x\n"
            f"store:\n  plugin: redis\n  password: ${{PW}}\n  {bad}\nsinks:\n  - plugin: prediction\n    token: ${{PW}}\n"
        )
        done = run_churnd("check", "-c", path, env={"PW": secret}, check=1)
        assert secret not in done.stdout + done.stderr
    path.write_text(f"store:\n  plugin: redis\n  password: [{secret}]\n  port: ${{PW}}\n")
    done = run_churnd("check", "-c", path, env={"PW": secret}, check=1)
    assert secret not in done.stdout + done.stderr


def test_env_file(tmp_path):
    """`.env` of the working directory is honoured, and the environment wins."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "source:\n  plugin: generate\n  events: ${N_EVENTS:?no number}\n  rate: 0\n"
        "sinks:\n  - plugin: file\n    path: ${OUT:-default.jsonl}\n"
    )
    (tmp_path / ".env").write_text("# a comment\nN_EVENTS=7\nexport OUT='one.jsonl'\n")
    run_churnd("-c", path, cwd=tmp_path, check=0)
    assert len((tmp_path / "one.jsonl").read_text().splitlines()) == 7
    run_churnd("-c", path, cwd=tmp_path, env={"N_EVENTS": "3", "OUT": "two.jsonl"}, check=0)
    assert len((tmp_path / "two.jsonl").read_text().splitlines()) == 3


def test_an_env_file_that_is_not_there_though_it_should(tmp_path):
    """A link into a volume that is not mounted must not mean the defaults."""
    path = tmp_path / "p.yaml"
    path.write_text("source: {plugin: generate, events: 1}\nsinks: [{plugin: file, path: out.jsonl}]\n")
    run_churnd("check", "-c", path, cwd=tmp_path, check=0)
    (tmp_path / ".env").symlink_to("nowhere/env")
    done = run_churnd("check", "-c", path, cwd=tmp_path, check=1)
    assert ".env: No such file or directory" in done.stderr, done.stderr


def test_a_redrive_and_a_rebuild_leave_the_health_page_to_the_pipeline(tmp_path):
    """They run beside it, from the same file."""
    (tmp_path / "e.jsonl").write_text("no event\n")
    path = tmp_path / "p.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path.write_text(
            f"source: {{plugin: file, path: e.jsonl}}\nstore: {{plugin: lmdb, path: db}}\n"
            f"sinks: [{{plugin: file, input: alerts, path: al}}]\ndead_letters: {{plugin: file, path: dead}}\n"
            f"health: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}\n"
        )
        done = run_churnd("-c", path, cwd=tmp_path, check=1)
        assert "cannot be listened on" in done.stderr
        (tmp_path / "dead").write_text("")
        run_churnd("redrive", "-c", path, cwd=tmp_path, check=0)
        run_churnd("rebuild", "-c", path, "--into", "anew:", cwd=tmp_path, check=0)


def test_an_env_file_of_somebody_else(tmp_path):
    """It may say what a pipeline asks for, and nothing that leads to code; one that others can write says nothing."""
    marker, plugins = tmp_path / "ran", tmp_path / "plugins"
    plugins.mkdir()
    (tmp_path / "evil.c").write_text(f"""#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void at_once(void) {{ (void)close(open("{marker}", O_CREAT | O_WRONLY, 0600)); }}
int churn_plugin_entry[32] = {{0x4e525543, 72, 1}};
""")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", plugins / "evil.so", tmp_path / "evil.c"], check=True)
    path = tmp_path / "p.yaml"
    path.write_text(
        "source: {plugin: generate, events: '${N:-1}', rate: 0}\nsinks: [{plugin: file, path: out.jsonl}]\n"
    )
    env = tmp_path / ".env"
    env.write_text(f"CHURN_PLUGIN_PATH={plugins}\nLD_PRELOAD={plugins}/evil.so\nN=7\nCHURND_CONFIG=nowhere.yaml\n")
    for command in [
        ("plugins",),
        ("describe", "login"),
        ("check", "-c", path),
        ("run", "-c", path),
        ("graph", "-c", path),
        ("completion", "bash"),
        ("completion", "plugins"),
        ("check", "-c", path, "--env-file", ".env"),
    ]:
        run_churnd(*command, cwd=tmp_path, check=0)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 7 and not marker.exists()
    env.chmod(0o666)
    for extra in ((), ("--env-file", env)):
        done = run_churnd("check", "-c", path, *extra, cwd=tmp_path, check=1)
        assert ".env: is not taken, for others can write it (mode 666); `chmod go-w" in done.stderr, done.stderr
    run_churnd("plugins", cwd=tmp_path, check=0)  # which asks for nothing of it


@pytest.mark.parametrize("kind", ["folder", "fifo", "missing"])
def test_an_env_file_that_is_none(kind, tmp_path):
    path, env = tmp_path / "p.yaml", tmp_path / "x"
    path.write_text("source: {plugin: generate, events: 1}\nsinks: [{plugin: file, path: out.jsonl}]\n")
    words = {"folder": "is a folder", "fifo": "is a FIFO", "missing": "No such file or directory"}[kind]
    if kind == "folder":
        env.mkdir()
    elif kind == "fifo":
        os.mkfifo(env)
    for command in (("check", "-c", path), ("plugins",)):
        done = run_churnd(*command, "--env-file", env, cwd=tmp_path, check=1)
        assert f"churnd: --env-file: {env}: {words}" in done.stderr
    if kind != "missing":
        env.rename(tmp_path / ".env")
        assert f".env: {words}" in run_churnd("check", "-c", path, cwd=tmp_path, check=1).stderr


def test_help_is_a_command_too():
    assert run_churnd("help", check=0).stdout == run_churnd("--help", check=0).stdout
    assert run_churnd("help", "check", check=0).stdout.startswith("churnd turns")


LITTLE = "source: {plugin: generate, events: 1, rate: 0}\nsinks: [{plugin: file, path: out.jsonl}]\n"


def test_a_pipeline_file_that_is_none(tmp_path):
    """A FIFO has a writer or not; nobody waits to find out. A pipe that the shell has opened is read to its end."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "p.yaml").write_text(LITTLE)
    for command in ("check", "run", "graph", "test", "profile", "redrive"):
        more = ["C1"] if command == "profile" else []
        for name, kind in (("fifo", "a FIFO"), (".", "a folder"), ("/dev/null", "a device")):
            done = run_churnd(command, "-c", name, *more, cwd=tmp_path, check=1)
            assert f"{name}: is {kind}, no pipeline file" in done.stderr, done.stderr
    binary = CHURND
    for line in (
        f"cat p.yaml | {binary} check -c /dev/stdin",
        f"{binary} check -c <(cat p.yaml)",
        f"{binary} check -c /dev/stdin <p.yaml",
    ):
        subprocess.run(["bash", "-c", line], cwd=tmp_path, check=True, timeout=60)


def test_an_env_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "source: {plugin: generate, events: '${N}', rate: 0}\nsinks: [{plugin: file, path: out.jsonl}]\n"
    )
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfN=3\n")
    run_churnd("-c", "p.yaml", cwd=tmp_path, check=0)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


ESCAPES = "\x1b]0;title\x07\x1b[31m\u009b2J\x7f\r"


def test_nothing_that_is_shown_makes_the_terminal_do_things(tmp_path):
    """Whoever fills a pipeline file, a customer's data or a test with control characters finds them shown as what they are."""
    (tmp_path / "e.jsonl").write_text(
        json.dumps(
            {
                "event_id": ESCAPES,
                "event_type": ESCAPES,
                "customer_id": "a",
                "timestamp": "2026-01-01T00:00:00Z",
                "data": {},
            }
        )
        + "\n"
    )
    path = tmp_path / "p.yaml"
    good = {
        "source": {"plugin": "file", "path": "e.jsonl"},
        "store": {"plugin": "lmdb", "path": "db"},
        "sinks": [{"plugin": "alert", "to": "log"}],
        "dead_letters": {"plugin": "file", "path": "dead"},
        "tests": [
            {
                "name": "t",
                "events": [
                    {
                        "event_type": "refund_requested",
                        "customer_id": "a",
                        "data": {"order_id": ESCAPES, "amount": 1, "reason": ESCAPES},
                    }
                ],
                "expect": {"dead_letters": [{"value": ESCAPES}]},
            }
        ],
    }
    path.write_text(yaml.safe_dump(good))
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump({**good, "source": {"plugin": ESCAPES, ESCAPES: 1}, "name": ESCAPES}))
    for command, words in [
        (("run", "-c", path), ""),
        (("check", "-c", bad), "\\u001b]0;title\\u0007\\u001b[31m\\u009b2J\\u007f\\u000d"),
        (("check", "-c", bad, "--format", "json"), "\\u009b2J"),
        (("profile", "-c", path, ESCAPES), "\\u001b[31m\\u009b2J"),
        (("test", "-c", path), "\\u009b2J"),
        (("describe", ESCAPES), "\\u009b2J"),
        (("redrive", "-c", path), ""),
        (("run", "-c", path, "--log-format", "json"), ""),
        ((ESCAPES,), "\\u009b2J"),
    ]:
        done = run_churnd(*command, cwd=tmp_path)
        shown = done.stdout + done.stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown), (command, shown)
        assert words in shown, (command, shown)
        if "--format" in command:
            assert "\u009b2J" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_a_pipeline_without_its_option(tmp_path):
    """The first thing that everybody tries."""
    for command in ((), ("run",), ("check",), ("graph",)):
        done = run_churnd(*command, "p.yaml", check=1, cwd=tmp_path)
        assert f"a pipeline is named with -c: churnd {' '.join((*command, '-c p.yaml'))}\n" in done.stderr, done.stderr


def test_what_only_a_shell_replaces(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "source: {plugin: file, path: $HOME/e.jsonl}\nstore: {plugin: lmdb, path: ~/db}\n"
        "dead_letters: {plugin: file, path: 'dead$'}\n"
    )
    done = run_churnd("check", "-c", "p.yaml", check=0, cwd=tmp_path)
    assert (
        "p.yaml:1:30: warning: file: '$HOME/e.jsonl': `$` stands for itself here; a variable is written ${HOME}\n"
        in done.stderr
    )
    assert (
        "p.yaml:2:29: warning: lmdb: '~/db': `~` stands for itself here, not for your home; write ${HOME}/db\n"
        in done.stderr
    )
    assert "dead$" not in done.stderr


FORGED = "x\nforged: good"


def test_nothing_that_is_shown_breaks_a_line(tmp_path):
    """Names of files and folders, and what files hold, may have line ends: nobody forges a line of ours with them."""
    folder = tmp_path / f"{FORGED} plugins"
    folder.mkdir()
    (folder / f"{FORGED}.so").write_text("no plugin")
    shutil.copy(next(CHURND.parent.glob("plugins/event/.libs/login.so")), folder / f"{FORGED} login.so")
    (tmp_path / "e.jsonl").write_text("")
    good = {
        "source": {"plugin": "file", "path": "e.jsonl"},
        "store": {"plugin": "lmdb", "path": "db"},
        "dead_letters": {"plugin": "file", "path": "dead", "name": FORGED},
        "tests": [
            {
                "name": FORGED,
                "events": [{"event_type": "login", "customer_id": "a", "data": {}}],
                "expect": {"profiles": {FORGED: {}}},
            }
        ],
    }
    path, bad = tmp_path / f"{FORGED}.yaml", tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(good))
    bad.write_text(yaml.safe_dump({**good, FORGED: 1, "source": {"plugin": FORGED}, "plugin_path": [str(folder)]}))
    found = ("--plugin-path", folder)
    for command in [
        ("plugins", *found),
        ("describe", "login", *found),
        ("check", "-c", path, *found),
        ("check", "-c", path),
        ("check", "-c", bad),
        ("run", "-c", path),
        ("test", "-c", path),
        ("profile", "-c", path, FORGED),
        ("describe", FORGED),
        ("plugin-check", folder / f"{FORGED}.so"),
        ("check", "-c", "p.yaml", "--env-file", folder),
        ("new-plugin", FORGED, folder),
        ("plugins", "--plugin-path", FORGED),
        (FORGED,),
    ]:
        done = run_churnd(*command, cwd=tmp_path)
        shown = done.stdout + done.stderr
        assert not re.search("^forged", shown, re.M), (command, shown)
        assert "x\\u000aforged: good" in shown, (command, shown)
    done = run_churnd("completion", "plugins", *found, check=0)
    assert "forged" not in done.stdout + done.stderr


# --- What there is ---


def test_version_and_help():
    assert re.fullmatch(r"churnd \d+\.\d+\.\d+, plugin ABI \d+\.\d+\n", run_churnd("--version", check=0).stdout)
    text = run_churnd("--help", check=0).stdout
    for word in ("check", "plugins", "describe", "profile", "--until-end"):
        assert word in text


def test_plugins_list():
    text = run_churnd("plugins", check=0).stdout
    for name in [
        *oracle.TYPES,
        "kafka",
        "file",
        "generate",
        "dedup",
        "filter",
        "redis",
        "lmdb",
        "prediction",
        "prediction_local",
        "prediction_xgboost",
        "alert",
    ]:
        assert re.search(rf"\b{name}\b", text), name


@pytest.mark.parametrize("kind", sorted(oracle.TYPES))
def test_description_of_an_event_type(kind):
    text = run_churnd("describe", kind, check=0).stdout
    for name in oracle.TYPES[kind]:
        assert name in text


@pytest.mark.parametrize(
    "name",
    ["redis", "lmdb", "generate", "dedup", "filter", "prediction", "prediction_local", "prediction_xgboost", "alert"],
)
def test_description_of_a_plugin(name):
    assert name in run_churnd("describe", name, check=0).stdout
    json.loads(run_churnd("describe", name, "--format", "json", check=0).stdout)


def generated(tmp_path, count, **options):
    """Events of the generator, as lines."""
    path = tmp_path / "generate.yaml"
    source = {"plugin": "generate", "events": count, "rate": 0, "customers": 50, "seed": 3, **options}
    path.write_text(yaml.safe_dump({"source": source, "sinks": [{"plugin": "file", "path": "events.jsonl"}]}))
    run_churnd("-c", path, cwd=tmp_path, check=0)
    return (tmp_path / "events.jsonl").read_bytes().splitlines()


def test_json_schema_agrees_with_the_contract(tmp_path):
    """Generated events satisfy their type's schema; typed mistakes do not."""
    validators = {}
    for kind in oracle.TYPES:
        schema = json.loads(run_churnd("describe", kind, "--json-schema", check=0).stdout)
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[kind] = jsonschema.Draft202012Validator(schema)
    lines = generated(tmp_path, 3000)
    assert len(lines) == 3000
    seen = set()
    for line in lines:
        event = json.loads(line)
        oracle.decode(line)
        validators[event["event_type"]].validate(event)
        seen.add(event["event_type"])
    assert seen == set(oracle.TYPES)
    for kind, data in events.FULL.items():
        good = events.event(kind, data)
        validators[kind].validate(good)
        validators[kind].validate({**good, "extra": [None], "data": {**data, "extra": {}}})
        for wrong in (
            {**good, "timestamp": 5},
            {**good, "data": []},
            {**good, "event_id": ""},
            {**good, "event_type": "other"},
            {k: v for k, v in good.items() if k != "customer_id"},
        ):
            assert not validators[kind].is_valid(wrong), (kind, wrong)
        for name, (what, required, _extra) in oracle.TYPES[kind].items():
            without = {k: v for k, v in data.items() if k != name}
            assert validators[kind].is_valid({**good, "data": without}) is not required
            for value in (None, {}, *(() if what == oracle.STR else ("x", -1))):
                assert not validators[kind].is_valid({**good, "data": {**data, name: value}}), (kind, name, value)


def test_generator_is_deterministic_and_breaks_what_it_is_told(tmp_path):
    first = generated(tmp_path, 2000, start_time="2026-01-01T00:00:00Z", bad_share=0.1)
    (tmp_path / "events.jsonl").unlink()
    assert generated(tmp_path, 2000, start_time="2026-01-01T00:00:00Z", bad_share=0.1) == first
    model = oracle.Model()
    for i, line in enumerate(first):
        model.feed("g", 0, i, None, line)
    assert 120 < len(model.dead) < 280
    assert len({d.reason for d in model.dead.values()}) >= 4


# --- The quickstart ---


def quickstart_events(tmp_path):
    """The same events as config/quickstart.yaml makes, from the same source into a file."""
    source = yaml.load((SRC / "config/quickstart.yaml").read_text(), yaml.BaseLoader)["source"]
    path = tmp_path / "same.yaml"
    path.write_text(yaml.safe_dump({"source": source, "sinks": [{"plugin": "file", "path": "same.jsonl"}]}))
    run_churnd("-c", path, cwd=tmp_path, check=0)
    return oracle.Model().feed_lines(tmp_path / "same.jsonl", "generate")


def test_quickstart_is_exact(tmp_path):
    config = SRC / "config/quickstart.yaml"
    model = quickstart_events(tmp_path)
    env = {"CHURN_DATA": str(tmp_path / "data")}
    for turn in range(2):  # the second run counts nothing twice
        run = run_churnd("-c", config, cwd=tmp_path, env=env, check=0)
        for number in (model.events, len(model.dead), len(model.profiles), len(model.alerts)):
            assert turn or re.search(rf"\b{number}\b", re.sub(r"(\d),(\d)", r"\1\2", run.stdout)), (number, run.stdout)
        expected = model.profile_fields()
        actual = {}
        for customer in sorted(expected)[::10] + [max(expected, key=lambda c: int(expected[c]["events_total"]))]:
            done = run_churnd("profile", "-c", config, customer, "--format", "json", cwd=tmp_path, env=env, check=0)
            profile = json.loads(done.stdout, parse_int=str, parse_float=str)
            actual[customer] = profile.get("profile", profile)
        oracle.assert_profiles_of(expected, actual)
    letters = [json.loads(line) for line in (tmp_path / "data/dead-letters.jsonl").read_text().splitlines()]
    assert {letter["offset"]: letter["reason"] for letter in letters}.keys() == {p[2] for p in model.dead}
    for letter in letters:
        assert letter["reason"] in model.dead["generate", 0, letter["offset"]].reason.split("|")


def test_file_dead_letters_are_the_original_bytes(tmp_path):
    """A file of adversaries, one a line, through LMDB and a dead-letter file."""
    values = [v for _, v in events.broken() + events.valid() if v and b"\n" not in v and b"\r" not in v]
    (tmp_path / "in.jsonl").write_bytes(b"".join(v + b"\n" for v in values))
    path = tmp_path / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": "store"},
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
            }
        )
    )
    run_churnd("-c", path, cwd=tmp_path, check=0)
    model = oracle.Model().feed_lines(tmp_path / "in.jsonl", "in")
    letters = []
    for line in (tmp_path / "dead.jsonl").read_bytes().splitlines():
        letter = json.loads(line)
        value = base64.b64decode(letter["value_base64"]) if "value_base64" in letter else letter["value"].encode()
        assert letter["detail"]
        letters.append((letter["reason"], "in", letter["partition"], values.index(value), None, value))
    assert len(letters) == len(model.dead)
    oracle.assert_dead_letters(model, letters)
    for customer in list(model.profiles)[:40]:
        done = run_churnd("profile", "-c", path, customer, "--format", "json", cwd=tmp_path, check=0)
        profile = json.loads(done.stdout, parse_int=str, parse_float=str)
        oracle.assert_profiles_of(
            {customer: model.profiles[customer].fields()}, {customer: profile.get("profile", profile)}
        )


def test_profile_command(tmp_path):
    config, env = SRC / "config/quickstart.yaml", {"CHURN_DATA": str(tmp_path / "data")}
    run_churnd("-c", config, cwd=tmp_path, env=env, check=0)
    model = quickstart_events(tmp_path)
    customer = max(model.profiles, key=lambda c: model.profiles[c].total)
    text = run_churnd("profile", "-c", config, customer, cwd=tmp_path, env=env, check=0).stdout
    for name, value in model.profiles[customer].fields().items():
        assert re.search(rf"\b{name}\b.*{re.escape(value)}", text), (name, value, text)
    done = run_churnd("profile", "-c", config, "nobody at all", cwd=tmp_path, env=env, check=1)
    assert "nobody at all" in done.stderr and done.stdout == ""


def test_logs_in_json(tmp_path):
    env = {"CHURN_DATA": str(tmp_path / "data")}
    done = run_churnd(
        "-c",
        SRC / "config/quickstart.yaml",
        "--log-format",
        "json",
        "--log-level",
        "DEBUG",
        cwd=tmp_path,
        env=env,
        check=0,
    )
    lines = log_lines(done.stderr)
    assert lines and all(isinstance(line, dict) for line in lines)
    assert all(
        {"level", "message"}
        <= {"level" if k in ("level", "severity") else "message" if k in ("message", "msg") else k for k in line}
        for line in lines
    )
    quiet = run_churnd(
        "-c",
        SRC / "config/quickstart.yaml",
        "--log-level",
        "ERROR",
        cwd=tmp_path,
        env={"CHURN_DATA": str(tmp_path / "data2")},
        check=0,
    )
    assert quiet.stderr == ""


def test_filter(tmp_path):
    lines = generated(tmp_path, 2000)
    path = tmp_path / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "events.jsonl"},
                "store": {"plugin": "lmdb", "path": "store"},
                "processors": [{"plugin": "filter", "event_types": ["login", "order_placed"]}],
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
            }
        )
    )
    run_churnd("-c", path, cwd=tmp_path, check=0)
    model = oracle.Model()
    for i, line in enumerate(lines):
        if json.loads(line)["event_type"] in ("login", "order_placed"):
            model.feed("events", 0, i, None, line)
    for customer in list(model.profiles)[:10]:
        done = run_churnd("profile", "-c", path, customer, "--format", "json", cwd=tmp_path, check=0)
        profile = json.loads(done.stdout, parse_int=str, parse_float=str)
        oracle.assert_profiles_of(
            {customer: model.profiles[customer].fields()}, {customer: profile.get("profile", profile)}
        )


def test_dedup(tmp_path):
    """Copies near and far behind a filter, in LMDB: the first one that the filter lets pass counts, also in a replay."""
    rng = random.Random(5)
    lines = generated(tmp_path, 4000)
    hidden = []
    for line in lines[:200]:  # the same ids, in events that the filter leaves out: they claim nothing
        hidden.append(json.dumps({**json.loads(line), "event_type": "login", "data": {}}).encode())
    mixed = hidden + [copy for line in lines for copy in [line] * (2 if rng.random() < 0.1 else 1)]
    mixed += rng.sample(lines, 400)
    (tmp_path / "in.jsonl").write_bytes(b"".join(line + b"\n" for line in mixed))
    path = tmp_path / "p.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": "store"},
                "processors": [{"plugin": "filter", "drop_event_types": ["login"]}, {"plugin": "dedup"}],
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
            }
        )
    )
    model, seen, copies = oracle.Model(), set(), 0
    for i, line in enumerate(mixed):
        event = json.loads(line)
        if event["event_type"] != "login":
            identity = (event["customer_id"], event["event_id"])
            copies += identity in seen
            if identity not in seen:
                model.feed("in", 0, i, None, line)
            seen.add(identity)
    assert copies > 600
    for applied, replay in (
        (f"applied {len(seen):,}", ()),
        (f"already counted {len(seen):,}", ("--replay-from", "beginning")),
    ):
        run = run_churnd("-c", path, *replay, cwd=tmp_path, check=0)
        assert applied in run.stdout and f"duplicate {copies:,}" in run.stdout, run.stdout
    for customer in model.profiles:
        done = run_churnd("profile", "-c", path, customer, "--format", "json", cwd=tmp_path, check=0)
        profile = json.loads(done.stdout, parse_int=str, parse_float=str)
        oracle.assert_profiles_of(
            {customer: model.profiles[customer].fields()}, {customer: profile.get("profile", profile)}
        )


def into_a_closed_pipe(*args):
    """Exit status and standard error where nobody reads what is printed."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [CHURND, *args], stdout=writer, stderr=subprocess.PIPE, env=clean_environment(), timeout=120, check=False
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_whoever_prints_to_somebody_who_has_seen_enough(tmp_path):
    """As `| head` has: no error, whatever is printed; a disk that is full is one."""
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(order(i)) + "\n" for i in range(2)))
    config = tmp_path / "p.yaml"
    config.write_text(
        f"source: {{plugin: file, path: {source}}}\nstore: {{plugin: lmdb, path: {tmp_path / 'store'}}}\n"
        f"dead_letters: {{plugin: file, path: {tmp_path / 'dead'}}}\n"
    )
    assert into_a_closed_pipe("run", "-c", config, "--log-level", "ERROR") == (0, b"")
    assert into_a_closed_pipe("rebuild", "-c", config, "--into", "other:", "--log-level", "ERROR") == (0, b"")
    for command in (
        ("describe", "kafka"),
        ("describe", "--format", "json"),
        ("plugins",),
        ("schema",),
        ("completion", "bash"),
        ("graph", "-c", config),
        ("check", "-c", config),
        ("profile", "-c", config, "c0"),
        ("explain", "-c", config, "c0"),
        ("explain", "-c", config, "c0", "--format", "json"),
        ("verify", "-c", config, "--against", "other:"),
        ("--help",),
    ):
        assert into_a_closed_pipe(*command, *(["--log-level", "ERROR"] if "-c" in command else [])) == (0, b""), command
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [CHURND, "explain", "-c", config, "c0"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 1 and b"standard output cannot be written" in done.stderr


def order(number):
    data = {"order_id": f"o{number}", "order_value": 5, "items_count": 1, "payment_method": "card"}
    return {
        "event_id": f"c0_{number}",
        "event_type": "order_placed",
        "customer_id": "c0",
        "timestamp": "2026-01-02T00:00:00Z",
        "data": data,
    }
