"""The prediction API is down: profiles go on, triggers wait, and each waiting customer is served once it is back."""

import contextlib
import re
import signal
import time

import events
import oracle
import pytest
from confluent_kafka import TopicPartition
from conftest import pipeline, quick_group
from services import wait_for

TOPICS = ["customer-events"]


def setup(stack, seed, count=6000, customers=300):
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 4})
    stack.kafka.produce("customer-events", events.load(count, customers, seed))
    return oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)


def wait_for_profiles(stack, model, what="the profiles"):
    expected = model.profile_fields()
    wait_for(what, lambda: not oracle.differences(expected, stack.redis.hashes("profile:")), 60, 0.3)


def wait_for_predictions(stack, model):
    wait_for(
        "a prediction for each customer with a trigger",
        lambda: stack.redis.hashes("prediction:").keys() == model.triggers.keys(),
        120,
        0.3,
    )


def assert_requests_are_right(stack, model, since=0):
    """Each served customer's last request was made with the final profile or one that includes its trigger."""
    ranks = {(c, t.event_id): t.rank for c, triggers in model.triggers.items() for t in triggers}
    for body in stack.api.bodies(since):
        assert body["profile"]["events_total"] >= ranks[body["customer_id"], body["trigger"]["event_id"]]


@pytest.mark.parametrize("failure", ["stopped", "error", "hang", "garbage"])
def test_api_down_and_back(stack, seed, failure):
    model = setup(stack, seed)
    if failure == "stopped":
        stack.api.stop()
    else:
        stack.api.mode = failure
    daemon = stack.churnd("-c", pipeline(stack.folder / "consumer.yaml", quick_group))
    wait_for_profiles(stack, model, f"the profiles while the API is down ({failure})")
    more = events.load(2000, 400, seed + 1)
    stack.kafka.produce("customer-events", more)
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    wait_for_profiles(stack, model, f"more profiles while the API is down ({failure})")
    assert not stack.redis.hashes("prediction:")
    tried = len(stack.api.requests)
    assert daemon.running()
    if failure == "stopped":
        stack.api.start()
    else:
        stack.api.mode = "ok"
        stack.api.released.set()
    wait_for_predictions(stack, model)
    assert_requests_are_right(stack, model, tried)
    assert daemon.terminate() == 0
    print(
        f"{tried} requests during the outage, {len(stack.api.requests) - tried} afterwards, "
        f"{sum(map(len, model.triggers.values()))} triggers of {len(model.triggers)} customers"
    )


def test_kill_while_triggers_wait(stack, seed):
    """kill -9 during the outage, twice; the triggers wait in Kafka, so none is lost."""
    model = setup(stack, seed)
    stack.api.stop()
    config = pipeline(stack.folder / "consumer.yaml", quick_group)
    daemon = stack.churnd("-c", config)
    wait_for_profiles(stack, model)
    time.sleep(1.5)
    daemon.kill()
    daemon = stack.churnd("-c", config)
    stack.kafka.produce("customer-events", events.load(2000, 400, seed + 1))
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    wait_for_profiles(stack, model)
    daemon.kill()
    stack.api.start()
    daemon = stack.churnd("-c", config)
    wait_for_predictions(stack, model)
    assert daemon.terminate() == 0
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))


def test_until_end_does_not_wait_for_a_dead_api(stack, seed):
    """A run to the end with the API down ends, and one that waits for a slow API ends by a signal and says that it is not
    through; the triggers wait for the next run."""
    model = setup(stack, seed, 3000, 100)
    stack.api.stop()
    config = pipeline(stack.folder / "consumer.yaml", quick_group)
    stack.run("-c", config, "--until-end", timeout=120)
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    assert not stack.redis.hashes("prediction:")
    stack.api.start()
    stack.api.delay = 4.0
    process = stack.churnd("-c", config, "--until-end")
    wait_for("the end to wait", lambda: "the end waits for" in process.err, 60)
    process.send(signal.SIGINT)
    assert process.wait(60) == 128 + signal.SIGINT, process.err[-3000:]
    assert "  interrupted    by SIGINT before the end: " in process.out, process.out
    stack.api.delay = 0.0
    stack.run("-c", config, "--until-end", timeout=120)
    assert stack.redis.hashes("prediction:").keys() == model.triggers.keys()


def test_flaky_api(stack, seed):
    """Every third request fails, in another way each time: all are served in the end."""
    model = setup(stack, seed, 3000, 150)
    calls = []

    def script(request):
        calls.append(request)
        n = len(calls)
        if n % 3:
            return 200, b'{"churn_probability": 0.5}'
        return [
            (500, b"{}"),
            (429, b"slow down"),
            (200, b"{}"),
            (200, b'{"churn_probability": 1.5}'),
            (200, b"[]"),
            (200, b'{"churn_probability": "high"}'),
            (503, b""),
        ][n // 3 % 7]

    stack.api.mode = script
    daemon = stack.churnd("-c", pipeline(stack.folder / "consumer.yaml", quick_group))
    wait_for_predictions(stack, model)
    assert daemon.terminate() == 0
    assert {p["churn_probability"] for p in stack.redis.hashes("prediction:").values()} == {"0.5"}


def test_triggers_of_one_customer_become_one_request(stack, seed):
    """While they wait they are joined: one request for each customer, with its newest trigger."""
    model = setup(stack, seed, 4000, 40)
    stack.api.stop()
    daemon = stack.churnd("-c", pipeline(stack.folder / "consumer.yaml", quick_group))
    wait_for_profiles(stack, model)
    time.sleep(2)
    before = len(stack.api.requests)
    stack.api.start()
    wait_for_predictions(stack, model)
    newest = {c: (t[-1].event_id, max(t, key=lambda x: x.time_ms).event_id) for c, t in model.triggers.items()}

    def older():
        """Customers whose last request so far has not their newest trigger."""
        last = {body["customer_id"]: body["trigger"]["event_id"] for body in stack.api.bodies(before)}
        return {c: (last.get(c), ids) for c, ids in newest.items() if last.get(c) not in ids}

    with contextlib.suppress(AssertionError):
        wait_for("the newest triggers", lambda: not older())
    assert not older(), f"not the newest trigger: {list(older().items())[:5]}"
    time.sleep(2)
    assert not older(), "an older trigger came after the newest one"
    made = len(stack.api.requests) - before
    triggers = sum(map(len, model.triggers.values()))
    assert made <= triggers / 4, f"{made} requests for {triggers} triggers of {len(model.triggers)} customers"
    assert daemon.terminate() == 0


def letters_of(stack):
    for _, _, _, _, value, headers in oracle.read_topics(stack.kafka.brokers, ["churn-dead-letters"]):
        yield value, {name: text.decode() for name, text in headers}


def empty(stack, topic, partitions):
    """Retention takes all that the topic holds."""
    stack.kafka.manage("delete_records", [TopicPartition(topic, p, -1) for p in range(partitions)])


def orders(*customers):
    return [(c.encode(), events.raw(events.event("order_placed", events.ORDER, c, f"{c}_new"))) for c in customers]


def check_a_redrive_beside_the_pipeline(stack, config):
    """It leaves the queue to the pipeline that runs: it ends though triggers of that one wait, for the API is down, and
    asks for none; nothing is taken from the pipeline, which serves both once the API is back."""
    stack.api.mode = "reject"
    daemon = stack.churnd("-c", config)
    stack.kafka.produce("customer-events", orders("cust_x"))
    wait_for("a dead letter", lambda: any(b"cust_x" in value for value, _ in letters_of(stack)), 60)
    stack.api.mode = "error"
    stack.kafka.produce("customer-events", orders("cust_y"))
    wait_for("a request of the pipeline", lambda: stack.api.bodies()[-1]["customer_id"] == "cust_y", 60)
    run = stack.run("redrive", "-c", config, timeout=120)
    assert re.search(r"redriven +1 +offered to sinks again 1$", run.out, re.M), run.out
    assert "a pipeline that runs serves topic `churn-prediction-requests`" in run.err
    assert re.search(r"predictions +0 +requested 1$", run.out, re.M), run.out
    assert not stack.redis.hashes("prediction:").keys() & {"cust_x", "cust_y"}
    stack.api.mode = "ok"
    wait_for("both", lambda: stack.redis.hashes("prediction:").keys() >= {"cust_x", "cust_y"}, 60)
    assert daemon.terminate() == 0


def test_refused_requests_are_redriven(stack, seed):
    """A request that the API refused is a dead letter of the pipeline like any other: counted, and offered again by
    `redrive`, once. A new group_id then does not have the queue served again, nor does another queue_group."""
    model = setup(stack, seed, 1500, 60)
    config = pipeline(stack.folder / "consumer.yaml", quick_group)
    stack.api.mode = "reject"
    run = stack.run("-c", config, "--until-end", timeout=120)
    letters = list(letters_of(stack))
    by_id = {trigger.event_id: trigger for triggers in model.triggers.values() for trigger in triggers}
    for value, headers in letters:
        trigger = oracle.parse_json(value)["trigger"]
        position = headers["churn.topic"], int(headers["churn.partition"]), int(headers["churn.offset"])
        assert position == by_id[trigger["event_id"]].position
        assert (headers["churn.reason"], headers["churn.kind"], headers["churn.sink"]) == (
            "rejected_by_sink",
            "trigger",
            "prediction",
        )
        assert "400" in headers["churn.detail"]
    assert len(letters) >= len(model.triggers) > 30
    assert re.search(rf"dead letters +{len(letters):,} +rejected_by_sink {len(letters):,}", run.out), run.out
    assert f"dead lettered {len(letters):,}" in run.out

    stack.api.mode = "ok"
    run = stack.run("redrive", "-c", config, timeout=120)
    assert re.search(rf"redriven +{len(letters):,} +offered to sinks again {len(letters):,}$", run.out, re.M), run.out
    assert stack.redis.hashes("prediction:").keys() == model.triggers.keys()
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    assert re.search(r"redriven +0$", stack.run("redrive", "-c", config).out, re.M)

    check_a_redrive_beside_the_pipeline(stack, config)

    made = len(stack.api.requests)
    empty(stack, "customer-events", 4)
    stack.kafka.produce("customer-events", orders("cust_a", "cust_b"))
    stack.run("-c", config, "--until-end", env={"KAFKA_GROUP_ID": "another"}, timeout=120)
    assert sorted(body["customer_id"] for body in stack.api.bodies(made)) == ["cust_a", "cust_b"]

    def renamed(settings):
        quick_group(settings)
        settings["sinks"][0]["queue_group"] = "another-queue-group"

    stack.kafka.produce("customer-events", orders("cust_c"))
    run = stack.run(
        "-c",
        pipeline(stack.folder / "consumer.yaml", renamed),
        "--until-end",
        env={"KAFKA_GROUP_ID": "another"},
        timeout=120,
    )
    assert [body["customer_id"] for body in stack.api.bodies(made + 2)] == ["cust_c"]
    assert "churn-prediction-requests" in run.err and "passed over" in run.err
