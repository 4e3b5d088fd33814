"""Who uses whom among the files of core/ and of a plugin's folder: by includes, and by the symbols of the objects.

A `.c` and its `.h` are one room; a folder of core/ is a floor. See docs/architecture.md."""

import collections
import functools
import re
import subprocess

FLOORS = ["base", "config", "plugin", "event", "profile", "pipeline", "audit", "observe", "engine", "cli"]
SIDE_BY_SIDE = {"config": 1, "plugin": 1}  # neither uses the other
LEVEL = {name: SIDE_BY_SIDE.get(name, number) for number, name in enumerate(FLOORS)}
INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
# The names of libtool's objects begin with the library's, as those of other objects do with their program's.
OF_TARGET = re.compile(r"^[a-z_]+_la-|^churnd-")


def floor_of(room):
    return room.split("/")[0]


def rooms(top):
    """The rooms below a folder, such as engine/worker of core/, each with its files."""
    found = collections.defaultdict(list)
    for path in sorted(top.rglob("*.*")):
        part = path.relative_to(top)
        if path.suffix in (".c", ".cc", ".h") and part.parts[0] != "include":
            found[str(part.with_suffix(""))].append(path)
    return found


def included(top):
    """The rooms below `top` that each of them includes, with where."""
    edges = collections.defaultdict(dict)
    names = rooms(top)
    for room, paths in names.items():
        for path in paths:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                other = match and match[1].removesuffix(".h")
                if other in names and other != room:
                    edges[room].setdefault(other, f"{path.relative_to(top)}:{number} includes {match[1]}")
    return edges


def objects(build, top):
    """The objects of the sources below `top`, each with its room; not those of files that are gone."""
    found = {}
    for path in sorted(build.rglob("*.o")):
        folder = path.parent.parent if path.parent.name == ".libs" else path.parent
        room = folder.relative_to(build) / OF_TARGET.sub("", path.stem)
        if any((top / room).with_suffix(suffix).is_file() for suffix in (".c", ".cc")):
            found[path] = str(room)
    return found


@functools.cache
def symbols(path):
    """The symbols of an object, as pairs of name and kind."""
    listing = subprocess.run(["nm", "--format=posix", path], check=True, capture_output=True, text=True).stdout
    return [tuple(line.split()[:2]) for line in listing.splitlines()]


def called(of_objects):
    """The rooms whose symbols each room uses, with one of them."""
    defined, wanted = {}, collections.defaultdict(set)
    for path, room in of_objects.items():
        for name, kind in symbols(path):
            if kind in "TDBRC":
                defined[name] = room
            elif kind == "U":
                wanted[room].add(name)
    edges = collections.defaultdict(dict)
    for room, names in wanted.items():
        for name in sorted(names):
            if defined.get(name, room) != room:
                edges[room].setdefault(defined[name], f"{room} uses {name} of {defined[name]}")
    return edges


def joined(*all_edges):
    edges = collections.defaultdict(dict)
    for some in all_edges:
        for room, others in some.items():
            for other, why in others.items():
                edges[room].setdefault(other, why)
    return edges


def upward(edges):
    """What uses a floor above its own, or the one beside it."""
    return sorted(
        why
        for room, others in edges.items()
        for other, why in others.items()
        if floor_of(room) != floor_of(other) and LEVEL[floor_of(room)] <= LEVEL[floor_of(other)]
    )


def circles(edges):
    """Each circle once: the uses that close it."""
    found, done = [], set()

    def visit(room, path):
        if room in path:
            circle = path[path.index(room) :]
            found.append([edges[a][b] for a, b in zip(circle, circle[1:] + circle[:1], strict=True)])
        elif room not in done:
            for other in sorted(edges.get(room, ())):
                visit(other, [*path, room])
            done.add(room)

    for room in sorted(edges):
        visit(room, [])
    return found
