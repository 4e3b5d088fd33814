"""`measure.py RESULT.json COMMAND…`: runs the command and writes what it took.

A small process of its own: the peak memory that the kernel reports of a child is never below that of the process it was
started from, and the benchmark's own holds the expected profiles. This one's is some 10 MB."""

import json
import os
import sys
import time

result, command = sys.argv[1], sys.argv[2:]
start = time.monotonic()
pid = os.posix_spawnp(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
wall = time.monotonic() - start
with open(result, "w") as out:
    json.dump({"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_mb": usage.ru_maxrss * 1024 / 1e6}, out)
sys.exit(0 if status == 0 else 1)
