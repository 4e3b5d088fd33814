"""Row 13: a prediction API that fails in every way that HTTP has. Profiles go on, no trigger is lost."""

import json
import time

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
    "endless trailers": "endless",
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


def small(settings):
    settings["sinks"][0].update(max_waiting="200", queue_partitions="4")


def predicted(rig):
    """Customers of whom a prediction is in the store, and of whom one is owed."""
    return rig.store.hashes("prediction:").keys(), rig.model().triggers.keys()


def until_end(rig, change, timeout=180, env=None):
    run = rig.stack.churnd("-c", rig.config(change), "--until-end", env=env)
    status = run.wait(timeout)
    assert status == 0, f"churnd ended with {status}:\n{run.err[-3000:]}"
    return run


@pytest.mark.ci
def test_partition_taken_over_while_enough_waits(rig):
    """The API is down until the first instance has read ahead as much as it may; then a second one takes partitions over."""
    rig.up(count=4000, customers=300, delay=0.001)
    rig.fault("the API is down")
    rig.api.stop()
    fleet = rig.fleet(1, small)
    rig.settle(fleet)
    rig.says(fleet, "is failing")
    fleet.start()
    wait_for("both to have a part of the queue", lambda: rig.members_of(rig.topic("requests")) == 2)
    rig.fill(500)
    rig.settle(fleet)
    rig.api.start()
    rig.finish(fleet)


@pytest.mark.parametrize("killed", [pytest.param(False, marks=pytest.mark.ci), True], ids=["whole", "killed"])
def test_end_of_two_workers(rig, killed):
    """`--until-end` means that nothing waits: each customer is predicted, also after a kill -9 within."""

    def two(settings):
        small(settings)
        settings["workers"] = "2"

    rig.up(count=6000, customers=400, delay=0.001)
    for _ in range(3):
        if killed:
            first = rig.stack.churnd("-c", rig.config(two), "--until-end")
            before = len(rig.api.requests)
            wait_for("requests", lambda: len(rig.api.requests) > before + 50, 60)
            rig.fault("kill -9 while it serves")
            first.kill()
        run = until_end(rig, two)
        have, owed = predicted(rig)
        assert have == owed, f"{len(have)} of {len(owed)} customers are predicted\n{run.err[-3000:]}"
        assert "could not be served" not in run.err
        rig.fill(3000)


def test_end_while_the_api_hangs(rig):
    """The API answers at first and then takes connections only. The run ends, says so, and the next one makes it good."""

    def patient(settings):
        settings["sinks"][0].update(timeout="3s", breaker_pause="1s")

    asked = []

    def script(request):
        asked.append(request)
        if len(asked) > 60:
            rig.api.released.wait(30)
        else:
            time.sleep(rig.rng.random() * 2)  # so that the last ones fail while a probe is out
        return 200, b'{"churn_probability": 0.5}'

    rig.up(count=2000, customers=400, delay=0.001)
    rig.fault("the API hangs")
    rig.api.mode = script
    run = until_end(rig, patient)
    assert "could not be served" in run.err and "is failing" in run.err
    rig.api.released.set()
    rig.api.mode = "ok"
    until_end(rig, patient)
    have, owed = predicted(rig)
    assert have == owed


def test_slow_store_is_not_blamed_on_the_api(rig):
    """Redis answers nothing for longer than a request may take: nothing is wrong with the API, and nothing is asked again."""

    def impatient(settings):
        settings["sinks"][0]["timeout"] = "1s"

    rig.up(count=3000, customers=500, delay=0.001)
    rig.api.delay = 0.3
    run = rig.stack.churnd("-c", rig.config(impatient), "--until-end", env={"REDIS_TIMEOUT": "30s"})
    for n in (1, 100, 200):
        wait_for("requests", lambda: len(rig.api.requests) > n, 60)
        rig.fault("Redis is slow")
        rig.store.client.client_pause(4000)
    assert run.wait(180) == 0, run.err[-3000:]
    have, owed = predicted(rig)
    assert have == owed
    assert "is failing" not in run.err and " failed " not in run.out, run.err[-3000:] + run.out
    ids = [body["request_id"] for body in rig.api.bodies()]
    assert len(ids) == len(set(ids)), "a request was made twice"
