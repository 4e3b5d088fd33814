"""Customers that are forgotten while something of theirs is under way: predictions, alerts, and whoever is frozen."""

import contextlib
import json
import signal
import threading

import oracle
import pytest
import yaml
from confluent_kafka import Consumer, TopicPartition
from conftest import pipeline, quick_group
from metrics import fetch, parse, value
from services import Scripted, free_port, run_churnd, wait_for
from test_forget import GONE, KEY, OTHER, PARTITIONS, events_of, forget, held, order, run

TOPIC = "customer-events"
QUEUE, PREDICTIONS = "churn-prediction-requests", "churn-predictions"
GROUP = "churn-consumer-group-predictions"


class Api(Scripted):
    """A prediction API that keeps whoever asks for GONE waiting until it is told to answer."""

    def __init__(self):
        super().__init__()
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.mode = self.reply

    def reply(self, request):
        if json.loads(request["body"])["customer_id"] == GONE:
            self.asked.set()
            self.may_answer.wait(120)
        return 200, json.dumps({"churn_probability": 0.25}).encode()

    def of(self, customer, since=0):
        return [body for body in self.bodies(since) if body["customer_id"] == customer]


@pytest.fixture
def shop(stack):
    stack.start_kafka()
    stack.start_redis()
    stack.kafka.create_topics({TOPIC: PARTITIONS})
    stack.api, stack.hook, stack.port = Api(), Scripted(), free_port()
    stack.hook.mode = "error"

    def change(settings):
        quick_group(settings)
        prediction, alert = settings["sinks"]
        prediction.update({"url": stack.api.url, "timeout": "120s", "queue_topic": QUEUE})
        alert.update({"to": ["webhook"], "webhook_url": stack.hook.url, "retry_max": "500ms"})
        alert.pop("brokers"), alert.pop("topic")
        settings["health"] = {"listen": f"127.0.0.1:{stack.port}"}
        settings["forget"] = {"key": KEY}

    stack.config = pipeline(stack.folder / "consumer.yaml", change)
    yield stack
    stack.api.may_answer.set()
    stack.api.stop()
    stack.hook.stop()


def failed_payment(customer):
    key, text = order(customer)
    event = json.loads(text)
    event.update({"event_type": "payment_failed", "data": {"amount": 5, "failure_reason": "no funds"}})
    return key, json.dumps(event)


def counted(shop, name, **labels):
    return value(parse(fetch(shop.port)[2])[0], name, **labels)


def read_queue_again(shop):
    """The group of the queue begins anew, as whoever lost its offsets does."""
    group = Consumer({"bootstrap.servers": shop.kafka.brokers, "group.id": GROUP})
    count = len(group.list_topics(QUEUE, timeout=30).topics[QUEUE].partitions)
    group.commit(offsets=[TopicPartition(QUEUE, number, 0) for number in range(count)], asynchronous=False)
    group.close()


def test_what_is_under_way_is_given_up(shop):
    """A request that is out, triggers that wait behind it, an alert that is tried again for ever; then, the queue again."""
    live = shop.churnd("-c", shop.config)
    shop.kafka.produce(TOPIC, [order(GONE), order(OTHER), failed_payment(GONE)])
    assert shop.api.asked.wait(60)
    wait_for("the other's prediction", lambda: shop.redis.client.exists(f"prediction:{OTHER}"), 60)
    wait_for("an alert that is not taken", lambda: shop.hook.requests, 60)

    forgetting = shop.churnd("forget", GONE, "-c", shop.config)
    wait_for("the instance to know", lambda: counted(shop, "churnd_events_forgotten_total") >= 2, 60)
    assert forgetting.running(), "its request is out: the instance cannot have answered"
    shop.api.may_answer.set()
    assert forgetting.wait(60) == 0, forgetting.err
    receipt = json.loads(forgetting.out)
    assert receipt["complete"] and [i["answered"] for i in receipt["instances"]] == [True], receipt
    assert held(shop, GONE) == []
    assert counted(shop, "churnd_predictions_total", result="forgotten") >= 1

    asked, told = len(shop.api.requests), len(shop.hook.requests)
    shop.hook.mode = "ok"
    shop.kafka.produce(TOPIC, [failed_payment(OTHER)])
    wait_for("what comes later", lambda: shop.hook.bodies(told) and shop.api.of(OTHER, asked), 60)
    assert live.terminate() == 0, live.err[-3000:]
    assert {alert["customer_id"] for alert in shop.hook.bodies(told)} == {OTHER}

    asked = len(shop.api.requests)
    read_queue_again(shop)
    again = run(shop, "run", "--until-end")
    assert shop.api.of(OTHER, asked), "the queue was read again"
    assert shop.api.of(GONE, asked) == [], again.out
    assert {record[3] for record in oracle.read_topics(shop.kafka.brokers, [PREDICTIONS])} == {OTHER.encode()}
    assert held(shop, GONE) == []


def test_what_a_frozen_instance_held_is_erased(shop):
    """It is named. It was frozen between looking and writing: what it writes then is erased once it goes on, by itself."""
    shop.api.may_answer.set()
    live = shop.churnd("-c", shop.config)
    shop.kafka.produce(TOPIC, [order(GONE) for _ in range(3)])
    wait_for("the events", lambda: events_of(shop, GONE) == 3, 60)
    old = shop.redis.client.hgetall(f"profile:{GONE}")
    live.send(signal.SIGSTOP)
    try:
        receipt = forget(shop, GONE, status=1)
        assert not receipt["complete"]
        assert [(i["pid"], i["answered"]) for i in receipt["instances"]] == [(str(live.pid), False)]
        assert held(shop, GONE) == [], "what can be erased is"
        shop.redis.client.hset(f"profile:{GONE}", mapping=old)  # the put that was on its way
    finally:
        live.send(signal.SIGCONT)
    wait_for("it to be erased", lambda: held(shop, GONE) == [], 60)
    receipt = forget(shop, GONE)
    assert receipt["complete"] and receipt["erased"] == [], receipt
    assert live.terminate() == 0, live.err[-3000:]


def members(shop, seen):
    """How many the group has now; `seen` gets each number."""
    admin = shop.kafka.admin()  # kept until the answer is here
    group = admin.describe_consumer_groups(["churn-consumer-group"])["churn-consumer-group"].result(30)
    seen.add(len(group.members))
    return len(group.members)


def test_workers_that_have_ended_are_not_waited_for(shop):
    """Of a run that ends one still serves its last trigger; what the others held is gone."""
    settings = yaml.safe_load(shop.config.read_text())
    shop.config.write_text(yaml.safe_dump({**settings, "workers": 2}))
    shop.kafka.produce(TOPIC, [order(GONE), order(OTHER)])
    ending = shop.churnd("run", "--until-end", "-c", shop.config)
    assert shop.api.asked.wait(60)
    seen = set()
    wait_for("one of them to end", lambda: members(shop, seen) == 1 and 2 in seen, 60)
    receipt = forget(shop, OTHER)
    assert [i["answered"] for i in receipt["instances"]] == [True], receipt
    shop.api.may_answer.set()
    assert ending.wait(120) == 0, ending.err[-3000:]


def test_an_old_profile_is_no_base(shop):
    """Profiles of before that came back, as from a backup: those that begin anew are joined to none of them."""
    customers = [f"back_{number}" for number in range(40)]  # so many that profiles are read ahead of their puts
    ids = shop.folder / "ids"
    ids.write_text("\n".join([*customers, *(f"nobody_{number}" for number in range(960))]))  # as many as may be at once
    shop.api.may_answer.set()
    shop.hook.mode = "ok"
    shop.kafka.produce(TOPIC, [order(customer) for customer in customers])
    run(shop, "run", "--until-end")
    client = shop.redis.client
    old = {customer: client.hgetall(f"profile:{customer}") for customer in customers}
    assert all(old.values())
    forget(shop, "--file", str(ids))
    for customer, fields in old.items():
        client.hset(f"profile:{customer}", mapping=fields)
    shop.kafka.produce(TOPIC, [order(customer, day=1) for customer in customers for _ in range(2)])
    run(shop, "run", "--until-end")
    assert {events_of(shop, customer) for customer in customers} == {2}
    assert {client.hget(f"profile:{customer}", "total_spent") for customer in customers} == {b"20.00"}


def embedded(folder, **sections):
    """A pipeline of three orders of GONE and OTHER that needs no server."""
    (folder / "events.jsonl").write_text("".join(order(customer)[1] + "\n" for customer in (GONE, OTHER) * 3))
    settings = {
        "source": {"plugin": "file", "path": str(folder / "events.jsonl")},
        "store": {"plugin": "lmdb", "path": str(folder / "db")},
        "dead_letters": {"plugin": "file", "path": str(folder / "letters")},
        "forget": {"key": KEY},
        **sections,
    }
    config = folder / "p.yaml"
    config.write_text(yaml.safe_dump(settings))
    return config


def test_too_many_at_once(tmp_path):
    config, ids = embedded(tmp_path), tmp_path / "ids"
    ids.write_text("".join(f"c{number}\n" for number in range(10001)))
    refused = run_churnd("forget", "--file", ids, "-c", config, check=1)
    assert "10001 customers, and at most 10000 are possible at once; give them in parts" in refused.stderr
    ids.write_text("".join(f"c{number}\n" for number in range(10000)))
    receipt = json.loads(run_churnd("forget", "--file", ids, "-c", config, check=0).stdout)
    assert receipt["tombstone"] == 1 and len(receipt["customers"]) == 10000


def test_beside_a_run_of_an_embedded_store(tmp_path, stack):
    """It answers as others do, and is none any more once it has ended, in whatever way."""
    events = tmp_path / "events.jsonl"
    config = embedded(tmp_path, source={"plugin": "file", "path": str(events), "follow": True})
    stack.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    live = stack.churnd("-c", config)

    def total(customer):
        shown = run_churnd("profile", customer, "-c", config, "--format", "json")
        return json.loads(shown.stdout)["events_total"] if shown.returncode == 0 else 0

    wait_for("the events", lambda: total(GONE) == total(OTHER) == 3, 60)
    receipt = json.loads(run_churnd("forget", GONE, "-c", config, check=0).stdout)
    assert receipt["complete"], receipt
    assert [(i["pid"], i["answered"]) for i in receipt["instances"]] == [(str(live.pid), True)], receipt
    with events.open("a") as out:
        out.write(order(GONE, day=1)[1] + "\n")
    wait_for("the new event", lambda: total(GONE) == 1, 60)
    live.kill()
    assert total(OTHER) == 3
    assert json.loads(run_churnd("forget", GONE, "-c", config, check=0).stdout)["instances"] == []


def test_who_takes_over_rebuilt_profiles_knows_it_too(tmp_path):
    """Under their own key_prefix, where no topic has it."""
    config, state = embedded(tmp_path), {"XDG_STATE_HOME": str(tmp_path / "state")}
    run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    run_churnd("forget", GONE, "-c", config, check=0)
    run_churnd("rebuild", "--into", "again:", "-c", config, env=state, check=0)
    settings = yaml.safe_load(config.read_text())
    settings["store"]["key_prefix"] = "again:"
    config.write_text(yaml.safe_dump(settings))
    again = run_churnd("run", "--until-end", "--replay-from", "beginning", "-c", config, env=state, check=0)
    assert "forgotten 3" in again.stdout, again.stdout
    run_churnd("profile", GONE, "-c", config, check=1)
    run_churnd("profile", OTHER, "-c", config, check=0)


def test_acts_are_audited(tmp_path):
    """Each customer's forgetting and each look is found by the customer, who is named nowhere."""
    audit = tmp_path / "audit.jsonl"
    config = embedded(tmp_path, audit={"path": str(audit), "key": KEY})
    run_churnd("run", "--until-end", "-c", config, env={"XDG_STATE_HOME": str(tmp_path / "state")}, check=0)
    run_churnd("where", GONE, "-c", config, check=0)
    run_churnd("where", GONE, "--export", "-c", config, check=0)
    run_churnd("forget", GONE, OTHER, "-c", config, check=0)
    for customer, acts in ((GONE, ["read", "export", "forget"]), (OTHER, ["forget"])):
        lines = run_churnd("audit", "-c", config, "--customer", customer, check=0).stdout.splitlines()
        assert [json.loads(line)["action"] for line in lines] == acts, lines
        assert customer not in audit.read_text()
    run_churnd("audit", "verify", "-c", config, check=0)


def test_what_was_counted_meanwhile_is_read_again(shop):
    """An instance that did not know yet counted events of after, and was done with them, before the profile was erased."""
    shop.hook.mode = "ok"
    shop.api.may_answer.set()
    shop.kafka.produce(TOPIC, [order(customer) for customer in (GONE, OTHER)])
    run(shop, "run", "--until-end")
    forget(shop, GONE)
    shop.kafka.produce(TOPIC, [order(customer, day=1) for customer in (GONE, OTHER) for _ in range(2)])
    client = shop.redis.client
    with contextlib.closing(
        Consumer({"bootstrap.servers": shop.kafka.brokers, "group.id": "churn-consumer-group"})
    ) as group:
        ends = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        for place in ends:
            _, place.offset = group.get_watermark_offsets(place, timeout=30)
            (checkpoint,) = client.keys(f"churnd:checkpoint:*{TOPIC}/{place.partition}") or [None]
            if checkpoint:
                client.hset(checkpoint, "offset", place.offset)
        group.commit(offsets=ends, asynchronous=False)
    run(shop, "run", "--until-end")
    assert events_of(shop, GONE) == 2
    again = run(shop, "run", "--until-end")
    assert "where customers were forgotten" not in again.err, "once is enough"
    assert events_of(shop, GONE) == 2
