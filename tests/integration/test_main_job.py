"""The main job on real input: producer and adversaries into Kafka, the shipped consumer set up by its environment alone."""

import json
import time

import events
import oracle
from confluent_kafka import Consumer, TopicPartition
from conftest import EVENTS
from services import SRC, wait_for

TOPICS = ["customer-events", "user-events"]
PRODUCER, CONSUMER = SRC / "config/producer.yaml", SRC / "config/consumer.yaml"


def fill(stack, seed, count, customers):
    """Both topics: the shipped producer's events, the test's own load, and every adversary in both."""
    kafka = stack.kafka
    kafka.create_topics({"customer-events": 4, "user-events": 2})
    stack.run(
        "-c",
        PRODUCER,
        env={
            "CHURN_EVENTS": str(count),
            "CHURN_RATE": "0",
            "CHURN_CUSTOMERS": str(customers),
            "CHURN_BAD_SHARE": "0.01",
            "CHURN_SEED": str(seed % 100000),
        },
    )
    kafka.produce("customer-events", events.adversarial(seed))
    kafka.produce("user-events", events.adversarial(seed + 1, with_big=False) + events.load(2000, customers, seed))
    model = oracle.Model().feed_topics(kafka.brokers, TOPICS)
    assert model.events > count * 0.97
    assert len(model.dead) > count * 0.005 + 1000
    return model


def oldest_record(brokers, topic):
    """Its time stamp, in seconds: retention goes by it, so it must be the time of writing, however old the event is."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "times"})
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in consumer.list_topics(topic, 10).topics[topic].partitions])
        oldest, batch = time.time(), consumer.consume(10000, 5)
        while batch:
            oldest = min([oldest, *(m.timestamp()[1] / 1000 for m in batch)])
            batch = consumer.consume(10000, 1)
        return oldest
    finally:
        consumer.close()


def assert_predictions(stack, model, base_url=None):
    """In Redis, with expiry, for every customer that had a trigger; the topic has the same."""
    client = stack.redis.client
    predictions = stack.redis.hashes("prediction:")
    assert predictions.keys() == model.triggers.keys()
    pipe = client.pipeline(transaction=False)
    for customer in predictions:
        pipe.pttl(f"prediction:{customer}")
    assert all(0 < ttl <= 3600_000 for ttl in pipe.execute())
    published = {}
    for _, _, _, key, value, _ in oracle.read_topics(stack.kafka.brokers, ["churn-predictions"]):
        answer = json.loads(value)
        assert answer["customer_id"] == key.decode()
        published[answer["customer_id"]] = answer
    assert published.keys() == model.triggers.keys()
    for customer, fields in predictions.items():
        triggers = {t.event_id for t in model.triggers[customer]}
        assert 0 <= float(fields["churn_probability"]) <= 1
        assert fields["risk_level"] and fields["model_version"]
        assert oracle.timestamp(fields["predicted_at"]) > 1577836800000
        assert fields["event_id"] in triggers, (customer, fields)
        assert published[customer]["event_id"] in triggers
        assert published[customer]["churn_probability"] == float(fields["churn_probability"])


def test_everything_is_exact(stack, seed):
    stack.start_kafka()
    stack.start_redis()
    stack.start_example_api()
    model = fill(stack, seed, EVENTS, max(200, EVENTS // 20))

    start = time.monotonic()
    run = stack.run("-c", CONSUMER, "--until-end", timeout=1200)
    print(f"{model.events + len(model.dead)} events in {time.monotonic() - start:.1f} s\n{run.out}")

    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    oracle.assert_dead_letters(model, oracle.kafka_dead_letters(stack.kafka.brokers, "churn-dead-letters"))
    alerts = list(oracle.read_topics(stack.kafka.brokers, ["customer-alerts"]))
    repeats = oracle.assert_alerts(model, [a[4] for a in alerts])
    assert repeats == 0, "nothing was delivered twice, so no alert may be"
    assert all(json.loads(value)["customer_id"] == key.decode() for _, _, _, key, value, _ in alerts)
    assert_predictions(stack, model)
    for topic in ("customer-alerts", "churn-predictions", "churn-prediction-requests", "churn-dead-letters"):
        assert oldest_record(stack.kafka.brokers, topic) > time.time() - 86400, topic
    for count in (model.events, len(model.dead), len(model.profiles), len(model.alerts)):
        assert str(count) in run.out.replace(",", "").replace(" ", " "), f"the summary lacks {count}:\n{run.out}"

    # A second run has nothing to do, and a replay by another group changes nothing.
    before = stack.redis.hashes("profile:")
    stack.run("-c", CONSUMER, "--until-end")
    assert stack.redis.hashes("profile:") == before
    stack.run("-c", CONSUMER, "--until-end", env={"KAFKA_GROUP_ID": "another-group"}, timeout=1200)
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))


def test_requests_carry_the_profile_with_the_trigger(stack, seed):
    """What the API is sent: the whole profile as JSON, with the triggering event already in it."""
    stack.start_kafka()
    stack.start_redis()
    api = stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 4, "user-events": 2})
    stack.kafka.produce("customer-events", events.load(5000, 300, seed) + [(b"k", v) for _, v in events.valid()])
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    stack.run("-c", CONSUMER, "--until-end", timeout=600)

    by_id = {(customer, t.event_id): t for customer, triggers in model.triggers.items() for t in triggers}
    seen, request_ids, newest = set(), {}, {}
    for request in api.requests:
        assert request["path"] == "/api/predict"
        assert "application/json" in request["headers"]["Content-Type"]
        body = oracle.parse_json(request["body"])
        assert body.keys() == {"request_id", "customer_id", "trigger", "profile"}, body
        trigger, profile, customer = body["trigger"], body["profile"], body["customer_id"]
        expected = by_id[customer, trigger["event_id"]]
        assert trigger.keys() == {"event_id", "event_type", "timestamp"}
        assert oracle.timestamp(profile["last_event_at"]) >= oracle.timestamp(trigger["timestamp"])
        assert int(profile["events_total"]) >= 1 and not [n for n in profile if n.startswith("_")]
        if customer.startswith("cust_"):  # one partition a customer: the rank says how many events came before
            assert (trigger["event_type"], oracle.timestamp(trigger["timestamp"])) == (
                expected.event_type,
                expected.time_ms,
            )
            assert int(profile["events_total"]) >= expected.rank, (profile, expected)
        if "total_spent" in profile:
            assert "." in profile["total_spent"], "money keeps its decimals"
        assert request_ids.setdefault(body["request_id"], (customer, trigger["event_id"])) == (
            customer,
            trigger["event_id"],
        )
        seen.add(customer)
        newest[customer] = {n: str(v) for n, v in profile.items()}
    assert seen == model.triggers.keys()
    # The newest request of a customer whose last event was a trigger carries the final profile.
    final = model.profile_fields()
    last_is_trigger = [
        c for c, t in model.triggers.items() if c.startswith("cust_") and t[-1].rank == model.profiles[c].total
    ]
    assert len(last_is_trigger) > 20
    for customer in last_is_trigger:
        assert newest[customer] == final[customer]
    assert_predictions(stack, model)


def test_topic_that_does_not_exist_yet(stack, seed):
    """Neither a run to the end nor a running consumer is held up; once it is there it is read."""
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 4})
    stack.kafka.produce("customer-events", events.load(3000, 100, seed))
    start = time.monotonic()
    stack.run("-c", CONSUMER, "--until-end", timeout=120)
    assert time.monotonic() - start < 60
    oracle.assert_profiles(
        oracle.Model().feed_topics(stack.kafka.brokers, ["customer-events"]), stack.redis.hashes("profile:")
    )
    assert not stack.kafka.topic_exists("user-events"), "a consumer makes no topic"

    daemon = stack.churnd("-c", CONSUMER)
    stack.kafka.produce("customer-events", events.load(1000, 100, seed + 1))
    model = oracle.Model().feed_topics(stack.kafka.brokers, ["customer-events"])
    wait_for(
        "the profiles", lambda: not oracle.differences(model.profile_fields(), stack.redis.hashes("profile:")), 60, 0.3
    )
    stack.kafka.create_topics({"user-events": 3})
    stack.kafka.produce("user-events", events.load(1000, 100, seed + 2))
    model = oracle.Model().feed_topics(stack.kafka.brokers, TOPICS)
    wait_for(
        "the new topic's events",
        lambda: not oracle.differences(model.profile_fields(), stack.redis.hashes("profile:")),
        120,
        0.3,
    )
    assert daemon.terminate() == 0


def test_dead_letter_of_a_shipped_reason_is_readable(stack):
    """The detail is for a person: it names the field at fault."""
    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 1})
    bad = events.raw(events.event("review_submitted", {"product_id": "p", "rating": 9}))
    stack.kafka.produce("customer-events", [(b"k", bad)])
    stack.run("-c", CONSUMER, "--until-end")
    ((_, _, _, key, value, headers),) = oracle.read_topics(stack.kafka.brokers, ["churn-dead-letters"])
    headers = {n: v.decode() for n, v in headers}
    assert (key, value) == (b"k", bad)
    assert headers["churn.reason"] == "invalid_value"
    assert "rating" in headers["churn.detail"]
    assert (headers["churn.topic"], headers["churn.partition"], headers["churn.offset"]) == (
        "customer-events",
        "0",
        "0",
    )


def test_unknown_types_can_be_ignored_and_rules_overridden(stack, seed):
    from conftest import pipeline

    def change(settings):
        settings["events"] = {
            "unknown": "ignore",
            "override": {
                "login": {"alert": "info"},
                "payment_failed": {"alert": "none"},
                "order_placed": {"predict": False},
            },
        }

    stack.start_kafka()
    stack.start_redis()
    stack.start_scripted()
    stack.kafka.create_topics({"customer-events": 2})
    stack.kafka.produce(
        "customer-events",
        events.load(2000, 50, seed) + [(b"x", events.raw(events.event("newsletter_read", {}))), (b"x", b"{}")],
    )
    stack.run("-c", pipeline(stack.folder / "p.yaml", change), "--until-end")
    model = oracle.Model().feed_topics(stack.kafka.brokers, ["customer-events"])
    oracle.assert_profiles(model, stack.redis.hashes("profile:"))
    reasons = [letter[0] for letter in oracle.kafka_dead_letters(stack.kafka.brokers, "churn-dead-letters")]
    assert reasons == ["missing_field"]
    alerts = [json.loads(a[4]) for a in oracle.read_topics(stack.kafka.brokers, ["customer-alerts"])]
    assert {a["severity"] for a in alerts if a["event_type"] == "login"} == {"info"}
    assert not [a for a in alerts if a["event_type"] == "payment_failed"]
    assert len([a for a in alerts if a["event_type"] == "login"]) == sum(
        int(p.get("login_count", 0)) for p in model.profile_fields().values()
    )
    assert {json.loads(r["body"])["trigger"]["event_type"] for r in stack.api.requests} == oracle.PREDICTS - {
        "order_placed"
    }
