"""What /metrics says, read as Prometheus reads it."""

import re
import subprocess
import urllib.request

from services import HOST, SRC

LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def fetch(port, method="GET"):
    """(status, headers, body)"""
    request = urllib.request.Request(f"http://{HOST}:{port}/metrics", method=method)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return reply.status, reply.headers, reply.read().decode()


def parse(text):
    """{(name, ((label, value), …)): number}; each sample once, behind the HELP and TYPE of its family."""
    samples, types, helped = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in helped and len(line.split(" ", 3)[3]) > 5, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in types, line
            types[name] = newest = kind
            family = name
        else:
            name, labels, value = LINE.match(line).groups()
            suffix = name.removeprefix(family)
            assert name.startswith(family) and suffix in (
                ("_bucket", "_sum", "_count") if newest == "histogram" else ("",)
            ), line
            found = LABEL.findall(labels or "")
            assert "".join(f'{n}="{v}",' for n, v in found).rstrip(",") == (labels or ""), line
            key = name, tuple((n, re.sub(r'\\[\\"n]', lambda m: UNESCAPED[m[0]], v)) for n, v in found)
            assert key not in samples, line
            samples[key] = float(value)
    return samples, types


def scrape(port):
    """The samples; clean by Prometheus' own judgement."""
    status, headers, body = fetch(port)
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lint = subprocess.run(["promtool", "check", "metrics"], input=body, text=True, capture_output=True)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, ""), lint.stdout + lint.stderr
    return parse(body)[0]


def value(samples, name, **labels):
    """Of the series with exactly these labels; 0 where there is none."""
    return samples.get((name, tuple(sorted(labels.items(), key=lambda item: item[0]))), None) or samples.get(
        (name, tuple(labels.items())), 0
    )


def documented():
    """{name: (type, labels)} of docs/metrics.md."""
    table = {}
    for line in (SRC / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            for name in re.findall(r"`([a-z_]+)`", cells[0]):
                table[name] = cells[1], tuple(re.findall(r"`([a-z_]+)`", cells[2]))
    return table
