"""docs/plugins.md and the README as somebody follows them: each command is run, and prints what is shown; and the map of
the code, docs/architecture.md and the README of each floor, against the code."""

import json
import re
import subprocess

import pytest
from services import SANITIZERS, SRC, clean_environment, run_churnd

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def commands(text):
    """Pairs (commands, output or None): a block of `sh` and the block without a language that follows it; or a `diff`."""
    blocks = FENCE.findall(text)
    for i, (language, content) in enumerate(blocks):
        if language == "sh":
            shown = blocks[i + 1][1] if i + 1 < len(blocks) and blocks[i + 1][0] == "" else None
            yield content, shown
        elif language == "diff":
            yield f"patch -p0 <<'END'\n{content}END", None


def assert_printed(shown, printed):
    """Line for line; … stands for anything, and alone in a line for any lines."""
    lines = [
        "(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + "\n" for line in shown.splitlines()
    ]
    assert re.fullmatch("".join(lines), printed), f"shown:\n{shown}\nprinted:\n{printed[-3000:]}"


@pytest.mark.skipif(
    SANITIZERS != "",
    reason="a program without sanitizers cannot load a harness with them",
)
def test_the_tutorial(installed, tmp_path):
    """From an installed prefix, in one shell, in a folder of its own."""
    _root, churnd, env = installed
    blocks = list(commands((SRC / "docs/plugins.md").read_text()))
    assert len(blocks) > 8 and sum(shown is not None for _, shown in blocks) > 8
    script = "\n".join(f"{{ {block}\n}} >{tmp_path}/out.{i} 2>&1" for i, (block, _) in enumerate(blocks))
    work = tmp_path / "work"
    work.mkdir()
    env = clean_environment({**env, "PREFIX": str(churnd.parent.parent), "XDG_STATE_HOME": str(tmp_path / "state")})
    done = subprocess.run(["bash", "-e", "-c", script], cwd=work, env=env, stdin=subprocess.DEVNULL, timeout=300)
    last = max(int(p.suffix[1:]) for p in tmp_path.glob("out.*"))
    assert done.returncode == 0, f"{blocks[last][0]}\n{(tmp_path / f'out.{last}').read_text()}"
    for i, (_, shown) in enumerate(blocks):
        if shown is not None:
            assert_printed(shown, (tmp_path / f"out.{i}").read_text())


def test_the_event_type_of_the_readme_is_what_new_plugin_writes(tmp_path):
    (block,) = [content for language, content in FENCE.findall((SRC / "README.md").read_text()) if language == "c"]
    run_churnd("new-plugin", "event-type", "gift_card_redeemed", "--dir", tmp_path, check=0)
    assert block == (tmp_path / "gift_card_redeemed/gift_card_redeemed.c").read_text()


def test_the_manual_says_the_defaults_that_the_tables_have():
    """Each `default 30s`, `default .Cm 30s`, `(30s)` in what churnd-pipeline(5) says of an option."""
    sections = json.loads(run_churnd("describe", "--format", "json", check=0).stdout)
    defaults = {}
    for section in sections:
        for option in section.get("options", []):
            if "section" in section and "default" in option:
                defaults.setdefault(option["name"], set()).add(option["default"])
    text = (SRC / "man/churnd-pipeline.5").read_text()
    checked = 0
    for names, said in re.findall(r"^\.It Cm (.*)\n((?:(?!\.It|\.El|\.Ss|\.Sh).*\n)*)", text, re.M):
        options = [name for name in re.findall(r"[a-z_]+", names) if name in defaults]
        values = re.findall(r"(?:default|\.Pq Cm|\()[\s]*(?:\.Cm |\.Ql )?(\d\w*)", said)
        for value in values if options else []:
            checked += 1
            assert any(value in defaults[name] for name in options), (
                f"{names}: the manual says {value}, not {defaults[options[0]]}"
            )
    assert checked > 8


@pytest.mark.parametrize("manual", sorted(p.name for p in (SRC / "man").iterdir()))
def test_commands_of_the_manuals_are_shown_as_they_are_written(manual):
    """mdoc takes a lone `.` for the end of a sentence, and puts it behind the word before it."""
    source = (SRC / "man" / manual).read_text()
    shown = subprocess.run(
        ["mandoc", "-T", "utf8", SRC / "man" / manual], check=True, capture_output=True, text=True
    ).stdout
    lines = {" ".join(re.sub(".\b", "", line).split()) for line in shown.splitlines()}
    for command in re.findall(r"^\.Dl (\$ .*)$", source, re.M):
        words = " ".join(word for word in command.replace("\\&", "").split() if word not in ("Ar", "Cm", "Ns"))
        assert words in lines, command


# --- The map ---

ARCHITECTURE = SRC / "docs/architecture.md"
STEP = re.compile(r"^\| (\d+) \| `([^`]+)` \| `(\w+)` \|", re.M)
MAPPED = sorted(
    folder.relative_to(SRC)
    for folder in [*(SRC / "core").iterdir(), *(SRC / "plugins").glob("*/*"), SRC / "plugins/common"]
    if folder.is_dir() and folder.name != "include"
)


def rooms(folder):
    """The names of a folder's files, of a `.c` and its `.h` once."""
    return {
        str(p.relative_to(SRC / folder).with_suffix(""))
        for p in (SRC / folder).rglob("*.*")
        if p.suffix in (".c", ".cc", ".h")
    }


def test_each_file_that_the_architecture_names_exists():
    text = ARCHITECTURE.read_text()
    named = set(re.findall(r"`((?:core|plugins|tests|docs|man|scripts)/[\w./-]*)`", text))
    links = set(re.findall(r"\]\((?!http)([^)#]+)", text))
    assert len(named) > 30 and links
    assert [path for path in sorted(named) if not (SRC / path).exists()] == []
    assert [path for path in sorted(links) if not (ARCHITECTURE.parent / path).exists()] == []


def test_the_review_names_tests_that_exist():
    """docs/security.md: each row of its table has a test in its last column; a name alone is one of the file before it."""
    table = (SRC / "docs/security.md").read_text().split("## A bank's review")[1].split("\n## ")[0]
    rows = [line.strip("|").rsplit("|", 1)[1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named, file = re.findall(r"`([^`]+)`", row), None
        assert named, f"no test is named: {row}"
        for name in named:
            path, _, test = name.rpartition("::") if name.startswith("test_") or "::" in name else (name, "", "")
            file = (SRC / path).read_text() if path else file
            assert not test or f"def {test}(" in file, f"{name} is no test of that file"


def test_the_way_of_an_event_leads_through_the_code():
    """In at most 16 files, each of which defines the function that the way names."""
    steps = STEP.findall(ARCHITECTURE.read_text())
    assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert len(steps) > 10 and len({path for _, path, _ in steps}) <= 16
    assert [
        f"{path}: {function}"
        for _, path, function in steps
        if not re.search(rf"^\w[^;={{}}\n]*?\b{function}\([^;{{}}]*\)\n\{{", (SRC / path).read_text(), re.M)
    ] == []


def test_the_exercises_name_what_is_in_their_files():
    """Each identifier of a step stands in a file of that step, but for what the exercise adds."""
    exercises = ARCHITECTURE.read_text().split("## Where a change goes")[1]
    added = {"CHURN_MERGE_FIRST", "client_name"}
    checked = 0
    for step in re.findall(r"^\d\. (.*(?:\n   .*)*)", exercises, re.M):
        code = "".join((SRC / path).read_text() for path in re.findall(r"`([\w/-]+/[\w./-]+)`", step))
        names = set(re.findall(r"`(\w+_\w+)`", step)) - added
        checked += len(names)
        assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", code)] == [], step
    assert checked > 20


@pytest.mark.parametrize("file,prefix", [("window.h", "WINDOW"), ("partition.h", "ROUND"), ("partition.h", "PLACE")])
def test_the_lives_of_things_have_the_states_of_the_code(file, prefix):
    declared = re.search(rf"^enum \w+ \{{([^}}]*\b{prefix}_[^}}]*)\}}", (SRC / "core/engine" / file).read_text(), re.M)[
        1
    ]
    states = set(re.findall(rf"\b{prefix}_(\w+)", declared))
    assert len(states) > 3
    assert states - set(re.findall(r"\b[A-Z_]+\b", ARCHITECTURE.read_text())) == set()


@pytest.mark.parametrize("folder", MAPPED, ids=str)
def test_a_readme_names_each_room_of_its_folder(folder):
    named = {
        re.sub(r"\.(c|cc|h)$", "", name)
        for name in re.findall(r"`([\w./]+)`", (SRC / folder / "README.md").read_text())
    }
    assert rooms(folder) - named == set()


def test_a_readme_names_no_room_that_is_gone():
    for folder in MAPPED:
        files = set(re.findall(r"`([\w/]+\.(?:c|cc|h))`", (SRC / folder / "README.md").read_text()))
        assert [name for name in sorted(files) if not (SRC / folder / name).exists()] == [], folder
