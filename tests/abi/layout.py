#!/usr/bin/env python3
"""The layout of the plugin ABI as text, and whether it keeps what earlier versions promised (docs/ABI.md).

    layout.py show INCLUDE                the layout of the headers in a folder
    layout.py check INCLUDE RELEASED...   compare the headers with released layouts; with --asserts FILE also whether
                                          that C file asserts every member and constant
    layout.py release INCLUDE FOLDER      write FOLDER/MAJOR.MINOR.layout

The layout comes from the debugging information that the C compiler ($CC) writes. A line is one of

    size STRUCT BYTES
    member STRUCT.MEMBER OFFSET TYPE
    constant NAME VALUE
    macro NAME VALUE
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

# Who reads rows of these is told their stride, so that they may grow.
ROWS = {"churn_option", "churn_field", "churn_effect", "churn_derived", "churn_severity_rule"}
# These carry a size, but one side hands the other an array of them: a longer one would shift all rows but the first.
ARRAYS = {"churn_record", "churn_put_reply"}
# layout.c's macros, for what is no plain value.
MACROS = {"size": "SIZE", "member": "AT"}

DIE = re.compile(r"<(\d+)><([0-9a-f]+)>: Abbrev Number: \d+(?: \((\w+)\))?")
ATTRIBUTE = re.compile(r"\s*<[0-9a-f]+>\s+(DW_AT_\w+)\s*:\s*(.*)")
MACRO = re.compile(r"#define (CHURN_\w+) +(.+)")


def compiler(*args):
    """Runs $CC; its messages and its output."""
    command = [*shlex.split(os.environ.get("CC") or "cc"), "-std=gnu11", *map(str, args)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def dies(listing):
    """The entries of `readelf --debug-dump=info`, by number: tag, attributes and children."""
    found, parents = {}, []
    for line in listing.splitlines():
        head = DIE.match(line.strip())
        if head and head[3]:
            level, entry = int(head[1]), {"tag": head[3], "children": []}
            found[int(head[2], 16)] = entry
            del parents[level:]
            if parents:
                parents[-1]["children"].append(entry)
            parents.append(entry)
        elif not head and parents and (attribute := ATTRIBUTE.match(line)):
            value = re.sub(r"^(\([^)]*\)[: ]*)+", "", attribute[2])  # how the value is stored, in some versions
            parents[-1].setdefault(attribute[1], re.split(r"[\t,]", value)[0].strip())
    return found


class Types:
    """C types as text that tells what matters at a border: width, sign, const, what is pointed to."""

    def __init__(self, entries):
        self.entries = entries

    def of(self, entry):
        reference = entry.get("DW_AT_type")
        return self.name(self.entries[int(reference.strip("<>"), 16)]) if reference else "void"

    def name(self, entry):
        tag = entry["tag"]
        if tag == "DW_TAG_base_type":
            return self.base(entry)
        if tag == "DW_TAG_pointer_type":
            return f"{self.of(entry)}*"
        if tag == "DW_TAG_const_type":
            return f"const {self.of(entry)}" if not self.of(entry).endswith("*") else f"{self.of(entry)} const"
        if tag == "DW_TAG_typedef":
            return self.of(entry)
        if tag == "DW_TAG_subroutine_type":
            return f"{self.of(entry)}({', '.join(self.of(child) for child in entry['children'])})"
        if tag == "DW_TAG_array_type":
            return self.of(entry) + "".join(
                f"[{int(child['DW_AT_upper_bound']) + 1}]"
                if "DW_AT_upper_bound" in child
                else f"[{child.get('DW_AT_count', '')}]"
                for child in entry["children"]
            )
        return entry.get("DW_AT_name", tag)

    @staticmethod
    def base(entry):
        bits, name = 8 * int(entry["DW_AT_byte_size"]), entry["DW_AT_name"]
        if name in ("char", "float", "double"):
            return name
        return f"{'u' if 'unsigned' in name or 'Bool' in name else 'i'}{bits}"


def layout_of(include):
    """{line without its last parts: those parts} for all headers below `include`."""
    headers = sorted(path.relative_to(include) for path in Path(include).rglob("*.h"))
    with tempfile.TemporaryDirectory() as work:
        source, target = Path(work, "all.c"), Path(work, "all.o")
        source.write_text("".join(f"#include <{header}>\n" for header in headers))
        compiler(f"-I{include}", "-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types", "-c", "-o", target, source)
        macros = compiler(f"-I{include}", "-dM", "-E", source)
        entries = dies(
            subprocess.run(
                ["readelf", "-W", "--debug-dump=info", str(target)], check=True, text=True, stdout=subprocess.PIPE
            ).stdout
        )
    return {**struct_lines(entries), **constant_lines(entries), **macro_lines(macros)}


def struct_lines(entries):
    types, lines = Types(entries), {}
    for entry in entries.values():
        name = entry.get("DW_AT_name", "")
        if entry["tag"] != "DW_TAG_structure_type" or not name.startswith("churn_") or "DW_AT_byte_size" not in entry:
            continue
        lines[f"size {name}"] = entry["DW_AT_byte_size"]
        for member in entry["children"]:
            lines[f"member {name}.{member['DW_AT_name']}"] = (
                f"{member['DW_AT_data_member_location']} {types.of(member)}"
            )
    return lines


def constant_lines(entries):
    return {
        f"constant {entry['DW_AT_name']}": entry["DW_AT_const_value"]
        for entry in entries.values()
        if entry["tag"] == "DW_TAG_enumerator" and entry["DW_AT_name"].startswith("CHURN_")
    }


def macro_lines(text):
    """Those that stand for a number or a text; the others are for the compiler alone."""
    found = (MACRO.match(line) for line in text.splitlines())
    return {f"macro {m[1]}": m[2] for m in found if m and re.match(r'"|\d', m[2])}


def text_of(layout):
    def key(line):
        what, name = line.split(" ")
        return (
            ["size", "member", "constant", "macro"].index(what) // 2 + (what == "macro"),
            name.split(".")[0],
            int(layout[line].split(" ")[0]) if what == "member" else -1,
            name,
        )

    return "".join(f"{line} {layout[line]}\n" for line in sorted(layout, key=key))


def read(path):
    lines = (line.split(" ", 2) for line in Path(path).read_text().splitlines())
    return {f"{what} {name}": value for what, name, value in lines}


def version(layout):
    return int(layout["macro CHURN_ABI_MAJOR"]), int(layout["macro CHURN_ABI_MINOR"])


def may_grow(struct, layout):
    return struct in ROWS or (f"member {struct}.size" in layout and struct not in ARRAYS)


# ---- comparing ----


def removed_or_changed(old, new):
    """What is no longer as it was, line by line."""
    at = {f"{line.split('.')[0]} {value}": line for line, value in new.items() if line.startswith("member ")}
    for line, was in old.items():
        what, name = line.split(" ")
        now = new.get(line)
        if now == was or name == "CHURN_ABI_MINOR":
            continue
        if what == "size":
            if now is None:
                yield f"struct {name} is gone"
            elif int(now) < int(was):
                yield f"struct {name} shrank from {was} to {now} bytes"
            elif not may_grow(name, old):
                yield f"struct {name} grew from {was} to {now} bytes, but it has no size or stride, or travels in arrays"
        elif now is None and what == "member":
            if not (name.endswith(".reserved") and f"{line.split('.')[0]} {was}" in at):
                yield f"{name} (offset and type {was}) is gone or has another name"
        else:
            yield f"{name} was {was}, is {now if now is not None else 'gone'}"


def misplaced(old, new):
    """New members that do not lie behind the end of the released struct. A reserved one may be given its meaning."""
    taken = {f"{line.split('.')[0]} {value}" for line, value in old.items() if line.endswith(".reserved")}
    for line, value in new.items():
        struct = line.split(" ")[1].split(".")[0]
        size = old.get(f"size {struct}")
        if not line.startswith("member ") or line in old or size is None:
            continue
        if int(value.split(" ")[0]) < int(size) and f"{line.split('.')[0]} {value}" not in taken:
            yield f"{line.split(' ')[1]} is new but not at the end of its struct"


def compare(old, new):
    """What breaks the promise that `old` made."""
    faults = [*removed_or_changed(old, new), *misplaced(old, new)]
    if not faults and version(old) == version(new) and old != new:
        changed = sorted(line.split(" ")[1] for line in {**old, **new} if old.get(line) != new.get(line))
        faults.append(
            f"what ABI {version(old)[0]}.{version(old)[1]} had not is new: {', '.join(changed)}; raise CHURN_ABI_MINOR"
        )
    return faults


def missing_asserts(layout, text):
    """Members, sizes and constants that layout.c does not assert."""
    asserted = {f"member {a}.{b}" for a, b in re.findall(r"\bAT\(struct (\w+), (\w+),", text)}
    asserted |= {f"size {name}" for name in re.findall(r"\bSIZE\(struct (\w+),", text)}
    values = re.findall(r"\bVALUE\((\w+),", text)
    asserted |= {f"constant {name}" for name in values} | {f"macro {name}" for name in values}
    for line, value in layout.items():
        what, name = line.split(" ")
        if line in asserted or (what == "macro" and (value.startswith('"') or name == "CHURN_ABI_MINOR")):
            continue
        arguments = f"struct {name.replace('.', ', ')}" if what in ("size", "member") else name
        yield f"{MACROS.get(what, 'VALUE')}({arguments}, {value.split(' ')[0]});"


# ---- the command ----


def check(layout, released, asserts):
    faults = []
    for path in released:
        old = read(path)
        if version(old)[0] == version(layout)[0]:
            faults += [f"{path.name}: {fault}" for fault in compare(old, layout)]
    if asserts:
        faults += [
            f"{asserts.name}: this line is missing: {line}" for line in missing_asserts(layout, asserts.read_text())
        ]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(layout)} sizes, members and constants are as {', '.join(path.name for path in released)} promised")
    return 1 if faults else 0


def release(layout, folder):
    path = folder / "{}.{}.layout".format(*version(layout))
    if path.exists() and read(path) != layout:
        print(f"{path} was released with another layout; raise CHURN_ABI_MINOR in <churn/plugin.h>", file=sys.stderr)
        return 1
    path.write_text(text_of(layout))
    print(path)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["show", "check", "release"])
    parser.add_argument("include", type=Path)
    parser.add_argument("paths", type=Path, nargs="*", help="check: released layouts; release: their folder")
    parser.add_argument("--asserts", type=Path)
    a = parser.parse_args()
    layout = layout_of(a.include)
    if a.command == "show":
        print(text_of(layout), end="")
        return 0
    if not a.paths:
        parser.error("name the released layouts, or their folder")
    return check(layout, a.paths, a.asserts) if a.command == "check" else release(layout, a.paths[0])


if __name__ == "__main__":
    sys.exit(main())
