"""What is downloaded is what was looked at, and what is shipped says what it is made of."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
import services

REQUIREMENTS = sorted(
    path for path in services.SRC.rglob("*requirements.in") if "build" not in path.relative_to(services.SRC).parts
)


def named(text):
    """{package: version} of a requirements file."""
    return {
        name.lower().replace("_", "-"): version
        for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", text, re.MULTILINE)
    }


def test_there_are_requirements():
    assert len(REQUIREMENTS) >= 6


@pytest.mark.parametrize("wanted", REQUIREMENTS, ids=lambda path: str(path.relative_to(services.SRC)))
def test_every_python_package_has_its_hash(wanted):
    locked = wanted.with_suffix(".txt").read_text()
    entries = re.split(r"^(?=\S)", locked, flags=re.MULTILINE)[1:]
    without = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert entries and not without
    assert named(wanted.read_text()).items() <= named(locked).items(), "run scripts/lock-requirements.sh"


def test_scripts_install_no_package_without_a_hash():
    for script in services.SRC.glob("scripts/*.sh"):
        for line in script.read_text().splitlines():
            if re.search(r'\bpip"? install', line):
                assert re.search(r'-r "?\S*requirements\.txt|uv==', line), f"{script.name}: {line}"


@pytest.fixture
def maven(tmp_path):
    """A Maven that "downloads" one jar: (environment, folder of the pom)."""
    program = tmp_path / "bin/mvn"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nfor a; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\nmkdir -p "$d"\nprintf good >"$d/a.jar"\n'
    )
    program.chmod(0o755)
    folder = tmp_path / "wanted"
    folder.mkdir()
    return {"PATH": f"{program.parent}:/usr/bin:/bin"}, folder


def fetch(environment, *arguments):
    command = [services.SRC / "scripts/fetch-jars.sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_jars_are_those_that_were_locked(maven, tmp_path):
    environment, folder = maven
    assert fetch(environment, "--lock", folder).returncode == 0
    assert fetch(environment, folder, tmp_path / "jars").returncode == 0
    assert (tmp_path / "jars/a.jar").read_text() == "good"


@pytest.mark.parametrize("change", ["0" * 64 + "  a.jar\n", "", None], ids=["another", "unknown", "missing"])
def test_a_jar_that_is_another_is_refused(maven, tmp_path, change):
    environment, folder = maven
    assert fetch(environment, "--lock", folder).returncode == 0
    sums = folder / "jars.sha256"
    sums.write_text(change if change is not None else sums.read_text() + "0" * 64 + "  b.jar\n")
    done = fetch(environment, folder, tmp_path / "jars")
    assert done.returncode == 1
    assert "these jars are not those of" in done.stderr
    assert [path.name for path in tmp_path.glob("jars*")] == []


def test_the_bill_of_materials_names_all_that_is_loaded(installed, tmp_path):
    root, churnd, _ = installed
    out = tmp_path / "churnd.cdx.json"
    done = subprocess.run(
        [sys.executable, services.SRC / "scripts/sbom.py", root, "0.1.0", out], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    bill = json.loads(out.read_text())
    files = {c["name"]: c["hashes"][0]["content"] for c in bill["components"] if c["type"] == "file"}
    plugins = [str(path.relative_to(root)) for path in root.rglob("plugins-1/**/*.so")]
    assert {str(churnd.relative_to(root)), *plugins} <= files.keys()
    summed = subprocess.run(["sha256sum", *files], cwd=root, check=True, capture_output=True, text=True).stdout
    assert summed.split()[::2] == list(files.values())
    loads = {d["ref"]: d.get("dependsOn", []) for d in bill["dependencies"]}
    kafka = next(name for name in plugins if name.endswith("source/kafka.so"))
    assert any("/librdkafka1@" in ref for ref in loads[f"file:{kafka}"])
    rdkafka = next(ref for ref in loads if "/librdkafka1@" in ref)
    assert any("/libssl3" in ref for ref in loads[rdkafka]), "what a library loads in its turn is missing"
    libraries = [c for c in bill["components"] if c["type"] == "library"]
    assert all(c["version"] and pathlib.PurePath(c["purl"]).parts[:2] == ("pkg:deb", "debian") for c in libraries)
