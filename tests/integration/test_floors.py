"""The walls of the house: a file of core/ uses its own floor and those below, and no files use each other in a circle."""

import shutil
import subprocess

import floors
import pytest
from services import BUILD, SRC

CORE = floors.objects(BUILD / "core", SRC / "core")
PLUGINS = sorted({SRC / "plugins/common", *(path.parent for path in SRC.glob("plugins/*/*/*.c"))})


def edges_of(folder, of_objects):
    return floors.joined(floors.included(folder), floors.called(of_objects))


def test_every_folder_of_the_core_is_a_floor():
    assert {p.name for p in (SRC / "core").iterdir() if p.is_dir()} == {*floors.FLOORS, "include"}
    assert {*CORE.values()} == {
        room for room, files in floors.rooms(SRC / "core").items() if {".c", ".cc"} & {f.suffix for f in files}
    }


def test_no_floor_uses_one_above():
    assert floors.upward(edges_of(SRC / "core", CORE)) == []


def test_no_circle_in_the_core():
    assert floors.circles(edges_of(SRC / "core", CORE)) == []


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: "-".join(p.parts[-2:]))
def test_no_circle_in_a_plugin(folder):
    assert floors.circles(edges_of(folder, floors.objects(BUILD / folder.relative_to(SRC), folder))) == []


def test_a_planted_include_is_seen(tmp_path):
    core = tmp_path / "core"
    shutil.copytree(SRC / "core", core)
    with open(core / "base/arena.c", "a") as arena:
        arena.write('#include "cli/commands.h"\n')
    lines = (core / "base/arena.c").read_text().count("\n")
    where = f"base/arena.c:{lines} includes cli/commands.h"
    edges = edges_of(core, CORE)
    assert floors.upward(edges) == [where]
    assert any(where in circle for circle in floors.circles(edges))


@pytest.mark.parametrize(
    "room,other,upward",
    [("base/arena", "cli/check", ["base/arena uses planted of cli/check"]), ("engine/merge", "engine/writer", [])],
)
def test_a_planted_call_is_seen(tmp_path, room, other, upward):
    """Of a function that the file declares by itself, so that no include tells."""
    user, owner = tmp_path / "user.o", tmp_path / "owner.o"
    for path, text in (
        (user, "void planted(void); void back(void); void back(void) { planted(); }"),
        (owner, "void planted(void); void back(void); void planted(void) { back(); }"),
    ):
        subprocess.run(["cc", "-x", "c", "-c", "-o", path, "-"], input=text, text=True, check=True)
    edges = edges_of(SRC / "core", {**CORE, user: room, owner: other})
    assert floors.upward(edges) == upward
    assert any(f"{room} uses planted of {other}" in circle for circle in floors.circles(edges))
