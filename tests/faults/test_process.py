"""Rows 1 to 4, 15 and 20: instances that are killed, stopped, frozen and reloaded at any moment, and events that break every
rule."""

import re
import signal
import time

import pytest
import services
from lights import ask, start_stuck, wait_for_trouble
from rig import summed
from services import wait_for

# Failpoint → up to which pass it kills, and how often; a commit comes once a second.
FAILPOINTS = {
    "after_poll": (12, 20),
    "mid_pipeline": (400, 20),
    "after_store_ack": (12, 20),
    "after_produce": (12, 20),
    "before_commit": (2, 10),
    "after_commit": (2, 10),
}


@pytest.mark.ci
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_killed_at_failpoint(rig, failpoint):
    """Each start reads in windows of another size, so that what is read again is cut differently."""

    def at_once(settings):  # the group knows the one that comes back, and need not wait for its session's end
        settings["source"]["properties"]["group.instance.id"] = "one"

    passes, kills = FAILPOINTS[failpoint]
    rig.up(count=3000, delay=0.001)
    fleet = rig.fleet(0, at_once)
    with rig.streaming(25, 0.05):
        for _ in range(kills):
            member = fleet.start(
                {
                    "CHURN_FAILPOINT": f"{failpoint}:{rig.rng.randint(1, passes)}",
                    "WINDOW_EVENTS": str(rig.rng.randrange(10, 200)),
                }
            )
            assert member.wait(20) == -signal.SIGKILL, member.err[-3000:]
            fleet.members.remove(member)
            rig.fault(f"kill -9 at {failpoint}")
    fleet.start()
    rig.finish(fleet)


@pytest.mark.ci
def test_killed_before_outputs_were_answered(rig):
    """Alerts and dead letters do not get through: their events are not committed, so a kill costs none of them."""

    def through_the_link(settings):
        for section in (settings["sinks"][1], settings["dead_letters"]):
            section["brokers"] = rig.kafka.proxied_brokers

    rig.up(count=2000, bad=True)
    fleet = rig.fleet(1, through_the_link)
    rig.settle(fleet)
    group = rig.group()
    committed = group.committed()
    rig.fault("outputs are black-holed")
    rig.kafka.link.blackhole = True
    try:
        rig.fill(3000)
        rig.writes(300)
        time.sleep(3)
        assert group.committed() == committed, "committed what is not in the topics of alerts and dead letters"
        rig.fault("kill -9")
        fleet.kill()
    finally:
        rig.kafka.link.blackhole = False
        rig.kafka.link.cut_all()
    fleet.start()
    rig.finish(fleet)


@pytest.mark.ci
def test_sigterm_under_load(rig):
    rig.up(count=15000)
    fleet = rig.fleet(2)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        rig.writes(300)
        leaver = fleet.take(rig.rng)
        rig.fault(signal.Signals(number).name)
        leaver.send(number)
        start = time.monotonic()
        assert leaver.wait(30) == 0, leaver.err[-3000:]
        assert time.monotonic() - start < 15
        fleet.start()
        rig.fill(2000)
    rig.finish(fleet)


@pytest.mark.ci
def test_zombie(rig):
    """Frozen past its session, awake when another has its partitions: what it does then counts for nothing."""
    rig.up(count=15000)
    zombie = rig.fleet()
    rig.writes(600)
    zombie.members[0].send(signal.SIGSTOP)
    rig.fault("SIGSTOP past the session")
    heir = rig.fleet(env={"WINDOW_EVENTS": "170"})
    rig.says(heir, "worker 0 reads")
    rig.writes(600)
    zombie.members[0].send(signal.SIGCONT)
    rig.says(zombie, "worker 0 gives up .*: its membership ended, so others may have them by now")
    rig.fill(3000)
    rig.settle(heir)
    witnesses = heir.members + zombie.members
    zombie.terminate()
    rig.finish(heir)
    assert sum(summed(w, "already counted") + summed(w, "conflicts") for w in witnesses) > 0, (
        "nobody met the other's writes"
    )


def test_killed_member_is_waited_for(rig):
    """The group waits for the session of the one that was killed, and the one that comes after it says so; nothing else is
    wrong."""
    rig.up(count=2000)
    fleet = rig.fleet(env={"SESSION_MS": "12000"})
    rig.commits()
    rig.fault("kill -9")
    fleet.kill()
    after = fleet.start()
    rig.says(
        fleet,
        "waiting for group `.*` to give out its partitions: .* waits for one that was killed until its session ends "
        r"\(session.timeout.ms, here 12 s\)",
        60,
    )
    assert "worker 0 reads" not in after.err
    rig.says(fleet, "worker 0 reads", 60)
    assert after.err.count("to give out its partitions") == 1 and not re.search(
        "does not exist|gives up|WARN +kafka|ERROR", after.err
    ), after.err
    rig.finish(fleet)


@pytest.mark.ci
def test_rebalance_storm(rig):
    """One to four instances come and go every two seconds, and still there is progress. A slow store, wide windows and an even
    stream: whenever an instance gives up partitions, one window is being written and another is filling."""
    rig.up(count=5000, delay=0.06)
    fleet = rig.fleet(2, env={"WINDOW_EVENTS": "20000"})
    with rig.streaming(count=100, every=0.02):
        for turn in range(10):
            written = rig.store.commands()
            time.sleep(2)
            assert rig.store.commands() > written, f"no progress in turn {turn}"
            if len(fleet.members) > 1 and (len(fleet.members) == 4 or rig.rng.random() < 0.5):
                if turn % 3 == 2:
                    rig.fault("kill -9")
                    fleet.kill(rig.rng)
                else:
                    rig.fault("an instance leaves")
                    fleet.terminate(rig.rng.choice(fleet.members))
            else:
                rig.fault("an instance joins")
                fleet.start()
    rig.link.delay = 0
    rig.finish(fleet)


def has_reloaded(member):
    return member.err.count("reloaded ") >= 4 and "workers: must be auto" in member.err


@pytest.mark.ci
def test_reload_storm(rig):
    """SIGHUP after SIGHUP to both members of the group, with one worker and two by turns, and a mistake now and then."""
    rig.up(count=3000)
    fleet = rig.fleet(2)
    rig.writes(300)
    with rig.streaming(count=100, every=0.05):
        turn = 0
        while turn < 18 or not all(has_reloaded(member) for member in fleet.members):
            assert turn < 600, [member.err[-3000:] for member in fleet.members]
            broken = turn % 6 == 5
            rig.config(lambda settings: settings.update(workers="many" if broken else 1 + turn // 6 % 2))
            for member in fleet.members:
                rig.fault("SIGHUP")
                member.send(signal.SIGHUP)
            time.sleep(rig.rng.random() * 0.5)
            turn += 1
        rig.config()
        fleet.members[0].send(signal.SIGHUP)
    rig.finish(fleet)


@pytest.mark.ci
def test_malformed_events(rig):
    """Each way to break the contract, between good events, with kills: in the dead letters once or more, and alike."""
    rig.up(count=4000, bad=True)
    fleet = rig.fleet(restart=True)
    for _ in range(3):
        rig.writes(250)
        rig.fault("kill -9 among malformed events")
        fleet.members[0].kill()
        fleet.tend()
    model = rig.finish(fleet)
    assert len(model.dead) > 500
    wait_for("the dead letters", lambda: rig.kafka.topic_exists(rig.topic("dead-letters")), 1)


def test_plugin_that_does_not_come_back(tmp_path):
    """Not alive, and whom the worker waits for is named, though nothing ends the process (`plugin_timeout` is of events)."""
    stack, port = services.Stack(tmp_path), services.free_port()
    try:
        daemon = start_stuck(stack, port)
        found = wait_for_trouble(port, ("deaf", "stuck"), timeout=120)
        assert found["deaf", "stuck"].endswith("it waits for sink deaf"), found
        assert ask(port, "/healthz")[0] == 503
        assert " ERROR deaf: worker 0 does not go on, for 30 s; it waits for sink deaf (stalled: stuck)" in daemon.err
    finally:
        stack.stop()
