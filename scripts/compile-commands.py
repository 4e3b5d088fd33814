"""compile-commands.py FOLDER: what `make -n V=1` in FOLDER would compile, read from standard input, as compile_commands.json.

A file that is compiled for several libraries is listed once, as for the first of them; one that is made when it is built is none
of ours.
"""

import json
import os
import re
import shlex
import sys

# Folders that compilers search anyway, and therefore take no -I for.
SYSTEM = re.compile(r"-I/usr/include(/[a-z0-9_]+-linux-gnu)?")
# How automake finds a source file when a build folder is not the source folder: `test -f 'a.c' || echo '../'`a.c
VPATH = re.compile(r"`test -f '[^']*' \|\| echo '([^']*)'`")


def compilation(line):
    """The compiler's arguments and the source of a line that compiles, else None."""
    arguments = shlex.split(VPATH.sub(r"\1", line.removesuffix("&&\\\n")))
    if "--mode=compile" in arguments:
        arguments = arguments[arguments.index("--mode=compile") + 1 :]
    if "-c" in arguments and arguments[-1].endswith((".c", ".cc")):
        return [a for a in arguments if not SYSTEM.fullmatch(a)], arguments[-1]
    return None


def main():
    commands = {}
    for line in sys.stdin:
        found = compilation(line) if " -c " in line else None
        if found:
            arguments, file = found
            if not os.path.exists(os.path.join(sys.argv[1], file)):
                continue
            commands.setdefault(file, {"directory": sys.argv[1], "file": file, "arguments": arguments})
    json.dump(list(commands.values()), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
