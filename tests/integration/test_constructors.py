"""What a plugin's file does as soon as it is opened, and what must not even be opened: the file is named, and churnd
lives."""

import json
import os
import re
import socket

import pytest
from services import run_churnd
from test_build import SANITIZED, compile_plugin, pipeline_with
from test_plugin_check import TEMPLATE, check, find

unsanitized = pytest.mark.skipif(SANITIZED, reason="a sanitizer ends the process in its own way")
LOADING = [
    ("check", "-c", "p.yaml"),
    ("run", "-c", "p.yaml"),
    ("plugins",),
    ("describe", "login"),
    ("plugins", "--format", "json"),
]

CONSTRUCTORS = {
    "abort": ("abort();", "crashes (Aborted)"),
    "segmentation_fault": ("(void)raise(SIGSEGV);", "crashes (Segmentation fault)"),
    "killed": ("(void)kill(getpid(), SIGKILL);", "crashes (Killed)"),
    "exit_0": ("exit(0);", "ends the process (exit status 0)"),
    "exit_3": ("exit(3);", "ends the process (exit status 3)"),
    "quick_exit": ("_exit(0);", "ends the process (exit status 0)"),
}


def with_constructor(target, body, change=lambda text: text):
    """The template's event type under the file's name, with a constructor."""
    target.parent.mkdir(exist_ok=True)
    source = target.with_suffix(".c")
    source.write_text(
        "#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
        + change(TEMPLATE.read_text().replace("my_event", target.stem))
        + f"\n__attribute__((constructor)) static void at_once(void)\n{{\n    {body}\n}}\n"
    )
    compile_plugin(source, target)
    source.unlink()


def load(folder, *command, path="plugins"):
    return run_churnd(*command, "--plugin-path", path, cwd=folder, timeout=60)


@unsanitized
@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_that_ends_the_process(name, tmp_path):
    """Every command that loads plugins names the file."""
    body, words = CONSTRUCTORS[name]
    with_constructor(tmp_path / f"plugins/{name}.so", body)
    pipeline_with(tmp_path)
    for command in LOADING:
        done = load(tmp_path, *command)
        assert done.returncode == 1, (command, done)
        assert f"plugins/{name}.so: {words} while it is opened" in done.stderr, (command, done.stderr)
    find(check(tmp_path / f"plugins/{name}.so"), "error", "exit" if "exit" in name else "crash", words.split(" (")[0])


@unsanitized
def test_a_constructor_that_never_returns(tmp_path):
    with_constructor(tmp_path / "plugins/hang_at_once.so", "for (;;) { (void)pause(); }")
    done = load(tmp_path, "plugins")
    assert done.returncode == 1 and "plugins/hang_at_once.so: does not return for " in done.stderr, done.stderr


@pytest.mark.parametrize("body", ['(void)puts("HERE I AM");', 'if (write(1, "HERE I AM\\n", 10)) { }'])
def test_a_constructor_that_prints(body, tmp_path):
    """It is endured, and said; standard output stays what the command says, which may be somebody's input."""
    with_constructor(tmp_path / "plugins/loud.so", body)
    pipeline_with(tmp_path)
    for command in LOADING:
        done = load(tmp_path, *command)
        assert done.returncode == 0 and "HERE" not in done.stdout, (command, done.stdout, done.stderr)
        assert "plugins/loud.so writes to standard output while it is opened" in done.stderr, (command, done.stderr)
    listed = json.loads(load(tmp_path, "plugins", "--format", "json").stdout)
    assert "loud" in [plugin["name"] for plugin in listed]
    find(check(tmp_path / "plugins/loud.so"), "warning", "prints", "writes to standard output")


# --- What is not opened ---


def foreign(text):
    return re.sub(
        r"CHURN_PLUGIN\(",
        """#undef CHURN_ABI_MAJOR
#define CHURN_ABI_MAJOR 2
CHURN_PLUGIN(""",
        text,
    )


@pytest.mark.parametrize(
    "link, cut", [([], False), (["-Wl,--hash-style=sysv"], False), (["-Wl,--hash-style=gnu"], True)]
)
def test_nothing_of_a_foreign_plugin_runs(link, cut, tmp_path):
    """Neither its constructors nor those of its libraries, whatever the linker wrote; also without section headers."""
    target, trace = tmp_path / "plugins/foreign.so", tmp_path / "ran"
    target.parent.mkdir()
    source = tmp_path / "foreign.c"
    source.write_text(
        "#include <fcntl.h>\n#include <unistd.h>\n"
        + foreign(TEMPLATE.read_text().replace("my_event", "foreign"))
        + f"\n__attribute__((constructor)) static void at_once(void)\n{{\n"
        f'    (void)close(open("{trace}", O_CREAT | O_WRONLY, 0600));\n}}\n'
    )
    compile_plugin(source, target, *link)
    if cut:
        code = bytearray(target.read_bytes())
        code[40:48], code[60:64] = bytes(8), bytes(4)  # e_shoff; e_shnum, e_shstrndx
        target.write_bytes(code)
    pipeline_with(tmp_path)
    for command in LOADING:
        done = load(tmp_path, *command)
        assert done.returncode == 1 and "plugins/foreign.so: built for ABI 2." in done.stderr, (command, done)
    report = check(target)
    find(report, "error", "abi_version", "built for ABI 2.", "this host has ABI 1.")
    assert report["plugin"]["abi"].startswith("2.")
    assert not trace.exists()


@pytest.mark.parametrize(
    "kind, words",
    [
        ("fifo", "is a FIFO, no file"),
        ("socket", "is a socket, no file"),
        ("folder", "is a folder, no file"),
        ("device", "is a device, no file"),
        ("gone", "cannot be read: No such file or directory"),
    ],
)
def test_what_is_no_file(kind, words, tmp_path, monkeypatch):
    folder = tmp_path / "plugins"
    folder.mkdir()
    path = folder / "x.so"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(folder)
        with socket.socket(socket.AF_UNIX) as s:
            s.bind("x.so")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nothing")
    pipeline_with(tmp_path)
    for command in LOADING:
        done = load(tmp_path, *command)
        assert done.returncode == 1 and f"plugins/x.so: {words}" in done.stderr, (command, done)
    find(check(path), "error", "not_readable", words)


# --- Folders ---


def test_a_folder_that_does_not_exist(tmp_path):
    """Its plugins would be missing without a word, and their events of an unknown type."""
    words = "No such file or directory; no plugin can be looked for there"
    path = pipeline_with(tmp_path)
    done = load(tmp_path, "check", "-c", path, path="nowhere")
    assert done.returncode == 1 and f"churnd: --plugin-path: nowhere: {words}" in done.stderr
    (tmp_path / "file.so").write_text("")
    done = load(tmp_path, "plugins", path="file.so")
    assert done.returncode == 1 and "churnd: --plugin-path: file.so: Not a directory" in done.stderr
    (tmp_path / "file.so").unlink()
    done = run_churnd("check", "-c", path, cwd=tmp_path, env={"CHURN_PLUGIN_PATH": f"{tmp_path}::nowhere"})
    assert done.returncode == 0 and f"CHURN_PLUGIN_PATH: nowhere: {words}" in done.stderr, done
    assert done.stderr.count("CHURN_PLUGIN_PATH") == 1
    path.write_text(path.read_text() + f"plugin_path:\n  - {tmp_path}\n  - nowhere\n")
    line = path.read_text().count("\n")
    for command in ("check", "run"):
        done = run_churnd(command, "-c", path, cwd=tmp_path)
        assert done.returncode == 1 and f"p.yaml:{line}:5: plugin_path: nowhere: {words}" in done.stderr, done
