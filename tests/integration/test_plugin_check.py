"""`churnd plugin-check`: every mistake of a plugin is named, with what to do; whatever the plugin does, churnd lives."""

import json
import re
import shutil
import subprocess

import pytest
from services import BUILD, SRC, run_churnd
from test_build import BAD, PLUGINS, SANITIZED, compile_plugin

BROKEN = sorted(path for path in (SRC / "tests/abi/broken").iterdir() if path.suffix in (".c", ".cc"))
TEMPLATE = SRC / "examples/plugin-template/event-type/my_event.c"
# A sanitizer ends the process in its own way at a plugin's fault, and is a library that nobody linked.
unsanitized = pytest.mark.skipif(SANITIZED, reason="a sanitizer tells of plugins' faults in its own way")


def check(path, *args):
    """The report of one file, whose exit status says the same."""
    done = run_churnd("plugin-check", path, "--format", "json", *args)
    (report,) = json.loads(done.stdout)
    assert report["path"] == str(path) and done.returncode == (0 if report["good"] else 1), done
    assert report["good"] == all(finding["severity"] != "error" for finding in report["findings"])
    text = run_churnd("plugin-check", path, *args).stdout if "hang" not in str(path) else ""
    for finding in report["findings"] if text else []:
        assert f"{path}: {finding['severity']}: {finding['message']} [{finding['code']}]\n" in text
    return report


def find(report, severity, code, *words):
    """The one finding of that kind that has these words."""
    found = [
        f["message"]
        for f in report["findings"]
        if (f["severity"], f["code"]) == (severity, code) and all(word in f["message"] for word in words)
    ]
    assert len(found) == 1, (severity, code, words, report["findings"])
    assert "\n" not in found[0] and str(report["path"]) + ":" not in found[0], found[0]


def compile_cpp(source, target):
    subprocess.run(
        [
            "g++",
            "-std=c++20",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-missing-field-initializers",
            "-fPIC",
            "-shared",
            f"-I{SRC}/core/include",
            "-o",
            str(target),
            str(source),
        ],
        check=True,
    )


@pytest.fixture
def good(tmp_path):
    """A plugin without a fault."""
    path = tmp_path / TEMPLATE.with_suffix(".so").name
    compile_plugin(TEMPLATE, path)
    return path


@pytest.mark.parametrize("path", PLUGINS, ids=lambda p: f"{p.parents[1].name}-{p.stem}")
def test_shipped_plugins_are_good(path):
    report = check(path)
    assert report["good"] and not [f for f in report["findings"] if f["severity"] == "warning"], report
    assert report["plugin"]["name"] == path.stem and report["plugin"]["kind"] == path.parents[1].name
    assert report["plugin"]["abi"] == report["host_abi"]
    (note,) = report["findings"]
    assert note["code"] == ("folded" if report["plugin"]["kind"] == "event" else note["code"])


@unsanitized
@pytest.mark.parametrize("source", BROKEN, ids=lambda p: p.stem)
def test_broken_plugin(source, tmp_path):
    """tests/abi/broken/NAME begins with comments: FINDS, a finding's severity, code and words; GOOD where it is usable."""
    text = source.read_text()
    expected = [" ".join(found.split()).split(" | ") for found in re.findall(r"/\* FINDS (.*?)\*/", text, re.DOTALL)]
    target = tmp_path / f"{source.stem}.so"
    (compile_cpp if source.suffix == ".cc" else compile_plugin)(source, target)
    report = check(target)
    assert expected and report["good"] == ("/* GOOD" in text)
    for head, *words in expected:
        find(report, *head.split(), *words)
    assert len([f for f in report["findings"] if f["severity"] != "note"]) == len(expected), report


@pytest.mark.parametrize("source", BAD, ids=lambda p: p.stem)
def test_what_the_loader_refuses(source, tmp_path):
    """The words of the loader, without the file's name, and nothing of the plugin is called."""
    target = tmp_path / f"{source.stem}.so"
    compile_plugin(source, target)
    report = check(target)
    if source.stem == "wrong_kind":  # only a pipeline asks for a kind
        assert report["good"] and report["plugin"]["kind"] == "sink"
        return
    words = re.search(r"EXPECT (.*?)\s*\*/", source.read_text()).group(1).split(" | ")
    (error,) = [f["message"] for f in report["findings"] if f["severity"] == "error"]
    assert all(word in error for word in words), error


def test_all_undefined_symbols_are_named(tmp_path):
    """The dynamic linker names the first one only."""
    compile_plugin(SRC / "tests/abi/undefined_symbol.c", tmp_path / "undefined_symbol.so")
    find(check(tmp_path / "undefined_symbol.so"), "error", "undefined_symbol", "score_of_customer", "weight_of_score")


# --- Files that the compiler does not make ---


def both_refuse(path, code, *words):
    """plugin-check, and the loader in the same words."""
    report = check(path)
    find(report, "error", code, *words)
    done = run_churnd("plugins", "--plugin-path", path.parent, check=1)
    assert str(path) in done.stderr and all(word in done.stderr for word in words), done.stderr


def test_a_file_that_is_no_shared_object(tmp_path, good):
    text = tmp_path / "text/text.so"
    text.parent.mkdir()
    text.write_text("#!/bin/sh\necho no library\n")
    both_refuse(text, "not_elf", "is not a shared object (ELF); build it with `cc -shared -fPIC`")
    target = tmp_path / "object/object.so"
    target.parent.mkdir()
    subprocess.run(["gcc", "-c", "-fPIC", f"-I{SRC}/core/include", "-o", target, TEMPLATE], check=True)
    both_refuse(target, "not_shared_object", "link it with `cc -shared`")
    report = check(tmp_path / "nowhere.so")
    find(report, "error", "not_readable", "No such file or directory")


@pytest.mark.parametrize("length", [0, 3, 17, 100, 5000, -1])
def test_a_file_that_is_cut_off(length, tmp_path, good):
    """However long what is left of it is: the dynamic linker itself would crash at some of them."""
    target = tmp_path / "cut/my_event.so"
    target.parent.mkdir()
    target.write_bytes(good.read_bytes()[:length])
    both_refuse(target, "not_elf" if length == 3 else "truncated", "build it" if length == 3 else "copy it again")


def test_another_machine(tmp_path, good):
    code = bytearray(good.read_bytes())
    code[18:20] = (183 if code[18] != 183 else 62).to_bytes(2, "little")  # e_machine
    target = tmp_path / "other/my_event.so"
    target.parent.mkdir()
    target.write_bytes(code)
    both_refuse(target, "wrong_architecture", "is built for", "AArch64", "x86-64", "build it for this machine")


def test_a_library_that_is_gone(tmp_path):
    library, target = tmp_path / "libscores.so", tmp_path / "plugins/undefined_symbol.so"
    target.parent.mkdir()
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", library],
        check=True,
        text=True,
        input="long score_of_customer(void) { return 1; } long weight_of_score(void) { return 1; }",
    )
    compile_plugin(SRC / "tests/abi/undefined_symbol.c", target, str(library))
    library.unlink()
    both_refuse(target, "missing_library", "libscores.so", "is not found; install it")
    assert len(check(target)["findings"]) == 1


def test_a_library_that_was_not_named(tmp_path):
    """What churnd happens to have loaded works today."""
    source, target = tmp_path / "borrows.c", tmp_path / "borrows.so"
    source.write_text(
        TEMPLATE.read_text()
        .replace("my_event", "borrows")
        .replace(
            "static const churn_event_type type",
            "const char *curl_version(void);\nstatic int32_t apply(const churn_event *e, "
            "churn_delta *d, churn_error *err)\n{\n    return e && d && err && curl_version() ? CHURN_OK : CHURN_REJECT;\n}\n"
            "static const churn_event_type type",
        )
        .replace(".predicts = 1", ".predicts = 1, .apply = apply")
    )
    compile_plugin(source, target)
    report = check(target)
    assert report["good"]
    find(report, "warning", "undeclared_library", "uses curl_version", "link that library")


def test_an_executable_stack(tmp_path):
    target = tmp_path / "my_event.so"
    compile_plugin(TEMPLATE, target, "-Wl,-z,execstack")
    report = check(target)
    find(report, "warning", "executable_stack", "-z noexecstack")
    if not report["good"]:  # glibc since 2.41
        find(report, "error", "cannot_load", "executable stack")


# --- The command ---


def test_a_good_plugin_of_ones_own(good):
    report = check(good)
    assert report["good"] and report["plugin"]["version"] == "1.0.0" and report["plugin"]["magic"] == "0x4e525543"
    find(report, "note", "folded", "200 samples decoded and folded into 7 profile fields")
    text = run_churnd("plugin-check", good, check=0).stdout
    assert f"{good}: good: event my_event 1.0.0, built for ABI {report['host_abi']}\n" in text


def test_a_file_of_the_working_directory_and_several_at_once(good, tmp_path):
    shutil.copy(good, tmp_path / "renamed.so")
    shutil.copy(good, tmp_path / "my_event.so.1")
    find(check(tmp_path / "my_event.so.1"), "error", "name", "a plugin's file is named NAME.so")
    done = run_churnd("plugin-check", "my_event.so", "renamed.so", "my_event.so", cwd=tmp_path, check=1)
    assert len(re.findall(r"^\./my_event.so: good", done.stdout, re.MULTILINE)) == 2
    assert "./renamed.so: error: the plugin calls itself 'my_event', its file 'renamed'" in done.stdout


def test_options_of_the_instance(tmp_path):
    path = BUILD / "plugins/sink/.libs/file.so"
    find(check(path), "note", "not_created", "option 'path' is required; give it with --option path=VALUE")
    target = tmp_path / "out.jsonl"
    find(check(path, "--option", f"path={target}"), "note", "created")
    assert not target.exists()
    report = check(path, "--option", f"path={target}", "--option", "pth=x")
    find(report, "warning", "create_refused", "unknown option 'pth' (did you mean 'path'?)")
    done = run_churnd("plugin-check", path, "--option", "path")
    assert done.returncode == 1 and "write NAME=VALUE, not 'path'" in done.stderr
    done = run_churnd("plugin-check")
    assert done.returncode == 1 and "an argument is missing: churnd plugin-check FILE.so..." in done.stderr


def test_a_disagreement_with_what_is_installed(tmp_path):
    target = tmp_path / "disagrees.so"
    compile_plugin(SRC / "tests/abi/accepted/disagrees.c", target)
    report = check(target)
    assert report["good"]
    find(report, "warning", "installed", "'total_spent'", "order_placed", "disagrees")


def test_what_a_plugin_prints_does_not_spoil_the_report(tmp_path):
    source, target = tmp_path / "loud.c", tmp_path / "loud.so"
    source.write_text(
        TEMPLATE.read_text().replace("my_event", "loud")
        + """
__attribute__((constructor)) static void shout(void)
{
    (void)puts("HERE I AM");
    (void)fflush(stdout);
}
"""
    )
    compile_plugin(source, target)
    assert check(target)["good"]
    done = run_churnd("plugin-check", target, check=0)
    assert "HERE I AM" in done.stderr and "HERE" not in done.stdout
