"""A Redis whose users may do little, and a profile that is deleted: churnd needs what it says that it needs, misses each of it
by name, and the remedy that it names works."""

import json
import re
import time

import events
import oracle
import pytest
import yaml
from services import run_churnd, wait_for


def needed():
    """The commands that `churnd describe redis` lists."""
    options = json.loads(run_churnd("describe", "redis", "--format", "json", check=0).stdout)[0]["options"]
    text = next(o["help"] for o in options if o["name"] == "username")
    return re.split(r", | and ", re.search(r"and the commands (.*?); for", text)[1])


NEEDED = needed()
KEYS = ["~profile:*", "~churnd:*", "~prediction:*"]


def allow(stack, *rules):
    stack.redis.client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", *rules)


def setup(stack, lines=400, follow=False, **store):
    stack.start_redis(durable=True)
    path = stack.folder / "events.jsonl"
    path.write_bytes(b"".join(value + b"\n" for _, value in events.load(lines, 40, 7)))
    config = stack.folder / "pipeline.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "source": {"plugin": "file", "path": str(path), "follow": follow},
                "processors": [{"plugin": "dedup"}],
                "store": {"plugin": "redis", "port": stack.redis.port, "username": "app", "password": "pw", **store},
                "sinks": [{"plugin": "prediction_local"}],
                "dead_letters": {"plugin": "file", "path": str(stack.folder / "dead.jsonl")},
            }
        )
    )
    return path, config


def model_of(path):
    model = oracle.Model()
    model.feed_lines(path, path.name)
    return model


def test_the_documented_permissions_are_enough(stack):
    path, config = setup(stack, durability="fsync")
    rules = [*KEYS, *(f"+{c}" for c in NEEDED), "+config|get"]
    allow(stack, *rules)
    run_churnd("check", "-c", config, "--connect", "--deny-warnings", check=0)
    run = stack.run("-c", config, "--until-end")
    oracle.assert_profiles(model_of(path), stack.redis.hashes("profile:"))
    assert "does not let" not in run.err and stack.redis.hashes("prediction:")
    allow(stack, *rules, "~rebuilt:*", "+scan")
    run_churnd("rebuild", "-c", config, "--into", "rebuilt:", check=0)
    run_churnd("verify", "-c", config, "--against", "rebuilt:", check=0)


def test_a_worker_connects_once(stack):
    """Where there is nobody to forget, nothing is given up for it, the first session neither."""
    path, config = setup(stack)
    allow(stack, *KEYS, "+@all")
    settings = yaml.safe_load(config.read_text())
    del settings["sinks"], settings["processors"]
    config.write_text(yaml.safe_dump(settings))
    client = stack.redis.client
    before = client.info("stats")["total_connections_received"]
    stack.run("-c", config, "--until-end")
    assert client.info("stats")["total_connections_received"] - before == 1
    oracle.assert_profiles(model_of(path), stack.redis.hashes("profile:"))


@pytest.mark.parametrize("missing", [*NEEDED, *KEYS])
def test_each_permission_is_missed_by_name(stack, missing):
    _, config = setup(stack)
    rules = {*KEYS, *(f"+{c}" for c in NEEDED)}
    allow(stack, *sorted(rules - {missing, f"+{missing}"}))
    checked = run_churnd("check", "-c", config, "--connect")
    assert ("ok: redis" in checked.stdout) == (checked.returncode == 0), checked.stdout
    if missing == "info":  # it goes without, and says what that costs
        assert checked.returncode == 0
        return
    before = stack.redis.commands()
    run = run_churnd("-c", config, "--until-end", timeout=60)
    for done in (checked, run):
        assert done.returncode == 1 and "does not let this user" in done.stderr, done.stderr
        assert missing.strip("~*").replace("|", "").lower() in done.stderr.replace("|", "").lower(), done.stderr
    assert stack.redis.commands() < before + 500 and not stack.redis.hashes("profile:")


@pytest.mark.parametrize("missing", ["hget", "hset", "hgetall", "evalsha", "eval"])
def test_a_permission_that_is_taken_away(stack, missing):
    """While it runs: it ends with the reason, and asks Redis no more."""
    path, config = setup(stack, follow=True)
    allow(stack, *KEYS, *(f"+{c}" for c in NEEDED))
    daemon = stack.churnd("-c", config)
    model = model_of(path)
    wait_for("the profiles", lambda: not oracle.differences(model.profile_fields(), stack.redis.hashes("profile:")))
    stack.redis.client.execute_command("ACL", "SETUSER", "app", f"-{missing}")
    before = stack.redis.commands()
    with path.open("ab") as file:
        file.write(b"".join(value + b"\n" for _, value in events.load(200, 60, 8, event_prefix="late")))
    assert daemon.wait(60) == 1
    assert "does not let this user" in daemon.err, daemon.err[-2000:]
    assert stack.redis.commands() < before + 3000


def test_a_profile_that_was_deleted_while_running(stack):
    """It begins anew and says how it is made whole; that makes it whole."""
    path, config = setup(stack, follow=True)
    allow(stack, "~*", "+@all")
    daemon = stack.churnd("-c", config)
    model = model_of(path)
    expected = model.profile_fields()
    wait_for("the profiles", lambda: not oracle.differences(expected, stack.redis.hashes("profile:")))
    time.sleep(1.5)  # a checkpoint behind them
    customer = max(expected, key=lambda c: int(expected[c]["events_total"]))
    assert stack.redis.client.delete(f"profile:{customer}") == 1
    with path.open("ab") as file:
        for _, value in events.load(400, 40, 9, event_prefix="late"):
            file.write(value + b"\n")
    wait_for("it to be noticed", lambda: f"profile of customer '{customer}' is gone" in daemon.err)
    assert "stop churnd, delete the profile, and start once with --replay-from beginning" in daemon.err
    expected = model_of(path).profile_fields()
    others = lambda fields: {c: f for c, f in fields.items() if c != customer}
    wait_for("the others", lambda: not oracle.differences(others(expected), others(stack.redis.hashes("profile:"))))
    assert daemon.terminate(30) == 0
    stack.redis.client.delete(f"profile:{customer}")
    stack.run("-c", config, "--until-end", "--replay-from", "beginning")
    oracle.assert_profiles(model_of(path), stack.redis.hashes("profile:"))


def test_a_restart_reads_profiles_before_it_writes_them(stack):
    """Exact, without a conflict for each customer; and an expiry that an earlier configuration had set is gone."""
    path, config = setup(stack, ttl="1h")
    allow(stack, "~*", "+@all")
    stack.run("-c", config, "--until-end")
    client = stack.redis.client
    keys = list(client.scan_iter("profile:*"))
    assert len(keys) == 40 and all(client.pttl(key) > 0 for key in keys)
    settings = yaml.safe_load(config.read_text())
    del settings["store"]["ttl"]
    settings["processors"], settings["sinks"] = [], []
    config.write_text(yaml.safe_dump(settings))
    with path.open("ab") as file:
        file.write(b"".join(value + b"\n" for _, value in events.load(400, 60, 11, event_prefix="later")))
    run = stack.run("-c", config, "--until-end")
    oracle.assert_profiles(model_of(path), stack.redis.hashes("profile:"))
    assert "writes 59" in run.out and "conflicts" not in run.out, run.out
    assert all(client.pttl(key) == -1 for key in client.scan_iter("profile:*"))
