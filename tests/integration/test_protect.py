"""Personal data: the clear text is nowhere though everything goes through, and profiles stay exact."""

import base64
import hashlib
import json
import struct
import subprocess
import urllib.request

import oracle
import pytest
import yaml
from conftest import pipeline
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt
from services import CHURND, Stack, clean_environment, free_port, run_churnd, wait_for
from test_build import compile_plugin

KEY1, KEY2, HASH = "11" * 32, base64.b64encode(b"\x22" * 32).decode(), "33" * 32
CANARY = "Canary-Person"
EVENTS = 400
CUSTOMERS = 20

NOTE = """
#include <churn/event.h>
#include <churn/plugin.h>

static const churn_field fields[] = {
    {"note", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_REQUIRED | CHURN_FIELD_PII},
    {"phone", .type = CHURN_FIELD_STRING, .flags = CHURN_FIELD_PII},
    {"age", .type = CHURN_FIELD_INT, .max = 999999999, .flags = CHURN_FIELD_PII},
    {"topic", .type = CHURN_FIELD_STRING},
};
static const churn_effect effects[] = {
    {"notes", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_ADD, .from = CHURN_FROM_CONSTANT, .constant = 1},
    {"last_note", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_FIELD, .operand = "note"},
    {"last_phone", .type = CHURN_PROFILE_STRING, .merge = CHURN_MERGE_LATEST, .from = CHURN_FROM_FIELD, .operand = "phone"},
    {"oldest", .type = CHURN_PROFILE_INT, .merge = CHURN_MERGE_MAX, .from = CHURN_FROM_FIELD, .operand = "age"},
};
static const churn_event_type type = {.size = sizeof type, CHURN_FIELDS(fields), CHURN_EFFECTS(effects),
    .severity = CHURN_SEVERITY_WARNING, .predicts = 1, .alert_message = "{customer_id} wrote {note}, aged {age}"};
CHURN_PLUGIN(.kind = CHURN_KIND_EVENT, .name = "note_taken", .version = "1", .summary = "a note", .ops = &type);
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "note_taken.c").write_text(NOTE)
    compile_plugin(folder / "note_taken.c", folder / "note_taken.so")
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("protect"))
    try:
        made.start_kafka()
        made.start_redis()
        made.start_scripted()
        yield made
    finally:
        made.stop()


def age_of(i):
    return 700100000 + i


def event(i, **data):
    customer = f"c{i % CUSTOMERS}"
    return json.dumps(
        {
            "event_id": f"{customer}_{i}",
            "event_type": "note_taken",
            "customer_id": customer,
            "timestamp": oracle.time_text(1_700_000_000_000 + i * 1000),
            "data": {"note": f'{CANARY} "{i}"', "phone": f"{CANARY}-{i % 7}", "age": age_of(i), "topic": "t", **data},
        }
    )


def keep(settings, name, protect):
    """A consumer of its own topics, group and keys in the store."""
    settings["name"] = name
    settings["source"].update(topics=[name], group_id=name)
    settings["source"].setdefault("properties", {}).update(
        {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
    )
    settings["store"].update(key_prefix=f"{name}:", window_events=50)
    prediction, alert = settings["sinks"]
    prediction.update(
        topic=f"{name}-predictions",
        queue_group=f"{name}-q",
        queue_topic=f"{name}-queue",
        dead_letter_topic=f"{name}-failed",
        cache_prefix=f"{name}-prediction:",
    )
    alert["topic"] = f"{name}-alerts"
    settings["dead_letters"]["topic"] = f"{name}-dead"
    settings["protect"] = protect


def consumer(stack, name, protect, change=lambda settings: None):
    def both(settings):
        keep(settings, name, protect)
        change(settings)

    return pipeline(stack.folder / f"{name}.yaml", both)


def produce(stack, plugins, name, lines, **protect):
    """Events through a producer, whose dead letters must stay empty."""
    source = stack.folder / f"{name}-{stack.runs}.jsonl"
    source.write_text("".join(line + "\n" for line in lines))
    path = stack.folder / f"{name}-producer.yaml"
    sink = {"plugin": "kafka", "topic": name, "brokers": "${KAFKA_BROKER}"}
    path.write_text(
        yaml.safe_dump(
            {
                "name": f"{name}-producer",
                "source": {"plugin": "file", "path": str(source)},
                "sinks": [sink],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / f"{name}-producer-dead.jsonl")},
                **({"protect": protect} if protect else {}),
            },
            sort_keys=False,
        )
    )
    stack.run("-c", path, "--until-end", "--plugin-path", plugins)
    source.unlink()


def records(stack, *topics):
    return list(oracle.read_topics(stack.kafka.brokers, list(topics)))


def raw(found):
    """Everything of records as bytes."""
    return b"\n".join(
        b"".join([key or b"", value or b"", *[v or b"" for _, v in headers or []]])
        for _, _, _, key, value, headers in found
    )


def profiles(stack, name):
    return stack.redis.hashes(f"{name}:")


def expected(count=EVENTS, first=0):
    found = {}
    for i in range(first, count):
        found[f"c{i % CUSTOMERS}"] = {"last_note": f'{CANARY} "{i}"', "oldest": str(age_of(i))}
    return found


def clear(stack, config, plugins, customer):
    done = run_churnd(
        "profile", "-c", config, customer, "--format", "json", "--plugin-path", plugins, env=stack.env, check=0
    )
    return json.loads(done.stdout)


def check_profiles(stack, config, plugins, name, count=EVENTS):
    found = profiles(stack, name)
    assert sum(int(p["notes"]) for p in found.values()) == count
    for customer, fields in expected(count).items():
        shown = clear(stack, config, plugins, customer)
        assert shown["last_note"] == fields["last_note"] and str(shown["oldest"]) == fields["oldest"]
        assert found[customer]["last_note"].startswith("churnd:1:")


def key_hash(key, purpose, parts, size):
    made = hashlib.blake2b(digest_size=size, key=key, person=purpose.encode().ljust(16, b"\0"))
    for part in parts:
        made.update(struct.pack("<Q", len(part)) + part)
    return made.digest()


def open_sealed(sealed, key):
    """By another implementation, from the format's description."""
    head, data = sealed.rsplit(":", 1)
    data = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
    cipher = key_hash(key, "churnd cipher 1", [], 32)
    return crypto_aead_xchacha20poly1305_ietf_decrypt(data[24:], head.encode(), data[:24], cipher)[1:]


def decrypt(env, config, plugins, data, check=0):
    done = subprocess.run(
        [CHURND, "decrypt", "-c", config, "--plugin-path", plugins],
        input=data,
        capture_output=True,
        env=clean_environment(env),
        timeout=60,
    )
    assert done.returncode == check, done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_nowhere_in_clear(stack, plugins):
    """Producer to alerts, predictions, dead letters, store, tap, page, logs: exact, and the clear text nowhere."""
    name, keys = "nowhere", {"k1": KEY1}
    port = free_port()
    protect = {
        "keys": keys,
        "hash_key": HASH,
        "predictions": "mask",
        "fields": {"phone": {"store": "hash", "alerts": "hash"}},
    }

    def change(settings):
        settings["health"] = {"listen": f"127.0.0.1:{port}", "token": "0123456789abcdef"}
        settings["log"]["level"] = "DEBUG"
        settings["tap"] = {"socket": str(stack.folder / "tap.sock")}
        settings["sinks"].append(
            {"plugin": "file", "name": "copy", "input": "events", "path": str(stack.folder / "copy.jsonl")}
        )
        settings["sinks"].append(
            {
                "plugin": "file",
                "name": "masked",
                "input": "alerts",
                "protect": "mask",
                "path": str(stack.folder / "masked.jsonl"),
            }
        )

    config = consumer(stack, name, protect, change)
    stack.kafka.create_topics({name: 2})
    run = stack.churnd("-c", config, "--plugin-path", plugins)
    wait_for("the tap", (stack.folder / "tap.sock").exists)
    taps = [
        stack.churnd("tap", "--socket", stack.folder / "tap.sock", "--at", at, "--format", "json")
        for at in ("source", "events", "alerts", "dead_letters", "predictions")
    ]
    wait_for("those who look", lambda: run.err.count(" looks at ") == len(taps))
    produce(stack, plugins, name, [event(i) for i in range(EVENTS)], keys=keys)
    broken = [event(5, note=7, topic=CANARY), '{"note": "' + CANARY, event(6, phone=[CANARY])]
    stack.kafka.produce(name, [(b"c5", value.encode()) for value in broken])
    wait_for("all", lambda: sum(int(p.get("notes", 0)) for p in profiles(stack, name).values()) == EVENTS, 120)
    wait_for("the dead letters", lambda: len(records(stack, f"{name}-dead")) == len(broken), 60)
    wait_for("predictions", lambda: len(records(stack, f"{name}-predictions")) > 0, 60)
    wait_for("the taps", lambda: taps[0].out.count("\n") >= EVENTS and taps[3].out.count("\n") == len(broken), 60)

    def page(path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", headers={"Authorization": "Bearer 0123456789abcdef"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode()

    wait_for("an alert on the page", lambda: "c3 wrote ***, aged ***" in page("/alerts"), 60)
    pages = "".join(page(path) for path in ("/", "/alerts", "/customers/c3", "/metrics", "/readyz"))
    assert json.loads(page("/customers/c3"))["profile"]["last_note"] == "***"
    run.terminate()

    check_profiles(stack, config, plugins, name)
    alerts = [json.loads(r[4]) for r in records(stack, f"{name}-alerts")]
    assert len({a["alert_id"] for a in alerts}) == EVENTS
    for alert in alerts:
        i = int(alert["event_id"].split("_")[1])
        assert alert["message"] == f"c{i % CUSTOMERS} wrote ***, aged ***"
        assert json.loads(open_sealed(alert["data"]["note"], bytes.fromhex(KEY1))) == f'{CANARY} "{i}"'
        assert json.loads(open_sealed(alert["data"]["age"], bytes.fromhex(KEY1))) == age_of(i)
        assert alert["data"]["topic"] == "t"
    hashes = {json.loads(v)["data"]["phone"] for *_, v, _ in records(stack, f"{name}-alerts")}
    assert len(hashes) == 7 and all(h.startswith("churnd:h:") for h in hashes)
    assert {p["last_phone"] for p in profiles(stack, name).values()} <= hashes  # what is hashed can be joined
    masked = [json.loads(line) for line in (stack.folder / "masked.jsonl").read_text().splitlines()]
    assert len(masked) == EVENTS and all(a["data"]["note"] == a["data"]["age"] == "***" for a in masked)
    requests = stack.api.bodies()
    assert requests and all(r["profile"]["last_note"] == "***" and r["profile"]["oldest"] == "***" for r in requests)

    letters = records(stack, f"{name}-dead")
    assert all(dict(headers)["churn.encrypted"] == b"true" for *_, headers in letters)
    assert {open_sealed(value.decode(), bytes.fromhex(KEY1)).decode() for *_, value, _ in letters} == set(broken)

    # everywhere: topics (that of the broken ones too, but for those), Redis' dump, files, logs, taps, the page
    topics = [t for t in stack.kafka.admin().list_topics(timeout=30).topics if t.startswith(name)]
    assert f"{name}-queue" in topics or len(topics) > 4
    found = {t: raw([r for r in records(stack, t) if r[4] is None or r[4].decode() not in broken]) for t in topics}
    stack.redis.client.save()
    places = {
        **found,
        "redis": (stack.redis.folder / "dump.rdb").read_bytes(),
        "copy": (stack.folder / "copy.jsonl").read_bytes(),
        "masked": (stack.folder / "masked.jsonl").read_bytes(),
        "log": (run.out + run.err).encode(),
        "taps": "".join(t.out + t.err for t in taps).encode(),
        "page": pages.encode(),
        "requests": b"".join(r["body"] for r in stack.api.requests),
    }
    for place, data in places.items():
        assert (data or place == f"{name}-failed") and CANARY.encode() not in data, place
        if place != "redis":  # a number of the profile, which `check` warns of
            assert b"7001000" not in data, place
    for at, lines in zip(("source", "events"), taps, strict=False):
        assert "churnd:1:k1:" in lines.out if at == "source" else "***" in lines.out, at

    back, _ = decrypt(stack.env, config, plugins, b"\n".join(r[4] for r in records(stack, f"{name}-alerts")))
    assert {json.loads(line)["data"]["note"] for line in back.splitlines()} == {
        f'{CANARY} "{i}"' for i in range(EVENTS)
    }
    _, said = decrypt(
        stack.env, consumer(stack, "other", {"keys": {"k9": KEY1}}), plugins, b"churnd:1:k1:" + b"A" * 70, check=1
    )
    assert "in line 1 by the key 'k1', which is not among protect: keys:" in said


def test_killed_repeats_have_the_same_bytes(stack, plugins):
    name = "killed"
    config = consumer(stack, name, {"keys": {"k1": KEY1}}, lambda s: s["sinks"].pop(0))
    stack.kafka.create_topics({name: 2})
    produce(stack, plugins, name, [event(i) for i in range(EVENTS * 5)])
    run = stack.churnd("-c", config, "--plugin-path", plugins)
    wait_for(
        "some alerts",
        lambda: stack.kafka.topic_exists(f"{name}-alerts") and len(records(stack, f"{name}-alerts")) > 20,
        60,
    )
    run.kill()
    stack.run("-c", config, "--until-end", "--plugin-path", plugins)
    again = consumer(
        stack, name, {"keys": {"k1": KEY1}}, lambda s: (s["sinks"].pop(0), s["source"].update(group_id="again"))
    )
    stack.run("-c", again, "--until-end", "--plugin-path", plugins)
    texts = {}
    for *_, value, _ in records(stack, f"{name}-alerts"):
        texts.setdefault(json.loads(value)["alert_id"], []).append(value)
    assert len(texts) == EVENTS * 5
    assert all(len(set(values)) == 1 for values in texts.values())
    assert sum(len(values) > 1 for values in texts.values()) == EVENTS * 5
    check_profiles(stack, config, plugins, name, EVENTS * 5)


def test_a_key_that_comes_later(stack, plugins):
    """What is encrypted by a key that is not known waits in the dead letters, and counts once when it is."""
    name, both = "later", {"k2": KEY2, "k1": KEY1}
    config = consumer(stack, name, {"keys": {"k1": KEY1}})
    stack.kafka.create_topics({name: 2})
    produce(stack, plugins, name, [event(i) for i in range(EVENTS // 2)], keys={"k1": KEY1})
    produce(stack, plugins, name, [event(i) for i in range(EVENTS // 2, EVENTS)], keys=both)
    run = stack.run("-c", config, "--until-end", "--plugin-path", plugins)
    assert "key_unknown" in run.out and f"{EVENTS // 2}" in run.out
    letters = records(stack, f"{name}-dead")
    assert {dict(h)["churn.reason"] for *_, h in letters} == {b"key_unknown"} and len(letters) == EVENTS // 2
    assert all(b"which is not among protect: keys:" in dict(h)["churn.detail"] for *_, h in letters)
    stack.run("redrive", "-c", config, "--plugin-path", plugins)  # too early: they stay
    assert sum(int(p["notes"]) for p in profiles(stack, name).values()) == EVENTS // 2
    config = consumer(stack, name, {"keys": both})
    for _ in range(2):
        stack.run("redrive", "-c", config, "--plugin-path", plugins)
        stack.run("-c", config, "--until-end", "--plugin-path", plugins)
    check_profiles(stack, config, plugins, name)


def test_rotation(stack, plugins):
    """New keys while it runs: old and new texts in one profile, exact, also compared with a rebuild by the new key."""
    name, both = "rotated", {"k2": KEY2, "k1": KEY1}
    config = consumer(stack, name, {"keys": {"k1": KEY1}}, lambda s: s["sinks"].pop(0))
    stack.kafka.create_topics({name: 2})
    produce(stack, plugins, name, [event(i) for i in range(EVENTS // 2 + 5)], keys={"k1": KEY1})
    run = stack.churnd("-c", config, "--plugin-path", plugins)
    wait_for("half", lambda: sum(int(p.get("notes", 0)) for p in profiles(stack, name).values()) == EVENTS // 2 + 5, 60)
    consumer(stack, name, {"keys": both}, lambda s: s["sinks"].pop(0))
    run.send(1)
    wait_for("the reload", lambda: "reloaded" in run.err or "takes over" in run.err, 60)
    produce(stack, plugins, name, [event(i) for i in range(EVENTS // 2 + 5, EVENTS - 10)], keys=both)
    wait_for("all", lambda: sum(int(p.get("notes", 0)) for p in profiles(stack, name).values()) == EVENTS - 10, 60)
    run.terminate()
    ids = {p["last_note"].split(":")[2] for p in profiles(stack, name).values()}
    assert ids == {"k2"}
    check_profiles(stack, config, plugins, name, EVENTS - 10)
    alerts = [json.loads(r[4])["data"]["note"] for r in records(stack, f"{name}-alerts")]
    assert {a.split(":")[2] for a in alerts} == {"k1", "k2"} and len(alerts) >= EVENTS - 10
    stack.run("rebuild", "-c", config, "--into", f"{name}2:", "--plugin-path", plugins)
    done = stack.run("verify", "-c", config, "--against", f"{name}2:", "--plugin-path", plugins)
    assert f"{CUSTOMERS}" in done.out
    explained = stack.run("explain", "-c", config, "c3", "--plugin-path", plugins)
    assert "churnd:1:" not in explained.out and CANARY in explained.out


REFUSED = [
    ({"keys": {}}, "protect: store: encrypt needs a key"),
    ({"keys": {"k1": "0011"}}, "p.yaml:14:9: protect: keys: k1: the key is too short: 2 bytes instead of 32"),
    (
        {"keys": {"k1": KEY1, "k2": KEY1}},
        "p.yaml:15:9: protect: keys: k2 is the key k1 once more: each id needs a key of its own",
    ),
    ({"keys": {"k1": "not a key"}}, "protect: keys: k1: a key is 32 bytes in hexadecimal digits or base64"),
    ({"keys": {"a key": KEY1}}, "p.yaml:14:5: protect: keys: a key's id has 1 to 32 letters, digits, '-', '_' and '.'"),
    ({"keys": {"k1": KEY1}, "hash_key": "00"}, "protect: hash_key: the key is too short: 1 bytes instead of 32"),
    ({"keys": {"k1": KEY1}, "tap": "hash"}, "protect: tap: hash needs a key: add 'hash_key: ${NAME}'"),
    (
        {"keys": {"k1": KEY1}, "fields": {"sesion_id": "mask"}},
        "p.yaml:16:5: protect: fields: no event type that is loaded has a field 'sesion_id' (did you mean 'session_id'?)",
    ),
    (
        {"keys": {"k1": KEY1}, "fields": {"topic": "mask"}},
        "p.yaml:16:5: protect: fields: topic is not marked as personal data (CHURN_FIELD_PII) by event type note_taken",
    ),
    (
        {"keys": {"k1": KEY1}, "fields": {"note": "maks"}},
        "p.yaml:16:11: protect: fields: note: clear, mask, hash or encrypt belongs here (did you mean 'mask'?)",
    ),
    (
        {"keys": {"k1": KEY1}, "fields": {"note": {"alert": "mask"}}},
        "p.yaml:17:7: protect: fields: note: 'alert' is not one of events, alerts, predictions, store, tap, page (did you mean 'alerts'?)",
    ),
    (
        {"keys": {"k1": KEY1}, "fields": {"oldest": {"store": "encrypt"}}},
        "p.yaml:17:14: protect: fields: the profile field oldest (int, merged by max) can only be clear in the store",
    ),
    ({"keys": {"k1": KEY1}, "places": "x"}, "protect: unknown option 'places'"),
    ({"keys": {"k1": KEY1}, "alerts": "shred"}, "protect: alerts: 'shred' is not one of clear, mask, hash, encrypt"),
]


def small(tmp_path, protect, sink=None):
    path = tmp_path / "p.yaml"
    (tmp_path / "in.jsonl").write_text("")
    path.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": "in.jsonl"},
                "store": {"plugin": "lmdb", "path": "db"},
                "sinks": [sink or {"plugin": "alert"}],
                "dead_letters": {"plugin": "file", "path": "dead.jsonl"},
                **({"protect": protect} if protect is not None else {}),
            },
            sort_keys=False,
        )
    )
    return path


@pytest.mark.parametrize(("protect", "message"), REFUSED, ids=lambda x: x[:40] if isinstance(x, str) else "")
def test_what_is_refused(tmp_path, plugins, protect, message):
    done = run_churnd("check", "-c", "p.yaml", "--plugin-path", plugins, cwd=small(tmp_path, protect).parent, check=1)
    assert message in done.stderr, done.stderr
    for key in (KEY1, KEY2, HASH):
        assert key not in done.stdout + done.stderr


def test_what_a_sink_may_not_say(tmp_path, plugins):
    """An event whose number is masked could not be read again; a sink's own word needs a key, too."""
    sink = {"plugin": "file", "path": "out.jsonl", "input": "events", "protect": "mask"}
    done = run_churnd("check", "-c", small(tmp_path, None, sink), "--plugin-path", plugins, cwd=tmp_path, check=1)
    assert "p.yaml:11:12: file: protect: mask: data.age of note_taken takes no such text" in done.stderr
    sink["protect"] = "encrypt"
    done = run_churnd("check", "-c", small(tmp_path, None, sink), "--plugin-path", plugins, cwd=tmp_path, check=1)
    assert "p.yaml:11:12: protect: file: encrypt needs a key" in done.stderr


def test_numbers_in_the_store_are_warned_of(tmp_path, plugins):
    done = run_churnd(
        "check", "-c", small(tmp_path, {"keys": {"k1": KEY1}}), "--plugin-path", plugins, cwd=tmp_path, check=0
    )
    assert (
        "warning: protect: store: the profile field oldest (int, merged by max) stays in clear"
        in done.stdout + done.stderr
    )
    protect = {"keys": {"k1": KEY1}, "fields": {"oldest": {"store": "clear"}}}
    done = run_churnd("check", "-c", small(tmp_path, protect), "--plugin-path", plugins, cwd=tmp_path, check=0)
    assert "oldest" not in done.stdout + done.stderr


def test_tests_of_pipelines_know_it(tmp_path, plugins):
    """`churnd test` shows alerts and dead letters as they are sent, and takes events that are encrypted."""
    path = small(tmp_path, {"keys": {"k1": KEY1}, "alerts": "mask", "dead_letters": "clear"})
    settings = yaml.safe_load(path.read_text())
    settings["tests"] = [
        {
            "name": "masked",
            "events": [json.loads(event(1))],
            "expect": {"alerts": [{"event_id": "c1_1", "message": "c1 wrote ***, aged ***", "data": {"note": "***"}}]},
        }
    ]
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    run_churnd("test", "-c", path, "--plugin-path", plugins, cwd=tmp_path, check=0)


def clear_note(i):
    return f'{CANARY} "{i}"'


@pytest.fixture(scope="module")
def written(tmp_path_factory, plugins):
    """A pipeline's file with what it wrote: two alerts and a dead letter, encrypted."""
    folder = tmp_path_factory.mktemp("written")
    sink = {"plugin": "file", "path": str(folder / "alerts.jsonl"), "input": "alerts"}
    config = small(folder, {"keys": {"k1": KEY1}, "fields": {"oldest": {"store": "clear"}}}, sink)
    settings = yaml.safe_load(config.read_text())
    settings["source"]["path"] = str(folder / "in.jsonl")
    settings["store"]["path"] = str(folder / "db")
    settings["dead_letters"]["path"] = str(folder / "dead.jsonl")
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    (folder / "in.jsonl").write_text(f'{event(1)}\n{event(2)}\n{{"note": "{CANARY}"\n{{"note": "{CANARY} 2"\n')
    run_churnd("-c", config, "--until-end", "--plugin-path", plugins, check=0)
    alerts = [json.loads(line) for line in (folder / "alerts.jsonl").read_text().splitlines()]
    letters = [json.loads(line) for line in (folder / "dead.jsonl").read_text().splitlines()]
    assert len(alerts) == len(letters) == 2 and all(x["value"].startswith("churnd:1:k1:") for x in letters)
    return config, alerts, letters


def test_each_form_is_decrypted(written, plugins):
    """Alerts, what tools wrap around them, dead letters, and values alone, of which a note says what cannot be told."""
    config, alerts, letters = written
    lines = [alerts[0], {"topic": "t", "payload": json.dumps(alerts[1])}, letters[0], {"records": [alerts]}]
    out, err = decrypt({}, config, plugins, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert err == ""
    found = [json.loads(line) for line in out.splitlines()]
    assert found[0]["data"]["note"] == clear_note(1) and found[0]["data"]["age"] == age_of(1)
    assert json.loads(found[1]["payload"])["data"]["note"] == clear_note(2)
    assert found[2]["value"] == f'{{"note": "{CANARY}"'
    assert [a["data"]["note"] for a in found[3]["records"][0]] == [clear_note(1), clear_note(2)]
    values = [alerts[0]["data"]["note"], json.dumps({"profile": {"note": alerts[1]["data"]["note"]}})]
    out, err = decrypt({}, config, plugins, "\n".join(values).encode())
    assert clear_note(1) in out and json.loads(out.splitlines()[1])["profile"]["note"] == clear_note(2)
    assert (
        "2 values are not in the JSON of an event, alert or dead letter: nothing tells whether they were moved" in err
    )


ELSEWHERE = {
    "field": lambda a, b, x, y: {**a, "data": {**a["data"], "phone": a["data"]["note"]}},
    "event": lambda a, b, x, y: {**a, "data": {**a["data"], "phone": b["data"]["phone"]}},
    "customer": lambda a, b, x, y: {**a, "customer_id": "c9"},
    "wrapped": lambda a, b, x, y: {"payload": json.dumps({**a, "data": {**a["data"], "phone": b["data"]["phone"]}})},
    "no field": lambda a, b, x, y: {**a, "message": b["data"]["note"]},
    "letter": lambda a, b, x, y: {**x, "value": y["value"]},
    "letter to alert": lambda a, b, x, y: {**a, "data": {**a["data"], "note": x["value"]}},
}
SAID = {
    "field": "data.phone: it belongs to another event, customer or field",
    "event": "data.phone: it belongs to another event, customer or field",
    "wrapped": "data.phone: it belongs to another event, customer or field",
    "letter to alert": "data.note: it belongs to another event, customer or field",
    "customer": "data.note: it belongs to another event, customer or field",
}


@pytest.mark.parametrize("moved", ELSEWHERE)
def test_what_was_moved_is_not_decrypted(written, plugins, moved):
    config, alerts, letters = written
    line = json.dumps(ELSEWHERE[moved](*alerts, *letters))
    out, err = decrypt({}, config, plugins, f"\n{line}\n".encode(), check=1)
    said = SAID.get(moved, "where it stands: it belongs to another record")
    assert f"left as encrypted, the first one, in line 2 moved to {said}" in err
    kept = json.loads(out)
    if moved == "letter":
        assert kept["value"] == letters[1]["value"]
    elif moved == "no field":
        assert kept["message"] == alerts[1]["data"]["note"] and kept["data"]["note"] == clear_note(1)
    elif moved in ("event", "field"):
        assert kept["data"]["phone"].startswith("churnd:1:k1:")
        assert kept["data"]["age"] == age_of(1)  # what was not moved is read all the same


def test_a_repeated_member_hides_nothing(written, plugins):
    """json-c keeps the last one of a name; the one before it stands nowhere that is told."""
    config, alerts, _ = written
    other = alerts[1]["data"]["phone"]
    line = json.dumps(alerts[0]).replace('"phone":', f'"phone": "{other}", "phone":')
    out, err = decrypt({}, config, plugins, line.encode(), check=1)
    assert other in out and "1 value is left as encrypted, the first one, in line 1 moved to where it stands" in err


def test_each_value_that_is_not_opened_is_counted(written, plugins):
    """Changed, of another key, or moved, in any line: how many are left, why the first one is, and the rest in clear."""
    config, alerts, letters = written

    def changed(sealed):
        return sealed[:-8] + ("B" if sealed[-8] != "B" else "C") + sealed[-7:]

    data, other = alerts[0]["data"], alerts[1]["data"]
    lines = [
        {**letters[0]},
        {**alerts[0], "data": {**data, "note": changed(data["note"]), "age": changed(data["age"])}},
        {**alerts[1], "data": {**other, "note": other["note"].replace(":k1:", ":k9:")}},
        {**letters[1], "value": changed(letters[1]["value"])},
        {**alerts[1], "data": {**other, "phone": data["phone"]}},
    ]
    out, err = decrypt({}, config, plugins, b"".join(json.dumps(line).encode() + b"\n" for line in lines), check=1)
    assert err == "churnd: 5 values are left as encrypted, the first one, in line 2 changed since it was encrypted\n"
    found = [json.loads(line) for line in out.splitlines()]
    assert found[0]["value"] == f'{{"note": "{CANARY}"'
    assert [found[1]["data"][x] for x in ("note", "age")] == [lines[1]["data"][x] for x in ("note", "age")]
    assert found[2]["data"]["note"] == lines[2]["data"]["note"] and found[2]["data"]["age"] == age_of(2)
    assert found[3] == lines[3]
    assert found[4]["data"]["phone"] == data["phone"] and found[4]["data"]["note"] == clear_note(2)


SHOWN_BROKEN = [  # protect:, and whether the tap shows what cannot be read
    ({"tap": "clear"}, True),
    ({"tap": "clear", "fields": {"session_id": {"page": "mask", "alerts": "mask"}}}, True),
    ({"tap": "clear", "fields": {"session_id": {"tap": "mask"}}}, False),
    ({"tap": "clear", "fields": {"session_id": "hash"}, "hash_key": HASH}, False),
    (
        {"tap": "mask", "fields": {name: {"tap": "clear"} for name in ("session_id", "reason", "url", "email_id")}},
        False,
    ),
]


@pytest.mark.parametrize(("protect", "shown"), SHOWN_BROKEN, ids=lambda x: json.dumps(x)[:60])
def test_what_cannot_be_read_is_hidden_where_a_field_is(tmp_path, protect, shown):
    """In a bad event any field may stand anywhere: it is in clear only where every field is."""
    path, at = tmp_path / "p.yaml", tmp_path / "tap"
    settings = {
        "source": {"plugin": "generate", "rate": 2000, "bad_share": 0.2, "seed": 5},
        "store": {"plugin": "lmdb", "path": str(tmp_path / "db")},
        "sinks": [{"plugin": "file", "input": "alerts", "path": str(tmp_path / "alerts")}],
        "dead_letters": {"plugin": "file", "path": str(tmp_path / "dead")},
        "tap": {"socket": str(at)},
        "protect": {"keys": {"k1": KEY1}, "dead_letters": "clear", **protect},
    }
    path.write_text(yaml.safe_dump(settings))
    stack = Stack(tmp_path)
    try:
        run = stack.churnd("-c", path)
        wait_for("the tap", lambda: at.exists() or not run.running())
        assert run.running(), run.err
        for point in ("dead_letters", "source"):
            done = run_churnd(
                "tap", "-c", path, "--at", point, "--limit", "60", "--format", "json", env=stack.env, check=0
            )
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            hidden = [line.get("text") == "***" for line in lines]
            assert len(lines) == 60
            assert any(hidden) == (not shown), lines[:3]
            assert point == "source" or all(hidden) == (not shown), lines[:3]
    finally:
        stack.stop()
