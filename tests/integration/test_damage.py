"""One customer's damage is one customer's: who has a profile that cannot be read, or written, is set aside with the events
of that customer alone, and they count once after the repair."""

import json
import re
import signal
import urllib.error
import urllib.request

import oracle
import pytest
import services
import yaml
from services import run_churnd, wait_for

GOOD = [f"good{i}" for i in range(5)]
SECRET = "4711-0815"
TOKEN = "a-token-of-some-length"


def event(customer, number, kind="order_placed"):
    data = {
        "order_placed": {"order_id": f"o{number}", "order_value": 12.5, "items_count": 2, "payment_method": "card"},
        "refund_requested": {"order_id": f"o{number}", "amount": 1.25},
    }[kind]
    return {
        "event_id": f"{customer}_{number}",
        "event_type": kind,
        "customer_id": customer,
        "timestamp": f"2026-01-{1 + number % 28:02}T00:00:00Z",
        "data": data,
    }


class Case:
    """A pipeline over a file that grows, with alerts and dead letters in files."""

    def __init__(self, folder, store, **settings):
        self.folder, self.store, self.number = folder, store, 0
        self.config = folder / "p.yaml"
        self.config.write_text(
            yaml.safe_dump(
                {
                    "source": {"plugin": "file", "path": str(folder / "in.jsonl"), "topic": "in.jsonl"},
                    "store": store,
                    "sinks": [{"plugin": "file", "input": "alerts", "path": str(folder / "alerts.jsonl")}],
                    "dead_letters": {"plugin": "file", "path": str(folder / "dead.jsonl")},
                    **settings,
                }
            )
        )

    def add(self, customers):
        """An order and a refund of each."""
        with open(self.folder / "in.jsonl", "a") as out:
            for customer in customers:
                for kind in ("order_placed", "refund_requested"):
                    self.number += 1
                    out.write(json.dumps(event(customer, self.number, kind)) + "\n")

    def run(self, *args, check=0):
        return run_churnd(*args, "-c", self.config, cwd=self.folder, check=check)

    def alerts(self):
        lines = (self.folder / "alerts.jsonl").read_text().splitlines()
        return {json.loads(line)["alert_id"]: json.loads(line)["customer_id"] for line in lines}

    def letters(self):
        path = self.folder / "dead.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def profile(self, customer):
        done = self.run("profile", customer)
        return dict(line.split(None, 1) for line in done.stdout.splitlines()[1:])

    def check_profiles(self, customers):
        """Each is what its events make of it."""
        model = oracle.Model().feed_lines(self.folder / "in.jsonl", "in.jsonl")
        expected = {c: fields for c, fields in model.profile_fields().items() if c in customers}
        oracle.assert_profiles_of(expected, {c: self.profile(c) for c in customers})
        return expected

    def check(self, customers):
        """… and its refunds are alerts."""
        expected = self.check_profiles(customers)
        said = list(self.alerts().values())
        assert all(said.count(c) == int(expected[c]["refunds_requested"]) for c in customers)


def damages(client):
    """customer → what is done to the profile, the reason, what the log says of it"""

    def overwrite(field, value):
        return lambda key: client.hset(key, field, value)

    def replace(key):
        client.delete(key)
        client.set(key, SECRET)

    return {
        "number": (overwrite("events_total", SECRET), "damaged_profile", "field 'events_total'"),
        "digits": (overwrite("events_total", "9" * 38), "damaged_profile", "field 'events_total'"),
        "money": (overwrite("total_spent", SECRET), "damaged_profile", "field 'total_spent'"),
        "time": (overwrite("first_event_at", SECRET), "damaged_profile", "field 'first_event_at'"),
        "text": (overwrite("_l:last_event_type", SECRET), "damaged_profile", "field 'last_event_type'"),
        "late": (overwrite("_r:in.jsonl/0", SECRET), "damaged_profile", "field '_r:in.jsonl/0'"),
        "mark": (overwrite("_m:in.jsonl/0", "99999999999999"), "damaged_profile", "field '_m:in.jsonl/0'"),
        "beyond": (overwrite("_r:in.jsonl/0", "1-9223372036854775807"), "damaged_profile", "field '_r:in.jsonl/0'"),
        "two": (
            lambda key: client.hset(key, mapping={"_m:in.jsonl/0": "9" * 14, "events_total": SECRET}),
            "damaged_profile",
            "field 'events_total'",
        ),
        "version": (overwrite("_v", SECRET), "damaged_profile", "no version that can be read"),
        "zeroes": (
            lambda key: client.hset(key, "_v", "0" + client.hget(key, "_v").decode()),
            "damaged_profile",
            "no version",
        ),
        "last": (overwrite("_v", "18446744073709551615"), "damaged_profile", "no version that can be read"),
        "versionless": (lambda key: client.hdel(key, "_v"), "damaged_profile", "no version that can be read"),
        "string": (replace, "damaged_profile", "is no hash"),
        "list": (lambda key: (client.delete(key), client.rpush(key, SECRET)), "damaged_profile", "is no hash"),
        "count": (overwrite("events_total", "9" * 36), "field_overflow", "field 'events_total'"),
        "sum": (overwrite("total_spent", "9" * 32 + ".9999"), "field_overflow", "field 'total_spent'"),
    }


@pytest.fixture
def case(stack, tmp_path):
    stack.start_redis()
    return Case(tmp_path, {"plugin": "redis", "port": stack.redis.port, "window_events": 7})


def test_set_aside_and_put_back(stack, case):
    client = stack.redis.client
    kinds = damages(client)
    case.add([*kinds, *GOOD])
    case.run("run")
    before = {customer: client.hgetall(f"profile:{customer}") for customer in kinds}
    for customer, (damage, _, _) in kinds.items():
        damage(f"profile:{customer}")
    damaged = {c: client.dump(f"profile:{c}") for c in kinds}
    first = case.number
    assert not case.letters()

    for _ in range(2):
        case.add([*kinds, *GOOD])
        done = case.run("run")
    case.check(GOOD)
    assert {c: client.dump(f"profile:{c}") for c in kinds} == damaged, "nothing was written over it"
    letters = case.letters()
    assert {json.loads(letter["value"])["event_id"]: letter["reason"] for letter in letters} == {
        f"{c}_{number}": kinds[c][1] for number, c in numbers(case) if c in kinds and number > first
    }
    uncounted = len({letter["offset"] for letter in letters})
    for customer, (_, _, words) in kinds.items():
        assert re.search(f"customer '{customer}' is damaged: .*{re.escape(words)}", done.stderr), (
            customer,
            done.stderr,
        )
    assert "--replay-from beginning" in done.stderr and SECRET not in done.stderr and "9" * 32 not in done.stderr
    assert (
        re.search(r"damaged_profile \d+ .* field_overflow \d+", done.stdout) and f"damaged {len(kinds)}" in done.stdout
    )
    assert all(list(case.alerts().values()).count(c) == 1 for c in kinds), "what is not counted is not said"

    # As they are they cannot be put back. Mended, and with newer events counted first, each counts once.
    still = case.run("redrive")
    assert (
        "still bad" in still.stdout
        and not re.search("(?<!already )counted", still.stdout)
        and case.letters() == letters
    )
    for customer, fields in before.items():
        client.delete(f"profile:{customer}")
        client.hset(f"profile:{customer}", mapping=fields)
    case.add([*kinds, *GOOD])
    assert "damaged" not in case.run("run").stdout
    told = case.run("redrive")
    assert f"counted {uncounted}\n" in told.stdout and "damaged" not in told.stdout, told.stdout
    case.check([*kinds, *GOOD])
    stored = {c: client.hgetall(f"profile:{c}") for c in kinds}
    assert f"already counted {len(letters)}\n" in case.run("redrive").stdout
    assert {c: client.hgetall(f"profile:{c}") for c in kinds} == stored


def numbers(case):
    for line in (case.folder / "in.jsonl").read_text().splitlines():
        value = json.loads(line)
        yield int(value["event_id"].rsplit("_", 1)[1]), value["customer_id"]


def test_an_event_that_was_counted_is_not_set_aside(stack, case):
    """Killed after the write and before its checkpoint, then damaged: the marks still say what was counted."""
    client = stack.redis.client
    case.add(["c", *GOOD])
    case.run("run")
    client.delete(*client.scan_iter("churnd:checkpoint:*"))
    value = client.hget("profile:c", "total_spent")
    client.hset("profile:c", "total_spent", "x")
    case.add(["c"])
    case.run("run")
    assert [json.loads(letter["value"])["event_id"] for letter in case.letters()] == [
        f"c_{case.number - 1}",
        f"c_{case.number}",
    ]
    client.hset("profile:c", "total_spent", value)
    case.run("redrive")
    case.check(["c", *GOOD])


MEANS = "This customer's events go to the dead letters (damaged_profile), everybody else's are counted"
REPAIR = "which sends no alert and asks for no prediction; `churnd redrive` then sends those of what was set aside"


def test_whoever_looks_is_told_of_all_that_a_run_knows(stack, tmp_path):
    """`profile`, `explain` and `/customers/ID` say of each kind what a run says of it, and what to do; and nothing of a
    profile that is good, nor of one of other programs' fields."""
    stack.start_redis()
    client, port = stack.redis.client, services.free_port()
    case = Case(
        tmp_path,
        {"plugin": "redis", "port": stack.redis.port, "window_events": 7},
        health={"listen": f"127.0.0.1:{port}", "token": TOKEN},
    )
    kinds = {c: kind for c, kind in damages(client).items() if kind[1] == "damaged_profile"}
    case.add([*kinds, *GOOD])
    case.run("run")
    for customer, (damage, _, _) in kinds.items():
        damage(f"profile:{customer}")
    client.hset("profile:foreign", mapping={"nickname": "x"})

    def looked_up(customer):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/customers/{customer}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            return json.loads(answer.read())

    live = Case(
        tmp_path,
        {"plugin": "redis", "port": stack.redis.port},
        health={"listen": f"127.0.0.1:{port}", "token": TOKEN},
        source={"plugin": "file", "path": str(tmp_path / "in.jsonl"), "topic": "in.jsonl", "follow": True},
    )
    process = stack.churnd("-c", live.config)
    wait_for("the listener", lambda: services.accepts(port), 60)
    try:
        for customer, (_, _, words) in kinds.items():
            for command in (("profile", customer), ("explain", customer), ("explain", customer, "events_total")):
                said = case.run(*command, check=1).stderr
                assert words in said and MEANS in said and REPAIR in said, (command, said)
                assert SECRET not in said
            found = looked_up(customer)
            said = found.get("damaged") or found["error"]
            assert words in said and MEANS in said and REPAIR in said, (customer, found)
            assert SECRET not in said
            made = json.loads(case.run("explain", customer, "--format", "json", check=1).stdout)
            assert words in made["damage"]
        for customer in GOOD:
            assert "damaged" not in case.run("profile", customer).stderr and "damaged" not in looked_up(customer)
            assert "damaged" not in case.run("explain", customer).stderr
        assert "damaged" not in case.run("profile", "foreign").stderr and "damaged" not in looked_up("foreign")
    finally:
        process.send(signal.SIGTERM)
        assert process.wait(60) == 0


def test_commands_meet_a_damaged_profile(stack, case):
    client = stack.redis.client
    case.add(["number", "string", *GOOD])
    case.run("run")
    case.run("rebuild", "--into", "rebuilt:")
    case.run("verify", "--against", "rebuilt:")
    client.hset("profile:number", "events_total", "x")
    client.delete("profile:string")
    client.set("profile:string", SECRET)
    done = case.run("profile", "number", check=1)
    assert "field 'events_total'" in done.stderr and "total_spent" in done.stdout
    done = case.run("profile", "string", check=1)
    assert "is no hash" in done.stderr and SECRET not in done.stdout + done.stderr
    done = case.run("verify", "--against", "rebuilt:", check=1)
    assert "7 profiles compared" in done.stdout and "5 equal, 2 different" in done.stdout, done.stdout
    done = json.loads(case.run("verify", "--against", "rebuilt:", "--format", "json", check=1).stdout)
    assert done["different"] == 2 and done["equal"] == 5
    # Under the prefix of a rebuild too: everybody else's is rebuilt.
    client.hset("rebuilt:number", "events_total", SECRET)
    case.add(["number", *GOOD])
    done = case.run("rebuild", "--into", "rebuilt:")
    assert "damaged_profile 2" in done.stdout and "customer 'number' is damaged" in done.stderr


def test_it_shows_while_it_lasts(stack, tmp_path):
    stack.start_redis()
    port = services.free_port()
    case = Case(
        tmp_path,
        {"plugin": "redis", "port": stack.redis.port},
        health={"listen": f"127.0.0.1:{port}"},
        source={"plugin": "file", "path": str(tmp_path / "in.jsonl"), "topic": "in.jsonl", "follow": True},
    )
    client = stack.redis.client
    client.set("profile:c", SECRET)
    case.add(["c", *GOOD])

    def ready():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            return json.loads(answer.read())

    process = stack.churnd("-c", case.config)
    wait_for("letters", lambda: len(case.letters()) == 2, 60)
    wait_for("health", lambda: [w.get("damaged_profiles") for w in ready()["workers"]] == [1], 60)
    wait_for("readiness", lambda: ready()["status"] == "ready", 60)
    client.delete("profile:c")
    case.add(["c"])
    wait_for("health", lambda: [w.get("damaged_profiles") for w in ready()["workers"]] == [None], 60)
    wait_for("the log", lambda: "customer 'c' is good again" in process.err, 60)
    process.send(signal.SIGTERM)
    assert process.wait(60) == 0
    case.run("redrive")
    case.check(["c", *GOOD])


def test_lmdb(tmp_path):
    """The same in the embedded store: a byte of a record changed on the disk."""
    case = Case(tmp_path, {"plugin": "lmdb", "path": "db"})
    case.add(["c", *GOOD])
    case.run("run")
    path = tmp_path / "db" / "data.mdb"
    whole = path.read_bytes()
    key = b"profile:c"
    assert whole.count(key + b"\x02\x00") >= 1  # a record follows its key: format, no expiry
    path.write_bytes(whole.replace(key + b"\x02", key + b"\x07"))
    case.add(["c", *GOOD])
    done = case.run("run")
    assert "customer 'c' is damaged: " in done.stderr and "damaged record" in done.stderr
    case.check(GOOD)
    assert {letter["reason"] for letter in case.letters()} == {"damaged_profile"}
    path.write_bytes(path.read_bytes().replace(key + b"\x07", key + b"\x02"))
    case.run("redrive")
    case.check(["c", *GOOD])


def test_predictions_of_everybody_else(stack, tmp_path):
    """A trigger that waits while its customer's profile is damaged holds up nobody's."""
    api = stack.start_scripted()
    api.mode = "error"
    case = Case(
        tmp_path,
        {"plugin": "lmdb", "path": str(tmp_path / "db")},
        sinks=[
            {"plugin": "prediction", "url": api.url, "breaker_pause": "100ms", "retry_min": "100ms", "concurrency": 1}
        ],
    )
    case.add(["c", *GOOD])
    case.run("run")
    path = tmp_path / "db" / "data.mdb"
    path.write_bytes(path.read_bytes().replace(b"profile:c\x02", b"profile:c\x07"))
    api.mode, asked = "ok", len(api.requests)
    done = case.run("run")
    assert {json.loads(r["body"])["customer_id"] for r in api.requests[asked:]} == set(GOOD)
    assert "no prediction for event c_1: " in done.stderr and "damaged record" in done.stderr


def test_the_remedy_ends_equal_to_a_rebuild(stack, case):
    """What the log advises: no profile, and a replay. A redrive afterwards adds nothing, nor does a later one."""
    client = stack.redis.client
    case.add(["c", *GOOD])
    case.run("run")
    client.hset("profile:c", "events_total", "x")
    case.add(["c", *GOOD, "c"])
    said = case.run("run").stderr
    assert (
        "customer 'c' is damaged" in said and "delete the profile, and start once with --replay-from beginning" in said
    )
    assert len(case.letters()) == 4
    client.delete("profile:c")
    case.run("run", "--replay-from", "beginning")
    case.check_profiles(["c", *GOOD])
    assert list(case.alerts().values()).count("c") == 1, "a replay says nothing"
    case.run("redrive")
    case.check(["c", *GOOD])
    case.run("rebuild", "--into", "rebuilt:")
    assert "6 equal, 0 different" in case.run("verify", "--against", "rebuilt:").stdout
    case.add(["c", *GOOD])
    case.run("run")
    case.run("redrive")
    case.check_profiles(["c", *GOOD])


@pytest.mark.parametrize(
    "field, value, why",
    [
        ("offset", "x", "its field 'offset' holds what this program did not write"),
        ("doubted", "-5", "its field 'doubted' holds what this program did not write"),
        ("offset", None, "it has no field 'offset'"),
        ("offset", "999999999", "it says that everything before position 999999999 was counted, but no more than "),
        (None, "text", "is no hash"),
    ],
)
def test_a_damaged_checkpoint(stack, field, value, why):
    """The error names the field, the key and what to do, which counts nothing twice, and never another `epoch`."""
    redis = stack.start_redis()
    case = Case(stack.folder, {"plugin": "redis", "host": services.HOST, "port": redis.port})
    case.add(GOOD)
    case.run()
    before = redis.hashes("profile:")
    key = "churnd:checkpoint:profile:in.jsonl/0"
    if field is None:
        redis.client.delete(key)
        redis.client.set(key, value)
    elif value is None:
        redis.client.hdel(key, field)
    else:
        redis.client.hset(key, field, value)
    case.add(GOOD[:1])
    done = case.run(check=1)
    assert f"the checkpoint {key} cannot be used: " in done.stderr and why in done.stderr, done.stderr
    assert "Delete that key" in done.stderr and "epoch" not in done.stderr, done.stderr
    case.run("rebuild", "--into", "rebuilt:")
    redis.client.delete(key)
    assert re.search(r"applied 2\b", case.run().stdout)
    after = redis.hashes("profile:")
    assert {c: f for c, f in after.items() if GOOD[0] not in c} == {c: f for c, f in before.items() if GOOD[0] not in c}
    assert "5 equal" in case.run("verify", "--against", "rebuilt:").stdout
