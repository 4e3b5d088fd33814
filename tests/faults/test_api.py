"""Row 13: a prediction API that fails in every way that HTTP has. Profiles go on, no trigger is lost."""

import json

import pytest
from services import wait_for

MIB = 1 << 20


def huge(_):
    return 200, b'{"churn_probability": 0.5, "padding": "' + b"x" * (64 * MIB) + b'"}'


def deep(_):
    return 200, b"[" * 100000


def redirected(_):
    return 302, b"", {"Location": "file:///etc/hostname"}


FAILURES = {
    "500": lambda _: (500, b"{}"),
    "429": lambda _: (429, b"slow down", {"Retry-After": "1"}),
    "garbage": lambda _: (200, b"\x00\xff" * 1000),
    "probability of 7": lambda _: (200, json.dumps({"churn_probability": 7}).encode()),
    "deep": deep,
    "huge": huge,
    "redirect to a file": redirected,
    "timeout": "hang",
    "slow loris": "drip",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_api_fails(rig, failure):
    def impatient(settings):
        settings["sinks"][0]["timeout"] = "1s"

    rig.up(count=2000, customers=200, delay=0.001)
    rig.fault(f"the API: {failure}")
    rig.api.mode = FAILURES[failure]
    fleet = rig.fleet(1, impatient)
    rig.settle(fleet)
    rig.fill(1000)
    rig.settle(fleet)
    wait_for("requests", lambda: len(rig.api.requests) >= 3, 30)
    assert not rig.store.hashes("prediction:"), "a failure was taken for an answer"
    assert rig.watch.peak_rss() < 400 * MIB
    rig.api.mode = "ok"
    rig.api.released.set()
    rig.finish(fleet)
