"""Customers that are forgotten: erased from the store, and nothing of before counts again, whoever reads it once more."""

import itertools
import json
import re
import signal
import subprocess

import confluent_kafka
import oracle
import pytest
import services
import yaml
from confluent_kafka.admin import ConfigResource
from conftest import pipeline, quick_group
from services import CHURND, HOST, clean_environment, free_port, run_churnd, wait_for

KEY = "6c" * 32
USER, PASSWORD = "app", "correct-horse-7"
PARTITIONS = 3
MONDAY = 1772668800000  # 2026-03-05
GONE, OTHER = "forgotten_1", "stays_1"
numbers = itertools.count()


def order(customer, day=0, value="10.00"):
    """(key, value) of an order of a further day."""
    number = next(numbers)
    time_ms = MONDAY + day * 86_400_000 + number
    return (
        customer,
        json.dumps(
            {
                "event_id": f"{customer}_{number}",
                "event_type": "order_placed",
                "customer_id": customer,
                "timestamp": oracle.time_text(time_ms),
                "data": {
                    "order_id": f"o{number}",
                    "order_value": float(value),
                    "items_count": 1,
                    "payment_method": "card",
                },
            }
        ),
    )


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    made = services.Stack(tmp_path_factory.mktemp("servers"))
    try:
        made.start_kafka(users={USER: PASSWORD}, properties=("auto.create.topics.enable=false",))
        made.start_redis()
        yield made
    finally:
        made.stop()


@pytest.fixture
def shop(servers, stack):
    """A pipeline with topics, a group and a database that nobody else has used."""
    number = next(numbers)
    stack.topic, stack.letters, stack.ledger = f"events-{number}", f"letters-{number}", f"forgotten-{number}"
    stack.kafka, stack.redis = servers.kafka, servers.redis
    stack.env |= servers.env | {"KAFKA_GROUP_ID": f"group-{number}", "XDG_STATE_HOME": str(stack.folder / "state")}
    stack.kafka.create_topics({stack.topic: PARTITIONS})
    stack.redis.client.flushall()
    stack.config = configure(stack, "consumer")
    return stack


def configure(stack, name, change=lambda settings: None):
    def all_changes(settings):
        quick_group(settings)
        settings["source"]["topics"] = [stack.topic]
        settings["dead_letters"]["topic"] = stack.letters
        settings["sinks"] = []
        settings["processors"] = [{"plugin": "dedup"}]
        settings["forget"] = {"key": KEY, "topic": stack.ledger}
        change(settings)

    return pipeline(stack.folder / f"{name}.yaml", all_changes)


def run(stack, *arguments, group=None, status=0, config=None):
    env = {"KAFKA_GROUP_ID": f"{stack.topic}-{group}"} if group else None
    process = stack.churnd(*arguments, "-c", config or stack.config, env=env)
    assert process.wait(120) == status, f"{process.out[-2000:]}\n{process.err[-4000:]}"
    return process


def read_on(stack, group=None):
    return run(stack, "run", "--until-end", group=group)


def read_again(stack, group, config=None):
    return run(stack, "run", "--until-end", "--replay-from", "beginning", group=group, config=config)


def forget(stack, *customers, status=0):
    return json.loads(run(stack, "forget", *customers, status=status).out)


def refused(stack, *customers):
    """What is said where nobody was forgotten."""
    process = run(stack, "forget", *customers, status=1)
    assert process.out == "" and "nobody is forgotten" in process.err, process.out + process.err
    return process.err


def tombstones(stack):
    """Ids of the log in Redis, in its order."""
    client = stack.redis.client
    keys = sorted(client.keys("churnd:forgotten:*"), key=lambda key: int(key.rsplit(b"/", 1)[1]))
    return [client.hget(key, "id").decode() for key in keys]


def ledger(stack):
    """Ids in the topic, in its order."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": stack.kafka.brokers, "group.id": "looks", "isolation.level": "read_uncommitted"}
    )
    try:
        partition = confluent_kafka.TopicPartition(stack.ledger, 0, 0)
        end = consumer.get_watermark_offsets(partition, timeout=20)[1]
        consumer.assign([partition])
        records = []
        while not records or records[-1].offset() < end - 1:
            record = consumer.poll(20)
            assert record is not None and record.error() is None, record
            records.append(record)
        return [record.key().decode() for record in records]
    finally:
        consumer.close()


def policy(stack):
    resource = ConfigResource(ConfigResource.Type.TOPIC, stack.ledger)
    admin = stack.kafka.admin()  # kept until the answer is here
    [configs] = admin.describe_configs([resource]).values()
    return configs.result(20)["cleanup.policy"].value


def events_of(stack, customer):
    return int(stack.redis.client.hget(f"profile:{customer}", "events_total") or 0)


def held(stack, customer):
    return sorted(key.decode() for key in stack.redis.client.keys("*") if customer.encode() in key)


def test_nothing_of_before_counts_again(shop):
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(5)])
    read_on(shop)
    assert events_of(shop, GONE) == events_of(shop, OTHER) == 5
    assert len(held(shop, GONE)) == 6, "a profile, and the ids of five events"

    receipt = forget(shop, GONE)
    assert receipt["complete"] and receipt["customers"] == [GONE], receipt
    assert {place["key"] for place in receipt["erased"]} >= {f"profile:{GONE}"} and len(receipt["erased"]) == 6
    assert sum(receipt["below"].values()) == 10 and len(receipt["below"]) == PARTITIONS
    assert {"section", "topic", "at"} == set(receipt["elsewhere"][0])
    assert held(shop, GONE) == [] and events_of(shop, OTHER) == 5
    assert GONE.encode() not in b"".join(
        b"".join(shop.redis.client.hgetall(k)) for k in shop.redis.client.keys("churnd:*")
    )

    # What was read before is read again by another group, and a replay by the same; the others lose nothing.
    for again in (read_on(shop, group="another"), run(shop, "run", "--until-end", "--replay-from", "beginning")):
        assert "forgotten 5" in again.out, again.out
        assert held(shop, GONE) == [] and events_of(shop, OTHER) == 5

    # What is written from here on begins a profile that knows nothing of the one before.
    shop.kafka.produce(shop.topic, [order(GONE, day=1) for _ in range(2)])
    read_on(shop)
    assert events_of(shop, GONE) == 2
    profile = shop.redis.client.hgetall(f"profile:{GONE}")
    assert profile[b"_f"].decode() == receipt["tombstone_id"]
    assert profile[b"total_spent"] == b"20.00"
    run(shop, "run", "--until-end", "--replay-from", "beginning", group="third")
    assert events_of(shop, GONE) == 2 and events_of(shop, OTHER) == 5

    # A second time, with a profile that had begun after the first.
    assert forget(shop, GONE)["tombstone"] == receipt["tombstone"] + 1
    assert events_of(shop, GONE) == 0
    run(shop, "run", "--until-end", "--replay-from", "beginning", group="fourth")
    assert held(shop, GONE) == []


def test_other_commands_pass_over_it_too(shop):
    """Rebuild, explain, redrive and replay. A dead letter of before is none any more, by whatever it is keyed: whose a
    bad event is its customer_id says, where that can be read."""
    bad = [broken(GONE), *[("device-7", broken(GONE)[1])] * 2, (GONE, broken(OTHER)[1])]
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(5)] + bad)
    assert "unknown_event_type 4" in read_on(shop).out
    forget(shop, GONE)
    run(shop, "rebuild", "--into", "rebuilt:")
    assert set(shop.redis.hashes("rebuilt:")) == {OTHER}

    shop.kafka.produce(shop.topic, [order(GONE, day=1)])
    redriven = run(shop, "redrive")
    assert "forgotten 3" in redriven.out and "still bad 1" in redriven.out, redriven.out
    read_on(shop)
    again = read_again(shop, "again")
    assert "forgotten 8" in again.out and "unknown_event_type 1" in again.out, again.out
    explained = json.loads(run(shop, "explain", GONE, "--format", "json").out)
    assert explained["forgotten"] == 6 and explained["same"], explained
    assert len(explained["events"]) == 2, "the new one, and the bad one that has its key"


def test_a_run_that_goes_on_answers(shop):
    """Forgotten while it runs, with the profile in its cache and events on their way."""
    live = shop.churnd("-c", shop.config)
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(20)])
    wait_for("the events", lambda: events_of(shop, GONE) == 20 and events_of(shop, OTHER) == 20, 60)
    receipt = forget(shop, GONE)
    assert receipt["complete"], receipt
    assert [i["answered"] for i in receipt["instances"]] == [True]
    assert receipt["instances"][0]["pid"] == str(live.pid)
    assert held(shop, GONE) == []
    shop.kafka.produce(shop.topic, [order(GONE, day=1)] + [order(OTHER) for _ in range(3)])
    wait_for("the events of after", lambda: events_of(shop, GONE) == 1 and events_of(shop, OTHER) == 23, 60)
    live.terminate()
    assert "went back" not in live.err + live.out and "is gone from the store" not in live.err + live.out
    assert shop.redis.client.keys("churnd:instance:*") == []


def test_redis_is_lost_before_a_start(shop):
    """Emptied, or another one: the topic knows who is forgotten, and no reader needs the store for it."""
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER, "gone_too") for _ in range(5)])
    read_on(shop)
    receipts = [forget(shop, GONE), forget(shop, "gone_too")]
    ids = [receipt["tombstone_id"] for receipt in receipts]
    assert receipts[0]["tombstone_topic"] == shop.ledger and policy(shop) == "compact"
    assert shop.ledger not in [place.get("topic") for place in receipts[0]["elsewhere"]]
    assert ledger(shop) == ids and tombstones(shop) == ids

    shop.redis.client.flushall()
    explained = json.loads(run(shop, "explain", GONE, "--format", "json", status=1).out)  # there is no profile
    assert explained["forgotten"] == 5 and explained["events"] == [], explained
    assert tombstones(shop) == [], "who only looks writes nothing"
    again = read_again(shop, "emptied")
    assert "forgotten 10" in again.out and "the store lacked 2 records" in again.err, again.out + again.err
    assert held(shop, GONE) == held(shop, "gone_too") == [] and events_of(shop, OTHER) == 5
    assert tombstones(shop) == ids

    # Another store, whose profiles begin otherwise, of a pipeline that follows the same topic.
    def elsewhere(settings):
        settings["store"] |= {"database": 3, "key_prefix": "other:"}

    other = configure(shop, "elsewhere", elsewhere)
    assert "forgotten 10" in read_again(shop, "elsewhere", other).out
    shown = run(shop, "profile", OTHER, "--format", "json", config=other)
    assert json.loads(shown.out)["events_total"] == 5
    run(shop, "profile", GONE, status=1, config=other)


def test_redis_is_lost_under_runs(shop):
    """Two instances, which both put the log back: it is the same, and nothing in it stands twice. A topic that was deleted
    is made again, whole, by the next `forget`."""
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(5)])
    read_on(shop)
    ids = [forget(shop, customer)["tombstone_id"] for customer in (GONE, "nobody_1")]
    shop.redis.client.flushall()
    runs = [shop.churnd("-c", shop.config) for _ in range(2)]
    instances = lambda: len(shop.redis.client.keys("churnd:instance:*"))
    wait_for("both instances", lambda: instances() == 2 and tombstones(shop) == ids, 60)
    for _ in range(2):
        shop.redis.client.flushall()
        wait_for("the log again", lambda: instances() == 2 and tombstones(shop) == ids, 60)
    assert "forgotten 5" in read_again(shop, "third").out
    assert held(shop, GONE) == []

    shop.kafka.manage("delete_topics", [shop.ledger])
    wait_for("the topic to be gone", lambda: not shop.kafka.topic_exists(shop.ledger))
    receipt = forget(shop, OTHER)
    assert receipt["complete"] and len(receipt["instances"]) == 2, receipt
    assert ledger(shop) == tombstones(shop) == [*ids, receipt["tombstone_id"]]
    for process in runs:
        assert process.running(), process.err[-2000:]
        process.terminate()
    read_again(shop, "fourth")
    assert held(shop, GONE) == held(shop, OTHER) == []


def said(process, words):
    wait_for(repr(words), lambda: words in process.err or not process.running(), 60)
    assert words in process.err, process.err[-3000:]


def test_what_is_in_the_topic(shop):
    """What is not of this program, or of another key, must not pass for nobody; a transaction that is left open, or was
    aborted, hides nothing."""
    shop.kafka.produce(shop.topic, [order(GONE) for _ in range(3)])
    shop.kafka.create_topics({shop.ledger: 2}, **{"cleanup.policy": "compact"})
    transaction = shop.kafka.producer(**{"transactional.id": f"open-{shop.ledger}"})
    transaction.init_transactions()
    transaction.begin_transaction()
    transaction.produce(shop.ledger, key=b"stray", value=b'{"id": "other than its key"}', partition=0)
    assert transaction.flush(30) == 0
    live = shop.churnd("-c", shop.config)
    said(live, "is no tombstone that this program wrote; write its key again without a value")
    assert events_of(shop, GONE) == 0
    assert "is no tombstone" in refused(shop, GONE)
    transaction.produce(shop.ledger, key=b"stray", value=None, partition=0)
    assert transaction.flush(30) == 0
    wait_for("the events", lambda: events_of(shop, GONE) == 3, 60)
    assert forget(shop, GONE)["complete"]
    stored = shop.redis.client.hgetall("churnd:forgotten:profile:/1")
    transaction.abort_transaction()
    live.terminate()
    shop.redis.client.flushall()
    assert "forgotten 3" in read_again(shop, "aborted").out

    # Who may write there, and has not the key, can take a tombstone and make it reach further: it is none of ours.
    shop.redis.client.flushall()
    forged = {name.decode(): value.decode() for name, value in stored.items() if name != b"_v"}
    forged |= {"id": "f" * 32, "until": "4102444800000"}
    shop.kafka.produce(shop.ledger, [("f" * 32, json.dumps(forged))])
    live = shop.churnd("-c", shop.config)
    said(live, "is no tombstone that this program wrote")
    live.terminate()
    shop.kafka.produce(shop.ledger, [("f" * 32, None)])

    shop.redis.client.flushall()
    other = configure(shop, "other_key", lambda settings: settings["forget"].update(key="7d" * 32))
    live = shop.churnd("-c", other)
    said(live, "was written with another `forget: key`")
    live.terminate()
    assert held(shop, GONE) == []


def guarded(settings, kafka):
    login = {"sasl.username": USER, "sasl.password": PASSWORD, "sasl.mechanism": "PLAIN"}
    for section in (settings["source"], settings["dead_letters"]):
        section["brokers"] = kafka.guarded_brokers
        section.setdefault("properties", {}).update({"security.protocol": "sasl_plaintext", **login})


def test_rights_and_a_topic_that_expires(shop):
    """A topic that may not be read, or not be made, is not one that does not exist."""
    kafka = shop.kafka
    shop.config = configure(shop, "guarded", lambda settings: guarded(settings, kafka))
    shop.env["CHURN_LISTEN"] = f"{HOST}:{free_port()}"
    kafka.create_topics({shop.letters: 1})
    kafka.allow(USER, "TOPIC", shop.topic, "READ")
    kafka.allow(USER, "TOPIC", shop.letters, "READ", "WRITE")
    kafka.allow(USER, "GROUP", shop.env["KAFKA_GROUP_ID"], "READ", prefixed=True)
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(3)])

    live = shop.churnd("-c", shop.config)
    said(live, f"topic `{shop.ledger}` may not be read by this Kafka user")
    wait_for("the trouble", lambda: "who is forgotten cannot be read" in run(shop, "health", "--ready", status=1).out)
    assert "READ" in run(shop, "check", "--connect", status=1).err
    assert "may not be read" in refused(shop, GONE)
    assert events_of(shop, OTHER) == 0
    kafka.allow(USER, "TOPIC", shop.ledger, "READ")
    wait_for("the events", lambda: events_of(shop, GONE) == events_of(shop, OTHER) == 3, 60)
    checked = run(shop, "check", "--connect")
    assert f"topic {shop.ledger}" in checked.err and "does not exist yet" in checked.err

    assert "may not make it" in refused(shop, GONE)
    kafka.create_topics({shop.ledger: 1})
    assert "DESCRIBE_CONFIGS" in refused(shop, GONE)
    kafka.allow(USER, "TOPIC", shop.ledger, "DESCRIBE_CONFIGS")
    assert "kafka-configs.sh --alter" in refused(shop, GONE) and tombstones(shop) == []
    assert "cleanup.policy=delete" in run(shop, "check", "--connect", status=1).err
    kafka.manage("delete_topics", [shop.ledger])
    wait_for("the topic to be gone", lambda: not kafka.topic_exists(shop.ledger))

    printed = run(shop, "check", "--acl").out.split("# What")
    needed = next(part for part in printed if "`churnd forget`" in part or "forget needs" in part)
    for operation in re.findall(rf"--operation (\w+) --topic {shop.ledger}", needed):
        kafka.allow(
            USER, "TOPIC", shop.ledger, {"DescribeConfigs": "DESCRIBE_CONFIGS"}.get(operation, operation.upper())
        )
    kafka.allow(USER, "TOPIC", shop.ledger, "CREATE")
    assert forget(shop, GONE)["complete"]
    live.terminate()
    assert held(shop, GONE) == [] and events_of(shop, OTHER) == 3 and policy(shop) == "compact"


def test_who_does_not_know_of_it_counts_nothing(shop):
    """A file of before `forget:` beside one with it, and one that a reload brings."""
    shop.kafka.produce(shop.topic, [order(c) for c in (GONE, OTHER) for _ in range(3)])
    live = shop.churnd("-c", shop.config)
    wait_for("the events", lambda: events_of(shop, GONE) == events_of(shop, OTHER) == 3, 60)
    assert forget(shop, GONE)["complete"]
    old = configure(shop, "old", lambda settings: settings.pop("forget"))
    for command in (["run", "--until-end", "--replay-from", "beginning"], ["rebuild", "--into", "rebuilt:"]):
        refused = run(shop, *command, group="old", status=1, config=old)
        assert "customers of `profile:` were forgotten, and this pipeline has no `forget:`" in refused.err, refused.err
    assert held(shop, GONE) == [] and shop.redis.hashes("rebuilt:") == {}

    for change, times in (
        (lambda settings: settings["forget"].update(key="7d" * 32), 1),
        (lambda settings: settings.pop("forget"), 2),
    ):
        configure(shop, "consumer", change)
        live.send(signal.SIGHUP)
        wait_for("the refusal", lambda times=times: live.err.count("forget: it was another key, and it stays") == times)
    shop.kafka.produce(shop.topic, [order(GONE, day=1)])
    wait_for("the new event", lambda: events_of(shop, GONE) == 1, 60)
    live.terminate()


def test_ids_that_look_like_others(shop):
    """A forgotten customer's places are his alone, whatever his id means to Redis, C or a file; ten thousand at once."""
    gone = ["*", "a?", "a[b]", "a\\", "a", "a b", "\u00e9"]
    stay = ["ab", "ac", "aa", "A", "a  b", "\u00e8", "ab*"]
    shop.kafka.produce(shop.topic, [event for c in gone + stay for event in (order(c), broken(c))])
    shop.kafka.produce(shop.topic, [broken("a\0b")])
    letters = shop.folder / "letters.jsonl"
    shop.config = configure(
        shop,
        "files",
        lambda settings: settings.update(
            dead_letters={"plugin": "file", "name": "dead_letters", "path": str(letters)},
            forget={"key": KEY, "topic": shop.ledger},
        ),
    )
    read_on(shop)
    before = shop.redis.hashes("profile:")
    assert set(before) == {*gone, *stay} and len(lines_of(letters)) == 15
    ids = shop.folder / "ids"
    many = [*gone, *(f"nobody_{number}" for number in range(10_000 - len(gone)))]
    ids.write_text("\ufeff" + "\r\n".join(many), newline="")
    process = run(shop, "forget", "--file", ids)
    receipt = json.loads(process.out)
    assert receipt["complete"] and receipt["customers"] == many
    assert f"of {10_000 - len(gone)} of 10000 customers nothing was found" in process.err, process.err
    assert shop.redis.hashes("profile:") == {customer: before[customer] for customer in stay}
    dedup = [key.decode().split("\t")[0] for key in shop.redis.client.keys("churnd:dedup:*")]
    assert sorted(dedup) == sorted(f"churnd:dedup:profile:{customer}" for customer in stay)
    kept = [json.loads(line["value"])["customer_id"] for line in lines_of(letters) if "value" in line]
    assert sorted(kept) == sorted([*stay, "a\0b"])
    again = read_again(shop, "again")
    assert set(shop.redis.hashes("profile:")) == set(stay) and "forgotten 14" in again.out, again.out


def test_where_a_customer_is_held(shop):
    shop.kafka.produce(shop.topic, [order(GONE)])
    read_on(shop)
    listed = run(shop, "where", GONE).out
    assert f"profile:{GONE}" in listed and re.search(r"churnd:dedup:profile:", listed), listed
    assert shop.topic in listed
    export = json.loads(run(shop, "where", GONE, "--export").out)
    profile = next(place for place in export["places"] if place["key"] == f"profile:{GONE}")
    assert profile["fields"]["total_spent"] == "10.00"
    forget(shop, GONE)
    assert json.loads(run(shop, "where", GONE, "--format", "json").out)["places"] == []


def test_who_cannot_be_forgotten(tmp_path):
    settings = {
        "source": {"plugin": "generate", "events": "1", "start_time": "2026-03-01T00:00:00Z"},
        "dead_letters": {"plugin": "file", "path": str(tmp_path / "letters")},
        "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
    }
    config, odd, empty = tmp_path / "p.yaml", tmp_path / "odd", tmp_path / "empty"
    config.write_text(yaml.safe_dump(settings))
    odd.write_bytes(b"some\0one\n")
    empty.write_bytes(b"\xef\xbb\xbf\r\n")
    for arguments, words in (
        ([], "whom?"),
        (["a\nb"], "is no customer_id"),
        (["x" * 100_000], f"churnd: '{'x' * 128}' is no customer_id"),
        (["\udcff"], "is no customer_id"),
        (["--file", odd], "is no customer_id"),
        (["--file", empty], "whom?"),
        (["--file", tmp_path / "none"], "cannot be read"),
        (["someone"], "has no section `forget:`"),
    ):
        run = run_churnd("forget", *arguments, "-c", str(config))
        assert run.returncode == 1 and words in run.stderr, (arguments, run.stderr)
    for key, words in (("", "it is needed for the hashes"), ("abc", "forget: key:")):
        config.write_text(yaml.safe_dump({**settings, "forget": {"key": key}}))
        run = run_churnd("check", "-c", str(config))
        assert run.returncode == 1 and words in run.stderr, run.stderr


def test_a_file_and_an_embedded_store(tmp_path):
    """No server; `--until` covers what is written later, and the receipt is a file of its owner's."""
    lines, db, receipt = tmp_path / "events.jsonl", tmp_path / "db", tmp_path / "receipt.json"
    settings = {
        "source": {"plugin": "file", "path": str(lines)},
        "store": {"plugin": "lmdb", "path": str(db)},
        "dead_letters": {"plugin": "file", "path": str(tmp_path / "letters")},
        "forget": {"key": KEY},
    }
    config, ids = tmp_path / "p.yaml", tmp_path / "ids"
    config.write_text(yaml.safe_dump(settings))
    ids.write_text(f"{GONE}\n\n")

    def add(*events):
        with lines.open("a") as out:
            out.writelines(value + "\n" for _, value in events)

    def total(customer):
        shown = run_churnd("profile", customer, "-c", config, "--format", "json")
        return json.loads(shown.stdout)["events_total"] if shown.returncode == 0 else 0

    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    add(*[order(c) for c in (GONE, OTHER) for _ in range(4)])
    run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    assert (total(GONE), total(OTHER)) == (4, 4)
    refused = run_churnd("forget", GONE, "--receipt", tmp_path / "none" / "receipt", "-c", config, check=1)
    assert "cannot be written: No such file or directory; nobody is forgotten" in refused.stderr
    run_churnd("forget", "--file", ids, "--until", "2026-03-07", "--receipt", receipt, "-c", config, check=0)
    assert receipt.stat().st_mode & 0o777 == 0o600 and json.loads(receipt.read_text())["complete"]
    assert json.loads(receipt.read_text())["until"] == "2026-03-07T00:00:00.000Z"
    add(order(GONE, day=1), order(GONE, day=4), order(OTHER))
    again = run_churnd("run", "--until-end", "--replay-from", "beginning", "-c", config, env=state, check=0)
    assert "forgotten 5" in again.stdout, again.stdout
    assert (total(GONE), total(OTHER)) == (1, 5)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def letters_of(path, customer):
    return sum(1 for line in lines_of(path) if customer in json.dumps(line))


def broken(customer):
    """(key, value) of an order that becomes a dead letter."""
    return customer, order(customer)[1].replace("order_placed", "no_such_type")


def test_letters_and_alerts_in_files(tmp_path):
    """Opened where they are encrypted, taken out where they stand; what cannot be told is named."""
    lines, letters, alerts = tmp_path / "events.jsonl", tmp_path / "letters.jsonl", tmp_path / "alerts.jsonl"
    settings = {
        "source": {"plugin": "file", "path": str(lines)},
        "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
        "sinks": [{"plugin": "file", "name": "seen", "input": "events", "path": str(alerts)}],
        "dead_letters": {"plugin": "file", "name": "dead_letters", "path": str(letters)},
        "forget": {"key": KEY},
        "protect": {"keys": {"k1": "11" * 32}, "dead_letters": "encrypt"},
    }
    config = tmp_path / "p.yaml"
    config.write_text(yaml.safe_dump(settings))
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    events = [order(GONE), order(OTHER), broken(GONE), broken(OTHER), (None, '{"customer_id": cut'), broken(GONE)]
    lines.write_text("".join(value + "\n" for _, value in events))
    run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    assert len(lines_of(letters)) == 4 and all(line["encrypted"] for line in lines_of(letters))
    rotated, packed = tmp_path / "letters.jsonl.1", tmp_path / "letters.jsonl.2.gz"
    rotated.write_bytes(letters.read_bytes())
    packed.write_bytes(b"\x1f\x8b")

    shown = run_churnd("where", GONE, OTHER, "-c", config, check=0).stdout
    assert f"dead_letters: {letters} (2 records)" in shown and f"seen: {alerts} (1 records)" in shown, shown
    exported = json.loads(run_churnd("where", GONE, OTHER, "--export", "-c", config, check=0).stdout)
    assert [answer["customer"] for answer in exported] == [GONE, OTHER]
    for answer, count in zip(exported, (4, 2), strict=True):
        records = [place["record"] for place in answer["places"] if place["section"] == "dead_letters"]
        assert [record["value"]["customer_id"] for record in records] == [answer["customer"]] * count

    # A key that is not there: whose these are is not guessed.
    config.write_text(yaml.safe_dump({**settings, "protect": {"keys": {"k2": "22" * 32}}}))
    answer = json.loads(run_churnd("where", GONE, "--format", "json", "-c", config, check=0).stdout)
    untold = {(place["file"], "key 'k1'" in place["why"]): place.get("records") for place in answer["cannot_be_told"]}
    assert untold == {(str(letters), True): 4, (str(rotated), True): 4, (str(packed), False): None}, untold
    config.write_text(yaml.safe_dump(settings))

    before = {path: path.read_bytes().splitlines() for path in (letters, rotated, alerts)}
    forgotten = run_churnd("forget", GONE, "-c", config, check=0)
    assert "cannot be told whose they are" in forgotten.stderr
    receipt = json.loads(forgotten.stdout)
    erased = {place["file"]: place["records"] for place in receipt["erased"] if "file" in place}
    assert erased == {str(letters): 2, str(rotated): 2, str(alerts): 1}, erased
    assert [(place["file"], place.get("records")) for place in receipt["cannot_be_told"] if "records" in place] == [
        (str(letters), 1),
        (str(rotated), 1),
    ]
    assert str(packed) in json.dumps(receipt["cannot_be_told"])
    for path, old in before.items():
        new = path.read_bytes().splitlines()
        gone = [i for i, line in enumerate(new) if json.loads(line) == {"forgotten": True}]
        assert len(gone) == erased[str(path)] and [len(line) for line in new] == [len(line) for line in old]
        assert [line for i, line in enumerate(new) if i not in gone] == [
            line for i, line in enumerate(old) if i not in gone
        ]
        assert GONE.encode() not in path.read_bytes()

    redriven = run_churnd("redrive", "-c", config, env=state, check=0)
    assert re.search(r"redriven +2 +still bad 2", redriven.stdout) and "left alone" not in redriven.stdout
    answer = json.loads(run_churnd("where", GONE, "--format", "json", "-c", config, check=0).stdout)
    assert answer["places"] == []


def test_letters_of_a_run_that_goes_on(shop, tmp_path):
    """Nothing of others is lost while the file is written; the crash journal names no customer."""
    letters = tmp_path / "letters.jsonl"

    def into_a_file(settings):
        settings["processors"] = []
        settings["dead_letters"] = {"plugin": "file", "path": str(letters)}

    shop.config = configure(shop, "consumer", into_a_file)
    live = shop.churnd("-c", shop.config)
    shop.kafka.produce(shop.topic, [broken(c) for c in (GONE, OTHER) for _ in range(200)])
    wait_for("the letters", lambda: len(lines_of(letters)) == 400, 60)
    before = letters.read_bytes()
    forgetting = shop.churnd("forget", GONE, "-c", shop.config)
    for _ in range(10):
        shop.kafka.produce(shop.topic, [broken(OTHER) for _ in range(20)])
    assert forgetting.wait(120) == 0, forgetting.err
    receipt = json.loads(forgetting.out)
    assert [place["records"] for place in receipt["erased"] if place.get("file") == str(letters)] == [200], receipt
    shop.kafka.produce(shop.topic, [broken(GONE)])
    wait_for("the letters of after", lambda: letters_of(letters, GONE) == 1, 60)

    def ids():
        """A run that learns who is forgotten reads again what it had in flight, so a letter may be there twice."""
        return {json.loads(line["value"])["event_id"] for line in lines_of(letters) if "value" in line}

    wait_for("the others' letters", lambda: len(ids()) == 401, 60)
    live.send(9)
    live.wait(60)
    for old, new in zip(before.splitlines(), letters.read_bytes().splitlines(), strict=False):
        assert json.loads(new) == {"forgotten": True} if GONE.encode() in old else new == old
    journals = [path.read_bytes() for path in (shop.folder / "state").rglob("*.journal")]
    assert journals and all(shop.topic.encode() in text for text in journals), "the place that it was at"
    assert not any(customer.encode() in text for customer in (GONE, OTHER) for text in journals)


def cancelled(customer, reason):
    """An event with a field of personal data, which is an alert too."""
    number = next(numbers)
    return json.dumps(
        {
            "event_id": f"{customer}_{number}",
            "event_type": "subscription_cancelled",
            "customer_id": customer,
            "timestamp": oracle.time_text(MONDAY + number),
            "data": {"plan": "gold", "reason": reason},
        }
    )


def test_copies_that_nobody_can_read_any_more(tmp_path):
    """`customer_keys`: what sinks were given is by a key that ends with the customer, wherever copies of it are."""
    lines, seen, copies = tmp_path / "events.jsonl", tmp_path / "seen.jsonl", tmp_path / "copies.jsonl"
    settings = {
        "source": {"plugin": "file", "path": str(lines)},
        "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
        "sinks": [{"plugin": "file", "name": "seen", "input": "events", "path": str(seen)}],
        "dead_letters": {"plugin": "file", "path": str(tmp_path / "letters")},
        "forget": {"key": KEY},
        "protect": {"keys": {"k1": "11" * 32}, "customer_keys": "true", "events": "encrypt"},
    }
    config = tmp_path / "p.yaml"
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}

    def save(**changes):
        config.write_text(yaml.safe_dump({**settings, **changes}))

    def decrypt(path, status):
        command = [CHURND, "decrypt", "-c", config]
        done = subprocess.run(command, input=path.read_text(), capture_output=True, text=True, env=clean_environment())
        assert done.returncode == status, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return [event["data"]["reason"] for event in events if "data" in event], done.stderr

    save()
    lines.write_text("".join(cancelled(c, f"{c} says {i}") + "\n" for i in range(2) for c in (GONE, OTHER)))
    run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    run_churnd("run", "--until-end", "--replay-from", "beginning", "--replay-outputs", "-c", config, env=state, check=0)
    given = [line["data"]["reason"] for line in lines_of(seen)]
    assert given[:4] == given[4:] and len(set(given)) == 4, "a repeat has the same bytes"
    assert all(reason.startswith("churnd:2:k1:") for reason in given)

    # New keys of the pipeline leave old values readable, and customers their own.
    save(protect={**settings["protect"], "keys": {"k2": "22" * 32, "k1": "11" * 32}})
    assert decrypt(seen, 0)[0][:2] == [f"{GONE} says 0", f"{OTHER} says 0"]
    exported = json.loads(run_churnd("where", GONE, "--export", "-c", config, check=0).stdout)
    records = [place["record"]["data"]["reason"] for place in exported["places"] if place["section"] == "seen"]
    assert records == [f"{GONE} says 0", f"{GONE} says 1"] * 2
    own = next(place for place in exported["places"] if place["section"] == "protect")
    assert own["fields"]["salt"] == "(secret)"

    # A copy that nobody told of, as in a topic.
    copies.write_bytes(b"".join(seen.read_bytes().splitlines(keepends=True)[:4]))
    receipt = json.loads(run_churnd("forget", GONE, "-c", config, check=0).stdout)
    assert own["key"] in [place.get("key") for place in receipt["erased"]]
    left, said = decrypt(copies, 1)
    assert [reason.partition(" ")[0] for reason in left] == [given[0], OTHER, given[2], OTHER], left
    assert "2 values are left as encrypted" in said and "its customer's own key" in said
    save(protect={"keys": settings["protect"]["keys"]})
    assert decrypt(copies, 1)[0] == given[:4], "whoever has the keys of the pipeline alone reads none"

    # Read as events they pass over; those of others count. He begins anew with another key.
    save(source={"plugin": "file", "path": str(copies)})
    again = run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    assert "forgotten 2" in again.stdout and "dead letters              0" in again.stdout, again.stdout
    save()
    with lines.open("a") as out:
        out.write(cancelled(GONE, "back") + "\n")
    run_churnd("run", "--until-end", "-c", config, env=state, check=0)
    assert decrypt(seen, 0)[0][-1] == "back"
    last = lines_of(seen)[-1]["data"]["reason"]
    assert last[:24] != given[0][:24] and last.startswith("churnd:2:k1:")
    assert json.loads(run_churnd("forget", GONE, "-c", config, check=0).stdout)["complete"]

    # An event by a key that is not in this store is set aside.
    save(source={"plugin": "file", "path": str(copies)}, store={"plugin": "lmdb", "path": str(tmp_path / "other")})
    other = run_churnd("run", "--until-end", "-c", config, env={"XDG_STATE_HOME": str(tmp_path / "new")}, check=0)
    assert "key_unknown 4" in other.stdout, other.stdout


def test_customer_keys_need_a_store_and_forget(tmp_path):
    config = tmp_path / "p.yaml"
    settings = {
        "source": {"plugin": "generate", "events": "1", "start_time": "2026-03-01T00:00:00Z"},
        "sinks": [{"plugin": "file", "input": "events", "path": str(tmp_path / "seen")}],
        "protect": {"keys": {"k1": "11" * 32}, "customer_keys": "true"},
    }
    for more in ({}, {"forget": {"key": KEY}}, {"store": {"plugin": "lmdb", "path": str(tmp_path / "db")}}):
        config.write_text(yaml.safe_dump({**settings, **more}))
        checked = run_churnd("check", "-c", str(config))
        assert checked.returncode == 1 and "sections 'store:' and 'forget:' are needed" in checked.stderr
