"""Runs that are asked how they are, and pipelines that need no server."""

import json
import subprocess
import urllib.error
import urllib.request

import yaml
from services import HOST, wait_for
from test_build import compile_plugin


def ask(port, path, method="GET", timeout=20):
    """(status, body)"""
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError:
        return None, ""


def certificate(folder):
    """A certificate of our own for 127.0.0.1: (certificate, key)"""
    names = (folder / "cert.pem", folder / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=churnd", "-addext", "subjectAltName=IP:127.0.0.1", "-out", names[0], "-keyout", names[1]]
    subprocess.run(command, check=True, capture_output=True)
    return names


def troubles(port):
    """What keeps the run from being ready: {(plugin, what): message}; {} when it is."""
    status, body = ask(port, "/readyz")
    if status is None:
        return {("nobody", "answers"): ""}
    found = json.loads(body)
    listed = found.get("troubles", [])
    waits = listed or not found["workers"] or any("trouble" in w for w in found["workers"])
    assert status == (503 if waits or found["status"] == "stopping" else 200), body
    assert all(t["worker"] == 0 and t["since"].endswith("Z") and t["message"] for t in listed), body
    return {(t["plugin"], t["what"]): t["message"] for t in listed}


def wait_for_trouble(port, *wanted, timeout=60):
    def look():
        found = troubles(port)
        return found if set(wanted) <= set(found) else None

    return wait_for(f"{wanted}", look, timeout)


def wait_until_ready(port):
    wait_for("a ready run", lambda: ask(port, "/readyz")[0] == 200, 60)


EVENT = {
    "event_id": "e",
    "event_type": "refund_requested",
    "customer_id": "a",
    "timestamp": "2026-01-01T00:00:00Z",
    "data": {"order_id": "o", "amount": 1},
}
LINE = json.dumps(EVENT)


def start_local(stack, port, lines=(LINE,), **sections):
    """A followed file into LMDB, with what a test changes."""
    stack.folder.mkdir(exist_ok=True)
    events_file = stack.folder / "e.jsonl"
    events_file.write_text("".join(line + "\n" for line in lines))
    config = stack.folder / "p.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(events_file), "follow": True},
                "store": {"plugin": "lmdb", "path": str(stack.folder / "db")},
                "sinks": [{"plugin": "file", "input": "alerts", "path": str(stack.folder / "alerts")}],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead")},
                "health": {"listen": f"{HOST}:{port}"},
                **sections,
            }
        )
    )
    return stack.churnd("-c", config)


STUCK_SINK = """
#include <churn/sink.h>
#include <unistd.h>
static int32_t create(void *self, const churn_host *host, churn_error *err) { (void)self; (void)host; (void)err; return 0; }
static int32_t start(void *self, churn_error *err) { (void)self; (void)err; return 0; }
static int32_t take(void *self, const churn_record *records, uint32_t count, uint32_t *ret_taken, churn_error *err)
{ (void)self; (void)records; (void)err; *ret_taken = count; return 0; }
static int32_t hang(void *self, churn_done *done, uint32_t max, uint32_t timeout_ms, uint32_t *ret_count, churn_error *err)
{ (void)self; (void)done; (void)max; (void)timeout_ms; (void)ret_count; (void)err; while (self != NULL) { (void)sleep(3600); } return 0; }
static void stop(void *self, int64_t deadline_ms) { (void)self; (void)deadline_ms; }
static void destroy(void *self) { (void)self; }
static const churn_sink_ops ops = {.size = sizeof ops, .accepts = CHURN_RECORD_ALERT, .create = create, .start = start,
                                   .write = take, .poll = hang, .stop = stop, .destroy = destroy};
CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "stuck_sink", .version = "1", .summary = "Never comes back.", .ops = &ops);
"""


def start_stuck(stack, port, **sections):
    """A sink whose poll never comes back."""
    (stack.folder / "plugins").mkdir(parents=True)
    (stack.folder / "stuck_sink.c").write_text(STUCK_SINK)
    compile_plugin(stack.folder / "stuck_sink.c", stack.folder / "plugins/stuck_sink.so")
    return start_local(
        stack,
        port,
        shutdown_timeout="1s",
        plugin_path=[str(stack.folder / "plugins")],
        sinks=[{"plugin": "stuck_sink", "name": "deaf"}],
        **sections,
    )
